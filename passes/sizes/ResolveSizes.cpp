// Replaces dynamic dimensions by handles of symbolic sizes, as all other passes expect.
//
//   %x: tensor<?x784xf32, #weft.shape<["n", 784]>>   ->   %x: tensor<1152921504607458929x784xf32>
//
// A handle (lib/Support/SymbolicSize.h) is an ordinary number to whoever compares sizes, so an op
// on tensors of n and of m elements is wrong as one on 3 and 4 elements is. Results are inferred
// again in the order of the ops; a bare `?` of a written result follows from the operands where
// they leave no choice.
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "passes/Passes.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_RESOLVESIZES
#include "passes/Passes.h.inc"

namespace {

constexpr StringLiteral advice =
    "; write the sizes, as in tensor<?x4xf32, #weft.shape<[\"n\", 4]>>";

/// The shape of a type as it is written: the sizes of #weft.shape, and dynamic ones where the text
/// does not say. Nothing for a number that is too large for a size.
std::optional<SmallVector<int64_t>> writtenShape(RankedTensorType type) {
  auto encoding = dyn_cast_or_null<ShapeAttr>(type.getEncoding());
  SmallVector<int64_t> shape(encoding ? encoding.getSizes() : type.getShape());
  bool areSizes = llvm::all_of(shape, [](int64_t size) {
    return ShapedType::isDynamic(size) ||
           checkedSize([&] { return expressionOf(size), size; }).has_value();
  });
  return areSizes ? std::optional(shape) : std::nullopt;
}

InFlightDiagnostic refuse(Operation *op, StringRef role, Type type) {
  return op->emitOpError() << role << " of shape " << shapeText(type)
                           << " has more elements than any tensor";
}

bool isWritten(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && (!tensor.hasStaticShape() || tensor.getEncoding());
}

/// A name as a symbol can have: "0.weight" becomes "_0_weight".
std::string identifier(StringRef name) {
  std::string text;
  for (char c : name)
    text += llvm::isAlnum(c) ? c : '_';
  return text.empty() || llvm::isDigit(text.front()) ? "_" + text : text;
}

/// Gives values of one function their sizes.
class Resolver {
public:
  explicit Resolver(func::FuncOp function) : function(function) {}

  LogicalResult run() {
    if (!function.getBody().hasOneBlock())
      return function.emitOpError() << "must have one block for its sizes to be resolved";
    Block &body = function.getBody().front();
    for (BlockArgument argument : body.getArguments())
      if (failed(resolveArgument(argument)))
        return failure();
    for (Operation &op : body.without_terminator())
      if (failed(resolve(&op)))
        return failure();
    function.setFunctionType(FunctionType::get(function.getContext(), body.getArgumentTypes(),
                                               body.getTerminator()->getOperandTypes()));
    return success();
  }

private:
  LogicalResult resolveArgument(BlockArgument argument) {
    if (!isWritten(argument.getType()))
      return success();
    auto type = cast<RankedTensorType>(argument.getType());
    auto shape = writtenShape(type);
    if (!shape)
      return refuse(function, "an argument", type);
    unsigned number = argument.getArgNumber();
    auto given = function.getArgAttrOfType<StringAttr>(number, "weft.name");
    std::string name = given ? identifier(given) : "arg" + std::to_string(number);
    for (auto [d, size] : llvm::enumerate(*shape))
      if (ShapedType::isDynamic(size))
        size = symbolicSize(name + "_" + std::to_string(d));
    argument.setType(withShape(type, *shape));
    return success();
  }

  /// The arguments of regions are written in full, as results of control flow are.
  LogicalResult resolveRegions(Operation *op) {
    for (Region &region : op->getRegions())
      for (Block &block : region) {
        for (BlockArgument argument : block.getArguments()) {
          if (!isWritten(argument.getType()))
            continue;
          auto shape = writtenShape(cast<RankedTensorType>(argument.getType()));
          if (!shape || llvm::is_contained(*shape, ShapedType::kDynamic))
            return refuse(op, "an argument of a region", argument.getType());
          argument.setType(withShape(argument.getType(), *shape));
        }
        for (Operation &inner : block.without_terminator())
          if (failed(resolve(&inner)))
            return failure();
      }
    return success();
  }

  LogicalResult resolve(Operation *op) {
    if (failed(resolveRegions(op)))
      return failure();
    if (llvm::none_of(op->getOperandTypes(), hasSymbolicSize) &&
        llvm::none_of(op->getResultTypes(), isWritten))
      return success();
    SmallVector<Type> types;
    if (failed(isa<InferTypeOpInterface>(op) ? infer(op, types) : complete(op, types)))
      return failure();
    for (auto [result, type] : llvm::zip_equal(op->getResults(), types))
      result.setType(type);
    if (auto constant = dyn_cast<ConstantOp>(op))
      fillShape(constant);
    return op->getName().verifyInvariants(op);
  }

  LogicalResult infer(Operation *op, SmallVectorImpl<Type> &types) {
    auto inferring = cast<InferTypeOpInterface>(op);
    if (failed(inferring.inferReturnTypes(op->getContext(), op->getLoc(), op->getOperands(),
                                          op->getRawDictionaryAttrs(), op->getPropertiesStorage(),
                                          op->getRegions(), types)))
      return failure();
    for (auto [result, type] : llvm::zip_equal(op->getResults(), types)) {
      auto shape = writtenShape(cast<RankedTensorType>(result.getType()));
      if (!shape)
        return refuse(op, "a result", result.getType());
      Type written = withShape(result.getType(), *shape);
      if (!areCompatible(written, type))
        return op->emitOpError() << "is written with a result of shape " << shapeText(written)
                                 << ", but its operands give " << shapeText(type);
    }
    return success();
  }

  /// The types of results that are written, not inferred.
  LogicalResult complete(Operation *op, SmallVectorImpl<Type> &types) {
    for (OpResult result : op->getResults()) {
      auto type = dyn_cast<RankedTensorType>(result.getType());
      if (!type) {
        types.push_back(result.getType());
        continue;
      }
      auto shape = writtenShape(type);
      if (!shape)
        return refuse(op, "a result", type);
      followOperands(op, result.getResultNumber(), *shape);
      if (llvm::is_contained(*shape, ShapedType::kDynamic))
        return op->emitOpError() << "has a result of shape " << shapeText(withShape(type, *shape))
                                 << ", which does not follow from its operands" << advice;
      types.push_back(withShape(type, *shape));
    }
    return success();
  }

  /// Replaces dynamic sizes that the operands decide.
  static void followOperands(Operation *op, unsigned number, SmallVectorImpl<int64_t> &shape) {
    if (!llvm::is_contained(shape, ShapedType::kDynamic))
      return;
    if (auto constant = dyn_cast<ConstantOp>(op))
      shape.assign(constant.getValue().getShapedType().getShape());
    if (auto dimensions = dyn_cast<DimensionOpInterface>(op))
      followLabels(dimensions, number, shape);
    if (auto reshape = dyn_cast<ReshapeOp>(op))
      followCount(reshape.getX().getType(), shape);
  }

  /// Dimensions that are walked together have one size.
  static void followLabels(DimensionOpInterface op, unsigned number,
                           SmallVectorImpl<int64_t> &shape) {
    auto labels = op.getDimensionLabels();
    llvm::DenseMap<int64_t, int64_t> sizeOf;
    for (auto [operand, list] : llvm::zip(op->getOperands(), labels))
      for (auto [d, label] : llvm::enumerate(list))
        if (label >= 0)
          sizeOf[label] = cast<RankedTensorType>(operand.getType()).getDimSize(d);
    for (auto [size, label] : llvm::zip_equal(shape, labels[op->getNumOperands() + number]))
      if (auto found = sizeOf.find(label); ShapedType::isDynamic(size) && found != sizeOf.end())
        size = found->second;
  }

  /// The one dynamic size of a reshape is what its elements leave.
  static void followCount(Type from, SmallVectorImpl<int64_t> &shape) {
    if (llvm::count(shape, ShapedType::kDynamic) != 1)
      return;
    int64_t &unknown = *llvm::find(shape, ShapedType::kDynamic);
    unknown = 1;
    std::optional<int64_t> all = elementCount(from), others = productOf(shape), quotient;
    if (all && others)
      quotient = divideSizesExactly(*all, *others);
    unknown = quotient.value_or(ShapedType::kDynamic);
  }

  /// The value of a constant that is written as one element has the shape of its type.
  static void fillShape(ConstantOp constant) {
    auto element = dyn_cast<SplatElementsAttr>(constant.getValue());
    if (element && element.getType() != constant.getType() && element.getNumElements() == 1)
      constant.setValueAttr(
          DenseElementsAttr::get(constant.getType(), element.getSplatValue<Attribute>()));
  }

  func::FuncOp function;
};

/// True if sizes are written anywhere in the function: others are left as they are.
bool hasWrittenSizes(func::FuncOp function) {
  auto walk = function.walk([](Operation *op) {
    return llvm::any_of(op->getResultTypes(), isWritten) ? WalkResult::interrupt()
                                                         : WalkResult::advance();
  });
  return walk.wasInterrupted() || llvm::any_of(function.getArgumentTypes(), isWritten) ||
         llvm::any_of(function.getResultTypes(), isWritten);
}

struct ResolveSizes : impl::ResolveSizesBase<ResolveSizes> {
  using ResolveSizesBase::ResolveSizesBase;

  void runOnOperation() override {
    for (auto function : getOperation().getOps<func::FuncOp>())
      if (!function.isDeclaration() && hasWrittenSizes(function) &&
          failed(Resolver(function).run()))
        return signalPassFailure();
  }
};

} // namespace
} // namespace weft
