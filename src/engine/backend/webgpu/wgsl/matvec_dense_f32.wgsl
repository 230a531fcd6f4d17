// A float32 matrix times few vectors: one row and one token a workgroup.
struct Params {
  columns: u32,
  out_columns: u32,
  are_outputs: u32,
  has_bias: u32,
  first_row: u32,
  rows: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let row = workgroup.y * grid.x + workgroup.x;
  let token = workgroup.z;
  var sum = 0.0;
  if (row < params.rows) {
    for (var c = local; c < params.columns; c += 64u) {
      sum += weights[row * params.columns + c] * x[token * params.columns + c];
    }
  }
  partial[local] = sum;
  workgroupBarrier();
  for (var half = 32u; half > 0u; half /= 2u) {
    if (local < half) {
      partial[local] += partial[local + half];
    }
    workgroupBarrier();
  }
  if (local == 0u && row < params.rows) {
    var value = partial[0];
    if (params.has_bias == 1u) {
      value += bias[params.first_row + row];
    }
    out[token * params.out_columns + params.first_row + row] = value;
  }
}
