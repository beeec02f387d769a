// Makes a module smaller for as long as a test finds it interesting.
#pragma once

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/OwningOpRef.h"

#include <string>
#include <vector>

namespace weft {

/// A program that is given the name of a file as its last argument and exits with 0 if the file is
/// interesting.
struct InterestingnessTest {
  std::string program; ///< a path
  std::vector<std::string> arguments;
  unsigned seconds = 0; ///< a run that takes longer is not interesting

  /// The exit status for the text of a module; negative if the program did not end by itself.
  /// `error` says why it could not be run.
  int run(llvm::StringRef text, std::string &error) const;
};

/// What a reduction did.
struct ReductionCounts {
  size_t runs = 0;
  size_t operationsBefore = 0;
  size_t operationsAfter = 0;
};

/// Changes `module`, which must be interesting, into a smaller one that is.
ReductionCounts reduce(mlir::OwningOpRef<mlir::ModuleOp> &module, const InterestingnessTest &test);

/// The text that the test is given: without locations.
std::string textOf(mlir::ModuleOp module);

} // namespace weft
