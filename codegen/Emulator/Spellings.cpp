// The intrinsics that the emulator knows.
#include "codegen/Emulator/Spellings.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Regex.h"

namespace weft::emulator {

namespace {

/// A row of the table. Numbers that the pattern's groups match follow the parameters.
struct Spelling {
  std::string pattern;
  Handler handler;
  std::vector<int64_t> parameters;
};

template <typename... Values> std::vector<int64_t> list(Values... values) {
  return {static_cast<int64_t>(values)...};
}

} // namespace

static std::vector<Spelling> barrierSpellings() {
  using Reduction = BarrierReduction;
  std::vector<Spelling> rows = {
      {"barrier\\.cta\\.sync\\.aligned\\.all", syncBlock, list(BarrierAligned, Reduction::None)},
      {"barrier\\.cta\\.sync\\.all", syncBlock, list(0, Reduction::None)},
      {"barrier\\.cta\\.sync\\.aligned\\.count", syncBlock,
       list(BarrierAligned | BarrierCounted, Reduction::None)},
      {"barrier\\.cta\\.sync\\.count", syncBlock, list(BarrierCounted, Reduction::None)},
      {"barrier\\.cta\\.arrive\\.aligned\\.count", syncBlock,
       list(BarrierAligned | BarrierCounted | BarrierArrives, Reduction::None)},
      {"barrier\\.cta\\.arrive\\.count", syncBlock,
       list(BarrierCounted | BarrierArrives, Reduction::None)},
  };
  const std::pair<const char *, Reduction> reductions[] = {
      {"barrier\\.cta\\.red\\.and\\.aligned\\.all", Reduction::And},
      {"barrier\\.cta\\.red\\.or\\.aligned\\.all", Reduction::Or},
      {"barrier\\.cta\\.red\\.popc\\.aligned\\.all", Reduction::Count}};
  for (const auto &[pattern, reduction] : reductions)
    rows.push_back({pattern, syncBlock, list(BarrierAligned, reduction)});
  return rows;
}

static std::vector<Spelling> warpSpellings() {
  return {
      {"bar\\.warp\\.sync", syncWarp, {}},
      {"shfl\\.sync\\.idx\\.(i32|f32)p?", shuffle, list(ShuffleMode::Index)},
      {"shfl\\.sync\\.up\\.(i32|f32)p?", shuffle, list(ShuffleMode::Up)},
      {"shfl\\.sync\\.down\\.(i32|f32)p?", shuffle, list(ShuffleMode::Down)},
      {"shfl\\.sync\\.bfly\\.(i32|f32)p?", shuffle, list(ShuffleMode::Butterfly)},
      {"vote\\.all\\.sync", vote, list(VoteMode::All)},
      {"vote\\.any\\.sync", vote, list(VoteMode::Any)},
      {"vote\\.uni\\.sync", vote, list(VoteMode::Uniform)},
      {"vote\\.ballot\\.sync", vote, list(VoteMode::Ballot)},
      {"match\\.any\\.sync\\.i(32|64)", matchLanes, list(0)},
      {"match\\.all\\.sync\\.i(32|64)p", matchLanes, list(1)},
      {"redux\\.sync\\.add", reduceWarp, list(WarpReduction::Add)},
      {"redux\\.sync\\.min", reduceWarp, list(WarpReduction::Minimum)},
      {"redux\\.sync\\.max", reduceWarp, list(WarpReduction::Maximum)},
      {"redux\\.sync\\.umin", reduceWarp, list(WarpReduction::UnsignedMinimum)},
      {"redux\\.sync\\.umax", reduceWarp, list(WarpReduction::UnsignedMaximum)},
      {"redux\\.sync\\.and", reduceWarp, list(WarpReduction::And)},
      {"redux\\.sync\\.or", reduceWarp, list(WarpReduction::Or)},
      {"redux\\.sync\\.xor", reduceWarp, list(WarpReduction::Xor)},
      {"elect\\.sync", electLane, {}},
      {"setmaxnreg\\.(inc|dec)\\.sync\\.aligned\\.u32", convergeWarp, {}},
  };
}

static std::vector<Spelling> matrixSpellings() {
  std::vector<Spelling> rows = {
      {"mma\\.m16n8k16\\.row\\.col\\.bf16", multiplyMatrices, list(MatrixType::BFloat16, 16)},
      {"mma\\.m16n8k8\\.row\\.col\\.bf16", multiplyMatrices, list(MatrixType::BFloat16, 8)},
      {"mma\\.m16n8k16\\.row\\.col\\.f32\\.f32", multiplyMatrices, list(MatrixType::Float16, 16)},
      {"mma\\.m16n8k8\\.row\\.col\\.f32\\.f32", multiplyMatrices, list(MatrixType::Float16, 8)},
      {"mma\\.m16n8k8\\.row\\.col\\.tf32", multiplyMatrices, list(MatrixType::TensorFloat32, 8)},
      {"wgmma\\.fence\\.sync\\.aligned", fenceWarpgroup, {}},
      {"wgmma\\.commit_group\\.sync\\.aligned", commitWarpgroup, {}},
  };
  for (int64_t count : {1, 2, 4})
    for (int64_t transposed : {0, 1}) {
      const std::string rest = "matrix\\.sync\\.aligned\\.m8n8\\.x" + std::to_string(count) +
                               (transposed ? "\\.trans" : "") + "\\.b16\\.p[037]";
      rows.push_back({"ld" + rest, loadMatrices, list(count, transposed)});
      rows.push_back({"st" + rest, storeMatrices, list(count, transposed)});
    }
  return rows;
}

static std::vector<Spelling> copySpellings() {
  return {
      {"cp\\.async\\.c[ag]\\.shared\\.global\\.4", copyAsynchronously, list(4, 0)},
      {"cp\\.async\\.c[ag]\\.shared\\.global\\.8", copyAsynchronously, list(8, 0)},
      {"cp\\.async\\.c[ag]\\.shared\\.global\\.16", copyAsynchronously, list(16, 0)},
      {"cp\\.async\\.c[ag]\\.shared\\.global\\.4\\.s", copyAsynchronously, list(4, 1)},
      {"cp\\.async\\.c[ag]\\.shared\\.global\\.8\\.s", copyAsynchronously, list(8, 1)},
      {"cp\\.async\\.c[ag]\\.shared\\.global\\.16\\.s", copyAsynchronously, list(16, 1)},
      {"cp\\.async\\.commit\\.group", commitCopies, {}},
      {"cp\\.async\\.wait\\.group", waitForCopies, {}},
      {"cp\\.async\\.wait\\.all", waitForCopies, list(0)},
      // Where the intrinsic says whether the copy goes to several blocks; -1 if it can't.
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.tile\\.1d", loadTensor, list(1, 6)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.tile\\.2d", loadTensor, list(2, 7)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.tile\\.3d", loadTensor, list(3, 8)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.tile\\.4d", loadTensor, list(4, 9)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.tile\\.5d", loadTensor, list(5, 10)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.cta\\.tile\\.1d", loadTensor, list(1, -1)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.cta\\.tile\\.2d", loadTensor, list(2, -1)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.cta\\.tile\\.3d", loadTensor, list(3, -1)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.cta\\.tile\\.4d", loadTensor, list(4, -1)},
      {"cp\\.async\\.bulk\\.tensor\\.g2s\\.cta\\.tile\\.5d", loadTensor, list(5, -1)},
      {"cp\\.async\\.bulk\\.tensor\\.s2g\\.tile\\.([1-5])d", storeTensor, {}},
      {"cp\\.async\\.bulk\\.global\\.to\\.shared\\.cluster", loadBulk, list(6)},
      {"cp\\.async\\.bulk\\.global\\.to\\.shared\\.cta", loadBulk, list(-1)},
      {"cp\\.async\\.bulk\\.shared\\.cta\\.to\\.global", storeBulk, {}},
      {"cp\\.async\\.bulk\\.commit\\.group", commitBulkCopies, {}},
      {"cp\\.async\\.bulk\\.wait\\.group(\\.read)?", waitForBulkCopies, {}},
      {"cp\\.async\\.bulk\\.(tensor\\.)?prefetch\\..*", doNothing, {}},
      {"fence\\.proxy\\.async(\\.shared_cta|\\.shared_cluster|\\.global)?", fenceProxies, {}},
      {"fence\\.mbarrier_init\\.release\\.cluster", fenceProxies, {}},
  };
}

static std::vector<Spelling> mbarrierSpellings() {
  const auto parity = 1;
  return {
      {"mbarrier\\.init(\\.shared)?", initializeMbarrier, {}},
      {"mbarrier\\.inval(\\.shared)?", invalidateMbarrier, {}},
      {"mbarrier\\.arrive(\\.shared)?", arriveAtMbarrier, list(ArriveForm::Plain)},
      {"mbarrier\\.arrive\\.scope\\.cta\\.space\\.cta", arriveAtMbarrier,
       list(ArriveForm::Counted)},
      {"mbarrier\\.arrive\\.noComplete(\\.shared)?", arriveAtMbarrier, list(ArriveForm::Counted)},
      {"mbarrier\\.arrive\\.expect\\.tx\\.scope\\.(cta|cluster)\\.space\\.cta", arriveAtMbarrier,
       list(ArriveForm::ExpectBytes)},
      {"mbarrier\\.expect\\.tx\\.scope\\.(cta|cluster)\\.space\\.cta", arriveAtMbarrier,
       list(ArriveForm::OnlyExpectBytes)},
      {"mbarrier\\.test\\.wait(\\.shared|\\.scope\\.cta\\.space\\.cta)?", waitAtMbarrier,
       list(WaitForm::Test, 0)},
      {"mbarrier\\.test\\.wait\\.parity\\.scope\\.cta\\.space\\.cta", waitAtMbarrier,
       list(WaitForm::Test, parity)},
      {"mbarrier\\.try\\.wait(\\.tl)?\\.scope\\.cta\\.space\\.cta", waitAtMbarrier,
       list(WaitForm::Try, 0)},
      {"mbarrier\\.try\\.wait\\.parity(\\.tl)?\\.scope\\.cta\\.space\\.cta", waitAtMbarrier,
       list(WaitForm::Try, parity)},
  };
}

static std::vector<Spelling> otherSpellings() {
  return {
      {"membar\\.(cta|gl|sys)", doNothing, {}},
      {"griddepcontrol\\.(wait|launch\\.dependents)", doNothing, {}},
      {"prefetch.*", doNothing, {}},
      {"nanosleep", yieldThread, {}},
      {"ex2\\.approx(\\.f32)?", approximate, list(Approximation::Exp2, 0)},
      {"ex2\\.approx\\.ftz(\\.f32)?", approximate, list(Approximation::Exp2, 1)},
      {"lg2\\.approx\\.f", approximate, list(Approximation::Log2, 0)},
      {"lg2\\.approx\\.ftz\\.f", approximate, list(Approximation::Log2, 1)},
      {"rcp\\.approx\\.ftz\\.f", approximate, list(Approximation::Reciprocal, 1)},
      {"rcp\\.rn\\.f", approximate, list(Approximation::Reciprocal, 0)},
      {"rsqrt\\.approx\\.f", approximate, list(Approximation::ReciprocalRoot, 0)},
      {"rsqrt\\.approx\\.ftz\\.f", approximate, list(Approximation::ReciprocalRoot, 1)},
      {"sqrt\\.(approx|rn)\\.f", approximate, list(Approximation::Root, 0)},
      {"sqrt\\.f", approximate, list(Approximation::Root, 0)},
      {"sqrt\\.approx\\.ftz\\.f", approximate, list(Approximation::Root, 1)},
      {"sin\\.approx\\.f", approximate, list(Approximation::Sine, 0)},
      {"cos\\.approx\\.f", approximate, list(Approximation::Cosine, 0)},
      {"tanh\\.approx\\.f32", approximate, list(Approximation::Tanh, 0)},
      {"div\\.(approx|rn)\\.f", approximate, list(Approximation::Quotient, 0)},
      {"div\\.approx\\.ftz\\.f", approximate, list(Approximation::Quotient, 1)},
      {"f2bf16\\.rn", convertFloats, list(MatrixType::BFloat16, 0, 0)},
      {"f2bf16\\.rz", convertFloats, list(MatrixType::BFloat16, 0, 1)},
      {"ff2bf16x2\\.rn", convertFloats, list(MatrixType::BFloat16, 1, 0)},
      {"ff2bf16x2\\.rz", convertFloats, list(MatrixType::BFloat16, 1, 1)},
      {"ff2f16x2\\.rn", convertFloats, list(MatrixType::Float16, 1, 0)},
      {"ff2f16x2\\.rz", convertFloats, list(MatrixType::Float16, 1, 1)},
  };
}

static std::optional<Meaning> findSpelling(llvm::ArrayRef<Spelling> spellings,
                                           llvm::StringRef name) {
  for (const Spelling &spelling : spellings) {
    llvm::SmallVector<llvm::StringRef> groups;
    if (!llvm::Regex("^" + spelling.pattern + "$").match(name, &groups))
      continue;
    Meaning meaning = {spelling.handler, spelling.parameters};
    for (llvm::StringRef group : llvm::ArrayRef(groups).drop_front()) {
      int64_t number;
      if (!group.getAsInteger(10, number))
        meaning.parameters.push_back(number);
    }
    return meaning;
  }
  return std::nullopt;
}

std::optional<Meaning> meaningOfIntrinsic(llvm::StringRef name) {
  for (auto rows : {barrierSpellings, warpSpellings, matrixSpellings, copySpellings,
                    mbarrierSpellings, otherSpellings})
    if (std::optional<Meaning> meaning = findSpelling(rows(), name))
      return meaning;
  return std::nullopt;
}

std::optional<Register> registerByName(llvm::StringRef name) {
  return llvm::StringSwitch<std::optional<Register>>(name)
      .Case("tid.x", Register::ThreadX)
      .Case("tid.y", Register::ThreadY)
      .Case("tid.z", Register::ThreadZ)
      .Case("ctaid.x", Register::BlockX)
      .Case("ctaid.y", Register::BlockY)
      .Case("ctaid.z", Register::BlockZ)
      .Case("ntid.x", Register::ThreadsX)
      .Case("ntid.y", Register::ThreadsY)
      .Case("ntid.z", Register::ThreadsZ)
      .Case("nctaid.x", Register::BlocksX)
      .Case("nctaid.y", Register::BlocksY)
      .Case("nctaid.z", Register::BlocksZ)
      .Case("laneid", Register::Lane)
      .Case("warpid", Register::Warp)
      .Case("nwarpid", Register::Warps)
      .Case("warpsize", Register::WarpSize)
      .Case("lanemask.eq", Register::LanesEqual)
      .Case("lanemask.lt", Register::LanesLess)
      .Case("lanemask.le", Register::LanesLessOrEqual)
      .Case("lanemask.gt", Register::LanesGreater)
      .Case("lanemask.ge", Register::LanesGreaterOrEqual)
      .Case("clusterid.x", Register::BlockX)
      .Case("clusterid.y", Register::BlockY)
      .Case("clusterid.z", Register::BlockZ)
      .Case("nclusterid.x", Register::BlocksX)
      .Case("nclusterid.y", Register::BlocksY)
      .Case("nclusterid.z", Register::BlocksZ)
      .StartsWith("cluster.ctaid.", Register::Zero)
      .Case("cluster.ctarank", Register::Zero)
      .StartsWith("cluster.nctaid.", Register::One)
      .Case("cluster.nctarank", Register::One)
      .Case("dynamic_smem_size", Register::DynamicSharedBytes)
      .Default(std::nullopt);
}

} // namespace weft::emulator
