// Matrix times few vectors: 32 rows a workgroup, 8 rows a slice of 32 lanes. A lane owns word w of every
// eighth block of all 8 rows, so that one activation word serves 8 rows and neighbours read
// neighbouring bytes. Digits times quantised activations by dot4I8Packed; exact integers in a block.
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

// Blocks whose activations are held in workgroup memory at a time: 4096 columns, 5 KiB.
const CHUNK = 128u;
var<workgroup> chunk_digits: array<u32, 1024>;
var<workgroup> chunk_scales: array<vec2<f32>, 128>;

fn dots(bytes: vec4<u32>, x: u32) -> vec4<i32> {
  return vec4<i32>(dot4I8Packed(bytes.x, x), dot4I8Packed(bytes.y, x), dot4I8Packed(bytes.z, x),
                   dot4I8Packed(bytes.w, x));
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
  // With both planes a byte is 16 hi + lo; minus 128 it is a signed one.
  let flip = select(vec4<u32>(0u), vec4<u32>(0x80808080u), LOW_PLANE);
  let zero = select(zero_of(m), zero_of(m) - 128.0, LOW_PLANE);
  let minimum = m.minimum_factor / factor_of(m);
  var low = vec4<f32>(0.0);
  var high = vec4<f32>(0.0);
  for (var chunk = 0u; chunk < m.blocks; chunk += CHUNK) {
    let count = min(CHUNK, m.blocks - chunk);
    for (var i = local; i < 8u * count; i += 128u) {
      chunk_digits[i] = x_digits[8u * (x_row * m.blocks + chunk) + i];
    }
    if (local < count) {
      chunk_scales[local] = x_scales[x_row * m.blocks + chunk + local];
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
        let x0 = chunk_digits[8u * b + word];
        let x1 = chunk_digits[8u * b + 4u + word];
        let sums0 = dots(first_bytes(hi0, lo0) ^ flip, x0) + dots(second_bytes(hi0, lo0) ^ flip, x1);
        let sums1 = dots(first_bytes(hi1, lo1) ^ flip, x0) + dots(second_bytes(hi1, lo1) ^ flip, x1);
        let x_scale = chunk_scales[b];
        // The block's sum counts once, though four lanes share the block.
        let x_sum = select(0.0, x_scale.y, word == 0u);
        let at = m.scales + block * m.scale_units;
        let scale = unpack_halves(weights[at]);
        low += x_scale.x * scale.low * (vec4<f32>(sums0) - zero * x_sum);
        high += x_scale.x * scale.high * (vec4<f32>(sums1) - zero * x_sum);
        if (m.scale_units == 2u) {
          let minimums = unpack_halves(weights[at + 1u]);
          low += x_scale.x * x_sum * minimum * minimums.low;
          high += x_scale.x * x_sum * minimum * minimums.high;
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
