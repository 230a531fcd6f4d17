// out = sum over k of (weight of expert k) * (part k of x)
struct Params {
  columns: u32,
  are_outputs: u32,
  used: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read_write> routes: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  let columns = params.columns;
  if (i >= rows_of(step, params.are_outputs) * columns) {
    return;
  }
  let token = i / columns;
  var sum = 0.0;
  for (var k = 0u; k < params.used; k++) {
    let weight = routes[2u * params.used * token + params.used + k];
    sum += weight * x[(token * params.used + k) * columns + i % columns];
  }
  out[i] = sum;
}
