// The experts of each row, with the rules of `RouteOp`: a thread is a row. `out` holds the numbers of the
// chosen experts, then their weights.
struct Params {
  experts: u32,
  are_outputs: u32,
  // 0: softmax, 1: sigmoid, 2: softmax of those chosen.
  gating: u32,
  groups: u32,
  groups_used: u32,
  group_top: u32,
  used: u32,
  normalise: u32,
  scale: f32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> scores: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

// Experts and groups that were taken, a bit each: 1024 of either.
var<private> taken: array<u32, 32>;
var<private> open: array<u32, 32>;

fn weight_of(first: u32, expert: u32, largest: f32, total: f32) -> f32 {
  let score = scores[first + expert];
  if (params.gating == 0u) {
    return exp(score - largest) / total;
  }
  if (params.gating == 1u) {
    return 1.0 / (1.0 + exp(min(-score, 80.0)));
  }
  return score;
}

fn rank_of(first: u32, expert: u32, largest: f32, total: f32) -> f32 {
  let weight = weight_of(first, expert, largest, total);
  if (params.has_bias == 1u) {
    return weight + bias[expert];
  }
  return weight;
}

fn is_taken(i: u32) -> bool {
  return (taken[i / 32u] & (1u << (i % 32u))) != 0u;
}

fn take(i: u32) {
  taken[i / 32u] |= 1u << (i % 32u);
}

// The best of the experts from `begin` to `end` that are not taken yet, among equals the first.
fn best(first: u32, begin: u32, end: u32, largest: f32, total: f32) -> u32 {
  var found = 0xffffffffu;
  var rank = 0.0;
  for (var e = begin; e < end; e++) {
    let group = e / (params.experts / params.groups);
    let is_open = (open[group / 32u] & (1u << (group % 32u))) != 0u;
    if (is_taken(e) || !is_open) {
      continue;
    }
    let own = rank_of(first, e, largest, total);
    if (found == 0xffffffffu || own > rank) {
      found = e;
      rank = own;
    }
  }
  return found;
}

fn open_all() {
  for (var i = 0u; i < 32u; i++) {
    open[i] = 0xffffffffu;
    taken[i] = 0u;
  }
}

// Leaves only the groups open whose best experts are best together.
fn choose_groups(first: u32, largest: f32, total: f32) {
  let size = params.experts / params.groups;
  var chosen: array<u32, 32>;
  for (var n = 0u; n < params.groups_used; n++) {
    var found = 0xffffffffu;
    var found_rank = 0.0;
    for (var group = 0u; group < params.groups; group++) {
      if ((chosen[group / 32u] & (1u << (group % 32u))) != 0u) {
        continue;
      }
      open_all();
      var rank = 0.0;
      for (var i = 0u; i < params.group_top; i++) {
        let e = best(first, group * size, (group + 1u) * size, largest, total);
        take(e);
        rank += rank_of(first, e, largest, total);
      }
      if (found == 0xffffffffu || rank > found_rank) {
        found = group;
        found_rank = rank;
      }
    }
    chosen[found / 32u] |= 1u << (found % 32u);
  }
  open_all();
  open = chosen;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  if (id.x >= rows_of(step, params.are_outputs)) {
    return;
  }
  let first = id.x * params.experts;
  var largest = scores[first];
  for (var e = 1u; e < params.experts; e++) {
    largest = max(largest, scores[first + e]);
  }
  var total = 0.0;
  for (var e = 0u; e < params.experts; e++) {
    total += exp(scores[first + e] - largest);
  }
  open_all();
  if (params.groups > 1u) {
    choose_groups(first, largest, total);
  }
  let target_row = 2u * params.used * id.x;
  var sum = 0.0;
  var chosen_total = 0.0;
  var chosen_largest = 0.0;
  for (var k = 0u; k < params.used; k++) {
    let e = best(first, 0u, params.experts, largest, total);
    take(e);
    let weight = weight_of(first, e, largest, total);
    if (k == 0u) {
      chosen_largest = weight;
    }
    // With a bias the first need not be the largest; then a power may be above 1, which is no harm.
    chosen_total += exp(weight - chosen_largest);
    sum += weight;
    out[target_row + k] = f32(e);
    out[target_row + params.used + k] = weight;
  }
  for (var k = 0u; k < params.used; k++) {
    let at = target_row + params.used + k;
    var weight = out[at];
    if (params.gating == 2u) {
      weight = exp(weight - chosen_largest) / chosen_total;
    } else if (params.normalise == 1u) {
      weight = weight / sum;
    }
    out[at] = weight * params.scale;
  }
}
