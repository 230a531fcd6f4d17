// Attention of one head of one token over a split of the positions it sees, 64 at a time, with the
// running maximum of FlashAttention (Dao et al. 2022, arXiv:2205.14135). With several splits each
// leaves (sums, maximum, weight) for attention_reduce_f32, with one the result.
struct Params {
  heads: u32,
  kv_heads: u32,
  head_dim: u32,
  value_dim: u32,
  window: u32,
  causal: u32,
  scale: f32,
  cap: f32,
  has_sinks: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> cache: Cache;
@group(0) @binding(3) var<storage, read_write> q: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read_write> out: array<vec4<f32>>;
// A score of every head that takes its share and gives nothing.
@group(0) @binding(7) var<storage, read> sinks: array<f32>;

const LOWEST = -3e38;
// Vectors of four components of the largest head.
const MOST_UNITS = 128u;
var<workgroup> query: array<vec4<f32>, MOST_UNITS>;
var<workgroup> weights: array<f32, 64>;
var<workgroup> octets: array<f32, 64>;
var<workgroup> partial: array<vec4<f32>, 64>;

// The largest (or the sum) of the 64 entries of `weights`, for all threads.
fn reduce(local: u32, is_sum: bool) -> f32 {
  workgroupBarrier();
  var result = weights[8u * (local % 8u)];
  for (var i = 1u; i < 8u; i++) {
    let other = weights[8u * (local % 8u) + i];
    result = select(max(result, other), result + other, is_sum);
  }
  octets[local] = result;
  workgroupBarrier();
  result = octets[0];
  for (var i = 1u; i < 8u; i++) {
    result = select(max(result, octets[i]), result + octets[i], is_sum);
  }
  return result;
}

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let head = workgroup.x;
  let token = workgroup.y;
  let split = workgroup.z;
  let units = params.head_dim / 4u;
  let base = (head / (params.heads / params.kv_heads)) * cache.capacity;
  let filled = step.position + step.tokens;
  let position = step.position + token;
  var first = 0u;
  var end = select(filled, position + 1u, params.causal == 1u);
  if (params.window > 0u) {
    let behind = select(params.window / 2u, params.window - 1u, params.causal == 1u);
    first = position - min(position, behind);
    if (params.causal == 0u) {
      end = min(filled, position + behind + 1u);
    }
  }
  let begin = first + split * step.split_positions;
  if (begin + step.split_positions < end) {
    end = begin + step.split_positions;
  }
  for (var d = local; d < units; d += 64u) {
    query[d] = params.scale * q[(token * params.heads + head) * units + d];
  }
  workgroupBarrier();

  // Sums of values: with up to 64 units the threads share the positions, beyond each has two units.
  let value_units = params.value_dim / 4u;
  let lanes = min(value_units, 64u);
  let shares = 64u / lanes;
  let unit = local % lanes;
  let share = local / lanes;
  var maximum = LOWEST;
  var weight = 0.0;
  var sum = vec4<f32>(0.0);
  var second_sum = vec4<f32>(0.0);
  for (var start = begin; start < end; start += 64u) {
    let other = start + local;
    var score = LOWEST;
    if (other < end) {
      var dots = vec4<f32>(0.0);
      for (var d = 0u; d < units; d++) {
        dots += query[d] * key_at(base + other, units, d);
      }
      score = soft_cap(dot(dots, vec4<f32>(1.0)), params.cap);
    }
    weights[local] = score;
    let larger = max(maximum, reduce(local, false));
    workgroupBarrier();
    weights[local] = select(0.0, exp(score - larger), other < end);
    let rescale = exp(maximum - larger);
    weight = weight * rescale + reduce(local, true);
    sum *= rescale;
    second_sum *= rescale;
    if (share < shares) {
      let count = min(64u, end - start);
      for (var i = share; i < count; i += shares) {
        sum += weights[i] * value_at(base + start + i, value_units, unit);
        if (unit + 64u < value_units) {
          second_sum += weights[i] * value_at(base + start + i, value_units, unit + 64u);
        }
      }
    }
    maximum = larger;
    workgroupBarrier();
  }
  partial[local] = sum;
  workgroupBarrier();
  if (local >= lanes) {
    return;
  }
  for (var i = 1u; i < shares; i++) {
    sum += partial[i * lanes + local];
  }
  let index = token * params.heads + head;
  if (grid.z == 1u) {
    if (params.has_sinks == 1u) {
      let larger = max(maximum, sinks[head]);
      let rescale = exp(maximum - larger);
      weight = weight * rescale + exp(sinks[head] - larger);
      sum *= rescale;
      second_sum *= rescale;
    }
    out[index * value_units + local] = sum / weight;
    if (local + 64u < value_units) {
      out[index * value_units + local + 64u] = second_sum / weight;
    }
    return;
  }
  let at = (index * grid.z + split) * (value_units + 1u);
  out[at + local] = sum;
  if (local + 64u < value_units) {
    out[at + local + 64u] = second_sum;
  }
  if (local == 0u) {
    out[at + value_units] = vec4<f32>(maximum, weight, 0.0, 0.0);
  }
}
