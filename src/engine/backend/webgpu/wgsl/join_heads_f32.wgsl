// Heads put together from a part of a head of `a` and one of `b`.
struct Params {
  columns: u32,
  are_outputs: u32,
  // Whether `a` is `b` too.
  is_one: u32,
  // Columns of a row of `a`, from one head to the next (0: one for all), first and number of those taken.
  a_columns: u32,
  a_stride: u32,
  a_from: u32,
  a_count: u32,
  b_columns: u32,
  b_stride: u32,
  b_from: u32,
  b_count: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> a: array<f32>;
@group(0) @binding(3) var<storage, read_write> b: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  if (i >= rows_of(step, params.are_outputs) * params.columns) {
    return;
  }
  let row = i / params.columns;
  let size = params.a_count + params.b_count;
  let head = (i % params.columns) / size;
  let column = i % size;
  if (column < params.a_count) {
    out[i] = a[row * params.a_columns + head * params.a_stride + params.a_from + column];
  } else {
    let at = row * params.b_columns + head * params.b_stride + params.b_from + column - params.a_count;
    if (params.is_one == 1u) {
      out[i] = a[at];
    } else {
      out[i] = b[at];
    }
  }
}
