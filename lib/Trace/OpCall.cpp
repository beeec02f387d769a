// Keys of op applications.
#include "lib/Trace/OpCall.h"

#include "lib/Support/Error.h"

#include "llvm/ADT/Hashing.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/raw_ostream.h"

#include <bit>

using namespace weft;

const char *weft::internAttributeName(llvm::StringRef name) {
  static auto &names = *new llvm::StringSet<>();
  return names.insert(name).first->getKeyData();
}

uint64_t weft::hashKey(llvm::ArrayRef<int64_t> key) {
  uint64_t hash = 0x9e3779b97f4a7c15;
  for (int64_t word : key) {
    hash = (hash ^ static_cast<uint64_t>(word)) * 0xbf58476d1ce4e5b9;
    hash ^= hash >> 29;
  }
  return hash;
}

static void appendValue(Key &key, const AttributeValue &value) {
  key.push_back(static_cast<int64_t>(value.index()));
  if (auto *integer = std::get_if<int64_t>(&value)) {
    key.push_back(*integer);
  } else if (auto *real = std::get_if<double>(&value)) {
    key.push_back(std::bit_cast<int64_t>(*real));
  } else if (auto *flag = std::get_if<bool>(&value)) {
    key.push_back(*flag);
  } else {
    const Shape &list = std::get<Shape>(value);
    key.push_back(static_cast<int64_t>(list.size()));
    key.append(list.begin(), list.end());
  }
}

const Shape &OpCall::list(llvm::StringRef name) const {
  for (const NamedValue &attribute : attributes)
    if (attribute.name == name)
      return std::get<Shape>(attribute.value);
  throw Error(Error::Kind::Value, op->pythonName.str() + ": no attribute " + name.str());
}

void OpCall::appendKey(Key &key) const {
  key.push_back(reinterpret_cast<intptr_t>(op));
  if (op->explicitResult)
    appendSignature(key, resultDType, resultShape);
  for (const NamedValue &attribute : attributes) {
    key.push_back(reinterpret_cast<intptr_t>(attribute.name));
    appendValue(key, attribute.value);
  }
}

std::string weft::shapeTuple(llvm::ArrayRef<int64_t> shape) {
  std::string text = "(";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + sizeText(shape[i]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

std::string weft::describe(DType dtype, llvm::ArrayRef<int64_t> shape) {
  std::string text(dtypeName(dtype));
  text += "[";
  for (size_t i = 0; i < shape.size(); ++i)
    text += (i ? ", " : "") + sizeText(shape[i]);
  return text + "]";
}
