/** Checks of the operators that remember: convolution over time and selective scan. */
import { Check, Random, type KernelBed } from './kernel-bed.ts';

/** Units are blocks of 32 channels. */
const units = (channels: number): number => Math.ceil(channels / 32);

/** A text in pieces, by ranges of channels, equals the twin at once to the bit, and exact sums nearly. */
export function checkConvolution(bed: KernelBed): Check {
  const check = new Check('causal_convolution_f32_x4');
  const random = new Random(14);
  const tokens = 9;
  for (const [channels, taps] of [
    [1, 2],
    [33, 3],
    [70, 4],
    [128, 7],
  ] as const) {
    for (const biased of [false, true]) {
      bed.reset();
      const x = random.floats(tokens * channels);
      const weight = random.floats(channels * taps);
      const bias = biased ? random.floats(channels) : null;
      const [xAt, weightAt] = [bed.putFloats(x), bed.putFloats(weight)];
      const biasAt = bias === null ? 0 : bed.putFloats(bias);
      const before = random.floats((taps - 1) * channels);
      const [fastState, slowState] = [bed.putFloats(before), bed.putFloats(before)];
      const out = bed.allocate(tokens * channels * 4);
      const slow = bed.allocate(tokens * channels * 4);
      const argument = bed.allocate(28);
      const call = (kernel: string, first: number, to: number, rest: number[]): void => {
        const at = first * channels * 4;
        bed.u32(argument, 7).set([xAt + at, weightAt, biasAt, 0, channels, taps, to + at]);
        bed.call(kernel, argument, ...rest);
      };
      const middle = units(channels) >> 1;
      for (const [first, count] of [
        [0, 1],
        [1, 6],
        [7, 2],
      ] as const) {
        for (const [begin, end] of [
          [0, middle],
          [middle, units(channels)],
        ] as const) {
          call('causal_convolution_f32_x4', first, out, [fastState, count, begin, end]);
        }
      }
      call('causal_convolution_f32_scalar', 0, slow, [slowState, tokens]);
      const label = `${channels} x ${taps}, biased ${biased}`;
      const actual = bed.f32(out, tokens * channels);
      check.same(label, actual, bed.f32(slow, tokens * channels));
      const size = before.length;
      check.same(`${label} state`, bed.f32(fastState, size), bed.f32(slowState, size));
      const all = [...before, ...x];
      const exact = Array.from(x, (_, i) => {
        const [t, c] = [Math.floor(i / channels), i % channels];
        let sum = bias?.[c] ?? 0;
        for (let tap = 0; tap < taps; tap++) {
          sum += (weight[c * taps + tap] ?? NaN) * (all[(t + tap) * channels + c] ?? NaN);
        }
        return sum;
      });
      check.near(`exact ${label}`, actual, exact, () => 1e-5);
      check.same(`${label} last inputs`, bed.f32(fastState, size), all.slice(tokens * channels));
    }
  }
  return check;
}

/** As above; steps from tiny to large. */
export function checkScan(bed: KernelBed): Check {
  const check = new Check('selective_scan_f32_x4');
  const random = new Random(15);
  const tokens = 9;
  for (const [channels, states] of [
    [1, 1],
    [5, 6],
    [40, 8],
    [70, 16],
  ] as const) {
    bed.reset();
    const put = (count: number, scale = 1): [Float32Array, number] => {
      const values = random.floats(count, scale);
      return [values, bed.putFloats(values)];
    };
    const [x, xAt] = put(tokens * channels);
    const [steps, stepsAt] = put(tokens * channels, 4);
    steps.set([40], 0);
    bed.f32(stepsAt, 1)[0] = 40;
    const rates = random.floats(channels * states).map((rate) => -Math.abs(rate));
    const ratesAt = bed.putFloats(rates);
    const [inputs, inputsAt] = put(tokens * states);
    const [reads, readsAt] = put(tokens * states);
    const [skip, skipAt] = put(channels);
    const before = random.floats(channels * states);
    const [fastState, slowState] = [bed.putFloats(before), bed.putFloats(before)];
    const out = bed.allocate(tokens * channels * 4);
    const slow = bed.allocate(tokens * channels * 4);
    const argument = bed.allocate(40);
    const call = (kernel: string, first: number, to: number, rest: number[]): void => {
      const row = first * channels * 4;
      const control = first * states * 4;
      bed
        .u32(argument, 10)
        .set([
          ...[xAt + row, stepsAt + row, ratesAt, inputsAt + control, readsAt + control, skipAt],
          ...[0, channels, states, to + row],
        ]);
      bed.call(kernel, argument, ...rest);
    };
    const middle = units(channels) >> 1;
    for (const [first, count] of [
      [0, 4],
      [4, 1],
      [5, 4],
    ] as const) {
      for (const [begin, end] of [
        [middle, units(channels)],
        [0, middle],
      ] as const) {
        call('selective_scan_f32_x4', first, out, [fastState, count, begin, end]);
      }
    }
    call('selective_scan_f32_scalar', 0, slow, [slowState, tokens]);
    const label = `${channels} x ${states}`;
    const actual = bed.f32(out, tokens * channels);
    check.same(label, actual, bed.f32(slow, tokens * channels));
    const size = before.length;
    check.same(`${label} state`, bed.f32(fastState, size), bed.f32(slowState, size));
    const h = Float64Array.from(before);
    const exact = Array.from(x, (now, i) => {
      const [t, c] = [Math.floor(i / channels), i % channels];
      const step = Math.log1p(Math.exp(steps[i] as number));
      let sum = (skip[c] as number) * now;
      for (let s = 0; s < states; s++) {
        const at = c * states + s;
        const kept = Math.exp(step * (rates[at] as number)) * (h[at] as number);
        h[at] = kept + step * now * (inputs[t * states + s] as number);
        sum += h[at] * (reads[t * states + s] as number);
      }
      return sum;
    });
    const largest = Math.max(...exact.map(Math.abs), 1);
    check.near(`exact ${label}`, actual, exact, () => largest * 1e-5);
  }
  return check;
}
