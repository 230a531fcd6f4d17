// Threads that share one memory and one command list. The layout is mirrored by
// src/engine/backend/wasm/command-layout.ts.
//
// Work travels in slices: a part of the command list that all threads of a slice run together.
// Thread 0 is whoever calls hermit_run; the others sit in hermit_serve. Inside a command units are
// claimed from one cursor, large shares first, so that a thread whose core is taken by somebody
// else holds up nobody for long. Between commands that depend on each other stands a barrier.
#pragma once

#include "command.h"

enum {
  MAX_THREADS = 16,
  // Commands that may follow each other without a barrier.
  MAX_JOINED = 8,
};

// A word with a cache line of its own.
typedef struct {
  uint32_t value, unused[15];
} Line;

// The part of a command list from unit `from_unit` of command `from` up to, and not including, unit
// `to_unit` of command `to`.
typedef struct {
  uint32_t from, from_unit, to, to_unit;
} Range;

typedef struct {
  const Command *commands;
  uint32_t count;
  Step *step;
  uint32_t threads;  // of this slice
  Range range;
  uint32_t patience;  // quarters of a second without progress until thread 0 gives up
  uint32_t unused[7];

  Line progress;   // commands done in this step, for a watcher
  Line arrived;    // threads at the present barrier
  Line phase;      // barriers passed
  Line sleepers;   // threads that wait for `phase` asleep
  Line abandoned;  // not 0: leave the slice
  Line cursors[MAX_JOINED];
  Line go[MAX_THREADS];      // number of the slice to run; written by thread 0
  Line asleep[MAX_THREADS];  // not 0: waits for `go` asleep
  Line done[MAX_THREADS];    // number of the slice last left
  Line beats[MAX_THREADS];   // counts claims: a thread that lives
} Team;

_Static_assert(sizeof(Team) == 64 * (6 + MAX_JOINED + 4 * MAX_THREADS), "mirrored in TypeScript");

enum { SLICE_DONE, SLICE_STALLED };

#define SPINS 200000
#define QUARTER_SECOND 250000000ll

INLINE uint32_t atomic_read(const Line *l) { return __atomic_load_n(&l->value, __ATOMIC_SEQ_CST); }
INLINE void atomic_write(Line *l, uint32_t v) { __atomic_store_n(&l->value, v, __ATOMIC_SEQ_CST); }
INLINE uint32_t atomic_add(Line *l, uint32_t v) {
  return __atomic_fetch_add(&l->value, v, __ATOMIC_SEQ_CST);
}
INLINE int atomic_swap(Line *l, uint32_t *expected, uint32_t desired) {
  return __atomic_compare_exchange_n(&l->value, expected, desired, 0, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}
INLINE void sleep_while(Line *l, uint32_t value, int64_t nanoseconds) {
  __builtin_wasm_memory_atomic_wait32((int *)&l->value, (int)value, nanoseconds);
}
INLINE void wake_all(Line *l) { __builtin_wasm_memory_atomic_notify((int *)&l->value, ~0u); }
