// What a stage notes of indices that do not exist, as an attribute of its function.
#include "codegen/NVPTX/FaultSiteAttribute.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace weft {

ArrayAttr faultSitesAttribute(MLIRContext *context, ArrayRef<FaultSite> sites) {
  Builder builder(context);
  SmallVector<Attribute> parts;
  for (const FaultSite &site : sites)
    parts.append({builder.getStringAttr(site.text), builder.getI64IntegerAttr(site.dimension)});
  return builder.getArrayAttr(parts);
}

std::vector<FaultSite> faultSitesOf(ArrayAttr attribute) {
  std::vector<FaultSite> sites;
  for (size_t place = 0; attribute && place + 1 < attribute.size(); place += 2)
    sites.push_back({cast<StringAttr>(attribute[place]).getValue().str(),
                     cast<IntegerAttr>(attribute[place + 1]).getInt()});
  return sites;
}

} // namespace weft
