// Kernels and launches: syntax and verification.
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;

namespace weft {

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag, std::string &) {
    return builder.getFunctionType(inputs, results);
  };
  return function_interface_impl::parseFunctionOp(
      parser, result, /*allowVariadic=*/false, getFunctionTypeAttrName(result.name), buildType,
      getArgAttrsAttrName(result.name), getResAttrsAttrName(result.name));
}

void KernelOp::print(OpAsmPrinter &printer) {
  function_interface_impl::printFunctionOp(printer, *this, /*isVariadic=*/false,
                                           getFunctionTypeAttrName(), getArgAttrsAttrName(),
                                           getResAttrsAttrName());
}

YieldOp KernelOp::getYield() { return cast<YieldOp>(getBody().front().getTerminator()); }

int64_t KernelOp::getSizeCount() {
  int64_t count = 0;
  auto visit = [&](Type type) {
    if (auto sizes = dyn_cast_or_null<SizesAttr>(cast<RankedTensorType>(type).getEncoding()))
      for (int64_t symbol : sizes.getSymbols())
        count = std::max(count, symbol + 1);
  };
  llvm::for_each(getArgumentTypes(), visit);
  getBody().walk([&](Operation *op) { llvm::for_each(op->getResultTypes(), visit); });
  return count;
}

LogicalResult KernelOp::verify() {
  TypeRange yielded = getYield().getOperandTypes();
  if (yielded != TypeRange(getResultTypes()))
    return emitOpError() << "yields " << yielded << " but its results are "
                         << TypeRange(getResultTypes());
  WalkResult walk = getBody().walk([&](Operation *op) {
    for (Type type : op->getResultTypes()) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      auto sizes = tensor ? dyn_cast_or_null<SizesAttr>(tensor.getEncoding()) : SizesAttr();
      if (!sizes || static_cast<int64_t>(sizes.getSymbols().size()) != tensor.getRank()) {
        op->emitOpError() << "has a result of type " << type
                          << "; inside a kernel each dimension needs a symbolic size, as in "
                             "tensor<?xf32, #weft.sizes<[0]>>";
        return WalkResult::interrupt();
      }
    }
    return WalkResult::advance();
  });
  return failure(walk.wasInterrupted());
}

LogicalResult LaunchOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto kernel = symbols.lookupNearestSymbolFrom<KernelOp>(*this, getKernelAttr());
  if (!kernel)
    return emitOpError() << "there is no kernel " << getKernelAttr();
  if (kernel.getArgumentTypes().size() != getInputs().size() ||
      kernel.getResultTypes().size() != getOutputs().size())
    return emitOpError() << "has " << getInputs().size() << " inputs and " << getOutputs().size()
                         << " outputs, the kernel has " << kernel.getArgumentTypes().size()
                         << " and " << kernel.getResultTypes().size();
  if (static_cast<int64_t>(getSizes().size()) < kernel.getSizeCount())
    return emitOpError() << "gives " << getSizes().size() << " sizes, the kernel names "
                         << kernel.getSizeCount();
  auto check = [&](Type have, Type want) { return getElementTypeOrSelf(have) == getElementTypeOrSelf(want); };
  for (auto [number, have, want] : llvm::enumerate(getInputs().getTypes(), kernel.getArgumentTypes()))
    if (!check(have, want))
      return emitOpError() << "input #" << number << " is " << have << ", the kernel takes " << want;
  for (auto [number, have, want] : llvm::enumerate(getOutputs().getTypes(), kernel.getResultTypes()))
    if (!check(have, want))
      return emitOpError() << "output #" << number << " is " << have << ", the kernel gives " << want;
  return success();
}

} // namespace weft
