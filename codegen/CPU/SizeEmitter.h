// Code that computes sizes from the values of symbols.
#pragma once

#include "codegen/CPU/Constants.h"
#include "llvm/ADT/StringMap.h"

namespace weft {

/// Emits the arithmetic of sizes (lib/Support/SymbolicSize.h) in one block, each size once.
class SizeEmitter {
public:
  /// `symbols` is a pointer to the values, which are in the order of `names`. What is `checked`
  /// keeps `isOverflowing` and `isNegative` up to date.
  SizeEmitter(mlir::OpBuilder &builder, Constants &constants, mlir::Location location,
              mlir::Value symbols, llvm::ArrayRef<std::string> names, bool checked)
      : builder(builder),
        constants(constants),
        location(location),
        symbols(symbols),
        names(names),
        checked(checked) {}

  mlir::Value constant(int64_t value) { return constants.get(location, value); }
  /// The value of a size, known or symbolic.
  mlir::Value size(int64_t size);
  mlir::Value add(mlir::Value left, mlir::Value right);
  mlir::Value multiply(mlir::Value left, mlir::Value right);
  /// The quotient by a positive number, rounded to zero; not checked.
  mlir::Value divide(mlir::Value dividend, int64_t divisor);
  /// The next multiple of 64; not checked.
  mlir::Value align(mlir::Value bytes);
  /// The larger of two signed numbers.
  mlir::Value maximum(mlir::Value left, mlir::Value right);
  mlir::Value minimum(mlir::Value left, mlir::Value right);
  /// The number that a value is known to be.
  static std::optional<int64_t> knownValue(mlir::Value value);

  /// Whether a sum or product was too large, or larger than `bound` where that was asked: a bool,
  /// or null where that can't be.
  mlir::Value isOverflowing() const { return overflow; }
  /// Whether a size that was marked by `requireCount` is negative: a bool, or null.
  mlir::Value isNegative() const { return negative; }
  void requireCount(mlir::Value size);
  void requireAtMost(mlir::Value value, int64_t bound);

private:
  mlir::Value symbol(llvm::StringRef name);
  mlir::Value floorDivide(mlir::Value dividend, mlir::Value divisor);
  template <typename Checked, typename Plain>
  mlir::Value compute(mlir::Value left, mlir::Value right);
  void note(mlir::Value &flag, mlir::Value condition);

  mlir::OpBuilder &builder;
  Constants &constants;
  mlir::Location location;
  mlir::Value symbols;
  llvm::ArrayRef<std::string> names;
  bool checked;
  llvm::StringMap<mlir::Value> values;
  llvm::DenseMap<int64_t, mlir::Value> sizes;
  mlir::Value overflow, negative;
};

} // namespace weft
