// The way of gradients over a tape.
#include "lib/Trace/TapeGradients.h"

#include "lib/Compiler/Compiler.h"
#include "lib/Runtime/Executor.h"
#include "lib/Support/Interpreter.h"
#include "lib/Trace/Placement.h"
#include "lib/Trace/TapeRegions.h"

#include "llvm/ADT/MapVector.h"

#include <map>

using namespace weft;

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
  InterpreterReleased released;
  return {execute(executable->plan, operands)[0], left.dtype, left.shape};
}

TapeInput weft::sumOfGradients(const TapeInput &left, const TapeInput &right, bool record) {
  TapeInput sum = {sumOf(left.array, right.array), {}};
  if (!record || !(left.origin || right.origin))
    return sum;
  llvm::SmallVector<TapeInput, 2> inputs;
  for (const TapeInput *input : {&left, &right})
    inputs.push_back(recordedInput(input->array, input->origin));
  auto node = std::make_shared<TapeNode>();
  node->call = OpCall(requireOp("weft.add"));
  node->inputs = std::move(inputs);
  node->outputs.push_back(sum.array);
  sum.origin = {std::move(node), 0, nullptr};
  return sum;
}

/// A gradient on another device; recorded if it was.
static TapeInput copiedTo(Device *device, const TapeInput &gradient) {
  TapeInput copy = {copyTo(device, gradient.array), {}};
  if (!gradient.origin)
    return copy;
  TapeInput input = recordedInput(gradient.array, gradient.origin);
  auto node = std::make_shared<TapeNode>();
  node->copiedFrom = gradient.array.storage->device();
  input.array.storage = {};
  node->inputs.push_back(std::move(input));
  copy.origin = {std::move(node), 0, nullptr};
  return copy;
}

namespace {

/// Carries gradients from values back to the targets, stretch by stretch: each is a BackwardPass on
/// one device, and ends at leaves, at copies from other devices, and where hooks are called.
class GradientFlow {
public:
  explicit GradientFlow(const GradientRequest &request) : record(request.record) {
    for (const Origin &origin : request.wanted)
      wanted.insert(keyOf(origin));
  }

  /// Throws what hooks throw.
  void run(llvm::ArrayRef<GradientSeed> seeds);
  /// Gives up what was recorded.
  void release();

  std::vector<FoundGradient> result;

private:
  /// Goes on from a value later.
  void add(const Origin &origin, const TapeInput &gradient);
  /// Keeps the gradient of a value if that is wanted.
  void end(const Origin &origin, const TapeInput &gradient);
  void step(llvm::ArrayRef<GradientSeed> seeds);
  void stepAlone(GradientSeed seed);
  void stepThroughMark(const GradientSeed &last);
  bool leadsToWanted(const Origin &origin) const;

  bool record;
  llvm::DenseSet<OriginKey> wanted;
  /// Gradients that wait, by the node and the number of its result. The latest node comes first:
  /// nothing can be added to its gradient any more.
  std::map<std::pair<uint64_t, uint32_t>, GradientSeed, std::greater<>> waiting;
  std::vector<std::pair<TapeNode *, uint32_t>> passed;
  /// Of leaves with hooks, which see the sum.
  llvm::MapVector<OriginKey, FoundGradient> sums;
};

} // namespace

void GradientFlow::add(const Origin &origin, const TapeInput &gradient) {
  if (!origin.node)
    return end(origin, gradient);
  auto [found, isNew] =
      waiting.try_emplace({origin.node->sequence, origin.result}, GradientSeed{origin, gradient});
  if (!isNew)
    found->second.cotangent = sumOfGradients(found->second.cotangent, gradient, record);
}

void GradientFlow::end(const Origin &origin, const TapeInput &gradient) {
  if (wanted.empty() ? !origin.leaf : !wanted.contains(keyOf(origin)))
    return;
  if (!origin.leaf || !origin.hooks()) {
    result.push_back({origin, gradient});
    return;
  }
  auto [sum, isNew] = sums.try_emplace(keyOf(origin), FoundGradient{origin, gradient});
  if (!isNew)
    sum->second.gradient = sumOfGradients(sum->second.gradient, gradient, record);
}

void GradientFlow::step(llvm::ArrayRef<GradientSeed> seeds) {
  BackwardPass pass(seeds, wanted, record);
  auto found = pass.run();
  if (!found.empty())
    llvm::append_range(passed, pass.passedResults());
  for (auto &[target, gradient] : found)
    if (endsStretch(target) && !isSeed(seeds, target))
      add(target, gradient);
    else
      end(target, gradient);
}

void GradientFlow::run(llvm::ArrayRef<GradientSeed> seeds) {
  // Those on one device together: as a compiled function adds up what they have.
  std::map<Device *, std::vector<GradientSeed>> first;
  for (const GradientSeed &seed : seeds)
    add(seed.origin, seed.cotangent);
  for (auto entry = waiting.begin(); entry != waiting.end();) {
    GradientSeed &seed = entry->second;
    if (endsStretch(seed.origin)) {
      ++entry;
      continue;
    }
    first[seed.cotangent.array.storage->device()].push_back(std::move(seed));
    entry = waiting.erase(entry);
  }
  for (auto &[device, together] : first)
    step(together);
  while (!waiting.empty()) {
    GradientSeed seed = std::move(waiting.begin()->second);
    waiting.erase(waiting.begin());
    stepAlone(std::move(seed));
  }
  for (auto &[key, found] : sums) {
    found.gradient = found.target.hooks()->call(found.gradient, record);
    result.push_back(found);
  }
}

/// True if the value is wanted, or was computed of one that is.
bool GradientFlow::leadsToWanted(const Origin &origin) const {
  llvm::SmallVector<Origin> pending = {origin};
  llvm::DenseSet<TapeNode *> seen;
  while (!pending.empty()) {
    Origin next = pending.pop_back_val();
    if (wanted.contains(keyOf(next)))
      return true;
    if (next.node && seen.insert(next.node.get()).second)
      for (const TapeInput &input : next.node->inputs)
        if (input.origin)
          pending.push_back(input.origin);
  }
  return false;
}

/// Goes on from a value to whose gradient nothing can be added any more.
void GradientFlow::stepAlone(GradientSeed seed) {
  const Origin &origin = seed.origin;
  if (GradientHooks *hooks = origin.hooks()) {
    if (!wanted.empty() && !leadsToWanted(origin))
      return;
    seed.cotangent = hooks->call(seed.cotangent, record);
  }
  if (origin.node->mark)
    return stepThroughMark(seed);
  auto source = origin.node->copiedFrom;
  if (!source)
    return step(seed);
  end(origin, seed.cotangent);
  add(origin.node->inputs[0].origin, copiedTo(*source, seed.cotangent));
}

/// Goes on from all values that were marked together, of which this is the last with a gradient.
void GradientFlow::stepThroughMark(const GradientSeed &last) {
  const TapeNode &node = *last.origin.node;
  if (!wanted.empty() && !leadsToWanted(last.origin))
    return;
  std::vector<std::optional<TapeInput>> gradients(node.inputs.size());
  auto take = [&](const GradientSeed &seed) {
    end(seed.origin, seed.cotangent);
    gradients[seed.origin.result] = seed.cotangent;
  };
  take(last);
  while (!waiting.empty() && waiting.begin()->first.first == node.sequence) {
    GradientSeed seed = std::move(waiting.begin()->second);
    waiting.erase(waiting.begin());
    if (GradientHooks *hooks = seed.origin.hooks())
      seed.cotangent = hooks->call(seed.cotangent, record);
    take(seed);
  }
  node.mark->call(gradients, record);
  for (auto [input, gradient] : llvm::zip_equal(node.inputs, gradients))
    if (gradient)
      add(input.origin, *gradient);
}

void GradientFlow::release() {
  for (auto [node, result] : passed)
    node->release(result);
}

std::vector<FoundGradient> weft::differentiate(llvm::ArrayRef<GradientSeed> seeds,
                                               const GradientRequest &request) {
  GradientFlow flow(request);
  flow.run(seeds);
  if (!request.retain)
    flow.release();
  return std::move(flow.result);
}
