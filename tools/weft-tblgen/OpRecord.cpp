#include "tools/weft-tblgen/OpRecord.h"

#include "mlir/TableGen/Operator.h"
#include "tools/weft-tblgen/Text.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/Path.h"
#include "llvm/TableGen/Error.h"
#include "llvm/TableGen/Record.h"

using namespace llvm;
using mlir::tblgen::NamedTypeConstraint;
using mlir::tblgen::Operator;

namespace weft::tblgen {
namespace {

struct ElementType {
  const char *record;
  const char *dtype;
  DTypeClass dtypeClass;
};

constexpr ElementType elementTypes[] = {
    {"F16", "float16", FloatClass},
    {"BF16", "bfloat16", FloatClass},
    {"F32", "float32", FloatClass},
    {"F64", "float64", FloatClass},
    {"I8", "int8", IntegerClass},
    {"I16", "int16", IntegerClass},
    {"I32", "int32", IntegerClass},
    {"I64", "int64", IntegerClass},
    {"UI8", "uint8", IntegerClass},
    {"UI16", "uint16", IntegerClass},
    {"UI32", "uint32", IntegerClass},
    {"UI64", "uint64", IntegerClass},
    {"I1", "bool", BoolClass},
    {"F8E4M3FN", "float8_e4m3fn", Float8Class},
    {"F8E5M2", "float8_e5m2", Float8Class},
    {"Weft_ComplexF32", "complex64", ComplexClass},
    {"Weft_ComplexF64", "complex128", ComplexClass},
};

constexpr std::pair<DTypeClass, const char *> classNames[] = {{FloatClass, "float"},
                                                              {ComplexClass, "complex"},
                                                              {IntegerClass, "integer"},
                                                              {BoolClass, "bool"},
                                                              {Float8Class, "float8"}};

//===----------------------------------------------------------------------===//
// Operands, results and attributes
//===----------------------------------------------------------------------===//

void collectPredicates(const Record &predicate, SmallPtrSetImpl<const Record *> &found) {
  if (!found.insert(&predicate).second || !predicate.isSubClassOf("CombinedPred"))
    return;
  for (const Record *child : predicate.getValueAsListOfDefs("children"))
    collectPredicates(*child, found);
}

/// ODS keeps no list of the element types that a tensor constraint allows, but their predicates are
/// the leaves of the constraint's own.
void readElementTypes(const Record &constraint, Value &value) {
  SmallPtrSet<const Record *, 16> predicates;
  collectPredicates(*constraint.getValueAsDef("predicate"), predicates);
  auto isAllowed = [&](const ElementType &type) {
    const Record *record = constraint.getRecords().getDef(type.record);
    return predicates.contains(record->getValueAsDef("predicate"));
  };
  for (auto [dtypeClass, className] : classNames) {
    std::vector<std::string> allowed;
    size_t classSize = 0;
    for (const ElementType &type : elementTypes) {
      if (type.dtypeClass != dtypeClass)
        continue;
      ++classSize;
      if (isAllowed(type))
        allowed.push_back(type.dtype);
    }
    if (allowed.empty())
      continue;
    value.classes |= dtypeClass;
    if (allowed.size() == classSize)
      allowed = {className};
    llvm::append_range(value.dtypes, allowed);
  }
}

Value readValue(const NamedTypeConstraint &constraint) {
  Value value;
  value.name = constraint.name.str();
  value.variadic = constraint.isVariadic();
  const Record *type = &constraint.constraint.getDef();
  if (value.variadic)
    type = type->getValueAsDef("baseType");
  readElementTypes(*type, value);
  return value;
}

/// A C++ default value as a Python literal; nothing if it is not a plain number or bool.
std::optional<std::string> pythonLiteral(StringRef value) {
  int64_t integer;
  double number;
  if (value == "true" || value == "false")
    return value == "true" ? "True" : "False";
  if (!value.getAsInteger(10, integer) || !value.getAsDouble(number))
    return value.str();
  return std::nullopt;
}

Attribute readAttribute(const mlir::tblgen::NamedAttribute &named) {
  Attribute attribute;
  attribute.name = named.name.str();
  attribute.kind = StringSwitch<AttributeKind>(named.attr.getAttrDefName())
                       .Case("I64Attr", AttributeKind::Integer)
                       .Case("DenseI64ArrayAttr", AttributeKind::Integers)
                       .Case("F64Attr", AttributeKind::Float)
                       .Case("BoolAttr", AttributeKind::Bool)
                       .Default(AttributeKind::Other);
  attribute.summary = named.attr.getSummary().str();
  if (named.attr.hasDefaultValue())
    attribute.defaultValue = pythonLiteral(named.attr.getDefaultValue());
  return attribute;
}

//===----------------------------------------------------------------------===//
// Facets
//===----------------------------------------------------------------------===//

struct Facets {
  bool gradient = false;
  bool decomposition = false;
  std::optional<std::string> notDifferentiable;
  std::vector<std::string> computations;
};

Facets readFacets(const Operator &op) {
  Facets facets;
  for (const mlir::tblgen::Trait &trait : op.getTraits()) {
    const Record &record = trait.getDef();
    if (record.isSubClassOf("NotDifferentiable"))
      facets.notDifferentiable = record.getValueAsString("reason").str();
    if (!record.isSubClassOf("Interface"))
      continue;
    StringRef interface = record.getValueAsString("cppInterfaceName");
    facets.gradient |= interface == "GradientOpInterface";
    facets.decomposition |= interface == "DecompositionOpInterface";
    const Record *definition = record.getRecords().getDef(interface);
    if (definition && definition->isSubClassOf("ComputedAs"))
      facets.computations.push_back(definition->getValueAsString("computedAs").str());
  }
  return facets;
}

/// Reports what is wrong with one record, at its location.
class Checker {
public:
  Checker(const Record &record, StringRef name) : record(record), name(name) {}

  void require(bool condition, const Twine &message) {
    if (condition)
      return;
    PrintError(&record, "op '" + name + "' " + message);
    passed = false;
  }
  bool hasPassed() const { return passed; }

private:
  const Record &record;
  StringRef name;
  bool passed = true;
};

void checkFacets(Checker &checker, const Facets &facets, StringRef computedBy) {
  checker.require(facets.gradient || facets.decomposition || facets.notDifferentiable,
                  "lacks a gradient facet: implement GradientOpInterface or "
                  "DecompositionOpInterface, or declare NotDifferentiable<\"reason\">");
  checker.require(!(facets.gradient && facets.notDifferentiable),
                  "is declared NotDifferentiable but implements GradientOpInterface");
  checker.require(!facets.notDifferentiable || !facets.notDifferentiable->empty(),
                  "is declared NotDifferentiable without a reason");
  checker.require(!facets.computations.empty() || !computedBy.empty(),
                  "lacks a computation facet: implement an interface that is ComputedAs (those of "
                  "WeftInterfaces.td), or say in `computedBy` who computes it");
  checker.require(facets.computations.empty() || computedBy.empty(),
                  "has `computedBy` although an interface says how it is computed");
}

/// What a generated Python function, and its row in the test table, need of the record.
void checkPython(Checker &checker, const OpRecord &op) {
  if (op.pythonName.empty())
    return;
  checker.require(!op.explicitResult,
                  "has a generated Python function but its result type is not inferred: set "
                  "`pythonName` to \"\" and write the function by hand");
  for (const Attribute &attribute : op.attributes)
    checker.require(attribute.kind != AttributeKind::Other,
                    "has a generated Python function but attribute '" + attribute.name +
                        "' is no integer, list of integers, float or bool");
}

//===----------------------------------------------------------------------===//
// Records
//===----------------------------------------------------------------------===//

std::string familyOf(const Record &record) {
  unsigned buffer = SrcMgr.FindBufferContainingLoc(record.getLoc().front());
  StringRef stem = sys::path::stem(SrcMgr.getMemoryBuffer(buffer)->getBufferIdentifier());
  stem.consume_back("Ops");
  return stem.str();
}

std::optional<Autocast> readAutocast(const Record &record) {
  return StringSwitch<std::optional<Autocast>>(
             record.getValueAsDef("autocast")->getValueAsString("mode"))
      .Case("none", Autocast::None)
      .Case("low", Autocast::Low)
      .Case("wide", Autocast::Wide)
      .Default(std::nullopt);
}

std::optional<Promotion> readPromotion(const Record &record) {
  return StringSwitch<std::optional<Promotion>>(
             record.getValueAsDef("promotion")->getValueAsString("mode"))
      .Case("none", Promotion::None)
      .Case("common", Promotion::Common)
      .Case("float", Promotion::Float)
      .Default(std::nullopt);
}

void readFields(const Record &record, const Operator &definition, OpRecord &op) {
  op.pythonName = record.getValueAsString("pythonName").str();
  op.family = familyOf(record);
  op.summary = definition.getSummary().trim().str();
  op.description = dedent(definition.getDescription());
  op.explicitResult = record.getValueAsBit("explicitResult");
  op.reference = record.getValueAsString("reference").str();
  op.domain = record.getValueAsString("domain").str();
  op.maxUlp = record.getValueAsInt("maxUlp");
  for (const NamedTypeConstraint &operand : definition.getOperands())
    op.operands.push_back(readValue(operand));
  for (const mlir::tblgen::NamedAttribute &attribute : definition.getAttributes())
    if (!attribute.attr.isDerivedAttr())
      op.attributes.push_back(readAttribute(attribute));
  for (const NamedTypeConstraint &result : definition.getResults())
    op.results.push_back(readValue(result));
}

void setFacets(const Record &record, const Facets &facets, OpRecord &op) {
  op.computations = facets.computations;
  if (op.computations.empty())
    op.computations = {record.getValueAsString("computedBy").str()};
  op.differentiation = facets.gradient            ? Differentiation::Gradient
                       : facets.notDifferentiable ? Differentiation::None
                                                  : Differentiation::Decomposition;
  op.notDifferentiableReason = facets.notDifferentiable.value_or("");
  op.keepsShape =
      is_contained(op.computations, "elementwise") ||
      record.getValueAsOptionalString("inference").value_or("") == "::weft::inferFromFirst";
}

/// Reads one record; nothing after an error.
std::optional<OpRecord> readOp(const Record &record) {
  Operator definition(record);
  OpRecord op;
  op.name = definition.getOperationName();
  readFields(record, definition, op);

  Checker checker(record, op.name);
  checker.require(!op.summary.empty(), "lacks a summary");
  Facets facets = readFacets(definition);
  checkFacets(checker, facets, record.getValueAsString("computedBy"));
  checkPython(checker, op);
  std::optional<Promotion> promotion = readPromotion(record);
  checker.require(promotion.has_value(), "has a promotion that is not none, common or float");
  if (!checker.hasPassed())
    return std::nullopt;
  op.promotion = promotion.value_or(Promotion::None);
  std::optional<Autocast> autocast = readAutocast(record);
  checker.require(autocast.has_value(), "has an autocast that is not none, low or wide");
  op.autocast = autocast.value_or(Autocast::None);
  setFacets(record, facets, op);
  return op;
}

} // namespace

std::vector<std::string> OpRecord::promotedOperands() const {
  std::vector<std::string> all, withoutBools;
  for (const Value &operand : operands) {
    all.push_back(operand.name);
    if (operand.classes != BoolClass)
      withoutBools.push_back(operand.name);
  }
  return withoutBools.empty() ? all : withoutBools;
}

std::optional<std::vector<OpRecord>> readOps(const RecordKeeper &records) {
  std::vector<const Record *> definitions = records.getAllDerivedDefinitions("Weft_Op").vec();
  llvm::sort(definitions, LessRecordByID());
  std::vector<OpRecord> ops;
  StringMap<std::string> byPythonName;
  bool passed = true;
  for (const Record *record : definitions) {
    std::optional<OpRecord> op = readOp(*record);
    passed &= op.has_value();
    if (!op)
      continue;
    if (!op->pythonName.empty()) {
      auto [other, isNew] = byPythonName.try_emplace(op->pythonName, op->name);
      Checker checker(*record, op->name);
      checker.require(isNew,
                      "has the Python name '" + op->pythonName + "' of '" + other->second + "'");
      passed &= checker.hasPassed();
    }
    ops.push_back(std::move(*op));
  }
  if (!passed)
    return std::nullopt;
  return ops;
}

std::string describeAutocast(const OpRecord &op) {
  switch (op.autocast) {
  case Autocast::None:
    return "";
  case Autocast::Low:
    return "operands of the dtype asked for";
  case Autocast::Wide:
    return "operands of float32";
  }
  llvm_unreachable("all modes are described");
}

std::string describePromotion(const OpRecord &op) {
  if (op.promotion == Promotion::None)
    return "";
  std::vector<std::string> promoted = op.promotedOperands();
  std::string names = joinWords(promoted, "and");
  std::string text;
  if (op.promotion == Promotion::Float)
    text = names + (promoted.size() == 1 ? " is" : " are") +
           " converted to float32 if of integer or bool dtype. ";
  if (promoted.size() > 1)
    text += names + " are converted to their common dtype. ";
  if (op.operands.size() > 1)
    text += "The operands are broadcast to their common shape" +
            std::string(op.keepsShape ? ", which is the result's." : ".");
  else if (op.keepsShape)
    text += "The result has the shape of " + names + ".";
  return text;
}

std::string describeAccuracy(const OpRecord &op) {
  if (op.reference.empty())
    return "";
  std::string text = "`" + op.reference + "`, ";
  if (op.maxUlp == 0)
    return text + "exact or correctly rounded";
  return text + "within " + std::to_string(op.maxUlp) +
         (op.maxUlp == 1 ? " unit in the last place" : " units in the last place");
}

} // namespace weft::tblgen
