/** What a folder's configuration says of its model, for every family the same. */
import { expertsOf, headsOf, type Numbers } from './config-numbers.ts';
import type { JsonFile } from './json-file.ts';
import type { Rule, Rules } from './tensor-rules.ts';

export interface FamilyPlan {
  /** `general.architecture` */
  readonly architecture: string;
  readonly numbers: Numbers;
  readonly rules: Rules;
  /** What is added to a normalisation's weights. */
  readonly normShift?: number;
  /** Makes vectors whatever the folder says. */
  readonly encodes?: boolean;
  /** Whether the output is the embedding where the configuration is silent. */
  readonly tiedByDefault?: boolean;
}

export type Describe = (config: JsonFile) => FamilyPlan;

/** Parts of a layer by their names in the folder. */
export type Parts = Readonly<Record<string, Rule>>;

/** GGUF stores the rotated pairs of q and k as neighbours for the architectures that came first. */
export function neighbours(config: JsonFile): Parts {
  const { heads, kvHeads } = headsOf(config);
  return {
    'self_attn.q_proj': { to: 'attn_q', pairsOf: heads },
    'self_attn.k_proj': { to: 'attn_k', pairsOf: kvHeads },
  };
}

/** The matrices of experts, which GGUF has in one tensor; `names` are those of gate, up and down. */
export function experts(
  config: JsonFile,
  folder: string,
  names: readonly [gate: string, up: string, down: string],
): Parts {
  const stackOf = expertsOf(config);
  const [gate, up, down] = names.map((name) => `${folder}.${name}`) as [string, string, string];
  return {
    [gate]: { to: 'ffn_gate_exps', stackOf },
    [up]: { to: 'ffn_up_exps', stackOf },
    [down]: { to: 'ffn_down_exps', stackOf },
  };
}

/** As most name them, with what all tokens share. */
export function usualExperts(config: JsonFile): Parts {
  const shared = ['mlp.shared_expert', 'mlp.shared_experts'].flatMap((folder) => [
    [`${folder}.gate_proj`, 'ffn_gate_shexp'] as const,
    [`${folder}.up_proj`, 'ffn_up_shexp'] as const,
    [`${folder}.down_proj`, 'ffn_down_shexp'] as const,
  ]);
  return {
    'mlp.gate': 'ffn_gate_inp',
    ...experts(config, 'mlp.experts.*', ['gate_proj', 'up_proj', 'down_proj']),
    ...Object.fromEntries(shared),
    'mlp.shared_expert_gate': 'ffn_gate_inp_shexp',
  };
}
