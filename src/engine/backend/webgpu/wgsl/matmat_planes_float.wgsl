// Matrix times many vectors where there is no packed integer dot product: tiles of 64 rows by
// TILE_TOKENS tokens, a block of 32 columns at a time, products of the type `real` (f16 or f32, both
// chosen by what stands before this text). Digits are whole numbers; activations are scaled by the
// largest of the block, so that nothing overflows in f16. Sums over blocks are float32.
struct Params {
  matrix: Matrix,
  out_columns: u32,
  are_outputs: u32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

// A thread owns 4 rows and this many tokens.
const THREAD_TOKENS = TILE_TOKENS / 16u;
// Four columns of one row (token) each, word by word.
var<workgroup> w_tile: array<vec4<real>, 512>;
var<workgroup> x_tile: array<vec4<real>, 8u * TILE_TOKENS>;
var<workgroup> w_scale: array<vec4<f32>, 16>;
var<workgroup> w_minimum: array<vec4<f32>, 16>;
// Largest magnitude and sum of the block, token by token.
var<workgroup> x_scale: array<vec2<f32>, TILE_TOKENS>;

fn unpack_bytes(bytes: u32, zero: f32) -> vec4<real> {
  return vec4<real>(255.0 * unpack4x8unorm(bytes) - zero);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let m = params.matrix;
  let rows = rows_of(step, params.are_outputs);
  let first_row = 64u * (workgroup.y * grid.x + workgroup.x);
  let first_token = TILE_TOKENS * workgroup.z;
  let row_quad = local % 16u;
  let token_slot = local / 16u;
  let zero = zero_of(m);
  let minimum = m.minimum_factor / factor_of(m);
  var sums: array<vec4<f32>, THREAD_TOKENS>;
  for (var block = 0u; block < m.blocks; block++) {
    if (local < TILE_TOKENS) {
      var largest = vec4<f32>(0.0);
      var total = vec4<f32>(0.0);
      for (var word = 0u; word < 8u; word++) {
        let value = x[8u * ((first_token + local) * m.blocks + block) + word];
        largest = max(largest, abs(value));
        total += value;
      }
      let maximum = max(max(largest.x, largest.y), max(largest.z, largest.w));
      x_scale[local] = vec2<f32>(maximum, dot(total, vec4<f32>(1.0)));
    } else if (local >= 128u && local < 192u) {
      // 8 groups of 8 units: a unit is one word of 4 rows.
      let i = local - 128u;
      let at = 8u * ((first_row / 8u + i / 8u) * m.blocks + block) + i % 8u;
      let word = (i % 8u) / 2u;
      let row = 8u * (i / 8u) + 4u * (i % 2u);
      let hi = weights[m.hi + at];
      var lo = vec4<u32>(0u);
      if (LOW_PLANE) {
        lo = weights[m.lo + at];
      }
      let first = first_bytes(hi, lo);
      let second = second_bytes(hi, lo);
      for (var r = 0u; r < 4u; r++) {
        w_tile[64u * word + row + r] = unpack_bytes(first[r], zero);
        w_tile[64u * (4u + word) + row + r] = unpack_bytes(second[r], zero);
      }
    } else if (local >= 192u && local < 200u) {
      let i = local - 192u;
      let at = m.scales + ((first_row / 8u + i) * m.blocks + block) * m.scale_units;
      let scale = unpack_halves(weights[at]);
      w_scale[2u * i] = scale.low;
      w_scale[2u * i + 1u] = scale.high;
      if (m.scale_units == 2u) {
        let minimums = unpack_halves(weights[at + 1u]);
        w_minimum[2u * i] = minimum * minimums.low;
        w_minimum[2u * i + 1u] = minimum * minimums.high;
      }
    }
    workgroupBarrier();
    for (var i = local; i < 8u * TILE_TOKENS; i += 256u) {
      let token = i / 8u;
      let maximum = x_scale[token].x;
      let inverse = select(1.0 / maximum, 0.0, maximum < 1e-30);
      let value = x[8u * ((first_token + token) * m.blocks + block) + i % 8u];
      x_tile[TILE_TOKENS * (i % 8u) + token] = vec4<real>(value * inverse);
    }
    workgroupBarrier();
    for (var t = 0u; t < THREAD_TOKENS; t++) {
      let token = THREAD_TOKENS * token_slot + t;
      var products = vec4<f32>(0.0);
      for (var word = 0u; word < 8u; word++) {
        let value = x_tile[TILE_TOKENS * word + token];
        let at = 64u * word + 4u * row_quad;
        products += vec4<f32>(vec4<real>(dot(w_tile[at], value), dot(w_tile[at + 1u], value),
                                         dot(w_tile[at + 2u], value), dot(w_tile[at + 3u], value)));
      }
      let scale = x_scale[token];
      sums[t] += scale.x * w_scale[row_quad] * products;
      if (m.scale_units == 2u) {
        sums[t] += scale.y * w_minimum[row_quad];
      }
    }
    workgroupBarrier();
  }
  for (var t = 0u; t < THREAD_TOKENS; t++) {
    let token = first_token + THREAD_TOKENS * token_slot + t;
    for (var r = 0u; r < 4u; r++) {
      let row = first_row + 4u * row_quad + r;
      if (token < rows && row < m.rows) {
        var value = factor_of(m) * sums[t][r];
        if (params.has_bias == 1u) {
          value += bias[m.first_row + row];
        }
        out[token * params.out_columns + m.first_row + row] = value;
      }
    }
  }
}
