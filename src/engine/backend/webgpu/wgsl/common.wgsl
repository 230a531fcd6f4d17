// What every kernel shares: the numbers of the step, and functions that are exact enough everywhere.

struct Step {
  // Rows of `tokens` activations in this pass, and of `outputs` ones.
  tokens: u32,
  outputs: u32,
  // Position of the first token.
  position: u32,
  // Attention: positions of one split, see attention_cache.wgsl.
  split_positions: u32,
  // Attention: into how many parts the positions are split.
  splits: u32,
};

// Index of this invocation in a dispatch of workgroups of `size`, whose grid may be folded into two
// dimensions because one holds 65535 workgroups at most.
fn flat_index(workgroup: vec3<u32>, grid: vec3<u32>, local: u32, size: u32) -> u32 {
  return (workgroup.y * grid.x + workgroup.x) * size + local;
}

fn rows_of(step_rows: Step, are_outputs: u32) -> u32 {
  return select(step_rows.tokens, step_rows.outputs, are_outputs == 1u);
}

// WGSL's own tanh may be off by 1e-5: an odd polynomial near 0 (Cephes, Moshier 1989), and
// 1 - 2 / (exp(2|x|) + 1) elsewhere.
fn exact_tanh(x: f32) -> f32 {
  let magnitude = min(abs(x), 20.0);
  let square = x * x;
  var p = -5.70498872745e-3;
  p = p * square + 2.06390887954e-2;
  p = p * square - 5.37397155531e-2;
  p = p * square + 1.33314422036e-1;
  p = p * square - 3.33332819422e-1;
  let small = p * square * x + x;
  let large = 1.0 - 2.0 / (exp(2.0 * magnitude) + 1.0);
  return select(select(large, -large, x < 0.0), small, magnitude < 0.625);
}

fn soft_cap(x: f32, cap: f32) -> f32 {
  if (cap > 0.0) {
    return cap * exact_tanh(x / cap);
  }
  return x;
}

// Abramowitz & Stegun 7.1.26, absolute error 1.5e-7.
fn erf(x: f32) -> f32 {
  let magnitude = min(abs(x), 10.0);
  let t = 1.0 / (1.0 + 0.3275911 * magnitude);
  var p = 1.061405429;
  p = p * t - 1.453152027;
  p = p * t + 1.421413741;
  p = p * t - 0.284496736;
  p = p * t + 0.254829592;
  let value = 1.0 - p * t * exp(-magnitude * magnitude);
  return select(value, -value, x < 0.0);
}

// The activation functions of `GateOp`: 0 silu, 1 gelu, 2 gelu by tanh, 3 x itself, 4 clamped silu.
fn activation_function(kind: u32, x: f32) -> f32 {
  if (kind == 0u) {
    return x / (1.0 + exp(min(-x, 80.0)));
  }
  if (kind == 1u) {
    return 0.5 * x * (1.0 + erf(x * 0.70710678118));
  }
  if (kind == 3u) {
    return x;
  }
  if (kind == 4u) {
    let low = min(x, 7.0);
    return low / (1.0 + exp(min(-1.702 * low, 80.0)));
  }
  // Beyond 20 tanh is 1 and the cube of x would only overflow.
  let bounded = clamp(x, -20.0, 20.0);
  let inner = 0.7978845608 * (bounded + 0.044715 * bounded * bounded * bounded);
  return 0.5 * x * (1.0 + exact_tanh(inner));
}

// The product of `GateOp`.
fn gated(kind: u32, gate: f32, up: f32) -> f32 {
  let factor = select(up, clamp(up, -7.0, 7.0) + 1.0, kind == 4u);
  return activation_function(kind, gate) * factor;
}
