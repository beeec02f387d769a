// From a planned function and the code of its kernels to a plan.
#include "lib/Compiler/PlanBuilder.h"
#include "dialects/Weft/IR/Require.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/LaunchCost.h"
#include "lib/Compiler/StagePreparation.h"
#include "lib/Compiler/Types.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/PreparedValues.h"
#include "lib/Runtime/RunSteps.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "passes/plan/CollectiveCalls.h"
#include "passes/plan/LaunchArguments.h"
#include "passes/plan/OutputMemory.h"
#include "passes/plan/PlanSteps.h"
#include "passes/plan/ValueMemory.h"
#include "passes/templates/Template.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;

namespace weft {
namespace {

class PlanBuilder {
public:
  PlanBuilder(func::FuncOp function, const KernelCodeByName &code, Device *device, bool prepares,
              Outputs memory = Outputs::Chosen)
      : function(function),
        memory(memory),
        kernels(function->getParentOfType<ModuleOp>()),
        code(code),
        prepares(prepares),
        values(function.getBody().front()) {
    result.plan.device = device;
  }

  /// Stages that a nested plan leaves to whoever runs it, which gives it what they fill as more
  /// inputs.
  struct Hoisted {
    std::shared_ptr<const PreparedProgram> program;
    /// Arguments of the function.
    std::vector<uint32_t> arguments;
    KernelReport report = {};
  };

  struct Nested {
    std::shared_ptr<const Plan> plan;
    std::vector<Hoisted> left;
    std::vector<KernelReport> kernels;
  };

  Executable build() {
    if (hasSymbolicSizes(function))
      throw Error(Error::Kind::Unsupported,
                  "@" + function.getSymName().str() +
                      " has symbolic sizes; it is compiled for given ones");
    Block &body = function.getBody().front();
    auto arena = function->getAttrOfType<IntegerAttr>("weft.arena");
    result.plan.arenaBytes = arena ? arena.getInt() : 0;
    plannedBytes = result.plan.arenaBytes;
    for (auto [argument, type] :
         llvm::zip_equal(body.getArguments(), outerArgumentTypes(function))) {
      result.plan.inputs.push_back(signatureOf(type));
      places[argument] = {BufferReference::Kind::Input, argument.getArgNumber(), 0};
    }
    llvm::append_range(result.plan.inputs, others);
    addOutputs(cast<func::ReturnOp>(body.getTerminator()));
    for (auto constant : body.getOps<ConstantOp>())
      addConstant(constant);
    refusePrepared(body);
    SmallVector<PlanStep> steps = planSteps();
    for (Operation &op : body)
      if (std::optional<int64_t> start = partStart(op))
        addPart(op, *start);
    for (const Requirement &requirement : requirementsOf(function))
      if (!requirement.size || *requirement.size < 0)
        result.plan.steps.push_back(Refusal{requirement.error.str()});
    for (const PlanStep &step : steps)
      std::visit([this](const auto &kind) { addStep(kind); }, step);
    return std::move(result);
  }

private:
  SmallVector<PlanStep> planSteps() {
    DiagnosticCollector diagnostics(*function.getContext());
    FailureOr<SmallVector<PlanStep>> steps = stepsOf(function);
    if (failed(steps))
      throw Error(Error::Kind::Unsupported, diagnostics.text("the program could not be planned"));
    return std::move(*steps); // NOLINT(bugprone-unchecked-optional-access): it is checked above
  }

  /// A plan prepares temporaries by steps of its own.
  static void refusePrepared(Block &body) {
    for (Operation &op : body) {
      auto launch = dyn_cast<LaunchOp>(op);
      if (isa<ub::PoisonOp>(op) || (launch && !launch.getPrepared().empty()))
        throw Error(Error::Kind::Unsupported,
                    op.getName().getStringRef().str() +
                        " of what was prepared: launches of compiled objects alone have that");
    }
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

  /// A part of an argument.
  void addPart(Operation &op, int64_t start) {
    BufferReference place = places.at(values.of(op.getOperand(0)));
    place.offset += static_cast<uint64_t>(start);
    places[op.getResult(0)] = place;
  }

  /// Results of launches that leave the function are written where they stay.
  void addOutputs(func::ReturnOp terminator) {
    for (Type type : outerResultTypes(function))
      result.plan.outputs.push_back(signatureOf(type));
    for (auto [number, value] : llvm::enumerate(terminator.getOperands()))
      if (Value storage = values.of(value); isWritten(storage) && !places.count(storage))
        places[storage] = {BufferReference::Kind::Output, static_cast<uint32_t>(number), 0};
    bool isOnDevice = result.plan.device != nullptr;
    for (const OutputMemory &place : outputMemories(function, kernels, isOnDevice, memory))
      result.plan.outputSources.push_back(sourceOf(place));
  }

  static OutputSource sourceOf(const OutputMemory &place) {
    switch (place.kind) {
    case OutputMemory::Kind::Own:
      return {};
    case OutputMemory::Kind::Argument:
      return {OutputSource::Kind::Input, place.number};
    case OutputMemory::Kind::DonatedArgument:
      return {OutputSource::Kind::DonatedInput, place.number};
    case OutputMemory::Kind::Output:
      return {OutputSource::Kind::Output, place.number};
    }
    llvm_unreachable("all kinds are known");
  }

  /// Inputs and outputs are shared. What gets a constant, or a prepared value, may hand its memory
  /// out: the plan, or the storage, keeps its own.
  void addStep(const CopyStep &copy) {
    bool isShared = result.plan.outputSources[copy.output].kind != OutputSource::Kind::Fresh;
    if (!isShared || memory == Outputs::Given)
      result.plan.steps.push_back(Copy{places.at(values.of(copy.from)),
                                       {BufferReference::Kind::Output, copy.output, 0},
                                       result.plan.outputs[copy.output].bytes()});
  }

  /// The sizes and the parameters that a kernel is called with.
  static std::vector<int64_t> sizesOf(LaunchOp launch, KernelOp kernel) {
    std::vector<int64_t> sizes;
    for (const LaunchArgument &argument : launchArguments(launch, kernel))
      sizes.push_back(bitsOf(argument));
    return sizes;
  }

  /// Where a launch's inputs and outputs are; the outputs get their places.
  std::vector<BufferReference> buffersOf(LaunchOp launch) {
    std::vector<BufferReference> buffers;
    for (Value input : launch.getInputs())
      buffers.push_back(places.at(values.of(input)));
    auto offsets = launch->getAttrOfType<DenseI64ArrayAttr>("offsets").asArrayRef();
    for (auto [output, offset] : llvm::zip_equal(launch.getOutputs(), offsets)) {
      if (offset >= 0)
        places[output] = {BufferReference::Kind::Arena, 0, static_cast<uint64_t>(offset)};
      buffers.push_back(places.at(values.of(output)));
    }
    return buffers;
  }

  /// What processes compute together, on a device.
  void addCollective(LaunchOp launch, KernelOp kernel, CollectiveOpInterface op) {
    std::vector<int64_t> sizes = sizesOf(launch, kernel);
    std::vector<BufferReference> buffers = buffersOf(launch);
    Collective step;
    step.function = collectiveFunctionOf(op);
    llvm::append_range(step.numbers, collectiveNumbersOf(op));
    auto type = cast<RankedTensorType>(op.getX().getType());
    for (int64_t symbol : cast<SizesAttr>(type.getEncoding()).getSymbols())
      step.numbers.push_back(sizes[symbol]);
    unsigned read = cast<BlockArgument>(op.getRead()).getArgNumber();
    step.read = buffers[read];
    step.readBytes = signatureOf(launch.getInputs()[read].getType()).bytes();
    step.token = buffers[cast<BlockArgument>(op.getToken()).getArgNumber()];
    auto yield = cast<YieldOp>(kernel.getBody().front().getTerminator());
    for (auto [number, yielded] : llvm::enumerate(yield.getValues())) {
      const BufferReference &place = buffers[launch.getInputs().size() + number];
      if (yielded == op.getNext())
        step.next = place;
      else
        step.result = place;
      if (yielded == op.getResult())
        step.resultBytes = signatureOf(launch.getOutputs()[number].getType()).bytes();
    }
    step.source = eventSourceOf(launch, kernel, costOf(launch, kernel));
    addReport(kernel, step.source, {false}, /*overwrites=*/false);
    result.plan.steps.push_back(std::move(step));
  }

  void addStep(const LaunchStep &step) {
    auto [launch, kernel] = step;
    if (CollectiveOpInterface op = collectiveOf(kernel); op && result.plan.device)
      return addCollective(launch, kernel, op);
    std::shared_ptr<const KernelCode> kernelCode = code.at(kernel.getSymName());
    std::vector<int64_t> sizes = sizesOf(launch, kernel);
    std::vector<BufferReference> buffers = buffersOf(launch);
    size_t stages = kernelCode->stages.size() + kernelCode->deviceStages.size();
    std::vector<int64_t> setup(3 * stages + kernelCode->temporaries, -1);
    kernelCode->setup(sizes.data(), setup.data());
    LaunchCost cost = costOf(launch, kernel), copyCost = copyCostOf(launch, kernel);
    std::optional<unsigned> copied = updatedArgument(kernel);
    LaunchCost whole = cost;
    if (copied && !isInPlace(launch, *copied))
      whole.bytes += copyCost.bytes;
    auto source = eventSourceOf(launch, kernel, whole);
    std::vector<Launch> launches(stages);
    for (auto [stage, added] : llvm::enumerate(launches)) {
      if (result.plan.device) {
        added.deviceFunction = kernelCode->deviceStages[stage];
        added.isAlternative = stage > 0 && !kernelCode->deviceStages[stage - 1]->tensorMaps.empty();
      } else {
        added.function = kernelCode->stages[stage];
      }
      added.source = source;
      added.inputs = launch.getInputs().size();
      added.sizes = sizes;
      added.tasks = setup[stage];
      const LaunchCost &own = copied && stage == 0 ? copyCost : cost;
      added.maximumThreads = own.threads();
      added.chunk = own.chunk(added.tasks);
      if (copied && stage == 0)
        added.copied = copied;
    }
    size_t given = buffers.size();
    addTemporaries(ArrayRef(setup).slice(stages, kernelCode->temporaries), buffers);
    std::vector<bool> isPrepared = prepareStages(launch, launches, given, setup, buffers);
    bool overwrites = copied && overwrittenOperand(launch);
    addReport(kernel, source, isPrepared, overwrites);
    for (auto [stage, added] : llvm::enumerate(launches)) {
      added.buffers = buffers;
      if (!isPrepared[stage] && !(overwrites && stage == 0))
        result.plan.steps.push_back(std::move(added));
    }
    result.code.push_back(kernelCode);
  }

  /// Temporaries lie behind the arena's planned part, each launch's at the same place.
  void addTemporaries(ArrayRef<int64_t> bytes, std::vector<BufferReference> &buffers) {
    uint64_t end = plannedBytes;
    // A device tells buffers apart by where they are.
    int64_t least = result.plan.device ? 1 : 0;
    for (int64_t size : bytes) {
      buffers.push_back({BufferReference::Kind::Arena, 0, end});
      end += (static_cast<uint64_t>(std::max(size, least)) + 63) / 64 * 64;
    }
    result.plan.arenaBytes = std::max(result.plan.arenaBytes, end);
  }

  /// Makes a prepare step of the stages that fill temporaries from kept buffers alone, as the one
  /// that packs a weight, and lets the others find these. `given` is the number of buffers that are
  /// no temporaries. Says of each stage whether it was one.
  std::vector<bool> prepareStages(LaunchOp launch, ArrayRef<Launch> stages, size_t given,
                                  ArrayRef<int64_t> setup, std::vector<BufferReference> &buffers) {
    std::vector<bool> isPrepared(stages.size());
    if ((memory == Outputs::Chosen && !prepares) || result.plan.device || buffers.size() == given ||
        buffers.size() > 63)
      return isPrepared;
    const std::vector<BufferReference> places = buffers;
    StagePreparation preparation(stages, given, setup, places);
    for (size_t stage = 0; stage < stages.size(); ++stage)
      isPrepared[stage] = preparation.add(
          stage, [&](size_t input) { return isKeptHere(launch.getInputs()[input]); });
    auto signatures = llvm::map_to_vector(launch.getInputs(),
                                          [](Value input) { return signatureOf(input.getType()); });
    if (memory == Outputs::Given)
      leaveStages(preparation, signatures, buffers);
    else
      preparation.addTo(result.plan, signatures, buffers, preparedStages);
    return isPrepared;
  }

  /// Of a nested plan only arguments are known to those who run it.
  bool isKeptHere(Value value) const {
    return isKept(value) &&
           (memory == Outputs::Chosen || isa<BlockArgument>(withoutReshapes(value)));
  }

  /// Leaves stages to whoever runs this plan; what they fill are inputs.
  void leaveStages(const StagePreparation &preparation, ArrayRef<TensorSignature> signatures,
                   std::vector<BufferReference> &buffers) {
    std::optional<StagePreparation::Stages> stages = preparation.stagesOf(signatures);
    if (!stages)
      return;
    std::vector<uint32_t> arguments;
    for (size_t number : stages->read)
      arguments.push_back(buffers[number].index);
    std::vector<BufferReference> values = leave({PreparedProgram::of(stages->plan), arguments});
    for (auto [number, value] : llvm::zip_equal(stages->written, values))
      buffers[number] = value;
  }

  /// The inputs that hold what the stages fill, the same for the same stages.
  std::vector<BufferReference> leave(const Hoisted &left) {
    std::vector<uint64_t> key{left.program->number};
    llvm::append_range(key, left.arguments);
    std::vector<BufferReference> &values = leftStages[key];
    if (values.empty()) {
      for (const TensorSignature &filled : left.program->plan.outputs) {
        values.push_back(
            {BufferReference::Kind::Input, static_cast<uint32_t>(result.plan.inputs.size()), 0});
        result.plan.inputs.push_back(filled);
      }
      hoisted.push_back(left);
    }
    return values;
  }

  /// Runs what a nested plan left to this one: once for a storage that is kept, before what runs
  /// this one if that can, else here. Adds where the values are. `operands` are what the arguments
  /// from `first` on are given.
  void runLeft(ArrayRef<Hoisted> left, size_t first, ValueRange operands, uint64_t &taken,
               std::vector<BufferReference> &given) {
    for (const Hoisted &stages : left) {
      auto inputs = llvm::map_to_vector(
          stages.arguments, [&](uint32_t number) -> Value { return operands[number - first]; });
      bool areKept = llvm::all_of(inputs, [&](Value input) { return isKeptHere(input); });
      std::vector<BufferReference> values;
      if (areKept && memory == Outputs::Given) {
        std::vector<uint32_t> arguments;
        for (const BufferReference &place : placesOf(inputs))
          arguments.push_back(place.index);
        values = leave({stages.program, arguments, stages.report});
      } else if (areKept && prepares) {
        values =
            StagePreparation::addTo(result.plan, stages.program, placesOf(inputs), preparedStages);
        result.prepared.push_back(stages.report);
      } else {
        values = runHere(stages.program->plan, placesOf(inputs), taken);
        result.kernels.push_back(stages.report);
      }
      llvm::append_range(given, values);
    }
  }

  /// Adds the stages as steps, which fill bytes of the next step.
  std::vector<BufferReference> runHere(const Plan &stages, ArrayRef<BufferReference> inputs,
                                       uint64_t &taken) {
    std::vector<BufferReference> values;
    values.reserve(stages.outputs.size());
    for (const TensorSignature &filled : stages.outputs)
      values.push_back(scratch(taken, filled.bytes()));
    for (Launch launch :
         llvm::map_range(stages.steps, [](const Step &step) { return std::get<Launch>(step); })) {
      for (BufferReference &buffer : launch.buffers)
        if (buffer.kind == BufferReference::Kind::Input)
          buffer = inputs[buffer.index];
        else if (buffer.kind == BufferReference::Kind::Output)
          buffer = values[buffer.index];
      result.plan.steps.push_back(std::move(launch));
    }
    return values;
  }

  void addStep(const PrepareStep &planned) {
    PrepareOp prepare = planned.prepare;
    auto callee = kernels.lookup<func::FuncOp>(prepare.getFunction());
    Executable made = PlanBuilder(callee, code, result.plan.device, /*prepares=*/false).build();
    llvm::append_range(result.code, std::move(made.code));
    llvm::append_range(result.prepared, std::move(made.kernels));
    Prepare step;
    step.program = PreparedProgram::of(std::move(made.plan));
    for (Value input : prepare.getInputs())
      step.inputs.push_back(places.at(values.of(input)));
    step.firstValue = result.plan.preparedValues;
    for (Value output : prepare.getOutputs())
      places[output] = {BufferReference::Kind::Prepared, result.plan.preparedValues++, 0};
    result.plan.steps.push_back(std::move(step));
  }

  /// Bytes of this step's own, behind those that `taken` counts.
  BufferReference scratch(uint64_t &taken, uint64_t bytes) {
    BufferReference place = {BufferReference::Kind::Arena, 0, plannedBytes + taken};
    taken += (std::max<uint64_t>(bytes, 1) + 255) / 256 * 256;
    result.plan.arenaBytes = std::max(result.plan.arenaBytes, plannedBytes + taken);
    return place;
  }

  /// A function that a step runs in memory that it gives. `others` are inputs behind its arguments
  /// that are not its own.
  Nested nested(FlatSymbolRefAttr name, ArrayRef<TensorSignature> others = {}) {
    auto callee = kernels.lookup<func::FuncOp>(name.getAttr());
    PlanBuilder builder(callee, code, result.plan.device, /*prepares=*/false, Outputs::Given);
    builder.others = others;
    Executable made = builder.build();
    llvm::append_range(result.code, std::move(made.code));
    llvm::append_range(result.prepared, std::move(made.prepared));
    return {std::make_shared<const Plan>(std::move(made.plan)), std::move(builder.hoisted),
            std::move(made.kernels)};
  }

  /// Where the results of a step that is no launch are.
  void placeResults(Operation *op) {
    auto offsets = op->getAttrOfType<DenseI64ArrayAttr>("offsets").asArrayRef();
    for (auto [output, offset] : llvm::zip_equal(op->getResults(), offsets))
      if (offset >= 0)
        places[output] = {BufferReference::Kind::Arena, 0, static_cast<uint64_t>(offset)};
  }

  std::vector<BufferReference> placesOf(ValueRange values) const {
    std::vector<BufferReference> buffers;
    for (Value value : values)
      buffers.push_back(places.at(this->values.of(value)));
    return buffers;
  }

  void addStep(const LoopStep &planned) {
    LoopOp op = planned.loop;
    placeResults(op);
    Loop step;
    std::vector<KernelReport> reports;
    if (FlatSymbolRefAttr condition = op.getConditionAttr()) {
      Nested asked = nested(condition);
      step.condition = asked.plan;
      reports = std::move(asked.kernels);
    }
    Nested body = nested(op.getBodyAttr());
    llvm::append_range(reports, body.kernels);
    step.body = body.plan;
    step.count = op.getCountAttr() ? op.getCountAttr().getSizes().front() : 0;
    step.reverse = op.getReverse();
    std::vector<BufferReference> first = placesOf(op.getInit()),
                                 results = placesOf(op.getOutputs());
    SmallVector<CarryKind> kinds = carryKinds(op, kernels, result.plan.device != nullptr);
    uint64_t taken = 0;
    step.captured = placesOf(op.getCaptured());
    runLeft(body.left, first.size() + op.getScanned().size(), op.getCaptured(), taken,
            step.captured);
    llvm::append_range(result.kernels, reports);
    for (auto [number, place] : llvm::enumerate(first)) {
      uint64_t bytes = step.body->inputs[number].bytes();
      Carry carry{carryOf(kinds[number]), bytes, place, results[number], {}};
      if (carry.kind == Carry::Kind::Exchanged)
        carry.spare = scratch(taken, bytes);
      step.carries.push_back(carry);
    }
    size_t carries = first.size();
    for (auto [number, place] : llvm::enumerate(placesOf(op.getScanned())))
      step.scanned.push_back(slices(place, step.body->inputs[carries + number].bytes(), taken));
    for (size_t number = carries; number < results.size(); ++number)
      step.stacked.push_back(slices(results[number], step.body->outputs[number].bytes(), taken));
    step.proceeds = scratch(taken, 1);
    if (!result.plan.device)
      step.addresses = scratch(taken, addressCount(step) * sizeof(void *));
    step.arena = scratch(
        taken, std::max(step.body->arenaBytes, step.condition ? step.condition->arenaBytes : 0));
    result.plan.steps.push_back(std::move(step));
  }

  static Carry::Kind carryOf(CarryKind kind) {
    switch (kind) {
    case CarryKind::Kept:
      return Carry::Kind::Kept;
    case CarryKind::InPlace:
      return Carry::Kind::InPlace;
    case CarryKind::Exchanged:
      return Carry::Kind::Exchanged;
    }
    llvm_unreachable("all kinds are known");
  }

  /// Parts of a tensor; on a device each part begins where a tensor of its own could.
  Slices slices(const BufferReference &buffer, uint64_t bytes, uint64_t &taken) {
    constexpr uint64_t deviceAlignment = 256;
    Slices parts{buffer, bytes, {}};
    if (result.plan.device && bytes % deviceAlignment != 0)
      parts.aligned = scratch(taken, bytes);
    return parts;
  }

  void addStep(const BranchStep &planned) {
    BranchOp op = planned.branch;
    placeResults(op);
    Branch step;
    uint64_t taken = 0, arenaBytes = 0;
    step.inputs = placesOf(op.getInputs());
    std::vector<TensorSignature> others;
    std::vector<KernelReport> reports;
    for (auto name : op.getFunctions().getAsRange<FlatSymbolRefAttr>()) {
      Nested branch = nested(name, others);
      runLeft(branch.left, 0, op.getInputs(), taken, step.inputs);
      llvm::append_range(reports, branch.kernels);
      others.assign(branch.plan->inputs.begin() + static_cast<ptrdiff_t>(op.getInputs().size()),
                    branch.plan->inputs.end());
      arenaBytes = std::max(arenaBytes, branch.plan->arenaBytes);
      step.branches.push_back(std::move(branch.plan));
    }
    llvm::append_range(result.kernels, reports);
    step.index = placesOf(op.getIndex()).front();
    step.outputs = placesOf(op.getOutputs());
    if (!result.plan.device)
      step.addresses = scratch(taken, addressCount(step) * sizeof(void *));
    step.arena = scratch(taken, arenaBytes);
    result.plan.steps.push_back(std::move(step));
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

  /// What the launch is, for those who watch.
  static std::shared_ptr<const EventSource> eventSourceOf(LaunchOp launch, KernelOp kernel,
                                                          const LaunchCost &cost) {
    EventSource source{.name = kernel.getSymName().str()};
    llvm::raw_string_ostream(source.schedule) << kernel.getScheduleAttr();
    source.bytes = cost.bytes;
    source.operations = cost.operations;
    for (Operation &op : kernel.getBody().front().without_terminator())
      source.operators.push_back(op.getName().stripDialect().str());
    llvm::SmallSetVector<Attribute, 4> seen;
    launch.getLoc()->walk([&](Location part) {
      if (auto line = dyn_cast<FileLineColLoc>(part); line && seen.insert(line))
        source.lines.push_back(line.getFilename().str() + ":" + std::to_string(line.getLine()));
      return WalkResult::advance();
    });
    return std::make_shared<const EventSource>(std::move(source));
  }

  /// `overwrites`: the first stage, a copy, is not run.
  void addReport(KernelOp kernel, std::shared_ptr<const EventSource> source,
                 const std::vector<bool> &isPrepared, bool overwrites) {
    KernelReport report;
    report.source = std::move(source);
    report.stages = llvm::count(isPrepared, false) - (overwrites ? 1 : 0);
    report.reason = templateOf(kernel)->reason().str();
    if (llvm::is_contained(isPrepared, true)) {
      KernelReport packing = report;
      packing.stages = llvm::count(isPrepared, true);
      packing.reason = "the stages that copy its operands in the order in which they are read";
      if (memory == Outputs::Chosen)
        result.prepared.push_back(std::move(packing));
      else if (!hoisted.empty() && !hoisted.back().report.source)
        hoisted.back().report = std::move(packing);
    }
    result.kernels.push_back(std::move(report));
  }

  func::FuncOp function;
  Outputs memory;
  SymbolTable kernels;
  const KernelCodeByName &code;
  /// Stages that read hidden inputs alone become prepare steps.
  bool prepares;
  ValueMemory values;
  StagePreparation::Known preparedStages;
  /// Of a nested plan: what it leaves, where the values are, and inputs of those beside it.
  std::vector<Hoisted> hoisted;
  StagePreparation::Known leftStages;
  ArrayRef<TensorSignature> others;
  Executable result;
  uint64_t plannedBytes = 0;
  llvm::DenseMap<Value, BufferReference> places;
};

} // namespace

Executable buildPlan(func::FuncOp function, const KernelCodeByName &code, Device *device,
                     bool prepares) {
  return PlanBuilder(function, code, device, prepares).build();
}

} // namespace weft
