// Lowers functions of loops for a GPU to the LLVM and NVVM dialects.
//
//   func.func @k_0(%x: !llvm.ptr, ...) attributes {weft.threads = 256, ...}
// becomes
//   llvm.func @k_0(%x: !llvm.ptr, ...) attributes {nvvm.kernel, nvvm.minctasm = 1, nvvm.reqntid =
//   array<i32: 256>, ...}
#include "codegen/NVPTX/TensorMapAttribute.h"
#include "codegen/Passes.h"
#include "mlir/Dialect/LLVMIR/NVVMDialect.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_LOWERTONVVM
#include "codegen/Passes.h.inc"

/// What a GPU computes by instructions of its own; everything else must have been expanded, as no
/// library is linked.
constexpr llvm::StringLiteral hardwareMath[] = {"math.absf",      "math.ceil", "math.copysign",
                                                "math.floor",     "math.fma",  "math.sqrt",
                                                "math.roundeven", "math.trunc"};
/// What the expansions for float64 leave to the library of a processor.
constexpr llvm::StringLiteral libraryMath[] = {"llvm.intr.cos", "llvm.intr.sin", "llvm.intr.tan"};

static LogicalResult checkMath(ModuleOp module) {
  WalkResult result = module.walk([](Operation *op) {
    StringRef name = op->getName().getStringRef();
    if (llvm::is_contained(libraryMath, name)) {
      op->emitError() << name.rsplit('.').second
                      << " of float64 can't be computed on a GPU: angles from 2^28 on need a "
                         "library, which it does not have; convert to float32 before";
      return WalkResult::interrupt();
    }
    if (!isa<math::MathDialect>(op->getDialect()) || llvm::is_contained(hardwareMath, name))
      return WalkResult::advance();
    op->emitOpError() << "has no expansion for a GPU, which has no library of functions; add one "
                         "to codegen/Loops/VectorMath.h";
    return WalkResult::interrupt();
  });
  return failure(result.wasInterrupted());
}

/// Tensor maps, the last parameters, lie in the parameters' own memory, where copies read them.
static void passTensorMaps(LLVM::LLVMFuncOp function) {
  constexpr int64_t mapBytes = 128, mapAlignment = 64;
  auto maps = function->getAttrOfType<ArrayAttr>(tensorMapsName);
  if (!maps)
    return;
  Builder builder(function.getContext());
  auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), mapBytes);
  for (unsigned number = function.getNumArguments() - maps.size();
       number < function.getNumArguments(); ++number) {
    function.setArgAttr(number, LLVM::LLVMDialect::getByValAttrName(), TypeAttr::get(type));
    function.setArgAttr(number, LLVM::LLVMDialect::getAlignAttrName(),
                        builder.getI64IntegerAttr(mapAlignment));
    function.setArgAttr(number, NVVM::NVVMDialect::getGridConstantAttrName(),
                        builder.getUnitAttr());
  }
}

LogicalResult lowerToNVVM(ModuleOp module) {
  if (failed(checkMath(module)) || failed(lowerToLLVM(module)))
    return failure();
  Builder builder(module.getContext());
  for (auto function : module.getOps<LLVM::LLVMFuncOp>()) {
    auto threads = function->getAttrOfType<IntegerAttr>("weft.threads");
    if (!threads)
      continue;
    function->setAttr(NVVM::NVVMDialect::getKernelFuncAttrName(), builder.getUnitAttr());
    function->setAttr(NVVM::NVVMDialect::getReqntidAttrName(),
                      builder.getDenseI32ArrayAttr({static_cast<int32_t>(threads.getInt())}));
    // One block on a multiprocessor is enough: ptxas would rather spill than use all registers.
    function->setAttr(NVVM::NVVMDialect::getMinctasmAttrName(), builder.getI32IntegerAttr(1));
    passTensorMaps(function);
  }
  return success();
}

namespace {

struct LowerToNVVM : impl::LowerToNVVMBase<LowerToNVVM> {
  using LowerToNVVMBase::LowerToNVVMBase;

  void runOnOperation() override {
    if (failed(lowerToNVVM(getOperation())))
      signalPassFailure();
  }
};

} // namespace
} // namespace weft
