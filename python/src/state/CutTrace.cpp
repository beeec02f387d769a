#include "python/src/state/CutTrace.h"

#include "lib/Trace/ExecutableCache.h"
#include "lib/Trace/Placement.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "python/src/Conversion.h"
#include "python/src/DeviceObject.h"
#include "python/src/Errors.h"

#include <algorithm>
#include <chrono>
#include <cstring>

using namespace weft;

//===----------------------------------------------------------------------===//
// What pieces read
//===----------------------------------------------------------------------===//

StorageRef CutTrace::inputStorage(unsigned number, Device *device) {
  if (number < flat.leaves.size()) {
    PyObject *leaf = flat.leaves[number];
    if (!isTensor(leaf))
      return scalarOn(device, scalarArray(leaf, weakDType(leaf))).storage;
    if (!asTensor(leaf)->value.storage)
      requireConcrete(asTensor(leaf), "a compiled function");
    return asTensor(leaf)->value.storage;
  }
  HiddenInput &input = scope.hidden[number - flat.leaves.size()];
  if (!input.handle)
    input.array.storage = copyTo(device, input.array.storage);
  else if (TensorObject *state = asTensor(input.handle.get()); device && isOfEachDevice(state))
    return asTensor(stateOn(device, state).get())->value.storage;
  return input.array.storage;
}

void CutTrace::addInputs(Device *device) {
  while (values.inputs.size() < scope.graph.inputCount())
    values.inputs.push_back(inputStorage(unsigned(values.inputs.size()), device));
}

PieceInput CutTrace::placeOf(mlir::Value value) const {
  if (auto argument = llvm::dyn_cast<mlir::BlockArgument>(value))
    return {false, argument.getArgNumber()};
  return {true, numbers.lookup(value)};
}

Slice CutTrace::sliceOf(llvm::ArrayRef<ValueId> outputs) const {
  auto wanted = llvm::map_to_vector(outputs, [&](ValueId id) { return scope.graph.value(id); });
  return Slice(wanted, [this](mlir::Value value) { return isKnown(value); });
}

/// What Python can still reach has to be there when a piece is done; what it can't is computed
/// again if something inside needs it, as a gradient. What costs nothing is computed where it is
/// read.
CutTrace::Live CutTrace::findLive(llvm::ArrayRef<ValueId> wanted) const {
  // A text alone is no reason to divide anything.
  if (wanted.empty())
    return {};
  const Graph &graph = scope.graph;
  llvm::SmallVector<ValueId> ids(wanted.begin(), wanted.end());
  for (TensorObject *tensor : scope.handles())
    if (tensor->value.scope.get() == &scope)
      ids.push_back(tensor->value.id);
  llvm::sort(ids);
  llvm::DenseSet<mlir::Value> ofExamples = graph.valuesOfExamples(), seen, asked;
  for (ValueId id : wanted)
    asked.insert(graph.value(id));
  Live live;
  for (ValueId id : ids) {
    mlir::Value value = graph.value(id);
    if (!value || ofExamples.contains(value) || !seen.insert(value).second)
      continue;
    mlir::Operation *op = value.getDefiningOp();
    bool isFree = op && op->getNumOperands() == 0 && op->getNumRegions() == 0;
    if (op && !isKnown(value) && (!isFree || asked.contains(value)))
      live.outputs.push_back(id);
  }
  for (unsigned number = 0; number < byNumber.size(); ++number)
    if (values.values[number] && !seen.contains(byNumber[number]))
      live.givenUp.push_back(number);
  return live;
}

//===----------------------------------------------------------------------===//
// Compiling
//===----------------------------------------------------------------------===//

/// By the place among the slice's inputs.
CutTrace::Marks CutTrace::marksOf(const Slice &slice, llvm::ArrayRef<unsigned> givenUp) const {
  Marks marks;
  for (auto [place, value] : llvm::enumerate(slice.inputs())) {
    PieceInput input = placeOf(value);
    size_t leaves = flat.leaves.size();
    if (input.isValue && llvm::is_contained(givenUp, input.index))
      marks.donated.push_back(unsigned(place));
    else if (!input.isValue && input.index >= leaves &&
             scope.hidden[input.index - leaves].array.storage->canPrepare())
      marks.hidden.push_back(unsigned(place));
  }
  return marks;
}

Key CutTrace::keyOf(const Slice &slice, const Marks &marks) const {
  Key key = slice.key();
  auto append = [&](llvm::ArrayRef<unsigned> numbers) {
    key.push_back(int64_t(numbers.size()));
    key.append(numbers.begin(), numbers.end());
  };
  append(marks.donated);
  append(marks.hidden);
  key.push_back(reinterpret_cast<intptr_t>(device));
  key.push_back(state.prepare);
  for (char character : state.matmulPrecision)
    key.push_back(character);
  return key;
}

/// Programs are found by what they compute: the iterations of a loop are mostly one.
std::shared_ptr<const Executable> CutTrace::compiled(const Slice &slice, const Marks &marks,
                                                     Key key) {
  static ExecutableCache &cache = *new ExecutableCache(16384);
  if (auto found = cache.find(key))
    return found;
  auto start = std::chrono::steady_clock::now();
  Statistics before = Compiler::threadStatistics();
  mlir::OwningOpRef<mlir::ModuleOp> module = slice.build();
  auto function = *module->getOps<mlir::func::FuncOp>().begin();
  mlir::Builder builder(module->getContext());
  for (unsigned number : marks.donated)
    function.setArgAttr(number, "weft.donated", builder.getUnitAttr());
  for (unsigned number : marks.hidden)
    function.setArgAttr(number, "weft.hidden", builder.getUnitAttr());
  if (!state.matmulPrecision.empty())
    function->setAttr("weft.matmul_precision", builder.getStringAttr(state.matmulPrecision));
  CompileOptions options;
  options.device = device;
  options.prepare = state.prepare;
  auto executable = Compiler::instance().compile(*module, options);
  state.compiler.addDifference(before, Compiler::threadStatistics());
  std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  state.compileSeconds += seconds.count();
  return cache.insert(std::move(key), std::move(executable));
}

//===----------------------------------------------------------------------===//
// Cuts
//===----------------------------------------------------------------------===//

void CutTrace::checkAllowed(ValueId id, const char *action) const {
  if (!scope.givesValueOf(id))
    scope.refuseValue(id, action);
  if (state.strict)
    throwError("UnsupportedError",
               "strict: " + std::string(action) + " needs the value of a tensor (made at " +
                   scope.lineOf(id).text() +
                   ") and cuts the compiled function in two; use weft.where(condition, a, b) for a "
                   "choice, or move the question out of the function");
}

/// The cuts that may follow here.
static std::vector<std::shared_ptr<Cut>> followers(const std::vector<TakenCut> &taken,
                                                   const Specializations *siblings) {
  std::vector<std::shared_ptr<Cut>> found;
  if (!taken.empty()) {
    auto branch = taken.back().cut->branches.find(taken.back().answer);
    if (branch != taken.back().cut->branches.end())
      if (auto next = branch->second.next.lock())
        found.push_back(std::move(next));
    return found;
  }
  if (siblings)
    for (const std::shared_ptr<Specialization> &sibling : *siblings)
      if (!sibling->cuts.empty() && !llvm::is_contained(found, sibling->cuts.front().cut))
        found.push_back(sibling->cuts.front().cut);
  return found;
}

/// True if the arrays that were made here are those that the cut's piece reads, which it reads from
/// now on.
bool CutTrace::adoptConstants(const Cut &cut) {
  auto place = [&](unsigned number) -> Array & {
    return scope.hidden[number - flat.leaves.size()].array;
  };
  for (const auto &[number, array] : cut.constants) {
    const StorageRef &here = place(number).storage;
    if (here.get() == array.storage.get())
      continue;
    StorageRef left = copyTo(nullptr, here), right = copyTo(nullptr, array.storage);
    if (left->bytes() != right->bytes() ||
        std::memcmp(left->data(), right->data(), left->bytes()) != 0)
      return false;
  }
  for (const auto &[number, array] : cut.constants)
    values.inputs[number] = place(number).storage = array.storage;
  return true;
}

static bool printTheSame(PyObject *left, PyObject *right) {
  bool areSame = left && right ? PyObject_RichCompareBool(left, right, Py_EQ) == 1 : left == right;
  PyErr_Clear();
  return areSame;
}

bool CutTrace::isSame(const Cut &cut, const Purpose &purpose) {
  const Graph &graph = scope.graph;
  auto isThere = [&](ValueId id) { return id < graph.valueCount() && graph.value(id); };
  if (!llvm::equal(cut.wantedIds, purpose.wanted) || cut.action != purpose.action ||
      cut.device != device || !printTheSame(cut.printed.get(), purpose.printed) ||
      !llvm::all_of(cut.outputs, isThere))
    return false;
  Slice slice = sliceOf(cut.outputs);
  auto places = llvm::map_range(slice.inputs(), [&](mlir::Value value) { return placeOf(value); });
  auto isConstant = [&](const std::pair<unsigned, Array> &constant) {
    size_t number = constant.first - flat.leaves.size();
    return number < scope.hidden.size() && !scope.hidden[number].handle;
  };
  return llvm::equal(places, cut.piece.inputs) && llvm::all_of(cut.constants, isConstant) &&
         keyOf(slice, marksOf(slice, cut.piece.givenUp)) == cut.key && adoptConstants(cut);
}

std::shared_ptr<Cut> CutTrace::newCut(const Purpose &purpose) {
  Live live = findLive(purpose.wanted);
  auto cut = std::make_shared<Cut>();
  Slice slice = sliceOf(live.outputs);
  Marks marks = marksOf(slice, live.givenUp);
  cut->key = keyOf(slice, marks);
  for (mlir::Value value : slice.inputs()) {
    PieceInput input = placeOf(value);
    cut->piece.inputs.push_back(input);
    if (!input.isValue && input.index >= flat.leaves.size())
      if (HiddenInput &hidden = scope.hidden[input.index - flat.leaves.size()]; !hidden.handle)
        cut->constants.push_back({input.index, hidden.array});
  }
  if (!live.outputs.empty())
    cut->piece.executable = compiled(slice, marks, cut->key);
  cut->piece.firstValue = unsigned(values.values.size());
  cut->piece.givenUp = std::move(live.givenUp);
  cut->outputs = std::move(live.outputs);
  cut->wantedIds.assign(purpose.wanted.begin(), purpose.wanted.end());
  for (ValueId id : purpose.wanted)
    cut->types.push_back({scope.graph.dtype(id), scope.graph.shape(id).vec()});
  cut->printed = PyRef::borrow(purpose.printed);
  cut->isChoice = cut->printed ||
                  (cut->types[0].dtype == DType::Bool && elementCount(cut->types[0].shape) == 1);
  cut->action = purpose.action;
  cut->line = userLine();
  cut->device = device;
  return cut;
}

void CutTrace::run(const std::shared_ptr<Cut> &cut) {
  runPiece(cut->piece, values);
  for (unsigned number : cut->piece.givenUp)
    numbers.erase(byNumber[number]);
  for (ValueId id : cut->outputs) {
    mlir::Value value = scope.graph.value(id);
    numbers[value] = unsigned(byNumber.size());
    byNumber.push_back(value);
  }
  // Only now is it known where a value lies that the piece has computed.
  if (cut->wanted.empty())
    for (ValueId id : cut->wantedIds)
      cut->wanted.push_back(placeOf(scope.graph.value(id)));
}

const Cut &CutTrace::cutFor(const Purpose &purpose) {
  if (taken.empty())
    device = scope.device();
  addInputs(device);
  std::shared_ptr<Cut> cut;
  for (const std::shared_ptr<Cut> &follower : followers(taken, questions->siblings.get()))
    if (!cut && isSame(*follower, purpose))
      cut = follower;
  if (!cut) {
    cut = newCut(purpose);
    if (!taken.empty())
      taken.back().cut->addBranch(taken.back().answer).next = cut;
  }
  run(cut);
  taken.push_back({cut, answerOf(*cut, values)});
  return *cut;
}

Array CutTrace::ask(ValueId id, const char *action) {
  checkAllowed(id, action);
  const Cut &cut = cutFor({id, action, nullptr});
  const TensorSignature &type = cut.types[0];
  return {copyTo(nullptr, values.at(cut.wanted[0])), type.dtype,
          Shape(type.shape.begin(), type.shape.end())};
}

void CutTrace::print(PyObject *text, llvm::ArrayRef<ValueId> ids) {
  if (scope.isInRegion())
    throwError("UnsupportedError",
               "print() in a function that is given to weft.scan, while_loop, cond and their kin "
               "would print once, as it is traced once; print what comes out, or use Python's for "
               "and if");
  for (ValueId id : ids)
    checkAllowed(id, "print()");
  weft::print(cutFor({ids, "print()", text}), values, prints, *questions->printed);
}

void CutTrace::finish(Specialization &path, llvm::ArrayRef<ValueId> outputs,
                      llvm::ArrayRef<unsigned> changed, llvm::ArrayRef<unsigned> prepared) {
  if (path.device != device)
    throwError("DeviceError", "the function asked for a value on " + deviceName(device) +
                                  " before it met a tensor on " + deviceName(path.device) +
                                  "; use a tensor of that device before");
  addInputs(device);
  Slice slice = sliceOf(outputs);
  Marks marks;
  for (auto [place, value] : llvm::enumerate(slice.inputs())) {
    PieceInput input = placeOf(value);
    bool isReturned =
        llvm::any_of(outputs, [&](ValueId id) { return scope.graph.value(id) == value; });
    if (input.isValue ? !isReturned : llvm::is_contained(changed, input.index))
      marks.donated.push_back(unsigned(place));
    else if (!input.isValue && llvm::is_contained(prepared, input.index))
      marks.hidden.push_back(unsigned(place));
    path.last.inputs.push_back(input);
  }
  path.last.executable = path.executable = compiled(slice, marks, keyOf(slice, marks));
  path.releasesInterpreter = true;
  path.cuts = std::move(taken);
  path.cycles = findCycles(path.cuts);
  for (unsigned number = 0; number < scope.graph.inputCount(); ++number)
    path.inputs.push_back(scope.graph.inputSignature(number));
}
