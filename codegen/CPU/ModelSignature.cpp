// What a caller sees of a model.
#include "codegen/CPU/ModelSignature.h"
#include "dialects/Weft/IR/ComplexParts.h"
#include "dialects/Weft/IR/ElementTypes.h"
#include "lib/Support/SymbolicSize.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSet.h"

using namespace mlir;

namespace weft {

/// Words that C or C++ keep to themselves, types of the header, and macros in small letters that
/// compilers and the standard's headers define.
static bool isReserved(StringRef name) {
  static const llvm::StringSet<> words = [] {
    llvm::StringSet<> result;
    for (
        StringRef word : llvm::split(
            "alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t "
            "char32_t char8_t class co_await co_return co_yield compl concept const const_cast "
            "consteval constexpr constinit continue decltype default delete do double dynamic_cast "
            "else enum explicit export extern false float for friend goto if inline int long "
            "mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected "
            "public register reinterpret_cast requires restrict return short signed sizeof static "
            "static_assert static_cast struct switch template this thread_local throw true try "
            "typedef typeid typename typeof typeof_unqual union unsigned using virtual void "
            "volatile wchar_t while xor xor_eq "
            "int8_t int16_t int32_t int64_t uint8_t uint16_t uint32_t uint64_t size_t "
            "weft_array weft_range weft_weights weft_parallel_for "
            "I assert complex errno far huge i386 imaginary interface linux math_errhandling near "
            "noreturn offsetof small stderr stdin stdout unix",
            ' '))
      result.insert(word);
    return result;
  }();
  // NAME_options is a type.
  return words.contains(name) || name.ends_with("_options");
}

/// Macros are mostly written in capitals: NULL, EOF, M_PI_2.
static bool isLikeMacro(StringRef name) {
  auto isMacroLetter = [](char c) { return llvm::isUpper(c) || llvm::isDigit(c) || c == '_'; };
  return name.size() > 1 && llvm::all_of(name, isMacroLetter);
}

bool isCIdentifier(StringRef name) {
  auto isPart = [](char c) { return llvm::isAlnum(c) || c == '_'; };
  return !name.empty() && !llvm::isDigit(name[0]) && llvm::all_of(name, isPart);
}

bool isModelName(StringRef name) {
  return isCIdentifier(name) && !name.starts_with("_") && !name.contains("__") && name != "weft" &&
         !name.starts_with("weft_");
}

namespace {

/// Gives each name once.
class Names {
public:
  Names() : taken{"options", "inputs", "outputs", "input_count", "output_count"} {}

  std::string make(StringRef wanted) {
    std::string name;
    // Names with two underscores are reserved in C++.
    for (char c : wanted)
      if (llvm::isAlnum(c) || !StringRef(name).ends_with("_"))
        name += llvm::isAlnum(c) ? c : '_';
    if (name.empty() || llvm::isDigit(name[0]) || name[0] == '_')
      name = "x" + name;
    if (isLikeMacro(name))
      name += name.back() == '_' ? "x" : "_x";
    else if (isReserved(name))
      name += "_";
    std::string unique = name;
    for (int number = 2; !taken.insert(unique).second; ++number)
      unique = name + (name.back() == '_' ? "" : "_") + std::to_string(number);
    return unique;
  }

private:
  llvm::StringSet<> taken;
};

class SignatureReader {
public:
  explicit SignatureReader(func::FuncOp main) : main(main) {}

  std::optional<ModelSignature> read() {
    if (failed(readTensors(outerArgumentTypes(main), "argument", signature.inputs)) ||
        failed(readTensors(outerResultTypes(main), "result", signature.outputs)) ||
        failed(readSymbols()))
      return std::nullopt;
    for (ModelSymbol &symbol : signature.symbols)
      symbol.parameter = names.make(symbol.name);
    for (auto [number, input] : llvm::enumerate(signature.inputs))
      input.name = names.make(
          wanted(main.getArgAttr(number, "weft.name"), "input", number, signature.inputs.size()));
    for (auto [number, output] : llvm::enumerate(signature.outputs))
      output.name = names.make(wanted(main.getResultAttr(number, "weft.name"), "output", number,
                                      signature.outputs.size()));
    return std::move(signature);
  }

private:
  static std::string wanted(Attribute given, StringRef role, size_t number, size_t count) {
    if (auto name = dyn_cast_or_null<StringAttr>(given))
      return name.str();
    return count == 1 ? role.str() : role.str() + std::to_string(number);
  }

  LogicalResult readTensors(ArrayRef<Type> types, StringRef role,
                            std::vector<ModelTensor> &tensors) {
    for (auto [number, type] : llvm::enumerate(types)) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      std::optional<DType> dtype;
      if (tensor)
        dtype = findDType(tensor.getElementType());
      if (!dtype || ShapedType::isDynamicShape(tensor.getShape()))
        return main.emitOpError() << role << " #" << number << " is of type " << type
                                  << "; a compiled function takes and gives tensors whose sizes "
                                     "are numbers or named symbols";
      tensors.push_back({"", *dtype, std::vector<int64_t>(tensor.getShape())});
    }
    return success();
  }

  LogicalResult readSymbols() {
    for (auto [number, input] : llvm::enumerate(signature.inputs))
      for (auto [dimension, size] : llvm::enumerate(input.shape))
        if (isSymbolicSize(size))
          for (const std::string &name : symbolsIn(size))
            if (size == symbolicSize(name) && !find(name))
              signature.symbols.push_back(
                  {name, "", static_cast<int64_t>(number), static_cast<int64_t>(dimension)});
    for (const std::vector<ModelTensor> *tensors : {&signature.inputs, &signature.outputs})
      for (const ModelTensor &tensor : *tensors)
        for (int64_t size : tensor.shape)
          if (failed(checkSymbolsOf(size)))
            return failure();
    return success();
  }

  LogicalResult checkSymbolsOf(int64_t size) {
    if (isSymbolicSize(size))
      for (const std::string &name : symbolsIn(size))
        if (!find(name))
          return main.emitOpError()
                 << "has a dimension of size " << sizeText(size) << ", but no dimension of an "
                 << "argument is " << name << " itself, from which its value could be read";
    return success();
  }

  bool find(StringRef name) const {
    return llvm::any_of(signature.symbols,
                        [&](const ModelSymbol &symbol) { return symbol.name == name; });
  }

  func::FuncOp main;
  ModelSignature signature;
  Names names;
};

} // namespace

std::vector<std::string> ModelSignature::symbolNames() const {
  std::vector<std::string> names;
  for (const ModelSymbol &symbol : symbols)
    names.push_back(symbol.name);
  return names;
}

std::optional<ModelSignature> readSignature(func::FuncOp main) {
  return SignatureReader(main).read();
}

} // namespace weft
