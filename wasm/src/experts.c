// Mixture of experts (Shazeer et al. 2017, arXiv:1701.06538): routing, the products of each token
// with the matrices of its experts, and their weighted sum.
//
// A product's unit of work is a group of 8 rows of every expert, so that ranges are of one size
// whatever was chosen. Tokens are gathered by expert: an expert's rows are unpacked once for all
// tokens that chose it, and those of the others are not touched.
#include "experts.h"

#include "math.h"
#include "matmul.h"

void matmul_f32_4x2(const Matrix *, const float *, uint32_t, const float *, float *, uint32_t,
                    uint32_t);
void matmul_f32_scalar(const Matrix *, const float *, uint32_t, const float *, float *);
void matmul_planes_scalar(const Matrix *, const Quantized *, uint32_t, uint32_t, const float *,
                          float *);

#define LOWEST_RANK -3.4028234e38f

EXPORT(scratch_route_bytes) uint32_t scratch_route_bytes(uint32_t experts, uint32_t groups) {
  return (2 * experts + groups) * sizeof(float);
}

// The index of the largest of n numbers, the first of equals.
static uint32_t largest_index(const float *values, uint32_t n) {
  uint32_t best = 0;
  for (uint32_t i = 1; i < n; i++) {
    if (values[i] > values[best]) best = i;
  }
  return best;
}

// Numbers to shares of their exponentials' sum.
static void softmax_scalar(float *values, uint32_t n) {
  const float maximum = values[largest_index(values, n)];
  float sum = 0;
  for (uint32_t i = 0; i < n; i++) sum += values[i] = exp_f32(values[i] - maximum);
  for (uint32_t i = 0; i < n; i++) values[i] /= sum;
}

// Leaves the ranks of the best groups and makes all others the lowest number there is.
static void close_groups(const RouteArguments *a, float *rank, float *group_rank) {
  const uint32_t size = a->experts / a->groups;
  for (uint32_t g = 0; g < a->groups; g++) {
    float sum = 0, below = __builtin_inff();
    uint32_t taken = 0;
    // From the best on; equals count as often as they occur.
    while (taken < a->group_top) {
      float best = -__builtin_inff();
      for (uint32_t e = 0; e < size; e++) {
        const float value = rank[g * size + e];
        if (value < below && value > best) best = value;
      }
      for (uint32_t e = 0; e < size && taken < a->group_top; e++) {
        if (rank[g * size + e] == best) sum += best, taken++;
      }
      if (best == -__builtin_inff()) break;
      below = best;
    }
    group_rank[g] = sum;
  }
  for (uint32_t closed = a->groups; closed > a->groups_used; closed--) {
    // The worst of the open groups, the last of equals.
    uint32_t worst = 0;
    for (uint32_t g = 1; g < a->groups; g++) {
      if (group_rank[g] <= group_rank[worst]) worst = g;
    }
    group_rank[worst] = __builtin_inff();
    for (uint32_t e = 0; e < size; e++) rank[worst * size + e] = -__builtin_inff();
  }
}

// Chooses the experts of tokens [token_begin, token_end).
EXPORT(route_f32)
void route_f32(const RouteArguments *a, uint8_t *scratch, uint32_t token_begin,
               uint32_t token_end) {
  const uint32_t experts = a->experts, used = a->used;
  float *weights = (float *)scratch, *rank = weights + experts, *group_rank = rank + experts;
  for (uint32_t t = token_begin; t < token_end; t++) {
    const float *scores = a->scores + (size_t)t * experts;
    float *chosen = a->out + (size_t)t * 2 * used, *shares = chosen + used;
    for (uint32_t e = 0; e < experts; e++) {
      weights[e] = a->gating == GATING_SIGMOID ? 1 / (1 + exp_f32(-scores[e])) : scores[e];
    }
    if (a->gating == GATING_SOFTMAX) softmax_scalar(weights, experts);
    // Closed and taken experts rank below all others, so that none is taken twice, whatever the
    // scores.
    for (uint32_t e = 0; e < experts; e++) {
      const float value = weights[e] + (a->bias ? a->bias[e] : 0);
      rank[e] = value > LOWEST_RANK ? value : LOWEST_RANK;
    }
    if (a->groups > 1) close_groups(a, rank, group_rank);
    for (uint32_t k = 0; k < used; k++) {
      const uint32_t best = largest_index(rank, experts);
      rank[best] = -__builtin_inff();
      chosen[k] = (float)best;
      shares[k] = weights[best];
    }
    if (a->gating == GATING_SOFTMAX_OF_CHOSEN) softmax_scalar(shares, used);
    float sum = 0;
    for (uint32_t k = 0; k < used; k++) sum += shares[k];
    for (uint32_t k = 0; k < used; k++) shares[k] *= a->normalise ? a->scale / sum : a->scale;
  }
}

EXPORT(scratch_experts_bytes)
uint32_t scratch_experts_bytes(uint32_t tokens, uint32_t used, uint32_t experts, uint32_t columns) {
  const uint32_t lists = (experts + 1 + 2 * tokens * used) * sizeof(uint32_t);
  return ((lists + 15) & ~15u) + scratch_matmul_bytes(tokens, columns);
}

static uint32_t expert_of(const ExpertArguments *a, uint32_t token, uint32_t k) {
  return (uint32_t)a->routes[(size_t)token * 2 * a->used + k];
}

// Sorts (token, k) by expert: those of expert e are at [ends[e - 1], ends[e]).
static void gather_by_expert(const ExpertArguments *a, uint32_t tokens, uint32_t *ends,
                             uint32_t *from, uint32_t *to) {
  __builtin_memset(ends, 0, (a->expert_count + 1) * sizeof(uint32_t));
  uint32_t *starts = ends + 1;
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t k = 0; k < a->used; k++) starts[expert_of(a, t, k)]++;
  }
  uint32_t start = 0;
  for (uint32_t e = 0; e < a->expert_count; e++) {
    const uint32_t count = starts[e];
    starts[e] = start;
    start += count;
  }
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t k = 0; k < a->used; k++) {
      const uint32_t place = starts[expert_of(a, t, k)]++;
      to[place] = t * a->used + k;
      from[place] = a->own_inputs ? t * a->used + k : t;
    }
  }
}

// Groups of rows [group_begin, group_end) of every expert that some token chose.
EXPORT(expert_matmul_8x4)
void expert_matmul_8x4(const ExpertArguments *a, uint32_t tokens, uint32_t precision,
                       uint8_t *scratch, uint32_t group_begin, uint32_t group_end) {
  const Matrix *first = a->experts;
  const uint32_t rows = first->rows, columns = first->columns;
  const size_t pairs = (size_t)tokens * a->used;
  // ends[0] is 0: expert e has [ends[e], ends[e + 1])
  uint32_t *ends = (uint32_t *)scratch, *from = ends + a->expert_count + 1, *to = from + pairs;
  uint8_t *rest = scratch + (((uint8_t *)(to + pairs) - scratch + 15) & ~(size_t)15);
  gather_by_expert(a, tokens, ends, from, to);
  for (uint32_t e = 0; e < a->expert_count; e++) {
    const uint32_t begin = ends[e], end = ends[e + 1];
    if (begin == end) continue;
    const Matrix *m = a->experts + e;
    const float *bias = a->bias ? a->bias + (size_t)e * rows : NULL;
    if (m->dense) {
      for (uint32_t i = begin; i < end; i++) {
        matmul_f32_4x2(m, a->x + (size_t)from[i] * columns, 1, bias, a->out + (size_t)to[i] * rows,
                       group_begin, group_end);
      }
    } else if (tokens <= MATVEC_TOKENS) {
      // The activations of such a step lie as matvec reads them.
      for (uint32_t i = begin; i < end; i++) {
        matvec_planes_8x32(m, &a->quantized, from[i], precision, bias,
                           a->out + (size_t)to[i] * rows, group_begin, group_end, rest);
      }
    } else {
      const TokenMap map = {from + begin, to + begin};
      matmat_mapped_8x4(m, &a->quantized, map, end - begin, precision, bias, a->out, group_begin,
                        group_end, rest);
    }
  }
}

// Scalar twin: one product after the other, equal to the bit. Reads activations in the byte layout.
EXPORT(expert_matmul_scalar)
void expert_matmul_scalar(const ExpertArguments *a, uint32_t tokens, uint32_t precision) {
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t k = 0; k < a->used; k++) {
      const uint32_t e = expert_of(a, t, k), input = a->own_inputs ? t * a->used + k : t;
      const Matrix *m = a->experts + e;
      const float *bias = a->bias ? a->bias + (size_t)e * m->rows : NULL;
      float *out = a->out + ((size_t)t * a->used + k) * m->rows;
      if (m->dense) {
        matmul_f32_scalar(m, a->x + (size_t)input * m->columns, 1, bias, out);
        continue;
      }
      const size_t blocks = m->columns / BLOCK;
      const Quantized x = {a->quantized.digits + (size_t)input * m->columns,
                           a->quantized.scales + input * blocks,
                           a->quantized.sums + input * blocks};
      matmul_planes_scalar(m, &x, 1, precision, bias, out);
    }
  }
}

// out[t] = sum over k of weight k * x[t][k], for tokens [token_begin, token_end).
EXPORT(expert_sum_f32_x4)
void expert_sum_f32_x4(const float *x, const float *routes, uint32_t used, uint32_t columns,
                       float *out, uint32_t token_begin, uint32_t token_end) {
  for (uint32_t t = token_begin; t < token_end; t++) {
    const float *parts = x + (size_t)t * used * columns;
    const float *weights = routes + (size_t)t * 2 * used + used;
    float *row = out + (size_t)t * columns;
    uint32_t c = 0;
    for (; c + 4 <= columns; c += 4) {
      v128_t sum = wasm_f32x4_const_splat(0);
      for (uint32_t k = 0; k < used; k++) {
        v128_t part = wasm_v128_load(parts + (size_t)k * columns + c);
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load32_splat(weights + k), part));
      }
      wasm_v128_store(row + c, sum);
    }
    for (; c < columns; c++) {
      float sum = 0;
      for (uint32_t k = 0; k < used; k++) sum += weights[k] * parts[(size_t)k * columns + c];
      row[c] = sum;
    }
  }
}

EXPORT(expert_sum_f32_scalar)
void expert_sum_f32_scalar(const float *x, const float *routes, uint32_t used, uint32_t columns,
                           float *out, uint32_t token_begin, uint32_t token_end) {
  for (uint32_t t = token_begin; t < token_end; t++) {
    for (uint32_t c = 0; c < columns; c++) {
      float sum = 0;
      for (uint32_t k = 0; k < used; k++) {
        sum += routes[(size_t)t * 2 * used + used + k] * x[((size_t)t * used + k) * columns + c];
      }
      out[(size_t)t * columns + c] = sum;
    }
  }
}
