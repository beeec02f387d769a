// Stages of kernels that read constants alone run while an object is compiled.
//
//   %w = weft.constant dense_resource<w>       %w = ub.poison
//                                              %p = weft.constant dense_resource<w> :
//                                              tensor<..xui8>
//   %0 = weft.launch @k(%x, %w) ...      ->    %0 = weft.launch @k(%x, %w) prepared(%p) ...
//                                                     {temporaries = array<i64: 0>}
//
// The stages are emitted for the target, whose registers decide on the order of elements, and their
// code is generated for this processor: they move elements, so that the bits are the same.
#include "lib/Compiler/PackConstants.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/KernelCode.h"
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/Types.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Support/Error.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/UB/IR/UBOps.h"
#include "mlir/IR/OwningOpRef.h"
#include "mlir/Transforms/Passes.h"
#include "passes/plan/LaunchArguments.h"
#include "passes/plan/ValueMemory.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/MathExtras.h"
#include <cstring>
#include <map>

using namespace mlir;

namespace weft {
namespace {

/// Bits tell which stages use the first 63 buffers and sizes.
constexpr int64_t mostBits = 63;

bool hasBit(int64_t bits, int64_t number) { return (bits >> number & 1) != 0; }

/// The stages of a kernel that fill temporaries from inputs alone, as code for this processor.
struct FillingStages {
  std::shared_ptr<const KernelCode> code;
  int64_t stages = 0, inputs = 0, given = 0, temporaries = 0;
  /// The buffers, then the sizes, that each stage uses; empty if the kernel has no such stage.
  SmallVector<int64_t> uses;

  /// True if it writes temporaries and no output.
  bool fills(int64_t stage) const {
    int64_t outputs = (int64_t(1) << given) - (int64_t(1) << inputs);
    return (uses[stage] & outputs) == 0 && uses[stage] >> given != 0;
  }
};

class StageCompiler {
public:
  StageCompiler(KernelOp kernel, const CpuTarget &target)
      : kernel(kernel), target(target), module(ModuleOp::create(kernel.getLoc())) {
    OpBuilder::atBlockEnd(module->getBody()).clone(*kernel);
  }

  FillingStages compile() {
    run([&](PassManager &passes) { buildPipeline(passes, target, Phase::Loops, Phase::Loops); });
    std::string name = kernel.getSymName().str();
    auto setup = module->lookupSymbol<func::FuncOp>(name + "_setup");
    FillingStages result;
    result.stages = setup->getAttrOfType<IntegerAttr>("weft.stages").getInt();
    result.temporaries = setup->getAttrOfType<IntegerAttr>("weft.temporaries").getInt();
    result.inputs = kernel.getArgumentTypes().size();
    result.given = result.inputs + kernel.getResultTypes().size();
    auto uses = setup->getAttrOfType<DenseI64ArrayAttr>("weft.uses");
    if (!uses || result.given + result.temporaries >= mostBits)
      return result;
    result.uses.assign(uses.asArrayRef().begin(), uses.asArrayRef().end());
    auto stages = llvm::seq<int64_t>(0, result.stages);
    if (llvm::none_of(stages, [&](int64_t stage) { return result.fills(stage); }))
      return {};
    for (int64_t stage : stages)
      if (!result.fills(stage))
        empty(module->lookupSymbol<func::FuncOp>(name + "_" + std::to_string(stage)));
    run([&](PassManager &passes) {
      passes.addPass(createSymbolDCEPass());
      buildPipeline(passes, target, Phase::Llvm, Phase::Llvm);
    });
    result.code = KernelLoader().load(CpuTarget::host().translateKernel(*module)->assemble());
    return result;
  }

private:
  template <typename Add> void run(Add add) {
    PassManager passes(module->getContext());
    passes.enableVerifier(false);
    add(passes);
    DiagnosticCollector diagnostics(*module->getContext());
    if (failed(passes.run(*module)))
      throw Error(Error::Kind::Unsupported,
                  diagnostics.text("kernel " + kernel.getSymName().str() +
                                   " could not be compiled for " + target.name()));
  }

  /// A stage that is not run here need not be compiled here, maybe for another processor.
  static void empty(func::FuncOp stage) {
    stage.getBody().dropAllReferences();
    stage.getBody().getBlocks().clear();
    auto builder = OpBuilder::atBlockEnd(stage.addEntryBlock());
    func::ReturnOp::create(builder, stage.getLoc());
  }

  KernelOp kernel;
  const CpuTarget &target;
  OwningOpRef<ModuleOp> module;
};

/// Packs what the launches of one function read.
class ConstantPacking {
public:
  ConstantPacking(func::FuncOp function, const CpuTarget &target, ComputedConstants &constants)
      : function(function),
        kernels(function->getParentOfType<ModuleOp>()),
        target(target),
        constants(constants) {}

  void run() {
    for (auto launch : llvm::to_vector(function.getOps<LaunchOp>()))
      if (llvm::any_of(launch.getInputs(), constantOf))
        pack(launch);
    for (Operation &op : llvm::make_early_inc_range(llvm::reverse(function.getBody().front())))
      if (isOpTriviallyDead(&op))
        op.erase();
  }

private:
  /// What stages make of constants: the kernel, its arguments, the constants that they read.
  using Key = std::pair<std::pair<std::string, std::vector<int64_t>>, std::vector<Operation *>>;

  /// Stages of a launch that are run here, and what they use.
  struct Choice {
    SmallVector<int64_t> stages;
    int64_t read = 0, written = 0, usedByOthers = 0;
  };

  static ConstantOp constantOf(Value input) {
    return withoutReshapes(input).getDefiningOp<ConstantOp>();
  }

  const FillingStages &stagesOf(KernelOp kernel) {
    auto [found, isNew] = compiled.try_emplace(kernel.getSymName());
    if (isNew)
      found->second = StageCompiler(kernel, target).compile();
    return found->second;
  }

  void pack(LaunchOp launch) {
    auto kernel = kernels.lookup<KernelOp>(launch.getKernel());
    const FillingStages &stages = stagesOf(kernel);
    if (stages.uses.empty())
      return;
    Choice choice = choose(launch, kernel, stages);
    if (choice.stages.empty())
      return;
    Key key{{launch.getKernel().str(), argumentsOf(launch, kernel, 0)}, {}};
    for (int64_t input = 0; input < stages.inputs; ++input)
      if (hasBit(choice.read, input))
        key.second.push_back(constantOf(launch.getInputs()[input]));
    SmallVector<Value> &values = packed[key];
    if (values.empty())
      values = runStages(launch, key, stages, choice);
    SmallVector<int64_t> numbers;
    for (int64_t number = 0; number < stages.temporaries; ++number)
      if (hasBit(choice.written, stages.given + number))
        numbers.push_back(number);
    launch.getPreparedMutable().assign(values);
    launch.setTemporaries(numbers);
    dropUnread(launch, choice);
  }

  /// The kernel's sizes and parameters; what is not known counts as `unknown`.
  static std::vector<int64_t> argumentsOf(LaunchOp launch, KernelOp kernel, int64_t unknown) {
    std::vector<int64_t> numbers;
    for (LaunchArgument argument : launchArguments(launch, kernel)) {
      if (isUnknown(argument))
        argument.value = unknown;
      numbers.push_back(bitsOf(argument));
    }
    return numbers;
  }

  static bool isUnknown(const LaunchArgument &argument) {
    return argument.kind != LaunchArgument::Kind::Bits && isSymbolicSize(argument.value);
  }

  /// What the kernel's setup stores.
  static std::vector<int64_t> setupOf(LaunchOp launch, KernelOp kernel, const FillingStages &stages,
                                      int64_t unknown) {
    std::vector<int64_t> setup(3 * stages.stages + stages.temporaries);
    stages.code->setup(argumentsOf(launch, kernel, unknown).data(), setup.data());
    return setup;
  }

  /// Stages that read constants and known sizes alone, and write what no stage before them used.
  static Choice choose(LaunchOp launch, KernelOp kernel, const FillingStages &stages) {
    // What does not depend on unknown sizes is the same for few and for many.
    std::vector<int64_t> few = setupOf(launch, kernel, stages, 1);
    std::vector<int64_t> many = setupOf(launch, kernel, stages, int64_t(1) << 20);
    auto isSame = [&](int64_t number) { return few[number] == many[number]; };
    SmallVector<LaunchArgument> arguments = launchArguments(launch, kernel);
    Choice choice;
    for (int64_t stage = 0; stage < stages.stages; ++stage) {
      int64_t buffers = stages.uses[stage], sizes = stages.uses[stages.stages + stage];
      bool isTaken = stages.fills(stage) && few[stage] > 0 && isSame(stage) &&
                     (buffers & choice.usedByOthers) >> stages.given == 0;
      for (int64_t number = 0; number < stages.given + stages.temporaries && isTaken; ++number)
        if (hasBit(buffers, number))
          isTaken = number < stages.inputs
                        ? static_cast<bool>(constantOf(launch.getInputs()[number]))
                        : isSame(stages.stages + number - stages.given);
      for (auto [number, argument] : llvm::enumerate(arguments))
        if (number >= mostBits || hasBit(sizes, number))
          isTaken &= !isUnknown(argument);
      if (!isTaken) {
        choice.usedByOthers |= buffers;
        continue;
      }
      int64_t inputs = (int64_t(1) << stages.inputs) - 1;
      choice.stages.push_back(stage);
      choice.read |= buffers & inputs;
      choice.written |= buffers & ~inputs;
    }
    return choice;
  }

  /// The temporaries that the stages fill, as constants.
  SmallVector<Value> runStages(LaunchOp launch, const Key &key, const FillingStages &stages,
                               const Choice &choice) {
    std::vector<int64_t> setup =
        setupOf(launch, kernels.lookup<KernelOp>(launch.getKernel()), stages, 1);
    std::vector<void *> buffers(stages.given + stages.temporaries);
    std::vector<StorageRef> storages;
    for (int64_t number = 0; number < stages.inputs; ++number)
      if (hasBit(choice.read, number)) {
        ConstantOp constant = constantOf(launch.getInputs()[number]);
        storages.push_back(Allocator::process().allocate(signatureOf(constant.getType())));
        copyElements(constant.getValue(), storages.back()->data());
        buffers[number] = storages.back()->data();
      }
    std::vector<StorageRef> filled;
    for (int64_t number = stages.given; number < stages.given + stages.temporaries; ++number)
      if (hasBit(choice.written, number)) {
        auto used = static_cast<uint64_t>(setup[stages.stages + number - stages.given]);
        // So that what follows it in a file is aligned like it.
        uint64_t bytes = llvm::alignTo(used, 64);
        filled.push_back(Allocator::process().allocate(bytes));
        // Stages leave gaps, and an object is the same each time.
        std::memset(filled.back()->data(), 0, bytes);
        buffers[number] = filled.back()->data();
      }
    for (int64_t stage : choice.stages)
      stages.code->stages[stage](buffers.data(), key.first.second.data(), 0, setup[stage]);
    StringAttr name = nameOf(key.second);
    OpBuilder builder = OpBuilder::atBlockBegin(&function.getBody().front());
    return llvm::map_to_vector(filled, [&](StorageRef &storage) {
      auto bytes = static_cast<int64_t>(storage->bytes());
      auto type =
          RankedTensorType::get({bytes}, elementTypeOf(function.getContext(), DType::UInt8));
      return constants.add(builder, launch.getLoc(), type, name, std::move(storage));
    });
  }

  /// The name of the one weight among the constants; null if there are several, or none.
  static StringAttr nameOf(ArrayRef<Operation *> read) {
    auto name = read.empty() ? StringAttr() : read.front()->getAttrOfType<StringAttr>("weft.name");
    bool isAlone = llvm::all_of(read, [&](Operation *constant) {
      return constant->getAttrOfType<StringAttr>("weft.name") == name;
    });
    return isAlone ? name : StringAttr();
  }

  /// Inputs that the other stages do not read are nothing.
  static void dropUnread(LaunchOp launch, const Choice &choice) {
    OpBuilder builder(launch);
    for (OpOperand &input : launch.getInputsMutable())
      if (hasBit(choice.read & ~choice.usedByOthers, input.getOperandNumber()))
        input.set(ub::PoisonOp::create(builder, launch.getLoc(), input.get().getType()));
  }

  func::FuncOp function;
  SymbolTable kernels;
  const CpuTarget &target;
  ComputedConstants &constants;
  llvm::StringMap<FillingStages> compiled;
  std::map<Key, SmallVector<Value>> packed;
};

} // namespace

void packConstants(ModuleOp module, const CpuTarget &target, ComputedConstants &constants) {
  for (auto function : module.getOps<func::FuncOp>())
    ConstantPacking(function, target, constants).run();
}

} // namespace weft
