// Custom pieces of the textual form of ops and attributes.
#pragma once

#include "dialects/Weft/IR/Weft.h"
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

/// A size: a number, or an expression in quotes, as "2*n + 1".
mlir::ParseResult parseSize(mlir::AsmParser &parser, int64_t &size);
void printSize(mlir::AsmPrinter &printer, int64_t size);

/// `["n", 784]`.
mlir::ParseResult parseSizeList(mlir::AsmParser &parser, llvm::SmallVector<int64_t> &sizes);
void printSizeList(mlir::AsmPrinter &printer, llvm::ArrayRef<int64_t> sizes);

/// The same for an op's attribute.
mlir::ParseResult parseSizes(mlir::OpAsmParser &parser, ShapeAttr &sizes);
void printSizes(mlir::OpAsmPrinter &printer, mlir::Operation *, ShapeAttr sizes);

/// `[3, ?0]`: numbers, of which a kernel may get some from its launch.
mlir::ParseResult parseNumbers(mlir::OpAsmParser &parser, mlir::DenseI64ArrayAttr &numbers);
void printNumbers(mlir::OpAsmPrinter &printer, mlir::Operation *, mlir::DenseI64ArrayAttr numbers);

/// `"n" : tensor<f32>`: the size that a tensor is filled with, whose element type is the tensor's.
mlir::ParseResult parseFillingSize(mlir::OpAsmParser &parser, SymbolicSizeAttr &size,
                                   mlir::Type &type);
void printFillingSize(mlir::OpAsmPrinter &printer, mlir::Operation *, SymbolicSizeAttr size,
                      mlir::Type type);

} // namespace weft
