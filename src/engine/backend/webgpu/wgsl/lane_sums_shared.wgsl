// Sums over the 32 lanes of each of the 4 slices of a workgroup of 128 threads, without subgroups.
// `low` and `high` are a lane's sums for the 8 rows of its slice. After the call totals[8 * slice + row]
// holds the sums.
var<workgroup> lane_sums: array<vec4<f32>, 256>;
var<workgroup> quarter_sums: array<f32, 128>;
var<workgroup> totals: array<f32, 32>;

fn sum_lanes(local: u32, subgroup: u32, low: vec4<f32>, high: vec4<f32>) {
  lane_sums[2u * local] = low;
  lane_sums[2u * local + 1u] = high;
  workgroupBarrier();
  // Thread 32 s + 8 q + r sums row r over the lanes 8 q .. 8 q + 7 of slice s.
  let first = local & ~7u;
  let row = local % 8u;
  var sum = 0.0;
  for (var lane = 0u; lane < 8u; lane++) {
    sum += lane_sums[2u * (first + lane) + row / 4u][row % 4u];
  }
  quarter_sums[local] = sum;
  workgroupBarrier();
  if (local < 32u) {
    let at = 32u * (local / 8u) + local % 8u;
    totals[local] =
        quarter_sums[at] + quarter_sums[at + 8u] + quarter_sums[at + 16u] + quarter_sums[at + 24u];
  }
  workgroupBarrier();
}
