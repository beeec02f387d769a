/* What all compiled models share: arrays, options, error codes. Plain C (C99) and C++. The header
 * of a model carries a copy of this text, so that it stands alone; copies of one version agree. */
#ifdef WEFT_MODEL_ABI
#if WEFT_MODEL_ABI != 1
#error "two headers of models come from versions of Weft that differ: compile both with one version"
#endif
#else
#define WEFT_MODEL_ABI 1

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a call returns. NAME_error_text() says it in words. */
enum weft_status {
  WEFT_OK = 0,
  WEFT_ERROR_NULL_POINTER = 1,   /* an argument that has elements is NULL */
  WEFT_ERROR_MISALIGNED = 2,     /* an argument is not aligned to its element */
  WEFT_ERROR_NEGATIVE_SIZE = 3,  /* a size, or one computed from sizes, is below zero */
  WEFT_ERROR_TOO_LARGE = 4,      /* an array would have more than 2^48 bytes; 2^31 on wasm32 */
  WEFT_ERROR_OVERLAP = 5,        /* an output shares memory with another argument */
  WEFT_ERROR_OPTIONS = 6,        /* struct_size is wrong, or an option does not fit the model */
  WEFT_ERROR_WORKSPACE_SIZE = 7, /* the workspace is smaller than NAME_workspace_bytes() */
  WEFT_ERROR_WORKSPACE_ALIGNMENT = 8, /* the workspace is not aligned to 64 bytes */
  WEFT_ERROR_MEMORY = 9,              /* no memory for the workspace, or no malloc */
  WEFT_ERROR_ARRAY_COUNT = 10,        /* not as many inputs or outputs as the model has */
  WEFT_ERROR_DTYPE = 11,              /* an array is of another dtype */
  WEFT_ERROR_RANK = 12,               /* an array has another number of dimensions */
  WEFT_ERROR_SHAPE = 13,              /* a fixed dimension has another size */
  WEFT_ERROR_SYMBOL = 14,             /* dimensions that must agree do not */
  WEFT_ERROR_STRIDES = 15,            /* an array is not dense and row-major */
  WEFT_ERROR_WEIGHTS_MISSING = 16,    /* the weights live in a file, and options have none */
  WEFT_ERROR_WEIGHTS_FILE = 17,       /* the file of weights can't be opened or mapped */
  WEFT_ERROR_WEIGHTS_CONTENT = 18,    /* it is not the file that was written with this model */
  WEFT_ERROR_KERNEL = 19 /* an index in a kernel is not there, or a loop or branch that runs is not
                             defined for the sizes; outputs have no certain values */
};

/* The type of an array's elements, and what C calls it. */
enum weft_dtype {
  WEFT_BOOL = 0,     /* uint8_t, 0 or 1 */
  WEFT_INT8 = 1,     /* int8_t */
  WEFT_INT16 = 2,    /* int16_t */
  WEFT_INT32 = 3,    /* int32_t */
  WEFT_INT64 = 4,    /* int64_t */
  WEFT_UINT8 = 5,    /* uint8_t */
  WEFT_FLOAT16 = 6,  /* uint16_t, the bits of an IEEE half */
  WEFT_BFLOAT16 = 7, /* uint16_t, the upper half of a float */
  WEFT_FLOAT32 = 8,  /* float */
  WEFT_FLOAT64 = 9,  /* double */
  WEFT_UINT16 = 10,  /* uint16_t */
  WEFT_UINT32 = 11,  /* uint32_t */
  WEFT_UINT64 = 12,  /* uint64_t */
  /* A real and an imaginary part: float or double, as C's and C++'s complex numbers are. */
  WEFT_COMPLEX64 = 13,
  WEFT_COMPLEX128 = 14,
  /* uint8_t: a sign, an exponent and a mantissa; the first has NaN but no infinity. */
  WEFT_FLOAT8_E4M3FN = 15,
  WEFT_FLOAT8_E5M2 = 16
};

/* An array with its shape. `strides` counts elements, and may be NULL: dense and row-major, which
 * is the only order that models read and write. */
typedef struct weft_array {
  void *data;
  int32_t dtype;
  int32_t rank;
  const int64_t *shape;
  const int64_t *strides;
} weft_array;

/* Work on the tasks [begin, end) of a job. */
typedef void (*weft_range)(void *job, int64_t begin, int64_t end);

/* The caller's own threads: calls `range(job, begin, end)` for ranges that cover [0, tasks) without
 * overlapping, on at most `threads` threads, and returns when all have returned. The bits of the
 * results do not depend on how the tasks are cut. */
typedef void (*weft_parallel_for)(void *context, int64_t tasks, int64_t threads, weft_range range,
                                  void *job);

/* How a call runs. Zero means none everywhere; a NULL pointer to options means all zero. */
typedef struct weft_options {
  size_t struct_size; /* sizeof(weft_options) */
  void *workspace;    /* scratch memory, aligned to 64 bytes; NULL: malloc and free in each call */
  uint64_t workspace_bytes;
  weft_parallel_for parallel_for; /* for models compiled with --threads=hook or pool */
  void *parallel_context;         /* its first argument */
  const void *weights;            /* for models whose weights live in a file: the file's bytes, */
  uint64_t weights_bytes;         /* aligned to 8 bytes, as NAME_map_weights() gives them */
} weft_options;

/* A file of weights in memory. */
typedef struct weft_weights {
  const void *data;
  uint64_t bytes;
} weft_weights;

#ifdef __cplusplus
}
#endif

#endif
