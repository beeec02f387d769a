// Kernels with one fault each, and how the emulator must report it.
#include "PlantedFaults.h"
#include "Mutations.h"

using llvm::Module;

namespace weft::emulator {

static std::vector<PlantedFault> faultsOfAddresses() {
  return {
      {"BoundOffByOne",
       "elementwise",
       [](Module &m) { addTo(parameterOf(m, 2), 1); },
       {"out-of-bounds"}},
      {"VectorNotAligned",
       "elementwise",
       [](Module &m) { shiftAddress(instructionOf(m, "load"), 4); },
       {"misaligned"}},
      {"WriteToInput",
       "elementwise",
       [](Module &m) { parameterOf(m, 1).replaceAllUsesWith(&parameterOf(m, 0)); },
       {"read-only-write"}},
      {"BlocksDoTheSameTasks",
       "elementwise",
       [](Module &m) { replaceByNumber(callOf(m, "read.ptx.sreg.ctaid"), 0); },
       {"global-race"}},
      {"ThreadsDoTheSameElements",
       "elementwise",
       [](Module &m) { setOperand(instructionOf(m, "shl", 0), 1, 1); },
       {"global-race", "misaligned"}},
      {"IndexBeyondSharedVariable",
       "row_sum",
       [](Module &m) { shiftAddress(instructionOf(m, "store", 0), 4); },
       {"out-of-bounds"}},
      {"ResultReadBeforeWritten",
       "matmul_f32",
       [](Module &m) { parameterOf(m, 1).replaceAllUsesWith(&parameterOf(m, 2)); },
       {"uninitialized-read"}},
      {"TooLittleSharedMemory", "matmul_mma", nullptr, {"out-of-bounds"}, {.sharedBytes = -256}},
      {"CopyNotAligned",
       "matmul_mma",
       [](Module &m) { shiftArgument(callOf(m, "cp.async.cg"), 0, 8); },
       {"misaligned"}},
      {"CopyFromOutside",
       "matmul_mma",
       [](Module &m) { shiftArgument(callOf(m, "cp.async.cg", 2), 1, -65536); },
       {"out-of-bounds"}},
      {"TensorMapBeyondBuffer", "matmul_wgmma", nullptr, {"out-of-bounds"}, {.tensorRows = 56}},
      {"TileBeyondSharedMemory",
       "matmul_wgmma",
       [](Module &m) { shiftArgument(callOf(m, "cp.async.bulk.tensor.g2s"), 0, 1 << 17); },
       {"out-of-bounds"}},
      {"TileNotAligned",
       "matmul_wgmma",
       [](Module &m) { shiftArgument(callOf(m, "cp.async.bulk.tensor.g2s"), 0, 64); },
       {"misaligned"}},
  };
}

static std::vector<PlantedFault> faultsOfBarriers() {
  return {
      {"MissingBarrierBeforeReading",
       "row_sum",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync", 0)); },
       {"shared-race", "uninitialized-read"}},
      {"MissingBarrierBeforeOverwriting",
       "row_sum",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync", 1)); },
       {"shared-race"}},
      {"BarrierOfSomeThreads",
       "row_sum",
       [](Module &m) { guardCall(callOf(m, "barrier.cta.sync", 1), 16); },
       {"barrier-divergence", "shared-race"}},
      {"BarrierOfSomeWarps",
       "row_sum",
       [](Module &m) { guardCall(callOf(m, "barrier.cta.sync", 0), 128); },
       {"shared-race", "uninitialized-read"}},
      {"ExitBeforeBarrier",
       "matmul_f32",
       [](Module &m) { exitEarly(m, 255); },
       {"barrier-mismatch"}},
      {"SharedNeverWritten",
       "row_sum",
       [](Module &m) { instructionOf(m, "store", 0).eraseFromParent(); },
       {"uninitialized-read"}},
  };
}

static std::vector<PlantedFault> faultsOfNamedBarriers() {
  return {
      {"BarrierForTooFew",
       "transpose",
       [](Module &m) { setArgument(callOf(m, "barrier.cta.sync", 0), 1, 64); },
       {"shared-race", "uninitialized-read", "barrier-divergence"}},
      {"BarrierForTooMany",
       "transpose",
       [](Module &m) {
         setArgument(callOf(m, "barrier.cta.sync", 0), 1, 256);
         setArgument(callOf(m, "barrier.cta.sync", 1), 1, 256);
       },
       {"deadlock"}},
      {"BarrierCountNotOfWarps",
       "transpose",
       [](Module &m) { setArgument(callOf(m, "barrier.cta.sync", 0), 1, 100); },
       {"barrier-mismatch"}},
      {"BarriersDisagree",
       "transpose",
       [](Module &m) {
         setArgument(callOf(m, "barrier.cta.sync", 0), 0, 1);
         setArgumentByThread(callOf(m, "barrier.cta.sync", 0), 1, 128, 128, 256);
       },
       {"barrier-mismatch", "shared-race", "uninitialized-read", "barrier-divergence"}},
      {"HalvesShareBarrier",
       "transpose",
       [](Module &m) {
         setArgument(callOf(m, "barrier.cta.sync", 0), 0, 1);
         setArgument(callOf(m, "barrier.cta.sync", 1), 0, 1);
       },
       {"shared-race", "uninitialized-read", "barrier-divergence"}},
      {"MissingBarrierInLoop",
       "matmul_f32",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync", 1)); },
       {"shared-race"}},
      {"LoopWithoutEnd",
       "matmul_f32",
       [](Module &m) { setOperand(instructionOf(m, "add", 5), 1, 0); },
       {"livelock"},
       {.mostSteps = 1 << 20}},
  };
}

static std::vector<PlantedFault> faultsOfWarps() {
  return {
      {"MaskWithoutUpperLanes",
       "row_sum",
       [](Module &m) { setArgument(callOf(m, "shfl.sync"), 0, 0xFFFF); },
       {"warp-mask"}},
      {"ShuffleOfSomeThreads", "row_sum", [](Module &m) { exitEarly(m, 40); }, {"warp-divergence"}},
      {"VoteOfSomeThreads",
       "compact",
       [](Module &m) { guardCall(callOf(m, "vote.ballot"), 16); },
       {"warp-divergence"}},
      {"ReductionMaskDiffers",
       "compact",
       [](Module &m) { setArgument(callOf(m, "redux.sync"), 1, 1); },
       {"warp-mask"}},
      {"MissingWarpBarrier",
       "compact",
       [](Module &m) { removeCall(callOf(m, "bar.warp.sync")); },
       {"global-race"}},
      {"CountWithoutAtomic",
       "compact",
       [](Module &m) { makePlain(instructionOf(m, "atomicrmw", 0)); },
       {"shared-race"}},
      {"CountOfBlocksWithoutAtomic",
       "compact",
       [](Module &m) { makePlain(instructionOf(m, "atomicrmw", 1)); },
       {"global-race"}},
  };
}

static std::vector<PlantedFault> faultsOfCopies() {
  return {
      {"MissingCopyWait",
       "matmul_mma",
       [](Module &m) { removeCall(callOf(m, "cp.async.wait.group")); },
       {"copy-in-flight"}},
      {"WaitLeavesOneGroupTooMany",
       "matmul_mma",
       [](Module &m) { setArgument(callOf(m, "cp.async.wait.group"), 0, 2); },
       {"copy-in-flight"}},
      {"MissingCommit",
       "matmul_mma",
       [](Module &m) { removeCall(callOf(m, "cp.async.commit.group", 1)); },
       {"copy-in-flight", "never-waited"}},
      {"MissingFirstCommit",
       "matmul_mma",
       [](Module &m) { removeCall(callOf(m, "cp.async.commit.group", 0)); },
       {"copy-in-flight"}},
      {"MissingBarrierAfterCopyWait",
       "matmul_mma",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync", 1)); },
       {"shared-race", "copy-in-flight", "uninitialized-read"}},
      {"FillsWrongStage",
       "matmul_mma",
       [](Module &m) { addTo(*instructionOf(m, "urem", 0).getOperand(0), -1); },
       {"shared-race", "copy-in-flight"}},
      {"ReadsWrongStage",
       "matmul_mma",
       [](Module &m) { setOperand(instructionOf(m, "urem", 1), 1, 2); },
       {"copy-in-flight", "wrong-result", "shared-race", "uninitialized-read"}},
      {"OverwritesStageBeingRead",
       "matmul_mma",
       [](Module &m) { setOperand(instructionOf(m, "urem", 0), 1, 2); },
       {"shared-race", "copy-in-flight"}},
      {"MissingBarrierAfterLoop",
       "matmul_mma",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync", 0)); },
       {"shared-race", "copy-in-flight"}},
  };
}

static std::vector<PlantedFault> faultsOfMbarriers() {
  return {
      {"ProducerParityWrong",
       "matmul_wgmma",
       [](Module &m) { setOperand(instructionOf(m, "xor", 0), 1, 0); },
       {"deadlock"}},
      {"ConsumerParityWrong",
       "matmul_wgmma",
       [](Module &m) { setArgument(callOf(m, "mbarrier.try.wait.parity", 1), 1, 1); },
       {"copy-in-flight", "shared-race", "uninitialized-read", "deadlock"}},
      {"MissingWaitForTile",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "mbarrier.try.wait.parity", 1), 1); },
       {"copy-in-flight", "shared-race", "uninitialized-read"}},
      {"MissingWaitForEmptyStage",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "mbarrier.try.wait.parity", 0), 1); },
       {"source-in-use", "shared-race", "copy-in-flight", "mbarrier-misuse"}},
      {"TooFewBytesExpected",
       "matmul_wgmma",
       [](Module &m) { setArgument(callOf(m, "mbarrier.arrive.expect"), 1, 16384); },
       {"transaction-bytes"}},
      {"TooManyBytesExpected",
       "matmul_wgmma",
       [](Module &m) { setArgument(callOf(m, "mbarrier.arrive.expect"), 1, 32768); },
       {"transaction-bytes"}},
      {"MissingArrival",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "mbarrier.arrive.shared", 0)); },
       {"deadlock"}},
      {"DoubleArrival",
       "matmul_wgmma",
       [](Module &m) { repeatCall(callOf(m, "mbarrier.arrive.shared", 0)); },
       {"source-in-use", "shared-race", "mbarrier-misuse"}},
  };
}

static std::vector<PlantedFault> faultsOfInitialization() {
  return {
      {"CountTooSmall",
       "matmul_wgmma",
       [](Module &m) { setArgument(callOf(m, "mbarrier.init", 1), 1, 4); },
       {"source-in-use", "shared-race"}},
      {"CountTooLarge",
       "matmul_wgmma",
       [](Module &m) { setArgument(callOf(m, "mbarrier.init", 1), 1, 9); },
       {"deadlock"}},
      {"MissingBarrierAfterInitialization",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync.aligned.all")); },
       {"shared-race", "mbarrier-misuse"}},
      {"MissingFenceOfInitialization",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "fence.mbarrier_init")); },
       {"missing-proxy-fence"}},
      {"InitializedTwice",
       "matmul_wgmma",
       [](Module &m) { repeatCall(callOf(m, "mbarrier.init", 0)); },
       {"mbarrier-misuse"}},
      {"RegistersOfSomeThreads",
       "matmul_wgmma",
       [](Module &m) { guardCall(callOf(m, "setmaxnreg.dec"), 16); },
       {"warp-divergence"}},
      {"RepeatedLoad",
       "matmul_wgmma",
       [](Module &m) { repeatCall(callOf(m, "cp.async.bulk.tensor.g2s", 0)); },
       {"copy-in-flight", "transaction-bytes"}},
  };
}

static std::vector<PlantedFault> faultsOfWarpgroups() {
  return {
      {"StageGivenBackTooEarly",
       "matmul_wgmma",
       [](Module &m) {
         replaceInAssembly(callOf(m, "wgmma.wait_group.sync.aligned 1"), "aligned 1", "aligned 7");
       },
       {"source-in-use", "shared-race"}},
      {"MissingMatrixWaits",
       "matmul_wgmma",
       [](Module &m) {
         removeCall(callOf(m, "wgmma.wait_group.sync.aligned 0"));
         removeCall(callOf(m, "wgmma.wait_group.sync.aligned 1"));
       },
       {"accumulator-hazard"}},
      {"MissingLastMatrixWait",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "wgmma.wait_group.sync.aligned 0")); },
       {"source-in-use", "shared-race"}},
      {"LastWaitLeavesAGroup",
       "matmul_wgmma",
       [](Module &m) {
         replaceInAssembly(callOf(m, "wgmma.wait_group.sync.aligned 0"), "aligned 0", "aligned 1");
       },
       {"never-waited", "source-in-use", "shared-race", "accumulator-hazard"}},
      {"MissingMatrixFence",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "wgmma.fence")); },
       {"accumulator-hazard"}},
      {"MissingMatrixCommit",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "wgmma.commit_group")); },
       {"never-waited", "source-in-use", "accumulator-hazard"}},
  };
}

static std::vector<PlantedFault> faultsOfStores() {
  return {
      {"MissingProxyFence",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "fence.proxy.async")); },
       {"missing-proxy-fence"}},
      {"ResultOverwrittenWhileStored",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "cp.async.bulk.wait.group.read", 0)); },
       {"source-in-use", "shared-race"}},
      {"MissingBarrierBeforeStore",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "barrier.cta.sync.aligned.count", 1)); },
       {"shared-race", "uninitialized-read"}},
      {"MissingBulkCommit",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "cp.async.bulk.commit")); },
       {"never-waited", "source-in-use"}},
      {"MissingLastBulkWait",
       "matmul_wgmma",
       [](Module &m) { removeCall(callOf(m, "cp.async.bulk.wait.group.read", 1)); },
       {"never-waited"}},
      {"DescriptorStrideWrong",
       "matmul_wgmma",
       [](Module &m) {
         for (unsigned number = 0; number < 4; ++number)
           shiftArgument(callOf(m, "wgmma.mma_async", number), 33, -(int64_t{32} << 32));
       },
       {"wrong-result"}},
      {"MatrixFenceOfSomeThreads",
       "matmul_wgmma",
       [](Module &m) { guardCall(callOf(m, "wgmma.fence"), 144); },
       {"warp-divergence", "accumulator-hazard"}},
      {"MatrixCommitOfSomeThreads",
       "matmul_wgmma",
       [](Module &m) { guardCall(callOf(m, "wgmma.commit_group"), 144); },
       {"warp-divergence", "source-in-use", "never-waited"}},
  };
}

const std::vector<PlantedFault> &plantedFaults() {
  static const std::vector<PlantedFault> faults = [] {
    std::vector<PlantedFault> all;
    for (auto part :
         {faultsOfAddresses, faultsOfBarriers, faultsOfNamedBarriers, faultsOfWarps, faultsOfCopies,
          faultsOfMbarriers, faultsOfInitialization, faultsOfWarpgroups, faultsOfStores})
      for (PlantedFault &fault : part())
        all.push_back(std::move(fault));
    return all;
  }();
  return faults;
}

} // namespace weft::emulator
