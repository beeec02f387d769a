// The calls of a model: checks of the arguments, the workspace, running.
#include "lib/Runtime/artifact/artifact.h"

#if defined(__linux__) || defined(__wasm__)
void *malloc(size_t bytes);
void free(void *memory);
#else
// Controllers may have no heap: the caller gives the workspace.
static void *malloc(size_t bytes) {
  (void)bytes;
  return 0;
}
static void free(void *memory) { (void)memory; }
#endif

enum { workspaceAlignment = 64 };
static const int64_t mostBytes = (int64_t)1 << (sizeof(void *) == 4 ? 31 : 48);

static int64_t bytesOfElement(int64_t dtype) {
  switch (dtype) {
  case WEFT_BOOL:
  case WEFT_INT8:
  case WEFT_UINT8:
  case WEFT_FLOAT8_E4M3FN:
  case WEFT_FLOAT8_E5M2:
    return 1;
  case WEFT_INT16:
  case WEFT_UINT16:
  case WEFT_FLOAT16:
  case WEFT_BFLOAT16:
    return 2;
  case WEFT_INT32:
  case WEFT_UINT32:
  case WEFT_FLOAT32:
    return 4;
  case WEFT_COMPLEX128:
    return 16;
  default:
    return 8;
  }
}

static int64_t alignmentOf(int64_t dtype) {
  int isComplex = dtype == WEFT_COMPLEX64 || dtype == WEFT_COMPLEX128;
  return isComplex ? bytesOfElement(dtype) / 2 : bytesOfElement(dtype);
}

// Bytes of a tensor, or -1 if they are too many. No dimension is negative.
static int64_t bytesOf(const struct weft_tensor *tensor, const int64_t *dimensions) {
  int64_t bytes = bytesOfElement(tensor->dtype);
  for (int64_t d = 0; d < tensor->rank; ++d)
    if (dimensions[d] == 0)
      return 0;
  for (int64_t d = 0; d < tensor->rank; ++d)
    if (__builtin_mul_overflow(bytes, dimensions[d], &bytes) || bytes > mostBytes)
      return -1;
  return bytes;
}

static int32_t measure(const struct weft_model *model, const int64_t *symbols,
                       int64_t *dimensions) {
  for (int64_t i = 0; i < model->symbol_count; ++i)
    if (symbols[i] < 0)
      return WEFT_ERROR_NEGATIVE_SIZE;
  if (!model->measure(symbols, dimensions))
    return WEFT_ERROR_TOO_LARGE;
  for (int64_t d = 0; d < model->dimension_count; ++d)
    if (dimensions[d] < 0)
      return WEFT_ERROR_NEGATIVE_SIZE;
  return WEFT_OK;
}

static int overlap(const char *left, int64_t leftBytes, const char *right, int64_t rightBytes) {
  uintptr_t a = (uintptr_t)left, b = (uintptr_t)right;
  return leftBytes > 0 && rightBytes > 0 && a < b + (uintptr_t)rightBytes &&
         b < a + (uintptr_t)leftBytes;
}

// Whether buffer `number` has memory that fits it; outputs share none with those before them.
static int32_t checkBuffer(const struct weft_model *model, void *const *buffers,
                           const int64_t *bytes, int64_t number) {
  const char *data = buffers[number];
  if (bytes[number] == 0)
    return WEFT_OK;
  if (!data)
    return WEFT_ERROR_NULL_POINTER;
  if ((uintptr_t)data % (uintptr_t)alignmentOf(model->tensors[number].dtype) != 0)
    return WEFT_ERROR_MISALIGNED;
  if (number < model->input_count)
    return WEFT_OK;
  for (int64_t other = 0; other < number; ++other)
    if (overlap(data, bytes[number], buffers[other], bytes[other]))
      return WEFT_ERROR_OVERLAP;
  return WEFT_OK;
}

static int32_t checkBuffers(const struct weft_model *model, const int64_t *dimensions,
                            void *const *buffers) {
  int64_t count = model->input_count + model->output_count;
  int64_t bytes[count + 1];
  for (int64_t i = 0; i < count; ++i) {
    bytes[i] = bytesOf(&model->tensors[i], dimensions);
    dimensions += model->tensors[i].rank;
    if (bytes[i] < 0)
      return WEFT_ERROR_TOO_LARGE;
    int32_t status = checkBuffer(model, buffers, bytes, i);
    if (status != WEFT_OK)
      return status;
  }
  return WEFT_OK;
}

static int32_t checkOptions(const struct weft_model *model, const weft_options *options) {
  if (options->struct_size != sizeof(weft_options) ||
      (options->parallel_for && !model->has_threads) ||
      (options->weights && model->weights_bytes == 0))
    return WEFT_ERROR_OPTIONS;
  if (model->weights_bytes == 0)
    return WEFT_OK;
  if (!options->weights)
    return WEFT_ERROR_WEIGHTS_MISSING;
  if ((uintptr_t)options->weights % 8 != 0)
    return WEFT_ERROR_MISALIGNED;
  return options->weights_bytes == (uint64_t)model->weights_bytes ? WEFT_OK
                                                                  : WEFT_ERROR_WEIGHTS_CONTENT;
}

// The workspace that the options give, or one of our own, which `*owned` says how to free.
static int32_t provideWorkspace(const weft_options *options, int64_t bytes, char **workspace,
                                void **owned) {
  *owned = 0;
  *workspace = options->workspace;
  if (*workspace) {
    if (options->workspace_bytes < (uint64_t)bytes)
      return WEFT_ERROR_WORKSPACE_SIZE;
    return (uintptr_t)*workspace % workspaceAlignment ? WEFT_ERROR_WORKSPACE_ALIGNMENT : WEFT_OK;
  }
  if (bytes == 0)
    return WEFT_OK;
  *owned = malloc((size_t)bytes + workspaceAlignment);
  if (!*owned)
    return WEFT_ERROR_MEMORY;
  *workspace = (char *)*owned + (workspaceAlignment - (uintptr_t)*owned % workspaceAlignment);
  return WEFT_OK;
}

static int32_t workspaceBytes(const struct weft_model *model, const int64_t *symbols,
                              int64_t *bytes) {
  *bytes = model->workspace(symbols);
  if (*bytes == -2)
    return WEFT_ERROR_NEGATIVE_SIZE;
  return *bytes < 0 || *bytes > mostBytes ? WEFT_ERROR_TOO_LARGE : WEFT_OK;
}

// Runs on arguments that were checked against `dimensions`, which the symbols give.
static int32_t runMeasured(const struct weft_model *model, const int64_t *symbols,
                           const int64_t *dimensions, void *const *buffers,
                           const weft_options *options) {
  static const weft_options none = {sizeof(weft_options), 0, 0, 0, 0, 0, 0};
  if (!options)
    options = &none;
  int32_t status = checkOptions(model, options);
  if (status == WEFT_OK)
    status = checkBuffers(model, dimensions, buffers);
  int64_t bytes = 0;
  if (status == WEFT_OK)
    status = workspaceBytes(model, symbols, &bytes);
  if (status != WEFT_OK)
    return status;
  char *workspace;
  void *owned;
  status = provideWorkspace(options, bytes, &workspace, &owned);
  if (status != WEFT_OK)
    return status;
  struct weft_failure failure = {0};
  struct weft_context context = {options->parallel_for, options->parallel_context, 0, &failure};
  if (!context.parallel_for)
    context.parallel_for = model->default_parallel_for;
  if (model->weights_bytes)
    context.weights = (const char *)options->weights + model->weights_header_bytes;
  model->execute(symbols, buffers, workspace, &context);
  if (owned)
    free(owned);
  if (!model->keep_failure || !failure.is_kept)
    return WEFT_OK;
  model->keep_failure(&failure);
  return WEFT_ERROR_KERNEL;
}

int32_t weft_model_run(const struct weft_model *model, const int64_t *symbols, void *const *buffers,
                       const weft_options *options) {
  int64_t dimensions[model->dimension_count + 1];
  int32_t status = measure(model, symbols, dimensions);
  return status ? status : runMeasured(model, symbols, dimensions, buffers, options);
}

uint64_t weft_model_workspace_bytes(const struct weft_model *model, const int64_t *symbols) {
  int64_t dimensions[model->dimension_count + 1], bytes;
  if (measure(model, symbols, dimensions) || workspaceBytes(model, symbols, &bytes))
    return UINT64_MAX;
  return (uint64_t)bytes;
}

// Dtype and rank, and that there is a shape to look at.
static int32_t checkKind(const struct weft_tensor *tensor, const weft_array *array) {
  if (array->dtype != tensor->dtype)
    return WEFT_ERROR_DTYPE;
  if (array->rank != tensor->rank)
    return WEFT_ERROR_RANK;
  return array->rank > 0 && !array->shape ? WEFT_ERROR_NULL_POINTER : WEFT_OK;
}

static int32_t checkShape(const struct weft_tensor *tensor, const weft_array *array,
                          const int64_t *dimensions, const int64_t *fixed) {
  for (int64_t d = 0; d < tensor->rank; ++d)
    if (array->shape[d] != dimensions[d])
      return fixed[d] < 0 ? WEFT_ERROR_SYMBOL : WEFT_ERROR_SHAPE;
  return WEFT_OK;
}

// Dense and row-major; the stride of a dimension that is walked at most once is not looked at.
static int32_t checkStrides(const weft_array *array) {
  if (!array->strides)
    return WEFT_OK;
  for (int64_t d = 0; d < array->rank; ++d)
    if (array->shape[d] == 0)
      return WEFT_OK;
  uint64_t stride = 1;
  for (int64_t d = array->rank; d-- > 0;) {
    if (array->shape[d] != 1 && (uint64_t)array->strides[d] != stride)
      return WEFT_ERROR_STRIDES;
    stride *= (uint64_t)array->shape[d];
  }
  return WEFT_OK;
}

// Checks all arrays, finds the symbols, the dimensions and the buffers.
static int32_t readArrays(const struct weft_model *model, const weft_array *const *arrays,
                          int64_t *symbols, int64_t *dimensions, void **buffers) {
  int64_t count = model->input_count + model->output_count;
  for (int64_t i = 0; i < count; ++i) {
    int32_t status = checkKind(&model->tensors[i], arrays[i]);
    if (status != WEFT_OK)
      return status;
    buffers[i] = arrays[i]->data;
  }
  for (int64_t s = 0; s < model->symbol_count; ++s)
    symbols[s] = arrays[model->bindings[s].input]->shape[model->bindings[s].dimension];
  int32_t status = measure(model, symbols, dimensions);
  const int64_t *fixed = model->fixed_dimensions;
  for (int64_t i = 0; i < count && status == WEFT_OK; ++i) {
    status = checkShape(&model->tensors[i], arrays[i], dimensions, fixed);
    if (status == WEFT_OK)
      status = checkStrides(arrays[i]);
    dimensions += model->tensors[i].rank;
    fixed += model->tensors[i].rank;
  }
  return status;
}

int32_t weft_model_invoke(const struct weft_model *model, const weft_array *inputs,
                          int64_t input_count, const weft_array *outputs, int64_t output_count,
                          const weft_options *options) {
  if (input_count != model->input_count || output_count != model->output_count)
    return WEFT_ERROR_ARRAY_COUNT;
  if ((input_count > 0 && !inputs) || (output_count > 0 && !outputs))
    return WEFT_ERROR_NULL_POINTER;
  int64_t count = input_count + output_count;
  const weft_array *arrays[count + 1];
  for (int64_t i = 0; i < count; ++i)
    arrays[i] = i < input_count ? &inputs[i] : &outputs[i - input_count];
  int64_t symbols[model->symbol_count + 1], dimensions[model->dimension_count + 1];
  void *buffers[count + 1];
  int32_t status = readArrays(model, arrays, symbols, dimensions, buffers);
  return status ? status : runMeasured(model, symbols, dimensions, buffers, options);
}

const char *weft_model_error_text(int32_t status) {
  static const char *const texts[] = {
      "no error",
      "an argument that has elements is a null pointer",
      "an argument is not aligned to its element",
      "a size is below zero",
      sizeof(void *) == 4 ? "a size is too large: an array would have more than 2^31 bytes"
                          : "a size is too large: an array would have more than 2^48 bytes",
      "an output shares memory with another argument",
      "the options do not fit: wrong struct_size, or what the model was compiled without",
      "the workspace is too small: its size is what workspace_bytes() gives for the same sizes",
      "the workspace is not aligned to 64 bytes",
#if defined(__linux__) || defined(__wasm__)
      "there is no memory for the workspace",
#else
      "the model allocates nothing: give it a workspace in the options",
#endif
      "the model has another number of inputs or outputs",
      "an array is of another dtype than the model's",
      "an array has another number of dimensions than the model's",
      "a fixed dimension of an array has another size than the model's",
      "dimensions of arrays that depend on the same sizes do not agree",
      "an array is not dense and row-major",
      "the model's weights live in a file: map it and give it in the options",
      "the file of weights can't be opened and mapped",
      "the file of weights is not the one that was written with this model",
      "a kernel has an index that is not there, or a loop or branch is not defined for the sizes",
  };
  if (status < 0 || status >= (int32_t)(sizeof(texts) / sizeof(texts[0])))
    return "no error of this model has this number";
  return texts[status];
}
