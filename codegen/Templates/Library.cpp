// Kernels that call a function of a library on the host, once for each matrix.
//
// The function takes the places in memory of the operands and results (null for a result that
// nobody reads), the sizes of the operands' matrices, and the op's options; lib/Runtime/Library.h
// lists them.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {
namespace {

LibraryOpInterface libraryOpOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<LibraryOpInterface>().begin();
}

class LibraryCalls {
public:
  explicit LibraryCalls(KernelEmitter &emitter)
      : emitter(emitter), op(libraryOpOf(emitter.getKernel())) {}

  void addStage() {
    ArrayRef<int64_t> batch = symbolsOf(op->getOperand(0).getType()).take_front(op.getBatchRank());
    // The number of tasks is asked for once the kernel is finished.
    emitter.addStage([&emitter = emitter, batch] { return emitter.product(batch); },
                     [this](Value begin, Value end) {
                       emitter.loop(begin, end, 1, [&](Value place) { call(place); });
                     });
  }

private:
  /// "weft_library_cholesky_c32": of complex numbers with parts of 32 bits.
  std::string symbol() {
    unsigned bits = getElementTypeOrSelf(op->getOperand(0)).getIntOrFloatBitWidth();
    return ("weft_library_" + op.getFunctionName() + (op.takesPairs() ? "_c" : "_f") + Twine(bits))
        .str();
  }

  /// Where the matrices of a tensor at `place` begin, in buffer `number`.
  Value matrices(unsigned number, Type type, Value place) {
    ArrayRef<int64_t> sizes = symbolsOf(type).drop_front(op.getBatchRank());
    Value elements = emitter.multiplyIndex(place, emitter.product(sizes));
    Type stored = KernelEmitter::storedType(getElementTypeOrSelf(type));
    return emitter.offset(emitter.buffer(number), stored, elements);
  }

  Value matricesOf(OpResult result, Value place) {
    for (auto [number, value] : llvm::enumerate(emitter.getYield().getValues()))
      if (value == result)
        return matrices(emitter.outputBuffer(number), result.getType(), place);
    Type pointer = LLVM::LLVMPointerType::get(op.getContext());
    return LLVM::ZeroOp::create(emitter.builder(), op.getLoc(), pointer);
  }

  void call(Value place) {
    SmallVector<Value> arguments;
    for (Value operand : op->getOperands())
      arguments.push_back(
          matrices(cast<BlockArgument>(operand).getArgNumber(), operand.getType(), place));
    for (OpResult result : op->getResults())
      arguments.push_back(matricesOf(result, place));
    for (Value operand : op->getOperands())
      for (int64_t d = 0; d < op.getMatrixRank(); ++d)
        arguments.push_back(asInteger(emitter.size(operand, op.getBatchRank() + d)));
    for (int64_t option : op.getOptions())
      arguments.push_back(asInteger(emitter.index(option)));
    emitter.callExternal(symbol(), arguments);
  }

  Value asInteger(Value index) {
    return arith::IndexCastOp::create(emitter.builder(), op.getLoc(),
                                      emitter.builder().getI64Type(), index);
  }

  KernelEmitter &emitter;
  LibraryOpInterface op;
};

class Library : public KernelTemplate {
public:
  StringRef name() const override { return "library"; }
  StringRef reason() const override { return "a library's function computes it, from memory"; }

  bool claims(Operation *op) const override { return isa<LibraryOpInterface>(op); }
  bool readsMemory(OpOperand &) const override { return true; }
  bool canYield(ArrayRef<int64_t>, const FusionGroup &) const override { return false; }

  /// As of a product of the operand's matrices: the order of magnitude.
  WorkTerm operationsOf(Operation *op) const override {
    WorkTerm work = elementsOf(op->getOperand(0), 2);
    work.sizes.push_back(symbolsOf(op->getOperand(0).getType()).back());
    return work;
  }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &) const override {
    return LibraryScheduleAttr::get(kernel.getContext());
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    libraryOpOf(kernel).emitOpError()
        << "is computed by a library on the host, and has no kernel for GPUs; move its operand "
           "there by cpu()";
    return {};
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &) const override {
    if (!isa<LibraryScheduleAttr>(kernel.getScheduleAttr()))
      return refuseSchedule(kernel, "a processor");
    bool readsArguments =
        llvm::all_of(libraryOpOf(kernel)->getOperands(), llvm::IsaPred<BlockArgument>);
    if (readsArguments && succeeded(verifySingle(kernel)))
      return success();
    return kernel.emitOpError() << "has more than the one op that a library computes";
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &) const override {
    return refuseSchedule(kernel, "a GPU");
  }

  void emit(KernelEmitter &emitter) const override { LibraryCalls(emitter).addStage(); }
  void emit(GpuEmitter &) const override { llvm_unreachable("no schedule for a GPU is verified"); }
};

} // namespace

const KernelTemplate &libraryTemplate() {
  static const Library instance;
  return instance;
}

} // namespace weft
