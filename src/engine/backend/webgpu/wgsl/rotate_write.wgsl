// Rotates a token's queries and keys (rope_f32.wgsl) and writes keys and values into the cache of one
// layer: a workgroup is one head of q, k or v of one token. `store` is that of the cache's type.
struct Params {
  heads: u32,
  kv_heads: u32,
  head_dim: u32,
  // 0: no rotation.
  pairs: u32,
  interleaved: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> cache: Cache;
@group(0) @binding(3) var<storage, read_write> q: array<f32>;
@group(0) @binding(4) var<storage, read_write> k: array<f32>;
@group(0) @binding(5) var<storage, read_write> v: array<f32>;
@group(0) @binding(6) var<storage, read> angles: array<f32>;
@group(0) @binding(7) var<storage, read_write> rotated: array<f32>;

// The largest head.
var<workgroup> head_values: array<f32, 512>;

fn rotate(token: u32, component: u32) -> f32 {
  let pairs = params.pairs;
  let own = head_values[component];
  if (component >= 2u * pairs) {
    return own;
  }
  var pair = component % pairs;
  var is_second = component >= pairs;
  var distance = pairs;
  if (params.interleaved == 1u) {
    pair = component / 2u;
    is_second = component % 2u == 1u;
    distance = 1u;
  }
  let cosine = angles[token * 2u * pairs + pair];
  let sine = angles[token * 2u * pairs + pairs + pair];
  if (is_second) {
    return head_values[component - distance] * sine + own * cosine;
  }
  return own * cosine - head_values[component + distance] * sine;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let token = workgroup.y;
  let size = params.head_dim;
  var head = workgroup.x;
  // 0: a query, 1: a key, 2: a value.
  var kind = 0u;
  if (head >= params.heads + params.kv_heads) {
    head -= params.heads + params.kv_heads;
    kind = 2u;
  } else if (head >= params.heads) {
    head -= params.heads;
    kind = 1u;
  }
  let source = (token * select(params.kv_heads, params.heads, kind == 0u) + head) * size;
  for (var d = local; d < size; d += 64u) {
    switch kind {
      case 0u: {
        head_values[d] = q[source + d];
      }
      case 1u: {
        head_values[d] = k[source + d];
      }
      default: {
        head_values[d] = v[source + d];
      }
    }
  }
  workgroupBarrier();
  // A thread's components of a head of 512.
  var own: array<f32, 8>;
  for (var i = 0u; 64u * i + local < size; i++) {
    let d = 64u * i + local;
    own[i] = head_values[d];
    if (kind < 2u && params.pairs > 0u) {
      own[i] = rotate(token, d);
    }
  }
  workgroupBarrier();
  for (var i = 0u; 64u * i + local < size; i++) {
    let d = 64u * i + local;
    head_values[d] = own[i];
    if (kind == 0u) {
      rotated[source + d] = own[i];
    }
  }
  workgroupBarrier();
  if (kind > 0u) {
    store(kind == 2u, head * cache.capacity + step.position + token, local);
  }
}
