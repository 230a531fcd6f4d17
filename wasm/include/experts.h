// Mixture of experts: which experts a token goes to, and products with their matrices.
#pragma once

#include "planes.h"

enum { GATING_SOFTMAX, GATING_SIGMOID, GATING_SOFTMAX_OF_CHOSEN };

// Routes of a token: `used` numbers of experts (as floats, exact), then their weights.
typedef struct {
  const float *scores;  // (tokens, experts)
  const float *bias;    // of the choice, or null
  uint32_t gating, experts, used, groups, groups_used, group_top, normalise;
  float scale;
  float *out;  // (tokens, 2 * used)
} RouteArguments;

typedef struct {
  const Matrix *experts;  // a descriptor each, so that an expert may lie anywhere
  const float *x;         // dense matrices
  Quantized quantized;    // matrices on planes
  const float *bias;      // (experts, rows), or null
  const float *routes;
  uint32_t expert_count, used;
  uint32_t own_inputs;  // x is (tokens, used, columns), else (tokens, columns)
  float *out;           // (tokens, used, rows)
} ExpertArguments;

uint32_t scratch_route_bytes(uint32_t experts, uint32_t groups);
uint32_t scratch_experts_bytes(uint32_t tokens, uint32_t used, uint32_t experts, uint32_t columns);
void route_f32(const RouteArguments *a, uint8_t *scratch, uint32_t token_begin, uint32_t token_end);
void expert_matmul_8x4(const ExpertArguments *a, uint32_t tokens, uint32_t precision,
                       uint8_t *scratch, uint32_t group_begin, uint32_t group_end);
void expert_sum_f32_x4(const float *x, const float *routes, uint32_t used, uint32_t columns,
                       float *out, uint32_t token_begin, uint32_t token_end);
