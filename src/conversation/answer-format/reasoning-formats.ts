/**
 * How models set their reasoning apart from the answer.
 *
 * | opens                        | seen in                                          |
 * |------------------------------|--------------------------------------------------|
 * | `<think>`                    | DeepSeek R1, Qwen 3, SmolLM 3, GLM, most others  |
 * | `<thinking>`, `<reasoning>`, `<thought>` | fine-tuned models                    |
 * | `<|begin_of_thought|>`       | Sky-T1, OpenThinker                              |
 * | `<|START_THINKING|>`         | Command R7B, Command A                           |
 * | `[THINK]`                    | Magistral                                        |
 * | `<seed:think>`               | Seed-OSS                                         |
 * | `<|channel|>analysis<|message|>` | gpt-oss (the Harmony format)                 |
 * | "Here is my thought process:" | Granite 3.2                                     |
 */
export interface ReasoningFormat {
  readonly open: string;
  readonly close: string;
  /** `always`: looked for in every answer; `named`: only where template or vocabulary name it. */
  readonly when: 'always' | 'named';
  /** Where it may begin: at the start of an answer, or between its parts too. */
  readonly place: 'start' | 'anywhere';
}

const tags = (name: string): ReasoningFormat => ({
  open: `<${name}>`,
  close: `</${name}>`,
  when: 'always',
  place: 'start',
});

const named = (
  open: string,
  close: string,
  place: ReasoningFormat['place'] = 'start',
): ReasoningFormat => ({ open, close, when: 'named', place });

export const reasoningFormats: readonly ReasoningFormat[] = [
  tags('think'),
  tags('thinking'),
  tags('reasoning'),
  tags('thought'),
  named('<|begin_of_thought|>', '<|end_of_thought|>'),
  named('<|START_THINKING|>', '<|END_THINKING|>'),
  named('[THINK]', '[/THINK]'),
  named('<seed:think>', '</seed:think>'),
  named('<|channel|>analysis<|message|>', '<|end|>', 'anywhere'),
  named('Here is my thought process:', 'Here is my response:'),
];

/** Marks around the answer proper, which are not part of it; looked for where they are named. */
export const answerWrappers: readonly string[] = [
  '<|begin_of_solution|>',
  '<|end_of_solution|>',
  '<|START_RESPONSE|>',
  '<|END_RESPONSE|>',
  '<|START_TEXT|>',
  '<|END_TEXT|>',
  '<|channel|>final<|message|>',
  '<|channel|>commentary<|message|>',
  '<|start|>assistant',
  '<|end|>',
  '<｜tool▁calls▁begin｜>',
  '<｜tool▁calls▁end｜>',
];
