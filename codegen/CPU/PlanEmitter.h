// Emits the functions that run a planned function of a model, and tell what memory that takes.
#pragma once

#include "codegen/CPU/EntryBuilder.h"
#include "codegen/CPU/SizeEmitter.h"
#include "passes/plan/LaunchArguments.h"
#include "passes/plan/OutputMemory.h"
#include "passes/plan/PlanSteps.h"
#include "passes/plan/ValueMemory.h"
#include "passes/templates/KernelWork.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// What the plans of a model have in common.
struct ModelPlans {
  /// What `K_setup` stores: the tasks of each stage, then the bytes of each temporary, and what
  /// each stage uses (buffers, then sizes).
  struct KernelInfo {
    KernelOp kernel;
    int64_t stages = 0, temporaries = 0;
    /// Some stage calls `programFault`.
    bool canFail = false;
    /// The buffers that each stage uses, a bit each; empty if there are no temporaries.
    llvm::ArrayRef<int64_t> uses;

    int64_t setupSize() const { return 3 * stages + temporaries; }
    /// True if the launch has what the stage would fill: the stage is the first that uses it.
    bool isPrepared(LaunchOp launch, int64_t stage) const;
  };

  ModelPlans(mlir::ModuleOp module, std::vector<std::string> symbols, ThreadMode threads)
      : symbols(std::move(symbols)), threads(threads), symbolTable(module) {}

  /// The module's kernels have become stage functions of the LLVM dialect.
  llvm::StringMap<KernelInfo> kernels;
  /// The symbolic sizes, in the order of the model's signature.
  std::vector<std::string> symbols;
  ThreadMode threads;
  mlir::SymbolTable symbolTable;
  /// How many have a name.
  int64_t loops = 0, branches = 0, refusals = 0;
  /// The number of each constant: equal ones in several functions are one.
  llvm::DenseMap<mlir::Attribute, int64_t> constants;
};

/// Emits `PREFIX.workspace` and `PREFIX.execute` of one function: @main, whose callers are those of
/// the model, or one that a loop or branch runs.
class PlanEmitter : EntryBuilder {
public:
  PlanEmitter(mlir::func::FuncOp function, llvm::SmallVector<PlanStep> steps, Outputs memory,
              ModelPlans &model);

  void emit();

private:
  /// Where the elements of a value lie.
  struct Place {
    enum class Kind { Buffer, Constant, Weight, Arena, Nowhere } kind;
    int64_t index = 0; ///< of a buffer, constant or slot; bytes from the start of weights or arena
    int64_t start = 0; ///< bytes from there: of a part of an argument
  };
  /// What functions with launches share while they are emitted.
  struct Frame;

  void findPlaces();
  void placeOutputs();
  void placeResults(mlir::Operation *step);
  void placePart(mlir::Operation &op, int64_t start);
  void addConstant(ConstantOp constant);

  void emitWorkspace();
  mlir::Value workspaceBytes(Frame &frame);
  /// The bytes that a step has behind the arena; null if there are none.
  mlir::Value stepBytes(Frame &frame, const LaunchStep &step);
  mlir::Value stepBytes(Frame &, const CopyStep &) { return nullptr; }
  mlir::Value stepBytes(Frame &, const PrepareStep &) { return nullptr; }
  mlir::Value stepBytes(Frame &frame, const LoopStep &step);
  mlir::Value stepBytes(Frame &frame, const BranchStep &step);
  mlir::Value nestedBytes(Frame &frame, llvm::ArrayRef<mlir::Attribute> functions);
  llvm::SmallVector<mlir::Value> spareOffsets(SizeEmitter &sizes, LoopOp loop,
                                              llvm::ArrayRef<CarryKind> kinds);
  void checkStep(SizeEmitter &sizes, mlir::Operation *step);

  void emitExecute();
  void emitRequirements(Frame &frame);
  void emitStep(Frame &frame, const LaunchStep &step) { emitLaunch(frame, step.launch); }
  void emitStep(Frame &frame, const CopyStep &copy);
  void emitStep(Frame &, const PrepareStep &) { llvm_unreachable("models prepare nothing"); }
  void emitStep(Frame &frame, const LoopStep &step);
  void emitStep(Frame &frame, const BranchStep &step);
  void emitLaunch(Frame &frame, LaunchOp launch);
  void emitStage(Frame &frame, LaunchOp launch, int64_t stage, mlir::Value threads);

  static std::string nameOf(mlir::StringRef function, mlir::StringRef role);
  static int64_t addressCount(LoopOp loop);
  void unlessSame(mlir::Value to, mlir::Value from, llvm::function_ref<void()> emitRest);
  mlir::Value bytesOf(SizeEmitter &sizes, mlir::Type type);
  mlir::Value loopShape(LoopOp loop, llvm::ArrayRef<CarryKind> kinds);
  void planArena(Frame &frame);
  void callSetup(Frame &frame, LaunchOp launch);
  void storeSizes(Frame &frame, LaunchOp launch);
  mlir::Value argumentBits(Frame &frame, const LaunchArgument &argument);
  mlir::Value temporaryBytes(Frame &frame, LaunchOp launch);
  mlir::Value threadsFor(Frame &frame, LaunchOp launch, const KernelWork &work);
  mlir::Value pointerTo(Frame &frame, mlir::Value value);
  Frame openFrame(mlir::Value symbols, bool checked);

  mlir::func::FuncOp function;
  llvm::SmallVector<PlanStep> steps;
  Outputs memory;
  ModelPlans &model;
  ValueMemory values;
  llvm::DenseMap<mlir::Value, Place> places;
};

} // namespace weft
