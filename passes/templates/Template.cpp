// The kinds of kernels, as passes see them.
#include "passes/templates/Template.h"
#include "dialects/Weft/IR/Frames.h"
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

static std::optional<int64_t> knownElements(Value value) {
  return hasSymbolicSize(value.getType()) ? std::nullopt : productOf(shapeOf(value));
}

bool Template::precedesFrame(Operation *op, const FusionGroup &group) {
  auto frame = group.findFrame();
  if (frame.empty())
    return false;
  Value computed = frame.back()->getOperand(0), all = frame.front()->getResult(0);
  return shapeOf(op->getResult(0)) == shapeOf(computed) &&
         !isMostlyFrame(knownElements(computed), knownElements(all)) &&
         llvm::all_of(group.ops,
                      [&](Operation *member) {
                        return llvm::is_contained(frame, member) ||
                               isa<ElementwiseOpInterface>(member);
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
