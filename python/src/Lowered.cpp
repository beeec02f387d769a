// What lower() returns.
#include "python/src/Lowered.h"

#include "python/src/Profile.h"
#include "python/src/Translated.h"

namespace py = pybind11;
using namespace weft;

namespace {

class Lowered {
public:
  Lowered(const Specialization &specialization, bool prepare)
      : module(specialization.module), executable(specialization.executable) {
    options.prepare = prepare;
    options.device = specialization.device;
    if (options.device)
      options.target = options.device->target();
  }

  /// The same for another target; empty for that of the tensors' device.
  Lowered forTarget(const std::string &target) const {
    Lowered other = *this;
    if (!target.empty())
      other.options.target = target;
    return other;
  }

  std::string ir(const std::string &level) const {
    mlir::OwningOpRef<mlir::ModuleOp> copy = (*module)->clone();
    return Compiler::instance().lower(*copy, level, options);
  }

  /// The kernels of a call, and those that run when storages are first seen.
  const Executable &compiled() {
    if (!executable) {
      mlir::OwningOpRef<mlir::ModuleOp> copy = (*module)->clone();
      executable = Compiler::instance().compile(*copy, options);
    }
    return *executable;
  }

private:
  std::shared_ptr<mlir::OwningOpRef<mlir::ModuleOp>> module;
  std::shared_ptr<const Executable> executable;
  CompileOptions options;
};

} // namespace

static py::list kernelList(Lowered &lowered, bool prepared) {
  return translated([&] {
    py::list result;
    const Executable &executable = lowered.compiled();
    for (const KernelReport &kernel : prepared ? executable.prepared : executable.kernels)
      result.append(kernelRow(kernel));
    return result;
  });
}

PyRef weft::newLowered(const Specialization &specialization, bool prepare) {
  return PyRef::steal(py::cast(Lowered(specialization, prepare)).release().ptr());
}

void weft::registerLowered(py::module_ &module) {
  py::class_<Lowered>(module, "Lowered", "A traced function.")
      .def(
          "ir",
          [](const Lowered &lowered, const std::string &level) {
            return translated([&] { return lowered.ir(level); });
          },
          py::arg("level") = "weft",
          "The IR after a phase: \"weft\", \"kernels\", \"loops\", \"llvm\" or \"asm\" (for a GPU: "
          "\"ptx\").")
      .def("_for_target", &Lowered::forTarget)
      .def("_kernels", kernelList, py::arg("prepared") = false);
}
