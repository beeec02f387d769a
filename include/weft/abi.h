/* The C ABI between compiled kernels and whatever runs them: the in-process runtime, or a program
 * that links an object file. Version 1. Plain C so that an artifact needs nothing of Weft. */
#ifndef WEFT_ABI_H
#define WEFT_ABI_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_ABI_VERSION 1

/* One stage of a kernel: computes the tasks [begin, end).
 *
 * buffers  base pointers, in the kernel's order: inputs, outputs, temporaries. Dense, row-major;
 *          aligned to the element at least. A bool is one byte, 0 or 1.
 * sizes    the kernel's symbolic sizes, in elements.
 * begin    first task to compute; tasks are independent and may run in any order on any thread.
 * end      one past the last task.
 *
 * All tasks of a stage must have finished before the next stage of the same kernel starts. */
typedef void (*weft_stage)(void *const *buffers, const int64_t *sizes, int64_t begin, int64_t end);

#ifdef __cplusplus
}
#endif

#endif
