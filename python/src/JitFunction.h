// The Python type of compiled functions.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "mlir/IR/OwningOpRef.h"
#include "python/src/Guards.h"
#include "python/src/PyTree.h"
#include "python/src/TraceScope.h"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace weft {

/// How a call finds a tensor handle.
struct HandleSource {
  enum class Kind : uint8_t { Guard, Argument, Fixed } kind;
  int index;
  PyRef fixed;
};

/// An input beyond the arguments.
struct HiddenSource {
  /// Which handle; -1 for an array made during the trace.
  int handle;
  /// The input is the handle's gradient.
  bool gradient;
  Array array;
  DType dtype;
  Shape shape;
  bool requiresGrad;
};

/// A handle, or its gradient, that a call changes.
struct Effect {
  int handle;
  bool gradient;
  /// -1: the gradient is removed.
  int output;
};

/// One trace of a function, compiled.
struct Specialization {
  std::vector<PyRef> statics;
  /// Python scalars whose value the trace depends on: leaf number and value.
  std::vector<std::pair<unsigned, PyRef>> scalars;
  GuardSet guards;
  std::vector<HandleSource> handles;
  std::vector<HiddenSource> hidden;
  std::vector<Effect> effects;
  /// Handles whose gradient has to be there (or not) at the start.
  std::vector<std::pair<int, bool>> gradientPresence;
  /// What the function returned; in the place of each output a tensor whose `value.id` is its
  /// number.
  PyRef resultTemplate;
  /// Which outputs belong to the result; those among them that carry gradients.
  unsigned resultCount = 0;
  std::vector<bool> outputRequiresGrad;
  bool recordsGradients = false;
  /// As traced, for lower() and for gradients of calls.
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> module;
  uint64_t functionSerial = nextFunctionSerial();
  std::shared_ptr<const Executable> executable;
  /// Where all tensors are that it reads, and where it runs; null for the host.
  Device *device = nullptr;
};

using Specializations = std::vector<std::unique_ptr<Specialization>>;

struct JitState {
  PyRef function;
  std::vector<Py_ssize_t> staticNumbers;
  std::vector<PyRef> staticNames;
  struct Hash {
    size_t operator()(const Key &key) const { return hashKey(key); }
  };
  std::unordered_map<Key, Specializations, Hash> specializations;
  uint64_t calls = 0, traces = 0;
  double traceSeconds = 0, compileSeconds = 0;
  /// What the compiler counted while it worked for this function.
  Statistics compiler;
  std::vector<std::string> retraceReasons;
};

/// True if the argument (the name is null for positional ones) is compared by value.
bool isStaticArgument(const JitState &state, size_t number, PyObject *name);

/// Takes the arguments of a call apart. Throws.
void flattenCall(const JitState &state, PyObject *const *arguments, size_t count,
                 PyObject *keywordNames, FlatArguments &flat);

/// Runs the function on tracers. Throws what the function throws, with all handles as before.
std::unique_ptr<Specialization> traceFunction(JitState &state, const FlatArguments &flat,
                                              PyObject *const *arguments, size_t count,
                                              PyObject *keywordNames);

/// Makes the type and adds it to the module; -1 on error.
int registerJitType(PyObject *module);

} // namespace weft
