// Comparing the arguments of a call with those of a former one.
#include "python/src/ArgumentPattern.h"

#include "python/src/Arguments.h"
#include "python/src/state/Guards.h"

using namespace weft;

//===----------------------------------------------------------------------===//
// Recording
//===----------------------------------------------------------------------===//

void ArgumentPattern::begin(size_t positional, size_t keywords) {
  positionalCount = positional;
  keywordCount = keywords;
  gradients = gradientsEnabled;
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

bool ArgumentPattern::takeTensor(PyObject *object, const Step &step, FlatArguments &flat) const {
  if (!isTensor(object))
    return false;
  TensorObject *tensor = asTensor(object);
  const TensorValue &value = tensor->value;
  // One without a value is waited for.
  if (!value.storage || mayBeView(tensor) || value.storage->device() != step.device ||
      tensorSignature(tensor, /*unusual=*/false, /*isOfArray=*/false) != step.signature ||
      !std::equal(value.shape.begin(), value.shape.end(), shapes.begin() + ptrdiff_t(step.shape)))
    return false;
  size_t number = flat.leaves.size();
  bool isRepeated = callOfMark(tensor->mark) == flat.call;
  if (step.same != (isRepeated ? int64_t(numberOfMark(tensor->mark)) : none))
    return false;
  if (!isRepeated)
    tensor->mark = makeMark(flat.call, number);
  flat.leaves.push_back(Py_NewRef(object));
  if (Py_TYPE(object) != tensorClass)
    flat.objects.push_back(Py_NewRef(object));
  return true;
}

/// All keys are constants, and come before the items.
bool ArgumentPattern::walkDict(PyObject *dict, const Step *&next, size_t count,
                               FlatArguments &flat) const {
  if (size_t(PyDict_GET_SIZE(dict)) != count)
    return false;
  const Step *key = next;
  next += count;
  PyObject *name, *value;
  Py_ssize_t position = 0;
  while (PyDict_Next(dict, &position, &name, &value))
    if (key->kind != Kind::Constant || !isSame((key++)->constant.get(), name) ||
        !walk(value, next, flat))
      return false;
  return true;
}

bool ArgumentPattern::walk(PyObject *object, const Step *&next, FlatArguments &flat) const {
  const Step &step = *next++;
  switch (step.kind) {
  case Kind::Tensor:
    return takeTensor(object, step, flat);
  case Kind::Number:
    if (!isNumberArgument(object) || numberSignature(object) != step.signature)
      return false;
    flat.leaves.push_back(Py_NewRef(object));
    return true;
  case Kind::Constant:
    return isSame(step.constant.get(), object);
  case Kind::Object:
    if (Py_TYPE(object) != step.type)
      return false;
    flat.objects.push_back(Py_NewRef(object));
    return true;
  case Kind::Dict:
    return Py_TYPE(object) == step.type && walkDict(object, next, step.count, flat);
  case Kind::Sequence:
    break;
  }
  if (Py_TYPE(object) != step.type || size_t(PySequence_Fast_GET_SIZE(object)) != step.count)
    return false;
  for (size_t i = 0; i < step.count; ++i)
    if (!walk(PySequence_Fast_GET_ITEM(object, Py_ssize_t(i)), next, flat))
      return false;
  return true;
}

bool ArgumentPattern::matches(PyObject *const *arguments, size_t positional, PyObject *keywordNames,
                              FlatArguments &flat) const {
  size_t keywords = keywordNames ? size_t(PyTuple_GET_SIZE(keywordNames)) : 0;
  if (positional != positionalCount || keywords != keywordCount || gradients != gradientsEnabled ||
      typesVersion != treeTypesVersion())
    return false;
  const Step *next = steps.data();
  for (size_t i = 0; i < positional; ++i)
    if (!walk(arguments[i], next, flat))
      return false;
  for (size_t i = 0; i < keywords; ++i)
    if (!walk(PyTuple_GET_ITEM(keywordNames, Py_ssize_t(i)), next, flat) ||
        !walk(arguments[positional + i], next, flat))
      return false;
  return true;
}
