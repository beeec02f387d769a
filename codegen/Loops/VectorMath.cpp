//===- VectorMath.cpp - The table of expansions ---------------------------===//

#include "codegen/Loops/VectorMath.h"

#include "dialects/Weft/IR/ElementBodies.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/TypeUtilities.h"

namespace weft::vectormath {

namespace {

/// How a math operation is expanded: `unary` or `binary`, and the precision of its f32 form.
struct Expansion {
  Real (*unary)(Real, Precision) = nullptr;
  Real (*binary)(Real, Real, Precision) = nullptr;
  Precision forFloat = Precision::Extended;
};

using Table = llvm::DenseMap<mlir::TypeID, Expansion>;

template <typename Op>
void add(Table &table, Real (*unary)(Real, Precision), Precision forFloat = Precision::Extended) {
  table[mlir::TypeID::get<Op>()] = {unary, nullptr, forFloat};
}

template <typename Op> void add(Table &table, Real (*binary)(Real, Real, Precision)) {
  table[mlir::TypeID::get<Op>()] = {nullptr, binary, Precision::Extended};
}

Table makeTable() {
  Table table;
  add<mlir::math::ExpOp>(table, expandExp, Precision::Float);
  add<mlir::math::Exp2Op>(table, expandExp2, Precision::Float);
  add<mlir::math::ExpM1Op>(table, expandExpM1);
  add<mlir::math::LogOp>(table, expandLog, Precision::Float);
  add<mlir::math::Log2Op>(table, expandLog2, Precision::Float);
  add<mlir::math::Log10Op>(table, expandLog10, Precision::Float);
  add<mlir::math::Log1pOp>(table, expandLog1p);
  add<mlir::math::SinOp>(table, expandSin);
  add<mlir::math::CosOp>(table, expandCos);
  add<mlir::math::TanOp>(table, expandTan);
  add<mlir::math::AsinOp>(table, expandAsin);
  add<mlir::math::AcosOp>(table, expandAcos);
  add<mlir::math::AtanOp>(table, expandAtan);
  add<mlir::math::Atan2Op>(table, expandAtan2);
  add<mlir::math::TanhOp>(table, expandTanh, Precision::Float);
  add<mlir::math::SinhOp>(table, expandSinh);
  add<mlir::math::CoshOp>(table, expandCosh);
  add<mlir::math::AsinhOp>(table, expandAsinh);
  add<mlir::math::AcoshOp>(table, expandAcosh);
  add<mlir::math::AtanhOp>(table, expandAtanh);
  add<mlir::math::ErfOp>(table, expandErf, Precision::Float);
  add<mlir::math::PowFOp>(table, expandPow);
  add<mlir::math::CbrtOp>(table, expandCbrt);
  add<mlir::math::RsqrtOp>(table, expandRsqrt, Precision::Float);
  return table;
}

} // namespace

mlir::Value expandMathOperation(mlir::Operation *operation, bool canScale) {
  static const Table table = makeTable();
  auto found = table.find(operation->getName().getTypeID());
  if (found == table.end())
    return {};
  mlir::Type element = mlir::getElementTypeOrSelf(operation->getResult(0).getType());
  if (!element.isF32() && !element.isF64())
    return {};

  Expansion expansion = found->second;
  if (operation->hasAttr(nonpositiveAttribute))
    expansion.unary = expandExpOfNonpositive;
  Precision precision = element.isF64() ? Precision::Double : expansion.forFloat;
  VectorBuilder builder(operation, canScale);
  auto operand = [&](unsigned index) {
    Real value = builder.real(operation->getOperand(index));
    return precision == Precision::Extended ? builder.extend(value) : value;
  };
  Real result = expansion.unary ? expansion.unary(operand(0), precision)
                                : expansion.binary(operand(0), operand(1), precision);
  if (precision == Precision::Extended)
    result = builder.truncate(result);
  return result.value;
}

} // namespace weft::vectormath
