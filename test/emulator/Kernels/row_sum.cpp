// The sums of rows: 256 threads for a row, a tree of shuffles in each warp, the warps' sums in
// shared memory. The mean is written too, by another thread than the sum.
#include "Device.h"

static SHARED float partial[8];

static float sumOfLanes(float value) {
  for (int distance = 16; distance > 0; distance /= 2)
    value += __nvvm_shfl_sync_bfly_f32(allLanes, value, distance, 31);
  return value;
}

KERNEL row_sum(const float *x, float *sums, float *means, Size columns, Size tasks) {
  const int warp = thread() / 32, lane = thread() % 32;
  for (Size row = block(); row < tasks; row += blocks()) {
    float sum = 0;
    for (Size column = thread(); column < columns; column += 256)
      sum += x[row * columns + column];
    sum = sumOfLanes(sum);
    if (lane == 0)
      partial[warp] = sum;
    __syncthreads();
    float total = 0;
    for (int index = 0; index < 8; ++index)
      total += partial[index];
    if (thread() == 0)
      sums[row] = total;
    if (thread() == 255)
      means[row] = total / (float)columns;
    __syncthreads();
  }
}
