// Gradients of one stretch of a tape.
#pragma once

#include "lib/Trace/Tape.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

namespace weft {

struct BackwardProgram;

/// A value that is differentiated, and the gradient that it has to begin with.
struct GradientSeed {
  Origin origin;
  TapeInput cotangent;
};

/// True if the value is one of those that are differentiated.
bool isSeed(llvm::ArrayRef<GradientSeed> seeds, const Origin &origin);

struct FoundGradient {
  Origin target;
  /// With an origin if it is recorded and depends on a value that needs a gradient.
  TapeInput gradient;
};

/// What a value with a gradient is known by: its leaf, or the node and the number of its result.
using OriginKey = std::pair<const void *, uint32_t>;
OriginKey keyOf(const Origin &origin);

/// True if gradients of the value go no further in one stretch: of a copy, or if it is marked or
/// has hooks.
bool endsStretch(const Origin &origin);

/// Rebuilds a stretch of a tape as a function from arguments (leaves, outside values, saved
/// results, the cotangents) to gradients of its targets: of the leaves, of what was copied from
/// other devices, of results with hooks or marks, and of wanted results. The stretch ends at the
/// first three, and where an op leads to no target.
class BackwardPass {
public:
  /// The seeds are on one device, and results of recorded ops; `wanted` is empty for all leaves.
  BackwardPass(llvm::ArrayRef<GradientSeed> seeds, const llvm::DenseSet<OriginKey> &wanted,
               bool record);

  /// The gradients of the targets that have one.
  std::vector<FoundGradient> run();

  /// The results of recorded nodes that gradients went through, some of them several times.
  llvm::ArrayRef<std::pair<TapeNode *, uint32_t>> passedResults() const { return passed; }

private:
  bool isWanted(const Origin &origin) const;
  bool isStop(const Origin &origin) const;
  bool isInside(const Origin &origin) const;
  void collectNodes();
  void checkKept(llvm::ArrayRef<std::shared_ptr<TapeNode>> others);
  void collectArguments();
  int64_t argument(const TapeInput &input, OriginKey identity, const void *version = nullptr);
  int64_t constantArgument(const TapeInput &input);
  int64_t outsideArgument(const TapeInput &input);
  int64_t numberOf(const Origin &origin) const;
  using Operations = llvm::SmallVector<mlir::Operation *>;
  mlir::OwningOpRef<mlir::ModuleOp> build(BackwardProgram &program, bool marks) const;
  std::vector<ValueId> rebuild(Graph &graph, llvm::ArrayRef<ValueId> inputs,
                               std::vector<Operations> &expansions) const;
  llvm::SmallVector<ValueId> inlined(Graph &graph, const TapeNode &node,
                                     llvm::ArrayRef<ValueId> operands,
                                     llvm::ArrayRef<Operations> expansions, Operations &ops) const;
  std::shared_ptr<BackwardProgram> compile() const;
  /// Records the program as one op, whose results the gradients are.
  void recordOn(const BackwardProgram &program, llvm::MutableArrayRef<FoundGradient> found) const;

  llvm::ArrayRef<GradientSeed> seeds;
  const llvm::DenseSet<OriginKey> &wanted;
  bool record;
  /// In the order in which they were recorded.
  std::vector<std::shared_ptr<TapeNode>> nodes;
  std::vector<std::pair<TapeNode *, uint32_t>> passed;
  /// For each node the number of its first result, counting the results of all nodes.
  llvm::DenseMap<TapeNode *, int64_t> firstResults;
  /// The numbers of nodes by their sequence.
  llvm::DenseMap<uint64_t, int64_t> nodeNumbers;

  std::vector<TapeInput> arguments;
  /// By what an argument is; for a leaf also its memory, as its handle may have been rebound
  /// between two uses.
  llvm::DenseMap<std::pair<OriginKey, const void *>, int64_t> argumentNumbers;
  /// For each node the argument of each input, or -1 - (number of the result) for a recorded one.
  std::vector<llvm::SmallVector<int64_t, 4>> inputNumbers;
  /// The arguments that carry the saved results, and the cotangents.
  std::vector<int64_t> resultNumbers, cotangentNumbers;
  struct Target {
    Origin origin;
    /// As in inputNumbers.
    int64_t number;
  };
  std::vector<Target> targets;
  Key key;
};

} // namespace weft
