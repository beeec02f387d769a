// The kinds of kernels, as passes see them.
#include "passes/templates/Template.h"
#include "mlir/IR/Matchers.h"
#include "passes/fusion/FusionGroup.h"
#include "passes/templates/WorkTerm.h"

using namespace mlir;

namespace weft {

static ArrayRef<int64_t> shapeOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getShape();
}

bool Template::canLead(Operation *, const FusionGroup &) const { return false; }

void Template::lead(Operation *op, FusionGroup &group) const {
  group.kind = this;
  ArrayRef<int64_t> shape = shapeOf(op->getResult(0));
  group.domain.assign(shape.begin(), shape.end());
  group.axes.clear();
}

bool Template::canYield(ArrayRef<int64_t> shape, const FusionGroup &group) const {
  return shape == ArrayRef<int64_t>(group.domain);
}

WorkTerm Template::operationsOf(Operation *op) const { return elementsOf(op->getResult(0)); }

bool Template::precedesElementwise(Operation *op, const FusionGroup &group) {
  return shapeOf(op->getResult(0)) == ArrayRef<int64_t>(group.domain) &&
         llvm::all_of(group.ops, llvm::IsaPred<ElementwiseOpInterface>) &&
         group.readsInPlace(op, /*byRows=*/false);
}

/// True if there is more to fill than to compute: threads share what the op computes.
static bool isMostlyFrame(Operation *frame) {
  Value inside = frame->getOperand(0), all = frame->getResult(0);
  // Symbols stand for more than a frame adds to.
  if (hasSymbolicSize(inside.getType()) || hasSymbolicSize(all.getType()))
    return false;
  int64_t computed = productOf(shapeOf(inside)).value_or(0);
  return productOf(shapeOf(all)).value_or(computed) - computed > computed;
}

bool Template::precedesFrame(Operation *op, const FusionGroup &group) {
  Operation *frame = group.findFrame();
  return frame && shapeOf(op->getResult(0)) == shapeOf(frame->getOperand(0)) &&
         !isMostlyFrame(frame) &&
         llvm::all_of(group.ops,
                      [&](Operation *member) {
                        return member == frame || isa<ElementwiseOpInterface>(member);
                      }) &&
         group.readsInPlace(op, /*byRows=*/false, frame);
}

const CodeGenerationInterface &CodeGenerationInterface::of(MLIRContext *context) {
  auto *interface =
      context->getOrLoadDialect<WeftDialect>()->getRegisteredInterface<CodeGenerationInterface>();
  assert(interface && "registerCodeGeneration was not called");
  return *interface;
}

const Template *templateClaiming(Operation *op) {
  if (!isa_and_nonnull<WeftDialect>(op->getDialect()))
    return nullptr;
  for (const Template *kind : CodeGenerationInterface::of(op->getContext()).templates())
    if (kind->claims(op))
      return kind;
  return nullptr;
}

const Template *templateOf(KernelOp kernel) {
  const Template *elementwise = nullptr, *leading = nullptr;
  for (Operation &op : kernel.getBody().front().without_terminator()) {
    const Template *kind = templateClaiming(&op);
    if (isElementByElement(&op)) {
      elementwise = kind;
      continue;
    }
    if (!kind || (leading && leading != kind))
      return nullptr;
    leading = kind;
  }
  if (leading || elementwise)
    return leading ? leading : elementwise;
  // A kernel that only copies.
  const auto &kinds = CodeGenerationInterface::of(kernel.getContext()).templates();
  return kinds.front();
}

bool isElementByElement(Operation *op) {
  return isa<ElementwiseOpInterface, IndexedOpInterface>(op) || matchPattern(op, m_Constant());
}

} // namespace weft
