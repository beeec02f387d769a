// Diagnostics of MLIR as text.
#pragma once

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include <string>
#include <thread>

namespace weft {

/// Hears the diagnostics that MLIR emits on this thread while it lives: other threads work in the
/// same context and hear their own.
class DiagnosticListener {
public:
  /// `listen` is called with each diagnostic.
  template <typename Listen>
  DiagnosticListener(mlir::MLIRContext &context, Listen listen)
      : handler(&context,
                [thread = std::this_thread::get_id(),
                 listen](mlir::Diagnostic &diagnostic) -> llvm::LogicalResult {
                  if (std::this_thread::get_id() != thread)
                    return llvm::failure();
                  listen(diagnostic);
                  return llvm::success();
                }) {}

private:
  mlir::ScopedDiagnosticHandler handler;
};

/// Collects the errors that MLIR emits while it lives.
class DiagnosticCollector {
public:
  explicit DiagnosticCollector(mlir::MLIRContext &context)
      : listener(context, [this](mlir::Diagnostic &diagnostic) {
          if (diagnostic.getSeverity() != mlir::DiagnosticSeverity::Error || !message.empty())
            return;
          if (auto line = diagnostic.getLocation()->findInstanceOf<mlir::FileLineColLoc>())
            message = line.getFilename().str() + ":" + std::to_string(line.getLine()) + ": ";
          message += diagnostic.str();
        }) {}
  DiagnosticCollector(const DiagnosticCollector &) = delete;
  DiagnosticCollector &operator=(const DiagnosticCollector &) = delete;

  /// The first error with the user's line, or `otherwise` if there was none.
  std::string text(const std::string &otherwise) const {
    return message.empty() ? otherwise : message;
  }

private:
  std::string message;
  DiagnosticListener listener;
};

} // namespace weft
