// The weights of a program: constants whose elements lie outside of the IR.
//
// In the IR a weight is `weft.constant {weft.name = "0.weight"} dense_resource<...>`: dense,
// row-major, a bool as one byte. A program whose weights are in another file has arguments with
// `weft.weight = "0.weight"` instead, and on the module `weft.weights`, which says in which.
#pragma once

#include "lib/Runtime/Storage.h"
#include "mlir/IR/BuiltinOps.h"

#include <string>
#include <vector>

namespace weft {

struct Weight {
  std::string name;
  mlir::RankedTensorType type;
  /// Valid as long as the module keeps the weight.
  llvm::ArrayRef<char> elements;
};

/// A constant over the memory of `storage`, which it keeps.
mlir::Value buildWeight(mlir::OpBuilder &builder, mlir::Location location,
                        mlir::RankedTensorType type, llvm::StringRef name, StorageRef storage);

/// The weights of @main in their order. Throws weft::Error (IO) if the elements of one are missing
/// or too few.
std::vector<Weight> weightsOf(mlir::ModuleOp module);

/// Makes the weights of @main its last arguments, in the order of `weightsOf`.
void turnWeightsToArguments(mlir::ModuleOp module);

/// The inverse, for a module that has no weights. Elements have to live as long as the module.
void turnArgumentsToWeights(mlir::ModuleOp module, llvm::ArrayRef<Weight> weights);

/// Says of the weights of @main that are arguments that they are the same in each call
/// (`weft.hidden`).
void hideWeights(mlir::ModuleOp module);

/// Makes constants of the arguments that are weights of another file, which stays mapped. The file
/// lies in `folder`. Throws weft::Error (IO), naming file and weight.
void attachWeights(mlir::ModuleOp module, llvm::StringRef folder);

/// Gives up the memory of the weights: what MLIR's context keeps of them would stay forever. The
/// module can't be used any more, nor can copies of it.
void releaseWeights(mlir::ModuleOp module);

} // namespace weft
