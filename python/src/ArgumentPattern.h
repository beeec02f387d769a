// The arguments of a call as the next call compares its own with.
#pragma once

#include "python/src/PyTree.h"
#include "python/src/TensorObject.h"

#include <cstdint>
#include <vector>

namespace weft {

/// The words of a key that say what follows.
enum KeyTag : int64_t {
  TensorTag = 1,
  ScalarTag,
  ContainerTag,
  ObjectTag,
  StaticTag,
  DeviceTag,
};

/// The first word of a leaf in keys: all but its sizes, strides and device.
int64_t tensorSignature(TensorObject *tensor, bool unusualStrides, bool isOfArray);
int64_t numberSignature(PyObject *number);

/// A number that becomes an input of a trace. An integer beyond int64 fits into none: it is a
/// constant.
bool isNumberArgument(PyObject *object);

/// A number for each call, never used again.
uint64_t nextCallNumber();

/// What a call works with of its arguments. It owns all that it refers to: the caller's containers
/// may change meanwhile.
struct TakenArguments {
  TakenArguments() = default;
  ~TakenArguments();
  TakenArguments(const TakenArguments &) = delete;
  TakenArguments &operator=(const TakenArguments &) = delete;

  /// Tensors and Python scalars.
  llvm::SmallVector<PyObject *, 8> leaves;
  /// What is compared part by part: modules, functions, any other object, static arguments.
  llvm::SmallVector<PyObject *, 4> objects;
  /// Tells this call from all others, for marks on handles.
  uint64_t call = nextCallNumber();

  /// Drops all, for another way to take the arguments apart: that of another call.
  void clear();
};

/// What the key of a call says, in the order of a walk over the arguments. Other arguments are
/// compared by walking over them: nothing is made, hashed or looked up, and no code of the user's
/// is run, so that no container changes meanwhile.
class ArgumentPattern {
public:
  /// Begins anew, for a call with so many arguments.
  void begin(size_t positional, size_t keywords);

  // What a walk meets; `signature` is the leaf's word in the key.
  void addTensor(TensorObject *tensor, int64_t signature);
  void addNumber(int64_t signature);
  void addContainer(const TreeType &type, PyTypeObject *python, size_t items);
  void addConstant(PyObject *object);
  void addObject(PyObject *object);
  /// Something that no other call is compared with.
  void setIncomplete() { complete = false; }

  /// Says that leaf `number` is the same tensor as an earlier one.
  void setSame(size_t number, size_t earlier);

  /// False for arguments that can't be walked over without running code: dataclasses, arrays,
  /// views, and so on.
  bool isComplete() const { return complete; }

  /// True if the arguments give the same key, and constants that are equal to those here. Then
  /// their leaves and objects are in `flat`, which was empty; else some may be.
  bool matches(PyObject *const *arguments, size_t positional, PyObject *keywordNames,
               TakenArguments &taken) const;

private:
  enum class Kind : uint8_t { Tensor, Number, Sequence, Dict, Constant, Object };
  static constexpr int64_t none = -1;

  struct Step {
    Kind kind;
    /// Of a container, or an object. Types that die, or are registered, make the pattern outdated.
    PyTypeObject *type = nullptr;
    /// How many items or dimensions there are.
    size_t count = 0;
    /// Of a leaf: its word in the key, and for a tensor its device, where its shape begins, and the
    /// number of the leaf that is the same tensor.
    int64_t signature = 0;
    Device *device = nullptr;
    size_t shape = 0;
    int64_t same = none;
    PyRef constant = {};
  };

  bool walk(PyObject *object, const Step *&next, TakenArguments &taken) const;
  bool walkDict(PyObject *dict, const Step *&next, size_t count, TakenArguments &taken) const;
  bool takeTensor(PyObject *object, const Step &step, TakenArguments &taken) const;

  /// The numbers of arguments, and the mode of the thread.
  size_t positionalCount = 0, keywordCount = 0;
  int64_t mode = 0;
  uint64_t typesVersion = 0;
  bool complete = false;
  std::vector<Step> steps;
  std::vector<int64_t> shapes;
  /// The steps of leaves.
  std::vector<size_t> leaves;
};

} // namespace weft
