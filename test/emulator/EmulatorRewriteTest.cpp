// What the emulator refuses before anything runs, and requests that do not fit.
#include "KernelCases.h"
#include "Mutations.h"

#include "llvm/AsmParser/Parser.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/Support/SourceMgr.h"
#include <gtest/gtest.h>

using namespace weft::emulator;

namespace {

/// Loads a module from its text; the fault that it is refused with, without a message if none.
Fault refusal(const std::string &text) {
  auto context = std::make_unique<llvm::LLVMContext>();
  llvm::SMDiagnostic problem;
  std::unique_ptr<llvm::Module> module = llvm::parseAssemblyString(text, problem, *context);
  EXPECT_TRUE(module) << problem.getMessage().str();
  try {
    Emulator emulator(std::move(context), std::move(module));
  } catch (const EmulationError &error) {
    return error.fault();
  }
  return {};
}

TEST(EmulatorRewrite, NamesAnUnknownIntrinsic) {
  const Fault fault = refusal(R"(
    declare i32 @llvm.nvvm.read.ptx.sreg.envreg3()
    define ptx_kernel void @kernel(ptr %p) {
      %value = call i32 @llvm.nvvm.read.ptx.sreg.envreg3()
      store i32 %value, ptr %p
      ret void
    })");
  EXPECT_EQ(fault.kind, FaultKind::Unsupported);
  EXPECT_NE(fault.message.find("envreg3"), std::string::npos) << fault.text();
}

TEST(EmulatorRewrite, NamesUnknownAssembly) {
  const Fault fault = refusal(R"(
    define ptx_kernel void @kernel(ptr %p) {
      call void asm sideeffect "brkpt;", ""()
      ret void
    })");
  EXPECT_NE(fault.message.find("\"brkpt;\""), std::string::npos) << fault.text();
}

TEST(EmulatorRewrite, NamesAMissingFunction) {
  const Fault fault = refusal(R"(
    declare float @__nv_expf(float)
    define ptx_kernel void @kernel(ptr %p) {
      %x = call float @__nv_expf(float 1.0)
      store float %x, ptr %p
      ret void
    })");
  EXPECT_NE(fault.message.find("__nv_expf"), std::string::npos) << fault.text();
  EXPECT_EQ(fault.location.text(), "kernel, instruction 0");
}

TEST(EmulatorRewrite, ReportsNameTheUsersLine) {
  const Outcome outcome = runKernel("row_sum", {1}, [](llvm::Module &module) {
    removeCall(callOf(module, "barrier.cta.sync", 1));
  });
  const Fault fault = outcome.fault.value_or(Fault{});
  const Location other = fault.other.value_or(Location{});
  EXPECT_EQ(fault.location.file, "row_sum.cpp");
  EXPECT_GT(fault.location.line, 0u);
  EXPECT_EQ(other.file, "row_sum.cpp");
  EXPECT_NE(other.line, fault.location.line);
}

TEST(EmulatorRewrite, TheSameSeedGivesTheSameReport) {
  auto report = [](uint64_t seed) {
    return runKernel(
               "matmul_mma", {seed},
               [](llvm::Module &module) { removeCall(callOf(module, "cp.async.wait.group")); })
        .text();
  };
  EXPECT_EQ(report(3), report(3));
  EXPECT_NE(report(3), report(4));
}

TEST(EmulatorRewrite, RefusesRequestsThatDoNotFit) {
  KernelModule kernel = readKernel("elementwise");
  Emulator emulator(std::move(kernel.context), std::move(kernel.module));
  DeviceBuffer buffer(64);
  EXPECT_THROW(emulator.launch({.kernel = "other"}), weft::Error);
  EXPECT_THROW(emulator.launch({.kernel = "elementwise"}), weft::Error);
  LaunchRequest request = {.kernel = "elementwise",
                           .arguments = {BufferArgument{.buffer = &buffer},
                                         BufferArgument{.buffer = &buffer}, uint64_t{0},
                                         uint64_t{0}}};
  // The kernel does not say how many threads a block has.
  EXPECT_THROW(emulator.launch(request), weft::Error);
  request.threads = {128, 1, 1};
  EXPECT_FALSE(emulator.launch(request));
  request.arguments[2] = TensorMap{};
  EXPECT_THROW(emulator.launch(request), weft::Error);
}

TEST(TensorMap, SaysWhyItWouldBeRefused) {
  TensorMap map;
  map.rank = 2;
  map.elementBytes = 2;
  map.sizes = {64, 64};
  map.strides = {2, 128};
  map.box = {64, 64};
  map.swizzle = Swizzle::Bytes128;
  EXPECT_EQ(map.problem(), "");
  map.box[0] = 128;
  EXPECT_NE(map.problem().find("more than the swizzle's 128"), std::string::npos);
  map.box[0] = 64;
  map.strides[1] = 120;
  EXPECT_NE(map.problem().find("stride"), std::string::npos);
}

} // namespace
