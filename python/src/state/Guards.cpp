// Comparing what a trace read from outside: first look, then commit.
#include "python/src/state/Guards.h"

#include "python/src/Errors.h"
#include "python/src/Hooks.h"

#include <algorithm>
#include <bit>

using namespace weft;

//===----------------------------------------------------------------------===//
// Constants
//===----------------------------------------------------------------------===//

bool weft::isConstant(PyObject *object) {
  return object == Py_None || PyFloat_CheckExact(object) || PyLong_CheckExact(object) ||
         PyBool_Check(object) || PyUnicode_CheckExact(object) || PyBytes_CheckExact(object) ||
         PyComplex_CheckExact(object) || object == Py_Ellipsis || PyRange_Check(object) ||
         object == Py_NotImplemented;
}

static bool sameBits(double left, double right) {
  return std::bit_cast<uint64_t>(left) == std::bit_cast<uint64_t>(right);
}

static bool sameItems(PyObject *left, PyObject *right) {
  Py_ssize_t size = PyTuple_GET_SIZE(left);
  if (size != PyTuple_GET_SIZE(right))
    return false;
  for (Py_ssize_t i = 0; i < size; ++i)
    if (!sameConstant(PyTuple_GET_ITEM(left, i), PyTuple_GET_ITEM(right, i)))
      return false;
  return true;
}

/// Equal by the method of a type in C, which runs no code of the user's.
static bool sameBy(PyTypeObject &type, PyObject *left, PyObject *right) {
  PyRef result = PyRef::steal(type.tp_richcompare(left, right, Py_EQ));
  PyErr_Clear();
  return result.get() == Py_True;
}

static bool sameSlice(PyObject *left, PyObject *right) {
  auto *a = reinterpret_cast<PySliceObject *>(left), *b = reinterpret_cast<PySliceObject *>(right);
  return sameConstant(a->start, b->start) && sameConstant(a->stop, b->stop) &&
         sameConstant(a->step, b->step);
}

bool weft::sameConstant(PyObject *left, PyObject *right) {
  if (left == right)
    return true;
  if (!left || !right || Py_TYPE(left) != Py_TYPE(right))
    return false;
  if (PyFloat_Check(left))
    return sameBits(PyFloat_AS_DOUBLE(left), PyFloat_AS_DOUBLE(right));
  if (PyLong_Check(left))
    return sameBy(PyLong_Type, left, right);
  if (PyUnicode_Check(left))
    return sameBy(PyUnicode_Type, left, right);
  if (PyBytes_Check(left))
    return sameBy(PyBytes_Type, left, right);
  if (PyComplex_Check(left))
    return sameBits(PyComplex_RealAsDouble(left), PyComplex_RealAsDouble(right)) &&
           sameBits(PyComplex_ImagAsDouble(left), PyComplex_ImagAsDouble(right));
  if (PyTuple_CheckExact(left))
    return sameItems(left, right);
  if (PyRange_Check(left))
    return sameBy(PyRange_Type, left, right);
  if (PySlice_Check(left))
    return sameSlice(left, right);
  if (PyFrozenSet_CheckExact(left)) {
    // In their order, which the function sees.
    PyRef first = PyRef::steal(PySequence_Tuple(left)),
          second = PyRef::steal(PySequence_Tuple(right));
    PyErr_Clear();
    return first && second && sameItems(first.get(), second.get());
  }
  return false;
}

/// Equal by the type's own `==`, and printed alike: Decimal("-0") is not Decimal("0").
static bool sameImmutable(PyObject *left, PyObject *right) {
  if (Py_TYPE(left) != Py_TYPE(right))
    return false;
  bool same = PyObject_RichCompareBool(left, right, Py_EQ) == 1;
  if (same) {
    PyRef first = PyRef::steal(PyObject_Repr(left));
    PyRef second = first ? PyRef::steal(PyObject_Repr(right)) : PyRef();
    same = second && PyUnicode_Compare(first.get(), second.get()) == 0;
  }
  PyErr_Clear();
  return same;
}

/// What a reason says of an object; its own repr may be long, slow or fail.
static std::string textOf(PyObject *object) {
  if (!object)
    return "nothing";
  if (!isConstant(object))
    return PyType_Check(object)
               ? "class " + std::string(reinterpret_cast<PyTypeObject *>(object)->tp_name)
               : "a " + std::string(Py_TYPE(object)->tp_name);
  PyRef text = PyRef::steal(PyObject_Repr(object));
  const char *characters = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  std::string result = characters ? characters : "?";
  PyErr_Clear();
  return result.size() > 60 ? result.substr(0, 57) + "..." : result;
}

void GuardSet::spend(std::string reason) {
  spent = true;
  spentReason = std::move(reason);
}

int GuardSet::traverse(visitproc visit, void *arg) const {
  Py_VISIT(scanner.get());
  for (const auto &[code, variables] : entered) {
    Py_VISIT(code.get());
    Py_VISIT(variables.get());
  }
  Py_VISIT(mentioned.get());
  for (const Object &object : objects)
    Py_VISIT(object.value.get());
  for (const Part &part : parts)
    Py_VISIT(part.extra.get());
  for (const Edge &edge : edges) {
    Py_VISIT(edge.key.get());
    Py_VISIT(edge.value.get());
  }
  return 0;
}

PyRef GuardSet::watchedObjects() const {
  PyRef list = checked(PyList_New(0));
  for (const Object &object : objects)
    checkStatus(PyList_Append(list.get(), object.value.get()));
  return list;
}

int GuardSet::find(TensorObject *tensor) const {
  return findObject(reinterpret_cast<PyObject *>(tensor));
}

int GuardSet::findObject(PyObject *object) const {
  auto found = numbers.find(object);
  return found == numbers.end() ? -1 : found->second;
}

//===----------------------------------------------------------------------===//
// Reading parts
//===----------------------------------------------------------------------===//

/// True for "__add__" and the like.
static bool isSpecial(PyObject *key) {
  Py_ssize_t length = PyUnicode_GET_LENGTH(key);
  auto isLine = [&](Py_ssize_t i) { return PyUnicode_READ_CHAR(key, i) == '_'; };
  return length > 4 && isLine(0) && isLine(1) && isLine(length - 1) && isLine(length - 2);
}

bool GuardSet::wants(const Part &part, PyObject *key) const {
  if (!PyUnicode_CheckExact(key))
    return false;
  if (PySet_Contains(mentioned.get(), key) == 1)
    return true;
  if (PySet_Contains(part.extra.get(), key) == 1)
    return true;
  bool all = part.scope == Scope::All || (part.scope == Scope::Mentioned && dynamic);
  if (part.reading == Reading::ClassAttributes)
    return (all || isSpecial(key)) && PySet_Contains(hidden.get(), key) != 1;
  return all;
}

/// The dict that a part reads, or null.
static PyRef dictOf(Reading reading, PyObject *object) {
  if (reading == Reading::Attributes)
    return instanceDict(object);
  if (reading == Reading::ClassAttributes)
    return PyType_Check(object) ? classDict(reinterpret_cast<PyTypeObject *>(object)) : PyRef();
  return PyRef::borrow(PyDict_Check(object) ? object : nullptr);
}

/// The same key: the object itself, or an equal constant.
static bool sameKey(PyObject *left, PyObject *right) {
  return left == right || sameConstant(left, right);
}

/// All entries in their order.
static bool readEntries(PyObject *dict, std::span<const PyRef> keys,
                        llvm::SmallVectorImpl<PyRef> &values) {
  if (PyDict_GET_SIZE(dict) != Py_ssize_t(keys.size()))
    return false;
  Py_ssize_t position = 0;
  PyObject *key, *value;
  for (size_t i = 0; PyDict_Next(dict, &position, &key, &value); ++i) {
    if (i >= keys.size() || !sameKey(keys[i].get(), key))
      return false;
    values.push_back(PyRef::borrow(value));
  }
  return true;
}

bool GuardSet::readDict(const Part &part, PyObject *dict, Values &values) const {
  std::span<const Edge> span(edges.data() + part.first, part.count);
  if (part.reading == Reading::Entries) {
    llvm::SmallVector<PyRef, 8> keys;
    for (const Edge &edge : span)
      keys.push_back(edge.key);
    return readEntries(dict, {keys.data(), keys.size()}, values);
  }
  for (const Edge &edge : span) {
    values.push_back(PyRef::borrow(PyDict_GetItemWithError(dict, edge.key.get())));
    PyErr_Clear();
  }
  if (part.reading == Reading::Lookups)
    return true;
  // No attribute that code mentions may have appeared.
  unsigned found = 0;
  Py_ssize_t position = 0;
  PyObject *key, *value;
  while (PyDict_Next(dict, &position, &key, &value))
    found += wants(part, key);
  return found == part.count;
}

bool GuardSet::read(const Part &part, PyObject *object, std::span<PyObject *const> roots,
                    Values &values) const {
  const Edge *first = edges.data() + part.first;
  switch (part.reading) {
  case Reading::Roots:
    for (PyObject *root : roots)
      values.push_back(PyRef::borrow(root));
    break;
  case Reading::Entries:
  case Reading::Lookups:
  case Reading::Attributes:
  case Reading::ClassAttributes: {
    PyRef dict = dictOf(part.reading, object);
    return dict && readDict(part, dict.get(), values);
  }
  case Reading::Members:
    for (unsigned i = 0; i < part.count; ++i)
      values.push_back(readMember(first[i].key.get(), object));
    break;
  case Reading::Elements:
    return readElements(object, part.count ? first->key.get() : nullptr, values) &&
           values.size() == part.count;
  case Reading::Content:
    return fingerprint(object) == part.content;
  case Reading::Fixed:
    for (unsigned i = 0; i < part.count; ++i)
      values.push_back(first[i].value);
    break;
  default:
    readFields(part.reading, object, values);
  }
  return values.size() == part.count;
}

bool GuardSet::isUnchanged(Part &part, PyObject *object, std::span<PyObject *const> roots) const {
  // No other dict ever has the same version, so that the address of one that died is no danger.
  bool sameDict = part.dict && (!part.place || *part.place == part.dict);
  if (sameDict && dictVersion(part.dict) == part.version)
    return true;
  const Edge *first = edges.data() + part.first;
  switch (part.reading) {
  case Reading::Fixed:
    return true;
  case Reading::Class:
    return reinterpret_cast<PyObject *>(Py_TYPE(object)) == first->value.get();
  case Reading::Roots:
    if (roots.size() != part.count)
      return false;
    for (size_t i = 0; i < roots.size(); ++i)
      if (roots[i] != first[i].value.get())
        return false;
    return true;
  case Reading::Items:
    if (PyTuple_Check(object))
      return true;
    if (PyList_GET_SIZE(object) != Py_ssize_t(part.count))
      return false;
    for (unsigned i = 0; i < part.count; ++i)
      if (PyList_GET_ITEM(object, i) != first[i].value.get())
        return false;
    return true;
  case Reading::Cell:
    return PyCell_GET(object) == first->value.get();
  case Reading::Function:
    return PyFunction_Check(object) &&
           std::ranges::equal(functionFields(object), std::span(first, part.count), {}, {},
                              [](const Edge &edge) { return edge.value.get(); });
  default:
    break;
  }
  PyRef dict = hasDict(part.reading) ? dictOf(part.reading, object) : PyRef();
  uint64_t version = dict ? dictVersion(dict.get()) : 0;
  Values values;
  if (!read(part, object, roots, values))
    return false;
  for (unsigned i = 0; i < values.size(); ++i)
    if (values[i].get() != first[i].value.get())
      return false;
  part.place = dict ? placeOfDict(part.reading, object) : nullptr;
  // A module keeps its dict.
  bool known = part.place || dict.get() == object || PyModule_Check(object);
  part.dict = version && known ? dict.get() : nullptr;
  part.version = version;
  return true;
}

//===----------------------------------------------------------------------===//
// Looking and committing
//===----------------------------------------------------------------------===//

/// What one check found to be different, yet as good as before.
struct GuardSet::Look {
  llvm::SmallDenseMap<int, PyRef> objects;
  llvm::SmallVector<std::pair<unsigned, PyRef>, 8> edges;
  std::string reason;
};

bool GuardSet::lookAtEdge(Look &look, unsigned number, PyRef value) const {
  const Edge &edge = edges[number];
  PyObject *before = edge.value.get();
  if (value.get() == before)
    return true;
  auto sameType = [&] { return value && Py_TYPE(value.get()) == Py_TYPE(before); };
  bool holds = false;
  switch (edge.check) {
  case Check::Constant:
    holds = sameConstant(value.get(), before);
    break;
  case Check::Value:
    holds = value && sameImmutable(value.get(), before);
    break;
  case Check::Tensor:
    holds = sameType() && isTensor(value.get());
    break;
  case Check::Structure:
    holds = sameType();
    break;
  case Check::Same:
    holds = bool(value);
    break;
  case Check::Identity:
  case Check::Absent:
    break;
  }
  if (!holds) {
    look.reason = stringOf(edge.path.get()) + " changed from " + textOf(before) + " to " +
                  textOf(value.get());
    return false;
  }
  if (edge.target >= 0 && edge.check != Check::Same)
    look.objects[edge.target] = value;
  look.edges.push_back({number, std::move(value)});
  return true;
}

bool GuardSet::lookAtPart(Look &look, const Part &part, PyObject *object,
                          std::span<PyObject *const> roots) const {
  Values values;
  if (!read(part, object, roots, values)) {
    look.reason = objects[part.object].path + (part.reading == Reading::Content
                                                   ? " changed its content"
                                                   : " changed its length or its keys");
    return false;
  }
  for (unsigned i = 0; i < values.size(); ++i)
    if (!lookAtEdge(look, part.first + i, std::move(values[i])))
      return false;
  return true;
}

/// Objects that were replaced have to be the same at all their places, and others than before.
bool GuardSet::objectsDiffer(Look &look) const {
  llvm::SmallDenseMap<unsigned, PyObject *> changed;
  for (auto &[number, value] : look.edges)
    changed[number] = value.get();
  for (unsigned number : aliases) {
    const Edge &edge = edges[number];
    auto seen = changed.find(number);
    auto target = look.objects.find(edge.target);
    PyObject *here = seen == changed.end() ? edge.value.get() : seen->second;
    PyObject *there =
        target == look.objects.end() ? objects[edge.target].value.get() : target->second.get();
    if (here != there) {
      look.reason = stringOf(edge.path.get()) + " is no longer the same object as " +
                    objects[edge.target].path;
      return false;
    }
  }
  llvm::SmallDenseMap<PyObject *, int> fresh;
  for (auto &[number, value] : look.objects) {
    if (!objects[number].distinct)
      continue;
    auto former = numbers.find(value.get());
    bool taken = former != numbers.end() && !look.objects.contains(former->second);
    if (taken || !fresh.try_emplace(value.get(), number).second) {
      look.reason = objects[number].path + " became the same object as another";
      return false;
    }
  }
  return true;
}

size_t GuardSet::firstChanged(std::span<PyObject *const> roots) {
  auto isSame = [&](Part &part) {
    return isUnchanged(part, objects[part.object].value.get(), roots);
  };
  return size_t(llvm::find_if_not(parts, isSame) - parts.begin());
}

bool GuardSet::look(Look &look, std::span<PyObject *const> roots, size_t from) {
  for (Part &part : llvm::MutableArrayRef(parts).drop_front(from)) {
    auto replaced = look.objects.empty() ? look.objects.end() : look.objects.find(part.object);
    bool isNew = replaced != look.objects.end();
    PyObject *object = isNew ? replaced->second.get() : objects[part.object].value.get();
    if (!isNew && isUnchanged(part, object, roots))
      continue;
    if (!lookAtPart(look, part, object, roots))
      return false;
  }
  return (look.edges.empty() && look.objects.empty()) || objectsDiffer(look);
}

void GuardSet::commit(Look &look) {
  for (auto &[number, value] : look.objects)
    numbers.erase(objects[number].value.get());
  // The former objects are released at the end: their destructors may run anything.
  for (auto &[number, value] : look.objects) {
    numbers[value.get()] = number;
    std::swap(objects[number].value, value);
    for (unsigned i = 0; i < objects[number].partCount; ++i)
      parts[objects[number].firstPart + i].dict = nullptr;
  }
  for (auto &[number, value] : look.edges)
    std::swap(edges[number].value, value);
}

static llvm::SmallVector<PyObject *, 8> rootsOf(PyObject *function,
                                                std::span<PyObject *const> argumentObjects) {
  llvm::SmallVector<PyObject *, 8> roots{function};
  roots.append(argumentObjects.begin(), argumentObjects.end());
  return roots;
}

/// The first edge at which another object is found, alike as it may be. Where each look finds
/// another one, none was replaced.
std::optional<unsigned> GuardSet::replacedEdge(const Look &first,
                                               std::span<PyObject *const> roots) {
  Look second;
  bool isTheSame = look(second, roots);
  for (auto &[number, value] : first.edges) {
    Check check = edges[number].check;
    if (check == Check::Constant || check == Check::Value)
      continue;
    auto again = llvm::find_if(second.edges, [&](auto &edge) { return edge.first == number; });
    if (!isTheSame || (again != second.edges.end() && again->second.get() == value.get()))
      return number;
  }
  return std::nullopt;
}

void GuardSet::settle(PyObject *function, std::span<PyObject *const> argumentObjects) {
  llvm::SmallVector<PyObject *, 8> roots = rootsOf(function, argumentObjects);
  Look found;
  if (!look(found, roots))
    spend("the function itself changes what it reads: " + found.reason);
  else if (auto edge = replacedEdge(found, roots))
    spend("the function itself changes what it reads: " + stringOf(edges[*edge].path.get()) +
          " became another object");
}

bool GuardSet::check(PyObject *function, std::span<PyObject *const> argumentObjects,
                     std::string &reason) {
  if (spent) {
    reason = spentReason;
    return false;
  }
  llvm::SmallVector<PyObject *, 8> roots = rootsOf(function, argumentObjects);
  size_t first = firstChanged(roots);
  if (first == parts.size())
    return true;
  Look found;
  if (!look(found, roots, first)) {
    reason = std::move(found.reason);
    return false;
  }
  if (!found.edges.empty() || !found.objects.empty())
    commit(found);
  return true;
}
