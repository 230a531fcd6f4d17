// Causal convolution over time and the selective scan of Mamba (Gu & Dao 2023, arXiv:2312.00752,
// algorithm 2). Every channel has a state of its own; a step reads it, goes through its tokens and
// leaves it as they do. Sums run in one order, so that the result does not depend on how a text was
// cut into steps.
#include "recurrent.h"

#include "math.h"

// The input of channel c at `taps - 1 - back` tokens before token t: of the step or of the state.
INLINE const float *tap_row(const ConvolutionArguments *a, const float *state, uint32_t t,
                            uint32_t tap) {
  const uint32_t before = a->taps - 1;
  return t + tap < before ? state + (size_t)(t + tap) * a->channels
                          : a->x + (size_t)(t + tap - before) * a->channels;
}

// Moves the last inputs of the step into the state, for channels [begin, end).
static void remember_inputs(const ConvolutionArguments *a, float *state, uint32_t tokens,
                            uint32_t begin, uint32_t end) {
  for (uint32_t tap = 0; tap + 1 < a->taps; tap++) {
    // from a later row of the state, or from the step: never from a row already overwritten
    const float *from = tap_row(a, state, tokens, tap);
    float *to = state + (size_t)tap * a->channels;
    for (uint32_t c = begin; c < end; c++) to[c] = from[c];
  }
}

// Units [begin, end) of channels.
EXPORT(causal_convolution_f32_x4)
void causal_convolution_f32_x4(const ConvolutionArguments *a, float *state, uint32_t tokens,
                               uint32_t begin, uint32_t end) {
  const uint32_t first = begin * CHANNEL_UNIT, last = min_u32(a->channels, end * CHANNEL_UNIT);
  for (uint32_t t = 0; t < tokens; t++) {
    float *out = a->out + (size_t)t * a->channels;
    uint32_t c = first;
    for (; c + 4 <= last; c += 4) {
      v128_t sum = a->bias ? wasm_v128_load(a->bias + c) : wasm_f32x4_const_splat(0);
      for (uint32_t tap = 0; tap < a->taps; tap++) {
        const float *w = a->weight + (size_t)c * a->taps + tap;
        v128_t weights = wasm_f32x4_make(w[0], w[a->taps], w[2 * a->taps], w[3 * a->taps]);
        v128_t x = wasm_v128_load(tap_row(a, state, t, tap) + c);
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(weights, x));
      }
      wasm_v128_store(out + c, sum);
    }
    for (; c < last; c++) {
      float sum = a->bias ? a->bias[c] : 0;
      for (uint32_t tap = 0; tap < a->taps; tap++)
        sum += a->weight[(size_t)c * a->taps + tap] * tap_row(a, state, t, tap)[c];
      out[c] = sum;
    }
  }
  remember_inputs(a, state, tokens, first, last);
}

EXPORT(causal_convolution_f32_scalar)
void causal_convolution_f32_scalar(const ConvolutionArguments *a, float *state, uint32_t tokens) {
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t c = 0; c < a->channels; c++) {
      float sum = a->bias ? a->bias[c] : 0;
      for (uint32_t tap = 0; tap < a->taps; tap++)
        sum += a->weight[(size_t)c * a->taps + tap] * tap_row(a, state, t, tap)[c];
      a->out[(size_t)t * a->channels + c] = sum;
    }
  }
  remember_inputs(a, state, tokens, 0, a->channels);
}

// log(1 + exp(x)), above 20 x itself.
INLINE float softplus(float x) { return x > 20 ? x : log_f32(1 + exp_f32(x)); }

// One token of one channel: state = exp(step * rate) * state + step * x * input, read by `reads`.
INLINE float scan_channel(const ScanArguments *a, float *state, uint32_t t, uint32_t c) {
  const size_t at = (size_t)t * a->channels + c;
  const float *rates = a->rates + (size_t)c * a->states;
  const float *inputs = a->inputs + (size_t)t * a->states,
              *reads = a->reads + (size_t)t * a->states;
  const float step = softplus(a->steps[at]), entering = step * a->x[at];
  v128_t steps = wasm_f32x4_splat(step), entries = wasm_f32x4_splat(entering);
  v128_t sums = wasm_f32x4_const_splat(0);
  uint32_t s = 0;
  for (; s + 4 <= a->states; s += 4) {
    v128_t keep = exp_f32x4(wasm_f32x4_mul(steps, wasm_v128_load(rates + s)));
    v128_t now = wasm_f32x4_add(wasm_f32x4_mul(keep, wasm_v128_load(state + s)),
                                wasm_f32x4_mul(entries, wasm_v128_load(inputs + s)));
    wasm_v128_store(state + s, now);
    sums = wasm_f32x4_add(sums, wasm_f32x4_mul(now, wasm_v128_load(reads + s)));
  }
  float sum = horizontal_sum(sums);
  for (; s < a->states; s++) {
    state[s] = exp_f32(step * rates[s]) * state[s] + entering * inputs[s];
    sum += state[s] * reads[s];
  }
  return sum + a->skip[c] * a->x[at];
}

// Units [begin, end) of channels.
EXPORT(selective_scan_f32_x4)
void selective_scan_f32_x4(const ScanArguments *a, float *state, uint32_t tokens, uint32_t begin,
                           uint32_t end) {
  const uint32_t last = min_u32(a->channels, end * CHANNEL_UNIT);
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t c = begin * CHANNEL_UNIT; c < last; c++) {
      a->out[(size_t)t * a->channels + c] = scan_channel(a, state + (size_t)c * a->states, t, c);
    }
  }
}

EXPORT(selective_scan_f32_scalar)
void selective_scan_f32_scalar(const ScanArguments *a, float *state, uint32_t tokens) {
  const uint32_t whole = a->states & ~3u;
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t c = 0; c < a->channels; c++) {
      const size_t at = (size_t)t * a->channels + c;
      const float step = softplus(a->steps[at]), entering = step * a->x[at];
      float *own = state + (size_t)c * a->states, lanes[4] = {0, 0, 0, 0}, tail = 0;
      for (uint32_t s = 0; s < a->states; s++) {
        own[s] = exp_f32(step * a->rates[(size_t)c * a->states + s]) * own[s] +
                 entering * a->inputs[(size_t)t * a->states + s];
        const float read = own[s] * a->reads[(size_t)t * a->states + s];
        if (s < whole)
          lanes[s % 4] += read;
        else if (s == whole)
          tail = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]) + read;
        else
          tail += read;
      }
      if (whole == a->states) tail = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
      a->out[at] = tail + a->skip[c] * a->x[at];
    }
  }
}
