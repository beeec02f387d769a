// Reading and writing safetensors files.
#include "lib/Compiler/SafeTensors.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Support/Error.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

#include <algorithm>

namespace weft {

namespace {

constexpr size_t lengthBytes = 8;
/// The limit of the safetensors library; a larger header is no honest one.
constexpr uint64_t maximumHeaderBytes = 100'000'000;

struct Name {
  DType dtype;
  llvm::StringLiteral text;
};
constexpr Name dtypeNames[] = {
    {DType::Bool, "BOOL"},   {DType::Int8, "I8"},       {DType::Int16, "I16"},
    {DType::Int32, "I32"},   {DType::Int64, "I64"},     {DType::UInt8, "U8"},
    {DType::Float16, "F16"}, {DType::BFloat16, "BF16"}, {DType::Float32, "F32"},
    {DType::Float64, "F64"},
};

/// Takes a header apart; its errors name the file, and the tensor that is being read.
class Reader {
public:
  Reader(llvm::StringRef content, llvm::StringRef path) : content(content), path(path) {}

  std::vector<SafeTensor> read() {
    if (content.size() < lengthBytes)
      fail("is no safetensors file: it is too short");
    uint64_t bytes = llvm::support::endian::read64le(content.data());
    if (bytes > maximumHeaderBytes || bytes > content.size() - lengthBytes)
      fail("is no safetensors file: its header would have " + std::to_string(bytes) +
           " bytes, the file has " + std::to_string(content.size()));
    data = content.drop_front(lengthBytes + bytes);
    if (isNestedTooDeeply(content.substr(lengthBytes, bytes)))
      fail("is no safetensors file: its header is nested too deeply");
    auto header = llvm::json::parse(content.substr(lengthBytes, bytes));
    if (!header)
      fail("is no safetensors file: " + llvm::toString(header.takeError()));
    const llvm::json::Object *entries = header->getAsObject();
    if (!entries)
      fail("is no safetensors file: its header is no JSON object");
    std::vector<SafeTensor> tensors;
    for (const auto &[name, entry] : *entries)
      if (llvm::StringRef(name) != "__metadata__")
        tensors.push_back(tensor(name, entry));
    checkThatDataIsFilled(tensors);
    return tensors;
  }

private:
  [[noreturn]] void fail(const std::string &reason) {
    throw Error(Error::Kind::IO, path.str() + ": " +
                                     (current.empty() ? "" : "the tensor " + current.str() + " ") +
                                     reason);
  }

  /// The JSON parser recurses, and a header has three levels.
  static bool isNestedTooDeeply(llvm::StringRef text) {
    constexpr int maximumDepth = 8;
    int depth = 0;
    bool inString = false;
    for (size_t i = 0; i < text.size() && depth <= maximumDepth; ++i) {
      if (inString && text[i] == '\\')
        ++i;
      else if (text[i] == '"')
        inString = !inString;
      else if (!inString && (text[i] == '{' || text[i] == '['))
        ++depth;
      else if (!inString && (text[i] == '}' || text[i] == ']'))
        --depth;
    }
    return depth > maximumDepth;
  }

  SafeTensor tensor(llvm::StringRef name, const llvm::json::Value &entry) {
    current = name;
    const llvm::json::Object *fields = entry.getAsObject();
    if (!fields)
      fail("has no dtype, shape and offsets");
    SafeTensor result{name.str(), {dtype(*fields), shape(*fields)}, {}};
    uint64_t bytes = result.signature.bytes();
    const llvm::json::Array *offsets = fields->getArray("data_offsets");
    auto begin = offsets && offsets->size() == 2 ? (*offsets)[0].getAsInteger() : std::nullopt;
    auto end = begin ? (*offsets)[1].getAsInteger() : std::nullopt;
    if (!end || *begin < 0 || *end < *begin || static_cast<uint64_t>(*end) > data.size())
      fail("lies outside of the file");
    if (static_cast<uint64_t>(*end - *begin) != bytes)
      fail("has " + std::to_string(*end - *begin) + " bytes, but " + result.signature.toString() +
           " needs " + std::to_string(bytes));
    result.elements = llvm::ArrayRef<char>(data.data() + *begin, bytes);
    current = "";
    return result;
  }

  DType dtype(const llvm::json::Object &fields) {
    auto name = fields.getString("dtype");
    for (const Name &known : dtypeNames)
      if (name == known.text)
        return known.dtype;
    fail("has the dtype " + (name ? name->str() : std::string("of no name")) +
         ", which weft does not have");
  }

  std::vector<int64_t> shape(const llvm::json::Object &fields) {
    const llvm::json::Array *sizes = fields.getArray("shape");
    if (!sizes)
      fail("has no shape");
    std::vector<int64_t> result;
    for (const llvm::json::Value &size : *sizes) {
      auto number = size.getAsInteger();
      if (!number || *number < 0)
        fail("has a shape that is not of sizes");
      result.push_back(*number);
    }
    return result;
  }

  void checkThatDataIsFilled(std::vector<SafeTensor> &tensors) {
    std::sort(tensors.begin(), tensors.end(), [](const SafeTensor &left, const SafeTensor &right) {
      return std::pair(left.elements.data(), left.elements.size()) <
             std::pair(right.elements.data(), right.elements.size());
    });
    const char *end = data.data();
    for (const SafeTensor &tensor : tensors) {
      current = tensor.name;
      if (tensor.elements.data() != end)
        fail("does not begin where the one before it ends");
      end = tensor.elements.end();
    }
    current = "";
    if (end != data.end())
      fail("has elements that belong to no tensor");
  }

  llvm::StringRef content, path, data;
  /// The tensor being read.
  llvm::StringRef current;
};

llvm::StringRef nameOf(DType dtype) {
  for (const Name &known : dtypeNames)
    if (known.dtype == dtype)
      return known.text;
  llvm_unreachable("all dtypes have a name");
}

} // namespace

std::vector<SafeTensor> readSafeTensors(llvm::StringRef content, llvm::StringRef path) {
  return Reader(content, path).read();
}

/// Larger elements first: so all are aligned, as the header's end is.
static std::vector<SafeTensor> inOrderOfAlignment(llvm::ArrayRef<SafeTensor> tensors) {
  std::vector<SafeTensor> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const SafeTensor &left, const SafeTensor &right) {
                     return dtypeSize(left.signature.dtype) > dtypeSize(right.signature.dtype);
                   });
  return ordered;
}

void writeSafeTensors(llvm::StringRef path, llvm::ArrayRef<SafeTensor> tensors) {
  std::vector<SafeTensor> ordered = inOrderOfAlignment(tensors);
  std::string header;
  llvm::raw_string_ostream text(header);
  llvm::json::OStream json(text);
  json.object([&] {
    int64_t offset = 0;
    for (const SafeTensor &tensor : ordered)
      json.attributeObject(tensor.name, [&] {
        json.attribute("dtype", nameOf(tensor.signature.dtype));
        json.attributeArray("shape", [&] {
          for (int64_t size : tensor.signature.shape)
            json.value(size);
        });
        json.attributeArray("data_offsets", [&] {
          json.value(offset);
          json.value(offset += static_cast<int64_t>(tensor.elements.size()));
        });
      });
  });
  header.append((64 - (lengthBytes + header.size()) % 64) % 64, ' ');
  writeWhole(path, [&](llvm::raw_fd_ostream &stream, int) {
    char length[lengthBytes];
    llvm::support::endian::write64le(length, header.size());
    stream.write(length, sizeof(length));
    stream << header;
    for (const SafeTensor &tensor : ordered)
      stream.write(tensor.elements.data(), tensor.elements.size());
  });
}

} // namespace weft
