// Result types of the ops on quantized weights; see Inference.h.
#pragma once

#include "dialects/Weft/IR/Quantized.h"
#include "dialects/Weft/Rules/Inference.h"

namespace weft {

llvm::LogicalResult inferQuantizedValues(QuantizedValuesOp::Adaptor adaptor,
                                         InferenceLocation location, InferredTypes &types);
llvm::LogicalResult inferQuantizedMatmul(QuantizedMatmulOp::Adaptor adaptor,
                                         InferenceLocation location, InferredTypes &types);
llvm::LogicalResult inferQuantizedDot(QuantizedDotOp::Adaptor adaptor, InferenceLocation location,
                                      InferredTypes &types);
llvm::LogicalResult inferQuantizedSteps(QuantizedStepsOp::Adaptor adaptor,
                                        InferenceLocation location, InferredTypes &types);

} // namespace weft
