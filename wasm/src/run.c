// Executes a command list. Every command is a number of independent units of work and a function
// for a range of them, so that threads can share a command; one thread takes the whole range.
#include "matmul.h"
#include "team.h"

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

// What a thread works with. The last line says what its scratch memory holds, for more units of the
// same command: forgotten at every other one.
typedef struct {
  const Step *step;
  uint8_t *scratch;  // its own
  const void *prepared, *prepared_up, *source, *source_norm;
} Worker;

typedef struct {
  uint32_t (*units)(const Command *c, uint32_t rows);
  // Multiply-adds of a unit, roughly: how long it takes, to cut a step into slices.
  uint32_t (*cost)(const Command *c, const Step *s, uint32_t rows);
  void (*run)(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end);
  uint32_t grain;  // units that are better not divided
} Executor;

// An element that is loaded, changed and stored takes about as long as eight products.
enum { ELEMENT_COST = 8 };

static uint32_t unit_cost(const Command *c, const Step *s, uint32_t rows) {
  (void)c;
  (void)s;
  (void)rows;
  return ELEMENT_UNIT * ELEMENT_COST;
}

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

static void run_embed(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)rows;
  const int32_t *tokens = c->embed.by == EMBED_BY_TOKEN ? w->step->tokens : 0;
  const uint32_t by_position = c->embed.by == EMBED_BY_POSITION;
  embed_rows(c->embed.table, tokens, by_position ? w->step->position : 0, by_position,
             c->embed.scale, w->step->precision, c->embed.out, begin, end);
}

static uint32_t norm_units(const Command *c, uint32_t rows) {
  return rows * c->norm.groups_per_row;
}

static void run_norm(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  (void)rows;
  norm_f32_x4(c->norm.layer, c->norm.x, c->norm.weight, c->norm.bias, c->norm.affine_rows,
              c->norm.epsilon, c->norm.group_size, c->norm.out, begin, end);
}

static void run_quantize(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  const Quantized *to = &c->quantize.to;
  quantize_f32_i8x32(c->quantize.x, c->quantize.columns, begin, end, activation_layout(rows),
                     (int8_t *)to->digits, (float *)to->scales, (int32_t *)to->sums);
}

static uint32_t matmul_cost(const Command *c, const Step *s, uint32_t rows) {
  (void)s;
  return GROUP * c->matmul.matrix->columns * rows;
}

static uint32_t matmul_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : groups_of(c->matmul.matrix);
}

static void run_matmul(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  const Matrix *m = c->matmul.matrix;
  const float *bias = c->matmul.bias;
  float *out = c->matmul.out;
  if (m->dense) {
    matmul_f32_4x2(m, c->matmul.x, rows, bias, out, begin, end);
    return;
  }
  const Quantized *x = &c->matmul.quantized;
  const int fresh = w->prepared != m;
  w->prepared = m;
  if (rows <= MATVEC_TOKENS) {
    if (fresh) matvec_prepare(m, x, 0, w->step->precision, w->scratch);
    matvec_run(m, x, 0, w->step->precision, bias, out, begin, end, w->scratch);
  } else {
    if (fresh) matmat_prepare(m, x, rows, w->step->precision, w->scratch);
    matmat_run(m, rows, w->step->precision, bias, out, begin, end, w->scratch);
  }
}

// ---- one row: a product with its surroundings ----

// Scratch of a project command: the normalised row, its quantised copy, corrections for two
// matrices, the second product.
typedef struct {
  float *normed;
  Quantized quantized;
  uint8_t *corrections, *up_corrections;
  float *up;
} ProjectScratch;

static ProjectScratch project_scratch(uint8_t *scratch, uint32_t columns) {
  ProjectScratch s;
  const uint32_t blocks = columns / BLOCK;
  s.normed = (float *)scratch;
  uint8_t *at = (uint8_t *)(s.normed + ((columns + 3) & ~3u));
  s.quantized.digits = (int8_t *)at;
  at += columns * activation_bytes();
  s.quantized.scales = (float *)at;
  s.quantized.sums = (int32_t *)(at + blocks * 4);
  s.corrections = (uint8_t *)(((uintptr_t)at + blocks * 8 + 15) & ~(uintptr_t)15);
  s.up_corrections = s.corrections + ((blocks * 12 + 15) & ~15u);
  s.up = (float *)(s.up_corrections + ((blocks * 12 + 15) & ~15u));
  return s;
}

// `up_rows`: of the second matrix, 0 where there is none.
EXPORT(scratch_project_bytes)
uint32_t scratch_project_bytes(uint32_t columns, uint32_t up_rows) {
  return (uint32_t)(uintptr_t)project_scratch(0, columns).up + up_rows * 4;
}

// Normalises and quantises the row, unless the command before in this phase did already.
static void prepare_source(const Command *c, Worker *w, const ProjectScratch *s) {
  const float *x = c->project.x;
  if (w->source == x && w->source_norm == c->project.norm_weight) return;
  w->source = x;
  w->source_norm = c->project.norm_weight;
  w->prepared = w->prepared_up = NULL;
  const uint32_t columns = c->project.columns;
  if (c->project.norm != NORM_NONE) {
    norm_f32_x4(c->project.norm == NORM_LAYER, x, c->project.norm_weight, c->project.norm_bias, 1,
                c->project.epsilon, columns, s->normed, 0, 1);
    x = s->normed;
  }
  if (columns % BLOCK == 0) {
    quantize_f32_i8x32(x, columns, 0, 1, activation_layout(1), (int8_t *)s->quantized.digits,
                       (float *)s->quantized.scales, (int32_t *)s->quantized.sums);
  }
}

static void multiply_row(const Command *c, Worker *w, const ProjectScratch *s, const Matrix *m,
                         const float *bias, const void **prepared, uint8_t *corrections, float *out,
                         uint32_t begin, uint32_t end) {
  if (m->dense) {
    const float *x = c->project.norm == NORM_NONE ? c->project.x : s->normed;
    matmul_f32_4x2(m, x, 1, bias, out, begin, end);
    return;
  }
  if (*prepared != m) matvec_prepare(m, &s->quantized, 0, w->step->precision, corrections);
  *prepared = m;
  matvec_run(m, &s->quantized, 0, w->step->precision, bias, out, begin, end, corrections);
}

static uint32_t project_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : groups_of(c->project.matrix);
}

static uint32_t project_cost(const Command *c, const Step *s, uint32_t rows) {
  (void)s;
  return GROUP * c->project.columns * rows * (c->project.up ? 2 : 1);
}

static void run_project(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)rows;
  const ProjectScratch s = project_scratch(w->scratch, c->project.columns);
  const Matrix *m = c->project.matrix;
  float *out = c->project.out;
  const uint32_t first = begin * GROUP, last = min_u32(end * GROUP, m->rows);
  prepare_source(c, w, &s);
  multiply_row(c, w, &s, m, c->project.bias, &w->prepared, s.corrections, out, begin, end);
  if (c->project.up) {
    multiply_row(c, w, &s, c->project.up, c->project.up_bias, &w->prepared_up, s.up_corrections,
                 s.up, begin, end);
    gate_f32_x4(c->project.gate_kind, out, s.up, out, first, last);
  }
  if (c->project.residual) add_f32_x4(c->project.residual, out, out, first, last);
}

// ---- other commands ----

static void run_rope(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  (void)rows;
  rope_f32_x4(c->rope.x, c->rope.table, c->rope.heads, c->rope.head_dim, c->rope.pairs,
              c->rope.interleaved, begin, end);
}

static void run_cache_write(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                            uint32_t end) {
  (void)rows;
  cache_write_vectors(w->step->cache, c->cache_write.layer, c->cache_write.k, c->cache_write.v,
                      w->step->position, begin, end);
}

static uint32_t attention_command_units(const Command *c, uint32_t rows) {
  return attention_units(c->attention.kv_heads, rows);
}

// Products of floats take about four times as long as those of digits.
static uint32_t attention_cost(const Command *c, const Step *s, uint32_t rows) {
  const uint32_t shared = c->attention.heads / c->attention.kv_heads;
  return 8 * shared * min_u32(rows, TOKEN_TILE) * c->attention.head_dim * (s->position + rows);
}

static void run_attention(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                          uint32_t end) {
  attention_cache_tile32(&c->attention, w->step->cache, rows, w->step->position, w->scratch, begin,
                         end);
}

// The units depend on the position, which is in the step: see units_of.
static uint32_t attend_cost(const Command *c, const Step *s, uint32_t rows) {
  (void)s;
  (void)rows;
  const uint32_t shared = c->attend.heads / c->attend.kv_heads;
  return 8 * shared * c->attend.head_dim * POSITION_CHUNK;
}

static void run_attend(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)rows;
  attend_token_chunk128(&c->attend, w->step->cache, w->step->position, w->step->parts, w->scratch,
                        begin, end);
}

static uint32_t gate_units(const Command *c, uint32_t rows) {
  return element_units(c->gate.columns, rows);
}

static void run_gate(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  gate_f32_x4(c->gate.kind, c->gate.gate, c->gate.up, c->gate.out, begin * ELEMENT_UNIT,
              element_end(c->gate.columns, rows, end));
}

static uint32_t activate_units(const Command *c, uint32_t rows) {
  return element_units(c->activate.columns, rows);
}

static void run_activate(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  activate_f32_x4(c->activate.kind, c->activate.x, c->activate.out, begin * ELEMENT_UNIT,
                  element_end(c->activate.columns, rows, end));
}

static uint32_t add_units(const Command *c, uint32_t rows) {
  return element_units(c->add.columns, rows);
}

static void run_add(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  add_f32_x4(c->add.a, c->add.b, c->add.out, begin * ELEMENT_UNIT,
             element_end(c->add.columns, rows, end));
}

static uint32_t scale_units(const Command *c, uint32_t rows) {
  return element_units(c->scale.columns, rows);
}

static void run_scale(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)w;
  scale_f32_x4(c->scale.x, c->scale.factor, c->scale.softcap, c->scale.out, begin * ELEMENT_UNIT,
               element_end(c->scale.columns, rows, end));
}

static void run_take_outputs(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                             uint32_t end) {
  const size_t columns = c->take_outputs.columns, skipped = w->step->token_count - rows;
  for (uint32_t r = begin; r < end; r++) {
    __builtin_memcpy(c->take_outputs.out + r * columns, c->take_outputs.x + (skipped + r) * columns,
                     columns * sizeof(float));
  }
}

static void run_route(const Command *c, Worker *w, uint32_t rows, uint32_t begin, uint32_t end) {
  (void)rows;
  route_f32(&c->route, w->scratch, begin, end);
}

static uint32_t expert_matmul_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : groups_of(c->expert_matmul.experts);
}

static uint32_t expert_matmul_cost(const Command *c, const Step *s, uint32_t rows) {
  (void)s;
  return GROUP * c->expert_matmul.experts->columns * rows * c->expert_matmul.used;
}

static void run_expert_matmul(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                              uint32_t end) {
  expert_matmul_8x4(&c->expert_matmul, rows, w->step->precision, w->scratch, begin, end);
}

static void run_expert_sum(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                           uint32_t end) {
  (void)w;
  (void)rows;
  expert_sum_f32_x4(c->expert_sum.x, c->expert_sum.routes, c->expert_sum.used,
                    c->expert_sum.columns, c->expert_sum.out, begin, end);
}

static uint32_t convolution_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : channel_units(c->causal_convolution.channels);
}

static void run_causal_convolution(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                                   uint32_t end) {
  const ConvolutionArguments *a = &c->causal_convolution;
  causal_convolution_f32_x4(a, w->step->cache->recurrent[a->slot], rows, begin, end);
}

static uint32_t scan_units(const Command *c, uint32_t rows) {
  return rows == 0 ? 0 : channel_units(c->selective_scan.channels);
}

static void run_selective_scan(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                               uint32_t end) {
  const ScanArguments *a = &c->selective_scan;
  selective_scan_f32_x4(a, w->step->cache->recurrent[a->slot], rows, begin, end);
}

static uint32_t scan_cost(const Command *c, const Step *s, uint32_t rows) {
  (void)s;
  return 8 * CHANNEL_UNIT * c->selective_scan.states * rows;
}

static void run_join_heads(const Command *c, Worker *w, uint32_t rows, uint32_t begin,
                           uint32_t end) {
  (void)w;
  (void)rows;
  const uint32_t a_count = c->join_heads.a_count, b_count = c->join_heads.b_count;
  float *out = c->join_heads.out + (size_t)begin * c->join_heads.heads * (a_count + b_count);
  for (uint32_t r = begin; r < end; r++) {
    const float *a = c->join_heads.a + (size_t)r * c->join_heads.a_columns + c->join_heads.a_from;
    const float *b = c->join_heads.b + (size_t)r * c->join_heads.b_columns + c->join_heads.b_from;
    for (uint32_t h = 0; h < c->join_heads.heads; h++) {
      __builtin_memcpy(out, a + h * c->join_heads.a_stride, a_count * sizeof(float));
      __builtin_memcpy(out + a_count, b + h * c->join_heads.b_stride, b_count * sizeof(float));
      out += a_count + b_count;
    }
  }
}

static const Executor executors[OP_COUNT] = {
    [OP_EMBED] = {row_units, unit_cost, run_embed, 1},
    [OP_NORM] = {norm_units, unit_cost, run_norm, 1},
    [OP_QUANTIZE] = {row_units, unit_cost, run_quantize, 1},
    [OP_MATMUL] = {matmul_units, matmul_cost, run_matmul, MATVEC_STREAMS},
    [OP_ROPE] = {row_units, unit_cost, run_rope, 1},
    [OP_CACHE_WRITE] = {row_units, unit_cost, run_cache_write, 1},
    [OP_ATTENTION] = {attention_command_units, attention_cost, run_attention, 1},
    [OP_GATE] = {gate_units, unit_cost, run_gate, 1},
    [OP_ADD] = {add_units, unit_cost, run_add, 1},
    [OP_SCALE] = {scale_units, unit_cost, run_scale, 1},
    [OP_TAKE_OUTPUTS] = {row_units, unit_cost, run_take_outputs, 1},
    [OP_ACTIVATE] = {activate_units, unit_cost, run_activate, 1},
    [OP_ROUTE] = {row_units, unit_cost, run_route, 1},
    [OP_EXPERT_MATMUL] = {expert_matmul_units, expert_matmul_cost, run_expert_matmul,
                          MATVEC_STREAMS},
    [OP_EXPERT_SUM] = {row_units, unit_cost, run_expert_sum, 1},
    [OP_PROJECT] = {project_units, project_cost, run_project, MATVEC_STREAMS},
    [OP_ATTEND] = {row_units, attend_cost, run_attend, 1},
    [OP_CAUSAL_CONVOLUTION] = {convolution_units, unit_cost, run_causal_convolution, 1},
    [OP_SELECTIVE_SCAN] = {scan_units, scan_cost, run_selective_scan, 1},
    [OP_JOIN_HEADS] = {row_units, unit_cost, run_join_heads, 1},
};

EXPORT(hermit_abi) uint32_t hermit_abi(void) { return HERMIT_ABI; }

// Bytes a quantised activation takes per element in this build.
EXPORT(hermit_activation_bytes) uint32_t hermit_activation_bytes(void) {
  return activation_bytes();
}

static uint32_t rows_of(const Command *c, const Step *s) {
  return c->rows == ROWS_OUTPUTS ? s->outputs : s->token_count;
}

static uint32_t units_of(const Command *c, const Step *s, uint32_t rows) {
  if (c->op == OP_ATTEND) return attend_units(&c->attend, s->position);
  return executors[c->op].units(c, rows);
}

// Moves the team's range on: from where it ended, as far as `budget` multiply-adds reach, at least
// one grain. Returns the cost of the new range, 0 at the end of the list.
EXPORT(hermit_next_range) double hermit_next_range(Team *team, double budget) {
  Range r = {team->range.to, team->range.to_unit, team->range.to, team->range.to_unit};
  double cost = 0;
  while (r.to < team->count) {
    const Command *c = &team->commands[r.to];
    const Executor *executor = &executors[c->op];
    const uint32_t rows = rows_of(c, team->step), units = units_of(c, team->step, rows);
    if (units > r.to_unit) {
      const double one = executor->cost(c, team->step, rows), left = units - r.to_unit;
      // Whole grains, and the whole rest when less than half a slice would remain.
      if (cost + one * left > budget * 1.5) {
        double take = (budget - cost) / one;
        take = take < left ? __builtin_floor(take / executor->grain) * executor->grain : left;
        if (take < executor->grain)
          take = cost > 0 ? 0 : executor->grain < left ? executor->grain : left;
        cost += take * one;
        r.to_unit += (uint32_t)take;
        if (r.to_unit < units) break;
      } else {
        cost += one * left;
      }
    }
    r.to++;
    r.to_unit = 0;
    if (cost >= budget) break;
  }
  team->range = r;
  return cost > 0 ? cost : r.from < team->count ? 1 : 0;
}

// Waits for all threads of the slice. Returns 0 when the slice was abandoned.
static int pass_barrier(Team *team, uint32_t threads, uint32_t thread) {
  if (threads == 1) return 1;
  const uint32_t phase = atomic_read(&team->phase);
  if (atomic_add(&team->arrived, 1) + 1 == threads) {
    for (uint32_t i = 0; i < MAX_JOINED; i++) team->cursors[i].value = 0;
    atomic_write(&team->arrived, 0);
    atomic_write(&team->phase, phase + 1);
    if (atomic_read(&team->sleepers)) wake_all(&team->phase);
    return 1;
  }
  for (uint32_t spin = 0; spin < SPINS; spin++) {
    if (atomic_read(&team->phase) != phase) return 1;
  }
  // Asleep, but not for ever: a thread that died wakes nobody.
  uint32_t idle = 0, last = 0;
  for (;;) {
    atomic_add(&team->sleepers, 1);
    sleep_while(&team->phase, phase, QUARTER_SECOND);
    atomic_add(&team->sleepers, ~0u);
    if (atomic_read(&team->phase) != phase) return 1;
    if (atomic_read(&team->abandoned)) return 0;
    if (thread != 0) continue;
    uint32_t beats = 0;
    for (uint32_t i = 1; i < threads; i++) beats += atomic_read(&team->beats[i]);
    idle = beats == last ? idle + 1 : 0;
    last = beats;
    if (idle < team->patience) continue;
    atomic_write(&team->abandoned, 1);
    return 0;
  }
}

// Units that are claimed at least, whole grains. A share of a matrix that is too short would be
// read in streams too short for prefetchers; a thread that is late is so by two microseconds at
// most.
enum { SHORTEST_SHARE_BYTES = 32768 };

static uint32_t least_share(const Command *c, const Executor *executor) {
  const Matrix *m = c->op == OP_PROJECT ? c->project.matrix : NULL;
  if (!m || m->dense) return executor->grain;
  const uint32_t bytes = m->columns / BLOCK * block_bytes(m);
  const uint32_t groups = (SHORTEST_SHARE_BYTES + bytes - 1) / max_u32(bytes, 1);
  return (groups + executor->grain - 1) / executor->grain * executor->grain;
}

// Takes the next units of a command: half of a fair share of what is left, in whole grains.
static int claim(Team *team, Line *cursor, uint32_t units, uint32_t grain, uint32_t threads,
                 uint32_t *begin, uint32_t *end) {
  uint32_t at = atomic_read(cursor);
  while (at < units && !atomic_read(&team->abandoned)) {
    uint32_t take = (units - at) / (2 * threads);
    take = max_u32((take + grain - 1) / grain, 1) * grain;
    take = min_u32(take, units - at);
    if (!atomic_swap(cursor, &at, at + take)) continue;
    *begin = at;
    *end = at + take;
    return 1;
  }
  return 0;
}

static void run_shared(Team *team, const Executor *executor, const Command *c, Worker *w,
                       uint32_t rows, uint32_t first, uint32_t last, uint32_t threads,
                       uint32_t thread, uint32_t slot) {
  uint32_t begin, end;
  const uint32_t least = least_share(c, executor);
  while (claim(team, &team->cursors[slot], last - first, least, threads, &begin, &end)) {
    executor->run(c, w, rows, first + begin, first + end);
    // Its own word, so a plain read is the last value.
    atomic_write(&team->beats[thread], team->beats[thread].value + 1);
  }
}

// One thread's part of the team's range. Returns 0 when the slice was abandoned.
static int run_slice(Team *team, uint32_t thread) {
  const Range range = team->range;
  const Step *step = team->step;
  const Command *commands = team->commands;
  const uint32_t threads = team->threads;
  Worker worker = {.step = step, .scratch = step->scratch + (size_t)thread * step->scratch_bytes};
  uint32_t slot = 0;
  for (uint32_t i = range.from; i <= range.to; i++) {
    if (i == range.to && range.to_unit == 0) break;
    const Command *c = &commands[i];
    const Executor *executor = &executors[c->op];
    const uint32_t rows = rows_of(c, step);
    if (i > range.from) {
      slot++;
      if (!c->joined || slot == MAX_JOINED) {
        if (!pass_barrier(team, threads, thread)) return 0;
        slot = 0;
        if (thread == 0) team->progress.value = i;
      }
    }
    // Others use the scratch memory in ways of their own.
    const int goes_on = i > range.from && slot > 0 && c->op == OP_PROJECT && c[-1].op == OP_PROJECT;
    if (!goes_on) worker.prepared = worker.prepared_up = worker.source = NULL;
    const uint32_t begin = i == range.from ? range.from_unit : 0;
    const uint32_t end = i == range.to ? range.to_unit : units_of(c, step, rows);
    if (threads == 1) {
      executor->run(c, &worker, rows, begin, end);
    } else {
      run_shared(team, executor, c, &worker, rows, begin, end, threads, thread, slot);
    }
  }
  return pass_barrier(team, threads, thread);
}

// Runs the team's range as thread 0, `number` being that of the slice.
EXPORT(hermit_run) int hermit_run(Team *team, uint32_t number) {
  for (uint32_t i = 1; i < team->threads; i++) {
    atomic_write(&team->go[i], number);
    if (atomic_read(&team->asleep[i])) wake_all(&team->go[i]);
  }
  const int done = run_slice(team, 0);
  if (done) team->progress.value = team->range.to;
  return done ? SLICE_DONE : SLICE_STALLED;
}

// The life of every other thread: runs slices as they come, until its worker is ended.
EXPORT(hermit_serve) void hermit_serve(Team *team, uint32_t thread) {
  uint32_t seen = atomic_read(&team->done[thread]);
  for (;;) {
    for (uint32_t spin = 0; spin < SPINS && atomic_read(&team->go[thread]) == seen; spin++) {
    }
    while (atomic_read(&team->go[thread]) == seen) {
      atomic_write(&team->asleep[thread], 1);
      sleep_while(&team->go[thread], seen, -1);
      atomic_write(&team->asleep[thread], 0);
    }
    seen = atomic_read(&team->go[thread]);
    run_slice(team, thread);
    atomic_write(&team->done[thread], seen);
  }
}
