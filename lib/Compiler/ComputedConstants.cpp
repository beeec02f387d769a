// Constants that are computed while a program is compiled.
#include "lib/Compiler/ComputedConstants.h"
#include "lib/Compiler/Types.h"
#include "mlir/IR/BuiltinDialect.h"

using namespace mlir;

namespace weft {

ComputedConstants::~ComputedConstants() {
  for (DenseResourceElementsHandle &handle : handles)
    DenseResourceElementsHandle::getManagerInterface(handle.getDialect()->getContext())
        .getBlobManager()
        .update(handle.getKey(), AsmResourceBlob());
}

Value ComputedConstants::add(OpBuilder &builder, Location location, RankedTensorType type,
                             StringAttr name, StorageRef storage) {
  ArrayRef<char> bytes(static_cast<const char *>(storage->data()), signatureOf(type).bytes());
  auto release = [kept = std::move(storage)](void *, size_t, size_t) {};
  auto elements = DenseResourceElementsAttr::get(
      type, name ? name.getValue() : "prepared",
      AsmResourceBlob(bytes, /*dataAlignment=*/64, std::move(release), /*dataIsMutable=*/false));
  handles.push_back(elements.getRawHandle());
  auto constant = ConstantOp::create(builder, location, type, cast<ElementsAttr>(elements));
  if (name)
    constant->setAttr("weft.name", name);
  return constant.getResult();
}

} // namespace weft
