// A program's operations as Python's values, for what writes programs in other formats.
#include "python/src/ProgramOperations.h"

#include "dialects/Weft/IR/Weft.h"
#include "lib/Compiler/Diagnostics.h"
#include "lib/Compiler/Types.h"
#include "lib/Support/Error.h"
#include "lib/Support/SymbolicSize.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "passes/Passes.h"
#include "passes/simplify/Decompose.h"
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

/// Numbers, and sizes that are not known.
static py::list sizesOf(llvm::ArrayRef<int64_t> numbers) {
  py::list list;
  for (int64_t number : numbers)
    list.append(sizeObject(number));
  return list;
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
    return sizesOf(numbers.asArrayRef());
  if (auto numbers = mlir::dyn_cast<mlir::DenseI32ArrayAttr>(attribute))
    return py::cast(numbers.asArrayRef().vec());
  if (auto sizes = mlir::dyn_cast<ShapeAttr>(attribute))
    return sizesOf(sizes.getSizes());
  if (auto size = mlir::dyn_cast<SymbolicSizeAttr>(attribute))
    return sizeObject(size.getSize());
  if (auto elements = mlir::dyn_cast<mlir::ElementsAttr>(attribute))
    return bytesOf(elements);
  return py::none();
}

/// Dtype and shape; None for other than tensors.
static py::object typeOf(mlir::Type type) {
  auto tensor = mlir::dyn_cast<mlir::RankedTensorType>(type);
  if (!tensor)
    return py::none();
  auto sizes = mlir::dyn_cast_or_null<ShapeAttr>(tensor.getEncoding());
  return py::make_tuple(py::handle(dtypeObject(dtypeOf(tensor.getElementType()))),
                        py::tuple(sizesOf(sizes ? sizes.getSizes() : tensor.getShape())));
}

static std::string lineOf(mlir::Operation &op) {
  auto line = op.getLoc()->findInstanceOf<mlir::FileLineColLoc>();
  return line ? line.getFilename().str() + ":" + std::to_string(line.getLine()) : "";
}

namespace {

/// Gives numbers to values, in the order in which they are met.
class Lister {
public:
  py::list listOf(mlir::Block &block) {
    py::list rows;
    for (mlir::Operation &op : block)
      rows.append(rowOf(op));
    return rows;
  }

  py::list number(mlir::ValueRange values) {
    py::list list;
    for (mlir::Value value : values) {
      int64_t number = numbers.size();
      numbers.try_emplace(value, number);
      list.append(py::make_tuple(number, typeOf(value.getType())));
    }
    return list;
  }

private:
  py::tuple rowOf(mlir::Operation &op) {
    py::list operands, regions;
    for (mlir::Value operand : op.getOperands())
      operands.append(numbers.at(operand));
    for (mlir::Region &region : op.getRegions()) {
      py::list arguments = number(region.getArguments());
      regions.append(py::make_tuple(arguments, listOf(region.front())));
    }
    py::list results = number(op.getResults());
    py::dict attributes;
    for (mlir::NamedAttribute attribute : op.getAttrs())
      attributes[py::str(attribute.getName().str())] = valueOf(attribute.getValue());
    return py::make_tuple(op.getName().getStringRef().str(), operands, results, attributes, regions,
                          lineOf(op));
  }

  llvm::DenseMap<mlir::Value, int64_t> numbers;
};

} // namespace

void weft::takeApart(mlir::ModuleOp module, HasOperation has) {
  DiagnosticCollector errors(*module.getContext());
  auto isComplex = [](mlir::Type type) { return isComplexTensor(type); };
  auto keeps = [&](mlir::Operation *op) {
    return has(op->getName().getStringRef()) && llvm::none_of(op->getOperandTypes(), isComplex) &&
           llvm::none_of(op->getResultTypes(), isComplex);
  };
  mlir::PassManager before(module.getContext()), after(module.getContext());
  before.addPass(createInlineFunctions());
  after.addPass(createSplitComplex());
  if (failed(before.run(module)) || failed(decompose(module, keeps)) || failed(after.run(module)))
    throw Error(Error::Kind::Unsupported, errors.text("the program can't be taken apart"));
}

py::list weft::operationsOf(mlir::ModuleOp module) {
  mlir::Block &block = module.lookupSymbol<mlir::func::FuncOp>("main").front();
  Lister lister;
  lister.number(block.getArguments());
  return lister.listOf(block);
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
