// Operations on floats that a processor has no instructions for.
//
//   %y = fpext <4 x half> %x to <4 x float>   ->   %y = shifts, additions, ... of <4 x i16> %x
#include "codegen/CPU/ExpandMissing.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/PostOrderIterator.h"
#include "llvm/IR/CFG.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/Utils/BasicBlockUtils.h"

using llvm::Value;

namespace weft {

namespace {

/// Emits what replaces an operation on scalars or vectors, lane by lane. Halfs and bfloats are
/// their bits, integers of 16 bits.
class Expansion {
public:
  /// Before `at`, on as many lanes as `like` has.
  Expansion(llvm::Instruction &at, llvm::Type *like) : builder(&at), like(like) {}

  Value *fusedMultiplyAdd(Value *a, Value *b, Value *c);
  /// From half or bfloat to float.
  Value *widened(Value *bits, bool isHalf);
  /// From float or double to half or bfloat, rounded to the nearest, ties to even.
  Value *narrowed(Value *x, bool isHalf);

private:
  Value *halfOf(Value *x);
  Value *bfloatOf(Value *x);
  /// From double to float, rounded to odd: what is rounded again then is right.
  Value *oddFloatOf(Value *x);
  /// The type with as many lanes as the operation has.
  llvm::Type *lanes(llvm::Type *scalar) const {
    auto *vector = llvm::dyn_cast<llvm::VectorType>(like);
    return vector ? llvm::VectorType::get(scalar, vector->getElementCount()) : scalar;
  }
  llvm::Type *integers(unsigned bits) { return lanes(builder.getIntNTy(bits)); }
  llvm::Type *floats() { return lanes(builder.getFloatTy()); }
  llvm::Type *doubles() { return lanes(builder.getDoubleTy()); }
  Value *number(unsigned bits, uint64_t value) {
    return llvm::ConstantInt::get(integers(bits), value);
  }
  Value *zeroOf(Value *x) { return llvm::Constant::getNullValue(x->getType()); }
  Value *bitsOf(Value *x, unsigned bits) { return builder.CreateBitCast(x, integers(bits)); }
  Value *madeOdd(Value *bits, unsigned width, Value *isInexact, Value *isTooLarge);

  llvm::IRBuilder<> builder;
  llvm::Type *like;
};

} // namespace

/// The bits of a float that was rounded to the nearest, rounded to odd instead.
Value *Expansion::madeOdd(Value *bits, unsigned width, Value *isInexact, Value *isTooLarge) {
  Value *one = number(width, 1), *none = number(width, 0);
  Value *isEven = builder.CreateICmpEQ(builder.CreateAnd(bits, one), none);
  Value *step = builder.CreateSelect(isTooLarge, number(width, -1), one);
  return builder.CreateAdd(bits,
                           builder.CreateSelect(builder.CreateAnd(isInexact, isEven), step, none));
}

/// In doubles the product is exact; the sum is rounded to odd (Boldo and Melquiond, 2008).
Value *Expansion::fusedMultiplyAdd(Value *a, Value *b, Value *c) {
  Value *product =
      builder.CreateFMul(builder.CreateFPExt(a, doubles()), builder.CreateFPExt(b, doubles()));
  Value *wide = builder.CreateFPExt(c, doubles());
  Value *sum = builder.CreateFAdd(product, wide);
  // What the sum has lost (Knuth's two-sum); NaN where the sum is infinite.
  Value *part = builder.CreateFSub(sum, product);
  Value *lost = builder.CreateFAdd(builder.CreateFSub(product, builder.CreateFSub(sum, part)),
                                   builder.CreateFSub(wide, part));
  Value *isInexact = builder.CreateFCmpONE(lost, zeroOf(lost));
  Value *bits = bitsOf(sum, 64);
  Value *isTooLarge =
      builder.CreateICmpSLT(builder.CreateXor(bits, bitsOf(lost, 64)), number(64, 0));
  Value *odd = builder.CreateBitCast(madeOdd(bits, 64, isInexact, isTooLarge), doubles());
  return builder.CreateFPTrunc(odd, floats());
}

Value *Expansion::oddFloatOf(Value *x) {
  Value *nearest = builder.CreateFPTrunc(x, floats());
  Value *back = builder.CreateFPExt(nearest, doubles());
  Value *isInexact = builder.CreateFCmpONE(back, x);
  Value *isTooLarge = builder.CreateICmpUGT(builder.CreateShl(bitsOf(back, 64), number(64, 1)),
                                            builder.CreateShl(bitsOf(x, 64), number(64, 1)));
  return builder.CreateBitCast(madeOdd(bitsOf(nearest, 32), 32, isInexact, isTooLarge), floats());
}

Value *Expansion::narrowed(Value *x, bool isHalf) {
  if (x->getType()->getScalarType()->isDoubleTy())
    x = oddFloatOf(x);
  return isHalf ? halfOf(x) : bfloatOf(x);
}

Value *Expansion::widened(Value *narrow, bool isHalf) {
  Value *bits = builder.CreateZExt(narrow, integers(32));
  if (!isHalf)
    return builder.CreateBitCast(builder.CreateShl(bits, number(32, 16)), floats());
  Value *sign = builder.CreateShl(builder.CreateAnd(bits, number(32, 0x8000)), number(32, 16));
  Value *magnitude = builder.CreateShl(builder.CreateAnd(bits, number(32, 0x7fff)), number(32, 13));
  Value *scaled = builder.CreateFMul(builder.CreateBitCast(magnitude, floats()),
                                     llvm::ConstantFP::get(floats(), 0x1p112));
  Value *infinity = number(32, 0x0f800000);
  Value *quiet = builder.CreateSelect(builder.CreateICmpUGT(magnitude, infinity),
                                      number(32, 0x7fc00000), number(32, 0x7f800000));
  Value *special = builder.CreateOr(magnitude, quiet);
  Value *result =
      builder.CreateSelect(builder.CreateICmpUGE(magnitude, infinity), special, bitsOf(scaled, 32));
  return builder.CreateBitCast(builder.CreateOr(result, sign), floats());
}

Value *Expansion::halfOf(Value *x) {
  Value *bits = bitsOf(x, 32);
  Value *sign = builder.CreateAnd(builder.CreateLShr(bits, number(32, 16)), number(32, 0x8000));
  Value *magnitude = builder.CreateAnd(bits, number(32, 0x7fffffff));
  Value *high = builder.CreateLShr(magnitude, number(32, 13));
  // Normal halfs: the exponent's bias changes, half a unit is added before what is behind is cut.
  Value *tie = builder.CreateAdd(builder.CreateAnd(high, number(32, 1)),
                                 number(32, uint32_t(0xfff - 0x38000000)));
  Value *normal = builder.CreateLShr(builder.CreateAdd(magnitude, tie), number(32, 13));
  Value *isInfinite = builder.CreateICmpUGT(normal, number(32, 0x7c00));
  normal = builder.CreateSelect(isInfinite, number(32, 0x7c00), normal);
  // Others: floats from 0.5 have the distance of the smallest halfs.
  Value *shifted = builder.CreateFAdd(builder.CreateBitCast(magnitude, floats()),
                                      llvm::ConstantFP::get(floats(), 0.5));
  Value *small = builder.CreateSub(bitsOf(shifted, 32), number(32, 0x3f000000));
  Value *isSmall = builder.CreateICmpULT(magnitude, number(32, 0x38800000));
  Value *result = builder.CreateSelect(isSmall, small, normal);
  Value *isNaN = builder.CreateICmpUGT(magnitude, number(32, 0x7f800000));
  Value *nan = builder.CreateOr(builder.CreateAnd(high, number(32, 0x3ff)), number(32, 0x7e00));
  result = builder.CreateOr(builder.CreateSelect(isNaN, nan, result), sign);
  return builder.CreateTrunc(result, integers(16));
}

Value *Expansion::bfloatOf(Value *x) {
  Value *bits = bitsOf(x, 32);
  Value *high = builder.CreateLShr(bits, number(32, 16));
  Value *tie = builder.CreateAdd(builder.CreateAnd(high, number(32, 1)), number(32, 0x7fff));
  Value *rounded = builder.CreateLShr(builder.CreateAdd(bits, tie), number(32, 16));
  Value *nan = builder.CreateOr(high, number(32, 0x40));
  Value *result = builder.CreateSelect(builder.CreateFCmpUNO(x, x), nan, rounded);
  return builder.CreateTrunc(result, integers(16));
}

/// The type with integers of 16 bits for halfs and bfloats; null if it has none.
static llvm::Type *bitsType(llvm::Type *type) {
  llvm::Type *scalar = type->getScalarType();
  if (!scalar->isHalfTy() && !scalar->isBFloatTy())
    return nullptr;
  return type->getWithNewType(llvm::Type::getInt16Ty(type->getContext()));
}

static bool isHalf(llvm::Type *type) { return type->getScalarType()->isHalfTy(); }

namespace {

/// Makes halfs and bfloats of a function integers.
class NarrowFloats {
public:
  explicit NarrowFloats(llvm::Function &function) : function(function) {}

  void run();

private:
  /// The bits of a value that is narrow; another value as it is.
  Value *bits(Value *value);
  /// A narrow value as float.
  Value *wide(llvm::Instruction &at, Value *value) {
    return bitsType(value->getType())
               ? Expansion(at, value->getType()).widened(bits(value), isHalf(value->getType()))
               : value;
  }
  bool isTouched(llvm::Instruction &at) const;
  Value *rewritten(llvm::Instruction &at);
  Value *converted(llvm::CastInst &cast);
  Value *computed(llvm::Instruction &at);
  Value *moved(llvm::Instruction &at);
  Value *called(llvm::IntrinsicInst &call);

  llvm::Function &function;
  llvm::DenseMap<Value *, Value *> known;
};

} // namespace

[[noreturn]] static void refuse(llvm::StringRef operation) {
  throw Error(Error::Kind::Unsupported,
              ("the target has no arithmetic of float16 and bfloat16, and " + operation +
               " is not replaced; convert to float32 before it")
                  .str());
}

Value *NarrowFloats::bits(Value *value) {
  llvm::Type *type = bitsType(value->getType());
  if (!type)
    return value;
  if (auto *constant = llvm::dyn_cast<llvm::Constant>(value))
    return llvm::ConstantExpr::getBitCast(constant, type);
  return known.at(value);
}

bool NarrowFloats::isTouched(llvm::Instruction &at) const {
  return bitsType(at.getType()) || llvm::any_of(at.operands(), [](llvm::Use &use) {
           return bitsType(use->getType()) != nullptr;
         });
}

void NarrowFloats::run() {
  llvm::SmallVector<llvm::Instruction *> old;
  llvm::SmallVector<llvm::PHINode *> phis;
  // A definition comes before its uses, except those of phis.
  for (llvm::BasicBlock *block : llvm::ReversePostOrderTraversal<llvm::Function *>(&function))
    for (llvm::Instruction &at : llvm::make_early_inc_range(*block)) {
      if (!isTouched(at))
        continue;
      Value *result = rewritten(at);
      old.push_back(&at);
      if (auto *phi = llvm::dyn_cast<llvm::PHINode>(&at))
        phis.push_back(phi);
      if (bitsType(at.getType()))
        known[&at] = result;
      else if (result)
        at.replaceAllUsesWith(result);
    }
  for (llvm::PHINode *phi : phis)
    for (auto [value, block] : llvm::zip(phi->incoming_values(), phi->blocks()))
      llvm::cast<llvm::PHINode>(known.at(phi))->addIncoming(bits(value), block);
  for (llvm::Instruction *at : old) {
    at->replaceAllUsesWith(llvm::PoisonValue::get(at->getType()));
    at->eraseFromParent();
  }
}

/// What computes the bits of a narrow result, or the other result; null for a store.
Value *NarrowFloats::rewritten(llvm::Instruction &at) {
  if (auto *cast = llvm::dyn_cast<llvm::CastInst>(&at))
    return converted(*cast);
  if (auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&at))
    return called(*call);
  if (llvm::isa<llvm::FCmpInst, llvm::UnaryOperator, llvm::BinaryOperator>(at))
    return computed(at);
  return moved(at);
}

Value *NarrowFloats::converted(llvm::CastInst &cast) {
  llvm::IRBuilder<> builder(&cast);
  Value *x = cast.getOperand(0);
  llvm::Type *type = bitsType(cast.getType());
  if (llvm::isa<llvm::BitCastInst>(cast))
    return builder.CreateBitCast(bits(x), type ? type : cast.getType());
  if (!type) {
    Value *widened = wide(cast, x);
    return widened->getType() == cast.getType()
               ? widened
               : builder.CreateCast(cast.getOpcode(), widened, cast.getType());
  }
  // Whole numbers of which float has not all bits are far from those of half, and exact in double
  // where bfloat sees them.
  if (x->getType()->isIntOrIntVectorTy())
    x = builder.CreateCast(cast.getOpcode(), x,
                           cast.getType()->getWithNewType(builder.getDoubleTy()));
  else
    x = wide(cast, x);
  return Expansion(cast, cast.getType()).narrowed(x, isHalf(cast.getType()));
}

/// Floats hold the exact result, or round it so that rounding again is right (Figueroa, 1995).
Value *NarrowFloats::computed(llvm::Instruction &at) {
  llvm::IRBuilder<> builder(&at);
  if (at.getOpcode() == llvm::Instruction::FNeg)
    return builder.CreateXor(bits(at.getOperand(0)),
                             llvm::ConstantInt::get(bitsType(at.getType()), 0x8000));
  Value *left = wide(at, at.getOperand(0)), *right = wide(at, at.getOperand(1));
  if (auto *comparison = llvm::dyn_cast<llvm::FCmpInst>(&at))
    return builder.CreateFCmp(comparison->getPredicate(), left, right);
  auto opcode = static_cast<llvm::Instruction::BinaryOps>(at.getOpcode());
  return Expansion(at, at.getType())
      .narrowed(builder.CreateBinOp(opcode, left, right), isHalf(at.getType()));
}

Value *NarrowFloats::called(llvm::IntrinsicInst &call) {
  llvm::IRBuilder<> builder(&call);
  llvm::Type *type = bitsType(call.getType());
  auto number = [&](uint64_t value) { return llvm::ConstantInt::get(type, value); };
  llvm::SmallVector<Value *> arguments;
  for (Value *argument : call.args())
    arguments.push_back(bits(argument));
  switch (call.getIntrinsicID()) {
  case llvm::Intrinsic::fabs:
    return builder.CreateAnd(arguments[0], number(0x7fff));
  case llvm::Intrinsic::copysign:
    return builder.CreateOr(builder.CreateAnd(arguments[0], number(0x7fff)),
                            builder.CreateAnd(arguments[1], number(0x8000)));
  case llvm::Intrinsic::masked_load:
  case llvm::Intrinsic::masked_gather:
  case llvm::Intrinsic::masked_store:
  case llvm::Intrinsic::masked_scatter: {
    // Of a type of values and one of places.
    bool isLoad = type != nullptr;
    llvm::Type *overloads[] = {isLoad ? type : arguments[0]->getType(),
                               arguments[isLoad ? 0 : 1]->getType()};
    auto *result = builder.CreateIntrinsic(call.getIntrinsicID(), overloads, arguments);
    result->setAttributes(call.getAttributes());
    return isLoad ? result : nullptr;
  }
  default:
    refuse(call.getCalledFunction()->getName());
  }
}

Value *NarrowFloats::moved(llvm::Instruction &at) {
  llvm::IRBuilder<> builder(&at);
  llvm::Type *type = bitsType(at.getType());
  auto operand = [&](unsigned number) { return bits(at.getOperand(number)); };
  if (auto *load = llvm::dyn_cast<llvm::LoadInst>(&at))
    return builder.CreateAlignedLoad(type, load->getPointerOperand(), load->getAlign());
  if (auto *store = llvm::dyn_cast<llvm::StoreInst>(&at)) {
    builder.CreateAlignedStore(operand(0), store->getPointerOperand(), store->getAlign());
    return nullptr;
  }
  if (auto *shuffle = llvm::dyn_cast<llvm::ShuffleVectorInst>(&at))
    return builder.CreateShuffleVector(operand(0), operand(1), shuffle->getShuffleMask());
  switch (at.getOpcode()) {
  case llvm::Instruction::PHI:
    return builder.CreatePHI(type, at.getNumOperands());
  case llvm::Instruction::Select:
    return builder.CreateSelect(operand(0), operand(1), operand(2));
  case llvm::Instruction::InsertElement:
    return builder.CreateInsertElement(operand(0), operand(1), operand(2));
  case llvm::Instruction::ExtractElement:
    return builder.CreateExtractElement(operand(0), operand(1));
  case llvm::Instruction::Freeze:
    return builder.CreateFreeze(operand(0));
  default:
    refuse(at.getOpcodeName());
  }
}

/// The product and sum of each lane, by a function.
static Value *callForEachLane(llvm::IRBuilder<> &builder, llvm::FunctionCallee callee,
                              llvm::CallBase &call) {
  auto *vector = llvm::dyn_cast<llvm::FixedVectorType>(call.getType());
  if (!vector)
    return builder.CreateCall(callee, llvm::to_vector_of<Value *>(call.args()));
  Value *result = llvm::PoisonValue::get(vector);
  for (unsigned lane = 0; lane < vector->getNumElements(); ++lane) {
    llvm::SmallVector<Value *> arguments;
    for (Value *argument : call.args())
      arguments.push_back(builder.CreateExtractElement(argument, lane));
    result = builder.CreateInsertElement(result, builder.CreateCall(callee, arguments), lane);
  }
  return result;
}

/// Fused multiply-adds of `dtype` become what `expand` makes of a call.
static void expandFusedMultiplyAdds(llvm::Function &function, bool (llvm::Type::*isDtype)() const,
                                    llvm::function_ref<Value *(llvm::CallBase &)> expand) {
  for (llvm::Instruction &at : llvm::make_early_inc_range(llvm::instructions(function))) {
    auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&at);
    if (!call || call->getIntrinsicID() != llvm::Intrinsic::fma ||
        !(call->getType()->getScalarType()->*isDtype)())
      continue;
    call->replaceAllUsesWith(expand(*call));
    call->eraseFromParent();
  }
}

static void expandFloats(llvm::Function &function) {
  expandFusedMultiplyAdds(function, &llvm::Type::isFloatTy, [](llvm::CallBase &call) {
    return Expansion(call, call.getType())
        .fusedMultiplyAdd(call.getArgOperand(0), call.getArgOperand(1), call.getArgOperand(2));
  });
}

static void callForDoubles(llvm::Function &function) {
  llvm::Type *number = llvm::Type::getDoubleTy(function.getContext());
  expandFusedMultiplyAdds(function, &llvm::Type::isDoubleTy, [&](llvm::CallBase &call) {
    llvm::IRBuilder<> builder(&call);
    auto callee =
        function.getParent()->getOrInsertFunction("weft_model_fma", number, number, number, number);
    return callForEachLane(builder, callee, call);
  });
}

/// C libraries have had roundeven since 2023; with the usual mode of rounding, rint is the same.
static void roundByMode(llvm::Function &function) {
  for (llvm::Instruction &at : llvm::make_early_inc_range(llvm::instructions(function)))
    if (auto *call = llvm::dyn_cast<llvm::IntrinsicInst>(&at);
        call && call->getIntrinsicID() == llvm::Intrinsic::roundeven) {
      llvm::IRBuilder<> builder(call);
      call->replaceAllUsesWith(
          builder.CreateUnaryIntrinsic(llvm::Intrinsic::rint, call->getArgOperand(0)));
      call->eraseFromParent();
    }
}

void expandMissing(llvm::Module &module, const llvm::TargetMachine &machine) {
  llvm::Triple triple = module.getTargetTriple();
  if (!triple.isWasm() && !triple.isRISCV() && !triple.isThumb())
    return;
  bool lacksDoubles = triple.isThumb() && !machine.getMCSubtargetInfo()->checkFeatures("+fp64");
  for (llvm::Function &function : llvm::make_early_inc_range(module)) {
    if (function.isDeclaration())
      continue;
    llvm::EliminateUnreachableBlocks(function);
    NarrowFloats(function).run();
    if (triple.isWasm())
      expandFloats(function);
    if (lacksDoubles)
      callForDoubles(function);
    if (triple.isThumb())
      roundByMode(function);
  }
}

} // namespace weft
