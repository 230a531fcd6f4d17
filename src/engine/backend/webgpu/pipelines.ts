/**
 * Compiles kernels for a device, each variant once, without blocking: a pipeline is handed out at once
 * and usable after `ready`.
 */
import { AppError } from '../../../common/errors.ts';
import type { GpuFeatures } from './gpu-device.ts';
import { bindingsOf, kernelText, type BindingKind, type KernelName } from './kernel-sources.ts';

export interface Pipeline {
  readonly kernel: KernelName;
  readonly layout: GPUBindGroupLayout;
  readonly bindings: readonly (BindingKind | null)[];
  /** Undefined until `Pipelines.ready`. */
  readonly compiled: GPUComputePipeline | undefined;
}

interface MutablePipeline extends Pipeline {
  compiled: GPUComputePipeline | undefined;
}

interface Module {
  readonly module: GPUShaderModule;
  readonly bindings: readonly (BindingKind | null)[];
}

export class Pipelines {
  readonly #device: GPUDevice;
  readonly #features: GpuFeatures;
  readonly #modules = new Map<KernelName, Module>();
  readonly #layouts = new Map<string, GPUBindGroupLayout>();
  readonly #pipelines = new Map<string, MutablePipeline>();
  #pending: Promise<void>[] = [];

  constructor(device: GPUDevice, features: GpuFeatures) {
    this.#device = device;
    this.#features = features;
  }

  /** Of all kernels that were asked for. */
  get names(): readonly KernelName[] {
    return [...this.#modules.keys()];
  }

  /** @param lowPlane for kernels that read weights: whether both planes are read */
  get(kernel: KernelName, lowPlane?: boolean): Pipeline {
    const key = `${kernel} ${String(lowPlane)}`;
    const known = this.#pipelines.get(key);
    if (known !== undefined) return known;
    const { module, bindings } = this.#module(kernel);
    const layout = this.#layout(bindings);
    const pipeline: MutablePipeline = { kernel, layout, bindings, compiled: undefined };
    this.#pipelines.set(key, pipeline);
    this.#pending.push(this.#compile(pipeline, module, lowPlane));
    return pipeline;
  }

  /** Settles when everything asked for is compiled. @throws AppError `engine/backend-unavailable` */
  async ready(): Promise<void> {
    const pending = this.#pending;
    this.#pending = [];
    await Promise.all(pending);
  }

  async #compile(
    pipeline: MutablePipeline,
    module: GPUShaderModule,
    lowPlane: boolean | undefined,
  ): Promise<void> {
    const { kernel, layout } = pipeline;
    try {
      pipeline.compiled = await this.#device.createComputePipelineAsync({
        label: kernel,
        layout: this.#device.createPipelineLayout({ bindGroupLayouts: [layout] }),
        compute: {
          module,
          entryPoint: 'main',
          constants: lowPlane === undefined ? {} : { LOW_PLANE: lowPlane ? 1 : 0 },
        },
      });
    } catch (cause) {
      throw new AppError(
        'engine/backend-unavailable',
        'A program for the graphics card could not be compiled. The processor can be used instead.',
        { details: { kernel }, cause },
      );
    }
  }

  #module(kernel: KernelName): Module {
    const known = this.#modules.get(kernel);
    if (known !== undefined) return known;
    const code = kernelText(kernel, this.#features);
    const module = {
      module: this.#device.createShaderModule({ label: kernel, code }),
      bindings: bindingsOf(code),
    };
    this.#modules.set(kernel, module);
    return module;
  }

  /** Kernels with the same bindings share a layout, and so their bind groups. */
  #layout(bindings: readonly (BindingKind | null)[]): GPUBindGroupLayout {
    const key = bindings.join();
    const known = this.#layouts.get(key);
    if (known !== undefined) return known;
    const entries = bindings.flatMap((type, binding) =>
      type === null ? [] : [{ binding, visibility: computeStage, buffer: { type } }],
    );
    const layout = this.#device.createBindGroupLayout({ entries });
    this.#layouts.set(key, layout);
    return layout;
  }
}

/** `GPUShaderStage.COMPUTE`; the global object has no such name in every place. */
const computeStage = 4;
