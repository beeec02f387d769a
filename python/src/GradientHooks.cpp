// Functions of the user that see gradients while they are computed.
#include "python/src/GradientHooks.h"

#include "lib/Trace/TapeRegions.h"
#include "python/src/Errors.h"
#include "python/src/HookObject.h"
#include "python/src/TraceScope.h"
#include "python/src/Translated.h"
#include "python/src/state/Handle.h"

namespace py = pybind11;
using namespace weft;

PyRef weft::tensorOf(const TapeInput &gradient) {
  PyRef result = checked(newTensor(TensorValue::of(gradient.array)));
  if (gradient.origin) {
    asTensor(result.get())->node = gradient.origin.node;
    asTensor(result.get())->nodeResult = gradient.origin.result;
    asTensor(result.get())->requiresGrad = true;
  }
  return result;
}

/// What goes on for a gradient that Python gave.
static TapeInput inputOf(PyObject *gradient, bool record) {
  TensorObject *found = current(asTensor(gradient));
  requireConcrete(found, "a gradient");
  return {found->value.array(), record ? found->origin() : Origin()};
}

namespace {

/// Calls what is registered.
class PythonHooks final : public HookObject {
public:
  using HookObject::HookObject;

  TapeInput call(const TapeInput &gradient, bool record) override {
    PyRef functions = object();
    if (!functions)
      return gradient;
    GradientMode mode(record);
    PyRef given = tensorOf(gradient);
    PyRef result = checked(PyObject_CallOneArg(functions.get(), given.get()));
    return inputOf(result.get(), record);
  }
};

/// A function of a list of gradients.
class PythonMark final : public GradientMark {
public:
  explicit PythonMark(PyObject *function) : function(PyRef::borrow(function)) {}

  void call(llvm::MutableArrayRef<std::optional<TapeInput>> gradients, bool record) override {
    GradientMode mode(record);
    PyRef given = checked(PyList_New(static_cast<Py_ssize_t>(gradients.size())));
    for (auto [i, gradient] : llvm::enumerate(gradients))
      PyList_SET_ITEM(given.get(), static_cast<Py_ssize_t>(i),
                      gradient ? tensorOf(*gradient).release() : Py_NewRef(Py_None));
    PyRef result = checked(PyObject_CallOneArg(function.get(), given.get()));
    for (auto [i, gradient] : llvm::enumerate(gradients)) {
      PyObject *item = PyList_GetItem(result.get(), static_cast<Py_ssize_t>(i));
      if (!item)
        throw PythonError();
      gradient = item == Py_None ? std::nullopt : std::optional(inputOf(item, record));
    }
  }

private:
  PyRef function;
};

} // namespace

static void requireNoTrace() {
  if (currentScope)
    throwError("UnsupportedError",
               "a gradient hook: compiled functions and what is transformed call none; register it "
               "outside, on a tensor that is computed there, or change the gradient by "
               "weft.custom_vjp");
}

/// Where the hooks of the tensor's value are. Throws if it has no gradient.
static std::shared_ptr<GradientHooks> &placeOf(TensorObject *tensor) {
  requireNoTrace();
  tensor = current(tensor);
  requireConcrete(tensor, "a gradient hook");
  Origin origin = tensor->origin();
  if (!origin)
    throwError("GradientError", "a gradient hook: the tensor requires no gradient");
  if (origin.leaf)
    return origin.leaf->hooks;
  bool isNoOp = origin.node->copiedFrom || origin.node->mark;
  if (!isNoOp && origin.node->isReleased(origin.result))
    throwError("GradientError", "a gradient hook: the history of the tensor was released by a "
                                "backward(); register it before");
  for (auto &[number, hooks] : origin.node->hooks)
    if (number == origin.result)
      return hooks;
  return origin.node->hooks.emplace_back(origin.result, nullptr).second;
}

static py::object gradientHooks(const py::object &tensor) {
  return translated([&]() -> py::object {
    Origin origin = current(asTensor(tensor.ptr()))->origin();
    auto *hooks = static_cast<PythonHooks *>(origin.hooks());
    PyRef object = hooks ? hooks->object() : PyRef();
    if (!object)
      return py::none();
    return py::reinterpret_steal<py::object>(object.release());
  });
}

static void setGradientHooks(const py::object &tensor, const py::object &object, bool isWeak) {
  translated([&] {
    placeOf(asTensor(tensor.ptr())) = std::make_shared<PythonHooks>(object.ptr(), isWeak);
    return 0;
  });
}

/// Tensors of the same values, whose gradients `function` sees together: a function of a list,
/// with None where there is none, to such a list. All have to require gradients.
static py::list markGradients(const py::list &tensors, const py::object &function) {
  return translated([&] {
    requireNoTrace();
    auto node = std::make_shared<TapeNode>();
    node->mark = std::make_shared<PythonMark>(function.ptr());
    py::list results;
    for (py::handle each : tensors) {
      TensorObject *tensor = current(asTensor(each.ptr()));
      requireConcrete(tensor, "a gradient hook");
      PyRef marked = checked(newTensor(TensorValue::of(tensor->value.array())));
      TapeInput input = recordedInput(tensor->value.array(), tensor->origin());
      input.array.storage = {};
      asTensor(marked.get())->nodeResult = static_cast<uint32_t>(node->inputs.size());
      node->inputs.push_back(std::move(input));
      asTensor(marked.get())->node = node;
      asTensor(marked.get())->requiresGrad = true;
      results.append(py::reinterpret_steal<py::object>(marked.release()));
    }
    return results;
  });
}

void weft::callAccumulated(const Leaf &leaf) {
  if (!leaf.hooks)
    return;
  if (PyRef object = static_cast<PythonHooks &>(*leaf.hooks).object())
    checked(PyObject_CallMethod(object.get(), "accumulated", nullptr));
}

void weft::registerGradientHooks(py::module_ &module) {
  module.def("gradient_hooks", gradientHooks);
  module.def("set_gradient_hooks", setGradientHooks);
  module.def("mark_gradients", markGradients);
}
