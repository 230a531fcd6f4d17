// Matrix times few vectors where there is no packed integer dot product: the lanes and slices of
// matvec_planes_i8, float32 activations, digits as floats.
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
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;
@group(0) @binding(6) var<storage, read_write> routes: array<f32>;

// Blocks whose activations are held in workgroup memory at a time: 2048 columns, 8 KiB.
const CHUNK = 64u;
var<workgroup> chunk_x: array<vec4<f32>, 512>;

// 255 takes back that unpack4x8unorm divides by it.
fn dots(bytes: vec4<u32>, x: vec4<f32>) -> vec4<f32> {
  return 255.0 * vec4<f32>(dot(unpack4x8unorm(bytes.x), x), dot(unpack4x8unorm(bytes.y), x),
                           dot(unpack4x8unorm(bytes.z), x), dot(unpack4x8unorm(bytes.w), x));
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32 SUBGROUP_INPUT) {
  let m = params.matrix;
  let place = place_of(workgroup.z, params.experts_used, params.own_inputs, m.first_row, m.rows,
                       params.expert_rows, params.out_columns);
  let x_row = place.x_row;
  // The first of the 32 rows, counted from the first of the place; groups count from the part's first.
  let first_row = 32u * (workgroup.y * grid.x + workgroup.x);
  let slice_row = place.first_row + first_row + 8u * (local / 32u);
  let is_here = slice_row >= m.first_row && slice_row - m.first_row < m.rows;
  let group = (slice_row - m.first_row) / 8u;
  let lane = local % 32u;
  let word = lane % 4u;
  let zero = zero_of(m);
  let minimum = m.minimum_factor / factor_of(m);
  var low = vec4<f32>(0.0);
  var high = vec4<f32>(0.0);
  for (var chunk = 0u; chunk < m.blocks; chunk += CHUNK) {
    let count = min(CHUNK, m.blocks - chunk);
    for (var i = local; i < 8u * count; i += 128u) {
      chunk_x[i] = x[8u * (x_row * m.blocks + chunk) + i];
    }
    workgroupBarrier();
    if (is_here) {
      for (var b = lane / 4u; b < count; b += 8u) {
        let block = group * m.blocks + chunk + b;
        let unit = 8u * block + 2u * word;
        let hi0 = weights[m.hi + unit];
        let hi1 = weights[m.hi + unit + 1u];
        var lo0 = vec4<u32>(0u);
        var lo1 = vec4<u32>(0u);
        if (LOW_PLANE) {
          lo0 = weights[m.lo + unit];
          lo1 = weights[m.lo + unit + 1u];
        }
        let x0 = chunk_x[8u * b + word];
        let x1 = chunk_x[8u * b + 4u + word];
        let x_sum = dot(x0 + x1, vec4<f32>(1.0));
        let at = m.scales + block * m.scale_units;
        let scale = unpack_halves(weights[at]);
        low += scale.low *
            (dots(first_bytes(hi0, lo0), x0) + dots(second_bytes(hi0, lo0), x1) - zero * x_sum);
        high += scale.high *
            (dots(first_bytes(hi1, lo1), x0) + dots(second_bytes(hi1, lo1), x1) - zero * x_sum);
        if (m.scale_units == 2u) {
          let minimums = unpack_halves(weights[at + 1u]);
          low += x_sum * minimum * minimums.low;
          high += x_sum * minimum * minimums.high;
        }
      }
    }
    workgroupBarrier();
  }
  sum_lanes(local, SUBGROUP_SIZE, low, high);
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
