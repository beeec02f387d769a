// One small kernel for each group of instructions that the larger kernels do not use.
#include "Device.h"

extern "C" {
bool voteAll(Word mask, bool value) INTRINSIC("vote.all.sync");
Word matchAny(Word mask, Word value) INTRINSIC("match.any.sync.i32");
Word smallest(Word value, Word mask) INTRINSIC("redux.sync.min");
int countTrue(Word barrier, bool value) INTRINSIC("barrier.cta.red.popc.aligned.all");
void arriveOf(Word number, Word threads) INTRINSIC("barrier.cta.arrive.aligned.count");
void store2(SHARED void *row, Word a, Word b) INTRINSIC("stmatrix.sync.aligned.m8n8.x2.b16.p3");
void storeTransposed2(SHARED void *row, Word a, Word b)
    INTRINSIC("stmatrix.sync.aligned.m8n8.x2.trans.b16.p3");
Word load1(SHARED void *row) INTRINSIC("ldmatrix.sync.aligned.m8n8.x1.b16.p3");
Word loadTransposed1(SHARED void *row) INTRINSIC("ldmatrix.sync.aligned.m8n8.x1.trans.b16.p3");
float exp2Approximately(float x) INTRINSIC("ex2.approx.f32");
float reciprocal(float x) INTRINSIC("rcp.approx.ftz.f");
void copyBulk(CLUSTER void *to, SHARED void *barrier, const GLOBAL void *from, Word bytes,
              short multicast, Size hint, bool isMulticast, bool isHinted)
    INTRINSIC("cp.async.bulk.global.to.shared.cluster");
void storeBulk(GLOBAL void *to, SHARED void *from, Word bytes, Size hint, bool isHinted)
    INTRINSIC("cp.async.bulk.shared.cta.to.global");
}

/// Rows of 32: shuffles of each mode, in segments too; lanes out of range keep their value.
KERNEL shuffles(int *y, Size tasks) {
  const int lane = thread();
  y[0 * 32 + lane] = __nvvm_shfl_sync_idx_i32(allLanes, lane, 5, 31);
  y[1 * 32 + lane] = __nvvm_shfl_sync_up_i32(allLanes, lane, 3, 0);
  y[2 * 32 + lane] = __nvvm_shfl_sync_down_i32(allLanes, lane, 3, 31);
  y[3 * 32 + lane] = __nvvm_shfl_sync_bfly_i32(allLanes, lane, 9, 31);
  // Segments of eight lanes.
  y[4 * 32 + lane] = __nvvm_shfl_sync_down_i32(allLanes, lane, 3, 24 << 8 | 31);
  y[5 * 32 + lane] = __nvvm_shfl_sync_idx_i32(allLanes, lane, 2, 24 << 8 | 31);
  if (lane % 2 == 1)
    y[6 * 32 + lane] = __nvvm_shfl_sync_idx_i32(0xAAAAAAAA, lane, 7, 31);
  else
    y[6 * 32 + lane] = -1;
}

KERNEL votes(Word *y, Size tasks) {
  const int lane = thread() % 32;
  y[0 * 64 + thread()] = voteAll(allLanes, lane < 32);
  y[1 * 64 + thread()] = matchAny(allLanes, lane / 10);
  y[2 * 64 + thread()] = smallest(7 - lane, allLanes);
  y[3 * 64 + thread()] = countTrue(0, thread() % 3 == 0);
}

static SHARED int passed[32];

/// Warp 0 produces and does not wait; warp 1 consumes.
KERNEL producer_consumer(int *y, Size tasks) {
  const int lane = thread() % 32;
  if (thread() < 32) {
    passed[lane] = lane * lane;
    arriveOf(3, 64);
  } else {
    barrierOf(3, 64);
    y[lane] = passed[31 - lane];
  }
}

static SHARED __attribute__((aligned(16))) Half matrices[2][8][8];

/// Two matrices from registers to memory, as they are or transposed, and the first one back.
KERNEL matrices_of_registers(Half *plain, Half *transposed, Word *loaded, Size tasks) {
  const int lane = thread();
  const Word first = lane * 2 | (lane * 2 + 1) << 16, second = first + (100 | 100 << 16);
  SHARED Half *row = matrices[lane / 8 % 2][lane % 8];
  store2(row, first, second);
  syncWarp(allLanes);
  for (int index = lane; index < 128; index += 32)
    plain[index] = ((SHARED Half *)matrices)[index];
  loaded[lane] = load1(row);
  loaded[32 + lane] = loadTransposed1(row);
  syncWarp(allLanes);
  storeTransposed2(row, first, second);
  syncWarp(allLanes);
  for (int index = lane; index < 128; index += 32)
    transposed[index] = ((SHARED Half *)matrices)[index];
}

static SHARED __attribute__((aligned(16))) float copied[256];
static SHARED Size arrival;

/// 1 KiB to shared memory and back by bulk copies, twice over.
KERNEL bulk_copies(const float *x, float *y, Size tasks) {
  if (thread() == 0) {
    initialize(&arrival, 1);
    fenceInitialization();
    arriveExpecting(&arrival, 1024);
    copyBulk((CLUSTER void *)(SHARED void *)copied, &arrival, (const GLOBAL void *)x, 1024, 0, 0,
             false, false);
  }
  __syncthreads();
  wait(&arrival, 0);
  for (int index = thread(); index < 256; index += 32)
    copied[index] *= 2;
  fenceProxies();
  __syncthreads();
  if (thread() == 0) {
    storeBulk((GLOBAL void *)y, copied, 1024, 0, false);
    commitBulk();
    waitForBulkReads(0);
  }
}

KERNEL approximations(const float *x, float *y, Size tasks) {
  y[thread()] = exp2Approximately(x[thread()]);
  y[32 + thread()] = reciprocal(x[thread()]);
}

/// The block's place in a grid of two dimensions.
KERNEL coordinates(Word *y, Size tasks) {
  const int number = __nvvm_read_ptx_sreg_ctaid_y() * __nvvm_read_ptx_sreg_nctaid_x() + block();
  const int inBlock = __nvvm_read_ptx_sreg_tid_y() * __nvvm_read_ptx_sreg_ntid_x() + thread();
  y[number * 12 + inBlock] = __nvvm_read_ptx_sreg_laneid();
}
