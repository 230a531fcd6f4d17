/**
 * Chat templates for model files that have none or a broken one, chosen by the control tokens that
 * the vocabulary has: a format whose tokens exist was almost surely the one trained on.
 *
 * | id      | chosen when                                                   | format            |
 * |---------|---------------------------------------------------------------|-------------------|
 * | chatml  | `<|im_start|>` and `<|im_end|>`                               | ChatML            |
 * | llama-3 | `<|start_header_id|>` and `<|eot_id|>`                        | Llama 3           |
 * | gemma   | `<start_of_turn>` and `<end_of_turn>`                         | Gemma             |
 * | phi-3   | `<|user|>`, `<|assistant|>` and `<|end|>`                     | Phi 3             |
 * | llama-2 | `[INST]` is a token, or the name says Llama 2, Mistral, Mixtral | Llama 2           |
 * | plain   | nothing of these: a base model                                | "User:" and "Assistant:" lines |
 */
export interface DefaultTemplate {
  readonly id: 'chatml' | 'llama-3' | 'gemma' | 'phi-3' | 'llama-2' | 'plain';
  readonly template: string;
  /** Texts that end an answer, where no control token does. */
  readonly stop: readonly string[];
}

export interface TemplateHints {
  /** Whether the vocabulary has a token of this spelling. */
  readonly hasToken: (spelling: string) => boolean;
  /** GGUF `general.architecture` and `general.name`. */
  readonly architecture: string;
  readonly name: string;
}

const chatml: DefaultTemplate = {
  id: 'chatml',
  stop: [],
  template: `{% for message in messages %}
{{ '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant\\n' }}
{%- endif %}`,
};

const llama3: DefaultTemplate = {
  id: 'llama-3',
  stop: [],
  template: `{{ bos_token }}
{%- for message in messages %}
{{- '<|start_header_id|>' + message.role + '<|end_header_id|>\\n\\n' + message.content|trim + '<|eot_id|>' }}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}`,
};

// Gemma has no system role: the system text opens the first user turn, as its authors advise.
const gemma: DefaultTemplate = {
  id: 'gemma',
  stop: [],
  template: `{{ bos_token }}
{%- set state = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{%- set state.system = message.content|trim + '\\n\\n' %}
{%- else %}
{%- set role = 'model' if message.role == 'assistant' else 'user' %}
{{- '<start_of_turn>' + role + '\\n' + state.system + message.content|trim + '<end_of_turn>\\n' }}
{%- set state.system = '' %}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- '<start_of_turn>model\\n' }}
{%- endif %}`,
};

const phi3: DefaultTemplate = {
  id: 'phi-3',
  stop: [],
  template: `{% for message in messages %}
{{ '<|' + message.role + '|>\\n' + message.content + '<|end|>\\n' }}
{%- endfor %}
{% if add_generation_prompt %}
{{ '<|assistant|>\\n' }}
{%- endif %}`,
};

const llama2: DefaultTemplate = {
  id: 'llama-2',
  stop: [],
  template: `{%- set state = namespace(system='') %}
{%- for message in messages %}
{%- if message.role == 'system' %}
{%- set state.system = '<<SYS>>\\n' + message.content|trim + '\\n<</SYS>>\\n\\n' %}
{%- elif message.role == 'assistant' %}
{{- ' ' + message.content|trim + ' ' + eos_token }}
{%- else %}
{{- bos_token + '[INST] ' + state.system + message.content|trim + ' [/INST]' }}
{%- set state.system = '' %}
{%- endif %}
{%- endfor %}`,
};

const plain: DefaultTemplate = {
  id: 'plain',
  stop: ['\nUser:'],
  template: `{{ bos_token }}
{%- for message in messages %}
{%- if message.role == 'system' %}
{{- message.content|trim + '\\n\\n' }}
{%- elif message.role == 'assistant' %}
{{- 'Assistant: ' + message.content|trim + '\\n' }}
{%- else %}
{{- 'User: ' + message.content|trim + '\\n' }}
{%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
{{- 'Assistant:' }}
{%- endif %}`,
};

const bySpellings: readonly (readonly [DefaultTemplate, readonly string[]])[] = [
  [chatml, ['<|im_start|>', '<|im_end|>']],
  [llama3, ['<|start_header_id|>', '<|eot_id|>']],
  [gemma, ['<start_of_turn>', '<end_of_turn>']],
  [phi3, ['<|user|>', '<|assistant|>', '<|end|>']],
  [llama2, ['[INST]']],
];

const instructionNames = /llama[-_ ]?2.*chat|mistral.*instruct|mixtral.*instruct/i;

/** The template for a file without a usable one. */
export function chooseDefaultTemplate(hints: TemplateHints): DefaultTemplate {
  for (const [template, spellings] of bySpellings) {
    if (spellings.every((spelling) => hints.hasToken(spelling))) return template;
  }
  return hints.architecture === 'llama' && instructionNames.test(hints.name) ? llama2 : plain;
}
