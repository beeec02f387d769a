// A weft.convolution of each channel for itself, and the weft.pad of zeros around its image.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

/// True if the size is a number.
bool isKnownSize(int64_t size);

/// True if each channel is convolved for itself, with a window that is known and small: each of its
/// elements is instructions of the kernel. Columns that are farther apart than every second one
/// would be gathered one by one, as would be parts of vectors of half precision.
bool isDepthwise(ConvolutionOp op);

/// True if the tensors have the same shape but for a last size of 1 that one has more: the reshape
/// of a convolution, of which one that the user wrote may have become a part.
bool dropsGroupSize(mlir::RankedTensorType apart, mlir::RankedTensorType joined);

/// An image, and how wide the border of zeros around it is along H and W.
struct BorderedImage {
  mlir::Value image;
  llvm::SmallVector<int64_t> low = {0, 0}, high = {0, 0};
};

/// What is inside of `value`, if that is an image of known sizes in a border of +0; H is its
/// dimension `height`, W the next.
BorderedImage withoutBorder(mlir::Value value, int64_t height);

} // namespace weft
