// The backward pass over recorded ops.
#include "lib/Trace/Tape.h"

#include "lib/Runtime/Executor.h"
#include "lib/Support/Error.h"
#include "lib/Support/Interpreter.h"
#include "lib/Trace/ExecutableCache.h"
#include "lib/Trace/Placement.h"
#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <algorithm>
#include <atomic>
#include <map>

using namespace weft;

static uint64_t nextSequence = 0;

uint64_t weft::nextFunctionSerial() {
  static std::atomic<uint64_t> next = 0;
  return ++next;
}

TapeNode::TapeNode() : sequence(++nextSequence) {}

TapeNode::~TapeNode() {
  // The nodes that only this one holds are released one by one: a chain of thousands of ops would
  // otherwise recurse as deep.
  llvm::SmallVector<std::shared_ptr<TapeNode>> pending;
  auto take = [&](TapeNode &node) {
    for (TapeInput &input : node.inputs)
      if (input.origin.node)
        pending.push_back(std::move(input.origin.node));
  };
  take(*this);
  while (!pending.empty()) {
    std::shared_ptr<TapeNode> node = pending.pop_back_val();
    if (node.use_count() == 1)
      take(*node);
  }
}

void TapeNode::release(uint32_t result) {
  released.resize(outputs.size());
  released.set(result);
  if (!released.all())
    return;
  for (TapeInput &input : inputs)
    input.array.storage = StorageRef();
  for (Array &output : outputs)
    output.storage = StorageRef();
}

namespace {

/// Gradients as a program.
struct BackwardProgram {
  /// Null if there are none.
  std::shared_ptr<const Executable> executable;
  /// The targets that the root depends on through differentiable ops, by their numbers: of each
  /// output one.
  std::vector<size_t> targets;
};

/// Rebuilds a tape as a function from arguments (leaves, outside values, saved results, the
/// cotangent) to gradients of the leaves, and of what was copied from other devices.
class BackwardPass {
public:
  BackwardPass(const Origin &root, const Array &cotangent) : root(root), cotangent(cotangent) {
    collectNodes();
    collectArguments();
  }

  /// The gradients of the targets that have one.
  std::vector<std::pair<Origin, Array>> run();

  /// The results of recorded nodes that gradients went through, some of them several times.
  llvm::ArrayRef<std::pair<TapeNode *, uint32_t>> passedResults() const { return passed; }

private:
  void collectNodes();
  void collectArguments();
  int64_t argument(const Array &array, const void *identity, const void *version = nullptr);
  int64_t constantArgument(const TapeInput &input);
  int64_t numberOf(const Origin &origin) const;
  std::shared_ptr<const BackwardProgram> compile();

  const Origin &root;
  const Array &cotangent;
  /// In the order in which they were recorded.
  std::vector<TapeNode *> nodes;
  std::vector<std::pair<TapeNode *, uint32_t>> passed;
  /// For each node the number of its first result, counting the results of all nodes.
  llvm::DenseMap<TapeNode *, int64_t> firstResults;

  std::vector<Array> arguments;
  /// By what an argument is: the address of a recorded value; for a leaf also its memory, as its
  /// handle may have been rebound between two uses.
  llvm::DenseMap<std::pair<const void *, const void *>, int64_t> argumentNumbers;
  /// For each node the argument of each input, or -1 - (number of the result) for a recorded one.
  std::vector<llvm::SmallVector<int64_t, 4>> inputNumbers;
  /// The arguments that carry the saved results.
  std::vector<int64_t> resultNumbers;
  /// The leaves and copies that the root depends on.
  std::vector<Origin> targets;
  std::vector<int64_t> targetArguments;
  Key key;
};

} // namespace

void BackwardPass::collectNodes() {
  llvm::SmallVector<TapeNode *> pending;
  auto visit = [&](const Origin &origin) {
    if (!origin.node || origin.node->copiedFrom)
      return;
    if (origin.node->isReleased(origin.result))
      throw Error(Error::Kind::Gradient,
                  "backward: the values recorded for this gradient were released by an earlier "
                  "backward(); pass retain_graph=True to that one");
    passed.push_back({origin.node.get(), origin.result});
    if (firstResults.try_emplace(origin.node.get(), 0).second)
      pending.push_back(origin.node.get());
  };
  visit(root);
  while (!pending.empty()) {
    TapeNode *node = pending.pop_back_val();
    nodes.push_back(node);
    for (const TapeInput &input : node->inputs)
      visit(input.origin);
  }
  std::sort(nodes.begin(), nodes.end(),
            [](TapeNode *left, TapeNode *right) { return left->sequence < right->sequence; });
  int64_t count = 0;
  for (TapeNode *node : nodes) {
    firstResults[node] = count;
    count += static_cast<int64_t>(node->outputs.size());
  }
}

int64_t BackwardPass::numberOf(const Origin &origin) const {
  return firstResults.at(origin.node.get()) + origin.result;
}

int64_t BackwardPass::argument(const Array &array, const void *identity, const void *version) {
  auto [found, isNew] = argumentNumbers.try_emplace({identity, version}, arguments.size());
  if (isNew) {
    arguments.push_back(array);
    appendSignature(key, array.dtype, array.shape);
  }
  return found->second;
}

/// The argument for an input that needs no gradient: one for all uses of an array.
int64_t BackwardPass::constantArgument(const TapeInput &input) {
  auto found = argumentNumbers.find({input.array.storage.get(), nullptr});
  if (found != argumentNumbers.end()) {
    const Array &known = arguments[found->second];
    if (known.dtype == input.array.dtype && known.shape == input.array.shape)
      return found->second;
    return argument(input.array, &input);
  }
  return argument(input.array, input.array.storage.get());
}

void BackwardPass::collectArguments() {
  key.push_back(reinterpret_cast<intptr_t>(cotangent.storage->device()));
  key.push_back(numberOf(root));
  for (TapeNode *node : nodes) {
    key.push_back(static_cast<int64_t>(node->functionSerial));
    if (!node->function)
      node->call.appendKey(key);
    key.push_back(static_cast<int64_t>(node->inputs.size()));
    auto &numbers = inputNumbers.emplace_back();
    for (const TapeInput &input : node->inputs) {
      int64_t number;
      if (input.origin.node && !input.origin.node->copiedFrom) {
        number = -1 - numberOf(input.origin);
      } else if (input.origin) {
        size_t before = arguments.size();
        const void *identity = input.origin.node.get();
        number = argument(input.array, identity ? identity : input.origin.leaf.get(),
                          input.array.storage.get());
        if (arguments.size() != before) {
          targets.push_back(input.origin);
          targetArguments.push_back(number);
          key.push_back(-1);
        }
      } else {
        number = constantArgument(input);
      }
      numbers.push_back(number);
      key.push_back(number);
    }
    for (Array &output : node->outputs)
      resultNumbers.push_back(argument(output, &output));
  }
  argument(cotangent, &cotangent);
}

std::shared_ptr<const BackwardProgram> BackwardPass::compile() {
  auto program = std::make_shared<BackwardProgram>();
  Graph graph;
  mlir::Location location = graph.unknownLocation();
  llvm::SmallVector<ValueId> inputs, rootValue;
  for (const Array &array : arguments)
    inputs.push_back(graph.addInput(array.dtype, array.shape));
  std::vector<ValueId> results;
  for (auto [node, numbers] : llvm::zip_equal(nodes, inputNumbers)) {
    llvm::SmallVector<ValueId> operands;
    for (int64_t number : numbers)
      operands.push_back(number >= 0 ? inputs[number] : results[-1 - number]);
    if (node->function)
      llvm::append_range(results, graph.inlineCall(**node->function, operands));
    else
      llvm::append_range(results, graph.apply(node->call, operands, location));
  }
  ValueId output = results[numberOf(root)];
  llvm::SmallVector<ValueId> wanted;
  for (int64_t number : targetArguments)
    wanted.push_back(inputs[number]);
  auto gradients = graph.gradients({output}, {inputs.back()}, wanted);
  llvm::SmallVector<ValueId> outputs;
  for (auto [number, gradient] : llvm::enumerate(gradients))
    if (gradient) {
      outputs.push_back(*gradient);
      program->targets.push_back(number);
    }
  if (outputs.empty())
    return program;
  // What the gradients read of the forward results was saved; the forward ops are then dead.
  for (auto [value, number] : llvm::zip_equal(results, resultNumbers))
    graph.replaceUses(value, inputs[number]);
  CompileOptions options;
  options.device = cotangent.storage->device();
  program->executable = Compiler::instance().compile(*graph.finish(outputs), options);
  return program;
}

static std::vector<StorageRef> executeReleased(const Executable &executable,
                                               std::span<const StorageRef> inputs) {
  InterpreterReleased released;
  return execute(executable.plan, inputs);
}

std::vector<std::pair<Origin, Array>> BackwardPass::run() {
  static auto &cache = *new CacheOf<BackwardProgram>(1024);
  if (targets.empty())
    return {};
  std::shared_ptr<const BackwardProgram> program = cache.find(key);
  if (!program)
    program = cache.insert(key, compile());
  if (!program->executable)
    return {};
  std::vector<StorageRef> inputs;
  inputs.reserve(arguments.size());
  for (const Array &array : arguments)
    inputs.push_back(array.storage);
  std::vector<StorageRef> outputs = executeReleased(*program->executable, inputs);
  std::vector<std::pair<Origin, Array>> gradients;
  gradients.reserve(outputs.size());
  for (auto [output, target] : llvm::zip_equal(outputs, program->targets)) {
    const Array &array = arguments[targetArguments[target]];
    gradients.push_back({targets[target], {std::move(output), array.dtype, array.shape}});
  }
  return gradients;
}

/// The sum of two arrays of one type on one device.
static Array sumOf(const Array &left, const Array &right) {
  Graph graph;
  std::vector<ValueId> inputs;
  for (const Array *array : {&left, &right})
    inputs.push_back(graph.addInput(array->dtype, array->shape));
  auto sum = graph.apply(OpCall(requireOp("weft.add")), inputs, graph.unknownLocation());
  CompileOptions options;
  options.device = left.storage->device();
  auto executable = Compiler::instance().compile(*graph.finish(sum), options);
  std::vector<StorageRef> operands = {left.storage, right.storage};
  return {executeReleased(*executable, operands)[0], left.dtype, left.shape};
}

namespace {

/// Carries gradients from a value back to the leaves, stretch by stretch: each is a BackwardPass on
/// one device, and ends at leaves and at copies from other devices.
class GradientFlow {
public:
  void add(const Origin &origin, const Array &gradient);
  void run();
  /// Gives up what was recorded.
  void release();

  std::vector<LeafGradient> result;

private:
  void step(const Origin &origin, const Array &gradient);

  /// Gradients that wait, by the node and the number of its result. The latest node comes first:
  /// nothing can be added to its gradient any more.
  std::map<std::pair<uint64_t, uint32_t>, std::pair<Origin, Array>, std::greater<>> waiting;
  std::vector<std::pair<TapeNode *, uint32_t>> passed;
};

} // namespace

void GradientFlow::add(const Origin &origin, const Array &gradient) {
  if (origin.leaf)
    result.push_back({origin.leaf, gradient});
  if (!origin.node)
    return;
  auto [found, isNew] =
      waiting.try_emplace({origin.node->sequence, origin.result}, std::pair(origin, gradient));
  if (!isNew)
    found->second.second = sumOf(found->second.second, gradient);
}

void GradientFlow::step(const Origin &origin, const Array &gradient) {
  if (auto source = origin.node->copiedFrom)
    return add(origin.node->inputs[0].origin, copyTo(*source, gradient));
  BackwardPass pass(origin, gradient);
  auto gradients = pass.run();
  if (!gradients.empty())
    llvm::append_range(passed, pass.passedResults());
  for (auto &[target, value] : gradients)
    add(target, value);
}

void GradientFlow::run() {
  while (!waiting.empty()) {
    auto [origin, gradient] = std::move(waiting.begin()->second);
    waiting.erase(waiting.begin());
    step(origin, gradient);
  }
}

void GradientFlow::release() {
  for (auto [node, result] : passed)
    node->release(result);
}

std::vector<LeafGradient> weft::differentiate(const Origin &origin, const Array &cotangent,
                                              bool retain) {
  GradientFlow flow;
  flow.add(origin, cotangent);
  flow.run();
  if (!retain)
    flow.release();
  return std::move(flow.result);
}
