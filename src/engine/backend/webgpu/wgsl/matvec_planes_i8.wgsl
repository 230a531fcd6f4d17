// Matrix times few vectors: 32 rows a workgroup, 8 rows a slice of 32 lanes (products_i8.wgsl).
struct Params {
  matrix: Matrix,
  out_columns: u32,
  are_outputs: u32,
  has_bias: u32,
  // Experts of a row, 0 for an ordinary matrix, see row_place.wgsl.
  experts_used: u32,
  expert_rows: u32,
  own_inputs: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> x_digits: array<u32>;
@group(0) @binding(4) var<storage, read_write> x_scales: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;
@group(0) @binding(7) var<storage, read_write> routes: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32 SUBGROUP_INPUT) {
  let m = params.matrix;
  let place = place_of(workgroup.z, params.experts_used, params.own_inputs, m.first_row, m.rows,
                       params.expert_rows, params.out_columns);
  // The first of the 32 rows, counted from the first of the place; groups count from the part's first.
  let first_row = 32u * (workgroup.y * grid.x + workgroup.x);
  let slice_row = place.first_row + first_row + 8u * (local / 32u);
  let is_here = slice_row >= m.first_row && slice_row - m.first_row < m.rows;
  let group = (slice_row - m.first_row) / 8u;
  var sums = Halves(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var chunk = 0u; chunk < m.blocks; chunk += CHUNK) {
    let count = min(CHUNK, m.blocks - chunk);
    load_chunk(local, place.x_row * m.blocks + chunk, count);
    workgroupBarrier();
    if (is_here) {
      sums = products_weights(sums, m, group, chunk, count, local % 32u);
    }
    workgroupBarrier();
  }
  sum_lanes(local, SUBGROUP_SIZE, sums.low, sums.high);
  let row = place.first_row + first_row + local;
  if (local < 32u && first_row + local < place.rows && row >= m.first_row &&
      row - m.first_row < m.rows) {
    var value = factor_of(m) * totals[local];
    if (params.has_bias == 1u) {
      value += bias[row];
    }
    out[place.out + first_row + local] = value;
  }
}
