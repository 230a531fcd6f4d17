/** A graph made ready for a device, with its bind groups and what reads its results. */
import type { CompileOptions, Executable } from '../backend.ts';
import type { CompiledGraph, Program } from './compiled-graph.ts';
import type { Dispatch } from './dispatch.ts';
import type { GpuCache } from './gpu-cache.ts';
import type { TopCandidates } from './top-candidates.ts';

export class GpuExecutable implements Executable {
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly compiled: CompiledGraph;
  /** Copied to after each step and mapped; one is enough, because steps do not overlap. */
  readonly readback: GPUBuffer;
  readonly result: Float32Array<ArrayBuffer>;
  /** Made when candidates are asked for. */
  top: TopCandidates | null = null;
  readonly #device: GPUDevice;
  readonly #dispatches = new Map<string, readonly Dispatch[]>();
  readonly #bindGroups = new Map<GpuCache, Map<Program, readonly GPUBindGroup[]>>();

  constructor(
    device: GPUDevice,
    compiled: CompiledGraph,
    readback: GPUBuffer,
    options: CompileOptions,
  ) {
    this.#device = device;
    this.compiled = compiled;
    this.readback = readback;
    this.maxTokens = options.maxTokens;
    this.maxOutputs = options.maxOutputs;
    this.result = new Float32Array(options.maxOutputs * compiled.resultColumns);
  }

  get bytes(): number {
    return this.compiled.bytes;
  }

  /** The way through the graph for a step of `tokens` tokens. */
  program(tokens: number): Program {
    return tokens === 1 ? this.compiled.one : this.compiled.any;
  }

  /** Asks for all pipelines that steps with this cache need: a slice may be one token, whatever the step has. */
  prepare(cache: GpuCache): void {
    for (const program of [this.compiled.any, this.compiled.one]) this.dispatches(program, cache);
  }

  /** The dispatches for a type of cache: they differ where it is written and read. Asks for pipelines. */
  dispatches(program: Program, { spec: { type } }: GpuCache): readonly Dispatch[] {
    const key = `${program === this.compiled.one ? 'one' : 'any'} ${type}`;
    const known = this.#dispatches.get(key);
    if (known !== undefined) return known;
    const dispatches = program.dispatches(type);
    this.#dispatches.set(key, dispatches);
    return dispatches;
  }

  /** Bind groups of all dispatches, made once for a cache. */
  bindGroups(program: Program, cache: GpuCache): readonly GPUBindGroup[] {
    const known = this.#bindGroups.get(cache) ?? new Map<Program, readonly GPUBindGroup[]>();
    this.#bindGroups.set(cache, known);
    const before = known.get(program);
    if (before !== undefined) return before;
    const groups = this.dispatches(program, cache).map(({ pipelines, resources, label }) => {
      const { layout, bindings } = pipelines[8];
      const numbers = bindings.flatMap((kind, binding) => (kind === null ? [] : [binding]));
      const entries = resources.map((resource, index) => ({
        binding: numbers[index] as number,
        resource: typeof resource === 'function' ? resource(cache) : resource,
      }));
      return this.#device.createBindGroup({ label, layout, entries });
    });
    known.set(program, groups);
    return groups;
  }

  /** The cache was closed: its bind groups would keep its memory. */
  forget(cache: GpuCache): void {
    this.#bindGroups.delete(cache);
  }
}
