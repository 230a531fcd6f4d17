// The 64 largest of every 1024 values with their numbers, among equals the lower number first: a bitonic
// sort (Batcher 1968) in workgroup memory. Run again over what was left, it finds the largest of all.
// Values are compared as whole numbers in the same order, NaN above all, so that it cannot be lost.
struct Params {
  // Values to look at.
  count: u32,
  // 1: values are float32 and a value's number is its place. 0: keys and numbers of a run before.
  is_first: u32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read_write> values: array<u32>;
@group(0) @binding(2) var<storage, read_write> numbers: array<u32>;
@group(0) @binding(3) var<storage, read_write> out_values: array<u32>;
@group(0) @binding(4) var<storage, read_write> out_numbers: array<u32>;

const KEPT = 64u;
var<workgroup> keys: array<u32, 1024>;
var<workgroup> ids: array<u32, 1024>;

fn key_of(bits: u32) -> u32 {
  if ((bits & 0x7fffffffu) > 0x7f800000u) {
    return 0xffffffffu;
  }
  if (bits == 0x80000000u) {
    return bits; // -0 equals 0
  }
  return select(bits | 0x80000000u, ~bits, bits >= 0x80000000u);
}

fn bits_of(key: u32) -> u32 {
  return select(~key, key & 0x7fffffffu, key >= 0x80000000u);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  for (var i = local; i < 1024u; i += 256u) {
    let at = 1024u * workgroup.x + i;
    var key = 0u;
    var id = 0xffffffffu;
    if (at < params.count) {
      if (params.is_first == 1u) {
        key = key_of(values[at]);
        id = at;
      } else {
        key = values[at];
        id = numbers[at];
      }
    }
    keys[i] = key;
    ids[i] = id;
  }
  workgroupBarrier();
  for (var run = 2u; run <= 1024u; run *= 2u) {
    for (var reach = run / 2u; reach > 0u; reach /= 2u) {
      for (var pair = local; pair < 512u; pair += 256u) {
        let low = 2u * reach * (pair / reach) + pair % reach;
        let high = low + reach;
        let falling = (low & run) == 0u;
        let is_before = keys[low] > keys[high] || (keys[low] == keys[high] && ids[low] < ids[high]);
        if (is_before != falling) {
          let key = keys[low];
          let id = ids[low];
          keys[low] = keys[high];
          ids[low] = ids[high];
          keys[high] = key;
          ids[high] = id;
        }
      }
      workgroupBarrier();
    }
  }
  if (local < KEPT) {
    let at = KEPT * workgroup.x + local;
    let is_last = grid.x == 1u;
    out_values[at] = select(keys[local], bits_of(keys[local]), is_last);
    out_numbers[at] = ids[local];
  }
}
