// Reading and writing safetensors files.
#include "lib/Compiler/SafeTensors.h"
#include "lib/Compiler/JsonCursor.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

#include <algorithm>
#include <limits>
#include <optional>

namespace weft {

namespace {

constexpr size_t lengthBytes = 8;
/// An entry of the header that is no tensor.
constexpr llvm::StringLiteral metadataName = "__metadata__";
/// The limit of the safetensors library; a larger header is no honest one.
constexpr uint64_t maximumHeaderBytes = 100'000'000;

struct Name {
  DType dtype;
  llvm::StringLiteral text;
};
constexpr Name dtypeNames[] = {
    {DType::Bool, "BOOL"},          {DType::Int8, "I8"},       {DType::Int16, "I16"},
    {DType::Int32, "I32"},          {DType::Int64, "I64"},     {DType::UInt8, "U8"},
    {DType::Float16, "F16"},        {DType::BFloat16, "BF16"}, {DType::Float32, "F32"},
    {DType::Float64, "F64"},        {DType::UInt16, "U16"},    {DType::UInt32, "U32"},
    {DType::UInt64, "U64"},         {DType::Complex64, "C64"}, {DType::Float8E4M3FN, "F8_E4M3"},
    {DType::Float8E5M2, "F8_E5M2"},
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
    std::vector<SafeTensor> tensors;
    auto stop = [&](const std::string &reason) {
      current.reset();
      fail("is no safetensors file: " + reason);
    };
    JsonCursor json(content.substr(lengthBytes, bytes), stop);
    json.object([&](const std::string &name) {
      if (!names.insert(name).second)
        fail("is no safetensors file: its header has the name " + printable(name) + " twice");
      if (name == metadataName)
        skipMetadata(json);
      else
        tensors.push_back(tensor(name, json));
    });
    json.end();
    checkThatDataIsFilled(tensors);
    return tensors;
  }

private:
  [[noreturn]] void fail(const std::string &reason) {
    throw Error(Error::Kind::IO, path.str() + ": " +
                                     (current ? "the tensor " + printable(*current) + " " : "") +
                                     reason);
  }

  static std::string printable(llvm::StringRef name) {
    std::string text;
    llvm::raw_string_ostream stream(text);
    llvm::printEscapedString(name.take_front(200), stream);
    return text;
  }

  /// Texts by name, or null.
  static void skipMetadata(JsonCursor &json) {
    if (!json.null())
      json.object([&](const std::string &) { json.string(); });
  }

  SafeTensor tensor(const std::string &name, JsonCursor &json) {
    current = name;
    std::optional<std::string> dtypeText;
    std::optional<std::vector<uint64_t>> sizes, offsets;
    auto once = [&](auto &field, auto read) {
      if (field)
        fail("has one of its fields twice");
      field = read();
    };
    auto numbers = [&] {
      std::vector<uint64_t> result;
      json.array([&] { result.push_back(json.unsignedNumber()); });
      return result;
    };
    json.object([&](const std::string &field) {
      if (field == "dtype")
        once(dtypeText, [&] { return json.string(); });
      else if (field == "shape")
        once(sizes, numbers);
      else if (field == "data_offsets")
        once(offsets, numbers);
      else
        json.skip();
    });
    if (!dtypeText || !sizes || !offsets || offsets->size() != 2)
      fail("has no dtype, shape and offsets");
    SafeTensor result{name, {dtype(*dtypeText), shape(*sizes)}, {}};
    result.elements = elements(result.signature, (*offsets)[0], (*offsets)[1]);
    current.reset();
    return result;
  }

  llvm::ArrayRef<char> elements(const TensorSignature &signature, uint64_t begin, uint64_t end) {
    if (end < begin || end > data.size())
      fail("lies outside of the file");
    uint64_t bytes = signature.bytes();
    if (end - begin != bytes)
      fail("has " + std::to_string(end - begin) + " bytes, but " + signature.toString() +
           " needs " + std::to_string(bytes));
    return {data.data() + begin, bytes};
  }

  DType dtype(llvm::StringRef name) {
    for (const Name &known : dtypeNames)
      if (name == known.text)
        return known.dtype;
    fail("has the dtype " + printable(name) + ", which weft does not have");
  }

  std::vector<int64_t> shape(llvm::ArrayRef<uint64_t> sizes) {
    uint64_t count = 1;
    for (uint64_t size : sizes)
      if (size > std::numeric_limits<int64_t>::max() || __builtin_mul_overflow(count, size, &count))
        fail("has more elements than a tensor can have");
    return {sizes.begin(), sizes.end()};
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
    current.reset();
    if (end != data.end())
      fail("has elements that belong to no tensor");
  }

  llvm::StringRef content, path, data;
  llvm::StringSet<> names;
  /// The tensor being read.
  std::optional<std::string> current;
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

/// Those whose bytes are a multiple of 64 first, then of 32, and so on: each begins at a multiple
/// of that, as the header's end is one of 64, and is aligned to its element at least.
static std::vector<SafeTensor> inOrderOfAlignment(llvm::ArrayRef<SafeTensor> tensors) {
  std::vector<SafeTensor> ordered(tensors.begin(), tensors.end());
  std::stable_sort(ordered.begin(), ordered.end(),
                   [](const SafeTensor &left, const SafeTensor &right) {
                     static constexpr int most = 6;
                     auto alignment = [](const SafeTensor &tensor) {
                       return std::min(llvm::countr_zero(tensor.elements.size()), most);
                     };
                     return alignment(left) > alignment(right);
                   });
  return ordered;
}

void writeSafeTensors(llvm::StringRef path, llvm::ArrayRef<SafeTensor> tensors) {
  for (const SafeTensor &tensor : tensors)
    if (tensor.name == metadataName)
      throw Error(Error::Kind::IO, path.str() + ": no tensor can have the name " + tensor.name +
                                       ", which safetensors files use for themselves");
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
