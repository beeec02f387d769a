// What an object says of itself.
#include "lib/Compiler/ObjectMetadata.h"
#include "lib/Support/Error.h"
#include "lib/Support/SymbolicSize.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"

using namespace llvm::support;

namespace weft {

static constexpr uint32_t formatVersion = 1;
static constexpr size_t headerBytes = 32, alignment = 8;
/// Metadata is a few kilobytes; what is much larger is damaged.
static constexpr uint64_t mostBytes = 64 << 20;

std::string weftVersion() { return WEFT_VERSION; }

std::string encodeMetadata(const llvm::json::Object &metadata) {
  std::string json;
  llvm::raw_string_ostream(json) << llvm::json::Value(llvm::json::Object(metadata));
  std::string contents = metadataMagic.str();
  contents.resize(headerBytes);
  endian::write32le(&contents[8], formatVersion);
  endian::write64le(&contents[16], json.size());
  endian::write64le(&contents[24], llvm::xxh3_64bits(json));
  contents += json;
  contents.resize(llvm::alignTo(contents.size(), alignment));
  return contents;
}

void sealMetadata(std::string &contents, size_t at) {
  llvm::StringRef rest = llvm::StringRef(contents).drop_front(at);
  if (rest.size() < headerBytes)
    return;
  uint64_t bytes = endian::read64le(rest.data() + 16);
  if (bytes <= rest.size() - headerBytes)
    endian::write64le(&contents[at + 24], llvm::xxh3_64bits(rest.substr(headerBytes, bytes)));
}

/// The parser recurses: metadata has few levels.
static bool isNestedTooDeeply(llvm::StringRef json) {
  constexpr int mostLevels = 16;
  int level = 0;
  bool inString = false;
  for (size_t i = 0; i < json.size(); ++i) {
    char c = json[i];
    if (inString && c == '\\')
      ++i;
    else if (c == '"')
      inString = !inString;
    else if (!inString && (c == '[' || c == '{') && ++level > mostLevels)
      return true;
    else if (!inString && (c == ']' || c == '}'))
      --level;
  }
  return false;
}

/// Takes the first description off `contents`.
static llvm::json::Object decodeFirst(llvm::StringRef &contents, llvm::StringRef path) {
  auto fail = [&](const std::string &reason) {
    throw Error(Error::Kind::IO, path.str() + ": the metadata " + reason);
  };
  if (contents.size() < headerBytes || !contents.starts_with(metadataMagic))
    fail("is damaged: it does not begin as it should");
  if (uint32_t version = endian::read32le(&contents.data()[8]); version != formatVersion)
    fail("is of format " + std::to_string(version) + "; this version of Weft reads format " +
         std::to_string(formatVersion));
  uint64_t bytes = endian::read64le(&contents.data()[16]);
  if (bytes > mostBytes || bytes > contents.size() - headerBytes)
    fail("is damaged: it is cut off");
  llvm::StringRef json = contents.substr(headerBytes, bytes);
  if (endian::read64le(&contents.data()[24]) != llvm::xxh3_64bits(json))
    fail("is damaged: its checksum is wrong");
  if (isNestedTooDeeply(json))
    fail("is damaged: it is nested too deeply");
  auto value = llvm::json::parse(json);
  if (!value)
    fail("is damaged: " + llvm::toString(value.takeError()));
  llvm::json::Object *object = value->getAsObject();
  if (!object)
    fail("is damaged: it is no JSON object");
  contents = contents.drop_front(
      std::min<size_t>(contents.size(), llvm::alignTo(headerBytes + bytes, alignment)));
  return std::move(*object);
}

std::vector<llvm::json::Object> decodeMetadata(llvm::StringRef contents, llvm::StringRef path) {
  std::vector<llvm::json::Object> all;
  while (!contents.empty())
    all.push_back(decodeFirst(contents, path));
  return all;
}

//===----------------------------------------------------------------------===//
// Writing
//===----------------------------------------------------------------------===//

static llvm::json::Array describeTensors(const std::vector<ModelTensor> &tensors) {
  llvm::json::Array result;
  for (const ModelTensor &tensor : tensors) {
    llvm::json::Array shape;
    for (int64_t size : tensor.shape)
      shape.push_back(isSymbolicSize(size) ? llvm::json::Value(sizeText(size))
                                           : llvm::json::Value(size));
    result.push_back(llvm::json::Object{
        {"name", tensor.name},
        {"dtype", llvm::StringRef(dtypeName(tensor.dtype).data(), dtypeName(tensor.dtype).size())},
        {"shape", std::move(shape)},
        {"alignment", static_cast<int64_t>(dtypeSize(tensor.dtype))}});
  }
  return result;
}

void describeSignature(const ModelSignature &signature, llvm::json::Object &metadata) {
  llvm::json::Array symbols;
  for (const ModelSymbol &symbol : signature.symbols)
    symbols.push_back(symbol.name);
  metadata["symbols"] = std::move(symbols);
  metadata["inputs"] = describeTensors(signature.inputs);
  metadata["outputs"] = describeTensors(signature.outputs);
}

//===----------------------------------------------------------------------===//
// As text. What was read may have any shape: what is missing is left out.
//===----------------------------------------------------------------------===//

namespace {

class MetadataPrinter {
public:
  explicit MetadataPrinter(const llvm::json::Object &metadata) : metadata(metadata), out(text) {}

  std::string print() {
    out << "model " << string(metadata, "name") << ", compiled by Weft " << string(metadata, "weft")
        << " (LLVM " << string(metadata, "llvm") << ")\n";
    out << "  target   " << string(metadata, "target") << " (" << string(metadata, "triple")
        << ")\n";
    out << "  threads  " << string(metadata, "threads") << "\n";
    out << "  C ABI    " << metadata.getInteger("abi").value_or(0) << "\n";
    if (auto bytes = metadata.getInteger("workspace_bytes"))
      out << "  workspace " << *bytes << " bytes\n";
    if (const llvm::json::Object *weights = metadata.getObject("weights"))
      out << "  weights  in " << string(*weights, "file") << ", "
          << weights->getInteger("bytes").value_or(0) << " bytes\n";
    printTensors("inputs");
    printTensors("outputs");
    printKernels();
    return text;
  }

private:
  static llvm::StringRef string(const llvm::json::Object &object, llvm::StringRef key) {
    return object.getString(key).value_or("?");
  }

  static std::string textOf(const llvm::json::Value &value) {
    if (auto string = value.getAsString())
      return string->str();
    return llvm::formatv("{0}", value).str();
  }

  static std::string joined(const llvm::json::Array *values) {
    std::string result;
    if (values)
      for (const llvm::json::Value &value : *values)
        result += (result.empty() ? "" : ", ") + textOf(value);
    return result;
  }

  void printTensors(llvm::StringRef key) {
    out << "  " << key << "\n";
    if (const llvm::json::Array *tensors = metadata.getArray(key))
      for (const llvm::json::Value &value : *tensors)
        if (const llvm::json::Object *tensor = value.getAsObject())
          out << "    " << string(*tensor, "name") << ": " << string(*tensor, "dtype") << "["
              << joined(tensor->getArray("shape")) << "], aligned to "
              << tensor->getInteger("alignment").value_or(1) << "\n";
  }

  void printKernels() {
    out << "  kernels\n";
    if (const llvm::json::Array *kernels = metadata.getArray("kernels"))
      for (const llvm::json::Value &value : *kernels)
        if (const llvm::json::Object *kernel = value.getAsObject()) {
          std::string lines = joined(kernel->getArray("lines"));
          out << "    " << string(*kernel, "name") << (lines.empty() ? "" : ": " + lines) << "\n";
        }
  }

  const llvm::json::Object &metadata;
  std::string text;
  llvm::raw_string_ostream out;
};

} // namespace

std::string metadataText(const llvm::json::Object &metadata) {
  return MetadataPrinter(metadata).print();
}

} // namespace weft
