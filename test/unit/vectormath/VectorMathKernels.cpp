//===- VectorMathKernels.cpp - Compiled math functions --------------------===//

#include "VectorMathKernels.h"

#include "codegen/CPU/CpuTarget.h"
#include "codegen/Loops/ExpandMath.h"

#include "mlir/Conversion/ArithToLLVM/ArithToLLVM.h"
#include "mlir/Conversion/ControlFlowToLLVM/ControlFlowToLLVM.h"
#include "mlir/Conversion/FuncToLLVM/ConvertFuncToLLVMPass.h"
#include "mlir/Conversion/MathToLLVM/MathToLLVM.h"
#include "mlir/Conversion/ReconcileUnrealizedCasts/ReconcileUnrealizedCasts.h"
#include "mlir/Conversion/SCFToControlFlow/SCFToControlFlow.h"
#include "mlir/Conversion/VectorToLLVM/ConvertVectorToLLVMPass.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlow.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Target/LLVMIR/Dialect/Builtin/BuiltinToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Dialect/LLVMIR/LLVMToLLVMIRTranslation.h"
#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/ExecutionEngine/Orc/JITTargetMachineBuilder.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/TargetSelect.h"

#include <cstdlib>
#include <map>

namespace weft::test {

namespace {

/// Ends the program with a message.
[[noreturn]] void fail(const llvm::Twine &message) {
  llvm::errs() << "vector math kernels: " << message << "\n";
  std::exit(2);
}

template <typename T> T unwrap(llvm::Expected<T> value) {
  if (!value)
    fail(llvm::toString(value.takeError()));
  return std::move(*value);
}

void unwrap(llvm::Error error) {
  if (error)
    fail(llvm::toString(std::move(error)));
}

/// A function that applies the operation to `lanes` elements at a time. Attributes may follow its
/// name.
std::string source(const std::string &name, const std::string &type, bool binary, unsigned lanes) {
  auto [operation, attributes] = llvm::StringRef(name).split(' ');
  std::string vector = lanes == 1 ? type : llvm::formatv("vector<{0}x{1}>", lanes, type).str();
  return llvm::formatv(R"(
    func.func @lanes{0}(%a: !llvm.ptr, %b: !llvm.ptr, %out: !llvm.ptr, %count: i64) {{
      %zero = arith.constant 0 : i64
      %step = arith.constant {0} : i64
      scf.for %i = %zero to %count step %step : i64 {{
        %pa = llvm.getelementptr %a[%i] : (!llvm.ptr, i64) -> !llvm.ptr, {2}
        %pb = llvm.getelementptr %b[%i] : (!llvm.ptr, i64) -> !llvm.ptr, {2}
        %po = llvm.getelementptr %out[%i] : (!llvm.ptr, i64) -> !llvm.ptr, {2}
        %x = llvm.load %pa {{alignment = 4 : i64} : !llvm.ptr -> {1}
        %y = llvm.load %pb {{alignment = 4 : i64} : !llvm.ptr -> {1}
        %r = math.{3} %x{4} : {1}
        llvm.store %r, %po {{alignment = 4 : i64} : {1}, !llvm.ptr
      }
      return
    })",
                       lanes, vector, type, operation, binary ? ", %y" : " " + attributes.str())
      .str();
}

void lower(mlir::ModuleOp module) {
  mlir::PassManager passes(module.getContext());
  passes.addPass(mlir::createSCFToControlFlowPass());
  passes.addPass(mlir::createConvertVectorToLLVMPass());
  passes.addPass(mlir::createConvertMathToLLVMPass());
  passes.addPass(mlir::createArithToLLVMConversionPass());
  passes.addPass(mlir::createConvertControlFlowToLLVMPass());
  passes.addPass(mlir::createConvertFuncToLLVMPass());
  passes.addPass(mlir::createReconcileUnrealizedCastsPass());
  if (mlir::failed(passes.run(module)))
    fail("lowering failed");
}

void optimise(llvm::Module &module, llvm::TargetMachine &machine) {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager graph;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(graph);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, graph, modules);
  llvm::ModulePassManager passes;
  unwrap(builder.parsePassPipeline(passes, "function(early-cse,instcombine,loop-mssa(licm))"));
  passes.run(module, modules);
}

mlir::DialectRegistry dialects() {
  mlir::DialectRegistry registry;
  registry.insert<mlir::arith::ArithDialect, mlir::cf::ControlFlowDialect, mlir::func::FuncDialect,
                  mlir::LLVM::LLVMDialect, mlir::math::MathDialect, mlir::scf::SCFDialect,
                  mlir::vector::VectorDialect>();
  mlir::registerBuiltinDialectTranslation(registry);
  mlir::registerLLVMDialectTranslation(registry);
  return registry;
}

/// The operations nested in the body's loop that are not constants and not of its frame.
unsigned countOperations(mlir::ModuleOp module) {
  unsigned count = 0;
  module.walk([&](mlir::Operation *operation) {
    llvm::StringRef dialect = operation->getName().getDialectNamespace();
    bool counted = dialect == "arith" || dialect == "math" || dialect == "vector" ||
                   mlir::isa<mlir::scf::IfOp>(operation);
    count += counted && !mlir::isa<mlir::arith::ConstantOp>(operation);
  });
  return count;
}

} // namespace

struct KernelSet::State {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  std::map<unsigned, Kernel> kernels;
  unsigned operations = 0;
};

KernelSet::KernelSet(const std::string &name, const std::string &type, bool binary,
                     const std::string &cpu, bool canScale)
    : state(std::make_unique<State>()) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  mlir::MLIRContext context(dialects(), mlir::MLIRContext::Threading::DISABLED);
  std::string text;
  const unsigned widths[] = {1, 4, 8, 16};
  for (unsigned lanes : widths)
    text += source(name, type, binary, lanes);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  if (!module)
    fail("the source of " + name + " does not parse");
  mlir::PassManager expand(&context);
  expand.addPass(createExpandMathPass(canScale));
  if (mlir::failed(expand.run(*module)))
    fail("weft-expand-math failed on " + name);
  state->operations = countOperations(*module) / std::size(widths);
  lower(*module);

  auto builder = unwrap(llvm::orc::JITTargetMachineBuilder::detectHost());
  if (!cpu.empty()) {
    builder.setCPU(cpu);
    builder.getFeatures() = llvm::SubtargetFeatures();
  }
  auto machine = unwrap(builder.createTargetMachine());
  auto llvmContext = std::make_unique<llvm::LLVMContext>();
  auto llvmModule = mlir::translateModuleToLLVMIR(*module, *llvmContext);
  if (!llvmModule)
    fail("translation of " + name + " failed");
  llvmModule->setDataLayout(machine->createDataLayout());
  llvmModule->setTargetTriple(machine->getTargetTriple());
  for (llvm::Function &function : *llvmModule)
    function.addFnAttr("prefer-vector-width", "512");
  optimise(*llvmModule, *machine);
  state->jit = unwrap(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(builder).create());
  unwrap(state->jit->addIRModule(
      llvm::orc::ThreadSafeModule(std::move(llvmModule), std::move(llvmContext))));
  for (unsigned lanes : widths)
    state->kernels[lanes] =
        unwrap(state->jit->lookup("lanes" + std::to_string(lanes))).toPtr<Kernel>();
}

KernelSet::~KernelSet() = default;

bool KernelSet::hostScales() { return CpuTarget::host().scalesVectors(); }

Kernel KernelSet::vector(unsigned lanes) const { return state->kernels.at(lanes); }

unsigned KernelSet::operations() const { return state->operations; }

} // namespace weft::test
