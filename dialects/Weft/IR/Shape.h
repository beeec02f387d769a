// Helpers for the shapes of ops: comparing, labelling and rebuilding.
#pragma once

#include "lib/Support/Error.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinTypes.h"
#include "mlir/IR/Operation.h"

namespace weft {

/// True if the two lists have equal element types and shapes that do not contradict each other (a
/// dynamic dimension agrees with anything).
bool areCompatible(mlir::TypeRange left, mlir::TypeRange right);

/// True if the dimensions agree, as `areCompatible` says.
bool agree(int64_t left, int64_t right);

/// True if dimension `d` of `left` and dimension `e` of `right` have one size; inside a kernel,
/// where sizes have numbers only, one number.
bool haveSameSize(mlir::Type left, int64_t d, mlir::Type right, int64_t e);

/// "[2, n, ?]", for messages.
std::string shapeText(mlir::Type type);
/// The same for a list of sizes.
std::string textOfSizes(llvm::ArrayRef<int64_t> sizes);
/// "2", "n" or "?", for messages.
std::string textOfSize(int64_t size);

/// The value of `compute`, which does arithmetic on sizes; nothing if a number overflows.
template <typename Compute> std::optional<int64_t> checkedSize(Compute compute) {
  try {
    return compute();
  } catch (const Error &) {
    return std::nullopt;
  }
}

/// The same, but a dynamic size if a number overflows; fusion refuses these.
template <typename Compute> int64_t sizeOrDynamic(Compute compute) {
  return checkedSize(compute).value_or(mlir::ShapedType::kDynamic);
}

/// What `check` returns; an error that arithmetic on sizes throws in it is emitted at `location`.
template <typename Check>
llvm::LogicalResult withSizeErrors(std::optional<mlir::Location> location, llvm::StringRef op,
                                   Check check) {
  try {
    return check();
  } catch (const Error &error) {
    return mlir::emitOptionalError(location, "'", op, "' op ", error.what());
  }
}

/// The product of sizes, known or symbolic; nothing if a number overflows.
std::optional<int64_t> productOf(llvm::ArrayRef<int64_t> sizes);
/// How many elements a tensor without dynamic dimensions has; nothing if the number overflows.
std::optional<int64_t> elementCount(mlir::Type type);
/// True if a tensor surely has no elements.
bool isEmpty(mlir::Type type);
/// True if the type is a tensor with a size that is a symbol's.
bool hasSymbolicSize(mlir::Type type);

/// One label for each dimension, the same for all operands and results.
llvm::SmallVector<llvm::SmallVector<int64_t>> elementwiseLabels(mlir::Operation *op);

/// True if each element of op's result needs of operand `operand` the same element only.
bool readsInPlace(mlir::Operation *op, unsigned operand);

/// A copy of `op` over other operands, with other result types.
mlir::Operation *rebuild(mlir::OpBuilder &builder, mlir::Operation *op, mlir::ValueRange operands,
                         mlir::TypeRange resultTypes);

/// Checks that all operands and results have one shape, and the last two operands, which are
/// combined, one dtype; an error names the operand and both shapes or dtypes.
llvm::LogicalResult verifyElementwise(mlir::Operation *op);

/// Builds the op `name` ("weft.add"). Its result types are `resultTypes` if not empty, else they
/// are inferred. Null if the op does not exist or does not accept the operands; the reason was
/// emitted as a diagnostic at `location`.
mlir::Operation *createByName(mlir::OpBuilder &builder, mlir::Location location,
                              llvm::StringRef name, mlir::ValueRange operands,
                              llvm::ArrayRef<mlir::NamedAttribute> attributes,
                              mlir::TypeRange resultTypes = {});

/// A tensor of type `type` whose elements are all `element`: a number, or a SymbolicSizeAttr.
mlir::Value createFilled(mlir::OpBuilder &builder, mlir::Location location,
                         mlir::RankedTensorType type, mlir::Attribute element);

/// `type` with another shape and the same element type.
mlir::RankedTensorType withShape(mlir::Type type, llvm::ArrayRef<int64_t> shape);
/// `type` with another element type and the same shape.
mlir::RankedTensorType withElement(mlir::Type type, mlir::Type element);

/// The type of `count` tensors of `type`, along a first dimension.
mlir::RankedTensorType stackedType(mlir::RankedTensorType type, int64_t count);

} // namespace weft
