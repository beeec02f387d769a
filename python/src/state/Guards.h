// Checks that what a traced function read from outside is still the same.
#pragma once

#include "python/src/PyRef.h"
#include "python/src/TensorObject.h"
#include "python/src/state/ObjectParts.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/DenseSet.h"

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace weft {

/// What must hold of what is found at an edge.
enum class Check : uint8_t {
  /// A number, string, ... of the same type and value, to the bit.
  Constant,
  /// An object that its type promises not to change: of the same type, equal, printed alike.
  Value,
  /// The same object.
  Identity,
  /// A tensor; any tensor is accepted here, its type is checked where it is read.
  Tensor,
  /// An object of the same type, whose parts are compared.
  Structure,
  /// The object that is found at another edge.
  Same,
  /// There is nothing.
  Absent,
};

/// The objects that a trace read from outside, as a graph: each object has parts, and a part has
/// edges to constants or to other objects.
class GuardSet {
public:
  /// Starts the search at `function` and the argument objects, as they are before the trace; from
  /// what `former`, of another trace of the function, has found, if there is one that still holds:
  /// what is entered again is then not looked into again. Throws.
  void begin(PyObject *function, std::span<PyObject *const> argumentObjects,
             GuardSet *former = nullptr);

  /// What the trace does, as ReadRecorder sees it. Throws.
  void enter(PyObject *code, PyObject *variables);
  void called(PyObject *function, const std::string &line);

  /// Ends the search. Throws.
  void finish();

  /// To be called when the trace and its effects are undone: if the function changed what it read,
  /// also to another object that is alike, no later call may run this trace. What the trace read
  /// stays what `tensor` and `object` give.
  void settle(PyObject *function, std::span<PyObject *const> argumentObjects);

  /// True if all is as it was; else `reason` says what is not, and nothing is changed.
  bool check(PyObject *function, std::span<PyObject *const> argumentObjects, std::string &reason);

  /// The number of the object that is the tensor; -1 if none is.
  int find(TensorObject *tensor) const;
  int findObject(PyObject *object) const;
  /// What was found there by the last check.
  TensorObject *tensor(int number) const { return asTensor(object(number)); }
  PyObject *object(int number) const { return objects[number].value.get(); }
  /// Where an object is found, in words: "global variable `scale`".
  const std::string &path(int number) const { return objects[number].path; }

  /// A list of the objects that are looked into. Throws.
  PyRef watchedObjects() const;

  /// What is read but can't be compared, and why: (path, reason).
  const std::vector<std::pair<std::string, std::string>> &notWatched() const { return unwatched; }

  /// True if the function changed what it reads: it is traced at each call.
  bool isSpent() const { return spent; }
  /// Makes it hold for no other call.
  void spend(std::string reason);
  const std::string &spentBecause() const { return spentReason; }

  size_t size() const { return edges.size(); }

  /// For the garbage collector.
  int traverse(visitproc visit, void *argument) const;

private:
  struct Edge {
    Check check;
    /// The object that is found here, if it has parts.
    int target;
    PyRef key;
    /// As it was when traced, and later when last checked.
    PyRef value;
    PyRef path;
  };
  /// Which keys of a part are compared: all; those that code mentions, or all if code computes
  /// names; those that code mentions.
  enum class Scope : uint8_t { All, Mentioned, NeverAll };
  struct Part {
    Reading reading;
    Scope scope;
    int object;
    unsigned first, count;
    /// Keys that are compared though no code mentions them.
    PyRef extra;
    /// The dict, where the object keeps it, and its version when all edges were found unchanged.
    PyObject **place = nullptr;
    PyObject *dict = nullptr;
    uint64_t version = 0;
    std::array<uint64_t, 2> content = {};
  };
  struct Object {
    PyRef value;
    std::string path;
    /// Objects at different edges that are different ones.
    bool distinct;
    unsigned firstPart, partCount;
  };
  using Values = llvm::SmallVector<PyRef, 8>;
  struct Look;

  PyRef &search();
  bool canPassOn() const;
  PyRef table() const;
  PyRef partRow(const Part &part) const;
  void take(PyObject *table);
  void addObject(PyObject *row, int number);
  void addPart(PyObject *row, int object);
  bool wants(const Part &part, PyObject *key) const;
  bool isUnchanged(Part &part, PyObject *object, std::span<PyObject *const> roots) const;
  bool read(const Part &part, PyObject *object, std::span<PyObject *const> roots,
            Values &values) const;
  bool readDict(const Part &part, PyObject *dict, Values &values) const;
  /// The number of the first part that is not as it was; how many there are if all are.
  size_t firstChanged(std::span<PyObject *const> roots);
  /// Looks at the parts from `from` on; those before are unchanged.
  bool look(Look &look, std::span<PyObject *const> roots, size_t from = 0);
  bool lookAtPart(Look &look, const Part &part, PyObject *object,
                  std::span<PyObject *const> roots) const;
  bool lookAtEdge(Look &look, unsigned number, PyRef value) const;
  bool objectsDiffer(Look &look) const;
  std::optional<unsigned> replacedEdge(const Look &first, std::span<PyObject *const> roots);
  void commit(Look &look);

  /// While tracing, once something is entered that no former trace did.
  PyRef scanner;
  /// What traces entered, code and global variables, each once; how much of it this one did.
  std::vector<std::pair<PyRef, PyRef>> entered;
  llvm::DenseSet<std::pair<PyObject *, PyObject *>> known;
  size_t enteredHere = 0;
  /// This trace began with what another one found, and has entered the same in the same order.
  bool follows = false;
  /// The definitions of functions in C that were called.
  llvm::DenseSet<const void *> calledFunctions;
  std::vector<Object> objects;
  std::vector<Part> parts;
  std::vector<Edge> edges;
  /// The edges to an object that was found elsewhere.
  std::vector<unsigned> aliases;
  llvm::DenseMap<PyObject *, int> numbers;
  /// The names that code mentions, and those that matter of a class only if code does.
  PyRef mentioned, hidden;
  /// Code computes names.
  bool dynamic = false;
  /// Functions were looked for by their code, not found by a path.
  bool searched = false;
  std::vector<std::pair<std::string, std::string>> unwatched;
  bool spent = false;
  std::string spentReason;
};

/// A string of Python's; surrogates, which UTF-8 lacks, are left out. Throws.
std::string stringOf(PyObject *text);

/// True for numbers, strings and so on of one type and value: 0.0 is not -0.0, 1 is not True.
bool sameConstant(PyObject *left, PyObject *right);

/// True for objects that are compared by sameConstant.
bool isConstant(PyObject *object);

} // namespace weft
