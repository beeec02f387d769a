#include "python/src/state/Execution.h"

#include "lib/Runtime/Executor.h"
#include "lib/Trace/Placement.h"
#include "lib/Trace/TapeRegions.h"
#include "python/src/Dispatch.h"
#include "python/src/Errors.h"
#include "python/src/state/Handle.h"
#include "python/src/state/View.h"

using namespace weft;

namespace {

/// One execution of a call, from its inputs to its effects and result.
class Execution {
public:
  Execution(const Call &call, PieceValues *pieces)
      : call(call),
        specialization(*call.specialization),
        plan(specialization.executable->plan),
        pieces(pieces),
        outputs(plan.outputs.size()) {
    bool records = gradientsEnabled && specialization.recordsGradients;
    holdsInputs = records || specialization.changesState() || specialization.device ||
                  specialization.releasesInterpreter;
    if (pieces)
      inputs = std::move(pieces->inputs);
    else if (holdsInputs)
      inputs = call.inputs();
    if (records)
      prepareRecord();
  }

  PyRef run();

private:
  void prepareRecord();
  void finishRecord();
  void execute();
  void executeHolding();
  using Donors = llvm::SmallVector<std::pair<TensorObject *, size_t>>;
  void executeLast(const Donors &donors);
  std::shared_ptr<TapeNode> nodeOf(int number) const;
  PyRef outputTensor(int number) const;
  PyRef giveOutput(PyRef tensor, int number) const;
  PyRef resultTensor(int number) const;
  void applyEffects();
  PyRef view(int number, PyObject *parent) const;
  void makeResults();
  void applyGradients() const;
  PyRef buildResult() const;

  const Call &call;
  const Specialization &specialization;
  const Plan &plan;
  /// What the pieces before the last one have left; null if there is one alone.
  PieceValues *pieces;
  /// Else no tensor gets another value before the inputs were read, and there are none here.
  bool holdsInputs;
  llvm::SmallVector<StorageRef, 8> inputs;
  llvm::SmallVector<StorageRef, 2> outputs;
  /// Where the gradients of the outputs go; null if no input needs one.
  std::shared_ptr<TapeNode> node;
  /// By the number of the result.
  llvm::SmallVector<PyRef, 2> made;
};

Array arrayOf(const TensorSignature &signature, const StorageRef &storage) {
  return {storage, signature.dtype, Shape(signature.shape.begin(), signature.shape.end())};
}

} // namespace

void Execution::prepareRecord() {
  llvm::SmallVector<TapeInput, 2> read;
  bool needed = false;
  size_t leaves = call.flat.leaves.size();
  for (size_t i = 0; i < inputs.size(); ++i) {
    Origin origin;
    if (i < leaves && isTensor(call.flat.leaves[i]))
      origin = asTensor(call.flat.leaves[i])->origin();
    else if (i >= leaves && specialization.hidden[i - leaves].handle >= 0)
      origin = call.handle(specialization.hidden[i - leaves].handle)->origin();
    needed |= bool(origin);
    const TensorSignature &type = pieces ? specialization.inputs[i] : plan.inputs[i];
    read.push_back(recordedInput(owned(arrayOf(type, inputs[i])), std::move(origin)));
  }
  if (!needed)
    return;
  node = std::make_shared<TapeNode>();
  node->inputs = std::move(read);
}

void Execution::finishRecord() {
  if (!node)
    return;
  node->function = specialization.module;
  node->functionSerial = specialization.functionSerial;
  for (size_t i = 0; i < outputs.size(); ++i)
    node->outputs.push_back(arrayOf(plan.outputs[i], outputs[i]));
  for (size_t i = 0; i < outputs.size(); ++i)
    if (specialization.outputHistories[i] != History::Recorded)
      node->release(uint32_t(i));
}

void Execution::execute() {
  if (holdsInputs || pieces)
    return executeHolding();
  llvm::SmallVector<StorageRef, 2> made;
  llvm::SmallVector<Storage *, 8> borrowed = call.borrowedInputs(made);
  weft::execute(plan, std::span<Storage *const>(borrowed.data(), borrowed.size()),
                {outputs.data(), outputs.size()});
}

/// Handles that get another value give their buffer up, so that it can be written in place.
void Execution::executeHolding() {
  Donors donors;
  if (!node)
    for (auto [number, input] : specialization.overwritten) {
      TensorObject *handle = call.handle(number);
      // What an argument that is a view has, it gets from what it looks into.
      if (handle->lens)
        continue;
      handle->value.storage = StorageRef();
      donors.push_back({handle, input});
    }
  try {
    if (pieces)
      executeLast(donors);
    else
      executeReleasing(*specialization.executable,
                       std::span<const StorageRef>(inputs.data(), inputs.size()),
                       {outputs.data(), outputs.size()});
  } catch (...) {
    for (auto [handle, input] : donors)
      handle->value.storage = inputs[input];
    throw;
  }
  for (auto [handle, input] : donors)
    inputs[input] = StorageRef();
}

/// Runs the last of several pieces. What it alone reads is given up to it, and comes back if it
/// fails.
void Execution::executeLast(const Donors &donors) {
  auto isDonated = [&](PieceInput input) {
    return input.isValue ||
           llvm::any_of(donors, [&](auto &donor) { return donor.second == input.index; });
  };
  const std::vector<PieceInput> &sources = specialization.last.inputs;
  llvm::SmallVector<StorageRef, 8> arguments;
  for (PieceInput source : sources) {
    StorageRef &place = source.isValue ? pieces->values[source.index] : inputs[source.index];
    arguments.push_back(place);
    if (isDonated(source))
      place = StorageRef();
  }
  try {
    executeReleasing(*specialization.executable,
                     std::span<const StorageRef>(arguments.data(), arguments.size()),
                     {outputs.data(), outputs.size()});
  } catch (...) {
    for (auto [source, argument] : llvm::zip_equal(sources, arguments))
      if (!source.isValue)
        inputs[source.index] = argument;
    throw;
  }
}

/// Where gradients of an output go; null if it needs none.
std::shared_ptr<TapeNode> Execution::nodeOf(int number) const {
  if (!gradientsEnabled)
    return nullptr;
  switch (specialization.outputHistories[number]) {
  case History::None:
    return nullptr;
  case History::Recorded:
    return node;
  case History::Released:
    // Without outputs, none has a gradient: backward() says so.
    return std::make_shared<TapeNode>();
  }
  return nullptr;
}

PyRef Execution::outputTensor(int number) const {
  return giveOutput(checked(newTensor({})), number);
}

PyRef Execution::giveOutput(PyRef tensor, int number) const {
  const TensorSignature &signature = plan.outputs[number];
  asTensor(tensor.get())->value.set(outputs[number], signature.dtype, signature.shape);
  asTensor(tensor.get())->node = nodeOf(number);
  asTensor(tensor.get())->nodeResult = uint32_t(number);
  asTensor(tensor.get())->requiresGrad = bool(asTensor(tensor.get())->node);
  return tensor;
}

/// First all that can't fail: whatever happens after, no handle is left without a value.
void Execution::applyEffects() {
  auto setWhole = [&](const Effect &effect) {
    TensorObject *handle = call.handle(effect.handle);
    handle->value = TensorValue::of(arrayOf(plan.outputs[effect.output], outputs[effect.output]));
    bool isLeaf = handle->requiresGrad && handle->isLeaf();
    handle->node = nodeOf(effect.output);
    handle->nodeResult = uint32_t(effect.output);
    handle->requiresGrad = handle->node || isLeaf;
    changed(handle);
  };
  for (const Effect &effect : specialization.effects)
    if (!effect.gradient && !effect.replaces && !call.handle(effect.handle)->lens)
      setWhole(effect);
  for (const Effect &effect : specialization.effects) {
    TensorObject *handle = call.handle(effect.handle);
    if (effect.gradient)
      continue;
    if (effect.replaces) {
      leaveSlot(handle);
      setWhole(effect);
    } else if (handle->lens) {
      PyRef value = outputTensor(effect.output);
      adopt(handle, asTensor(value.get()));
    }
  }
}

static PyRef freshTensor(const ResultSource &source) {
  if (!source.type)
    return checked(newTensor({}));
  PyRef attributes;
  if (source.attributes)
    attributes = checked(PyDict_Copy(source.attributes.get()));
  return newTensorOf(reinterpret_cast<PyTypeObject *>(source.type.get()), {}, attributes.get());
}

/// A tensor with a result's value: a new one, or the one that the function left.
PyRef Execution::resultTensor(int number) const {
  const ResultSource &source = specialization.results[number];
  PyRef result = source.left ? source.left : freshTensor(source);
  TensorObject *tensor = asTensor(result.get());
  if (source.left) {
    tensor->lens.reset();
    tensor->root.reset();
    tensor->derived = false;
    tensor->birth = 0;
  }
  giveOutput(result, int(source.output));
  tensor->requiresGrad |= source.isLeaf;
  // A view of what nobody else has is a tensor of its own, whose elements lie as in the view.
  if (source.kind == ResultSource::Kind::Fresh && source.path.strides && !source.path.steps.empty())
    setStrides(tensor, *source.path.strides);
  return result;
}

PyRef Execution::view(int number, PyObject *parent) const {
  const ResultSource &source = specialization.results[number];
  PyRef result = resultTensor(number);
  if (auto path = joined(pathOf(asTensor(parent)), source.path))
    makeView(asTensor(result.get()), asTensor(parent), std::move(*path), gradientsEnabled,
             source.detached);
  if (source.kind == ResultSource::Kind::Handle) {
    // It is all of the handle: what it has of gradients, too.
    asTensor(result.get())->requiresGrad = false;
    --asTensor(result.get())->lens->seen;
  }
  return result;
}

void Execution::makeResults() {
  made.resize(specialization.results.size());
  // What others are, or look into, comes first.
  for (size_t i = 0; i < made.size(); ++i) {
    const ResultSource &source = specialization.results[i];
    if (source.kind == ResultSource::Kind::Fresh)
      made[i] = resultTensor(int(i));
    else if (source.kind == ResultSource::Kind::ViewOfHandle ||
             (source.kind == ResultSource::Kind::Handle && source.left))
      made[i] = view(int(i), call.handles[source.index].get());
    else if (source.kind == ResultSource::Kind::Handle)
      made[i] = call.handles[source.index];
  }
  for (size_t i = 0; i < made.size(); ++i) {
    const ResultSource &source = specialization.results[i];
    if (source.kind == ResultSource::Kind::ViewOfResult)
      made[i] = view(int(i), made[source.index].get());
  }
  for (size_t i = 0; i < made.size(); ++i)
    if (specialization.results[i].kind == ResultSource::Kind::Same)
      made[i] = made[specialization.results[i].index];
}

void Execution::applyGradients() const {
  for (const Effect &effect : specialization.effects)
    if (effect.gradient)
      call.handle(effect.handle)->gradientSlot().gradient = effect.result >= 0 ? made[effect.result]
                                                            : effect.output >= 0
                                                                ? outputTensor(effect.output)
                                                                : PyRef();
}

PyRef Execution::buildResult() const {
  PyObject *result = specialization.resultTemplate.get();
  auto fill = [&](PyObject *place) { return made[asTensor(place)->value.id]; };
  return isTensor(result) ? fill(result) : mapLeaves(result, false, fill);
}

PyRef Execution::run() {
  execute();
  finishRecord();
  applyEffects();
  makeResults();
  applyGradients();
  for (auto [store, dict] : llvm::zip_equal(specialization.stores, call.dicts))
    checkStatus(PyDict_SetItem(dict.get(), store.key.get(), made[store.result].get()));
  return buildResult();
}

PyRef weft::execute(const Call &call, PieceValues *pieces) {
  ++call.specialization->runs;
  return Execution(call, pieces).run();
}
