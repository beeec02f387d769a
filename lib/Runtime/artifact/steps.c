// Loops and branches: the walk of LoopRun in lib/Runtime/RunSteps.cpp over functions of the object.
#include "lib/Runtime/artifact/artifact.h"

// CarryKind of passes/plan/OutputMemory.h.
enum { carryKept, carryInPlace, carryExchanged };

// The buffers of a loop's functions.
struct Loop {
  int64_t carries, scanned, stacked, captured;
  const int64_t *kinds;
  void **given;   // for each carried value: the first, where the last one goes, a second buffer
  void **slices;  // where they begin: those read, then those written
  void **around;  // what is captured, then the condition's byte
  void **inputs;  // of the body, then its outputs
  void **outputs; // of the body
  void **asked;   // by the condition
};

static struct Loop readLoop(const int64_t *shape, void **addresses) {
  struct Loop loop = {.carries = shape[0],
                      .scanned = shape[1],
                      .stacked = shape[2],
                      .captured = shape[3],
                      .kinds = shape + 5,
                      .given = addresses};
  loop.slices = loop.given + 3 * loop.carries;
  loop.around = loop.slices + loop.scanned + loop.stacked;
  loop.inputs = loop.around + loop.captured + 1;
  loop.outputs = loop.inputs + loop.carries + loop.scanned + loop.captured;
  loop.asked = loop.outputs + loop.carries + loop.stacked;
  for (int64_t i = 0; i < loop.carries; ++i)
    loop.inputs[i] = loop.given[3 * i];
  for (int64_t i = 0; i < loop.captured; ++i)
    loop.inputs[loop.carries + loop.scanned + i] = loop.asked[loop.carries + i] = loop.around[i];
  loop.asked[loop.carries + loop.captured] = loop.around[loop.captured];
  return loop;
}

// Where the next carried values go, if `left` iterations are to come: with a count, the last ones
// of values that are exchanged go to where they stay.
static void chooseOutputs(const struct Loop *loop, int64_t left) {
  for (int64_t i = 0; i < loop->carries; ++i)
    if (loop->kinds[i] == carryKept)
      loop->outputs[i] = loop->inputs[i];
    else if (loop->kinds[i] == carryInPlace || left % 2 != 0)
      loop->outputs[i] = loop->given[3 * i + 1];
    else
      loop->outputs[i] = loop->given[3 * i + 2];
}

// The slices number `index`.
static void chooseSlices(const struct Loop *loop, const int64_t *bytes, int64_t index) {
  for (int64_t i = 0; i < loop->scanned + loop->stacked; ++i) {
    char *slice = (char *)loop->slices[i] + index * bytes[i];
    if (i < loop->scanned)
      loop->inputs[loop->carries + i] = slice;
    else
      loop->outputs[loop->carries + i - loop->scanned] = slice;
  }
}

void weft_model_loop(const struct weft_context *context, const int64_t *symbols, weft_plan body,
                     weft_plan condition, const int64_t *shape, int64_t count, const int64_t *bytes,
                     void **addresses, char *workspace) {
  struct Loop loop = readLoop(shape, addresses);
  int64_t reverse = shape[4];
  for (int64_t iteration = 0; condition || iteration < count; ++iteration) {
    if (condition) {
      for (int64_t i = 0; i < loop.carries; ++i)
        loop.asked[i] = loop.inputs[i];
      condition(symbols, loop.asked, workspace, context);
      if (!*(const unsigned char *)loop.around[loop.captured])
        break;
    }
    chooseOutputs(&loop, count - iteration);
    chooseSlices(&loop, bytes + loop.carries, reverse ? count - 1 - iteration : iteration);
    body(symbols, loop.inputs, workspace, context);
    for (int64_t i = 0; i < loop.carries; ++i)
      loop.inputs[i] = loop.outputs[i];
    // A condition that is computed of what is not there may hold for ever.
    if (context->failure->is_kept)
      break;
  }
  for (int64_t i = 0; i < loop.carries; ++i)
    if (loop.inputs[i] != loop.given[3 * i + 1] && bytes[i] > 0)
      __builtin_memcpy(loop.given[3 * i + 1], loop.inputs[i], (size_t)bytes[i]);
}

void weft_model_branch(const struct weft_context *context, const int64_t *symbols,
                       const weft_plan *plans, int64_t count, const int64_t *index, void **buffers,
                       char *workspace) {
  int64_t chosen = *index < 0 ? 0 : *index < count ? *index : count - 1;
  plans[chosen](symbols, buffers, workspace, context);
}
