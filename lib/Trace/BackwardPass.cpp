// Gradients of one stretch of a tape.
#include "lib/Trace/BackwardPass.h"

#include "lib/Runtime/Executor.h"
#include "lib/Support/Error.h"
#include "lib/Support/Interpreter.h"
#include "lib/Trace/ExecutableCache.h"
#include "lib/Trace/TapeRegions.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Interfaces/SideEffectInterfaces.h"

#include <algorithm>

using namespace weft;

/// Gradients as a program.
struct weft::BackwardProgram {
  /// Null if there are none.
  std::shared_ptr<const Executable> executable;
  /// The targets that the seeds depend on through differentiable ops, by their numbers: of each
  /// output one.
  std::vector<size_t> found;
  /// If it is to be recorded: the same as a function of those arguments that it reads.
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> function;
  uint64_t functionSerial = 0;
  llvm::SmallVector<size_t> read;
  /// What ops of the function are copies of: by the number of a node, and of one of its ops.
  std::vector<std::pair<size_t, size_t>> copies;
};

OriginKey weft::keyOf(const Origin &origin) {
  if (origin.node)
    return {origin.node.get(), origin.result};
  return {origin.leaf.get(), 0};
}

BackwardPass::BackwardPass(llvm::ArrayRef<GradientSeed> seeds,
                           const llvm::DenseSet<OriginKey> &wanted, bool record)
    : seeds(seeds), wanted(wanted), record(record) {
  collectNodes();
  if (!nodes.empty())
    collectArguments();
}

bool weft::isSeed(llvm::ArrayRef<GradientSeed> seeds, const Origin &origin) {
  return llvm::any_of(
      seeds, [&](const GradientSeed &seed) { return keyOf(seed.origin) == keyOf(origin); });
}

bool weft::endsStretch(const Origin &origin) {
  return origin.node && (origin.node->copiedFrom || origin.node->mark || origin.hooks());
}

/// True where the stretch ends. Of a value that it begins with the hooks were called before.
bool BackwardPass::isStop(const Origin &origin) const {
  bool isNoOp = origin.node && (origin.node->copiedFrom || origin.node->mark);
  return isNoOp || (endsStretch(origin) && !isSeed(seeds, origin));
}

bool BackwardPass::isWanted(const Origin &origin) const {
  return wanted.empty() ? origin.leaf != nullptr : origin && wanted.contains(keyOf(origin));
}

/// True for a result of an op of the stretch.
bool BackwardPass::isInside(const Origin &origin) const {
  return !isStop(origin) && firstResults.contains(origin.node.get());
}

/// All nodes that the seeds depend on, in the order in which they were recorded; not what is behind
/// values where it ends.
static std::vector<std::shared_ptr<TapeNode>>
nodesBehind(llvm::ArrayRef<GradientSeed> seeds, llvm::function_ref<bool(const Origin &)> ends) {
  std::vector<std::shared_ptr<TapeNode>> nodes;
  llvm::DenseSet<TapeNode *> seen;
  auto visit = [&](const std::shared_ptr<TapeNode> &node) {
    if (seen.insert(node.get()).second)
      nodes.push_back(node);
  };
  for (const GradientSeed &seed : seeds)
    visit(seed.origin.node);
  for (size_t next = 0; next < nodes.size(); ++next)
    for (const TapeInput &input : std::shared_ptr(nodes[next])->inputs)
      if (input.origin.node && !ends(input.origin))
        visit(input.origin.node);
  std::ranges::sort(nodes, {}, [](auto &node) { return node->sequence; });
  return nodes;
}

void BackwardPass::collectNodes() {
  int64_t count = 0;
  auto stops = [this](const Origin &origin) { return isStop(origin); };
  std::vector<std::shared_ptr<TapeNode>> behind = nodesBehind(seeds, stops);
  for (const std::shared_ptr<TapeNode> &node : behind) {
    bool leads = llvm::any_of(node->inputs, [&](const TapeInput &input) {
      return isWanted(input.origin) || isStop(input.origin) || isInside(input.origin);
    });
    if (!leads)
      continue;
    nodes.push_back(node);
    nodeNumbers[node->sequence] = static_cast<int64_t>(nodes.size()) - 1;
    firstResults[node.get()] = count;
    count += static_cast<int64_t>(node->outputs.size());
  }
  // Where a call has used up its own history there is no telling what it led to.
  auto ends = [this](const Origin &origin) { return isStop(origin) || isWanted(origin); };
  checkKept(wanted.empty() ? behind : nodesBehind(seeds, ends));
}

/// Throws if what the gradients need was given up, or by one of `others`.
void BackwardPass::checkKept(llvm::ArrayRef<std::shared_ptr<TapeNode>> others) {
  auto pass = [this](const Origin &origin) {
    if (origin.node->isReleased(origin.result))
      throw Error(Error::Kind::Gradient,
                  "backward: the values recorded for this gradient were released by an earlier "
                  "backward(); pass retain_graph=True to that one");
    passed.push_back({origin.node.get(), origin.result});
  };
  for (const std::shared_ptr<TapeNode> &node : others)
    if (node->inputs.empty())
      pass({node, 0, nullptr});
  for (const GradientSeed &seed : seeds)
    if (isInside(seed.origin))
      pass(seed.origin);
  for (const std::shared_ptr<TapeNode> &node : nodes)
    for (const TapeInput &input : node->inputs)
      if (isInside(input.origin))
        pass(input.origin);
}

int64_t BackwardPass::numberOf(const Origin &origin) const {
  return firstResults.at(origin.node.get()) + origin.result;
}

int64_t BackwardPass::argument(const TapeInput &input, OriginKey identity, const void *version) {
  auto [found, isNew] = argumentNumbers.try_emplace({identity, version}, arguments.size());
  if (isNew) {
    arguments.push_back(input);
    appendSignature(key, input.array.dtype, input.array.shape);
  }
  return found->second;
}

/// The argument for an input that needs no gradient: one for all uses of an array.
int64_t BackwardPass::constantArgument(const TapeInput &input) {
  const void *memory = input.array.storage.get();
  auto found = argumentNumbers.find({{memory, 0}, nullptr});
  if (found != argumentNumbers.end()) {
    const Array &known = arguments[found->second].array;
    if (known.dtype == input.array.dtype && known.shape == input.array.shape)
      return found->second;
    return argument(input, {&input, 0});
  }
  return argument(input, {memory, 0});
}

/// The argument for an input from outside of the stretch.
int64_t BackwardPass::outsideArgument(const TapeInput &input) {
  const void *memory = input.array.storage.get();
  if (isWanted(input.origin) || isStop(input.origin)) {
    size_t before = arguments.size();
    int64_t number = argument(input, keyOf(input.origin), memory);
    if (arguments.size() != before) {
      targets.push_back({input.origin, number});
      key.push_back(-1);
    }
    return number;
  }
  // What the gradients depend on beside the targets is of use to gradients of them alone.
  if (record && input.origin)
    return argument(input, keyOf(input.origin), memory);
  return constantArgument({input.array, {}});
}

void BackwardPass::collectArguments() {
  key.push_back(reinterpret_cast<intptr_t>(seeds.front().cotangent.array.storage->device()));
  key.push_back(record);
  for (const std::shared_ptr<TapeNode> &node : nodes) {
    key.push_back(static_cast<int64_t>(node->functionSerial));
    if (!node->function)
      node->call.appendKey(key);
    for (auto [sequence, place] : node->copies) {
      auto source = nodeNumbers.find(sequence);
      key.push_back(source == nodeNumbers.end() ? -1 : source->second);
    }
    key.push_back(static_cast<int64_t>(node->inputs.size()));
    auto &numbers = inputNumbers.emplace_back();
    for (const TapeInput &input : node->inputs) {
      numbers.push_back(isInside(input.origin) ? -1 - numberOf(input.origin)
                                               : outsideArgument(input));
      key.push_back(numbers.back());
    }
    for (auto [result, output] : llvm::enumerate(node->outputs)) {
      Origin own = {node, static_cast<uint32_t>(result), nullptr};
      resultNumbers.push_back(argument({output, record ? own : Origin()}, {&output, 0}));
      if (!wanted.empty() && isWanted(own)) {
        targets.push_back({own, -1 - numberOf(own)});
        key.push_back(-1);
      }
    }
  }
  for (const GradientSeed &seed : seeds)
    if (isInside(seed.origin)) {
      key.push_back(numberOf(seed.origin));
      cotangentNumbers.push_back(argument(seed.cotangent, {&seed, 0}));
    }
}

/// On an op of recorded gradients: its number in TapeNode::copies.
static constexpr llvm::StringLiteral copyName = "weft.copy";

/// Whether two ops are one but for their operands.
static bool areAlike(mlir::Operation &first, mlir::Operation &second) {
  auto attributes = [](mlir::Operation &op) {
    mlir::NamedAttrList list(op.getAttrDictionary());
    list.erase(copyName);
    return list.getDictionary(op.getContext());
  };
  return first.getName() == second.getName() && first.getResultTypes() == second.getResultTypes() &&
         attributes(first) == attributes(second);
}

/// The results of a node that calls a function. What recorded gradients have computed again of the
/// forward ops is not: in a compiled function the gradients read the values themselves, and these
/// add up all that their uses have before it goes on.
llvm::SmallVector<ValueId> BackwardPass::inlined(Graph &graph, const TapeNode &node,
                                                 llvm::ArrayRef<ValueId> operands,
                                                 llvm::ArrayRef<Operations> expansions,
                                                 Operations &ops) const {
  auto source = [&](mlir::Operation &op) -> mlir::Operation * {
    auto number = op.getAttrOfType<mlir::IntegerAttr>(copyName);
    if (!number)
      return nullptr;
    auto [sequence, place] = node.copies[number.getInt()];
    auto found = nodeNumbers.find(sequence);
    if (found == nodeNumbers.end())
      return nullptr;
    mlir::Operation *original = expansions[found->second][place];
    return areAlike(op, *original) ? original : nullptr;
  };
  mlir::Operation *last = graph.lastOperation();
  auto results = graph.inlineCall(
      **node.function, operands, [&](mlir::Operation &op) { return ops.emplace_back(source(op)); });
  auto made = graph.operationsSince(last);
  auto next = made.begin();
  for (mlir::Operation *&op : ops)
    if (!op) {
      op = *next++;
      op->removeAttr(copyName);
    }
  return results;
}

/// The results of all nodes, and the ops that each becomes.
std::vector<ValueId> BackwardPass::rebuild(Graph &graph, llvm::ArrayRef<ValueId> inputs,
                                           std::vector<Operations> &expansions) const {
  std::vector<ValueId> results;
  for (auto [node, numbers] : llvm::zip_equal(nodes, inputNumbers)) {
    llvm::SmallVector<ValueId> operands;
    for (int64_t number : numbers)
      operands.push_back(number >= 0 ? inputs[number] : results[-1 - number]);
    Operations ops;
    if (node->function) {
      llvm::append_range(results, inlined(graph, *node, operands, expansions, ops));
    } else {
      mlir::Operation *last = graph.lastOperation();
      llvm::append_range(results, graph.apply(node->call, operands, graph.unknownLocation()));
      ops = graph.operationsSince(last);
    }
    expansions.push_back(std::move(ops));
  }
  return results;
}

/// A function of all arguments to the gradients that there are; null if there are none. If `marks`
/// is set, the ops before the gradients are numbered as `program.copies` has them.
mlir::OwningOpRef<mlir::ModuleOp> BackwardPass::build(BackwardProgram &program, bool marks) const {
  Graph graph;
  std::vector<ValueId> inputs;
  inputs.reserve(arguments.size());
  for (const TapeInput &input : arguments)
    inputs.push_back(graph.addInput(input.array.dtype, input.array.shape));
  std::vector<Operations> expansions;
  std::vector<ValueId> results = rebuild(graph, inputs, expansions);
  if (marks)
    for (auto [number, ops] : llvm::enumerate(expansions))
      for (auto [place, op] : llvm::enumerate(ops))
        if (!op->hasAttr(copyName)) {
          mlir::Builder builder(op->getContext());
          op->setAttr(copyName, builder.getI64IntegerAttr(int64_t(program.copies.size())));
          program.copies.push_back({number, place});
        }
  llvm::SmallVector<ValueId> outputs, cotangents, sources, gradients;
  for (const GradientSeed &seed : seeds)
    if (isInside(seed.origin))
      outputs.push_back(results[numberOf(seed.origin)]);
  for (int64_t number : cotangentNumbers)
    cotangents.push_back(inputs[number]);
  for (const Target &target : targets)
    sources.push_back(target.number < 0 ? results[-1 - target.number] : inputs[target.number]);
  // Tokens among them become later ones.
  llvm::SmallVector<mlir::Value> forward =
      llvm::map_to_vector(results, [&](ValueId id) { return graph.value(id); });
  program.found.clear();
  for (auto [number, gradient] : llvm::enumerate(graph.gradients(outputs, cotangents, sources)))
    if (gradient) {
      gradients.push_back(*gradient);
      program.found.push_back(number);
    }
  if (gradients.empty())
    return {};
  // What the gradients read of the forward results was saved; the forward ops are then dead.
  for (auto [value, number] : llvm::zip_equal(forward, resultNumbers))
    value.replaceAllUsesWith(graph.value(inputs[number]));
  return graph.finish(gradients);
}

/// Takes away ops without uses, and then arguments; the numbers of those that are left.
static llvm::SmallVector<size_t> prune(mlir::ModuleOp module) {
  auto main = module.lookupSymbol<mlir::func::FuncOp>("main");
  for (mlir::Operation &op : llvm::make_early_inc_range(llvm::reverse(main.front())))
    if (mlir::isOpTriviallyDead(&op))
      op.erase();
  llvm::SmallVector<size_t> read;
  llvm::BitVector unread(main.getNumArguments());
  for (mlir::BlockArgument argument : main.getArguments()) {
    if (argument.use_empty())
      unread.set(argument.getArgNumber());
    else
      read.push_back(argument.getArgNumber());
  }
  if (mlir::failed(main.eraseArguments(unread)))
    llvm::report_fatal_error("a function of gradients keeps its arguments");
  return read;
}

std::shared_ptr<BackwardProgram> BackwardPass::compile() const {
  auto program = std::make_shared<BackwardProgram>();
  auto module = build(*program, /*marks=*/false);
  if (!module)
    return program;
  CompileOptions options;
  options.device = seeds.front().cotangent.array.storage->device();
  program->executable = Compiler::instance().compile(*module, options);
  if (record) {
    program->function =
        std::make_shared<mlir::OwningOpRef<mlir::ModuleOp>>(build(*program, /*marks=*/true));
    program->functionSerial = nextFunctionSerial();
    program->read = prune(**program->function);
  }
  return program;
}

void BackwardPass::recordOn(const BackwardProgram &program,
                            llvm::MutableArrayRef<FoundGradient> found) const {
  llvm::SmallVector<TapeInput, 2> inputs;
  for (size_t number : program.read)
    inputs.push_back(recordedInput(arguments[number].array, arguments[number].origin));
  if (llvm::none_of(inputs, [](const TapeInput &input) { return bool(input.origin); }))
    return;
  auto node = std::make_shared<TapeNode>();
  node->function = program.function;
  node->functionSerial = program.functionSerial;
  for (auto [number, place] : program.copies)
    node->copies.push_back({nodes[number]->sequence, place});
  node->inputs = std::move(inputs);
  for (auto [number, each] : llvm::enumerate(found)) {
    node->outputs.push_back(each.gradient.array);
    each.gradient.origin = {node, static_cast<uint32_t>(number), nullptr};
  }
}

static std::vector<StorageRef> executeReleased(const Executable &executable,
                                               std::span<const StorageRef> inputs) {
  InterpreterReleased released;
  return execute(executable.plan, inputs);
}

std::vector<FoundGradient> BackwardPass::run() {
  static auto &cache = *new CacheOf<BackwardProgram>(1024);
  std::vector<FoundGradient> found;
  for (const GradientSeed &seed : seeds)
    if (!wanted.empty() && isWanted(seed.origin) && !isInside(seed.origin))
      found.push_back({seed.origin, seed.cotangent});
  if (targets.empty())
    return found;
  std::shared_ptr<const BackwardProgram> program = cache.find(key);
  if (!program)
    program = cache.insert(key, compile());
  if (!program->executable)
    return found;
  std::vector<StorageRef> inputs;
  inputs.reserve(arguments.size());
  for (const TapeInput &input : arguments)
    inputs.push_back(input.array.storage);
  std::vector<StorageRef> outputs = executeReleased(*program->executable, inputs);
  size_t first = found.size();
  for (auto [output, number] : llvm::zip_equal(outputs, program->found)) {
    const auto &[origin, place] = targets[number];
    const Array &like = arguments[place < 0 ? resultNumbers[-1 - place] : place].array;
    found.push_back({origin, {{std::move(output), like.dtype, like.shape}, {}}});
  }
  if (record)
    recordOn(*program, llvm::MutableArrayRef(found).drop_front(first));
  return found;
}
