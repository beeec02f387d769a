// Kernels that call the runtime's function for what several processes compute together: one task.
//
// The function takes the places in memory of the operand, of the result (null if nobody reads it)
// and of both tokens, and a list of numbers; lib/Runtime/Collectives.h says what they are.
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/NVPTX/GpuEmitter.h"
#include "codegen/Templates/KernelTemplate.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/plan/CollectiveCalls.h"

using namespace mlir;

namespace weft {
namespace {

class CollectiveCall {
public:
  explicit CollectiveCall(KernelEmitter &emitter)
      : emitter(emitter), op(collectiveOf(emitter.getKernel())) {}

  void addStage() {
    emitter.addStage([&emitter = emitter] { return emitter.index(1); },
                     [this](Value, Value) { call(); });
  }

private:
  Value placeOf(Value value) {
    if (auto argument = dyn_cast_if_present<BlockArgument>(value))
      return emitter.buffer(argument.getArgNumber());
    for (auto [number, yielded] : llvm::enumerate(emitter.getYield().getValues()))
      if (yielded == value)
        return emitter.buffer(emitter.outputBuffer(number));
    Type pointer = LLVM::LLVMPointerType::get(op.getContext());
    return LLVM::ZeroOp::create(emitter.builder(), op.getLoc(), pointer);
  }

  Value asInteger(Value index) {
    return arith::IndexCastOp::create(emitter.builder(), op.getLoc(),
                                      emitter.builder().getI64Type(), index);
  }

  SmallVector<Value> numbers() {
    SmallVector<Value> values;
    for (int64_t number : collectiveNumbersOf(op))
      values.push_back(asInteger(emitter.index(number)));
    auto type = cast<RankedTensorType>(op.getX().getType());
    for (int64_t d = 0; d < type.getRank(); ++d)
      values.push_back(asInteger(emitter.size(op.getX(), d)));
    return values;
  }

  void call() {
    SmallVector<Value> values = numbers();
    Type stored = emitter.builder().getI64Type();
    Value list = emitter.allocate(stored, int64_t(values.size()));
    for (auto [number, value] : llvm::enumerate(values))
      emitter.storeVector(value, emitter.offset(list, stored, emitter.index(int64_t(number))),
                          /*alignment=*/8);
    emitter.callExternal(collectiveFunctionOf(op),
                         {placeOf(op.getRead()), placeOf(op.getResult()), placeOf(op.getToken()),
                          placeOf(op.getNext()), list});
  }

  KernelEmitter &emitter;
  CollectiveOpInterface op;
};

class Collective : public KernelTemplate {
public:
  StringRef name() const override { return "collective"; }
  StringRef reason() const override { return "several processes compute it together"; }

  bool claims(Operation *op) const override { return isa<CollectiveOpInterface>(op); }
  bool readsMemory(OpOperand &) const override { return true; }
  bool canYield(ArrayRef<int64_t>, const FusionGroup &) const override { return false; }

  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &) const override {
    return LibraryScheduleAttr::get(kernel.getContext());
  }
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const GpuTarget &) const override {
    // A plan has a step of its own for it.
    return LibraryScheduleAttr::get(kernel.getContext());
  }

  LogicalResult verify(KernelOp kernel, const CpuTarget &) const override {
    if (!isa<LibraryScheduleAttr>(kernel.getScheduleAttr()))
      return refuseSchedule(kernel, "a processor");
    CollectiveOpInterface op = collectiveOf(kernel);
    if (llvm::all_of(op->getOperands(), llvm::IsaPred<BlockArgument>) &&
        succeeded(verifySingle(kernel)))
      return success();
    return kernel.emitOpError() << "has more than the one op that processes compute together";
  }
  LogicalResult verify(KernelOp kernel, const GpuTarget &) const override {
    return collectiveOf(kernel).emitOpError()
           << "is computed by several processes, and is no kernel of a GPU: files of kernels can't "
              "have it";
  }

  void emit(KernelEmitter &emitter) const override { CollectiveCall(emitter).addStage(); }
  void emit(GpuEmitter &) const override { llvm_unreachable("no schedule for a GPU is verified"); }
};

} // namespace

const KernelTemplate &collectiveTemplate() {
  static const Collective instance;
  return instance;
}

} // namespace weft
