// C = A B in f32: tiles of 32x32, K in steps of 32, 256 threads of four elements each.
#include "Device.h"

static SHARED float tileA[32][32], tileB[32][32];

KERNEL matmul_f32(const float *a, const float *b, float *c, Size m, Size n, Size k, Size tasks) {
  const int row = thread() / 8, first = thread() % 8 * 4;
  for (Size task = block(); task < tasks; task += blocks()) {
    const Size rowOfTile = task / (n / 32) * 32, columnOfTile = task % (n / 32) * 32;
    Float4 sum = {0, 0, 0, 0};
    for (Size step = 0; step < k; step += 32) {
      *(SHARED Float4 *)&tileA[row][first] =
          *(const Float4 *)&a[(rowOfTile + row) * k + step + first];
      *(SHARED Float4 *)&tileB[row][first] =
          *(const Float4 *)&b[(step + row) * n + columnOfTile + first];
      __syncthreads();
      for (int index = 0; index < 32; ++index) {
        const Float4 values = *(SHARED Float4 *)&tileB[index][first];
        const float left = tileA[row][index];
        for (int lane = 0; lane < 4; ++lane)
          sum[lane] = __builtin_fmaf(left, values[lane], sum[lane]);
      }
      __syncthreads();
    }
    *(Float4 *)&c[(rowOfTile + row) * n + columnOfTile + first] = sum;
  }
}
