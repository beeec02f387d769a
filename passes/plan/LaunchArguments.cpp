// What a planned function says to those who run it.
#include "passes/plan/LaunchArguments.h"
#include "lib/Support/SymbolicSize.h"
#include <bit>

using namespace mlir;

namespace weft {

/// How a kernel gets a parameter: an integer as itself, a number as the bits of a double.
static LaunchArgument parameterArgument(Attribute parameter) {
  using Kind = LaunchArgument::Kind;
  if (auto size = dyn_cast<SymbolicSizeAttr>(parameter))
    return {isa<FloatType>(size.getElement()) ? Kind::SizeAsDouble : Kind::Size, size.getSize()};
  if (auto integer = dyn_cast<IntegerAttr>(parameter)) {
    bool isUnsigned = integer.getType().isUnsignedInteger();
    return {Kind::Bits, isUnsigned ? static_cast<int64_t>(integer.getValue().getZExtValue())
                                   : integer.getValue().getSExtValue()};
  }
  return {Kind::Bits, std::bit_cast<int64_t>(cast<FloatAttr>(parameter).getValueAsDouble())};
}

SmallVector<LaunchArgument> launchArguments(LaunchOp launch, KernelOp kernel) {
  SmallVector<LaunchArgument> arguments;
  for (int64_t size : launch.getSizes().take_front(kernel.getSizeCount()))
    arguments.push_back({LaunchArgument::Kind::Size, size});
  if (auto parameters = launch->getAttrOfType<ArrayAttr>("parameters"))
    llvm::append_range(arguments, llvm::map_range(parameters, parameterArgument));
  return arguments;
}

int64_t bitsOf(const LaunchArgument &argument) {
  int64_t number = std::max<int64_t>(argument.value, 0);
  switch (argument.kind) {
  case LaunchArgument::Kind::Bits:
    return argument.value;
  case LaunchArgument::Kind::Size:
    return number;
  case LaunchArgument::Kind::SizeAsDouble:
    return std::bit_cast<int64_t>(static_cast<double>(number));
  }
  llvm_unreachable("all kinds have bits");
}

bool hasSymbolicSizes(func::FuncOp function) {
  auto isSymbolic = [](Type type) { return hasSymbolicSize(type); };
  return function
             .walk([&](Operation *op) {
               return llvm::any_of(op->getResultTypes(), isSymbolic) ? WalkResult::interrupt()
                                                                     : WalkResult::advance();
             })
             .wasInterrupted() ||
         llvm::any_of(function.getArgumentTypes(), isSymbolic);
}

SmallVector<SmallVector<int64_t>> slotSizes(func::FuncOp function) {
  SmallVector<SmallVector<int64_t>> slots;
  if (auto sizes = function->getAttrOfType<ArrayAttr>("weft.slots"))
    for (auto slot : sizes.getAsRange<ShapeAttr>())
      slots.emplace_back(slot.getSizes());
  return slots;
}

SmallVector<int64_t> sizeConditions(func::FuncOp function) {
  auto conditions = function->getAttrOfType<ShapeAttr>("weft.conditions");
  return conditions ? SmallVector<int64_t>(conditions.getSizes()) : SmallVector<int64_t>();
}

} // namespace weft
