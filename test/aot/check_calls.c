/* Calls a model in all the wrong ways: each gives its error, none crashes. The model is
 * dense(x: float32[n, 24], w: float32[24, 10]) -> (y: float32[n, 10], sums: float32[n]), with a
 * parallel_for of the caller. Prints what does not hold; the exit status is the number of that. */
#include "dense.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

static void expect(int line, int status, int wanted) {
  if (status == wanted)
    return;
  ++failures;
  printf("line %d: status %d (%s) instead of %d (%s)\n", line, status, dense_error_text(status),
         wanted, dense_error_text(wanted));
}

#define EXPECT(call, wanted) expect(__LINE__, call, wanted)

enum { n = 5, rows = 24, columns = 10 };
static float *x, *w, *y, *sums;

static int run_with(const dense_options *options) { return dense_run(n, x, w, y, sums, options); }

static void check_pointers_and_sizes(void) {
  EXPECT(dense_run(n, x, w, y, sums, NULL), WEFT_OK);
  EXPECT(dense_run(n, NULL, w, y, sums, NULL), WEFT_ERROR_NULL_POINTER);
  EXPECT(dense_run(n, x, NULL, y, sums, NULL), WEFT_ERROR_NULL_POINTER);
  EXPECT(dense_run(n, x, w, NULL, sums, NULL), WEFT_ERROR_NULL_POINTER);
  EXPECT(dense_run(n, x, w, y, NULL, NULL), WEFT_ERROR_NULL_POINTER);
  EXPECT(dense_run(0, NULL, w, NULL, NULL, NULL), WEFT_OK);
  EXPECT(dense_run(n, (const float *)((const char *)x + 1), w, y, sums, NULL),
         WEFT_ERROR_MISALIGNED);
  EXPECT(dense_run(n, x, w, (float *)((char *)y + 2), sums, NULL), WEFT_ERROR_MISALIGNED);
  EXPECT(dense_run(-1, x, w, y, sums, NULL), WEFT_ERROR_NEGATIVE_SIZE);
  EXPECT(dense_run(INT64_MIN, x, w, y, sums, NULL), WEFT_ERROR_NEGATIVE_SIZE);
  EXPECT(dense_run(INT64_MAX, x, w, y, sums, NULL), WEFT_ERROR_TOO_LARGE);
  EXPECT(dense_run(INT64_MAX / 24, x, w, y, sums, NULL), WEFT_ERROR_TOO_LARGE);
  EXPECT(dense_run((int64_t)1 << 46, x, w, y, sums, NULL), WEFT_ERROR_TOO_LARGE);
  EXPECT(dense_run(n, x, w, x, sums, NULL), WEFT_ERROR_OVERLAP);
  EXPECT(dense_run(n, x, w, y, y + n * columns - 1, NULL), WEFT_ERROR_OVERLAP);
  EXPECT(dense_run(n, x, w, w, sums, NULL), WEFT_ERROR_OVERLAP);
}

static void check_options(void) {
  dense_options options = {sizeof(dense_options), NULL, 0, NULL, NULL, NULL, 0};
  EXPECT(run_with(&options), WEFT_OK);
  options.struct_size = 0;
  EXPECT(run_with(&options), WEFT_ERROR_OPTIONS);
  options.struct_size = sizeof(dense_options) + 8;
  EXPECT(run_with(&options), WEFT_ERROR_OPTIONS);
  options.struct_size = sizeof(dense_options);
  options.weights = x;
  EXPECT(run_with(&options), WEFT_ERROR_OPTIONS);
}

static void check_workspace(void) {
  uint64_t bytes = dense_workspace_bytes(n);
  char *memory = malloc((size_t)bytes + 128);
  char *aligned = memory + (64 - (uintptr_t)memory % 64);
  dense_options options = {sizeof(dense_options), NULL, 0, NULL, NULL, NULL, 0};
  options.workspace = aligned;
  options.workspace_bytes = bytes;
  EXPECT(run_with(&options), WEFT_OK);
  options.workspace_bytes = bytes - 1;
  EXPECT(run_with(&options), WEFT_ERROR_WORKSPACE_SIZE);
  options.workspace_bytes = 0;
  EXPECT(run_with(&options), WEFT_ERROR_WORKSPACE_SIZE);
  options.workspace_bytes = bytes + 8;
  options.workspace = aligned + 4;
  EXPECT(run_with(&options), WEFT_ERROR_WORKSPACE_ALIGNMENT);
  free(memory);
  EXPECT(dense_workspace_bytes(-1) == UINT64_MAX, 1);
  EXPECT(dense_workspace_bytes(INT64_MAX) == UINT64_MAX, 1);
  EXPECT(dense_workspace_bytes(0) != UINT64_MAX, 1);
  /* More memory than there is: 2^40 rows of 10 results are 40 TiB of workspace at least. */
  EXPECT(dense_workspace_bytes((int64_t)1 << 40) >= ((uint64_t)1 << 40), 1);
}

static int invoke(const weft_array *inputs, const weft_array *outputs) {
  return dense_invoke(inputs, 2, outputs, 2, NULL);
}

static void check_arrays(void) {
  int64_t x_shape[2] = {n, rows}, w_shape[2] = {rows, columns}, y_shape[2] = {n, columns};
  int64_t sums_shape[1] = {n}, dense_strides[2] = {rows, 1}, other_strides[2] = {1, n};
  weft_array inputs[2], outputs[2];
  inputs[0] = (weft_array){x, WEFT_FLOAT32, 2, x_shape, NULL};
  inputs[1] = (weft_array){w, WEFT_FLOAT32, 2, w_shape, NULL};
  outputs[0] = (weft_array){y, WEFT_FLOAT32, 2, y_shape, NULL};
  outputs[1] = (weft_array){sums, WEFT_FLOAT32, 1, sums_shape, NULL};
  EXPECT(invoke(inputs, outputs), WEFT_OK);
  EXPECT(dense_invoke(inputs, 1, outputs, 2, NULL), WEFT_ERROR_ARRAY_COUNT);
  EXPECT(dense_invoke(inputs, 2, outputs, 3, NULL), WEFT_ERROR_ARRAY_COUNT);
  EXPECT(dense_invoke(inputs, -1, outputs, 2, NULL), WEFT_ERROR_ARRAY_COUNT);
  EXPECT(dense_invoke(NULL, 2, outputs, 2, NULL), WEFT_ERROR_NULL_POINTER);
  EXPECT(dense_invoke(inputs, 2, NULL, 2, NULL), WEFT_ERROR_NULL_POINTER);
  inputs[0].strides = dense_strides;
  EXPECT(invoke(inputs, outputs), WEFT_OK);
  inputs[0].strides = other_strides;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_STRIDES);
  inputs[0].strides = NULL;
  inputs[0].dtype = WEFT_FLOAT64;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_DTYPE);
  inputs[0].dtype = -7;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_DTYPE);
  inputs[0].dtype = WEFT_FLOAT32;
  inputs[0].rank = 1;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_RANK);
  inputs[0].rank = 2;
  inputs[0].shape = NULL;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_NULL_POINTER);
  inputs[0].shape = x_shape;
  w_shape[0] = rows + 1;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_SHAPE);
  w_shape[0] = rows;
  y_shape[0] = n + 1;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_SYMBOL);
  y_shape[0] = n;
  x_shape[0] = -n;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_NEGATIVE_SIZE);
  x_shape[0] = INT64_MAX;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_SYMBOL);
  /* All arrays agree on a size, with which one of them would have more than 2^48 bytes. */
  x_shape[0] = y_shape[0] = sums_shape[0] = (int64_t)1 << 42;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_TOO_LARGE);
  x_shape[0] = y_shape[0] = sums_shape[0] = INT64_MAX;
  EXPECT(invoke(inputs, outputs), WEFT_ERROR_TOO_LARGE);
  x_shape[0] = y_shape[0] = sums_shape[0] = n;
  EXPECT(invoke(inputs, outputs), WEFT_OK);
}

static void check_texts(void) {
  int status, other;
  for (status = 0; status <= WEFT_ERROR_WEIGHTS_CONTENT; ++status)
    for (other = 0; other < status; ++other)
      EXPECT(strcmp(dense_error_text(status), dense_error_text(other)) != 0, 1);
  EXPECT(strcmp(dense_error_text(-1), dense_error_text(1000)), 0);
  EXPECT(strlen(dense_error_text(-2147483647 - 1)) > 0, 1);
}

int main(void) {
  /* Each array ends where its memory ends, so that a sanitizer sees the first wrong byte. */
  x = calloc(n * rows, sizeof(float));
  w = calloc(rows * columns, sizeof(float));
  y = calloc(n * columns, sizeof(float));
  sums = calloc(n, sizeof(float));
  check_pointers_and_sizes();
  check_options();
  check_workspace();
  check_arrays();
  check_texts();
  free(x);
  free(w);
  free(y);
  free(sums);
  return failures;
}
