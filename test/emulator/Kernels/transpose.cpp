// y = x transposed: tiles of 32x32 through shared memory, by 256 threads. Two halves of the block
// take different tiles, each with a barrier of its own.
#include "Device.h"

static SHARED float tiles[2][32][33];

KERNEL transpose(const float *x, float *y, Size rows, Size columns, Size tasks) {
  const int half = thread() / 128, warp = thread() % 128 / 32, lane = thread() % 32;
  const Size across = (columns + 31) / 32;
  for (Size task = block(); task < tasks; task += blocks()) {
    const Size tile = task * 2 + half;
    const Size row = tile / across * 32, column = tile % across * 32;
    for (int step = warp; step < 32; step += 4)
      if (row + step < rows && column + lane < columns)
        tiles[half][step][lane] = x[(row + step) * columns + column + lane];
    barrierOf(1 + half, 128);
    for (int step = warp; step < 32; step += 4)
      if (column + step < columns && row + lane < rows)
        y[(column + step) * rows + row + lane] = tiles[half][lane][step];
    barrierOf(1 + half, 128);
  }
}
