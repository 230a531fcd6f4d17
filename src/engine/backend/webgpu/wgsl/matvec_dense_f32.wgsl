// A float32 matrix times few vectors: one row and one token a workgroup.
struct Params {
  columns: u32,
  out_columns: u32,
  are_outputs: u32,
  has_bias: u32,
  first_row: u32,
  rows: u32,
  experts_used: u32,
  expert_rows: u32,
  own_inputs: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<f32>;
@group(0) @binding(3) var<storage, read_write> x: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> routes: array<f32>;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let place = place_of(workgroup.z, params.experts_used, params.own_inputs, params.first_row,
                       params.rows, params.expert_rows, params.out_columns);
  let index = workgroup.y * grid.x + workgroup.x;
  // Counted from the first row of this part; a row of another part is its dispatch's business.
  let row = place.first_row + index - params.first_row;
  let is_here = index < place.rows && place.first_row + index >= params.first_row &&
      row < params.rows;
  var sum = 0.0;
  if (is_here) {
    for (var c = local; c < params.columns; c += 64u) {
      sum += weights[row * params.columns + c] * x[place.x_row * params.columns + c];
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
  if (local == 0u && is_here) {
    var value = partial[0];
    if (params.has_bias == 1u) {
      value += bias[params.first_row + row];
    }
    out[place.out + index] = value;
  }
}
