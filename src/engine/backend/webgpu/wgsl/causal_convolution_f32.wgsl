// Depthwise convolution over the tokens before; a thread is a column. `state` holds the last taps - 1
// inputs, (taps - 1, columns), and those of this step afterwards.
struct Params {
  columns: u32,
  taps: u32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> state: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

// Input number i, counted from the first in the state.
fn input_at(i: u32, column: u32) -> f32 {
  let before = params.taps - 1u;
  if (i < before) {
    return state[i * params.columns + column];
  }
  return x[(i - before) * params.columns + column];
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let column = flat_index(workgroup, grid, local, 64u);
  if (column >= params.columns) {
    return;
  }
  for (var t = 0u; t < step.tokens; t++) {
    var sum = 0.0;
    if (params.has_bias == 1u) {
      sum = bias[column];
    }
    for (var tap = 0u; tap < params.taps; tap++) {
      sum += weight[column * params.taps + tap] * input_at(t + tap, column);
    }
    out[t * params.columns + column] = sum;
  }
  // In rising order: what is read lies behind what was written.
  for (var i = 0u; i + 1u < params.taps; i++) {
    state[i * params.columns + column] = input_at(step.tokens + i, column);
  }
}
