// Rotary embedding; `angles` holds, token by token, the cosines and then the sines of all pairs,
// computed in double precision by the processor (times the magnitude).
struct Params {
  columns: u32,
  head_dim: u32,
  pairs: u32,
  interleaved: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read> angles: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  if (i >= step.tokens * params.columns) {
    return;
  }
  let component = (i % params.columns) % params.head_dim;
  let pairs = params.pairs;
  if (component >= 2u * pairs) {
    out[i] = x[i];
    return;
  }
  var pair = component % pairs;
  var is_second = component >= pairs;
  var distance = pairs;
  if (params.interleaved == 1u) {
    pair = component / 2u;
    is_second = component % 2u == 1u;
    distance = 1u;
  }
  let table = (i / params.columns) * 2u * pairs + pair;
  let cosine = angles[table];
  let sine = angles[table + pairs];
  if (is_second) {
    out[i] = x[i - distance] * sine + x[i] * cosine;
  } else {
    out[i] = x[i] * cosine - x[i + distance] * sine;
  }
}
