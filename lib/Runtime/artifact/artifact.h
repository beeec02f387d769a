// What the generated part of an object and its part written in C know of each other.
//
// The C files here are compiled to LLVM bitcode when Weft is built, for each kind of processor, and
// linked into each object with internal linkage. They include nothing of the C library, so that
// they need none of the target's headers; what they call of it is declared here.
#pragma once

#include "weft/abi.h"
#include "weft/model.h"

// What codegen/CPU/EmitEntry.cpp writes: keep the two alike.

struct weft_tensor {
  int64_t dtype; // weft_dtype
  int64_t rank;
};

// What a size of the model is read from: dimension `dimension` of input `input`.
struct weft_binding {
  int64_t input;
  int64_t dimension;
};

struct weft_context;
struct weft_failure;

// The steps of a function. `buffers`: inputs, then outputs.
typedef void (*weft_plan)(const int64_t *symbols, void *const *buffers, char *workspace,
                          const struct weft_context *context);

// The generated part. `symbols` are the values of the symbolic sizes.
struct weft_model {
  int64_t symbol_count, input_count, output_count;
  const struct weft_tensor *tensors; // inputs, then outputs
  // All dimensions of all tensors, one after the other; -1 where they depend on symbols.
  const int64_t *fixed_dimensions;
  int64_t dimension_count;
  const struct weft_binding *bindings; // one for each symbol
  // Stores all dimensions. False if arithmetic on sizes overflows.
  int32_t (*measure)(const int64_t *symbols, int64_t *dimensions);
  // Bytes of scratch memory; -1 if arithmetic on sizes overflows, -2 if one is negative.
  int64_t (*workspace)(const int64_t *symbols);
  weft_plan execute;
  int64_t has_threads;                    // options may have a parallel_for
  weft_parallel_for default_parallel_for; // NULL: without threads
  // Of a file of weights: 0 bytes where there is none.
  int64_t weights_bytes;
  int64_t weights_header_bytes; // with the eight bytes of the length
  int64_t weights_hash;         // XXH64 of the whole file
  // NULL: no call can fail while it runs.
  void (*keep_failure)(const struct weft_failure *failure);
};

// What launches need of the call.
struct weft_context {
  weft_parallel_for parallel_for;
  void *parallel_context;
  const char *weights; // behind the header of the file
  struct weft_failure *failure;
};

// The first failure in a kernel of a call. Kernels that can fail find its address behind those of
// their buffers.
struct weft_failure {
  _Atomic int32_t is_kept;
  const char *site;
  int64_t dimension, index, size;
};

// Called by the generated part.

int32_t weft_model_run(const struct weft_model *model, const int64_t *symbols, void *const *buffers,
                       const weft_options *options);
int32_t weft_model_invoke(const struct weft_model *model, const weft_array *inputs,
                          int64_t input_count, const weft_array *outputs, int64_t output_count,
                          const weft_options *options);
uint64_t weft_model_workspace_bytes(const struct weft_model *model, const int64_t *symbols);
const char *weft_model_error_text(int32_t status);
// The same of a model of which kernels, loops or branches can fail.
const char *weft_model_failure_text(int32_t status);
void weft_model_keep_failure(const struct weft_failure *failure);
// Notes the text behind the first line of `site`, that of a size for which a plan is not defined.
void weft_model_refuse(const struct weft_context *context, const char *site);
int32_t weft_model_check_weights(const struct weft_model *model, const weft_weights *weights);
int32_t weft_model_map_weights(const struct weft_model *model, const char *path,
                               weft_weights *weights);
void weft_model_unmap_weights(weft_weights *weights);
// Runs one stage, on more than one thread if `threads` is more than one.
void weft_model_launch(const struct weft_context *context, weft_stage stage, void *const *buffers,
                       const int64_t *sizes, int64_t tasks, int64_t threads);

// Runs `body` as often as `count` says, or while `condition`, if there is one, stores a byte other
// than 0. `shape`: the numbers of values that are carried, scanned, stacked and captured, 1 for the
// last slice first, and what the body does with each carried value (CarryKind). `bytes`: of what is
// carried, of a slice of what is scanned and stacked. `addresses`: for each carried value the first
// one, where the last one goes and a second buffer; what is scanned, stacked and captured; the
// condition's byte; behind them room for the buffers of both functions.
void weft_model_loop(const struct weft_context *context, const int64_t *symbols, weft_plan body,
                     weft_plan condition, const int64_t *shape, int64_t count, const int64_t *bytes,
                     void **addresses, char *workspace);
// Runs the plan of the number `*index`, clamped.
void weft_model_branch(const struct weft_context *context, const int64_t *symbols,
                       const weft_plan *plans, int64_t count, const int64_t *index, void **buffers,
                       char *workspace);

// The pool of threads of objects with --threads=pool.
void weft_pool_parallel_for(void *context, int64_t tasks, int64_t threads, weft_range range,
                            void *job);
