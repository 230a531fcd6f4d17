// Up to three matrices times one vector, plus a bias, plus what the result is added to: one token's
// q, k and v, or the end of a block. 32 rows of one of them a workgroup (products_i8.wgsl).
struct Params {
  first: Matrix,
  second: Matrix,
  third: Matrix,
  // Workgroups of the first and of the second; the others are the third's.
  first_workgroups: u32,
  second_workgroups: u32,
  // Where the results begin in `out`.
  first_out: u32,
  second_out: u32,
  third_out: u32,
  has_bias: u32,
  has_residual: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> weights_2: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read> weights_3: array<vec4<u32>>;
@group(0) @binding(5) var<storage, read_write> x_digits: array<u32>;
@group(0) @binding(6) var<storage, read_write> x_scales: array<vec2<f32>>;
// Those of all three, one after the other.
@group(0) @binding(7) var<storage, read> bias: array<f32>;
@group(0) @binding(8) var<storage, read_write> residual: array<f32>;
@group(0) @binding(9) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32 SUBGROUP_INPUT) {
  let index = workgroup.y * grid.x + workgroup.x;
  var m = params.first;
  var which = 0u;
  var first_row = 32u * index;
  var first_out = params.first_out;
  var first_bias = 0u;
  if (index >= params.first_workgroups + params.second_workgroups) {
    m = params.third;
    which = 2u;
    first_row = 32u * (index - params.first_workgroups - params.second_workgroups);
    first_out = params.third_out;
    first_bias = params.first.rows + params.second.rows;
  } else if (index >= params.first_workgroups) {
    m = params.second;
    which = 1u;
    first_row = 32u * (index - params.first_workgroups);
    first_out = params.second_out;
    first_bias = params.first.rows;
  }
  let slice_row = first_row + 8u * (local / 32u);
  let lane = local % 32u;
  var sums = Halves(vec4<f32>(0.0), vec4<f32>(0.0));
  for (var chunk = 0u; chunk < m.blocks; chunk += CHUNK) {
    let count = min(CHUNK, m.blocks - chunk);
    load_chunk(local, chunk, count);
    workgroupBarrier();
    if (slice_row < m.rows) {
      switch which {
        case 0u: {
          sums = products_weights(sums, m, slice_row / 8u, chunk, count, lane);
        }
        case 1u: {
          sums = products_weights_2(sums, m, slice_row / 8u, chunk, count, lane);
        }
        default: {
          sums = products_weights_3(sums, m, slice_row / 8u, chunk, count, lane);
        }
      }
    }
    workgroupBarrier();
  }
  sum_lanes(local, SUBGROUP_SIZE, sums.low, sums.high);
  let row = first_row + local;
  if (local < 32u && row < m.rows) {
    var value = factor_of(m) * totals[local];
    if (params.has_bias == 1u) {
      value += bias[first_bias + row];
    }
    if (params.has_residual == 1u) {
      value += residual[row];
    }
    out[first_out + row] = value;
  }
}
