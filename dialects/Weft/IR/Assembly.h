// Custom pieces of the ops' textual form.
#pragma once

#include "mlir/IR/OpImplementation.h"

namespace weft {

/// The types of several operands and results: one if they are the same, else a list, as where some
/// sizes are unknown: `(tensor<?xf32>, tensor<3xf32>)`.
template <typename... Types>
mlir::ParseResult parseOneType(mlir::OpAsmParser &parser, mlir::Type &first, Types &...others) {
  bool isList = succeeded(parser.parseOptionalLParen());
  if (parser.parseType(first))
    return mlir::failure();
  if (!isList) {
    ((others = first), ...);
    return mlir::success();
  }
  auto parseNext = [&](mlir::Type &type) {
    return mlir::failure(parser.parseComma() || parser.parseType(type));
  };
  return mlir::failure((failed(parseNext(others)) || ...) || parser.parseRParen());
}

template <typename... Types>
void printOneType(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::Type first,
                  Types... others) {
  if (((first == others) && ...)) {
    printer << first;
    return;
  }
  printer << "(" << first;
  ((printer << ", " << others), ...);
  printer << ")";
}

} // namespace weft
