// The positive elements of each group of 32, moved to its front, and how many there are in all.
#include "Device.h"

static SHARED Word total;

KERNEL compact(const float *x, float *y, Word *count, Size tasks) {
  const int lane = thread() % 32;
  if (thread() == 0)
    total = 0;
  __syncthreads();
  for (Size task = block(); task < tasks; task += blocks()) {
    const Size first = task * 128 + thread() / 32 * 32;
    const float value = x[first + lane];
    const bool keep = value > 0;
    const Word kept = ballot(allLanes, keep);
    const Word number = addLanes(keep ? 1 : 0, allLanes);
    y[first + lane] = 0;
    syncWarp(allLanes);
    if (keep)
      y[first + __builtin_popcount(kept & ((1u << lane) - 1))] = value;
    if (lane == 0)
      __atomic_fetch_add(&total, number, __ATOMIC_RELAXED);
  }
  __syncthreads();
  if (thread() == 0)
    __atomic_fetch_add(count, total, __ATOMIC_RELAXED);
}
