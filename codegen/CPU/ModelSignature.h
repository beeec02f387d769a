// What a caller sees of a model: read from the types and attributes of its function.
#pragma once

#include "lib/Support/DType.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include <optional>
#include <string>
#include <vector>

namespace weft {

struct ModelTensor {
  /// An identifier of C and C++ that is not reserved and looks like no macro; no two alike.
  std::string name;
  DType dtype;
  /// Sizes, known or symbolic.
  std::vector<int64_t> shape;
};

/// A symbolic size, and the dimension of an input that it is read from.
struct ModelSymbol {
  std::string name;
  /// The name as an identifier of C, like those of tensors.
  std::string parameter;
  int64_t input = 0;
  int64_t dimension = 0;
};

struct ModelSignature {
  std::vector<ModelTensor> inputs, outputs;
  /// In the order in which the inputs name them.
  std::vector<ModelSymbol> symbols;

  /// As the program has them.
  std::vector<std::string> symbolNames() const;
};

/// The signature of @main. Arguments and results are named by the attribute `weft.name`, else
/// input0, input1, ... and output0, ...; what is no identifier of C is made one. Gives nothing, and
/// an error on the function, where a type is no tensor with a dtype, or a symbol is no dimension of
/// an input.
std::optional<ModelSignature> readSignature(mlir::func::FuncOp main);

/// True for letters, digits and underscores, but no digit first.
bool isCIdentifier(llvm::StringRef name);

/// True for what the names of a model's functions can begin with: an identifier of C that neither
/// C, C++ nor Weft (weft, weft_...) keeps to itself.
bool isModelName(llvm::StringRef name);

} // namespace weft
