// Diagnostics of MLIR as text.
#pragma once

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include <string>

namespace weft {

/// Collects the errors that MLIR emits while it lives.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context)
      : handler(&context, [this](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error || !message.empty())
            return;
          if (auto line = diagnostic.getLocation()->findInstanceOf<mlir::FileLineColLoc>())
            message = line.getFilename().str() + ":" + std::to_string(line.getLine()) + ": ";
          message += diagnostic.str();
        }) {}

  /// The first error with the user's line, or `otherwise` if there was none.
  std::string text(const std::string &otherwise) const {
    return message.empty() ? otherwise : message;
  }

private:
  std::string message;
  mlir::ScopedDiagnosticHandler handler;
};

} // namespace weft
