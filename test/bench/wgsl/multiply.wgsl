// Multiplies and adds without memory, in eight sums that do not wait for each other. `Value`, `Sum`,
// `value_of` and `add` are those of a type and stand before this text.
@group(0) @binding(0) var<storage, read_write> out: array<u32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
  var w: array<Value, 8>;
  var sums: array<Sum, 8>;
  for (var k = 0u; k < 8u; k++) {
    w[k] = value_of(id.x + k);
  }
  var x = value_of(id.x);
  let change = value_of(id.x + 11u);
  for (var i = 0u; i < 256u; i++) {
    sums[0] = add(sums[0], w[0], x);
    sums[1] = add(sums[1], w[1], x);
    sums[2] = add(sums[2], w[2], x);
    sums[3] = add(sums[3], w[3], x);
    sums[4] = add(sums[4], w[4], x);
    sums[5] = add(sums[5], w[5], x);
    sums[6] = add(sums[6], w[6], x);
    sums[7] = add(sums[7], w[7], x);
    // Else all rounds would be the same, and could be computed as one.
    x += change;
  }
  var total = sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
  if (u32(abs(f32(total.x + total.y + total.z + total.w))) == 123456789u) {
    out[0] = 1u;
  }
}
