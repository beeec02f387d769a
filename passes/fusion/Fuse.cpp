// Outlines groups of ops into kernels that are generic in their sizes.
//
//   %0 = weft.add %x, %y : tensor<4x8xf32>
//   %1 = weft.exp %0 : tensor<4x8xf32>
//   return %1 : tensor<4x8xf32>
// becomes
//   %0 = weft.launch @kernel_0(%x, %y) sizes [4, 8] : (tensor<4x8xf32>, ...) -> tensor<4x8xf32>
//   return %0 : tensor<4x8xf32>
// with
//   weft.kernel @kernel_0(%arg0: T, %arg1: T) -> T { %0 = weft.add ... weft.yield %1 : T }
// where T is tensor<?x?xf32, #weft.sizes<[0, 1]>>.
#include "mlir/Dialect/Func/IR/FuncOps.h"
//
// Numbers that are not special (2.5, the count of a mean) are parameters of the kernel, given by
// the launch:
//   %1 = weft.constant {parameter = 0 : i64} dense<0.0> : ...
//   weft.launch @kernel_0(...) sizes [...] {parameters = [2.5 : f32]} : ...
// So are numbers of ops that code generation need not know (LaunchNumberOpInterface), as the places
// of slices, which are ?0, ?1, ... in the kernel:
//   %2 = weft.slice %x starts [?0] steps [1] : ...
// So are the numbers of symbolic sizes, #weft.symbolic_size<"n", f32>. Kernels never hold a
// symbolic size; what needs its number is an error. `weft.conditions` on a function lists the sizes
// that may not be negative when the symbols have values.
#include "dialects/Weft/IR/Frames.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/IR/Matchers.h"
#include "passes/Passes.h"
#include "passes/fusion/FusionGroups.h"
#include "passes/fusion/RegroupDimensions.h"
#include "passes/templates/Template.h"
#include "llvm/ADT/EquivalenceClasses.h"

using namespace mlir;

namespace weft {

#define GEN_PASS_DEF_FUSE
#include "passes/Passes.h.inc"

namespace {

/// Numbers the sizes of a kernel: dimensions that the ops walk together share one.
class SizeNumbering {
public:
  void addOp(Operation *op) {
    SmallVector<Value> values(op->getOperands());
    llvm::append_range(values, op->getResults());
    for (Value value : values)
      for (int64_t d = 0, rank = rankOf(value); d < rank; ++d)
        classes.insert({value.getAsOpaquePointer(), d});
    auto dimensions = dyn_cast<DimensionOpInterface>(op);
    if (!dimensions)
      return;
    llvm::DenseMap<int64_t, Dimension> first;
    for (auto [value, labels] : llvm::zip_equal(values, dimensions.getDimensionLabels()))
      for (auto [d, label] : llvm::enumerate(labels)) {
        if (label < 0)
          continue;
        Dimension dimension{value.getAsOpaquePointer(), static_cast<int64_t>(d)};
        auto [found, isNew] = first.try_emplace(label, dimension);
        if (!isNew)
          classes.unionSets(found->second, dimension);
      }
  }

  /// Makes the dimensions of two values of one rank the same.
  void unify(Value first, Value second) {
    for (int64_t d = 0, rank = rankOf(first); d < rank; ++d)
      classes.unionSets({first.getAsOpaquePointer(), d}, {second.getAsOpaquePointer(), d});
  }

  /// The type of `value` inside the kernel; numbers are given in the order of the calls.
  Type typeInKernel(Value value) {
    auto type = cast<RankedTensorType>(value.getType());
    SmallVector<int64_t> symbols;
    for (int64_t d = 0; d < type.getRank(); ++d) {
      Dimension leader = classes.getLeaderValue({value.getAsOpaquePointer(), d});
      auto [found, isNew] = numbers.try_emplace(leader, sizes.size());
      if (isNew)
        sizes.push_back(type.getDimSize(d));
      symbols.push_back(found->second);
    }
    return RankedTensorType::get(SmallVector<int64_t>(type.getRank(), ShapedType::kDynamic),
                                 type.getElementType(), SizesAttr::get(type.getContext(), symbols));
  }

  ArrayRef<int64_t> getSizes() const { return sizes; }

private:
  using Dimension = std::pair<void *, int64_t>;
  static int64_t rankOf(Value value) { return cast<RankedTensorType>(value.getType()).getRank(); }

  llvm::EquivalenceClasses<Dimension> classes;
  std::map<Dimension, int64_t> numbers;
  SmallVector<int64_t> sizes;
};

/// Makes a kernel of one group.
class Outliner {
public:
  Outliner(FusionGroup &group, const FusionGroups &groups) : group(group), groups(groups) {
    for (Operation *op : llvm::reverse(group.ops))
      collect(op);
    for (Operation *op : ops) {
      numbering.addOp(op);
      for (Value operand : op->getOperands())
        if (!members.contains(operand.getDefiningOp()))
          inputs.insert(operand);
    }
    for (Operation *op : ops)
      if (group.ops.contains(op))
        llvm::copy_if(op->getResults(), std::back_inserter(outputs),
                      [&](Value result) { return isReadOutside(result); });
    unifyRows();
  }

  /// Creates the kernel and the launch before `before`, and replaces what the launch computes.
  void outline(StringRef name, OpBuilder &kernels, Operation *before) {
    if (outputs.empty())
      return;
    SmallVector<Type> inputTypes, outputTypes;
    for (Value input : inputs)
      inputTypes.push_back(numbering.typeInKernel(input));
    for (Value output : outputs)
      outputTypes.push_back(numbering.typeInKernel(output));
    SmallVector<Location> locations;
    for (Operation *op : group.ops)
      locations.push_back(op->getLoc());
    Location location = FusedLoc::get(before->getContext(), locations);
    OperationState state(location, KernelOp::getOperationName());
    state.addAttribute("sym_name", kernels.getStringAttr(name));
    state.addAttribute("function_type",
                       TypeAttr::get(kernels.getFunctionType(inputTypes, outputTypes)));
    state.addRegion();
    auto kernel = cast<KernelOp>(kernels.create(state));
    fillBody(kernel, inputTypes);
    OpBuilder builder(before);
    SmallVector<Type> launchTypes;
    for (Value output : outputs)
      launchTypes.push_back(output.getType());
    auto launch = LaunchOp::create(builder, location, launchTypes, name, inputs.getArrayRef(),
                                   numbering.getSizes());
    if (!parameters.empty())
      launch->setAttr("parameters", builder.getArrayAttr(parameters));
    for (auto [output, result] : llvm::zip_equal(outputs, launch.getOutputs()))
      output.replaceUsesWithIf(result, [&](OpOperand &use) {
        return !members.contains(use.getOwner()) || groups.isRematerialized(use.getOwner());
      });
  }

private:
  /// All rows of a kernel are walked together, also those that no op connects.
  void unifyRows() {
    if (!group.kind->walksRows())
      return;
    SmallVector<Value> walked;
    for (Operation *op : ops)
      if (isa<ReductionOpInterface>(op))
        walked.push_back(op->getOperand(0));
    auto rank = static_cast<int64_t>(group.domain.size());
    llvm::copy_if(outputs, std::back_inserter(walked), [&](Value output) {
      return cast<RankedTensorType>(output.getType()).getRank() == rank;
    });
    for (Value value : llvm::drop_begin(walked))
      numbering.unify(walked.front(), value);
  }

  /// Adds `op` after the rematerialised ops that it reads.
  void collect(Operation *op) {
    if (members.contains(op))
      return;
    for (Value operand : op->getOperands())
      if (Operation *definition = operand.getDefiningOp())
        if (groups.isRematerialized(definition))
          collect(definition);
    members.insert(op);
    ops.push_back(op);
  }

  bool isReadOutside(Value result) {
    return llvm::any_of(result.getUsers(), [&](Operation *user) {
      if (!groups.isRematerialized(user))
        return !group.ops.contains(user);
      return readsOutside(user);
    });
  }

  /// True if another kernel computes the rematerialised op.
  bool readsOutside(Operation *op) {
    return llvm::any_of(op->getUsers(), [&](Operation *user) {
      return groups.isRematerialized(user) ? readsOutside(user) : !group.ops.contains(user);
    });
  }

  void fillBody(KernelOp kernel, ArrayRef<Type> inputTypes) {
    Block &body = kernel.getBody().emplaceBlock();
    IRMapping mapping;
    for (auto [input, type] : llvm::zip_equal(inputs, inputTypes))
      mapping.map(input, body.addArgument(type, input.getLoc()));
    OpBuilder builder = OpBuilder::atBlockEnd(&body);
    for (Operation *op : ops) {
      // Each reader has a constant of its own: that two are equal in one call must not make another
      // kernel of it.
      bool isConstant = matchPattern(op, m_Constant());
      if (isConstant && !group.ops.contains(op))
        continue;
      for (Value operand : op->getOperands())
        if (members.contains(operand.getDefiningOp()) && matchPattern(operand, m_Constant()))
          mapping.map(operand, addConstant(operand, builder));
      if (isConstant) {
        mapping.map(op->getResult(0), addConstant(op->getResult(0), builder));
        continue;
      }
      Operation *clone = builder.clone(*op, mapping);
      addLaunchNumbers(op, clone);
      for (auto [result, original] : llvm::zip_equal(clone->getResults(), op->getResults()))
        result.setType(numbering.typeInKernel(original));
    }
    SmallVector<Value> yielded;
    for (Value output : outputs)
      yielded.push_back(mapping.lookup(output));
    YieldOp::create(builder, kernel.getLoc(), yielded);
  }

  /// A constant with one element: the sizes are those of the type. Numbers that are not special
  /// become parameters, so that kernels that differ in a factor or in the count of a mean are one.
  Value addConstant(Value constant, OpBuilder &builder) {
    Type dtype = getElementTypeOrSelf(constant);
    Attribute element = elementOf(constant);
    bool isParameter = !isSpecial(element);
    auto value = DenseElementsAttr::get(RankedTensorType::get({}, dtype),
                                        isParameter ? builder.getZeroAttr(dtype) : element);
    auto copy =
        ConstantOp::create(builder, constant.getLoc(), numbering.typeInKernel(constant), value);
    if (isParameter) {
      copy->setAttr("parameter", builder.getI64IntegerAttr(parameters.size()));
      parameters.push_back(element);
    }
    return copy;
  }

  /// Numbers of attributes that the launch gives, so that kernels that differ in them are one.
  void addLaunchNumbers(Operation *op, Operation *clone) {
    auto launched = dyn_cast<LaunchNumberOpInterface>(op);
    if (!launched)
      return;
    Builder builder(op->getContext());
    for (auto [name, position] : launched.getLaunchNumbers()) {
      SmallVector<int64_t> numbers(clone->getAttrOfType<DenseI64ArrayAttr>(name).asArrayRef());
      parameters.push_back(builder.getI64IntegerAttr(numbers[position]));
      numbers[position] = fromLaunch(parameters.size() - 1);
      clone->setAttr(name, builder.getDenseI64ArrayAttr(numbers));
    }
  }

  /// What a constant is filled with.
  static Attribute elementOf(Value constant) {
    Attribute value;
    matchPattern(constant, m_Constant(&value));
    auto splat = dyn_cast<SplatElementsAttr>(value);
    return splat ? splat.getSplatValue<Attribute>() : value;
  }

  /// True of numbers that code generation may make use of: 0, 1, -1, infinities, NaN and truth
  /// values.
  static bool isSpecial(Attribute element) {
    if (isa<SymbolicSizeAttr>(element))
      return false;
    if (auto number = dyn_cast<FloatAttr>(element)) {
      APFloat value = number.getValue();
      return !value.isFiniteNonZero() || abs(value).isExactlyValue(1.0);
    }
    APInt value = cast<IntegerAttr>(element).getValue();
    return value.getBitWidth() == 1 || value.isZero() || value.isOne() || value.isAllOnes();
  }

  FusionGroup &group;
  const FusionGroups &groups;
  SmallVector<Attribute> parameters;
  llvm::DenseSet<Operation *> members;
  SmallVector<Operation *> ops;
  SizeNumbering numbering;
  llvm::SmallSetVector<Value, 8> inputs;
  SmallVector<Value> outputs;
};

/// Puts the ops of a block in an order in which each comes after its operands. Steps keep theirs,
/// in which one that writes over a value comes after those that read it.
void sortTopologically(Block &block) {
  llvm::DenseSet<Operation *> placed;
  SmallVector<Operation *> order;
  // The ops on the way down, each with the number of its next operand.
  SmallVector<std::pair<Operation *, unsigned>> path;
  auto place = [&](Operation *op) {
    if (op && op->getBlock() == &block && placed.insert(op).second)
      path.push_back({op, 0});
  };
  auto placeWithOperands = [&](Operation *root) {
    place(root);
    while (!path.empty()) {
      auto &[op, next] = path.back();
      if (next < op->getNumOperands()) {
        place(op->getOperand(next++).getDefiningOp());
        continue;
      }
      order.push_back(op);
      path.pop_back();
    }
  };
  for (Operation &op : block)
    if (op.hasTrait<trait::PlannedStep>())
      placeWithOperands(&op);
  for (Operation &op : block)
    placeWithOperands(&op);
  for (Operation *op : order)
    op->moveBefore(&block, block.end());
}

/// Checks that a tensor has known or symbolic sizes and a number of bytes that can be counted;
/// `role` is what it is of the op: "a result".
LogicalResult checkShape(Operation *op, StringRef role, Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  if (!tensor)
    return success();
  if (!tensor.hasStaticShape())
    return op->emitOpError()
           << "has " << role << " of shape " << shapeText(tensor)
           << "; kernels are launched with known sizes, so resolve them first (weft-resolve-sizes)";
  SmallVector<int64_t> factors(tensor.getShape());
  factors.push_back((tensor.getElementTypeBitWidth() + 7) / 8);
  if (isEmpty(tensor) || productOf(factors))
    return success();
  return op->emitOpError() << "has " << role << " of shape " << shapeText(tensor) << " and dtype "
                           << tensor.getElementType() << "; its bytes overflow 64 bits";
}

/// Checks that no attribute, which would become part of a kernel, is a symbolic size.
LogicalResult checkAttributes(Operation &op) {
  for (NamedAttribute attribute : op.getAttrs()) {
    SmallVector<int64_t> numbers;
    if (auto list = dyn_cast<DenseI64ArrayAttr>(attribute.getValue()))
      numbers.assign(list.asArrayRef().begin(), list.asArrayRef().end());
    else if (auto number = dyn_cast<IntegerAttr>(attribute.getValue());
             number && number.getType().isInteger(64))
      numbers.push_back(number.getInt());
    auto *found = llvm::find_if(numbers, isSymbolicSize);
    if (found != numbers.end())
      return op.emitOpError() << attribute.getName().getValue() << " needs the number of size \""
                              << textOfSize(*found) << "\"; give it a fixed size in the export";
  }
  return success();
}

/// Checks what an op says of zeros in its operand: a kernel cannot see them.
LogicalResult checkBorder(Operation &op) {
  Attribute border = op.getAttr("weft.border");
  return border ? verifyZeroBorder(&op, border) : success();
}

LogicalResult checkSizes(Block &block) {
  for (Operation &op : block) {
    for (Type type : op.getResultTypes())
      if (failed(checkShape(&op, "a result", type)))
        return failure();
    if (failed(checkAttributes(op)) || failed(checkBorder(op)))
      return failure();
  }
  // An op on an argument names the user's line, the function does not.
  for (Type type : block.getArgumentTypes())
    if (failed(checkShape(block.getParentOp(), "an argument", type)))
      return failure();
  return success();
}

/// The sizes that symbols could make negative, but may not: those of tensors, what ops ask for, and
/// what the program did.
SmallVector<int64_t> conditionsOf(func::FuncOp function) {
  Block &block = function.getBody().front();
  llvm::SmallSetVector<int64_t, 8> conditions;
  auto add = [&](ArrayRef<int64_t> sizes) {
    for (int64_t size : sizes)
      // A number as large as a handle that is none has no condition, and no kernel either.
      if (isSymbolicSize(size) && checkedSize([&] { return mayBeNegative(size); }).value_or(0))
        conditions.insert(size);
  };
  auto addShape = [&](Type type) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      add(tensor.getShape());
  };
  if (auto asked = function->getAttrOfType<ShapeAttr>("weft.conditions"))
    add(asked.getSizes());
  llvm::for_each(block.getArgumentTypes(), addShape);
  for (Operation &op : block) {
    llvm::for_each(op.getResultTypes(), addShape);
    if (auto conditional = dyn_cast<SizeConditionOpInterface>(op))
      add(conditional.getSizeConditions());
  }
  return conditions.takeVector();
}

struct Fuse : impl::FuseBase<Fuse> {
  using FuseBase::FuseBase;

  void runOnOperation() override {
    OpBuilder kernels = OpBuilder::atBlockEnd(getOperation().getBody());
    int64_t count = 0;
    for (auto function : llvm::to_vector(getOperation().getOps<func::FuncOp>())) {
      if (function.isDeclaration())
        continue;
      Block &body = function.getBody().front();
      if (failed(checkSizes(body)))
        return signalPassFailure();
      if (SmallVector<int64_t> conditions = conditionsOf(function); !conditions.empty())
        function->setAttr("weft.conditions", ShapeAttr::get(&getContext(), conditions));
      if (storesInFrames)
        regroupDimensions(body);
      FusionGroups groups(body, {readsParts, storesInFrames});
      for (FusionGroup *group : groups.inOrder())
        if (group->kind)
          Outliner(*group, groups)
              .outline("kernel_" + std::to_string(count++), kernels, body.getTerminator());
        else
          group->ops.front()->moveBefore(body.getTerminator());
      sortTopologically(body);
      for (Operation &op : llvm::make_early_inc_range(llvm::reverse(body)))
        if (isOpTriviallyDead(&op))
          op.erase();
    }
  }
};

} // namespace
} // namespace weft
