/**
 * What an adapter can do at most, measured with kernels that do nothing else: bytes read from memory,
 * and multiply-adds of the types that products are made of. Shares of a benchmark are of these.
 */
import readMemory from './wgsl/read_memory.wgsl?raw';
import multiply from './wgsl/multiply.wgsl?raw';

export type ProductType = 'int8' | 'f16' | 'f32';

export interface GpuPeaks {
  /** GB/s of reading a buffer. */
  readonly readGigabytesPerSecond: number;
  /** GB/s of copying one, both ways counted. */
  readonly copyGigabytesPerSecond: number;
  /** GMAC/s by type, null where the adapter has no such products. */
  readonly gigamacsPerSecond: Readonly<Record<ProductType, number | null>>;
}

/** Of `GPUBufferUsage`, whose global object is not in every place. */
const usage = { copySource: 4, copyTarget: 8, storage: 128 } as const;
const ROUNDS = 5;
const MEBIBYTE = 1024 * 1024;
/** Vectors of 16 bytes that a thread reads, see wgsl/read_memory.wgsl. */
const THREAD_VECTORS = 64;
const THREADS = 256;

/** The text of the products of a type: `value` as one of them, and what is added up in `sum`. */
const productTexts: Readonly<
  Record<ProductType, { readonly text: string; readonly macs: number }>
> = {
  int8: {
    macs: 16,
    text: `alias Value = vec4<u32>; alias Sum = vec4<i32>;
fn value_of(i: u32) -> Value { return vec4<u32>(i, i * 3u, i * 5u, i * 7u); }
fn add(sum: Sum, w: Value, x: Value) -> Sum {
  return sum + vec4<i32>(dot4I8Packed(w.x, x.x), dot4I8Packed(w.y, x.y), dot4I8Packed(w.z, x.z),
                         dot4I8Packed(w.w, x.w));
}`,
  },
  f16: {
    macs: 4,
    text: `enable f16; alias Value = vec4<f16>; alias Sum = vec4<f16>;
fn value_of(i: u32) -> Value { return vec4<f16>(vec4<f32>(0.001 * f32(i % 64u))); }
fn add(sum: Sum, w: Value, x: Value) -> Sum { return fma(w, x, sum); }`,
  },
  f32: {
    macs: 4,
    text: `alias Value = vec4<f32>; alias Sum = vec4<f32>;
fn value_of(i: u32) -> Value { return vec4<f32>(0.001 * f32(i % 64u)); }
fn add(sum: Sum, w: Value, x: Value) -> Sum { return fma(w, x, sum); }`,
  },
};

/** Sums that a thread adds up at a time, and how often, see wgsl/multiply.wgsl. */
const SUMS = 8;
const REPEATS = 256;

/** @param bytes of the buffer that is read and copied: more than the adapter's caches, if time allows */
export async function measurePeaks(gpu: GPU, bytes = 128 * MEBIBYTE): Promise<GpuPeaks> {
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (adapter === null) throw new Error('There is no adapter.');
  const hasF16 = adapter.features.has('shader-f16');
  const hasInt8 = gpu.wgslLanguageFeatures.has('packed_4x8_integer_dot_product');
  const device = await adapter.requestDevice({ requiredFeatures: hasF16 ? ['shader-f16'] : [] });
  const buffer = (size: number): GPUBuffer =>
    device.createBuffer({ size, usage: usage.copySource | usage.copyTarget | usage.storage });
  const [from, to] = [buffer(bytes), buffer(bytes)];
  const products = (type: ProductType): Promise<number> => measureProducts(device, type, to);
  const peaks = {
    readGigabytesPerSecond: await measureReading(device, from, to),
    copyGigabytesPerSecond: await best(device, (encoder) => {
      encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
      return 2 * bytes;
    }),
    gigamacsPerSecond: {
      int8: hasInt8 ? await products('int8') : null,
      f16: hasF16 ? await products('f16') : null,
      f32: await products('f32'),
    },
  };
  device.destroy();
  return peaks;
}

/** Billions a second of what `encode` says that it does, in the best of some rounds. */
async function best(
  device: GPUDevice,
  encode: (encoder: GPUCommandEncoder) => number,
): Promise<number> {
  let most = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const encoder = device.createCommandEncoder();
    const amount = encode(encoder);
    const commands = encoder.finish();
    await device.queue.onSubmittedWorkDone();
    const start = performance.now();
    device.queue.submit([commands]);
    await device.queue.onSubmittedWorkDone();
    most = Math.max(most, amount / 1e6 / (performance.now() - start));
  }
  return most;
}

async function measureReading(device: GPUDevice, from: GPUBuffer, to: GPUBuffer): Promise<number> {
  const run = await prepare(device, readMemory, [from, to]);
  const workgroups = Math.floor(from.size / 16 / THREAD_VECTORS / THREADS);
  return best(device, (encoder) => {
    run(encoder, workgroups);
    return workgroups * THREADS * THREAD_VECTORS * 16;
  });
}

async function measureProducts(
  device: GPUDevice,
  type: ProductType,
  to: GPUBuffer,
): Promise<number> {
  const { text, macs } = productTexts[type];
  const run = await prepare(device, `${text}\n${multiply}`, [to]);
  const amount = (workgroups: number): number => workgroups * THREADS * REPEATS * SUMS * macs;
  // As many as take some 20 ms, found by doubling: adapters differ a thousandfold.
  for (let workgroups = 32; ; workgroups *= 2) {
    const speed = await best(device, (encoder) => {
      run(encoder, workgroups);
      return amount(workgroups);
    });
    if (amount(workgroups) / speed / 1e6 > 20 || workgroups >= 16384) return speed;
  }
}

async function prepare(
  device: GPUDevice,
  code: string,
  buffers: readonly GPUBuffer[],
): Promise<(encoder: GPUCommandEncoder, workgroups: number) => void> {
  const module = device.createShaderModule({ code });
  const compute = { module, entryPoint: 'main' };
  const pipeline = await device.createComputePipelineAsync({ layout: 'auto', compute });
  const group = device.createBindGroup({
    layout: pipeline.getBindGroupLayout(0),
    entries: buffers.map((buffer, binding) => ({ binding, resource: { buffer } })),
  });
  return (encoder, workgroups) => {
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(workgroups);
    pass.end();
  };
}
