// A float32 matrix times many vectors: tiles of 16 rows by 16 tokens by 16 columns.
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

// One column more than needed, so that neighbouring threads meet different banks.
var<workgroup> w_tile: array<f32, 272>;
var<workgroup> x_tile: array<f32, 272>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let rows = rows_of(step, params.are_outputs);
  let first_row = 16u * (workgroup.y * grid.x + workgroup.x);
  let first_token = 16u * workgroup.z;
  let low = local % 16u;
  let high = local / 16u;
  var sum = 0.0;
  for (var start = 0u; start < params.columns; start += 16u) {
    let column = start + low;
    var w = 0.0;
    var value = 0.0;
    if (column < params.columns && first_row + high < params.rows) {
      w = weights[(first_row + high) * params.columns + column];
    }
    if (column < params.columns && first_token + high < rows) {
      value = x[(first_token + high) * params.columns + column];
    }
    w_tile[17u * high + low] = w;
    x_tile[17u * high + low] = value;
    workgroupBarrier();
    for (var c = 0u; c < 16u; c++) {
      sum += w_tile[17u * low + c] * x_tile[17u * high + c];
    }
    workgroupBarrier();
  }
  let row = first_row + low;
  let token = first_token + high;
  if (row < params.rows && token < rows) {
    if (params.has_bias == 1u) {
      sum += bias[params.first_row + row];
    }
    out[token * params.out_columns + params.first_row + row] = sum;
  }
}
