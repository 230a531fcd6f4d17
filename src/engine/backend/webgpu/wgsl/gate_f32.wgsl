// out = activation(gate) * up; with the clamped silu times up within -7 and 7, plus 1
struct Params {
  columns: u32,
  are_outputs: u32,
  kind: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> gates: array<f32>;
@group(0) @binding(3) var<storage, read_write> up: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  if (i < rows_of(step, params.are_outputs) * params.columns) {
    out[i] = gated(params.kind, gates[i], up[i]);
  }
}
