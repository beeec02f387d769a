// Complex tensors as pairs of real ones.
#pragma once

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"
#include "mlir/Interfaces/FunctionInterfaces.h"

namespace weft {

/// The parts of a value: itself, and null, where it is not complex.
struct ComplexParts {
  mlir::Value real, imaginary;
};

/// True for a tensor of complex elements.
bool isComplexTensor(mlir::Type type);
/// `type` with the parts of its elements as elements; the same type if they are not complex.
mlir::RankedTensorType partType(mlir::Type type);

/// tensor<4xcomplex<f32>> as tensor<4x2xf32>, which is the same memory; other types as they are.
mlir::Type pairType(mlir::Type type);
/// What `weft-split-complex` calls arguments and results that it has made pairs.
inline constexpr llvm::StringLiteral pairsAttribute = "weft.pairs";
/// The types of a function's arguments and results as its callers see them: pairs are complex.
llvm::SmallVector<mlir::Type> outerArgumentTypes(mlir::FunctionOpInterface function);
llvm::SmallVector<mlir::Type> outerResultTypes(mlir::FunctionOpInterface function);

/// A tensor of a floating or complex type filled with `value`.
mlir::Value buildFilled(mlir::OpBuilder &builder, mlir::Location location, mlir::Type type,
                        double value);
/// The conjugate of a value; the same value if it is not complex, or null.
mlir::Value buildConjugate(mlir::OpBuilder &builder, mlir::Value value);

/// `op` on the real parts of its operands, and on the imaginary parts; operands that are not
/// complex are those of both.
llvm::SmallVector<ComplexParts> buildOnEachPart(mlir::Operation *op, mlir::OpBuilder &builder,
                                                llvm::ArrayRef<ComplexParts> operands);

/// True if other ops define `op`: a composite, or an op on complex tensors.
bool hasDefinition(mlir::Operation *op);
/// Builds the definition before `op`; a value for each result, of exactly its type. Nothing after
/// an error, which was emitted.
llvm::SmallVector<mlir::Value> buildDefinition(mlir::Operation *op, mlir::OpBuilder &builder);

} // namespace weft
