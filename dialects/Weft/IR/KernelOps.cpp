// Kernels and launches: syntax and verification.
#include "dialects/Weft/IR/Weft.h"
#include "mlir/Interfaces/FunctionImplementation.h"

using namespace mlir;

namespace weft {

ParseResult KernelOp::parse(OpAsmParser &parser, OperationState &result) {
  auto buildType = [](Builder &builder, ArrayRef<Type> inputs, ArrayRef<Type> results,
                      function_interface_impl::VariadicFlag,
                      std::string &) { return builder.getFunctionType(inputs, results); };
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
  for (Operation &op : getBody().front())
    llvm::for_each(op.getResultTypes(), visit);
  return count;
}

int64_t KernelOp::getParameterCount() {
  int64_t count = 0;
  for (Operation &op : getBody().front()) {
    if (auto number = op.getAttrOfType<IntegerAttr>("parameter"))
      count = std::max(count, number.getInt() + 1);
    auto launched = dyn_cast<LaunchNumberOpInterface>(op);
    if (!launched)
      continue;
    for (auto [name, position] : launched.getLaunchNumbers())
      if (int64_t number = op.getAttrOfType<DenseI64ArrayAttr>(name)[position];
          isFromLaunch(number))
        count = std::max(count, parameterOf(number) + 1);
  }
  return count;
}

/// More sizes than any kernel has; what is done for each size up to the largest number stays cheap.
static constexpr int64_t mostSizes = 4096;

/// True if `type` is a tensor with a symbolic size for each dimension.
static bool hasSizes(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  auto sizes = tensor ? dyn_cast_or_null<SizesAttr>(tensor.getEncoding()) : SizesAttr();
  return sizes && static_cast<int64_t>(sizes.getSymbols().size()) == tensor.getRank() &&
         llvm::all_of(sizes.getSymbols(),
                      [](int64_t symbol) { return symbol >= 0 && symbol < mostSizes; });
}

static constexpr llvm::StringLiteral sizesAdvice =
    "; inside a kernel each dimension needs a symbolic size, as in tensor<?xf32, #weft.sizes<[0]>>";

LogicalResult KernelOp::verify() {
  for (auto [number, type] : llvm::enumerate(getArgumentTypes()))
    if (!hasSizes(type))
      return emitOpError() << "argument #" << number << " is of type " << type << sizesAdvice;
  TypeRange yielded = getYield().getOperandTypes();
  if (yielded != TypeRange(getResultTypes()))
    return emitOpError() << "yields " << yielded << " but its results are "
                         << TypeRange(getResultTypes());
  // What is in regions, as the program of a user, has sizes that are known.
  for (Operation &op : getBody().front())
    for (Type type : op.getResultTypes())
      if (!hasSizes(type))
        return op.emitOpError() << "has a result of type " << type << sizesAdvice;
  return success();
}

/// The number of elements of a tensor of `type` in a kernel called with `sizes`; nothing if it
/// overflows.
static std::optional<int64_t> countElements(Type type, ArrayRef<int64_t> sizes) {
  auto encoding = cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding());
  return productOf(
      llvm::map_to_vector(encoding.getSymbols(), [&](int64_t symbol) { return sizes[symbol]; }));
}

static std::string textOf(std::optional<int64_t> count) {
  return count ? textOfSize(*count) : "too many";
}

LogicalResult LaunchOp::verify() {
  if (getPrepared().size() != getTemporaries().size())
    return emitOpError() << "has " << getPrepared().size() << " prepared temporaries, and "
                         << getTemporaries().size() << " numbers of them";
  for (auto [position, number] : llvm::enumerate(getTemporaries()))
    if (number < 0 || llvm::is_contained(getTemporaries().take_front(position), number))
      return emitOpError() << "has prepared temporary " << number
                           << (number < 0 ? ", which no kernel has" : " twice");
  return success();
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
  auto parameters = (*this)->getAttrOfType<ArrayAttr>("parameters");
  int64_t given = parameters ? parameters.size() : 0;
  if (given < kernel.getParameterCount())
    return emitOpError() << "gives " << given << " parameters, the kernel takes "
                         << kernel.getParameterCount();
  auto check = [&](StringRef role, TypeRange have, TypeRange want) -> LogicalResult {
    for (auto [number, outside, inside] : llvm::enumerate(have, want)) {
      if (getElementTypeOrSelf(outside) != getElementTypeOrSelf(inside))
        return emitOpError() << role << " #" << number << " is " << outside << ", the kernel's is "
                             << inside;
      if (!cast<RankedTensorType>(outside).hasStaticShape())
        continue;
      std::optional<int64_t> have = elementCount(outside), want = countElements(inside, getSizes());
      if (!have || !want || *have != *want)
        return emitOpError() << role << " #" << number << " of shape " << shapeText(outside)
                             << " has " << textOf(have) << " elements, the kernel's " << inside
                             << " of sizes " << textOfSizes(getSizes()) << " has " << textOf(want);
    }
    return success();
  };
  if (failed(check("input", getInputs().getTypes(), kernel.getArgumentTypes())))
    return failure();
  return check("output", getOutputs().getTypes(), kernel.getResultTypes());
}

LogicalResult PrepareOp::verifySymbolUses(SymbolTableCollection &symbols) {
  Operation *found = symbols.lookupNearestSymbolFrom(*this, getFunctionAttr());
  auto function = dyn_cast_or_null<FunctionOpInterface>(found);
  if (!function || isa<KernelOp>(found))
    return emitOpError() << "there is no function " << getFunctionAttr();
  if (TypeRange(function.getArgumentTypes()) != getInputs().getTypes() ||
      TypeRange(function.getResultTypes()) != getOutputs().getTypes())
    return emitOpError() << "takes " << getInputs().getTypes() << " and gives "
                         << getOutputs().getTypes() << ", the function takes "
                         << TypeRange(function.getArgumentTypes()) << " and gives "
                         << TypeRange(function.getResultTypes());
  return success();
}

} // namespace weft
