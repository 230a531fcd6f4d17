// The selective scan (Gu & Dao 2023, arXiv:2312.00752, algorithm 2), token by token; a thread is a
// column with all of its states, 16 at a time in registers.
struct Params {
  columns: u32,
  states: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> steps: array<f32>;
@group(0) @binding(4) var<storage, read_write> inputs: array<f32>;
@group(0) @binding(5) var<storage, read_write> reads: array<f32>;
@group(0) @binding(6) var<storage, read> rates: array<f32>;
@group(0) @binding(7) var<storage, read> skip: array<f32>;
@group(0) @binding(8) var<storage, read_write> state: array<f32>;
@group(0) @binding(9) var<storage, read_write> out: array<f32>;

const REGISTERS = 16u;

// log(1 + exp(x)); where exp is small 1 + exp would lose it: a series, off by less than 1e-9 of it.
fn softplus(x: f32) -> f32 {
  let e = exp(-abs(x));
  let series = e * (1.0 - e * (0.5 - e * (0.33333333 - 0.25 * e)));
  return select(log(1.0 + e), series, e < 0.01) + max(x, 0.0);
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let column = flat_index(workgroup, grid, local, 64u);
  if (column >= params.columns) {
    return;
  }
  for (var first = 0u; first < params.states; first += REGISTERS) {
    let count = min(REGISTERS, params.states - first);
    let base = column * params.states + first;
    var h: array<f32, REGISTERS>;
    for (var s = 0u; s < count; s++) {
      h[s] = state[base + s];
    }
    for (var t = 0u; t < step.tokens; t++) {
      let now = t * params.columns + column;
      let dt = softplus(steps[now]);
      let value = x[now];
      var sum = 0.0;
      if (first == 0u) {
        sum = skip[column] * value;
      } else {
        sum = out[now];
      }
      for (var s = 0u; s < count; s++) {
        let at = t * params.states + first + s;
        h[s] = exp(dt * rates[base + s]) * h[s] + dt * value * inputs[at];
        sum += h[s] * reads[at];
      }
      out[now] = sum;
    }
    for (var s = 0u; s < count; s++) {
      state[base + s] = h[s];
    }
  }
}
