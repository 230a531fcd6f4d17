// Merges what the splits of attention_cache left: sums weighted by exp(maximum - largest maximum).
struct Params {
  heads: u32,
  value_dim: u32,
  has_sinks: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> parts: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> out: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> sinks: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let units = params.value_dim / 4u;
  let index = workgroup.y * params.heads + workgroup.x;
  let splits = step.splits;
  let first = index * splits * (units + 1u);
  var largest = -3e38;
  for (var split = 0u; split < splits; split++) {
    largest = max(largest, parts[first + split * (units + 1u) + units].x);
  }
  if (params.has_sinks == 1u) {
    largest = max(largest, sinks[workgroup.x]);
  }
  for (var d = local; d < units; d += 64u) {
    var sum = vec4<f32>(0.0);
    var weight = 0.0;
    if (params.has_sinks == 1u) {
      weight = exp(sinks[workgroup.x] - largest);
    }
    for (var split = 0u; split < splits; split++) {
      let at = first + split * (units + 1u);
      let state = parts[at + units];
      let share = exp(state.x - largest);
      sum += share * parts[at + d];
      weight += share * state.y;
    }
    out[index * units + d] = sum / weight;
  }
}
