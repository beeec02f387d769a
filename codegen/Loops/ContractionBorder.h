// What a contraction leaves out where its left operand is known to be zero.
#pragma once

#include "codegen/Loops/ContractionNest.h"

namespace weft {

/// Leaves out the steps of the outermost depth loop that multiply lines of zeros. A sum starts at
/// +0, and a product of zero and a finite number changes no sum: so the bits stay if the right
/// operand is finite. A stage of its own looks at that, which runs once for a weight that is kept.
class ContractionBorder : ContractionNest {
public:
  /// What `weft.border` allows to leave out of the kernel's contraction.
  static std::optional<ContractionBorder> of(KernelEmitter &emitter);

  /// Adds the stage that looks at the right operand.
  void addStage();
  /// True if the right operand is finite: for the tasks of a later stage.
  mlir::Value isFinite();
  /// Of the steps from `low` to `high` of the outermost depth loop, which pixels from `first` to
  /// `last`, positions in all row loops, need to take, if the right operand `isFinite`: all, unless
  /// the pixels are in one line along the border.
  std::pair<mlir::Value, mlir::Value> stepsWithin(mlir::Value low, mlir::Value high,
                                                  mlir::Value isFinite,
                                                  llvm::ArrayRef<mlir::Value> first,
                                                  llvm::ArrayRef<mlir::Value> last);

private:
  ContractionBorder(KernelEmitter &emitter, const ZeroBorder &border)
      : ContractionNest(emitter), border(border) {}

  mlir::Value stepFrom(mlir::Value line, mlir::Value start);

  ZeroBorder border;
  /// The number of the row loop that goes along the border.
  size_t rowLoop = 0;
  /// A vector for each part of the right operand: zeros if it is finite, else some NaN.
  unsigned products = 0;
};

} // namespace weft
