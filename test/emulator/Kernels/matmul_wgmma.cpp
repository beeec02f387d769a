// C = A B', bf16 with f32 accumulation, by wgmma: a warpgroup that loads tiles by TMA, and two that
// multiply 64 rows each. Tiles of 128x64, K in steps of 64, three stages, blocks that go on to
// their next tile. The result leaves through shared memory and a TMA store.
#include "Device.h"

constexpr int stages = 3, rowBytes = 128;
constexpr int bytesOfA = 128 * rowBytes, bytesOfB = 64 * rowBytes, stageBytes = bytesOfA + bytesOfB;
constexpr int resultBytes = 64 * rowBytes;

/// The stages, the results of both warpgroups, the barriers: full ones, then empty ones.
extern SHARED __attribute__((aligned(1024))) char memory[];
constexpr int results = stages * stageBytes, barriers = results + 2 * resultBytes;

static SHARED char *full(Size stage) { return memory + barriers + 8 * stage; }
static SHARED char *empty(Size stage) { return memory + barriers + 8 * (stages + stage); }

struct Position {
  Size stage = 0;
  Word parity = 0;
  void advance() {
    if (++stage == stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

/// K runs along rows of 128 bytes, whose 16-byte pieces are permuted; eight rows are 1024 bytes.
static unsigned long descriptor(const SHARED char *tile) {
  const auto address = (unsigned long)tile & 0x3FFFF;
  return address >> 4 | 1ul << 16 | 64ul << 32 | 1ul << 62;
}

#define LIST4(F, i) F(i), F(i + 1), F(i + 2), F(i + 3)
#define LIST32(F)                                                                                  \
  LIST4(F, 0), LIST4(F, 4), LIST4(F, 8), LIST4(F, 12), LIST4(F, 16), LIST4(F, 20), LIST4(F, 24),   \
      LIST4(F, 28)
#define RESULT(i) "=f"(sums[i])
#define REGISTERS                                                                                  \
  "{%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, "    \
  "%20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31}"
#define TIED                                                                                       \
  "0"(sums[0]), "1"(sums[1]), "2"(sums[2]), "3"(sums[3]), "4"(sums[4]), "5"(sums[5]),              \
      "6"(sums[6]), "7"(sums[7]), "8"(sums[8]), "9"(sums[9]), "10"(sums[10]), "11"(sums[11]),      \
      "12"(sums[12]), "13"(sums[13]), "14"(sums[14]), "15"(sums[15]), "16"(sums[16]),              \
      "17"(sums[17]), "18"(sums[18]), "19"(sums[19]), "20"(sums[20]), "21"(sums[21]),              \
      "22"(sums[22]), "23"(sums[23]), "24"(sums[24]), "25"(sums[25]), "26"(sums[26]),              \
      "27"(sums[27]), "28"(sums[28]), "29"(sums[29]), "30"(sums[30]), "31"(sums[31])

inline void multiplyTiles(float (&sums)[32], unsigned long a, unsigned long b, int keep) {
  asm volatile("{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
               "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 " REGISTERS
               ", %64, %65, p, 1, 1, 0, 0;\n}\n"
               : LIST32(RESULT)
               : TIED, "l"(a), "l"(b), "r"(keep));
}

/// Hands the sums back once all but one group are complete, or all.
inline void waitForAllBut1(float (&sums)[32]) {
  asm volatile("wgmma.wait_group.sync.aligned 1;" : LIST32(RESULT) : TIED);
}
inline void waitForAll(float (&sums)[32]) {
  asm volatile("wgmma.wait_group.sync.aligned 0;" : LIST32(RESULT) : TIED);
}

struct Problem {
  const TensorMap *a, *b, *c;
  Size n, k, tasks;
  int row(Size task) const { return (int)(task / (n / 64) * 128); }
  int column(Size task) const { return (int)(task % (n / 64) * 64); }
};

static void produce(const Problem &problem) {
  fewerRegisters(40);
  if (thread() / 32 != 0 || !electLane())
    return;
  Position position;
  for (Size task = block(); task < problem.tasks; task += blocks())
    for (Size step = 0; step < problem.k / 64; ++step, position.advance()) {
      wait(empty(position.stage), position.parity ^ 1);
      SHARED char *stage = memory + position.stage * stageBytes;
      arriveExpecting(full(position.stage), stageBytes);
      load(stage, full(position.stage), problem.a, (int)step * 64, problem.row(task));
      load(stage + bytesOfA, full(position.stage), problem.b, (int)step * 64, problem.column(task));
    }
}

/// One K step; the stage of the step before is given back when its wgmma has ended.
static void multiplyStep(float (&sums)[32], Position &position, int group, bool first) {
  wait(full(position.stage), position.parity);
  SHARED char *stage = memory + position.stage * stageBytes;
  const unsigned long a = descriptor(stage + group * 64 * rowBytes);
  const unsigned long b = descriptor(stage + bytesOfA);
  fenceMatrices();
#pragma unroll
  for (int part = 0; part < 4; ++part)
    multiplyTiles(sums, a + 2 * part, b + 2 * part, first && part == 0 ? 0 : 1);
  commitMatrices();
  waitForAllBut1(sums);
  if (!first && thread() % 32 == 0)
    arrive(empty((position.stage + stages - 1) % stages));
}

/// The 64x64 sums as bf16, in the order in which a TMA store without permutation reads them.
static void store(const float (&sums)[32], const Problem &problem, int group, Size task) {
  SHARED char *result = memory + results + group * resultBytes;
  const int local = thread() % 128, warp = local / 32, lane = local % 32;
  if (local == 0)
    waitForBulkReads(0);
  barrierOf(1 + group, 128);
#pragma unroll
  for (int number = 0; number < 32; ++number) {
    const int row = warp * 16 + lane / 4 + number / 2 % 2 * 8;
    const int column = number / 4 * 8 + lane % 4 * 2 + number % 2;
    *(SHARED Half *)(result + row * rowBytes + column * 2) = shortened(sums[number]);
  }
  fenceProxies();
  barrierOf(1 + group, 128);
  if (local == 0) {
    storeTile(result, problem.c, problem.column(task), problem.row(task) + group * 64, 0, false);
    commitBulk();
  }
}

static void consume(const Problem &problem) {
  moreRegisters(232);
  const int group = thread() / 128 - 1;
  Position position;
  for (Size task = block(); task < problem.tasks; task += blocks()) {
    float sums[32] = {};
    for (Size step = 0; step < problem.k / 64; ++step) {
      multiplyStep(sums, position, group, step == 0);
      position.advance();
    }
    waitForAll(sums);
    if (thread() % 32 == 0)
      arrive(empty((position.stage + stages - 1) % stages));
    store(sums, problem, group, task);
  }
  if (thread() % 128 == 0)
    waitForBulkReads(0);
}

KERNEL matmul_wgmma(const TensorMap a, const TensorMap b, const TensorMap c, Size n, Size k,
                    Size tasks) {
  if (thread() == 0) {
    for (int stage = 0; stage < stages; ++stage) {
      initialize(full(stage), 1);
      initialize(empty(stage), 8);
    }
    fenceInitialization();
  }
  __syncthreads();
  const Problem problem = {&a, &b, &c, n, k, tasks};
  if (thread() < 128)
    produce(problem);
  else
    consume(problem);
}
