// What a lane sums up over a chunk of blocks of the matrix in WEIGHTS: it owns word w of every eighth
// block of all 8 rows of a group, so that one activation word serves 8 rows and neighbours read
// neighbouring bytes. Digits times quantised activations by dot4I8Packed; exact integers in a block.
fn products_WEIGHTS(sums: Halves, m: Matrix, group: u32, chunk: u32, count: u32,
                    lane: u32) -> Halves {
  let word = lane % 4u;
  // With both planes a byte is 16 hi + lo; minus 128 it is a signed one.
  let flip = select(vec4<u32>(0u), vec4<u32>(0x80808080u), LOW_PLANE);
  let zero = select(zero_of(m), zero_of(m) - 128.0, LOW_PLANE);
  let minimum = m.minimum_factor / factor_of(m);
  var low = sums.low;
  var high = sums.high;
  for (var b = lane / 4u; b < count; b += 8u) {
    let block = group * m.blocks + chunk + b;
    let unit = 8u * block + 2u * word;
    let hi0 = WEIGHTS[m.hi + unit];
    let hi1 = WEIGHTS[m.hi + unit + 1u];
    var lo0 = vec4<u32>(0u);
    var lo1 = vec4<u32>(0u);
    if (LOW_PLANE) {
      lo0 = WEIGHTS[m.lo + unit];
      lo1 = WEIGHTS[m.lo + unit + 1u];
    }
    let x0 = chunk_digits[8u * b + word];
    let x1 = chunk_digits[8u * b + 4u + word];
    let sums0 = dots(first_bytes(hi0, lo0) ^ flip, x0) + dots(second_bytes(hi0, lo0) ^ flip, x1);
    let sums1 = dots(first_bytes(hi1, lo1) ^ flip, x0) + dots(second_bytes(hi1, lo1) ^ flip, x1);
    let x_scale = chunk_scales[b];
    // The block's sum counts once, though four lanes share the block.
    let x_sum = select(0.0, x_scale.y, word == 0u);
    let at = m.scales + block * m.scale_units;
    let scale = unpack_halves(WEIGHTS[at]);
    low += x_scale.x * scale.low * (vec4<f32>(sums0) - zero * x_sum);
    high += x_scale.x * scale.high * (vec4<f32>(sums1) - zero * x_sum);
    if (m.scale_units == 2u) {
      let minimums = unpack_halves(WEIGHTS[at + 1u]);
      low += x_scale.x * x_sum * minimum * minimums.low;
      high += x_scale.x * x_sum * minimum * minimums.high;
    }
  }
  return Halves(low, high);
}
