// Elementwise ops: unary, binary, comparison, selection, conversion.
#ifndef WEFT_ELEMENTWISE_OPS_TD
#define WEFT_ELEMENTWISE_OPS_TD

include "dialects/Weft/IR/WeftBase.td"

defvar Gradient = DeclareOpInterfaceMethods<GradientOpInterface>;
/// Complex operands: the op on their real parts, and on their imaginary parts.
defvar EachPart = ComplexOpInterface;
/// Complex operands: by a rule in Rules/Complex*.cpp.
defvar ByParts = DeclareOpInterfaceMethods<ComplexOpInterface, ["buildOnParts"]>;
defvar PiecewiseConstant = NotDifferentiable<"the function is constant between its jumps">;
defvar DiscreteResult = NotDifferentiable<"the result is a bool or an integer">;

class Weft_ElementwiseOp<string mnemonic, string rule, list<Trait> traits>
    : Weft_InferredOp<mnemonic, traits # [DeclareOpInterfaceMethods<ElementwiseOpInterface, ["emitBody"]>]> {
  /// About how many instructions on vectors compute it.
  int instructions = 1;
  let inference = "::weft::" # rule;
  let declarations = [{
    int64_t getInstructionCount() { return }] # instructions # [{; }
    ::llvm::SmallVector<::llvm::SmallVector<int64_t>> getDimensionLabels() {
      return ::weft::elementwiseLabels(getOperation());
    }
    ::mlir::Operation *rebuildWithLabels(
        ::mlir::OpBuilder &builder, ::mlir::ValueRange operands, ::mlir::TypeRange resultTypes,
        ::llvm::ArrayRef<::llvm::SmallVector<int64_t>> labels) {
      return ::weft::rebuild(builder, getOperation(), operands, resultTypes);
    }
    ::llvm::LogicalResult verify() { return ::weft::verifyElementwise(getOperation()); }
  }];
}

/// One operand, a result of the same type.
class Weft_UnaryOp<string mnemonic, list<Trait> traits = [Gradient]>
    : Weft_ElementwiseOp<mnemonic, "inferFromFirst", traits> {
  let arguments = (ins Weft_NumericTensor:$x);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($result))";
  let promotion = PromoteCommon;
}

class Weft_FloatUnaryOp<string mnemonic, list<Trait> traits = [Gradient]>
    : Weft_UnaryOp<mnemonic, traits> {
  let arguments = (ins Weft_FloatTensor:$x);
  let results = (outs Weft_FloatTensor:$result);
  let promotion = PromoteFloat;
}

/// One operand with a sign, integer, floating or complex, and a result of the same type.
class Weft_ArithmeticUnaryOp<string mnemonic, list<Trait> traits>
    : Weft_UnaryOp<mnemonic, traits> {
  let arguments = (ins Weft_ArithmeticTensor:$x);
  let results = (outs Weft_ArithmeticTensor:$result);
}

class Weft_InexactUnaryOp<string mnemonic> : Weft_UnaryOp<mnemonic, [Gradient, ByParts]> {
  let arguments = (ins Weft_InexactTensor:$x);
  let results = (outs Weft_InexactTensor:$result);
  let promotion = PromoteFloat;
}

/// One floating or complex operand, a bool result.
class Weft_PredicateOp<string mnemonic>
    : Weft_ElementwiseOp<mnemonic, "inferBool", [DiscreteResult, ByParts]> {
  let arguments = (ins Weft_InexactTensor:$x);
  let results = (outs Weft_BoolTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let promotion = PromoteFloat;
}

/// Two operands and a result of one type.
class Weft_BinaryOp<string mnemonic, list<Trait> traits = [Gradient]>
    : Weft_ElementwiseOp<mnemonic, "inferFromFirst", traits> {
  let arguments = (ins Weft_NumericTensor:$x, Weft_NumericTensor:$y);
  let results = (outs Weft_NumericTensor:$result);
  let assemblyFormat = [{
    $x `,` $y attr-dict `:` custom<OneType>(type($x), type($y), type($result))
  }];
  let promotion = PromoteCommon;
}

class Weft_FloatBinaryOp<string mnemonic, list<Trait> traits = [Gradient]>
    : Weft_BinaryOp<mnemonic, traits> {
  let arguments = (ins Weft_FloatTensor:$x, Weft_FloatTensor:$y);
  let results = (outs Weft_FloatTensor:$result);
  let promotion = PromoteFloat;
}

class Weft_ArithmeticOp<string mnemonic, Trait parts> : Weft_BinaryOp<mnemonic, [Gradient, parts]> {
  let arguments = (ins Weft_ArithmeticTensor:$x, Weft_ArithmeticTensor:$y);
  let results = (outs Weft_ArithmeticTensor:$result);
}

class Weft_BitsOp<string mnemonic, list<Trait> traits = [DiscreteResult]>
    : Weft_BinaryOp<mnemonic, traits> {
  let arguments = (ins Weft_BitsTensor:$x, Weft_BitsTensor:$y);
  let results = (outs Weft_BitsTensor:$result);
}

class Weft_LogicalOp<string mnemonic> : Weft_BinaryOp<mnemonic, [DiscreteResult]> {
  let arguments = (ins Weft_BoolTensor:$x, Weft_BoolTensor:$y);
  let results = (outs Weft_BoolTensor:$result);
}

class Weft_ComparisonOp<string mnemonic, list<Trait> traits = []>
    : Weft_ElementwiseOp<mnemonic, "inferBool", [DiscreteResult] # traits> {
  let arguments = (ins Weft_OrderedTensor:$x, Weft_OrderedTensor:$y);
  let results = (outs Weft_BoolTensor:$result);
  let assemblyFormat = [{
    $x `,` $y attr-dict `:` custom<OneType>(type($x), type($y)) `->` type($result)
  }];
  let promotion = PromoteCommon;
  let reference = "np." # mnemonic # "(x, y)";
}

//===----------------------------------------------------------------------===//
// Unary
//===----------------------------------------------------------------------===//

def Weft_NegativeOp : Weft_ArithmeticUnaryOp<"negative", [Gradient, EachPart]> {
  let summary = "-x";
  let reference = "np.negative(x)";
}
def Weft_AbsOp : Weft_UnaryOp<"abs"> {
  let summary = "The absolute value of x.";
  let reference = "np.abs(x)";
}
def Weft_SignOp : Weft_UnaryOp<"sign", [PiecewiseConstant]> {
  let summary = "-1, 0 or 1 with the sign of x; NaN stays NaN.";
  let reference = "np.sign(x)";
}
def Weft_FloorOp : Weft_UnaryOp<"floor", [PiecewiseConstant]> {
  let summary = "The largest integer not above x.";
  let reference = "np.floor(x)";
}
def Weft_CeilOp : Weft_UnaryOp<"ceil", [PiecewiseConstant]> {
  let summary = "The smallest integer not below x.";
  let reference = "np.ceil(x)";
}
def Weft_TruncOp : Weft_UnaryOp<"trunc", [PiecewiseConstant]> {
  let summary = "x rounded towards zero.";
  let reference = "np.trunc(x)";
}
def Weft_RoundOp : Weft_ArithmeticUnaryOp<"round", [PiecewiseConstant, EachPart]> {
  let summary = "x rounded to the nearest integer, ties to even.";
  let reference = "np.round(x)";
}
def Weft_SqrtOp : Weft_InexactUnaryOp<"sqrt"> {
  let summary = "The square root of x.";
  let reference = "np.sqrt(x)";
  let domain = "positive";
}
def Weft_RsqrtOp : Weft_InexactUnaryOp<"rsqrt"> {
  let autocast = AutocastWide;
  let summary = "1 / sqrt(x).";
  let reference = "1 / np.sqrt(x)";
  let domain = "positive";
  // Two roundings of half an ulp; the first may count double beyond a power of two.
  let maxUlp = 2;
}
def Weft_CbrtOp : Weft_FloatUnaryOp<"cbrt"> {
  let summary = "The cube root of x.";
  let reference = "np.cbrt(x)";
  let instructions = 24;
  let domain = "nonzero";
  let maxUlp = 2;
}
def Weft_ReciprocalOp : Weft_InexactUnaryOp<"reciprocal"> {
  let autocast = AutocastWide;
  let summary = "1 / x.";
  let reference = "1 / x";
  let domain = "nonzero";
}

class Weft_MathOp<string mnemonic, string numpy, string from = "real", int ulp = 2>
    : Weft_InexactUnaryOp<mnemonic> {
  let reference = numpy # "(x)";
  let domain = from;
  let maxUlp = ulp;
  let instructions = 24;
}
def Weft_ExpOp : Weft_MathOp<"exp", "np.exp"> { let summary = "e to the power of x."; let autocast = AutocastWide; }
def Weft_Exp2Op : Weft_MathOp<"exp2", "np.exp2"> { let summary = "2 to the power of x."; let autocast = AutocastWide; }
def Weft_Expm1Op : Weft_MathOp<"expm1", "np.expm1"> { let summary = "exp(x) - 1, accurate near 0."; let autocast = AutocastWide; }
def Weft_LogOp : Weft_MathOp<"log", "np.log", "positive"> { let summary = "The natural logarithm of x."; let autocast = AutocastWide; }
def Weft_Log2Op : Weft_MathOp<"log2", "np.log2", "positive"> { let summary = "The logarithm of x to base 2."; let autocast = AutocastWide; }
def Weft_Log10Op : Weft_MathOp<"log10", "np.log10", "positive"> { let summary = "The logarithm of x to base 10."; let autocast = AutocastWide; }
def Weft_Log1pOp : Weft_MathOp<"log1p", "np.log1p", "positive"> { let summary = "log(1 + x), accurate near 0."; let autocast = AutocastWide; }
def Weft_SinOp : Weft_MathOp<"sin", "np.sin"> { let summary = "The sine of x (radians)."; }
def Weft_CosOp : Weft_MathOp<"cos", "np.cos"> { let summary = "The cosine of x (radians)."; }
def Weft_TanOp : Weft_MathOp<"tan", "np.tan"> { let summary = "The tangent of x (radians)."; let autocast = AutocastWide; }
def Weft_AsinOp : Weft_MathOp<"asin", "np.arcsin", "unit"> { let summary = "The inverse sine of x, in radians."; let autocast = AutocastWide; }
def Weft_AcosOp : Weft_MathOp<"acos", "np.arccos", "unit"> { let summary = "The inverse cosine of x, in radians."; let autocast = AutocastWide; }
def Weft_AtanOp : Weft_MathOp<"atan", "np.arctan"> { let summary = "The inverse tangent of x, in radians."; }
def Weft_SinhOp : Weft_MathOp<"sinh", "np.sinh"> { let summary = "The hyperbolic sine of x."; let autocast = AutocastWide; }
def Weft_CoshOp : Weft_MathOp<"cosh", "np.cosh"> { let summary = "The hyperbolic cosine of x."; let autocast = AutocastWide; }
def Weft_TanhOp : Weft_MathOp<"tanh", "np.tanh"> { let summary = "The hyperbolic tangent of x."; }
def Weft_AsinhOp : Weft_MathOp<"asinh", "np.arcsinh"> { let summary = "The inverse hyperbolic sine of x."; }
def Weft_AcoshOp : Weft_MathOp<"acosh", "np.arccosh", "above_one"> { let summary = "The inverse hyperbolic cosine of x."; let autocast = AutocastWide; }
def Weft_AtanhOp : Weft_MathOp<"atanh", "np.arctanh", "unit"> { let summary = "The inverse hyperbolic tangent of x."; }
def Weft_ErfOp : Weft_FloatUnaryOp<"erf"> {
  let summary = "The error function of x.";
  let reference = "sp.erf(x)";
  let maxUlp = 2;
  let instructions = 24;
}

def Weft_IsnanOp : Weft_PredicateOp<"isnan"> {
  let summary = "True where x is not a number.";
  let reference = "np.isnan(x)";
}
def Weft_IsinfOp : Weft_PredicateOp<"isinf"> {
  let summary = "True where x is infinite.";
  let reference = "np.isinf(x)";
}
def Weft_IsfiniteOp : Weft_PredicateOp<"isfinite"> {
  let summary = "True where x is neither infinite nor NaN.";
  let reference = "np.isfinite(x)";
}
def Weft_LogicalNotOp : Weft_UnaryOp<"logical_not", [DiscreteResult]> {
  let summary = "True where x is false.";
  let arguments = (ins Weft_BoolTensor:$x);
  let results = (outs Weft_BoolTensor:$result);
  let reference = "np.logical_not(x)";
}
def Weft_BitwiseInvertOp : Weft_UnaryOp<"bitwise_invert", [DiscreteResult]> {
  let summary = "Every bit of x inverted.";
  let arguments = (ins Weft_BitsTensor:$x);
  let results = (outs Weft_BitsTensor:$result);
  let reference = "np.bitwise_invert(x)";
}
def Weft_StopGradientOp : Weft_UnaryOp<"stop_gradient",
    [NotDifferentiable<"it exists to end differentiation">, EachPart]> {
  let summary = "x, taken as a constant by differentiation.";
  let arguments = (ins Weft_Tensor:$x);
  let results = (outs Weft_Tensor:$result);
  let reference = "x";
}

//===----------------------------------------------------------------------===//
// Binary
//===----------------------------------------------------------------------===//

def Weft_AddOp : Weft_ArithmeticOp<"add", EachPart> {
  let summary = "x + y";
  let reference = "np.add(x, y)";
  let hasFolder = 1;
}
def Weft_SubtractOp : Weft_ArithmeticOp<"subtract", EachPart> {
  let summary = "x - y";
  let reference = "np.subtract(x, y)";
  let hasFolder = 1;
}
def Weft_MultiplyOp : Weft_ArithmeticOp<"multiply", ByParts> {
  let summary = "x * y";
  let reference = "np.multiply(x, y)";
  let hasFolder = 1;
}
def Weft_DivideOp : Weft_BinaryOp<"divide", [Gradient, ByParts]> {
  let arguments = (ins Weft_InexactTensor:$x, Weft_InexactTensor:$y);
  let results = (outs Weft_InexactTensor:$result);
  let promotion = PromoteFloat;
  let summary = "x / y, in floating point.";
  let reference = "np.divide(x, y)";
  let domain = "nonzero";
  let hasFolder = 1;
}
def Weft_FloorDivideOp : Weft_BinaryOp<"floor_divide", [PiecewiseConstant]> {
  let summary = "The largest integer not above x / y; an integer divided by 0 gives 0.";
  let reference = "np.floor_divide(x, y)";
  let instructions = 8;
  let domain = "nonzero";
}
def Weft_RemainderOp : Weft_BinaryOp<"remainder"> {
  let summary = "The remainder of x / y with the sign of y; of an integer by 0 it is 0.";
  let reference = "np.remainder(x, y)";
  let instructions = 8;
  let domain = "nonzero";
}
def Weft_PowOp : Weft_ArithmeticOp<"pow", ByParts> {
  let autocast = AutocastWide;
  let summary = "x to the power of y.";
  let description = [{
    Where y is -2, -1, -1/2, 0, 1/2, 1, 2, 3 or 4, the result is that of the products, the quotient
    and the root that fixed_pow computes for this exponent, so that it does not depend on whether
    the exponent is known.
  }];
  let reference = "np.power(x, y)";
  let instructions = 96;
  let domain = "positive";
  let maxUlp = 2;
  let hasCanonicalizer = 1;
}
def Weft_FixedPowOp : Weft_UnaryOp<"fixed_pow", [Gradient, ByParts]> {
  let autocast = AutocastWide;
  let summary = "x to the power of `exponent`, by products, a quotient or a root.";
  let description = [{
    x^2 = x x, x^3 = (x x) x, x^4 = (x x) (x x), x^-1 = 1 / x, x^-2 = (1 / x) (1 / x), x^(1/2) is the
    square root and x^(-1/2) = 1 / x^(1/2), of -0 taken as that of 0 and of -inf as that of inf;
    x^0 = 1 and x^1 = x. float16 and bfloat16 are computed in float32 and rounded once. Integers
    have the exponents 0 to 4.
  }];
  let arguments = (ins Weft_ArithmeticTensor:$x, F64Attr:$exponent);
  let results = (outs Weft_ArithmeticTensor:$result);
  let assemblyFormat = "$x `exponent` $exponent attr-dict `:` custom<OneType>(type($x), type($result))";
  let promotion = PromoteNone;
  let pythonName = "";
  let inference = "::weft::inferFixedPow";
  let instructions = 4;
}
def Weft_MaximumOp : Weft_BinaryOp<"maximum"> {
  let summary = "The larger of x and y; NaN if either is.";
  let reference = "np.maximum(x, y)";
}
def Weft_MinimumOp : Weft_BinaryOp<"minimum"> {
  let summary = "The smaller of x and y; NaN if either is.";
  let reference = "np.minimum(x, y)";
}
def Weft_Atan2Op : Weft_FloatBinaryOp<"atan2"> {
  let summary = "The angle of the point (y, x), in radians: x is the ordinate, as in the array API.";
  let reference = "np.arctan2(x, y)";
  let instructions = 32;
  let domain = "nonzero";
  let maxUlp = 2;
}
def Weft_LogicalAndOp : Weft_LogicalOp<"logical_and"> {
  let summary = "True where x and y are.";
  let reference = "np.logical_and(x, y)";
}
def Weft_LogicalOrOp : Weft_LogicalOp<"logical_or"> {
  let summary = "True where x or y is.";
  let reference = "np.logical_or(x, y)";
}
def Weft_LogicalXorOp : Weft_LogicalOp<"logical_xor"> {
  let summary = "True where exactly one of x and y is.";
  let reference = "np.logical_xor(x, y)";
}
def Weft_BitwiseAndOp : Weft_BitsOp<"bitwise_and"> {
  let summary = "x & y, bit by bit.";
  let reference = "np.bitwise_and(x, y)";
}
def Weft_BitwiseOrOp : Weft_BitsOp<"bitwise_or"> {
  let summary = "x | y, bit by bit.";
  let reference = "np.bitwise_or(x, y)";
}
def Weft_BitwiseXorOp : Weft_BitsOp<"bitwise_xor"> {
  let summary = "x ^ y, bit by bit.";
  let reference = "np.bitwise_xor(x, y)";
}
class Weft_ShiftOp<string mnemonic> : Weft_BitsOp<mnemonic> {
  let arguments = (ins Weft_IntegerTensor:$x, Weft_IntegerTensor:$y);
  let results = (outs Weft_IntegerTensor:$result);
  let domain = "shift";
}
def Weft_BitwiseLeftShiftOp : Weft_ShiftOp<"bitwise_left_shift"> {
  let summary = "x << y; 0 if y is not smaller than the number of bits.";
  let reference = "np.left_shift(x, y)";
}
def Weft_BitwiseRightShiftOp : Weft_ShiftOp<"bitwise_right_shift"> {
  let summary = "x >> y, keeping the sign; y from the number of bits on gives 0 or -1.";
  let reference = "np.right_shift(x, y)";
}

class Weft_EqualityOp<string mnemonic> : Weft_ComparisonOp<mnemonic, [ByParts]> {
  let arguments = (ins Weft_ComputedTensor:$x, Weft_ComputedTensor:$y);
}
def Weft_EqualOp : Weft_EqualityOp<"equal"> { let summary = "True where x == y."; }
def Weft_NotEqualOp : Weft_EqualityOp<"not_equal"> { let summary = "True where x != y."; }
def Weft_LessOp : Weft_ComparisonOp<"less"> { let summary = "True where x < y."; }
def Weft_LessEqualOp : Weft_ComparisonOp<"less_equal"> { let summary = "True where x <= y."; }
def Weft_GreaterOp : Weft_ComparisonOp<"greater"> { let summary = "True where x > y."; }
def Weft_GreaterEqualOp : Weft_ComparisonOp<"greater_equal"> { let summary = "True where x >= y."; }

//===----------------------------------------------------------------------===//
// Selection and conversion
//===----------------------------------------------------------------------===//

def Weft_SelectOp : Weft_ElementwiseOp<"select", "inferFromSecond", [Gradient, EachPart]> {
  let summary = "x where condition is true, else y.";
  let arguments = (ins Weft_BoolTensor:$condition, Weft_Tensor:$x, Weft_Tensor:$y);
  let results = (outs Weft_Tensor:$result);
  let assemblyFormat = [{
    $condition `,` $x `,` $y attr-dict `:` type($condition) `,`
    custom<OneType>(type($x), type($y), type($result))
  }];
  let pythonName = "where";
  let promotion = PromoteCommon;
  let reference = "np.where(condition, x, y)";
  let hasFolder = 1;
}

/// One operand; the result has its shape and a dtype that is given.
class Weft_ConversionOp<string mnemonic, list<Trait> traits> : Weft_Op<mnemonic, traits # [
    DeclareOpInterfaceMethods<ElementwiseOpInterface, ["emitBody"]>]> {
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
  let pythonName = "";
  let explicitResult = 1;
  let extraClassDeclaration = [{
    ::llvm::SmallVector<::llvm::SmallVector<int64_t>> getDimensionLabels() {
      return ::weft::elementwiseLabels(getOperation());
    }
    ::mlir::Operation *rebuildWithLabels(
        ::mlir::OpBuilder &builder, ::mlir::ValueRange operands, ::mlir::TypeRange resultTypes,
        ::llvm::ArrayRef<::llvm::SmallVector<int64_t>> labels) {
      return ::weft::rebuild(builder, getOperation(), operands, resultTypes);
    }
    ::llvm::LogicalResult verify();
  }];
}

def Weft_CastOp : Weft_ConversionOp<"cast", [Gradient, Linear, ByParts]> {
  let summary = "x converted to another dtype.";
  let description = [{
    Floating to integer rounds towards zero, saturates, and takes NaN to 0; to bool is `x != 0`;
    integer to integer wraps. To a narrower float it rounds to the nearest, ties to even; what is
    beyond the largest becomes infinite, or the largest in float8_e4m3fn, which has no infinity.
    What is not complex becomes a real part; from a complex dtype there is no way but to another one
    and to bool.
  }];
  let arguments = (ins Weft_Tensor:$x);
  let results = (outs Weft_Tensor:$result);
  let hasFolder = 1;
}

def Weft_BitcastOp : Weft_ConversionOp<"bitcast", [NotDifferentiable<"bits are no numbers">]> {
  let summary = "The bits of x's elements as elements of another dtype of the same size.";
  let description = [{
    A signalling NaN of float16 or bfloat16 may become a quiet one.
  }];
  let arguments = (ins Weft_WordTensor:$x);
  let results = (outs Weft_WordTensor:$result);
}

#endif
