// Building a set of guards: what weft._guards.Scanner finds while a trace runs, as tables.
#include "python/src/Errors.h"
#include "python/src/Hooks.h"
#include "python/src/state/Guards.h"

using namespace weft;

/// A tuple of the objects.
template <typename... Objects> static PyRef rowOf(const Objects &...objects) {
  return checked(PyTuple_Pack(sizeof...(objects), objects.get()...));
}

static PyRef numberOf(int64_t number) { return checked(PyLong_FromLongLong(number)); }

static PyRef truthOf(bool value) { return PyRef::borrow(value ? Py_True : Py_False); }

static PyRef textFrom(const std::string &text) {
  return checked(PyUnicode_FromStringAndSize(text.data(), Py_ssize_t(text.size())));
}

static int64_t numberIn(PyObject *row, Py_ssize_t place) {
  return PyLong_AsLongLong(PyTuple_GET_ITEM(row, place));
}

std::string weft::stringOf(PyObject *text) {
  PyRef bytes = checked(PyUnicode_AsEncodedString(text, "utf-8", "replace"));
  return PyBytes_AS_STRING(bytes.get());
}

//===----------------------------------------------------------------------===//
// The search
//===----------------------------------------------------------------------===//

/// A trace that did not enter all that a former one had keeps reads that are not its own. From
/// there on they would only grow.
bool GuardSet::canPassOn() const { return !spent && !searched && enteredHere == entered.size(); }

void GuardSet::begin(PyObject *function, std::span<PyObject *const> argumentObjects,
                     GuardSet *former) {
  std::string reason;
  if (former && former->canPassOn() && former->check(function, argumentObjects, reason)) {
    *this = *former;
    enteredHere = 0;
    follows = true;
    return;
  }
  PyRef arguments = checked(PyTuple_New(Py_ssize_t(argumentObjects.size())));
  for (size_t i = 0; i < argumentObjects.size(); ++i)
    PyTuple_SET_ITEM(arguments.get(), Py_ssize_t(i), Py_NewRef(argumentObjects[i]));
  scanner = checked(PyObject_CallNoArgs(hook(Hook::Scanner)));
  checked(PyObject_CallMethod(scanner.get(), "start", "OO", function, arguments.get()));
}

/// The scanner: the one that began, or one that goes on from what a former trace found.
PyRef &GuardSet::search() {
  if (!scanner) {
    scanner = checked(PyObject_CallNoArgs(hook(Hook::Scanner)));
    checked(PyObject_CallMethod(scanner.get(), "resume", "(O)", table().get()));
  }
  return scanner;
}

static bool hasFreeVariables(PyObject *code) {
  PyRef names = checked(PyObject_GetAttrString(code, "co_freevars"));
  return PyTuple_GET_SIZE(names.get()) > 0;
}

/// As long as a trace enters the same as the former one in the same order, the search has found the
/// same each time. Behind that, code that was entered before may belong to another function than
/// then, of other variables around it.
void GuardSet::enter(PyObject *code, PyObject *variables) {
  size_t number = enteredHere++;
  follows = follows && number < entered.size() && entered[number].first.get() == code &&
            entered[number].second.get() == variables;
  if (follows)
    return;
  if (known.insert({code, variables}).second)
    entered.push_back({PyRef::borrow(code), PyRef::borrow(variables)});
  else if (!hasFreeVariables(code))
    return;
  checked(PyObject_CallMethod(search().get(), "enter", "OO", code, variables));
}

void GuardSet::called(PyObject *function, const std::string &line) {
  if (calledFunctions.insert(reinterpret_cast<PyCFunctionObject *>(function)->m_ml).second)
    checked(PyObject_CallMethod(search().get(), "called", "Os", function, line.c_str()));
}

void GuardSet::finish() {
  if (!scanner)
    return;
  PyRef table = checked(PyObject_CallMethod(scanner.get(), "table", nullptr));
  scanner = PyRef();
  take(table.get());
}

//===----------------------------------------------------------------------===//
// The table, as Scanner.table gives it and Scanner.resume takes it
//===----------------------------------------------------------------------===//

void GuardSet::take(PyObject *table) {
  objects.clear();
  parts.clear();
  edges.clear();
  aliases.clear();
  numbers.clear();
  unwatched.clear();
  PyObject *rows = PyTuple_GET_ITEM(table, 0);
  mentioned = PyRef::borrow(PyTuple_GET_ITEM(table, 1));
  hidden = PyRef::borrow(PyTuple_GET_ITEM(table, 2));
  dynamic = PyTuple_GET_ITEM(table, 3) == Py_True;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(rows); ++i)
    addObject(PyList_GET_ITEM(rows, i), int(i));
  PyObject *list = PyTuple_GET_ITEM(table, 4);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    PyObject *row = PyList_GET_ITEM(list, i);
    unwatched.push_back({stringOf(PyTuple_GET_ITEM(row, 0)), stringOf(PyTuple_GET_ITEM(row, 1))});
  }
  searched = PyTuple_GET_ITEM(table, 5) == Py_True;
}

void GuardSet::addObject(PyObject *row, int number) {
  PyObject *value = PyTuple_GET_ITEM(row, 0);
  bool distinct = PyTuple_GET_ITEM(row, 2) == Py_True;
  PyObject *partRows = PyTuple_GET_ITEM(row, 3);
  objects.push_back({PyRef::borrow(value), stringOf(PyTuple_GET_ITEM(row, 1)), distinct,
                     unsigned(parts.size()), unsigned(PyList_GET_SIZE(partRows))});
  numbers[value] = number;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(partRows); ++i)
    addPart(PyList_GET_ITEM(partRows, i), number);
}

void GuardSet::addPart(PyObject *row, int object) {
  Part part;
  part.reading = Reading(numberIn(row, 0));
  part.scope = Scope(numberIn(row, 1));
  part.object = object;
  part.extra = PyRef::borrow(PyTuple_GET_ITEM(row, 2));
  PyObject *list = PyTuple_GET_ITEM(row, 3);
  part.first = edges.size();
  part.count = PyList_GET_SIZE(list);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    PyObject *edge = PyList_GET_ITEM(list, i);
    auto check = Check(numberIn(edge, 1));
    PyObject *value = check == Check::Absent ? nullptr : PyTuple_GET_ITEM(edge, 2);
    if (check == Check::Same)
      aliases.push_back(edges.size());
    edges.push_back({check, int(numberIn(edge, 3)), PyRef::borrow(PyTuple_GET_ITEM(edge, 0)),
                     PyRef::borrow(value), PyRef::borrow(PyTuple_GET_ITEM(edge, 4))});
  }
  if (part.reading == Reading::Content)
    part.content = fingerprint(objects[object].value.get()).value_or(part.content);
  parts.push_back(std::move(part));
}

PyRef GuardSet::partRow(const Part &part) const {
  PyRef rows = checked(PyList_New(0));
  for (const Edge &edge : std::span(edges).subspan(part.first, part.count)) {
    PyRef value = edge.value ? edge.value : PyRef::borrow(Py_None);
    PyRef row = rowOf(edge.key, numberOf(int(edge.check)), value, numberOf(edge.target), edge.path);
    checkStatus(PyList_Append(rows.get(), row.get()));
  }
  return rowOf(numberOf(int(part.reading)), numberOf(int(part.scope)), part.extra, rows);
}

PyRef GuardSet::table() const {
  PyRef rows = checked(PyList_New(0)), notes = checked(PyList_New(0));
  for (const Object &object : objects) {
    PyRef inside = checked(PyList_New(0));
    for (const Part &part : std::span(parts).subspan(object.firstPart, object.partCount))
      checkStatus(PyList_Append(inside.get(), partRow(part).get()));
    PyRef row = rowOf(object.value, textFrom(object.path), truthOf(object.distinct), inside);
    checkStatus(PyList_Append(rows.get(), row.get()));
  }
  for (const auto &[what, why] : unwatched)
    checkStatus(PyList_Append(notes.get(), rowOf(textFrom(what), textFrom(why)).get()));
  return rowOf(rows, mentioned, hidden, truthOf(dynamic), notes, truthOf(searched));
}
