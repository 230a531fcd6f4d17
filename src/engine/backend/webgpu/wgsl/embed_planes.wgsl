// Rows of a table on planes; rows outside this part of the table are another dispatch's business.
struct Params {
  matrix: Matrix,
  columns: u32,
  // 0: by token id, 1: by position, 2: always the first.
  by: u32,
  scale: f32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

fn half_of(words: vec4<u32>, row: u32) -> f32 {
  let pair = unpack2x16float(words[row / 2u]);
  return select(pair.x, pair.y, row % 2u == 1u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  let columns = params.columns;
  if (i >= step.tokens * columns) {
    return;
  }
  let token = i / columns;
  var row = select(0u, step.position + token, params.by == 1u);
  if (params.by == 0u) {
    row = tokens[token];
  }
  let m = params.matrix;
  if (row < m.first_row || row - m.first_row >= m.rows) {
    return;
  }
  row -= m.first_row;
  let column = i % columns;
  let block = (row / 8u) * m.blocks + column / 32u;
  let inside = column % 32u;
  // 16-byte unit of the word, and the word in it
  let unit = block * 8u + ((inside % 16u) / 4u) * 2u + (row % 8u) / 4u;
  let shift = 8u * (inside % 4u) + select(0u, 4u, inside >= 16u);
  var digit = (weights[m.hi + unit][row % 4u] >> shift) & 15u;
  if (LOW_PLANE) {
    digit = 16u * digit + ((weights[m.lo + unit][row % 4u] >> shift) & 15u);
  }
  let at = m.scales + block * m.scale_units;
  var value = factor_of(m) * half_of(weights[at], row % 8u) * (f32(digit) - zero_of(m));
  if (m.scale_units == 2u) {
    value += m.minimum_factor * half_of(weights[at + 1u], row % 8u);
  }
  out[i] = value * params.scale;
}
