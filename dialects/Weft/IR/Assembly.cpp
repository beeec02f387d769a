// Sizes in the textual form of ops and attributes, and the attributes that hold them.
#include "dialects/Weft/IR/Assembly.h"
#include "lib/Support/SymbolicSize.h"

using namespace mlir;

namespace weft {

ParseResult parseSize(AsmParser &parser, int64_t &size) {
  llvm::SMLoc location = parser.getCurrentLocation();
  std::string text;
  if (succeeded(parser.parseOptionalString(&text))) {
    std::optional<int64_t> parsed = weft::parseSize(std::string_view(text));
    if (!parsed)
      return parser.emitError(location)
             << "\"" << text
             << "\" is no size; it is a sum of products of names, numbers and quotients, as in "
                "\"2*n + 1\" or \"floor(n / 2)\"";
    size = *parsed;
    return success();
  }
  OptionalParseResult number = parser.parseOptionalInteger(size);
  if (!number.has_value())
    return parser.emitError(location, "expected a size: a number, or an expression in quotes");
  if (failed(*number))
    return failure();
  if (size < 0 || isSymbolicSize(size))
    return parser.emitError(location) << "no tensor has the size " << size;
  return success();
}

void printSize(AsmPrinter &printer, int64_t size) {
  if (isSymbolicSize(size))
    printer << '"' << textOfSize(size) << '"';
  else
    printer << size;
}

ParseResult parseSizeList(AsmParser &parser, SmallVector<int64_t> &sizes) {
  return parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                        [&] { return parseSize(parser, sizes.emplace_back()); });
}

void printSizeList(AsmPrinter &printer, ArrayRef<int64_t> sizes) {
  printer << "[";
  llvm::interleaveComma(sizes, printer, [&](int64_t size) { printSize(printer, size); });
  printer << "]";
}

ParseResult parseSizes(OpAsmParser &parser, ShapeAttr &sizes) {
  SmallVector<int64_t> list;
  if (parseSizeList(parser, list))
    return failure();
  sizes = ShapeAttr::get(parser.getContext(), list);
  return success();
}

void printSizes(OpAsmPrinter &printer, Operation *, ShapeAttr sizes) {
  printSizeList(printer, sizes.getSizes());
}

static ParseResult parseNumber(OpAsmParser &parser, int64_t &number) {
  if (failed(parser.parseOptionalQuestion()))
    return parser.parseInteger(number);
  llvm::SMLoc location = parser.getCurrentLocation();
  int64_t parameter = 0;
  if (parser.parseInteger(parameter))
    return failure();
  if (parameter < 0 || parameter >= mostParameters)
    return parser.emitError(location) << "no launch has a parameter " << parameter;
  number = fromLaunch(parameter);
  return success();
}

ParseResult parseNumbers(OpAsmParser &parser, DenseI64ArrayAttr &numbers) {
  SmallVector<int64_t> list;
  if (parser.parseCommaSeparatedList(AsmParser::Delimiter::Square,
                                     [&] { return parseNumber(parser, list.emplace_back()); }))
    return failure();
  numbers = DenseI64ArrayAttr::get(parser.getContext(), list);
  return success();
}

void printNumbers(OpAsmPrinter &printer, Operation *, DenseI64ArrayAttr numbers) {
  printer << "[";
  llvm::interleaveComma(numbers.asArrayRef(), printer, [&](int64_t number) {
    if (isFromLaunch(number))
      printer << "?" << parameterOf(number);
    else
      printer << number;
  });
  printer << "]";
}

ParseResult parseFillingSize(OpAsmParser &parser, SymbolicSizeAttr &size, Type &type) {
  int64_t number = 0;
  if (parseSize(parser, number) || parser.parseColonType(type))
    return failure();
  size = SymbolicSizeAttr::get(parser.getContext(), number, getElementTypeOrSelf(type));
  return success();
}

void printFillingSize(OpAsmPrinter &printer, Operation *, SymbolicSizeAttr size, Type type) {
  printSize(printer, size.getSize());
  printer << " : " << type;
}

LogicalResult ShapeAttr::verifyEncoding(ArrayRef<int64_t> shape, Type,
                                        function_ref<InFlightDiagnostic()> emitError) const {
  if (shape.size() != getSizes().size())
    return emitError() << *this << " has " << getSizes().size() << " sizes for a tensor of rank "
                       << shape.size();
  for (auto [d, known, named] : llvm::enumerate(shape, getSizes()))
    if (!ShapedType::isDynamic(known) && known != named)
      return emitError() << "dimension " << d << " is " << textOfSize(known) << ", but " << *this
                         << " says " << textOfSize(named);
  return success();
}

} // namespace weft
