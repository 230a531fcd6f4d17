// Reads memory as fast as it comes: neighbouring threads read neighbouring vectors, 64 each.
@group(0) @binding(0) var<storage, read> memory: array<vec4<u32>>;
@group(0) @binding(1) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let first = workgroup.x * 256u * 64u + local;
  var seen = vec4<u32>(0u);
  for (var i = 0u; i < 64u; i++) {
    seen |= memory[first + 256u * i];
  }
  // Never so, as the memory holds zeros: but the compiler does not know.
  if ((seen.x | seen.y | seen.z | seen.w) == 1u) {
    out[local] = seen.x;
  }
}
