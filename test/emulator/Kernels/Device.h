// What the test kernels need of a GPU: address spaces, and intrinsics by their names in LLVM IR.
// The kernels are compiled by clang for NVPTX, without any library, at build time.
#pragma once

#define KERNEL extern "C" __attribute__((device_kernel)) [[gnu::used]] void
#define SHARED __attribute__((address_space(3)))
#define GLOBAL __attribute__((address_space(1)))
#define CLUSTER __attribute__((address_space(7)))
#define INTRINSIC(name) __asm__("llvm.nvvm." name)

using Word = unsigned;
using Half = unsigned short;
using Size = long;

struct alignas(64) TensorMap {
  char bytes[128];
};
struct Two {
  Word first, second;
};
struct Four {
  Word words[4];
};
typedef float Float4 __attribute__((ext_vector_type(4)));

inline int thread() { return __nvvm_read_ptx_sreg_tid_x(); }
inline int block() { return __nvvm_read_ptx_sreg_ctaid_x(); }
inline int blocks() { return __nvvm_read_ptx_sreg_nctaid_x(); }
constexpr Word allLanes = ~0u;

extern "C" {
void barrierOf(Word number, Word threads) INTRINSIC("barrier.cta.sync.aligned.count");
void syncWarp(Word mask) INTRINSIC("bar.warp.sync");
Word ballot(Word mask, bool value) INTRINSIC("vote.ballot.sync");
Word addLanes(Word value, Word mask) INTRINSIC("redux.sync.add");

void copy16(SHARED void *to, const GLOBAL void *from) INTRINSIC("cp.async.cg.shared.global.16");
void commitCopies() INTRINSIC("cp.async.commit.group");
void waitForCopies(Word groupsLeft) INTRINSIC("cp.async.wait.group");

void initialize(SHARED void *barrier, Word count) INTRINSIC("mbarrier.init.shared");
Size arrive(SHARED void *barrier) INTRINSIC("mbarrier.arrive.shared");
Size arriveExpecting(SHARED void *barrier, Word bytes)
    INTRINSIC("mbarrier.arrive.expect.tx.scope.cta.space.cta");
bool tryWait(SHARED void *barrier, Word parity)
    INTRINSIC("mbarrier.try.wait.parity.scope.cta.space.cta");
void fenceInitialization() INTRINSIC("fence.mbarrier_init.release.cluster");
void fenceProxies() INTRINSIC("fence.proxy.async.shared_cta");
void loadTile(CLUSTER void *to, SHARED void *barrier, const void *map, int x, int y,
              short multicast, Size hint, bool isMulticast, bool isHinted, int group)
    INTRINSIC("cp.async.bulk.tensor.g2s.tile.2d");
void storeTile(SHARED void *from, const void *map, int x, int y, Size hint, bool isHinted)
    INTRINSIC("cp.async.bulk.tensor.s2g.tile.2d");
void commitBulk() INTRINSIC("cp.async.bulk.commit.group");
void waitForBulkReads(Word groupsLeft) INTRINSIC("cp.async.bulk.wait.group.read");
void moreRegisters(Word count) INTRINSIC("setmaxnreg.inc.sync.aligned.u32");
void fewerRegisters(Word count) INTRINSIC("setmaxnreg.dec.sync.aligned.u32");

void fenceMatrices() INTRINSIC("wgmma.fence.sync.aligned");
void commitMatrices() INTRINSIC("wgmma.commit_group.sync.aligned");

// In Prelude.ll: intrinsics that return several values.
void loadMatrices4(Four *result, const SHARED void *row);
void loadMatricesTransposed4(Four *result, const SHARED void *row);
void multiply(float *accumulators, const Word *a, const Word *b);
bool electLane();
}

inline void load(SHARED char *to, SHARED void *barrier, const TensorMap *map, int x, int y) {
  loadTile((CLUSTER void *)to, barrier, map, x, y, 0, 0, false, false, 0);
}
inline void wait(SHARED void *barrier, Word parity) {
  while (!tryWait(barrier, parity)) {
  }
}
/// As bfloat16, rounded to the nearest.
inline Half shortened(float value) { return __builtin_bit_cast(Half, static_cast<__bf16>(value)); }
