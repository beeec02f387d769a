// A program's operations as Python's values, for what writes programs in other formats.
#include "python/src/ProgramOperations.h"

#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "python/src/Conversion.h"
#include "python/src/SymbolicSizeObject.h"

#include <pybind11/stl.h>

namespace py = pybind11;
using namespace weft;

/// The elements of a constant, row-major.
static py::bytes bytesOf(mlir::ElementsAttr elements) {
  auto type = mlir::cast<mlir::RankedTensorType>(elements.getShapedType());
  std::string bytes(type.getNumElements() * dtypeSize(dtypeOf(type.getElementType())), '\0');
  copyElements(elements, bytes.data());
  return py::bytes(bytes);
}

/// None for attributes that no other format asks for.
static py::object valueOf(mlir::Attribute attribute) {
  if (auto flag = mlir::dyn_cast<mlir::BoolAttr>(attribute))
    return py::bool_(flag.getValue());
  if (auto integer = mlir::dyn_cast<mlir::IntegerAttr>(attribute))
    return py::int_(integer.getInt());
  if (auto number = mlir::dyn_cast<mlir::FloatAttr>(attribute))
    return py::float_(number.getValueAsDouble());
  if (auto text = mlir::dyn_cast<mlir::StringAttr>(attribute))
    return py::str(text.getValue().str());
  if (auto numbers = mlir::dyn_cast<mlir::DenseI64ArrayAttr>(attribute))
    return py::cast(numbers.asArrayRef().vec());
  if (auto elements = mlir::dyn_cast<mlir::ElementsAttr>(attribute))
    return bytesOf(elements);
  return py::none();
}

/// Dtype and shape; None for other than tensors.
static py::object typeOf(mlir::Type type) {
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
  if (!tensor)
    return py::none();
  py::list shape;
  auto sizes = mlir::dyn_cast_or_null<ShapeAttr>(tensor.getEncoding());
  for (int64_t size : sizes ? sizes.getSizes() : tensor.getShape())
    shape.append(sizeObject(size));
  return py::make_tuple(py::handle(dtypeObject(dtypeOf(tensor.getElementType()))),
                        py::tuple(shape));
}

py::list weft::operationsOf(mlir::ModuleOp module) {
  mlir::Block &block = module.lookupSymbol<mlir::func::FuncOp>("main").front();
  llvm::DenseMap<mlir::Value, int64_t> numbers;
  for (mlir::Value argument : block.getArguments())
    numbers.try_emplace(argument, numbers.size());
  py::list rows;
  for (mlir::Operation &op : block) {
    py::list operands, results;
    for (mlir::Value operand : op.getOperands())
      operands.append(numbers.at(operand));
    for (mlir::Value result : op.getResults()) {
      int64_t number = numbers.size();
      numbers.try_emplace(result, number);
      results.append(py::make_tuple(number, typeOf(result.getType())));
    }
    py::dict attributes;
    for (mlir::NamedAttribute attribute : op.getAttrs())
      attributes[py::str(attribute.getName().str())] = valueOf(attribute.getValue());
    rows.append(py::make_tuple(op.getName().getStringRef().str(), operands, results, attributes));
  }
  return rows;
}

/// How often the loops of a contraction run.
static double productsOf(ContractionOpInterface op) {
  Contraction contraction = op.getContraction();
  mlir::Operation *operation = op.getOperation();
  double products = 1;
  for (const Contraction::Loop &loop : contraction.loops) {
    mlir::Value tensor = loop.sizeOperand == Contraction::Result
                             ? mlir::Value(operation->getResult(0))
                             : operation->getOperand(loop.sizeOperand);
    products *= static_cast<double>(
        mlir::cast<mlir::RankedTensorType>(tensor.getType()).getDimSize(loop.sizeDimension));
  }
  return products;
}

static double productsIn(mlir::Block &block) {
  double products = 0;
  for (mlir::Operation &op : block) {
    if (auto contraction = mlir::dyn_cast<ContractionOpInterface>(op))
      products += productsOf(contraction);
    double inside = 0;
    for (mlir::Region &region : op.getRegions())
      for (mlir::Block &inner : region)
        inside += productsIn(inner);
    if (auto scan = mlir::dyn_cast<ScanOp>(op))
      inside *= static_cast<double>(scan.getCountAttr().getSizes().front());
    products += inside;
  }
  return products;
}

double weft::multiplyAddsOf(mlir::ModuleOp module) {
  mlir::PassManager passes(module.getContext());
  passes.addPass(createBatch());
  passes.addPass(createPushForward());
  passes.addPass(createDifferentiate());
  passes.addPass(createInlineFunctions());
  passes.addPass(createDecompose({/*keepComposites=*/false}));
  DiagnosticCollector diagnostics(*module.getContext());
  if (failed(passes.run(module)))
    throw Error(Error::Kind::Unsupported,
                diagnostics.text("the program's operations can't be counted"));
  return productsIn(module.lookupSymbol<mlir::func::FuncOp>("main").front());
}
