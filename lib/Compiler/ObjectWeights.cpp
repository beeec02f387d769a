// Large constants of a model in a file of their own.
#include "lib/Compiler/ObjectWeights.h"
#include "codegen/CPU/ArtifactABI.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/SafeTensors.h"
#include "lib/Compiler/Types.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

using namespace mlir;

namespace weft {

/// What is smaller stays in the object.
static constexpr uint64_t leastBytes = 1024;

static bool isWeight(ConstantOp constant) {
  return constant->hasAttr("weft.name") ||
         bytesOfElements(cast<ElementsAttr>(constant.getValue())) >= leastBytes;
}

/// The constant's name, or a number; no two alike.
static std::string nameFor(ConstantOp constant, llvm::StringSet<> &taken) {
  auto given = constant->getAttrOfType<StringAttr>("weft.name");
  std::string name = given ? given.str() : "constant." + std::to_string(taken.size());
  std::string unique = name;
  for (int number = 2; !taken.insert(unique).second; ++number)
    unique = name + "." + std::to_string(number);
  return unique;
}

static void noteFile(ModuleOp module, StringRef content, uint64_t headerBytes) {
  Builder builder(module.getContext());
  auto entry = [&](StringRef name, uint64_t value) {
    return builder.getNamedAttr(name, builder.getI64IntegerAttr(static_cast<int64_t>(value)));
  };
  module->setAttr(
      weightsAttribute,
      builder.getDictionaryAttr({entry("bytes", content.size()), entry("header_bytes", headerBytes),
                                 entry("hash", llvm::xxHash64(content))}));
}

void moveWeightsToFile(ModuleOp module, StringRef path) {
  llvm::StringMap<SmallVector<ConstantOp>> constants;
  // A weight that several functions read is there once.
  llvm::DenseMap<Attribute, std::string> names;
  llvm::StringSet<> taken;
  std::vector<SafeTensor> tensors;
  std::vector<std::vector<char>> copies;
  module.walk([&](ConstantOp constant) {
    if (!constant->getParentOfType<func::FuncOp>() || !isWeight(constant))
      return;
    auto elements = cast<ElementsAttr>(constant.getValue());
    if (auto known = names.find(elements); known != names.end()) {
      constants[known->second].push_back(constant);
      return;
    }
    copies.emplace_back(bytesOfElements(elements));
    copyElements(elements, copies.back().data());
    tensors.push_back({nameFor(constant, taken), signatureOf(constant.getType()), copies.back()});
    names[elements] = tensors.back().name;
    constants[tensors.back().name].push_back(constant);
  });
  writeSafeTensors(path, tensors);

  auto file = mapFile(path);
  StringRef content = file->getBuffer();
  uint64_t headerBytes = 8 + llvm::support::endian::read64le(content.bytes_begin());
  Builder builder(module.getContext());
  for (const SafeTensor &tensor : readSafeTensors(content, path)) {
    int64_t offset = tensor.elements.begin() - content.begin() - static_cast<int64_t>(headerBytes);
    for (ConstantOp constant : constants.at(tensor.name))
      constant->setAttr(weightOffsetAttribute, builder.getI64IntegerAttr(offset));
  }
  noteFile(module, content, headerBytes);
}

} // namespace weft
