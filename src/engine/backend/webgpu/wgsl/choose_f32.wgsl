// The next token, chosen of the candidates that top_f32 sorted by the rules of `Sampler.sampleTop`
// (generation/sampler.ts): top-p, min-p, temperature, draw. It goes where the next step reads its token,
// so that the step can begin before anybody else knows it. One thread: there are 64 values at most.
struct Params {
  // Candidates to choose from.
  count: u32,
  // 0: the first.
  temperature: f32,
  top_p: f32,
  // Logit below the largest from which min-p cuts, the logarithm of min-p.
  lowest: f32,
  // From 0 to 1.
  random: f32,
};
@group(0) @binding(0) var<uniform> params: Params;
@group(0) @binding(1) var<storage, read> values: array<f32>;
@group(0) @binding(2) var<storage, read> numbers: array<u32>;
@group(0) @binding(3) var<storage, read_write> tokens: array<u32>;

// Candidates that top-p and min-p leave.
fn kept() -> u32 {
  var count = params.count;
  if (params.top_p < 1.0) {
    var total = 0.0;
    for (var i = 0u; i < params.count; i++) {
      total += exp(values[i] - values[0]);
    }
    var sum = 0.0;
    for (var i = 0u; i < params.count; i++) {
      sum += exp(values[i] - values[0]);
      if (sum >= params.top_p * total) {
        count = i + 1u;
        break;
      }
    }
  }
  while (count > 1u && values[count - 1u] < values[0] + params.lowest) {
    count--;
  }
  return count;
}

@compute @workgroup_size(1)
fn main() {
  var chosen = 0u;
  if (params.temperature > 0.0) {
    let count = kept();
    var sum = 0.0;
    for (var i = 0u; i < count; i++) {
      sum += exp((values[i] - values[0]) / params.temperature);
    }
    var rest = params.random * sum;
    for (var i = 0u; i < count; i++) {
      let share = exp((values[i] - values[0]) / params.temperature);
      if (share == 0.0) {
        continue;
      }
      chosen = i;
      if (rest < share) {
        break;
      }
      rest -= share;
    }
  }
  tokens[0] = numbers[chosen];
}
