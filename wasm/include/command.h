// The command list: one forward step, compiled once by src/engine/backend/wasm/compile-graph.ts and
// run by one call. Commands have a fixed size; the layouts are mirrored by command-layout.ts there.
// Change HERMIT_ABI with every change of a layout or of an exported function.
#pragma once

#include "attention.h"
#include "experts.h"
#include "planes.h"
#include "recurrent.h"

#define HERMIT_ABI 11

enum {
  OP_EMBED,
  OP_NORM,
  OP_QUANTIZE,
  OP_MATMUL,
  OP_ROPE,
  OP_CACHE_WRITE,
  OP_ATTENTION,
  OP_GATE,
  OP_ADD,
  OP_SCALE,
  OP_TAKE_OUTPUTS,
  OP_ACTIVATE,
  OP_ROUTE,
  OP_EXPERT_MATMUL,
  OP_EXPERT_SUM,
  OP_PROJECT,
  OP_ATTEND,
  OP_CAUSAL_CONVOLUTION,
  OP_SELECTIVE_SCAN,
  OP_JOIN_HEADS,
  OP_COUNT,
};

enum { ROWS_TOKENS, ROWS_OUTPUTS };

enum { NORM_NONE, NORM_RMS, NORM_LAYER };

// Which row of its table a token gets.
enum { EMBED_BY_TOKEN, EMBED_BY_POSITION, EMBED_FIRST };

typedef struct {
  uint16_t op;
  uint16_t joined;  // 1: reads and overwrites nothing of the command before, no barrier between
  uint32_t rows;    // ROWS_TOKENS or ROWS_OUTPUTS
  union {
    struct {
      const Matrix *table;
      uint32_t by;
      float scale;
      float *out;
    } embed;
    struct {
      uint32_t layer;  // 0: root mean square
      const float *x, *weight, *bias;
      float epsilon;
      uint32_t group_size, groups_per_row, affine_rows;
      float *out;
    } norm;
    struct {
      const float *x;
      uint32_t columns;
      Quantized to;
    } quantize;
    struct {
      const Matrix *matrix;
      const float *x;       // dense matrices
      Quantized quantized;  // matrices on planes
      const float *bias;
      float *out;
    } matmul;
    struct {
      float *x;
      const float *table;
      uint32_t heads, head_dim, pairs, interleaved;
    } rope;
    struct {
      uint32_t layer;
      const float *k, *v;
    } cache_write;
    AttentionArguments attention;
    struct {
      uint32_t kind, columns;
      const float *gate, *up;
      float *out;
    } gate;
    struct {
      uint32_t columns;
      const float *a, *b;
      float *out;
    } add;
    struct {
      uint32_t columns;
      const float *x;
      float factor, softcap;
      float *out;
    } scale;
    struct {
      uint32_t columns;
      const float *x;
      float *out;
    } take_outputs;
    struct {
      uint32_t kind, columns;
      const float *x;
      float *out;
    } activate;
    RouteArguments route;
    ExpertArguments expert_matmul;
    struct {
      const float *x, *routes;
      uint32_t used, columns;
      float *out;
    } expert_sum;
    // Decode only, one row: a product with what stands around it. Every thread normalises and
    // quantises the row for itself, which costs less than waiting for the one that does it for all.
    struct {
      const float *x;
      const float *norm_weight, *norm_bias;
      float epsilon;
      uint32_t norm;  // NORM_NONE, or how x is normalised first
      uint32_t columns;
      const Matrix *matrix;
      const float *bias;
      const float *residual;  // null, or what is added to the product
      float *out;
      const Matrix *up;  // null, or out = activation(product) * product with this one
      const float *up_bias;
      uint32_t gate_kind;
    } project;
    AttendArguments attend;
    ConvolutionArguments causal_convolution;
    ScanArguments selective_scan;
    struct {
      const float *a, *b;
      uint32_t heads;
      // From head to head, 0 where all heads of the result share one.
      uint32_t a_stride, a_from, a_count, b_stride, b_from, b_count;
      uint32_t a_columns, b_columns;
      float *out;
    } join_heads;
    uint32_t words[14];
  };
} Command;

_Static_assert(sizeof(Command) == 64, "mirrored by src/engine/backend/wasm/command-layout.ts");

// What changes from step to step.
typedef struct {
  const int32_t *tokens;
  uint32_t token_count;
  uint32_t position;
  uint32_t outputs;
  uint32_t precision;  // 8 or 4
  const Cache *cache;
  uint8_t *scratch;        // of thread 0, followed by those of the others
  uint32_t scratch_bytes;  // of one thread
  AttendParts *parts;      // for OP_ATTEND
} Step;

_Static_assert(sizeof(Step) == 36, "mirrored by src/engine/backend/wasm/command-layout.ts");
