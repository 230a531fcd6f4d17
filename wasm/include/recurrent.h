// Operators that remember the tokens before a step in a state of fixed size. Their unit of work is
// a block of channels over all tokens of the step, in sequence: channels know nothing of each
// other.
#pragma once

#include "simd.h"

enum { CHANNEL_UNIT = 32 };

typedef struct {
  const float *x;       // (tokens, channels)
  const float *weight;  // (channels, taps), the last one for the present token
  const float *bias;    // (channels), or null
  uint32_t slot;        // state (taps - 1, channels): the inputs before the step
  uint32_t channels, taps;
  float *out;  // (tokens, channels)
} ConvolutionArguments;

typedef struct {
  const float *x, *steps;       // (tokens, channels); steps before softplus
  const float *rates;           // (channels, states), negative
  const float *inputs, *reads;  // (tokens, states)
  const float *skip;            // (channels)
  uint32_t slot;                // state (channels, states)
  uint32_t channels, states;
  float *out;  // (tokens, channels)
} ScanArguments;

INLINE uint32_t channel_units(uint32_t channels) {
  return (channels + CHANNEL_UNIT - 1) / CHANNEL_UNIT;
}

void causal_convolution_f32_x4(const ConvolutionArguments *a, float *state, uint32_t tokens,
                               uint32_t begin, uint32_t end);
void selective_scan_f32_x4(const ScanArguments *a, float *state, uint32_t tokens, uint32_t begin,
                           uint32_t end);
