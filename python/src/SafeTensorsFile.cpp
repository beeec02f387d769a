// Reading and writing safetensors files from Python.
#include "python/src/SafeTensorsFile.h"

#include "lib/Compiler/ProgramFile.h"
#include "lib/Compiler/SafeTensors.h"
#include "lib/Runtime/Allocator.h"
#include "lib/Trace/Placement.h"
#include "python/src/TensorObject.h"
#include "python/src/TraceScope.h"
#include "python/src/Translated.h"
#include "python/src/state/Handle.h"

#include <cstring>

namespace py = pybind11;
using namespace weft;

static StorageRef newCopy(llvm::ArrayRef<char> bytes) {
  StorageRef copy = Allocator::process().allocate(bytes.size());
  if (!bytes.empty())
    std::memcpy(copy->data(), bytes.data(), bytes.size());
  return copy;
}

StorageRef weft::storageOver(llvm::ArrayRef<char> bytes, DType dtype, std::shared_ptr<void> owner) {
  auto *data = const_cast<char *>(bytes.data());
  if (reinterpret_cast<uintptr_t>(data) % dtypeSize(dtype) != 0)
    return newCopy(bytes);
  using Owner = std::shared_ptr<void>;
  auto release = [](void *context) { delete static_cast<Owner *>(context); };
  return Storage::wrapConstant(data, bytes.size(), release, new Owner(std::move(owner)));
}

static py::object load(const std::string &path) {
  PyRef result = checked(PyDict_New());
  std::shared_ptr<llvm::MemoryBuffer> file = mapFile(path);
  for (const SafeTensor &tensor : readSafeTensors(file->getBuffer(), path)) {
    TensorValue value;
    value.dtype = tensor.signature.dtype;
    value.shape.assign(tensor.signature.shape.begin(), tensor.signature.shape.end());
    value.storage = storageOver(tensor.elements, value.dtype, file);
    PyRef object = checked(newTensor(std::move(value)));
    // A name may have a zero in it.
    PyRef name = checked(PyUnicode_DecodeUTF8(
        tensor.name.data(), static_cast<Py_ssize_t>(tensor.name.size()), nullptr));
    checkStatus(PyDict_SetItem(result.get(), name.get(), object.get()));
  }
  return py::reinterpret_steal<py::object>(result.release());
}

static void save(const py::dict &tensors, const std::string &path) {
  std::vector<SafeTensor> rows;
  std::vector<StorageRef> onHost;
  for (auto [name, object] : tensors) {
    TensorObject *tensor = current(asTensor(object.ptr()));
    requireConcrete(tensor, "save_safetensors()");
    const TensorValue &value = tensor->value;
    TensorSignature signature{value.dtype, {value.shape.begin(), value.shape.end()}};
    onHost.push_back(copyTo(nullptr, value.storage));
    llvm::ArrayRef<char> elements(static_cast<const char *>(onHost.back()->data()),
                                  signature.bytes());
    rows.push_back({py::cast<std::string>(name), std::move(signature), elements});
  }
  writeSafeTensors(path, rows);
}

void weft::registerSafeTensors(py::module_ &module) {
  module.def("load_safetensors",
             [](const std::string &path) { return translated([&] { return load(path); }); });
  module.def("save_safetensors", [](const py::dict &tensors, const std::string &path) {
    translated([&] {
      save(tensors, path);
      return 0;
    });
  });
}
