// Constants that are computed while a program is compiled.
#pragma once

#include "dialects/Weft/IR/Weft.h"
#include "lib/Runtime/Storage.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include <vector>

namespace weft {

/// Makes constants whose elements are in storages, of which nothing is copied, and gives the
/// storages up when it dies. A context never does on its own.
class ComputedConstants {
public:
  ComputedConstants() = default;
  ComputedConstants(const ComputedConstants &) = delete;
  ComputedConstants &operator=(const ComputedConstants &) = delete;
  ~ComputedConstants();

  /// `name` is that of a weight, or null.
  mlir::Value add(mlir::OpBuilder &builder, mlir::Location location, mlir::RankedTensorType type,
                  mlir::StringAttr name, StorageRef storage);

private:
  std::vector<mlir::DenseResourceElementsHandle> handles;
};

} // namespace weft
