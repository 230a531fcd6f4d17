// Rows of a float32 table; rows outside this part of the table are another dispatch's business.
struct Params {
  columns: u32,
  // 0: by token id, 1: by position, 2: always the first.
  by: u32,
  first_row: u32,
  rows: u32,
  scale: f32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> tokens: array<u32>;
@group(0) @binding(3) var<storage, read> table: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

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
  if (row >= params.first_row && row - params.first_row < params.rows) {
    out[i] = table[(row - params.first_row) * columns + i % columns] * params.scale;
  }
}
