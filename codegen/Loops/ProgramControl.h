// The ops of a program (weft.program) in their order, with its loops and branches: what is the same
// on processors and GPUs. Stores (weft.program_store) are a target's own, sizes
// (weft.program_size) are not.
#pragma once

#include "codegen/Loops/ProgramCoverage.h"
#include "codegen/Loops/ProgramMemory.h"

namespace weft {

/// Emits the ops of a program; how blocks are computed into memory is a kind of target's own.
/// Numbers are in registers, and loops and branches are on numbers.
class ProgramControl {
public:
  virtual ~ProgramControl() = default;

  static llvm::SmallVector<mlir::Value> gridSizes(KernelEmitter &emitter, ProgramOp program);
  /// How many programs there are.
  static mlir::Value countOf(KernelEmitter &emitter, ProgramOp program);

protected:
  ProgramControl(KernelEmitter &emitter, ProgramOp program, ProgramBlocks &blocks)
      : emitter(emitter), program(program), blocks(blocks) {}

  /// Computes an op's result into memory.
  virtual void fill(mlir::Value block) = 0;
  /// Computes a number.
  virtual void compute(mlir::Value number) = 0;
  /// Tells of an op whose elements are computed where they are needed.
  virtual void pass(mlir::Operation *) {}
  virtual void reduce(ReductionOpInterface op) = 0;
  /// Emits what was put off.
  virtual void finish() {}
  /// Computes `end`, which is the product or what is computed of its elements alone, into memory.
  virtual void emitProduct(ContractionOpInterface op, mlir::Value end) = 0;
  virtual void emitStore(ProgramStoreOp op) = 0;
  virtual void emitScan(ScanOpInterface op) = 0;

  /// Emits the program that is at `place` of the grid, counted row after row.
  void emitProgramAt(mlir::Value place);
  mlir::OpBuilder &builder() { return emitter.builder(); }

  KernelEmitter &emitter;
  ProgramOp program;
  ProgramBlocks &blocks;
  /// Where the program is along the axes of the grid.
  llvm::SmallVector<mlir::Value> places;
  /// Of the loops around.
  llvm::SmallVector<ProgramCounter> counters;

private:
  void emitBlock(mlir::Block &block, const ProgramMemory &memory);
  mlir::Value asInteger(mlir::Value index);
  void emitOp(mlir::Operation *op, const ProgramMemory &memory);
  void emitInPlace(mlir::Value result, const ProgramMemory &memory);
  mlir::Value sizeOf(ProgramSizeOp op);
  llvm::SmallVector<mlir::Value> carriedBy(WhileOp op);
  void enterRegion(WhileOp op, mlir::Block &block, mlir::ValueRange carried);
  void placeNext(WhileOp op, mlir::ValueRange carried, const ProgramMemory &memory);
  void captured(llvm::ArrayRef<mlir::BlockArgument> arguments, mlir::ValueRange values);
  llvm::SmallVector<mlir::Value> nextOf(WhileOp op, mlir::ValueRange carried);
  ProgramCounter counterOf(WhileOp op, mlir::Value goesOn, mlir::ValueRange asked,
                           mlir::ValueRange first, mlir::ValueRange values);
  void emitWhile(WhileOp op);
  void emitCase(CaseOp op);
  llvm::SmallVector<mlir::Value> branchesFrom(CaseOp op, unsigned number, mlir::Value index,
                                              llvm::ArrayRef<mlir::Type> types);
  llvm::SmallVector<mlir::Value> branch(CaseOp op, unsigned number);
};

} // namespace weft
