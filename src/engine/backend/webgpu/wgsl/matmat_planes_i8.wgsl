// Matrix times many vectors: tiles of 64 rows by 64 tokens, a block of 32 columns at a time; a thread
// owns 4 rows by 4 tokens. Tiles hold, word by word, 4 neighbouring rows (tokens) as one vector.
struct Params {
  matrix: Matrix,
  out_columns: u32,
  are_outputs: u32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read_write> x_digits: array<u32>;
@group(0) @binding(4) var<storage, read_write> x_scales: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read> bias: array<f32>;
@group(0) @binding(6) var<storage, read_write> out: array<f32>;

var<workgroup> w_tile: array<vec4<u32>, 128>;
var<workgroup> x_tile: array<vec4<u32>, 128>;
var<workgroup> w_scale: array<vec4<f32>, 16>;
var<workgroup> w_minimum: array<vec4<f32>, 16>;
var<workgroup> x_scale: array<vec2<f32>, 64>;

fn dots(bytes: vec4<u32>, x: u32) -> vec4<i32> {
  return vec4<i32>(dot4I8Packed(bytes.x, x), dot4I8Packed(bytes.y, x), dot4I8Packed(bytes.z, x),
                   dot4I8Packed(bytes.w, x));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let m = params.matrix;
  let rows = rows_of(step, params.are_outputs);
  let first_row = 64u * (workgroup.y * grid.x + workgroup.x);
  let first_token = 64u * workgroup.z;
  let row_quad = local % 16u;
  let token_quad = local / 16u;
  let flip = select(vec4<u32>(0u), vec4<u32>(0x80808080u), LOW_PLANE);
  let zero = select(zero_of(m), zero_of(m) - 128.0, LOW_PLANE);
  let minimum = m.minimum_factor / factor_of(m);
  var sums: array<vec4<f32>, 4>;
  for (var block = 0u; block < m.blocks; block++) {
    if (local < 64u) {
      // 8 groups of 8 units: a unit is one word of 4 rows.
      let at = 8u * ((first_row / 8u + local / 8u) * m.blocks + block) + local % 8u;
      let word = (local % 8u) / 2u;
      let quad = 2u * (local / 8u) + local % 2u;
      let hi = weights[m.hi + at];
      var lo = vec4<u32>(0u);
      if (LOW_PLANE) {
        lo = weights[m.lo + at];
      }
      w_tile[16u * word + quad] = first_bytes(hi, lo) ^ flip;
      w_tile[16u * (4u + word) + quad] = second_bytes(hi, lo) ^ flip;
    } else if (local < 192u) {
      let i = local - 64u;
      let word = i % 8u;
      let token = first_token + 4u * (i / 8u);
      let at = 8u * (token * m.blocks + block) + word;
      let stride = 8u * m.blocks;
      x_tile[16u * word + i / 8u] = vec4<u32>(x_digits[at], x_digits[at + stride],
                                              x_digits[at + 2u * stride], x_digits[at + 3u * stride]);
    } else {
      let i = local - 192u;
      x_scale[i] = x_scales[(first_token + i) * m.blocks + block];
      if (i < 8u) {
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
    }
    workgroupBarrier();
    var integers = array<vec4<i32>, 4>();
    for (var word = 0u; word < 8u; word++) {
      let w = w_tile[16u * word + row_quad];
      let x = x_tile[16u * word + token_quad];
      integers[0] += dots(w, x.x);
      integers[1] += dots(w, x.y);
      integers[2] += dots(w, x.z);
      integers[3] += dots(w, x.w);
    }
    for (var t = 0u; t < 4u; t++) {
      let scale = x_scale[4u * token_quad + t];
      sums[t] += scale.x * w_scale[row_quad] * (vec4<f32>(integers[t]) - zero * scale.y);
      if (m.scale_units == 2u) {
        sums[t] += scale.x * scale.y * w_minimum[row_quad];
      }
    }
    workgroupBarrier();
  }
  for (var t = 0u; t < 4u; t++) {
    let token = first_token + 4u * token_quad + t;
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
