// activation(gate * x) * (up * x) of one vector, in 8 bits for the matrix that reads it: 32 rows of both
// matrices a workgroup, which are one block of the result.
struct Params {
  gate: Matrix,
  up: Matrix,
  kind: u32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read> weights: array<vec4<u32>>;
@group(0) @binding(3) var<storage, read> weights_2: array<vec4<u32>>;
@group(0) @binding(4) var<storage, read_write> x_digits: array<u32>;
@group(0) @binding(5) var<storage, read_write> x_scales: array<vec2<f32>>;
// Those of the gate, then those of the other.
@group(0) @binding(6) var<storage, read> bias: array<f32>;
@group(0) @binding(7) var<storage, read_write> digits: array<u32>;
// Scale and sum of the 32 integers.
@group(0) @binding(8) var<storage, read_write> scales: array<vec2<f32>>;

var<workgroup> block: array<f32, 32>;

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32 SUBGROUP_INPUT) {
  let index = workgroup.y * grid.x + workgroup.x;
  let gate = params.gate;
  let up = params.up;
  let first_row = 32u * index;
  // Grids are folded, so that the last row of one may be beyond the matrix.
  let is_here = first_row < gate.rows;
  let group = first_row / 8u + local / 32u;
  let lane = local % 32u;
  var gate_sums = Halves(vec4<f32>(0.0), vec4<f32>(0.0));
  var up_sums = gate_sums;
  for (var chunk = 0u; chunk < gate.blocks; chunk += CHUNK) {
    let count = min(CHUNK, gate.blocks - chunk);
    load_chunk(local, chunk, count);
    workgroupBarrier();
    if (is_here) {
      gate_sums = products_weights(gate_sums, gate, group, chunk, count, lane);
      up_sums = products_weights_2(up_sums, up, group, chunk, count, lane);
    }
    workgroupBarrier();
  }
  sum_lanes(local, SUBGROUP_SIZE, gate_sums.low, gate_sums.high);
  var gate_value = factor_of(gate) * totals[lane];
  sum_lanes(local, SUBGROUP_SIZE, up_sums.low, up_sums.high);
  var up_value = factor_of(up) * totals[lane];
  if (params.has_bias == 1u && is_here) {
    gate_value += bias[first_row + lane];
    up_value += bias[gate.rows + first_row + lane];
  }
  if (local < 32u) {
    block[local] = gated(params.kind, gate_value, up_value);
  }
  workgroupBarrier();
  if (local >= 8u || !is_here) {
    return;
  }
  var maximum = 0.0;
  for (var i = 0u; i < 32u; i++) {
    maximum = max(maximum, abs(block[i]));
  }
  // Smaller maxima count as zero: their reciprocal would not be finite.
  let inverse = select(127.0 / maximum, 0.0, maximum < 1e-30);
  digits[8u * index + local] = pack_rounded(block_quad(local), inverse);
  if (local == 0u) {
    var sum = 0;
    for (var i = 0u; i < 8u; i++) {
      let q = rounded(block_quad(i), inverse);
      sum += q.x + q.y + q.z + q.w;
    }
    scales[index] = vec2<f32>(select(maximum / 127.0, 0.0, maximum < 1e-30), f32(sum));
  }
}

fn block_quad(i: u32) -> vec4<f32> {
  return vec4<f32>(block[4u * i], block[4u * i + 1u], block[4u * i + 2u], block[4u * i + 3u]);
}
