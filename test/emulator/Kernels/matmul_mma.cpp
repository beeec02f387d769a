// C = A B, bf16 with f32 accumulation, by mma.sync: tiles of 64x64, K in steps of 32, three stages
// filled by cp.async, 128 threads. Rows of a stage are padded by 16 bytes.
#include "Device.h"

constexpr int stages = 3, pitchA = 40, pitchB = 72;

struct Stage {
  alignas(16) Half a[64][pitchA];
  alignas(16) Half b[32][pitchB];
};
extern SHARED Stage pipeline[];

struct Tile {
  const Half *a, *b;
  Size n, k, row, column;
};

static void fill(SHARED Stage &stage, const Tile &tile, Size step) {
  for (int part = 0; part < 2; ++part) {
    const int number = part * 128 + thread();
    const int rowA = number / 4, columnA = number % 4 * 8;
    copy16(&stage.a[rowA][columnA],
           (const GLOBAL void *)&tile.a[(tile.row + rowA) * tile.k + step * 32 + columnA]);
    const int rowB = number / 8, columnB = number % 8 * 8;
    copy16(&stage.b[rowB][columnB],
           (const GLOBAL void *)&tile.b[(step * 32 + rowB) * tile.n + tile.column + columnB]);
  }
}

/// Each warp has 16 rows and all 64 columns.
static void compute(const SHARED Stage &stage, float (&sums)[8][4]) {
  const int warp = thread() / 32, lane = thread() % 32;
#pragma unroll
  for (int depth = 0; depth < 32; depth += 16) {
    Four a;
    loadMatrices4(&a, &stage.a[warp * 16 + lane % 16][depth + lane / 16 * 8]);
#pragma unroll
    for (int pair = 0; pair < 4; ++pair) {
      Four b;
      loadMatricesTransposed4(&b, &stage.b[depth + lane % 16][pair * 16 + lane / 16 * 8]);
      multiply(sums[2 * pair], a.words, b.words);
      multiply(sums[2 * pair + 1], a.words, b.words + 2);
    }
  }
}

KERNEL matmul_mma(const Half *a, const Half *b, float *c, Size m, Size n, Size k, Size tasks) {
  const int warp = thread() / 32, lane = thread() % 32;
  for (Size task = block(); task < tasks; task += blocks()) {
    const Tile tile = {a, b, n, k, task / (n / 64) * 64, task % (n / 64) * 64};
    const Size steps = k / 32;
    float sums[8][4] = {};
    for (int stage = 0; stage < stages - 1; ++stage) {
      if (stage < steps)
        fill(pipeline[stage], tile, stage);
      commitCopies();
    }
    for (Size step = 0; step < steps; ++step) {
      waitForCopies(stages - 2);
      __syncthreads();
      const Size next = step + stages - 1;
      if (next < steps)
        fill(pipeline[next % stages], tile, next);
      commitCopies();
      compute(pipeline[step % stages], sums);
    }
    __syncthreads();
#pragma unroll
    for (int number = 0; number < 8; ++number)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float *to = &c[(tile.row + warp * 16 + lane / 4 + 8 * half) * n + tile.column + number * 8 +
                       lane % 4 * 2];
        to[0] = sums[number][2 * half];
        to[1] = sums[number][2 * half + 1];
      }
  }
}
