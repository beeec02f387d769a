// Stages of a kernel that need not run in each call.
#pragma once

#include "lib/Runtime/Plan.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLFunctionalExtras.h"

#include <map>
#include <set>
#include <vector>

namespace weft {

/// Makes a prepare step of the stages of one launch that fill temporaries from buffers alone that
/// keep their contents from call to call, as the one that packs a weight does.
class StagePreparation {
public:
  /// What the plan prepared already, by program and inputs: a weight that many launches of a kernel
  /// read is packed once.
  using Known = std::map<std::vector<uint64_t>, std::vector<BufferReference>>;

  /// The stages have no buffers yet; `setup` is what the kernel's setup stored. `buffers` are those
  /// of the stages: inputs, outputs and, from `given` on, temporaries.
  StagePreparation(llvm::ArrayRef<Launch> stages, size_t given, llvm::ArrayRef<int64_t> setup,
                   llvm::ArrayRef<BufferReference> buffers);

  /// Takes a stage, if it is one; asked of all, in their order. `isKept` says whether an input is
  /// the same in most calls.
  bool add(size_t stage, llvm::function_ref<bool(size_t input)> isKept);

  /// The stages that were taken as a plan, and the buffers that are its inputs and outputs.
  struct Stages {
    Plan plan;
    std::vector<size_t> read, written;
  };
  /// Nothing if none were taken.
  std::optional<Stages> stagesOf(llvm::ArrayRef<TensorSignature> inputs) const;

  /// Adds the step of a program of stages to `plan`, unless there is one for the same inputs; gives
  /// its values.
  static std::vector<BufferReference> addTo(Plan &plan,
                                            std::shared_ptr<const PreparedProgram> program,
                                            std::vector<BufferReference> inputs, Known &known);

  /// Adds the step of those taken to `plan`, and puts its values in the places of the temporaries.
  /// The inputs of the stages are of these signatures.
  void addTo(Plan &plan, llvm::ArrayRef<TensorSignature> inputs,
             std::vector<BufferReference> &buffers, Known &known) const;

private:
  size_t inputCount() const { return stages.front().inputs; }
  Plan planOf(llvm::ArrayRef<TensorSignature> inputs) const;

  llvm::ArrayRef<Launch> stages;
  size_t given;
  llvm::ArrayRef<int64_t> setup;
  llvm::ArrayRef<BufferReference> buffers;
  std::vector<size_t> taken;
  /// Numbers of buffers: what the stages that were taken read and write, and what others use.
  std::set<size_t> read, written, usedByOthers;
};

} // namespace weft
