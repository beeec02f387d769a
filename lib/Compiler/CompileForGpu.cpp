// From a program to the code of its kernels for a GPU.
#include "lib/Compiler/CompileForGpu.h"
#include "codegen/NVPTX/Ptx.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/OutputFiles.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"

using namespace mlir;

namespace weft {

[[noreturn]] static void fail(const std::string &message) {
  throw Error(Error::Kind::Value, message);
}

/// The target, if the options fit each other.
static const GpuTarget &checkOptions(const ObjectOptions &options, const EmitKindInfo &kind) {
  if (!GpuTarget::isGpuName(options.target))
    fail(kind.name.str() + " is made for a GPU, not for the target " + options.target +
         "; GPUs are " + GpuTarget::names());
  if (!kind.isForGpu)
    fail(kind.name.str() + " is made for a processor; for the target " + options.target +
         " there are ptx and cubin");
  const GpuTarget *target = GpuTarget::byName(options.target);
  if (!target)
    fail("there is no target " + options.target + "; GPUs are " + GpuTarget::names());
  if (options.output.empty())
    fail("there is no path for the output");
  auto refuse = [&](bool given, const char *what) {
    if (given)
      fail(std::string(what) + " is of objects for a processor; " + kind.name.str() +
           " holds kernels alone, which an executor launches");
  };
  refuse(!options.header.empty(), "a C header");
  refuse(!options.javaScript.empty(), "JavaScript");
  refuse(!options.weights.empty(), "a file of weights");
  refuse(!options.name.empty(), "a name of C functions");
  refuse(options.threads != ThreadMode::None, "a mode of threads");
  return *target;
}

void compileForGpu(ModuleOp module, const ObjectOptions &options, const EmitKindInfo &kind) {
  const GpuTarget &target = checkOptions(options, kind);
  auto main = module.lookupSymbol<func::FuncOp>("main");
  if (!main || main.isExternal())
    fail("the program has no function @main");
  PassManager passes(module.getContext());
  passes.enableVerifier(false);
  buildFilePipeline(passes, target, Phase::Differentiate, Phase::Llvm);
  DiagnosticCollector diagnostics(*module.getContext());
  if (failed(passes.run(module)))
    fail(diagnostics.text("the program could not be compiled for " + target.name()));
  std::string code = target.assemblyText(module);
  if (options.emit == EmitKind::Cubin)
    code = assemble(code, target).cubin;
  OutputFiles files;
  files.add(options.output, code);
  files.commit();
}

} // namespace weft
