// Custom pieces of the ops' textual form.
#pragma once

#include "mlir/IR/OpImplementation.h"

namespace weft {

/// One type, written once, that several operands and results share.
template <typename... Types>
mlir::ParseResult parseOneType(mlir::OpAsmParser &parser, mlir::Type &first, Types &...others) {
  if (parser.parseType(first))
    return mlir::failure();
  ((others = first), ...);
  return mlir::success();
}

template <typename... Types>
void printOneType(mlir::OpAsmPrinter &printer, mlir::Operation *, Types... types) {
  mlir::Type last;
  ((last = types), ...);
  printer << last;
}

} // namespace weft
