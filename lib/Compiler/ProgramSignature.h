// What a program takes and gives: names, dtypes, and shapes with symbolic sizes.
#pragma once

#include "lib/Compiler/Instantiate.h"
#include "lib/Runtime/TensorSignature.h"

#include <string>
#include <vector>

namespace weft {

/// An argument or result of @main. Its shape may hold handles, see lib/Support/SymbolicSize.h.
struct ProgramTensor {
  std::string name;
  TensorSignature signature;
};

struct ProgramSignature {
  std::vector<ProgramTensor> inputs, outputs;
  /// The symbols of the inputs, in the order in which they appear.
  std::vector<std::string> symbols;

  /// The symbols' sizes for inputs of these signatures. Throws weft::Error (Type or Value), naming
  /// the input, what it should be and what it is.
  SizeBindings bind(llvm::ArrayRef<TensorSignature> actual) const;
};

/// The signature of @main, whose sizes are resolved (weft-resolve-sizes). Names are those of the
/// attribute `weft.name` of arguments and results, else "input_0", "output_0". Throws weft::Error
/// if there is no such function, or a symbol of a size can't be told from the inputs' sizes.
ProgramSignature signatureOfProgram(mlir::ModuleOp module);

/// "float32[2*n, 3]".
std::string signatureText(const TensorSignature &signature);

} // namespace weft
