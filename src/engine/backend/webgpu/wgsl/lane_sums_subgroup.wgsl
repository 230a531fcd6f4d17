// Sums over the 32 lanes of each of the 4 slices of a workgroup of 128 threads: butterflies inside a
// subgroup of any size, workgroup memory for the rest. `subgroup` is the subgroup's size. `low` and
// `high` are a lane's sums for the 8 rows of its slice. After the call totals[8 * slice + row] holds the
// sums. That lanes of a subgroup are neighbours is not promised by WGSL: the self-test finds out.
var<workgroup> lane_sums: array<vec4<f32>, 256>;
var<workgroup> totals: array<f32, 32>;

fn sum_lanes(local: u32, subgroup: u32, low: vec4<f32>, high: vec4<f32>) {
  var first = low;
  var second = high;
  let run = min(subgroup, 32u);
  for (var reach = run / 2u; reach > 0u; reach /= 2u) {
    first += subgroupShuffleXor(first, reach);
    second += subgroupShuffleXor(second, reach);
  }
  if (local % run == 0u) {
    lane_sums[2u * (local / run)] = first;
    lane_sums[2u * (local / run) + 1u] = second;
  }
  workgroupBarrier();
  if (local < 32u) {
    let runs = 32u / run;
    let slice = local / 8u;
    let row = local % 8u;
    var sum = 0.0;
    for (var i = 0u; i < runs; i++) {
      sum += lane_sums[2u * (slice * runs + i) + row / 4u][row % 4u];
    }
    totals[local] = sum;
  }
  workgroupBarrier();
}
