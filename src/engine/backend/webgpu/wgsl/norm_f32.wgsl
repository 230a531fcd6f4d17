// Root mean square or layer normalisation; a workgroup is one group of one row.
struct Params {
  group_size: u32,
  groups: u32,
  are_outputs: u32,
  is_layer: u32,
  epsilon: f32,
  // Elements of weight and bias that belong to the whole row: group_size or groups * group_size.
  affine: u32,
  has_weight: u32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> bias: array<f32>;
@group(0) @binding(5) var<storage, read_write> out: array<f32>;

const SIZE = 128u;
var<workgroup> partial: array<f32, 128>;

fn sum_all(local: u32, value: f32) -> f32 {
  partial[local] = value;
  workgroupBarrier();
  for (var half = SIZE / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      partial[local] += partial[local + half];
    }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(128)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let index = workgroup.y * grid.x + workgroup.x;
  if (index >= rows_of(step, params.are_outputs) * params.groups) {
    return;
  }
  let size = params.group_size;
  let start = index * size;
  var mean = 0.0;
  if (params.is_layer == 1u) {
    var sum = 0.0;
    for (var c = local; c < size; c += SIZE) {
      sum += x[start + c];
    }
    mean = sum_all(local, sum) / f32(size);
  }
  var squares = 0.0;
  for (var c = local; c < size; c += SIZE) {
    let centred = x[start + c] - mean;
    squares += centred * centred;
  }
  let inverse = 1.0 / sqrt(sum_all(local, squares) / f32(size) + params.epsilon);
  for (var c = local; c < size; c += SIZE) {
    var value = (x[start + c] - mean) * inverse;
    let at = (start + c) % params.affine;
    if (params.has_weight == 1u) {
      value *= weight[at];
    }
    if (params.has_bias == 1u) {
      value += bias[at];
    }
    out[start + c] = value;
  }
}
