#include "lib/Compiler/BytecodeLayout.h"
#include "test/unit/compiler/ParseProgram.h"

#include "mlir/Bytecode/BytecodeWriter.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

using namespace weft;

namespace {

std::string bytecodeOf(llvm::StringRef text) {
  mlir::MLIRContext context(mlir::MLIRContext::Threading::DISABLED);
  context.allowUnregisteredDialects();
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  std::string bytes;
  llvm::raw_string_ostream stream(bytes);
  EXPECT_TRUE(module && succeeded(mlir::writeBytecodeToFile(*module, stream)));
  return bytes;
}

bool fits(llvm::StringRef bytes) { return hasFittingTable(llvm::MemoryBufferRef(bytes, "test")); }

const llvm::StringRef program = R"mlir(
  "a.b"() {x = 1 : i32, y = "text", z = [1.0 : f64, unit], d = dense<1> : tensor<300xi8>} : () -> ()
  "c.d"() {r = dense_resource<blob> : tensor<4xi8>} : () -> (tensor<?x2xf32>, index, vector<4xi1>)
  {-# dialect_resources: {builtin: {blob: "0x0400000001020304"}} #-}
)mlir";

TEST(BytecodeLayout, WhatTheWriterWritesFits) {
  EXPECT_TRUE(fits(bytecodeOf("")));
  EXPECT_TRUE(fits(bytecodeOf(program)));
}

TEST(BytecodeLayout, AnyByteMayBeWrong) {
  std::string whole = bytecodeOf(program);
  for (size_t end = 0; end <= whole.size(); ++end)
    fits(llvm::StringRef(whole).take_front(end));
  size_t found = 0;
  for (char &byte : whole)
    for (int value : {0, 1, 2, 0x7f, 0xff}) {
      char former = std::exchange(byte, char(value));
      found += !fits(whole);
      byte = former;
    }
  // The counts of groups are among the bytes.
  EXPECT_GT(found, 0u);
}

} // namespace
