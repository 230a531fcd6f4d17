// Executes a command list. Every command is a number of independent units of work and a function
// for a range of them, so that threads can share a command; one thread takes the whole range.
#include "command.h"
#include "matmul.h"

void norm_f32_x4(uint32_t, const float *, const float *, const float *, uint32_t, float, uint32_t,
                 float *, uint32_t, uint32_t);
void quantize_f32_i8x32(const float *, uint32_t, uint32_t, uint32_t, uint32_t, int8_t *, float *,
                        int32_t *);
void matmul_f32_4x2(const Matrix *, const float *, uint32_t, const float *, float *, uint32_t,
                    uint32_t);
void rope_f32_x4(float *, const float *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,
                 uint32_t);
void embed_rows(const Matrix *, const int32_t *, uint32_t, uint32_t, float, uint32_t, float *,
                uint32_t, uint32_t);
void gate_f32_x4(uint32_t, const float *, const float *, float *, uint32_t, uint32_t);
void activate_f32_x4(uint32_t, const float *, float *, uint32_t, uint32_t);
void add_f32_x4(const float *, const float *, float *, uint32_t, uint32_t);
void scale_f32_x4(const float *, float, float, float *, uint32_t, uint32_t);

// Elements of a unit of the elementwise operators.
enum { ELEMENT_UNIT = 1024 };

typedef struct {
  uint32_t (*units)(const Command *c, uint32_t rows);
  void (*run)(const Command *c, const Step *s, uint32_t rows, uint32_t begin, uint32_t end);
} Executor;

static uint32_t row_units(const Command *c, uint32_t rows) {
  (void)c;
  return rows;
}

static uint32_t element_units(uint32_t columns, uint32_t rows) {
  return (columns * rows + ELEMENT_UNIT - 1) / ELEMENT_UNIT;
}

static uint32_t element_end(uint32_t columns, uint32_t rows, uint32_t end) {
  return min_u32(columns * rows, end * ELEMENT_UNIT);
}

static void run_embed(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                      uint32_t end) {
  (void)rows;
  const int32_t *tokens = c->embed.by == EMBED_BY_TOKEN ? s->tokens : 0;
  const uint32_t by_position = c->embed.by == EMBED_BY_POSITION;
  embed_rows(c->embed.table, tokens, by_position ? s->position : 0, by_position, c->embed.scale,
             s->precision, c->embed.out, begin, end);
}

static uint32_t norm_units(const Command *c, uint32_t rows) {
  return rows * c->norm.groups_per_row;
}

static void run_norm(const Command *c, const Step *s, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)s;
  (void)rows;
  norm_f32_x4(c->norm.layer, c->norm.x, c->norm.weight, c->norm.bias, c->norm.affine_rows,
              c->norm.epsilon, c->norm.group_size, c->norm.out, begin, end);
}

static void run_quantize(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                         uint32_t end) {
  (void)s;
  const Quantized *to = &c->quantize.to;
  quantize_f32_i8x32(c->quantize.x, c->quantize.columns, begin, end, activation_layout(rows),
                     (int8_t *)to->digits, (float *)to->scales, (int32_t *)to->sums);
}

static uint32_t matmul_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : groups_of(c->matmul.matrix);
}

static void run_matmul(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                       uint32_t end) {
  const Matrix *m = c->matmul.matrix;
  const float *bias = c->matmul.bias;
  float *out = c->matmul.out;
  if (m->dense) {
    matmul_f32_4x2(m, c->matmul.x, rows, bias, out, begin, end);
  } else if (rows <= MATVEC_TOKENS) {
    for (uint32_t t = 0; t < rows; t++) {
      matvec_planes_8x32(m, &c->matmul.quantized, t, s->precision, bias, out + (size_t)t * m->rows,
                         begin, end, s->scratch);
    }
  } else {
    matmat_planes_8x4(m, &c->matmul.quantized, rows, s->precision, bias, out, begin, end,
                      s->scratch);
  }
}

static void run_rope(const Command *c, const Step *s, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)s;
  (void)rows;
  rope_f32_x4(c->rope.x, c->rope.table, c->rope.heads, c->rope.head_dim, c->rope.pairs,
              c->rope.interleaved, begin, end);
}

static void run_cache_write(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                            uint32_t end) {
  (void)rows;
  cache_write_vectors(s->cache, c->cache_write.layer, c->cache_write.k, c->cache_write.v,
                      s->position, begin, end);
}

static uint32_t attention_command_units(const Command *c, uint32_t rows) {
  return attention_units(c->attention.kv_heads, rows);
}

static void run_attention(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                          uint32_t end) {
  attention_cache_tile32(&c->attention, s->cache, rows, s->position, s->scratch, begin, end);
}

static uint32_t gate_units(const Command *c, uint32_t rows) {
  return element_units(c->gate.columns, rows);
}

static void run_gate(const Command *c, const Step *s, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)s;
  gate_f32_x4(c->gate.kind, c->gate.gate, c->gate.up, c->gate.out, begin * ELEMENT_UNIT,
              element_end(c->gate.columns, rows, end));
}

static uint32_t activate_units(const Command *c, uint32_t rows) {
  return element_units(c->activate.columns, rows);
}

static void run_activate(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                         uint32_t end) {
  (void)s;
  activate_f32_x4(c->activate.kind, c->activate.x, c->activate.out, begin * ELEMENT_UNIT,
                  element_end(c->activate.columns, rows, end));
}

static uint32_t add_units(const Command *c, uint32_t rows) {
  return element_units(c->add.columns, rows);
}

static void run_add(const Command *c, const Step *s, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)s;
  add_f32_x4(c->add.a, c->add.b, c->add.out, begin * ELEMENT_UNIT,
             element_end(c->add.columns, rows, end));
}

static uint32_t scale_units(const Command *c, uint32_t rows) {
  return element_units(c->scale.columns, rows);
}

static void run_scale(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                      uint32_t end) {
  (void)s;
  scale_f32_x4(c->scale.x, c->scale.factor, c->scale.softcap, c->scale.out, begin * ELEMENT_UNIT,
               element_end(c->scale.columns, rows, end));
}

static void run_take_outputs(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                             uint32_t end) {
  const size_t columns = c->take_outputs.columns, skipped = s->token_count - rows;
  for (uint32_t r = begin; r < end; r++) {
    __builtin_memcpy(c->take_outputs.out + r * columns, c->take_outputs.x + (skipped + r) * columns,
                     columns * sizeof(float));
  }
}

static void run_route(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                      uint32_t end) {
  (void)rows;
  route_f32(&c->route, s->scratch, begin, end);
}

static uint32_t expert_matmul_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : groups_of(c->expert_matmul.experts);
}

static void run_expert_matmul(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                              uint32_t end) {
  expert_matmul_8x4(&c->expert_matmul, rows, s->precision, s->scratch, begin, end);
}

static void run_expert_sum(const Command *c, const Step *s, uint32_t rows, uint32_t begin,
                           uint32_t end) {
  (void)s;
  (void)rows;
  expert_sum_f32_x4(c->expert_sum.x, c->expert_sum.routes, c->expert_sum.used,
                    c->expert_sum.columns, c->expert_sum.out, begin, end);
}

static const Executor executors[OP_COUNT] = {
    [OP_EMBED] = {row_units, run_embed},
    [OP_NORM] = {norm_units, run_norm},
    [OP_QUANTIZE] = {row_units, run_quantize},
    [OP_MATMUL] = {matmul_units, run_matmul},
    [OP_ROPE] = {row_units, run_rope},
    [OP_CACHE_WRITE] = {row_units, run_cache_write},
    [OP_ATTENTION] = {attention_command_units, run_attention},
    [OP_GATE] = {gate_units, run_gate},
    [OP_ADD] = {add_units, run_add},
    [OP_SCALE] = {scale_units, run_scale},
    [OP_TAKE_OUTPUTS] = {row_units, run_take_outputs},
    [OP_ACTIVATE] = {activate_units, run_activate},
    [OP_ROUTE] = {row_units, run_route},
    [OP_EXPERT_MATMUL] = {expert_matmul_units, run_expert_matmul},
    [OP_EXPERT_SUM] = {row_units, run_expert_sum},
};

EXPORT(hermit_abi) uint32_t hermit_abi(void) { return HERMIT_ABI; }

// Bytes a quantised activation takes per element in this build.
EXPORT(hermit_activation_bytes) uint32_t hermit_activation_bytes(void) {
  return activation_bytes();
}

EXPORT(hermit_run) void hermit_run(const Command *commands, uint32_t count, Step *step) {
  for (uint32_t i = 0; i < count; i++) {
    const Command *c = &commands[i];
    const uint32_t rows = c->rows == ROWS_OUTPUTS ? step->outputs : step->token_count;
    const Executor *executor = &executors[c->op];
    executor->run(c, step, rows, 0, executor->units(c, rows));
    step->progress = i + 1;
  }
}
