// Files of named tensors, for Python.
#pragma once

#include "lib/Runtime/Storage.h"
#include "lib/Support/DType.h"
#include "llvm/ADT/ArrayRef.h"

#include <memory>
#include <pybind11/pybind11.h>

namespace weft {

/// Storage over memory that `owner` keeps; a copy where elements of `dtype` can't lie.
StorageRef storageOver(llvm::ArrayRef<char> bytes, DType dtype, std::shared_ptr<void> owner);

/// Adds load_safetensors and save_safetensors to the module.
void registerSafeTensors(pybind11::module_ &module);

} // namespace weft
