// What the emitters know of an op: the fields of its record, read and checked once.
#pragma once

#include "llvm/ADT/ArrayRef.h"
#include <optional>
#include <string>
#include <vector>

namespace llvm {
class RecordKeeper;
} // namespace llvm

namespace weft::tblgen {

/// Bits of a set of dtype classes.
enum DTypeClass : unsigned {
  FloatClass = 1,
  IntegerClass = 2,
  BoolClass = 4,
  ComplexClass = 8,
  Float8Class = 16
};

/// An operand or a result.
struct Value {
  std::string name;
  /// What its element type may be: "float", "integer" and "bool" for whole classes, the dtype's
  /// name for one of a class of which only some are allowed.
  std::vector<std::string> dtypes;
  /// Union of DTypeClass: the classes of which at least one dtype is allowed.
  unsigned classes = 0;
  bool variadic = false;
};

enum class AttributeKind { Integer, Integers, Float, Bool, Other };

struct Attribute {
  std::string name;
  AttributeKind kind = AttributeKind::Other;
  /// ODS's words for its type.
  std::string summary;
  /// A Python literal; absent if the attribute must be given.
  std::optional<std::string> defaultValue;
};

/// How operands are made alike before the op is built, see WeftBase.td.
enum class Promotion { None, Common, Float };

/// What weft.autocast makes of operands, see WeftBase.td.
enum class Autocast { None, Low, Wide };

enum class Differentiation { Gradient, Decomposition, None };

struct OpRecord {
  /// With the dialect: "weft.add".
  std::string name;
  /// Empty if there is no generated Python function.
  std::string pythonName;
  /// The file of the record without "Ops.td": "Elementwise".
  std::string family;
  std::string summary;
  /// Dedented; may be empty.
  std::string description;
  std::vector<Value> operands;
  std::vector<Attribute> attributes;
  std::vector<Value> results;
  Promotion promotion = Promotion::None;
  Autocast autocast = Autocast::None;
  bool explicitResult = false;
  /// The result has the (common) shape of the promoted operands.
  bool keepsShape = false;
  Differentiation differentiation = Differentiation::None;
  /// Why there is no derivative, for Differentiation::None.
  std::string notDifferentiableReason;
  /// Who computes it, in words: "elementwise", "reduction", ... or what the record declares.
  std::vector<std::string> computations;
  std::string reference;
  std::string domain;
  int64_t maxUlp = 0;

  /// "add" of "weft.add".
  std::string mnemonic() const { return name.substr(name.find('.') + 1); }
  /// The names of the operands that are converted to one dtype: all but a bool among others (the
  /// condition of a selection).
  std::vector<std::string> promotedOperands() const;
};

/// All records of class Weft_Op in the order of their definition. Prints an error at the location
/// of each record that lacks a facet or contradicts itself; nothing if there was any.
std::optional<std::vector<OpRecord>> readOps(const llvm::RecordKeeper &records);

/// What weft.autocast makes of an op's operands, in a few words; none where nothing.
std::string describeAutocast(const OpRecord &op);

/// What the op's operands undergo, in sentences for documentation; empty without promotion.
std::string describePromotion(const OpRecord &op);

/// The reference and how near the op is to it; empty without a reference.
std::string describeAccuracy(const OpRecord &op);

} // namespace weft::tblgen
