// Programs from text, with their sizes resolved.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::testing {

/// Parses `text` and resolves its sizes; the test fails if it can't be.
inline mlir::OwningOpRef<mlir::ModuleOp> parseProgram(const std::string &text) {
  mlir::MLIRContext &context = Compiler::instance().context();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  EXPECT_TRUE(module) << text;
  mlir::PassManager passes(&context);
  passes.addPass(createResolveSizes());
  EXPECT_TRUE(succeeded(passes.run(*module))) << text;
  return module;
}

} // namespace weft::testing
