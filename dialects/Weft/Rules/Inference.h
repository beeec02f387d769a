// Result types by family of ops. Each function takes the op's adaptor, reports a mismatch at
// `location` with the operand and both shapes, and appends one type for each result.
#pragma once

#include "dialects/Weft/IR/Weft.h"

namespace weft {

using InferenceLocation = std::optional<mlir::Location>;
using InferredTypes = llvm::SmallVectorImpl<mlir::Type>;

llvm::LogicalResult inferBoolLike(mlir::ValueRange operands, InferenceLocation location,
                                  InferredTypes &types);
llvm::LogicalResult inferReducedShape(mlir::Value x, llvm::ArrayRef<int64_t> axes,
                                      mlir::Type element, InferenceLocation location,
                                      InferredTypes &types);

template <typename Adaptor>
llvm::LogicalResult inferFromFirst(Adaptor adaptor, InferenceLocation, InferredTypes &types) {
  types.push_back(adaptor.getOperands()[0].getType());
  return llvm::success();
}
template <typename Adaptor>
llvm::LogicalResult inferFromSecond(Adaptor adaptor, InferenceLocation, InferredTypes &types) {
  types.push_back(adaptor.getOperands()[1].getType());
  return llvm::success();
}
template <typename Adaptor>
llvm::LogicalResult inferBool(Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  return inferBoolLike(adaptor.getOperands(), location, types);
}
/// A tensor of parts, like a complex operand.
llvm::LogicalResult inferPart(mlir::Value x, InferredTypes &types);
template <typename Adaptor>
llvm::LogicalResult inferPart(Adaptor adaptor, InferenceLocation, InferredTypes &types) {
  return inferPart(adaptor.getX(), types);
}
llvm::LogicalResult inferComplex(ComplexOp::Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types);
template <typename Adaptor>
llvm::LogicalResult inferReduction(Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types) {
  return inferReducedShape(adaptor.getX(), adaptor.getAxes(), nullptr, location, types);
}
/// The type of the first operand, of which the attribute `axis` names a dimension.
llvm::LogicalResult inferNormalized(mlir::Value x, int64_t axis, llvm::StringRef op,
                                    InferenceLocation location, InferredTypes &types);
template <typename Adaptor>
llvm::LogicalResult inferAlongAxis(Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types) {
  return inferNormalized(adaptor.getX(), adaptor.getAxis(), "softmax", location, types);
}
template <typename Adaptor>
llvm::LogicalResult inferScan(Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  return inferNormalized(adaptor.getX(), adaptor.getAxis(), "cumulative", location, types);
}
/// The same, and the positions of its elements.
template <typename Adaptor>
llvm::LogicalResult inferSort(Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  auto x = llvm::cast<mlir::RankedTensorType>(adaptor.getX().getType());
  if (failed(inferNormalized(adaptor.getX(), adaptor.getAxis(), "sort", location, types)))
    return llvm::failure();
  types.push_back(withElement(x, mlir::IntegerType::get(x.getContext(), 64)));
  return llvm::success();
}
llvm::LogicalResult inferArgReduction(ArgmaxOp::Adaptor adaptor, InferenceLocation location,
                                      InferredTypes &types);
llvm::LogicalResult inferArgReduction(ArgminOp::Adaptor adaptor, InferenceLocation location,
                                      InferredTypes &types);
llvm::LogicalResult inferTranspose(TransposeOp::Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types);
llvm::LogicalResult inferConcatenate(ConcatenateOp::Adaptor adaptor, InferenceLocation location,
                                     InferredTypes &types);
llvm::LogicalResult inferGather(GatherOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);
llvm::LogicalResult inferUpdate(UpdateOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);
llvm::LogicalResult inferFixedPow(FixedPowOp::Adaptor adaptor, InferenceLocation location,
                                  InferredTypes &types);
llvm::LogicalResult inferScattered(mlir::Value x, mlir::Value indices, mlir::Value updates,
                                   int64_t axis, InferenceLocation location, InferredTypes &types);
/// x's type, with updates that suit the indices.
template <typename Adaptor>
llvm::LogicalResult inferScatter(Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types) {
  return inferScattered(adaptor.getX(), adaptor.getIndices(), adaptor.getUpdates(),
                        adaptor.getAxis(), location, types);
}
llvm::LogicalResult inferMatmul(MatmulOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);
llvm::LogicalResult inferConvolution(ConvolutionOp::Adaptor adaptor, InferenceLocation location,
                                     InferredTypes &types);
llvm::LogicalResult inferDepthwiseConvolution(DepthwiseConvolutionOp::Adaptor adaptor,
                                              InferenceLocation location, InferredTypes &types);
llvm::LogicalResult inferCrossEntropy(CrossEntropyOp::Adaptor adaptor, InferenceLocation location,
                                      InferredTypes &types);
llvm::LogicalResult inferLayerNorm(LayerNormOp::Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types);
llvm::LogicalResult inferBatchNorm(BatchNormOp::Adaptor adaptor, InferenceLocation location,
                                   InferredTypes &types);
llvm::LogicalResult inferDropout(DropoutOp::Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types);
llvm::LogicalResult inferAttention(ScaledDotProductAttentionOp::Adaptor adaptor,
                                   InferenceLocation location, InferredTypes &types);
llvm::LogicalResult inferConv2d(Conv2dOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);
llvm::LogicalResult inferPool2d(MaxPool2dOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);
llvm::LogicalResult inferPool2d(AvgPool2dOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);

llvm::LogicalResult inferSquare(CholeskyOp::Adaptor adaptor, InferenceLocation location,
                                InferredTypes &types);
llvm::LogicalResult inferSolved(mlir::Value left, mlir::Value right, bool pairs,
                                llvm::StringRef name, InferenceLocation location,
                                InferredTypes &types);
/// The type of the right side.
template <typename Adaptor>
llvm::LogicalResult inferSolve(Adaptor adaptor, InferenceLocation location, InferredTypes &types) {
  return inferSolved(adaptor.getLhs(), adaptor.getRhs(), adaptor.getPairs(), "solve", location,
                     types);
}
llvm::LogicalResult inferLu(LuOp::Adaptor adaptor, InferenceLocation location,
                            InferredTypes &types);
llvm::LogicalResult inferQr(QrOp::Adaptor adaptor, InferenceLocation location,
                            InferredTypes &types);
llvm::LogicalResult inferSvd(SvdOp::Adaptor adaptor, InferenceLocation location,
                             InferredTypes &types);
llvm::LogicalResult inferSvdvals(SvdvalsOp::Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types);
llvm::LogicalResult inferEigh(EighOp::Adaptor adaptor, InferenceLocation location,
                              InferredTypes &types);
llvm::LogicalResult inferEigvalsh(EigvalshOp::Adaptor adaptor, InferenceLocation location,
                                  InferredTypes &types);
llvm::LogicalResult inferEig(EigOp::Adaptor adaptor, InferenceLocation location,
                             InferredTypes &types);
llvm::LogicalResult inferEigvals(EigvalsOp::Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types);
llvm::LogicalResult inferFourier(FourierOp::Adaptor adaptor, InferenceLocation location,
                                 InferredTypes &types);
llvm::LogicalResult inferRealFourier(RealFourierOp::Adaptor adaptor, InferenceLocation location,
                                     InferredTypes &types);
llvm::LogicalResult inferInverseRealFourier(InverseRealFourierOp::Adaptor adaptor,
                                            InferenceLocation location, InferredTypes &types);

/// Why `part` can't be placed in `whole`, element i of it at first + i * distance in each
/// dimension; nothing if it can.
std::optional<std::string> placementError(mlir::RankedTensorType part, mlir::RankedTensorType whole,
                                          llvm::ArrayRef<int64_t> first,
                                          llvm::ArrayRef<int64_t> distances);

/// The size of a strided, dilated window's walk: (size - dilation * (window - 1) - 1) / stride + 1,
/// at least 0; dynamic if the size is.
int64_t windowCount(int64_t size, int64_t window, int64_t stride, int64_t dilation);

} // namespace weft
