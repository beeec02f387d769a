// What an op that computes elements at indices sees of the kernel being emitted.
#pragma once

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLFunctionalExtras.h"

namespace weft {

/// Where the elements of one vector are along one dimension: lane l is at `base + l * step`, or at
/// lane l of `lanes` where that is set. A uniform index has the same value in each lane.
struct ElementIndex {
  mlir::Value base;       // index
  int64_t step = 0;       // distance between neighbouring lanes
  mlir::Value lanes = {}; // vector<lanes x i64>; then base and step are unused

  bool isUniform() const { return !lanes && step == 0; }
};

/// Emits elements of tensors inside a kernel. Implemented by code generation; used by the rules of
/// the ops (IndexedOpInterface), which so stay independent of the loops around them.
///
/// A value is a scalar if all its indices are uniform, else a vector of `laneCount()` elements.
class ElementEmitter {
public:
  virtual ~ElementEmitter() = default;

  virtual mlir::OpBuilder &builder() = 0;
  virtual mlir::Location location() = 0;
  virtual int64_t laneCount() = 0;

  /// The elements of `tensor` at `indices`, widened as ElementwiseOpInterface says.
  virtual mlir::Value element(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices) = 0;

  /// The size of dimension `dimension` of `tensor`, of type index.
  virtual mlir::Value size(mlir::Value tensor, unsigned dimension) = 0;

  /// Parameter `number` of the launch, an integer, of type index.
  virtual mlir::Value launchParameter(int64_t number) = 0;

  /// Emits `body` so that it reads no memory in lanes where `condition` (i1 or a vector of them) is
  /// false, and gives what it gives where the condition is true and `otherwise` elsewhere.
  virtual mlir::Value guarded(mlir::Value condition, mlir::Value otherwise,
                              llvm::function_ref<mlir::Value()> body) = 0;

  /// The elements of `tensor` at `indices`, or `otherwise` (a scalar) where an index of one of the
  /// `checked` dimensions is negative or not below the dimension's size.
  virtual mlir::Value elementWithin(mlir::Value tensor, llvm::ArrayRef<ElementIndex> indices,
                                    llvm::ArrayRef<unsigned> checked, mlir::Value otherwise);

  /// True where an op's emitAreInside is known to hold at `indices`.
  virtual bool areKnownInside(mlir::Value, llvm::ArrayRef<ElementIndex>) { return false; }
  /// True where neighbours are computed side by side, so that no branch should part them.
  virtual bool isJammed() { return false; }

  // Arithmetic on indices, on scalars as long as they are uniform.

  mlir::Value constantIndex(int64_t value);
  /// A number of an op, which may be one that the launch gives (LaunchNumbers.h), of type index.
  mlir::Value numberIndex(int64_t number);
  /// The type that values of the tensor's element type are computed in (narrow floats: f32).
  mlir::Type computeType(mlir::Value tensor);
  /// A constant of scalar type `type`.
  mlir::Value constant(mlir::Type type, double value);
  /// The index as i64: a scalar if it is uniform, else a vector.
  mlir::Value toInteger(const ElementIndex &index);
  /// The index that an i64 scalar or vector is.
  ElementIndex fromInteger(mlir::Value value);
  /// index + value
  ElementIndex add(const ElementIndex &index, mlir::Value value);
  /// index - value
  ElementIndex subtract(const ElementIndex &index, mlir::Value value);
  /// index * factor, which may be a number that the launch gives.
  ElementIndex multiply(const ElementIndex &index, int64_t factor);
  /// i1, or a vector of them: whether the index is at least 0 and below `size` (index).
  mlir::Value isWithin(const ElementIndex &index, mlir::Value size);
  /// Makes scalars and vectors alike: if any of `values` is a vector, splats the scalars.
  void unify(llvm::MutableArrayRef<mlir::Value> values);
  /// `value` as a vector of `laneCount()` elements.
  mlir::Value splat(mlir::Value value);

protected:
  /// x + y and x * factor, of type index.
  virtual mlir::Value sum(mlir::Value x, mlir::Value y);
  virtual mlir::Value multiple(mlir::Value x, int64_t factor);
};

} // namespace weft
