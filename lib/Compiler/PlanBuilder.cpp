// From a planned function and the code of its kernels to a plan.
#include "lib/Compiler/PlanBuilder.h"
#include "lib/Compiler/LaunchCost.h"
#include "lib/Compiler/Types.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Support/Error.h"
#include "passes/plan/LaunchArguments.h"
#include "passes/plan/ValueMemory.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {
namespace {

class PlanBuilder {
public:
  PlanBuilder(func::FuncOp function, const KernelCodeByName &code, Device *device)
      : function(function),
        kernels(function->getParentOfType<ModuleOp>()),
        code(code),
        values(function.getBody().front()) {
    result.plan.device = device;
  }

  Executable build() {
    if (hasSymbolicSizes(function))
      throw Error(Error::Kind::Unsupported,
                  "@" + function.getSymName().str() +
                      " has symbolic sizes; it is compiled for given ones");
    Block &body = function.getBody().front();
    auto arena = function->getAttrOfType<IntegerAttr>("weft.arena");
    result.plan.arenaBytes = arena ? arena.getInt() : 0;
    plannedBytes = result.plan.arenaBytes;
    for (BlockArgument argument : body.getArguments()) {
      result.plan.inputs.push_back(signatureOf(argument.getType()));
      places[argument] = {BufferReference::Kind::Input, argument.getArgNumber(), 0};
    }
    addOutputs(cast<func::ReturnOp>(body.getTerminator()));
    for (Operation &op : body) {
      if (auto constant = dyn_cast<ConstantOp>(op))
        addConstant(constant);
      else if (auto reshape = dyn_cast<ReshapeOp>(op))
        forward(reshape);
      else if (auto launch = dyn_cast<LaunchOp>(op))
        addLaunch(launch);
      else if (!isa<func::ReturnOp>(op))
        throw Error(Error::Kind::Unsupported,
                    "no kernel computes " + op.getName().getStringRef().str());
    }
    finishOutputs(cast<func::ReturnOp>(body.getTerminator()));
    return std::move(result);
  }

private:
  void forward(ReshapeOp reshape) {
    if (auto found = places.find(values.of(reshape.getX())); found != places.end())
      places[reshape.getResult()] = found->second;
  }

  void addConstant(ConstantOp constant) {
    TensorSignature signature = signatureOf(constant.getType());
    StorageRef storage = Allocator::process().allocate(signature);
    copyElements(constant.getValue(), storage->data());
    places[constant.getResult()] = {BufferReference::Kind::Constant,
                                    static_cast<uint32_t>(result.plan.constants.size()), 0};
    if (Device *device = result.plan.device) {
      StorageRef there = device->allocate(signature.bytes());
      device->write(*there, storage->data(), signature.bytes());
      storage = std::move(there);
    }
    result.plan.constants.push_back(std::move(storage));
  }

  /// Results of launches that leave the function are written where they stay.
  void addOutputs(func::ReturnOp terminator) {
    for (auto [number, value] : llvm::enumerate(terminator.getOperands())) {
      result.plan.outputs.push_back(signatureOf(value.getType()));
      Value storage = values.of(value);
      OutputSource source;
      if (storage.getDefiningOp<LaunchOp>() && !places.count(storage)) {
        places[storage] = {BufferReference::Kind::Output, static_cast<uint32_t>(number), 0};
        if (auto donor = donorOf(cast<OpResult>(storage)))
          source = {OutputSource::Kind::DonatedInput, *donor};
      }
      result.plan.outputSources.push_back(source);
    }
  }

  void finishOutputs(func::ReturnOp terminator) {
    for (auto [number, value] : llvm::enumerate(terminator.getOperands())) {
      const BufferReference &place = places.at(values.of(value));
      OutputSource &source = result.plan.outputSources[number];
      if (place.kind == BufferReference::Kind::Input)
        source = {OutputSource::Kind::Input, place.index};
      else if (place.kind == BufferReference::Kind::Constant)
        source = {OutputSource::Kind::Constant, place.index};
      else if (place.index != number)
        source = {OutputSource::Kind::Output, place.index};
    }
  }

  /// A donated argument over which the launch may write its result: read there for the last time,
  /// and only at the element that is being written, or to copy what stays. The other kernels of
  /// devices rely on inputs that nothing writes.
  std::optional<uint32_t> donorOf(OpResult output) {
    auto launch = cast<LaunchOp>(output.getOwner());
    auto kernel = kernels.lookup<KernelOp>(launch.getKernel());
    Value inKernel = kernel.getYield().getValues()[output.getResultNumber()];
    for (auto [number, input] : llvm::enumerate(launch.getInputs())) {
      auto argument = dyn_cast<BlockArgument>(values.of(input));
      if (!argument || taken.contains(argument) ||
          !function.getArgAttr(argument.getArgNumber(), "weft.donated"))
        continue;
      BlockArgument read = kernel.getBody().getArgument(number);
      auto isSame = [&](Value other) { return values.of(other) == argument; };
      // Only of elementwise kernels the types tell whether both have the same elements.
      bool isSafe =
          overwritableArgument(kernel) == number ||
          (!result.plan.device && read.getType() == inKernel.getType() && isReadInPlace(read));
      if (!isSafe || llvm::count_if(launch.getInputs(), isSame) != 1 ||
          isReadAfter(argument, launch))
        continue;
      taken.insert(argument);
      return argument.getArgNumber();
    }
    return std::nullopt;
  }

  /// True if the value, and what is computed from it, is only read at the element that is computed.
  static bool isReadInPlace(Value value) {
    llvm::SmallSetVector<Operation *, 8> readers;
    auto addReaders = [&](Value read) {
      return llvm::all_of(read.getUses(), [&](OpOperand &use) {
        readers.insert(use.getOwner());
        return isa<YieldOp>(use.getOwner()) || readsInPlace(use.getOwner(), use.getOperandNumber());
      });
    };
    bool isInPlace = addReaders(value);
    for (size_t next = 0; isInPlace && next < readers.size(); ++next)
      isInPlace = isa<YieldOp>(readers[next]) || addReaders(readers[next]->getResult(0));
    return isInPlace;
  }

  /// True if anything but `launch` reads the storage of `value` at the same time or later.
  static bool isReadAfter(Value value, LaunchOp launch) {
    return llvm::any_of(value.getUsers(), [&](Operation *user) {
      if (auto reshape = dyn_cast<ReshapeOp>(user))
        return isReadAfter(reshape.getResult(), launch);
      return user != launch && !user->isBeforeInBlock(launch);
    });
  }

  void addLaunch(LaunchOp launch) {
    auto kernel = kernels.lookup<KernelOp>(launch.getKernel());
    std::shared_ptr<const KernelCode> kernelCode = code.at(kernel.getSymName());
    std::vector<int64_t> sizes;
    for (const LaunchArgument &argument : launchArguments(launch, kernel))
      sizes.push_back(bitsOf(argument));
    std::vector<BufferReference> buffers;
    for (Value input : launch.getInputs())
      buffers.push_back(places.at(values.of(input)));
    auto offsets = launch->getAttrOfType<DenseI64ArrayAttr>("offsets").asArrayRef();
    for (auto [output, offset] : llvm::zip_equal(launch.getOutputs(), offsets)) {
      if (offset >= 0)
        places[output] = {BufferReference::Kind::Arena, 0, static_cast<uint64_t>(offset)};
      buffers.push_back(places.at(values.of(output)));
    }
    size_t stages = kernelCode->stages.size() + kernelCode->deviceStages.size();
    std::vector<int64_t> setup(stages + kernelCode->temporaries);
    kernelCode->setup(sizes.data(), setup.data());
    uint64_t end = plannedBytes;
    for (int64_t bytes : ArrayRef(setup).drop_front(stages)) {
      buffers.push_back({BufferReference::Kind::Arena, 0, end});
      end += (static_cast<uint64_t>(bytes) + 63) / 64 * 64;
    }
    result.plan.arenaBytes = std::max(result.plan.arenaBytes, end);
    LaunchCost cost = costOf(launch, kernel), copyCost = copyCostOf(launch, kernel);
    std::optional<unsigned> copied = updatedArgument(kernel);
    for (size_t stage = 0; stage < stages; ++stage) {
      bool isCopy = copied && stage == 0;
      if (isCopy && overwrittenOperand(launch))
        continue;
      Launch &added = result.plan.launches.emplace_back();
      if (result.plan.device) {
        added.deviceFunction = kernelCode->deviceStages[stage];
        added.isAlternative = stage > 0 && !kernelCode->deviceStages[stage - 1]->tensorMaps.empty();
      } else {
        added.function = kernelCode->stages[stage];
      }
      added.buffers = buffers;
      added.inputs = launch.getInputs().size();
      added.sizes = sizes;
      added.tasks = setup[stage];
      added.maximumThreads = (isCopy ? copyCost : cost).threads();
      if (isCopy)
        added.copied = *copied;
      added.name = kernel.getSymName().str();
    }
    result.code.push_back(kernelCode);
    if (copied && !isInPlace(launch, *copied))
      cost.bytes += copyCost.bytes;
    addReport(launch, kernel, cost);
  }

  /// True if a launch that changes some elements of an operand writes over it, as long as the
  /// caller donates what is donated.
  bool isInPlace(LaunchOp launch, unsigned operand) const {
    const BufferReference &place = places.at(values.of(launch.getOutputs()[0]));
    const BufferReference &former = places.at(values.of(launch.getInputs()[operand]));
    if (place.kind != BufferReference::Kind::Output || former.kind != BufferReference::Kind::Input)
      return overwrittenOperand(launch) != nullptr;
    const OutputSource &source = result.plan.outputSources[place.index];
    return source.kind == OutputSource::Kind::DonatedInput && source.index == former.index;
  }

  void addReport(LaunchOp launch, KernelOp kernel, const LaunchCost &cost) {
    KernelReport report;
    report.name = kernel.getSymName().str();
    llvm::raw_string_ostream(report.schedule) << kernel.getScheduleAttr();
    report.bytes = cost.bytes;
    report.operations = cost.operations;
    const KernelCode &kernelCode = *code.at(kernel.getSymName());
    report.stages = static_cast<int64_t>(kernelCode.stages.size() + kernelCode.deviceStages.size());
    llvm::SmallSetVector<Attribute, 4> seen;
    launch.getLoc()->walk([&](Location part) {
      if (auto line = dyn_cast<FileLineColLoc>(part); line && seen.insert(line))
        report.lines.push_back(line.getFilename().str() + ":" + std::to_string(line.getLine()));
      return WalkResult::advance();
    });
    report.reason = reasonOf(kernel.getScheduleAttr().getKind());
    result.kernels.push_back(std::move(report));
  }

  static std::string reasonOf(Template kind) {
    switch (kind) {
    case Template::elementwise:
      return "its results are read at other elements, by other kernels, or leave the function";
    case Template::row_reduction:
      return "one pass of rows: what reduces along them and what follows row by row";
    case Template::column_reduction:
      return "a reduction along outer dimensions ends where its result is read again";
    case Template::contraction:
      return "one contraction with the elementwise ops on its result";
    case Template::update:
      return "some elements of a tensor are changed in memory";
    }
    llvm_unreachable("all templates have a reason");
  }

  func::FuncOp function;
  SymbolTable kernels;
  const KernelCodeByName &code;
  ValueMemory values;
  Executable result;
  uint64_t plannedBytes = 0;
  llvm::DenseMap<Value, BufferReference> places;
  llvm::DenseSet<Value> taken;
};

} // namespace

Executable buildPlan(func::FuncOp function, const KernelCodeByName &code, Device *device) {
  return PlanBuilder(function, code, device).build();
}

} // namespace weft
