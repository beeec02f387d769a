// Emits the functions of a model that a caller sees, and those behind them.
#pragma once

#include "codegen/CPU/ArtifactABI.h"
#include "codegen/CPU/ModelSignature.h"
#include "codegen/CPU/SizeEmitter.h"
#include "dialects/Weft/IR/Weft.h"
#include "passes/plan/LaunchArguments.h"
#include "passes/plan/PlanSteps.h"
#include "passes/plan/ValueMemory.h"
#include "passes/templates/KernelWork.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// Emits one model. The module's kernels have become stage functions of the LLVM dialect.
class EntryEmitter {
public:
  /// What `K_setup` stores: the tasks of each stage, then the bytes of each temporary, and what
  /// each stage uses (buffers, then sizes).
  struct KernelInfo {
    KernelOp kernel;
    int64_t stages = 0, temporaries = 0;
    /// The buffers that each stage uses, a bit each; empty if there are no temporaries.
    llvm::ArrayRef<int64_t> uses;

    int64_t setupSize() const { return 3 * stages + temporaries; }
    /// True if the launch has what the stage would fill: the stage is the first that uses it.
    bool isPrepared(LaunchOp launch, int64_t stage) const;
  };

  /// Of launches and copies.
  EntryEmitter(mlir::func::FuncOp main, llvm::SmallVector<PlanStep> steps, ModelSignature signature,
               llvm::StringMap<KernelInfo> kernels, llvm::StringRef name, ThreadMode threads);

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
  void placeResults(LaunchOp launch);
  void placePart(mlir::Operation &op, int64_t start);
  void addConstant(ConstantOp constant);

  void emitMeasure();
  void emitWorkspace();
  void emitExecute();
  void emitStep(Frame &frame, const LaunchStep &step) { emitLaunch(frame, step.launch); }
  void emitStep(Frame &frame, const CopyStep &copy);
  void emitStep(Frame &, const PrepareStep &) { llvm_unreachable("models prepare nothing"); }
  void emitStep(Frame &, const LoopStep &) { llvm_unreachable("refused before"); }
  void emitStep(Frame &, const BranchStep &) { llvm_unreachable("refused before"); }
  void emitLaunch(Frame &frame, LaunchOp launch);
  void emitStage(Frame &frame, LaunchOp launch, int64_t stage, mlir::Value threads);
  void emitTable();
  void emitCalls();
  void emitRun();

  mlir::LLVM::LLVMFuncOp begin(const llvm::Twine &name, mlir::Type result,
                               llvm::ArrayRef<mlir::Type> arguments, bool isPublic);
  mlir::Value pack(llvm::ArrayRef<mlir::Value> values, mlir::Type type);
  mlir::Value elementAddress(mlir::Value base, mlir::Type type, int64_t index);
  mlir::Value byteAddress(mlir::Value base, mlir::Value offset);
  mlir::Value load(mlir::Value base, mlir::Type type, int64_t index);
  void store(mlir::Value value, mlir::Value base, int64_t index);
  mlir::Value addressOf(llvm::StringRef symbol);
  mlir::Value constant(int64_t value) { return constants.get(location, value); }
  void planArena(Frame &frame);
  void callSetup(Frame &frame, LaunchOp launch);
  void storeSizes(Frame &frame, LaunchOp launch);
  mlir::Value argumentBits(Frame &frame, const LaunchArgument &argument);
  mlir::Value workspaceBytes(Frame &frame);
  mlir::Value temporaryBytes(Frame &frame, LaunchOp launch);
  mlir::Value threadsFor(Frame &frame, LaunchOp launch, const KernelWork &work);
  mlir::Value pointerTo(Frame &frame, mlir::Value value);
  Frame openFrame(mlir::Value symbols, bool checked);
  mlir::Value globalNumbers(llvm::StringRef name, llvm::ArrayRef<int64_t> numbers);

  mlir::func::FuncOp main;
  llvm::SmallVector<PlanStep> steps;
  ModelSignature signature;
  llvm::StringMap<KernelInfo> kernels;
  std::string name;
  ThreadMode threads;
  mlir::ModuleOp module;
  mlir::OpBuilder builder;
  mlir::Location location;
  Constants constants;
  ArtifactABI abi;
  ValueMemory values;
  std::vector<std::string> symbolNames;
  llvm::DenseMap<mlir::Value, Place> places;
  int64_t constantCount = 0;
};

} // namespace weft
