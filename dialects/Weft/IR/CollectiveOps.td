// Ops that several processes compute together. They have a generated header of their own,
// dialects/Weft/IR/Collectives.h, which few files include.
#ifndef WEFT_COLLECTIVE_OPS_TD
#define WEFT_COLLECTIVE_OPS_TD

include "dialects/Weft/IR/WeftBase.td"

def ChainedOpInterface : OpInterface<"ChainedOpInterface"> {
  let cppNamespace = "::weft";
  let description = [{
    An op that takes a token from the one before it, and gives one to the next: what is chained runs
    in this order, once each, and is needed as long as the last token is.
  }];
  let methods = [InterfaceMethod<"", "::mlir::OpOperand &", "getTokenMutable">,
                 InterfaceMethod<"", "::mlir::Value", "getNext">];
  let extraClassDeclaration = "::mlir::Value getToken() { return getTokenMutable().get(); }";
}

def CollectiveOpInterface : OpInterface<"CollectiveOpInterface",
                                        [DimensionOpInterface, ChainedOpInterface]>,
                            ComputedAs<"collective"> {
  let cppNamespace = "::weft";
  let description = "An op that all members of a group of processes compute together.";
  let methods = [
    InterfaceMethod<"", "::mlir::Value", "getX">,
    InterfaceMethod<"", "::mlir::Value", "getResult">,
    InterfaceMethod<"The number of the group.", "uint64_t", "getGroup">,
    InterfaceMethod<"How many members it has.", "uint64_t", "getMembers">,
    InterfaceMethod<"What the runtime's function is called with besides these.",
      "::llvm::SmallVector<int64_t>", "getOptions">,
    InterfaceMethod<"What the runtime's function reads.", "::mlir::Value", "getRead", (ins), "",
      "return $_op.getX();">];
  let extraClassDeclaration = [{
    /// "all_reduce"
    ::llvm::StringRef getFunctionName() { return getOperation()->getName().stripDialect(); }
  }];
}

/// The last collective: how many there were before it, modulo 2^32.
def Weft_Token : RankedTensorOf<[I32]>;
/// What can be sent.
/// What is reduced: halves are widened before, and rounded once.
def Weft_ReducedTensor : RankedTensorOf<[F32, F64] # IntegerTypes>;
def Weft_SentTensor : RankedTensorOf<FloatTypes # IntegerTypes # [I1] # Float8Types>;

class Weft_CollectiveOp<string mnemonic, string rule, Type element, dag more = (ins)>
    : Weft_InferredOp<mnemonic, [ChainedOpInterface,
                                 DeclareOpInterfaceMethods<CollectiveOpInterface, ["getOptions"]>,
                                 DeclareOpInterfaceMethods<GradientOpInterface>,
                                 DeclareOpInterfaceMethods<BatchOpInterface>,
                                 DeclareOpInterfaceMethods<DimensionOpInterface>]> {
  let arguments = !con((ins element:$x, Weft_Token:$token, I64Attr:$group, I64Attr:$members), more);
  let results = (outs element:$result, Weft_Token:$next);
  let inference = "::weft::" # rule;
  let pythonName = "";
  let assemblyFormat = [{
    $x `after` $token attr-dict `:` type($x) `,` type($token) `->` type($result) `,` type($next)
  }];
}

def Weft_AllReduceOp
    : Weft_CollectiveOp<"all_reduce", "inferAlike", Weft_ReducedTensor,
                        (ins I64Attr:$reduction, DefaultValuedAttr<BoolAttr, "false">:$shared)> {
  let summary = "The sum of all members' x (reduction 0), the largest (1) or the smallest (2).";
  let description = [{
    In the order of the members' numbers, so that all have the same bits. If `shared`, what the
    members compute of the sum is one thing, and so is its cotangent: the gradient is that.
  }];
}
def Weft_ReduceOp
    : Weft_CollectiveOp<"reduce", "inferAlike", Weft_ReducedTensor, (ins I64Attr:$root)> {
  let summary = "The sum of all members' x for member `root`, zeros for the others.";
  let description = "In the order of the members' numbers.";
}
def Weft_ReduceScatterOp
    : Weft_CollectiveOp<"reduce_scatter", "inferScatteredMembers", Weft_ReducedTensor> {
  let summary = "For member i the sum of all members' x[i]: x [members, ...] to [...].";
  let description = "In the order of the members' numbers.";
}
def Weft_AllGatherOp : Weft_CollectiveOp<"all_gather", "inferGatheredMembers", Weft_SentTensor,
                                         (ins DefaultValuedAttr<BoolAttr, "false">:$mean)> {
  let summary = "All members' x, in the order of their numbers: x [...] to [members, ...].";
  let description = "The gradient is the sum of the members' cotangents, or their mean.";
}
def Weft_AllToAllOp : Weft_CollectiveOp<"all_to_all", "inferExchangedMembers", Weft_SentTensor> {
  let summary = "Element i of the result is what member i has for this one: x [members, ...].";
}
def Weft_CollectiveBroadcastOp
    : Weft_CollectiveOp<"collective_broadcast", "inferAlike", Weft_SentTensor, (ins I64Attr:$root)> {
  let summary = "The x of member `root`, for all.";
}
def Weft_PermuteMembersOp
    : Weft_CollectiveOp<"permute_members", "inferPermutedMembers", Weft_SentTensor,
                        (ins DenseI64ArrayAttr:$destinations)> {
  let summary = "The x of the member that sends to this one, zeros if none does.";
  let description = "Member i sends to member destinations[i]; to none if that is -1.";
}

/// A collective that goes on beside what is computed meanwhile: its two ends. Kind 0 is the sum of all
/// members' x, 1 is weft.all_gather, 2 weft.reduce_scatter.
class Weft_CollectiveEndOp<string mnemonic, string rule, list<string> methods, dag arguments_,
                           dag results_>
    : Weft_InferredOp<mnemonic, [ChainedOpInterface,
                                 DeclareOpInterfaceMethods<CollectiveOpInterface, methods>,
                                 DeclareOpInterfaceMethods<DimensionOpInterface>,
                                 NotDifferentiable<"it is made where sums are differentiated already">]> {
  let arguments = !con(arguments_, (ins Weft_Token:$token, I64Attr:$group, I64Attr:$members,
                                    I64Attr:$kind));
  let results = !con(results_, (outs Weft_Token:$next));
  let inference = "::weft::" # rule;
  let pythonName = "";
}

def Weft_StartCollectiveOp
    : Weft_CollectiveEndOp<"start_collective", "inferStarted", ["getOptions"],
                           (ins Weft_SentTensor:$x), (outs)> {
  let summary = "Begins to send x; `next` is also the number of what was begun.";
  let description = [{
    It is done in its turn, beside what is computed meanwhile. weft.finish_collective waits for it. Kind 0
    is the sum of all members' x, 1 is weft.all_gather, 2 weft.reduce_scatter.
  }];
  let assemblyFormat = "$x `after` $token attr-dict `:` type($x) `,` type($token) `->` type($next)";
}

def Weft_FinishCollectiveOp
    : Weft_CollectiveEndOp<"finish_collective", "inferFinished", ["getOptions", "getRead"],
                           (ins Weft_SentTensor:$x, Weft_Token:$started),
                           (outs Weft_SentTensor:$result)> {
  let summary = "Waits for what weft.start_collective has begun, and is its result.";
  let description = "`started` is the number of that. Of x only the shape counts.";
  let assemblyFormat = [{
    $x `started` $started `after` $token attr-dict `:` type($x) `,` type($started) `,` type($token)
        `->` type($result) `,` type($next)
  }];
}

def Weft_ReplicateOp
    : Weft_InferredOp<"replicate", [ChainedOpInterface, Linear,
                                    DeclareOpInterfaceMethods<GradientOpInterface>,
                                    DeclareOpInterfaceMethods<DecompositionOpInterface>]> {
  let summary = "The operands themselves, which all members have; the gradient is what all make of it.";
  let description = [{
    The sums of the members' cotangents, or their means, of all operands in one message.
  }];
  let arguments = (ins Variadic<Weft_NumericTensor>:$inputs, Weft_Token:$token, I64Attr:$group,
                       I64Attr:$members, DefaultValuedAttr<BoolAttr, "false">:$mean);
  let results = (outs Variadic<Weft_NumericTensor>:$outputs, Weft_Token:$next);
  let inference = "::weft::inferReplicated";
  let pythonName = "";
  let assemblyFormat = [{
    $inputs `after` $token attr-dict `:` `(` type($inputs) `)` `,` type($token)
        `->` `(` type($outputs) `)` `,` type($next)
  }];
}

#endif
