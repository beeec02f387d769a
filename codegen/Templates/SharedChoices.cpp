// What several templates ask of a kernel and of a launch of it.
#include "codegen/Templates/SharedChoices.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

std::optional<int64_t> knownProduct(ArrayRef<int64_t> symbols, LaunchOp launch) {
  if (!launch)
    return std::nullopt;
  auto product = productOf(
      llvm::map_to_vector(symbols, [&](int64_t symbol) { return launch.getSizes()[symbol]; }));
  return product && !isSymbolicSize(*product) ? product : std::nullopt;
}

int64_t elementsIn(Type type, LaunchOp launch) {
  auto encoding = cast<SizesAttr>(cast<RankedTensorType>(type).getEncoding());
  return knownProduct(encoding.getSymbols(), launch).value_or(0);
}

int64_t elementBytes(Type type) {
  return std::max(1u, getElementTypeOrSelf(type).getIntOrFloatBitWidth() / 8);
}

int64_t gpuLanesOf(KernelOp kernel) {
  constexpr int64_t vectorBytes = 16, mostLanes = 8;
  int64_t widest = 1;
  for (ArrayRef<Type> types : {kernel.getArgumentTypes(), kernel.getResultTypes()})
    for (Type type : types)
      widest = std::max(widest, elementBytes(type));
  return std::min(vectorBytes / widest, mostLanes);
}

} // namespace weft
