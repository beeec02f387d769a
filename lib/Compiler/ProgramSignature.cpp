// Signatures of programs, and what calls bind.
#include "lib/Compiler/ProgramSignature.h"
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/Builders.h"

using namespace mlir;

namespace weft {

std::string signatureText(const TensorSignature &signature) {
  std::string text(dtypeName(signature.dtype));
  text += '[';
  for (size_t i = 0; i < signature.shape.size(); ++i)
    text += (i ? ", " : "") + sizeText(signature.shape[i]);
  return text + ']';
}

//===----------------------------------------------------------------------===//
// Binding
//===----------------------------------------------------------------------===//

namespace {

/// factor * symbol + constant
struct LinearSize {
  std::string symbol;
  int64_t factor = 0, constant = 0;
};

/// A size of one symbol, whose value it tells; nothing for other sizes.
std::optional<LinearSize> linearSize(int64_t size) {
  LinearSize result;
  const SizeExpression expression = expressionOf(size);
  for (const auto &[factors, coefficient] : expression) {
    if (factors.empty()) {
      result.constant = coefficient;
      continue;
    }
    if (factors.size() != 1 || factors[0].symbol.empty() || !result.symbol.empty())
      return std::nullopt;
    result.symbol = factors[0].symbol;
    result.factor = coefficient;
  }
  return result.symbol.empty() ? std::nullopt : std::optional(result);
}

/// Finds the symbols' values from the sizes of arguments, and checks all sizes.
class SizeSolver {
public:
  SizeSolver(const ProgramSignature &program, llvm::ArrayRef<TensorSignature> actual)
      : program(program), actual(actual) {}

  SizeBindings solve() {
    for (size_t i = 0; i < actual.size(); ++i)
      for (size_t axis = 0; axis < actual[i].shape.size(); ++axis)
        bindFrom(i, axis);
    for (size_t i = 0; i < actual.size(); ++i)
      for (size_t axis = 0; axis < actual[i].shape.size(); ++axis)
        if (valueOf(expected(i, axis)) != actual[i].shape[axis])
          fail(i, axis);
    return std::move(bindings);
  }

private:
  int64_t expected(size_t input, size_t axis) const {
    return program.inputs[input].signature.shape[axis];
  }

  int64_t valueOf(int64_t size) const {
    return evaluateSize(size, [&](std::string_view name) -> std::optional<int64_t> {
      auto found = bindings.find(name);
      return found == bindings.end() ? std::nullopt : std::optional(found->second);
    });
  }

  /// Binds the symbol of a size like "2*n + 1".
  void bindFrom(size_t input, size_t axis) {
    auto linear = linearSize(expected(input, axis));
    if (!linear || bindings.count(linear->symbol))
      return;
    int64_t rest = actual[input].shape[axis] - linear->constant;
    if (rest % linear->factor != 0 || rest / linear->factor < 0)
      fail(input, axis);
    bindings[linear->symbol] = rest / linear->factor;
  }

  [[noreturn]] void fail(size_t input, size_t axis) const {
    const ProgramTensor &tensor = program.inputs[input];
    std::string known;
    for (const std::string &symbol : symbolsIn(expected(input, axis)))
      if (auto found = bindings.find(symbol); found != bindings.end())
        known +=
            (known.empty() ? ", where " : ", ") + symbol + " is " + std::to_string(found->second);
    throw Error(Error::Kind::Value, "the argument " + tensor.name + " has to be " +
                                        signatureText(tensor.signature) + known + ", but is " +
                                        signatureText(actual[input]) + ": dimension " +
                                        std::to_string(axis) + " does not fit");
  }

  const ProgramSignature &program;
  llvm::ArrayRef<TensorSignature> actual;
  SizeBindings bindings;
};

} // namespace

SizeBindings ProgramSignature::bind(llvm::ArrayRef<TensorSignature> actual) const {
  if (actual.size() != inputs.size())
    throw Error(Error::Kind::Type, "the program takes " + std::to_string(inputs.size()) +
                                       " tensors, not " + std::to_string(actual.size()));
  for (size_t i = 0; i < inputs.size(); ++i) {
    const TensorSignature &wanted = inputs[i].signature;
    if (actual[i].dtype != wanted.dtype || actual[i].shape.size() != wanted.shape.size())
      throw Error(actual[i].dtype != wanted.dtype ? Error::Kind::Type : Error::Kind::Value,
                  "the argument " + inputs[i].name + " has to be " + signatureText(wanted) +
                      ", but is " + signatureText(actual[i]));
  }
  return SizeSolver(*this, actual).solve();
}

//===----------------------------------------------------------------------===//
// From the IR
//===----------------------------------------------------------------------===//

/// Notes the symbols that bind() will find. Throws if the inputs have others.
static void collectSymbols(ProgramSignature &program) {
  auto isKnown = [&](const std::string &name) { return llvm::is_contained(program.symbols, name); };
  for (const ProgramTensor &input : program.inputs)
    for (int64_t size : input.signature.shape)
      if (auto linear = linearSize(size); linear && !isKnown(linear->symbol))
        program.symbols.push_back(linear->symbol);
  for (const ProgramTensor &input : program.inputs)
    for (int64_t size : input.signature.shape)
      for (const std::string &name : symbolsIn(size))
        if (!isKnown(name))
          throw Error(Error::Kind::Value, "no argument has a size that tells the number " + name +
                                              ": the size " + sizeText(size) + " of " + input.name +
                                              " does not. Name a dimension by " + name + " alone");
}

static ProgramTensor tensorOf(Type type, Attribute name, const char *otherwise, unsigned number) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor || llvm::is_contained(tensor.getShape(), ShapedType::kDynamic))
    throw Error(Error::Kind::Value, "the arguments and results of @main have to be ranked tensors "
                                    "of known or named sizes");
  auto given = dyn_cast_or_null<StringAttr>(name);
  return {given ? given.str() : otherwise + std::to_string(number),
          {dtypeOf(tensor.getElementType()), tensor.getShape().vec()}};
}

ProgramSignature signatureOfProgram(ModuleOp module) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isExternal())
    throw Error(Error::Kind::Value, "the program has no function @main");
  ProgramSignature program;
  for (auto [i, type] : llvm::enumerate(main.getArgumentTypes()))
    program.inputs.push_back(tensorOf(type, main.getArgAttr(i, "weft.name"), "input_", i));
  for (auto [i, type] : llvm::enumerate(main.getResultTypes()))
    program.outputs.push_back(tensorOf(type, main.getResultAttr(i, "weft.name"), "output_", i));
  collectSymbols(program);
  return program;
}

} // namespace weft
