// Makes complex tensors real ones, whose last dimension has the two parts of each element.
//
//   %0 = weft.imag %z            ->   %1 = weft.slice %z starts [0, 1] ..., and a weft.reshape
//   %1 = weft.complex %x, %y     ->   weft.reshape of both, and a weft.concatenate
//   return %1                         return of tensor<4x2xf32>, once tensor<4xcomplex<f32>>
//
// The memory is the same, so that who calls the function need not know. Of the ops on complex
// tensors `weft-decompose` has left those that take them apart (weft.real, weft.imag) and put them
// together. Others only pass them on, and a weft.constant is of pairs; the functions of libraries
// take pairs as they are.
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_SPLITCOMPLEX
#include "passes/Passes.h.inc"

namespace {

void retype(Value value) { value.setType(pairType(value.getType())); }

/// Part `number` of each pair.
Value takePart(OpBuilder &builder, Location location, Value pairs, int64_t number, Type result) {
  auto type = cast<RankedTensorType>(pairs.getType());
  SmallVector<int64_t> starts(type.getRank(), 0), steps(type.getRank(), 1), shape(type.getShape());
  starts.back() = number;
  shape.back() = 1;
  Value part = SliceOp::create(builder, location, withShape(type, shape), pairs, starts, steps);
  return ReshapeOp::create(builder, location, result, part);
}

Value makePairs(OpBuilder &builder, ComplexOp op) {
  SmallVector<int64_t> shape(op.getReal().getType().getShape());
  shape.push_back(1);
  SmallVector<Value> parts;
  for (Value part : {op.getReal(), op.getImaginary()})
    parts.push_back(
        ReshapeOp::create(builder, op.getLoc(), withShape(part.getType(), shape), part));
  return ConcatenateOp::create(builder, op.getLoc(), parts, shape.size() - 1);
}

/// The elements of a constant as pairs.
ElementsAttr pairsOf(ElementsAttr elements) {
  auto type = cast<RankedTensorType>(pairType(elements.getType()));
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(elements))
    return DenseResourceElementsAttr::get(type, resource.getRawHandle());
  SmallVector<APFloat> parts;
  for (const auto &number : cast<DenseElementsAttr>(elements).getValues<std::complex<APFloat>>()) {
    parts.push_back(number.real());
    parts.push_back(number.imag());
  }
  return DenseElementsAttr::get(type, parts);
}

void retypeFunction(func::FuncOp function) {
  Builder builder(function.getContext());
  for (auto [number, type] : llvm::enumerate(function.getArgumentTypes()))
    if (isComplexTensor(type))
      function.setArgAttr(number, pairsAttribute, builder.getUnitAttr());
  for (auto [number, type] : llvm::enumerate(function.getResultTypes()))
    if (isComplexTensor(type))
      function.setResultAttr(number, pairsAttribute, builder.getUnitAttr());
  function.setFunctionType(
      builder.getFunctionType(llvm::map_to_vector(function.getArgumentTypes(), pairType),
                              llvm::map_to_vector(function.getResultTypes(), pairType)));
}

/// Ops that make complex tensors, and all that only pass them on.
void makeReal(Operation *op) {
  OpBuilder builder(op);
  if (auto whole = dyn_cast<ComplexOp>(op)) {
    whole->replaceAllUsesWith(ValueRange(makePairs(builder, whole)));
    whole->erase();
    return;
  }
  if (auto constant = dyn_cast<ConstantOp>(op); constant && isComplexTensor(constant.getType()))
    constant.setValueAttr(pairsOf(constant.getValue()));
  llvm::for_each(op->getResults(), retype);
  for (Region &region : op->getRegions())
    for (Block &block : region)
      llvm::for_each(block.getArguments(), retype);
  if (auto function = dyn_cast<func::FuncOp>(op))
    retypeFunction(function);
}

struct SplitComplex : impl::SplitComplexBase<SplitComplex> {
  using SplitComplexBase::SplitComplexBase;

  void runOnOperation() override {
    getOperation()->walk([](LibraryOpInterface op) {
      if (llvm::any_of(op->getOperandTypes(), isComplexTensor) ||
          llvm::any_of(op->getResultTypes(), isComplexTensor))
        op.setPairs(true);
    });
    SmallVector<Operation *> readers;
    getOperation()->walk([&](Operation *op) {
      if (isa<RealOp, ImagOp>(op))
        readers.push_back(op);
      else
        makeReal(op);
    });
    for (Operation *op : readers) {
      OpBuilder builder(op);
      Value part = takePart(builder, op->getLoc(), op->getOperand(0), isa<ImagOp>(op) ? 1 : 0,
                            op->getResult(0).getType());
      op->replaceAllUsesWith(ValueRange(part));
      op->erase();
    }
  }
};

} // namespace
} // namespace weft
