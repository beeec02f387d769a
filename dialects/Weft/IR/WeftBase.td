// The dialect, and the classes that every op record starts from.
#ifndef WEFT_BASE_TD
#define WEFT_BASE_TD

include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "dialects/Weft/IR/WeftInterfaces.td"

def Weft_Dialect : Dialect {
  let name = "weft";
  let cppNamespace = "::weft";
  let summary = "Operations on tensor values, and the kernels that they are fused into";
  let description = [{
    The highest of Weft's three IR levels. Operations work on immutable values of builtin tensor
    type; shapes and dtypes are explicit: broadcasting and conversion are operations of their own,
    inserted by the front end. Fusion outlines groups of operations into `weft.kernel`, whose types
    are generic in their sizes, and calls them by `weft.launch`.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
}

//===----------------------------------------------------------------------===//
// Operand types
//===----------------------------------------------------------------------===//

defvar FloatTypes = [F16, BF16, F32, F64];
/// Kept, moved and converted, but not computed with.
defvar Float8Types = [F8E4M3FN, F8E5M2];
defvar SignedTypes = [I8, I16, I32, I64];
defvar UnsignedTypes = [UI8, UI16, UI32, UI64];
defvar IntegerTypes = SignedTypes # UnsignedTypes;
/// Not ODS's Complex<F32>, of whose predicate that of F32 is a part: weft-tblgen reads from the
/// predicates which dtypes an operand has.
class Weft_ComplexOf<string part>
    : Type<CPred<"::llvm::isa<::mlir::ComplexType>($_self) && "
                 "::llvm::cast<::mlir::ComplexType>($_self).getElementType().is" # part # "()">,
           "complex<" # !tolower(part) # ">", "::mlir::ComplexType">;
def Weft_ComplexF32 : Weft_ComplexOf<"F32">;
def Weft_ComplexF64 : Weft_ComplexOf<"F64">;
defvar ComplexTypes = [Weft_ComplexF32, Weft_ComplexF64];

def Weft_FloatTensor : RankedTensorOf<FloatTypes>;
def Weft_IntegerTensor : RankedTensorOf<IntegerTypes>;
def Weft_BoolTensor : RankedTensorOf<[I1]>;
def Weft_BitsTensor : RankedTensorOf<IntegerTypes # [I1]>;
def Weft_NumericTensor : RankedTensorOf<FloatTypes # IntegerTypes>;
/// What can be added and multiplied.
def Weft_ArithmeticTensor : RankedTensorOf<FloatTypes # IntegerTypes # ComplexTypes>;
/// What functions of analysis are defined on.
def Weft_InexactTensor : RankedTensorOf<FloatTypes # ComplexTypes>;
def Weft_ComplexTensor : RankedTensorOf<ComplexTypes>;
/// The part of a complex tensor.
def Weft_PartTensor : RankedTensorOf<[F32, F64]>;
/// What has an order.
def Weft_OrderedTensor : RankedTensorOf<FloatTypes # IntegerTypes # [I1]>;
def Weft_ComputedTensor : RankedTensorOf<FloatTypes # IntegerTypes # ComplexTypes # [I1]>;
def Weft_Tensor
    : RankedTensorOf<FloatTypes # IntegerTypes # ComplexTypes # [I1] # Float8Types>;
/// What can be taken as bits.
def Weft_WordTensor : RankedTensorOf<FloatTypes # IntegerTypes # Float8Types>;
def Weft_IndexTensor : RankedTensorOf<IntegerTypes>;

//===----------------------------------------------------------------------===//
// What the generated Python function does before it builds the op
//===----------------------------------------------------------------------===//

/// How operands are made alike: `none` leaves them, `common` converts to the common dtype of the
/// array API and broadcasts to the common shape, `float` converts integers and bools to float32
/// first.
class Promotion<string name> {
  string mode = name;
}
def PromoteNone : Promotion<"none">;
def PromoteCommon : Promotion<"common">;
def PromoteFloat : Promotion<"float">;

/// What weft.autocast makes of floating operands of at most 32 bits: `none` leaves them, `low` takes
/// them to the dtype that was asked for, as what products are made of, and `wide` to float32, where
/// rounding would be felt: sums, and functions that rise steeply.
class Autocast<string name> {
  string mode = name;
}
def AutocastNone : Autocast<"none">;
def AutocastLow : Autocast<"low">;
def AutocastWide : Autocast<"wide">;

//===----------------------------------------------------------------------===//
// Facets that an op declares not to have
//===----------------------------------------------------------------------===//

/// The derivative is zero or undefined everywhere, for the reason given.
class NotDifferentiable<string why> : NativeOpTrait<"NotDifferentiable"> {
  string reason = why;
  let cppNamespace = "::weft::trait";
}

//===----------------------------------------------------------------------===//
// What derivatives along tangents ask
//===----------------------------------------------------------------------===//

/// Linear in its floating and complex operands, all taken together, whatever the others are: its
/// derivative along tangents is the op itself, applied to them.
def Linear : NativeOpTrait<"Linear"> {
  let cppNamespace = "::weft::trait";
}

//===----------------------------------------------------------------------===//
// Op classes
//===----------------------------------------------------------------------===//

/// Base of all ops on values. The fields beyond ODS feed weft-tblgen.
class Weft_Op<string mnemonic, list<Trait> traits = []>
    : Op<Weft_Dialect, mnemonic, traits # [Pure]> {
  /// Name of the Python function; empty: no Python function.
  string pythonName = mnemonic;
  Promotion promotion = PromoteNone;
  Autocast autocast = AutocastNone;
  /// The result type is given by the builder (shape, dtype), not inferred.
  bit explicitResult = 0;
  /// A Python expression of the same value over `np` (NumPy), `sp` (scipy.special), `torch` and the
  /// argument names; empty: the op is tested by hand-written tests.
  string reference = "";
  /// Which inputs the table draws: real, positive, unit (-1..1), above_one, nonzero, small, shift, finite.
  string domain = "real";
  /// Largest error against the reference evaluated in a wider type, in units in the last place.
  int maxUlp = 0;
  /// Who computes the op, in a few words, where no interface does: a view needs no computation, a
  /// template may serve one op alone. Empty: an interface does, and weft-tblgen checks it.
  string computedBy = "";
}

/// The result types are those that inference gives. MLIR's own check of this adds a second error to
/// the one that inference emits; it is switched off below.
def ResultTypesAreInferred : NativeOpTrait<"ResultTypesAreInferred"> {
  let cppNamespace = "::weft::trait";
}

class Weft_InferredOp<string mnemonic, list<Trait> traits = []>
    : Weft_Op<mnemonic, traits # [InferTypeOpInterface, ResultTypesAreInferred]> {
  /// The C++ function that computes the result types, see Rules/Inference.h.
  string inference = "";
  /// More declarations of the C++ class.
  code declarations = "";
  let extraClassDeclaration = declarations # [{
    static ::llvm::LogicalResult inferReturnTypes(
        ::mlir::MLIRContext *context, std::optional<::mlir::Location> location,
        ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes,
        ::mlir::OpaqueProperties properties, ::mlir::RegionRange regions,
        ::llvm::SmallVectorImpl<::mlir::Type> &types);
    static ::llvm::LogicalResult refineReturnTypes(
        ::mlir::MLIRContext *, std::optional<::mlir::Location>, ::mlir::ValueRange,
        ::mlir::DictionaryAttr, ::mlir::OpaqueProperties, ::mlir::RegionRange,
        ::llvm::SmallVectorImpl<::mlir::Type> &) {
      return ::llvm::success();
    }
    static bool isCompatibleReturnTypes(::mlir::TypeRange inferred, ::mlir::TypeRange actual) {
      return ::weft::areCompatible(inferred, actual);
    }
  }];
  let extraClassDefinition = [{
    ::llvm::LogicalResult $cppClass::inferReturnTypes(
        ::mlir::MLIRContext *context, std::optional<::mlir::Location> location,
        ::mlir::ValueRange operands, ::mlir::DictionaryAttr attributes,
        ::mlir::OpaqueProperties properties, ::mlir::RegionRange regions,
        ::llvm::SmallVectorImpl<::mlir::Type> &types) {
      $cppClass::Adaptor adaptor(operands, attributes, properties, regions);
      return ::weft::withSizeErrors(location, getOperationName(), [&] {
        return }] # inference # [{(adaptor, location, types);
      });
    }
  }];
}

#endif
