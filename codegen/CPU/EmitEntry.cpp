// Replaces the planned @main by the C functions of a model, and the kernels by their loops.
//
//   func.func @main(%x: tensor<4xf32>) -> tensor<4xf32> {   llvm.func @model_run(ptr, ptr, ptr) ->
//   i32
//     %0 = weft.launch @k(%x) ...                      ->   llvm.func internal @weft.execute(...)
//     return %0                                             llvm.func internal @k_0(...)
//   }
//
// What is the same for all models (checks of arguments, the workspace, errors, threads) is written
// in C, in lib/Runtime/artifact, and linked into the object.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/CPU/EntryEmitter.h"
#include "codegen/CPU/PlanEmitter.h"
#include "codegen/Loops/KernelEmitter.h"
#include "codegen/Passes.h"
#include "llvm/ADT/StringSwitch.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_EMITENTRY
#include "codegen/Passes.h.inc"

namespace {

struct EmitEntry : impl::EmitEntryBase<EmitEntry> {
  using EmitEntryBase::EmitEntryBase;

  void runOnOperation() override {
    if (failed(emit()))
      signalPassFailure();
  }

private:
  LogicalResult emit() {
    ModuleOp module = getOperation();
    auto main = module.lookupSymbol<func::FuncOp>("main");
    if (!main || main.isExternal())
      return module.emitOpError() << "has no function @main to compile";
    if (!isModelName(name))
      return module.emitOpError() << "cannot be named \"" << name
                                  << "\": the name has to be an identifier of C";
    std::optional<ThreadMode> mode = modeOf(threads);
    if (!mode)
      return module.emitOpError() << "cannot run with threads=" << threads
                                  << "; there are none, hook and pool";
    std::optional<ModelSignature> signature = readSignature(main);
    SmallVector<Planned> planned;
    if (!signature || failed(collect(main, planned)))
      return failure();
    ModelPlans model(module, signature->symbolNames(), *mode);
    const Target *processor = CpuTarget::byName(target);
    if (!processor)
      return module.emitOpError() << "cannot be compiled for " << target << "; there are "
                                  << CpuTarget::names();
    for (KernelOp kernel : llvm::to_vector(module.getOps<KernelOp>()))
      if (failed(emitStages(kernel, *processor, model.kernels[kernel.getSymName()])))
        return failure();
    for (Planned &plan : planned) {
      for (auto launch : plan.function.getOps<LaunchOp>())
        if (failed(checkPrepared(launch, model.kernels[launch.getKernel()])))
          return failure();
      Outputs memory = plan.function == main ? Outputs::Chosen : Outputs::Given;
      PlanEmitter(plan.function, std::move(plan.steps), memory, model).emit();
    }
    bool canFail = model.refusals > 0 ||
                   llvm::any_of(model.kernels, [](auto &known) { return known.second.canFail; });
    EntryEmitter(module, main.getLoc(), std::move(*signature), name, *mode, canFail).emit();
    for (auto function : llvm::make_early_inc_range(module.getOps<func::FuncOp>()))
      if (isOnTensors(function))
        function.erase();
    for (KernelOp kernel : llvm::to_vector(module.getOps<KernelOp>()))
      kernel.erase();
    return success();
  }

  static std::optional<ThreadMode> modeOf(StringRef text) {
    return llvm::StringSwitch<std::optional<ThreadMode>>(text)
        .Case("none", ThreadMode::None)
        .Case("hook", ThreadMode::Hook)
        .Case("pool", ThreadMode::Pool)
        .Default(std::nullopt);
  }

  struct Planned {
    func::FuncOp function;
    SmallVector<PlanStep> steps;
  };

  /// Adds a function, and those that its steps run. A model has nothing from an earlier call.
  LogicalResult collect(func::FuncOp function, SmallVector<Planned> &planned) {
    FailureOr<SmallVector<PlanStep>> steps = stepsOf(function);
    if (failed(steps))
      return failure();
    // NOLINTNEXTLINE(bugprone-unchecked-optional-access): clang-tidy does not know failed()
    planned.push_back({function, std::move(*steps)});
    for (Operation &op : function.getBody().front()) {
      if (auto prepare = dyn_cast<PrepareOp>(op))
        return prepare.emitOpError()
               << "keeps values from call to call, which a compiled model does not; its prepared "
                  "values are constants";
      if (auto loop = dyn_cast<LoopOp>(op)) {
        FlatSymbolRefAttr condition = loop.getConditionAttr();
        if (failed(collect(loop.getBodyAttr(), planned)) ||
            (condition && failed(collect(condition, planned))))
          return failure();
      } else if (auto branch = dyn_cast<BranchOp>(op)) {
        for (auto name : branch.getFunctions().getAsRange<FlatSymbolRefAttr>())
          if (failed(collect(name, planned)))
            return failure();
      }
    }
    return success();
  }

  LogicalResult collect(FlatSymbolRefAttr name, SmallVector<Planned> &planned) {
    return collect(getOperation().lookupSymbol<func::FuncOp>(name.getAttr()), planned);
  }

  /// Bits tell of the first 63 buffers which stages use them.
  static LogicalResult checkPrepared(LaunchOp launch, const ModelPlans::KernelInfo &info) {
    int64_t given = launch.getInputs().size() + launch.getNumResults();
    for (int64_t number : launch.getTemporaries())
      if (number >= info.temporaries || given + number > 62)
        return launch.emitOpError() << "has prepared temporary " << number << ", the kernel has "
                                    << info.temporaries << " behind " << given << " buffers";
    return success();
  }

  /// The kernel's stages and set-up as functions of the LLVM dialect that only this module sees.
  static LogicalResult emitStages(KernelOp kernel, const Target &target,
                                  ModelPlans::KernelInfo &info) {
    auto module = kernel->getParentOfType<ModuleOp>();
    if (failed(emitKernel(kernel, target, module)))
      return failure();
    std::string name = kernel.getSymName().str();
    auto setup = module.lookupSymbol<func::FuncOp>(name + "_setup");
    info.kernel = kernel;
    info.stages = setup->getAttrOfType<IntegerAttr>("weft.stages").getInt();
    info.temporaries = setup->getAttrOfType<IntegerAttr>("weft.temporaries").getInt();
    if (auto uses = setup->getAttrOfType<DenseI64ArrayAttr>("weft.uses"))
      info.uses = uses.asArrayRef();
    for (int64_t number = 0; number < info.stages; ++number) {
      auto stage = module.lookupSymbol<func::FuncOp>(name + "_" + std::to_string(number));
      stage.walk([&](func::CallOp call) { info.canFail |= call.getCallee() == programFault; });
      convert(stage);
    }
    convert(setup);
    if (info.canFail && info.temporaries > 0)
      return kernel.emitOpError() << "can fail and has temporaries, behind which an object can't "
                                     "tell it where to note that";
    return success();
  }

  /// The types are those of the LLVM dialect already: only the function itself changes.
  static void convert(func::FuncOp function) {
    OpBuilder builder(function);
    MLIRContext *context = builder.getContext();
    auto type = LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(context),
                                            llvm::to_vector(function.getArgumentTypes()));
    auto converted = LLVM::LLVMFuncOp::create(builder, function.getLoc(), function.getSymName(),
                                              type, LLVM::Linkage::Internal);
    converted.getBody().takeBody(function.getBody());
    for (auto end : llvm::to_vector(converted.getOps<func::ReturnOp>())) {
      builder.setInsertionPoint(end);
      LLVM::ReturnOp::create(builder, end.getLoc(), ValueRange());
      end.erase();
    }
    function.erase();
  }
};

} // namespace
} // namespace weft
