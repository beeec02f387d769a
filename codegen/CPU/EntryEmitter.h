// Emits the functions of a model that a caller sees, and the table behind them.
#pragma once

#include "codegen/CPU/EntryBuilder.h"
#include "codegen/CPU/ModelSignature.h"

namespace weft {

/// Emits one model, whose plans a PlanEmitter has emitted.
class EntryEmitter : EntryBuilder {
public:
  EntryEmitter(mlir::ModuleOp module, mlir::Location location, ModelSignature signature,
               llvm::StringRef name, ThreadMode threads, bool canFail);

  void emit();

private:
  void emitMeasure();
  void emitTable();
  void emitCalls();
  void emitRun();

  ModelSignature signature;
  std::string name;
  ThreadMode threads;
  bool canFail;
};

} // namespace weft
