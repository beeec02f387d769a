// Ops that a library on the host computes: decompositions of matrices, and Fourier transforms.
#ifndef WEFT_LIBRARY_OPS_TD
#define WEFT_LIBRARY_OPS_TD

include "dialects/Weft/IR/ScanOps.td"

def Weft_LibraryTensor : RankedTensorOf<[F32, F64] # ComplexTypes>;

/// Works on the last dimensions of its operands, the matrices, for each place in the others. Where
/// `pairs` is set, complex tensors have been made pairs of parts (`weft-split-complex`), and every
/// operand is one.
class Weft_LibraryOp<string mnemonic, string rule, list<string> methods = [],
                     list<Trait> traits = []>
    : Weft_InferredOp<mnemonic, traits # [Gradient, Dimensions,
        DeclareOpInterfaceMethods<LibraryOpInterface, ["getOptions"] # methods>]> {
  let autocast = AutocastWide;
  let inference = "::weft::" # rule;
  let pythonName = "";
}

class Weft_MatrixOp<string mnemonic, string rule> : Weft_LibraryOp<mnemonic, rule> {
  let arguments = (ins Weft_LibraryTensor:$x, DefaultValuedAttr<BoolAttr, "false">:$pairs);
}

def Weft_CholeskyOp : Weft_MatrixOp<"cholesky", "inferSquare"> {
  let summary = "The lower triangular L with x = L L^H, of Hermitian x [..., N, N]; NaN if there is none.";
  let description = "The elements above the diagonal are not read. LAPACK's potrf.";
  let results = (outs Weft_LibraryTensor:$result);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($result))";
}

class Weft_SolveOpBase<string mnemonic, dag more> : Weft_LibraryOp<mnemonic, "inferSolve"> {
  let arguments = !con((ins Weft_LibraryTensor:$lhs, Weft_LibraryTensor:$rhs,
                            DefaultValuedAttr<BoolAttr, "false">:$pairs), more);
  let results = (outs Weft_LibraryTensor:$result);
  let assemblyFormat = "$lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->` type($result)";
}
def Weft_SolveOp : Weft_SolveOpBase<"solve", (ins)> {
  let summary = "The X with lhs X = rhs: lhs [..., N, N], rhs [..., N, K]; NaN if lhs is singular.";
  let description = "By a decomposition with row exchanges, LAPACK's gesv.";
}
def Weft_SolveTriangularOp
    : Weft_SolveOpBase<"solve_triangular", (ins BoolAttr:$lower,
                                                DefaultValuedAttr<BoolAttr, "false">:$unit_diagonal)> {
  let summary = "The X with lhs X = rhs, of triangular lhs [..., N, N], rhs [..., N, K].";
  let description = [{
    The other triangle is not read, nor the diagonal with `unit_diagonal`, which is all ones then.
    BLAS's trsm.
  }];
}

def Weft_LuOp : Weft_MatrixOp<"lu", "inferLu"> {
  let summary = "L and U in one matrix, and a permutation: row permutation[i] of x is row i of L U.";
  let description = [{
    x [..., N, N]; L, whose diagonal of ones is left out, is below the diagonal. LAPACK's getrf.
  }];
  let results = (outs Weft_LibraryTensor:$factors, RankedTensorOf<[I64]>:$permutation);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($factors)) `,` type($permutation)";
}
class Weft_RectangularOp<string mnemonic, string rule> : Weft_LibraryOp<mnemonic, rule> {
  let arguments = (ins Weft_LibraryTensor:$x, DefaultValuedAttr<BoolAttr, "false">:$full,
                       DefaultValuedAttr<BoolAttr, "false">:$pairs);
}
def Weft_QrOp : Weft_RectangularOp<"qr", "inferQr"> {
  let summary = "x = Q R with orthonormal columns in Q, and upper triangular R.";
  let description = [{
    x [..., M, N], Q [..., M, K], R [..., K, N] with K the smaller of M and N; M if `full`, which has
    a derivative where that is the same. LAPACK's geqrf.
  }];
  let results = (outs Weft_LibraryTensor:$q, Weft_LibraryTensor:$r);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($q) `,` type($r)";
}
def Weft_SvdOp : Weft_RectangularOp<"svd", "inferSvd"> {
  let summary = "x = U diag(s) Vh with orthonormal columns of U and rows of Vh, s descending.";
  let description = [{
    x [..., M, N], U [..., M, K], s [..., K], Vh [..., K, N] with K the smaller of M and N; U [..., M,
    M] and Vh [..., N, N] if `full`, of which vectors beyond K have no derivative. LAPACK's gesdd.
  }];
  let results = (outs Weft_LibraryTensor:$u, RankedTensorOf<[F32, F64]>:$s, Weft_LibraryTensor:$vh);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($u) `,` type($s) `,` type($vh)";
}
def Weft_SvdvalsOp : Weft_MatrixOp<"svdvals", "inferSvdvals"> {
  let summary = "The singular values of x [..., M, N], descending: [..., K] with K the smaller of M and N.";
  let description = "By another algorithm than those of `svd`, which differ by rounding. LAPACK's gesdd.";
  let results = (outs RankedTensorOf<[F32, F64]>:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}
def Weft_EighOp : Weft_MatrixOp<"eigh", "inferEigh"> {
  let summary = "The eigenvalues, ascending, and eigenvectors (columns) of Hermitian x [..., N, N].";
  let description = "The elements above the diagonal are not read. LAPACK's syevd and heevd.";
  let results = (outs RankedTensorOf<[F32, F64]>:$values, Weft_LibraryTensor:$vectors);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($values) `,` type($vectors)";
}
def Weft_EigvalshOp : Weft_MatrixOp<"eigvalsh", "inferEigvalsh"> {
  let summary = "The eigenvalues, ascending, of Hermitian x [..., N, N].";
  let description = [{
    The elements above the diagonal are not read. By another algorithm than those of `eigh`, which
    differ by rounding. LAPACK's syevd and heevd.
  }];
  let results = (outs RankedTensorOf<[F32, F64]>:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}
def Weft_EigOp : Weft_MatrixOp<"eig", "inferEig"> {
  let summary = "The eigenvalues and eigenvectors (columns, of length 1) of complex x [..., N, N].";
  let description = "LAPACK's geev.";
  let results = (outs Weft_LibraryTensor:$values, Weft_LibraryTensor:$vectors);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($values) `,` type($vectors)";
}
def Weft_EigvalsOp : Weft_MatrixOp<"eigvals", "inferEigvals"> {
  let summary = "The eigenvalues of complex x [..., N, N].";
  let description = "By another algorithm than those of `eig`, which differ by rounding. LAPACK's geev.";
  let results = (outs Weft_LibraryTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}
def Weft_FourierOp : Weft_LibraryOp<"fourier", "inferFourier", ["getMatrixRank"], [Linear]> {
  let summary = "The sums of x[..., j] exp(-2 pi i j k / N) over j, for each k; `inverse`: of exp(2 pi i j k / N).";
  let description = "Of complex x, along its last dimension, without a factor.";
  let arguments = (ins Weft_LibraryTensor:$x, DefaultValuedAttr<BoolAttr, "false">:$inverse,
                       DefaultValuedAttr<BoolAttr, "false">:$pairs);
  let results = (outs Weft_LibraryTensor:$result);
  let assemblyFormat = "$x attr-dict `:` custom<OneType>(type($x), type($result))";
}

class Weft_RealFourierOpBase<string mnemonic, string rule, list<string> methods, dag options>
    : Weft_LibraryOp<mnemonic, rule, ["getMatrixRank"] # methods, [Linear]> {
  let arguments = !con((ins Weft_LibraryTensor:$x), options,
                       (ins DefaultValuedAttr<BoolAttr, "false">:$pairs));
  let results = (outs Weft_LibraryTensor:$result);
  let assemblyFormat = "$x attr-dict `:` type($x) `->` type($result)";
}
def Weft_RealFourierOp
    : Weft_RealFourierOpBase<"real_fourier", "inferRealFourier", ["takesPairs"], (ins)> {
  let summary = "The first N / 2 + 1 sums of `fourier`, of real x [..., N]; the others are the conjugates.";
  let description = "Along the last dimension, without a factor. `pairs` says that the result is one.";
}
def Weft_InverseRealFourierOp
    : Weft_RealFourierOpBase<"inverse_real_fourier", "inferInverseRealFourier", [],
                             (ins BoolAttr:$odd)> {
  let summary = "The N real numbers whose inverse transform begins with complex x [..., N / 2 + 1].";
  let description = [{
    Along the last dimension, without a factor; N is 2 (M - 1) of M elements, one more if `odd`. The
    imaginary part of the first element, and of the last one if N is even, is not read.
  }];
}

#endif
