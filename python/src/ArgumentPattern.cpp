// Comparing the arguments of a call with those of a former one.
#include "python/src/ArgumentPattern.h"

#include "python/src/Conversion.h"
#include "python/src/state/Guards.h"

using namespace weft;

//===----------------------------------------------------------------------===//
// What is taken
//===----------------------------------------------------------------------===//

uint64_t weft::nextCallNumber() {
  static uint64_t last = 0;
  return ++last;
}

bool weft::isNumberArgument(PyObject *object) {
  return PyLong_CheckExact(object) ? numberFits(object, DType::Int64) : isPythonScalar(object);
}

int64_t weft::tensorSignature(TensorObject *tensor, bool unusualStrides, bool isOfArray) {
  // A tensor of the user's class is looked into as any object.
  bool isOfUser = Py_TYPE(tensor) != tensorClass;
  return TensorTag | int64_t(tensor->isTracked()) << 8 | int64_t(tensor->isLeaf()) << 9 |
         int64_t(unusualStrides) << 10 | int64_t(isOfArray) << 11 | int64_t(isOfUser) << 12 |
         int64_t(tensor->value.dtype) << 16 | int64_t(tensor->value.shape.size()) << 24;
}

int64_t weft::numberSignature(PyObject *number) {
  return ScalarTag | int64_t(weakDType(number)) << 8;
}

static void release(llvm::SmallVectorImpl<PyObject *> &list) {
  for (PyObject *object : list)
    Py_DECREF(object);
  list.clear();
}

void TakenArguments::clear() {
  release(leaves);
  release(objects);
  call = nextCallNumber();
}

TakenArguments::~TakenArguments() { clear(); }

//===----------------------------------------------------------------------===//
// Recording
//===----------------------------------------------------------------------===//

void ArgumentPattern::begin(size_t positional, size_t keywords) {
  positionalCount = positional;
  keywordCount = keywords;
  mode = modeOfThread();
  typesVersion = treeTypesVersion();
  complete = true;
}

/// Views are read anew, which may run anything.
static bool mayBeView(const TensorObject *tensor) {
  return tensor->lens || (tensor->root && tensor->root->strides);
}

void ArgumentPattern::addTensor(TensorObject *tensor, int64_t signature) {
  const TensorValue &value = tensor->value;
  complete = complete && !mayBeView(tensor);
  leaves.push_back(steps.size());
  steps.push_back({.kind = Kind::Tensor,
                   .count = value.shape.size(),
                   .signature = signature,
                   .device = value.storage ? value.storage->device() : nullptr,
                   .shape = shapes.size()});
  shapes.insert(shapes.end(), value.shape.begin(), value.shape.end());
}

void ArgumentPattern::addNumber(int64_t signature) {
  leaves.push_back(steps.size());
  steps.push_back({.kind = Kind::Number, .signature = signature});
}

void ArgumentPattern::addContainer(const TreeType &type, PyTypeObject *python, size_t items) {
  bool isSequence = type.kind == TreeKind::Tuple || type.kind == TreeKind::List;
  complete = complete && (isSequence || type.kind == TreeKind::Dict);
  steps.push_back(
      {.kind = isSequence ? Kind::Sequence : Kind::Dict, .type = python, .count = items});
}

void ArgumentPattern::addConstant(PyObject *object) {
  steps.push_back({.kind = Kind::Constant, .constant = PyRef::borrow(object)});
}

void ArgumentPattern::addObject(PyObject *object) {
  steps.push_back({.kind = Kind::Object, .type = Py_TYPE(object)});
}

void ArgumentPattern::setSame(size_t number, size_t earlier) {
  steps[leaves[number]].same = int64_t(earlier);
}

//===----------------------------------------------------------------------===//
// Comparing
//===----------------------------------------------------------------------===//

static bool isSame(PyObject *constant, PyObject *object) {
  return constant == object || sameConstant(constant, object);
}

bool ArgumentPattern::takeTensor(PyObject *object, const Step &step, TakenArguments &taken) const {
  if (!isTensor(object))
    return false;
  TensorObject *tensor = asTensor(object);
  const TensorValue &value = tensor->value;
  // One without a value is waited for.
  if (!value.storage || mayBeView(tensor) || value.storage->device() != step.device ||
      tensorSignature(tensor, /*unusualStrides=*/false, /*isOfArray=*/false) != step.signature ||
      !std::equal(value.shape.begin(), value.shape.end(), shapes.begin() + ptrdiff_t(step.shape)))
    return false;
  size_t number = taken.leaves.size();
  bool isRepeated = callOfMark(tensor->mark) == taken.call;
  if (step.same != (isRepeated ? int64_t(numberOfMark(tensor->mark)) : none))
    return false;
  if (!isRepeated)
    tensor->mark = makeMark(taken.call, number);
  taken.leaves.push_back(Py_NewRef(object));
  if (Py_TYPE(object) != tensorClass)
    taken.objects.push_back(Py_NewRef(object));
  return true;
}

/// All keys are constants, and come before the items.
bool ArgumentPattern::walkDict(PyObject *dict, const Step *&next, size_t count,
                               TakenArguments &taken) const {
  if (size_t(PyDict_GET_SIZE(dict)) != count)
    return false;
  const Step *key = next;
  next += count;
  PyObject *name, *value;
  Py_ssize_t position = 0;
  for (; PyDict_Next(dict, &position, &name, &value); ++key)
    if (!isSame(key->constant.get(), name) || !walk(value, next, taken))
      return false;
  return true;
}

bool ArgumentPattern::walk(PyObject *object, const Step *&next, TakenArguments &taken) const {
  const Step &step = *next++;
  switch (step.kind) {
  case Kind::Tensor:
    return takeTensor(object, step, taken);
  case Kind::Number:
    if (!isNumberArgument(object) || numberSignature(object) != step.signature)
      return false;
    taken.leaves.push_back(Py_NewRef(object));
    return true;
  case Kind::Constant:
    return isSame(step.constant.get(), object);
  case Kind::Object:
    if (Py_TYPE(object) != step.type)
      return false;
    taken.objects.push_back(Py_NewRef(object));
    return true;
  case Kind::Dict:
    return Py_TYPE(object) == step.type && walkDict(object, next, step.count, taken);
  case Kind::Sequence:
    break;
  }
  if (Py_TYPE(object) != step.type || size_t(PySequence_Fast_GET_SIZE(object)) != step.count)
    return false;
  for (size_t i = 0; i < step.count; ++i)
    if (!walk(PySequence_Fast_GET_ITEM(object, Py_ssize_t(i)), next, taken))
      return false;
  return true;
}

bool ArgumentPattern::matches(PyObject *const *arguments, size_t positional, PyObject *keywordNames,
                              TakenArguments &taken) const {
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  if (positional != positionalCount || keywords != keywordCount || mode != modeOfThread() ||
      typesVersion != treeTypesVersion())
    return false;
  const Step *next = steps.data();
  for (size_t i = 0; i < positional; ++i)
    if (!walk(arguments[i], next, taken))
      return false;
  for (size_t i = 0; i < keywords; ++i)
    if (!walk(PyTuple_GET_ITEM(keywordNames, Py_ssize_t(i)), next, taken) ||
        !walk(arguments[positional + i], next, taken))
      return false;
  return true;
}
