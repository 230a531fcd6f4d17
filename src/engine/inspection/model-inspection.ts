/** What a model's header tells, as plain data that crosses threads. */
import type { ErrorCode, ErrorDetails } from '../../common/errors.ts';
import type { TensorType } from '../graph/dtype.ts';

export interface InspectedEntry {
  readonly key: string;
  /** `u32`, `string`, `i32[128256]`. */
  readonly type: string;
  /** The value as text, shortened where it is long. */
  readonly text: string;
}

export interface InspectedTensor {
  readonly name: string;
  readonly type: TensorType;
  /** Fastest-varying first: [columns, rows, ...]. */
  readonly shape: readonly number[];
  readonly elements: number;
  readonly bytes: number;
}

export interface InspectedTypeShare {
  readonly type: TensorType;
  readonly tensors: number;
  readonly elements: number;
  readonly bytes: number;
}

export interface InspectedTokenizer {
  /** `tokenizer.ggml.model`: `llama`, `gpt2`, ... */
  readonly family: string;
  readonly preTokenizer: string | null;
  readonly size: number;
  readonly merges: number;
  /** Ids the file names, as `bos`, with their spelling. */
  readonly special: readonly {
    readonly role: string;
    readonly id: number;
    readonly text: string;
  }[];
}

/** Memory in use once the model is loaded, for a number of bits read of each weight. */
export interface InspectedMemory {
  readonly precision: 8 | 4;
  readonly weightBytes: number;
  /** Activations and the pieces in flight while loading. */
  readonly workBytes: number;
  /** Keys and values of one position of context. */
  readonly bytesPerPosition: number;
}

/** Something that keeps the model from being used, or (`warning`) makes it a little worse. */
export interface InspectionProblem {
  readonly area: 'file' | 'architecture' | 'tokenizer';
  readonly severity: 'error' | 'warning';
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export interface ModelInspection {
  readonly name: string | null;
  readonly architecture: string | null;
  /** Values in all tensors together; 0 where the tensors could not be read. */
  readonly parameters: number;
  /** As publishers call it: `Q4_K_M`. */
  readonly quantization: string | null;
  readonly contextLength: number | null;
  readonly sizeBytes: number;
  readonly headerBytes: number;
  readonly parts: number;
  readonly version: number;
  readonly licence: string | null;
  readonly mix: readonly InspectedTypeShare[];
  readonly tensors: readonly InspectedTensor[];
  readonly metadata: readonly InspectedEntry[];
  /** Entries of the architecture, without its name in front. */
  readonly hyperParameters: readonly InspectedEntry[];
  readonly tokenizer: InspectedTokenizer | null;
  readonly chatTemplates: readonly { readonly name: string; readonly source: string }[];
  /** Empty where the model cannot be planned. */
  readonly memory: readonly InspectedMemory[];
  /** Empty for a model that can be used, memory aside. */
  readonly problems: readonly InspectionProblem[];
}

/** Bytes in use with a context of `contextLength` tokens. */
export function memoryAt(memory: InspectedMemory, contextLength: number): number {
  return memory.weightBytes + memory.workBytes + memory.bytesPerPosition * contextLength;
}
