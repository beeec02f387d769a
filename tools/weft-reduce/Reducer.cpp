// Tries each reduction on all its places at once, then on halves, quarters, and so on to single
// places, as in delta debugging (Zeller and Hildebrandt, 2002), until none is accepted any more.
#include "tools/weft-reduce/Reducer.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/PatternMatch.h"
#include "mlir/IR/Verifier.h"
#include "mlir/Transforms/RegionUtils.h"
#include "tools/weft-reduce/Reductions.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/Program.h"

using namespace mlir;

namespace weft {

int InterestingnessTest::run(StringRef text, std::string &error) const {
  SmallString<128> file;
  int descriptor = -1;
  if (std::error_code code =
          llvm::sys::fs::createTemporaryFile("weft-reduce", "mlir", descriptor, file)) {
    error = "can't write a temporary file: " + code.message();
    return -1;
  }
  llvm::FileRemover remover(file);
  {
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << text;
  }
  SmallVector<StringRef> words{program};
  words.append(arguments.begin(), arguments.end());
  words.push_back(file);
  std::optional<StringRef> nowhere[] = {StringRef(), StringRef(), StringRef()};
  return llvm::sys::ExecuteAndWait(program, words, std::nullopt, nowhere, seconds, 0, &error);
}

std::string textOf(ModuleOp module) {
  std::string text;
  llvm::raw_string_ostream stream(text);
  module.print(stream);
  stream << "\n";
  return text;
}

static size_t operationCount(ModuleOp module) {
  size_t count = 0;
  module.walk([&](Operation *) { ++count; });
  return count - 1;
}

namespace {

/// The smallest module so far.
class Reducer {
public:
  Reducer(OwningOpRef<ModuleOp> &module, const InterestingnessTest &test)
      : best(module), bestText(textOf(*module)), test(test) {}

  size_t runs = 0;

  /// True if the reduction made the module smaller.
  bool apply(Reduction reduction) {
    bool changed = false;
    size_t count = reduction(*best, {});
    for (size_t length = count; length > 0; length /= 2)
      for (size_t begin = 0; begin < count;) {
        OwningOpRef<ModuleOp> candidate(best->clone());
        reduction(*candidate, {begin, begin + length});
        if (accept(candidate)) {
          changed = true;
          count = reduction(*best, {});
        } else {
          begin += length;
        }
      }
    return changed;
  }

private:
  OwningOpRef<ModuleOp> &best;
  std::string bestText;
  const InterestingnessTest &test;

  /// Keeps the candidate if it is interesting.
  bool accept(OwningOpRef<ModuleOp> &candidate) {
    IRRewriter rewriter(candidate->getContext());
    (void)runRegionDCE(rewriter, candidate->getOperation()->getRegions());
    if (failed(verify(*candidate)))
      return false;
    std::string text = textOf(*candidate), error;
    if (text == bestText)
      return false;
    ++runs;
    if (test.run(text, error) != 0)
      return false;
    best = std::move(candidate);
    bestText = std::move(text);
    return true;
  }
};

} // namespace

ReductionCounts reduce(OwningOpRef<ModuleOp> &module, const InterestingnessTest &test) {
  // Candidates that do not verify are told to nobody.
  ScopedDiagnosticHandler silence(module->getContext(), [](Diagnostic &) { return success(); });
  ReductionCounts counts;
  counts.operationsBefore = operationCount(*module);
  Reducer reducer(module, test);
  for (bool changed = true; changed;) {
    changed = false;
    for (Reduction reduction : reductions())
      changed |= reducer.apply(reduction);
  }
  counts.runs = reducer.runs;
  counts.operationsAfter = operationCount(*module);
  return counts;
}

} // namespace weft
