/**
 * Renders a model file's own chat template. The template is a program from an untrusted file: it runs
 * in a disposable worker under a deadline, and here under limits that stop most bombs earlier.
 */
import { Environment, parse, tokenize } from '@huggingface/jinja';
import { AppError } from '../common/errors.ts';
import { MEBIBYTE } from '../common/bytes.ts';
import { strftime } from './python-strftime.ts';
import { maxTemplateLength } from './template-limits.ts';
import { TemplateInterpreter } from './template-interpreter.ts';
import { TemplateFlaw } from './template-values.ts';

/** A message as templates see it; `tool_calls` and the like pass through as they are. */
export interface TemplateMessage {
  readonly role: string;
  readonly content: string | null;
  readonly [key: string]: unknown;
}

/** Plain data, so that it can be sent to a worker. */
export interface ChatTemplateRequest {
  readonly template: string;
  readonly messages: readonly TemplateMessage[];
  /** Function definitions in the JSON schema form of the OpenAI API. */
  readonly tools?: readonly unknown[] | null;
  readonly addGenerationPrompt: boolean;
  readonly bosToken: string;
  readonly eosToken: string;
  /** Further variables of the template, for example `enable_thinking`. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** The time that the template is told, in milliseconds since the epoch; now when absent. */
  readonly now?: number;
}

export const maxRangeLength = 10_000;
const maxSteps = 1_000_000;
const maxDepth = 100;
const maxIndent = 100;
/** The output may be this many times the input, and a mebibyte. */
const outputPerInput = 4;
const maxRefusalLength = 500;

class Refusal extends Error {}

/**
 * The prompt text of a conversation.
 * @throws AppError `template/refused` with the template's own words when it calls `raise_exception`;
 * `template/broken` for every other flaw and for a limit reached
 */
export function renderChatTemplate(request: ChatTemplateRequest): { readonly text: string } {
  const { template } = request;
  try {
    if (template.length > maxTemplateLength) {
      throw new TemplateFlaw(`it is longer than ${maxTemplateLength} characters`);
    }
    const program = parse(tokenize(template, { lstrip_blocks: true, trim_blocks: true }));
    const interpreter = new TemplateInterpreter(environmentOf(request), {
      steps: maxSteps,
      depth: maxDepth,
      indent: maxIndent,
      textLength: outputPerInput * inputLength(request) + MEBIBYTE,
    });
    return { text: interpreter.run(program).toString() };
  } catch (error) {
    throw classify(error);
  }
}

function inputLength({ template, messages, tools }: ChatTemplateRequest): number {
  return template.length + JSON.stringify([messages, tools ?? null]).length;
}

function environmentOf(request: ChatTemplateRequest): Environment {
  const date = new Date(request.now ?? Date.now());
  const variables: Readonly<Record<string, unknown>> = {
    ...request.extra,
    messages: request.messages,
    tools: request.tools ?? null,
    documents: null,
    add_generation_prompt: request.addGenerationPrompt,
    bos_token: request.bosToken,
    eos_token: request.eosToken,
    true: true,
    True: true,
    false: false,
    False: false,
    none: null,
    None: null,
    range: limitedRange,
    strftime_now: (format: unknown) => strftime(date, String(format)),
    raise_exception: (message: unknown) => {
      throw new Refusal(String(message));
    },
  };
  const environment = new Environment();
  for (const [name, value] of Object.entries(variables)) environment.set(name, value);
  return environment;
}

/** Python's `range`, which must not become a list of 300 million numbers. */
function limitedRange(...bounds: unknown[]): number[] {
  if (bounds.length === 0 || bounds.length > 3 || !bounds.every(Number.isInteger)) {
    throw new TemplateFlaw('it calls range with something other than one to three whole numbers');
  }
  const [first, second, step = 1] = bounds as [number, number?, number?];
  const [start, stop] = second === undefined ? [0, first] : [first, second];
  if (step === 0) throw new TemplateFlaw('it calls range with step 0');
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > maxRangeLength) {
    throw new TemplateFlaw(`it asks for a range of ${length} numbers, more than ${maxRangeLength}`);
  }
  return Array.from({ length }, (_value, index) => start + index * step);
}

function classify(error: unknown): AppError {
  const reason = (error instanceof Error ? error.message : String(error)).slice(
    0,
    maxRefusalLength,
  );
  if (error instanceof Refusal) {
    return new AppError(
      'template/refused',
      `This model cannot take the conversation as it is. Its chat template says: ${reason}`,
      { details: { reason } },
    );
  }
  return new AppError(
    'template/broken',
    `The chat template in the model file does not work: ${reason}. A default template is used instead.`,
    { details: { reason }, cause: error },
  );
}
