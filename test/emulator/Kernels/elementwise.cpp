// y = 2x + 1. A task is 512 elements, of which each of 128 threads does four at once.
#include "Device.h"

KERNEL elementwise(const float *x, float *y, Size size, Size tasks) {
  for (Size task = block(); task < tasks; task += blocks()) {
    const Size first = task * 512 + thread() * 4;
    if (first + 4 <= size) {
      const Float4 values = *(const Float4 *)(x + first);
      *(Float4 *)(y + first) = values * 2.0f + 1.0f;
    } else {
      for (Size index = first; index < size; ++index)
        y[index] = x[index] * 2.0f + 1.0f;
    }
  }
}
