// Kernels of `weft.quantized_dot`, with elementwise ops on the result: products of bytes.
//
//   a stage of its own, a task: a group of a row of x
//     [row][group]: the sum of its numbers, then these, four in a word; 0 behind the last
//   a group of a tile:
//     for a word, or half of one of 4 bits: whole = whole + dot(bytes of the weight, bytes of x)
//     sums = fma(whole - zero * (sum of the row's group), scale, sums)
//
// Bytes of the weight have no sign, as the instructions ask for. A word of 4-bit numbers holds the
// first four in the lower halves of its bytes. Whole numbers are those modulo 2^32 in any order.
#include "codegen/CPU/CpuTarget.h"
#include "codegen/Templates/QuantizedProduct.h"
#include "dialects/Weft/IR/Quantized.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Vector/IR/VectorOps.h"
#include "llvm/ADT/Sequence.h"

using namespace mlir;

namespace weft {
namespace {

constexpr int64_t bytesInWord = 4, bitsInByte = 8;

QuantizedDotOp productOf(KernelOp kernel) {
  return *kernel.getBody().front().getOps<QuantizedDotOp>().begin();
}

class DotProduct final : public QuantizedProduct {
public:
  explicit DotProduct(KernelEmitter &emitter)
      : QuantizedProduct(emitter, QuantizedOperands::of(productOf(emitter.getKernel()))),
        hasInstruction(emitter.schedule<ContractionScheduleAttr>().getSteps() == bytesInWord),
        byte(emitter.builder().getI8Type()) {}

private:
  void addOperandStages() override;
  Type zeroType() override { return word; }
  Value packedZero(Value zero) override;
  Value packedWord(Value bytes) override;
  Value rowAddress(Value row) override { return copiedGroup(row, emitter.index(0)); }
  SmallVector<Value> addGroup(const Tile &tile, const Group &group, ValueRange sums) override;
  SmallVector<Value> addWord(const Tile &tile, const Group &group, Value line, ValueRange sums);

  /// Words of x for a word of the weight.
  int64_t wordsOfWord() const { return bitsInByte / bits; }
  /// Words of a group of the copy of x, without its sum.
  Value copiedWords() { return emitter.multiplyIndex(groupWords(), emitter.index(wordsOfWord())); }
  Value copiedLine() { return emitter.addIndex(copiedWords(), emitter.index(1)); }
  Value copiedGroup(Value row, Value group);
  void copyGroup(Value task);
  Value copyByte(Value source, Value target, Value place, Value total);
  Value nextWord(const Group &group, Value row, Value place);
  Value dot(Value whole, Value weights, Value x);
  Value pairs(Value left, Value right);

  bool hasInstruction;
  Type byte;
  unsigned copied = 0;
};

//===----------------------------------------------------------------------===//
// The copy of x
//===----------------------------------------------------------------------===//

void DotProduct::addOperandStages() {
  auto tasks = [this] { return emitter.multiplyIndex(rowCount(), groups()); };
  copied = emitter.addTemporary([this, tasks] {
    Value words = emitter.multiplyIndex(tasks(), copiedLine());
    return emitter.multiplyIndex(words, emitter.index(wordBytes));
  });
  emitter.addStage(tasks, [&](Value begin, Value end) {
    emitter.loop(begin, end, 1, [&](Value task) { copyGroup(task); });
  });
}

Value DotProduct::copiedGroup(Value row, Value group) {
  Value place = emitter.addIndex(emitter.multiplyIndex(row, groups()), group);
  return emitter.offset(emitter.buffer(copied), word, emitter.multiplyIndex(place, copiedLine()));
}

/// Whole vectors, then bytes.
void DotProduct::copyGroup(Value task) {
  Value source = addressIn(op.x, byte, emitter.multiplyIndex(task, groupSize()));
  Value start =
      emitter.offset(emitter.buffer(copied), word, emitter.multiplyIndex(task, copiedLine()));
  Value target = emitter.offset(start, word, emitter.index(1));
  Value step = emitter.index(lanes * bytesInWord);
  Value whole = emitter.multiplyIndex(emitter.divideIndex(groupSize(), step), step);
  Value none = splatWord(0), ones = splatWord(0x01010101U);
  auto words = VectorType::get({lanes}, word);
  SmallVector<Value> sums = emitter.loop(
      emitter.index(0), whole, lanes * bytesInWord, none, [&](Value place, ValueRange carried) {
        Value bytes =
            emitter.loadVector(emitter.offset(source, byte, place), byte, lanes * bytesInWord);
        emitter.storeVector(bytes, emitter.offset(target, byte, place));
        return SmallVector<Value>{dot(carried[0], ones, make<vector::BitCastOp>(words, bytes))};
      });
  Value total = make<vector::ReductionOp>(vector::CombiningKind::ADD, sums[0]);
  Value end = emitter.multiplyIndex(copiedWords(), emitter.index(bytesInWord));
  SmallVector<Value> all = emitter.loop(whole, end, 1, total, [&](Value place, ValueRange carried) {
    return SmallVector<Value>{copyByte(source, target, place, carried[0])};
  });
  emitter.storeVector(all[0], start);
}

/// Copies a byte, or 0 behind the last. Returns the total with it.
Value DotProduct::copyByte(Value source, Value target, Value place, Value total) {
  Value none = make<arith::ConstantIntOp>(0, 8);
  SmallVector<Value> loaded = emitter.ifTrue(emitter.isLess(place, groupSize()), none, [&] {
    return SmallVector<Value>{
        emitter.loadVector(emitter.offset(source, byte, place), byte, /*count=*/0)};
  });
  emitter.storeVector(loaded[0], emitter.offset(target, byte, place));
  return make<arith::AddIOp>(total, make<arith::ExtSIOp>(word, loaded[0]));
}

//===----------------------------------------------------------------------===//
// The copy of the weight
//===----------------------------------------------------------------------===//

Value DotProduct::packedZero(Value zero) {
  if (bits == 4)
    return make<arith::ExtUIOp>(word, zero);
  return make<arith::AddIOp>(make<arith::ExtSIOp>(word, zero), make<arith::ConstantIntOp>(128, 32));
}

/// Of 4 bits, the first four numbers in the lower halves of the bytes, the others in the upper.
Value DotProduct::packedWord(Value bytes) {
  if (bits == 8)
    return flipped(bytes);
  auto constant = [&](uint32_t value) { return wordLike(bytes, value); };
  auto apart = [&](Value numbers) {
    for (auto [distance, mask] : {std::pair(8U, 0x00FF00FFU), std::pair(4U, 0x0F0F0F0FU)}) {
      Value moved = make<arith::ShLIOp>(numbers, constant(distance));
      numbers = make<arith::AndIOp>(make<arith::OrIOp>(numbers, moved), constant(mask));
    }
    return numbers;
  };
  Value low = apart(make<arith::AndIOp>(bytes, constant(0xFFFF)));
  Value high = apart(make<arith::ShRUIOp>(bytes, constant(halfBits)));
  return make<arith::OrIOp>(low, make<arith::ShLIOp>(high, constant(4)));
}

//===----------------------------------------------------------------------===//
// Products
//===----------------------------------------------------------------------===//

SmallVector<Value> DotProduct::addGroup(const Tile &tile, const Group &group, ValueRange sums) {
  SmallVector<Value> whole(sums.size(), splatWord(0));
  whole =
      emitter.loop(emitter.index(0), groupWords(), 1, whole, [&](Value line, ValueRange carried) {
        return addWord(tile, group, line, carried);
      });
  Value usual = make<arith::ConstantIntOp>(usualZero(bits) + (bits == 8 ? 128 : 0), 32);
  auto floats = VectorType::get({lanes}, number);
  SmallVector<Value> added;
  for (auto [line, row] : llvm::enumerate(tile.rows)) {
    Value total = nextWord(group, row, emitter.index(0)), usualPart;
    if (group.zeros.empty())
      usualPart = emitter.splat(make<arith::MulIOp>(total, usual));
    for (auto [v, scale] : llvm::enumerate(group.scales)) {
      size_t place = line * group.scales.size() + v;
      Value part = group.zeros.empty() ? usualPart
                                       : make<arith::MulIOp>(emitter.splat(total), group.zeros[v]);
      Value exact = make<arith::SubIOp>(whole[place], part);
      added.push_back(make<math::FmaOp>(make<arith::SIToFPOp>(floats, exact), scale, sums[place]));
    }
  }
  return added;
}

/// Word `place` of the copy of a row's group, whose first is the sum.
Value DotProduct::nextWord(const Group &group, Value row, Value place) {
  Value start = emitter.multiplyIndex(group.place, copiedLine());
  return emitter.loadVector(emitter.offset(row, word, emitter.addIndex(start, place)), word,
                            /*count=*/0);
}

/// Adds the numbers of word `line` of the group.
SmallVector<Value> DotProduct::addWord(const Tile &tile, const Group &group, Value line,
                                       ValueRange sums) {
  SmallVector<Value> added = llvm::to_vector(sums), words;
  for (size_t v = 0; v < group.bases.size(); ++v)
    words.push_back(loadWords(group, static_cast<int64_t>(v), line));
  Value first =
      emitter.addIndex(emitter.multiplyIndex(line, emitter.index(wordsOfWord())), emitter.index(1));
  for (int64_t half = 0; half < wordsOfWord(); ++half) {
    SmallVector<Value> weights = words;
    for (Value &weight : weights) {
      if (half != 0)
        weight = make<arith::ShRUIOp>(weight, splatWord(4));
      if (bits == 4)
        weight = make<arith::AndIOp>(weight, splatWord(0x0F0F0F0FU));
    }
    Value place = emitter.addIndex(first, emitter.index(half));
    for (auto [number, row] : llvm::enumerate(tile.rows)) {
      Value x = emitter.splat(nextWord(group, row, place));
      for (auto [v, weight] : llvm::enumerate(weights)) {
        Value &sum = added[number * weights.size() + v];
        sum = dot(sum, weight, x);
      }
    }
  }
  return added;
}

/// Adds the dot products of the words' bytes: those of weights have no sign, those of x have one.
Value DotProduct::dot(Value whole, Value weights, Value x) {
  auto words = VectorType::get({lanes}, word);
  if (hasInstruction) {
    auto bytes = VectorType::get({lanes * bytesInWord}, byte);
    std::string name = "llvm.x86.avx512.vpdpbusd." + std::to_string(lanes * wordBits);
    SmallVector<Value> operands = {whole, make<vector::BitCastOp>(bytes, weights),
                                   make<vector::BitCastOp>(bytes, x)};
    return LLVM::CallIntrinsicOp::create(emitter.builder(), emitter.location(), words,
                                         emitter.builder().getStringAttr(name), operands)
        .getResult(0);
  }
  auto halves = VectorType::get({lanes * 2}, emitter.builder().getI16Type());
  auto splat = [&](int64_t value) {
    return make<arith::ConstantOp>(DenseElementsAttr::get(halves, static_cast<int16_t>(value)));
  };
  Value left = make<vector::BitCastOp>(halves, weights), eight = splat(bitsInByte);
  Value right = make<vector::BitCastOp>(halves, x);
  Value even = pairs(make<arith::AndIOp>(left, splat(0xFF)),
                     make<arith::ShRSIOp>(make<arith::ShLIOp>(right, eight), eight));
  Value odd = pairs(make<arith::ShRUIOp>(left, eight), make<arith::ShRSIOp>(right, eight));
  return make<arith::AddIOp>(make<arith::AddIOp>(whole, even), odd);
}

/// The dot products of pairs of 16 bits, written so that LLVM finds the instructions for them.
Value DotProduct::pairs(Value left, Value right) {
  auto wide = VectorType::get({lanes * 2}, word);
  Value products =
      make<arith::MulIOp>(make<arith::ExtSIOp>(wide, left), make<arith::ExtSIOp>(wide, right));
  auto every = [&](int64_t start) {
    SmallVector<int64_t> places = llvm::map_to_vector(
        llvm::seq<int64_t>(0, lanes), [&](int64_t lane) { return lane * 2 + start; });
    return vector::ShuffleOp::create(emitter.builder(), emitter.location(), products, products,
                                     places);
  };
  Value first = every(0), second = every(1);
  return make<arith::AddIOp>(first, second);
}

//===----------------------------------------------------------------------===//
// The template
//===----------------------------------------------------------------------===//

class QuantizedDot final : public QuantizedTemplate {
public:
  StringRef name() const override { return "quantized_dot"; }
  StringRef reason() const override {
    return "a product of bytes by a weight of few bits, with the elementwise ops on its result";
  }
  bool claims(Operation *op) const override { return isa<QuantizedDotOp>(op); }

  /// Vectors are registers, as instructions take them.
  ScheduleAttrInterface choose(KernelOp kernel, LaunchOp, const CpuTarget &target) const override {
    int64_t lanes = target.registerBytes / bytesInWord;
    int64_t steps = hasInstruction(target) ? bytesInWord : 1;
    return scheduleOf(kernel, target, lanes, /*columns=*/2, steps);
  }
  using QuantizedTemplate::choose;

  void emit(KernelEmitter &emitter) const override {
    QuantizedProduct::addStages(std::make_shared<DotProduct>(emitter));
  }
  using QuantizedTemplate::emit;

protected:
  bool hasSteps(ContractionScheduleAttr schedule, const CpuTarget &target) const override {
    return schedule.getSteps() == 1 ||
           (schedule.getSteps() == bytesInWord && hasInstruction(target) &&
            schedule.getLanes() * bytesInWord == target.registerBytes);
  }

private:
  /// Whether there are dot products of bytes, of vectors as wide as a register.
  static bool hasInstruction(const CpuTarget &target) {
    StringRef features = target.features;
    return target.registerBytes == 64 ? features.contains("+avx512vnni")
                                      : target.registerBytes == 32 && features.contains("+avxvnni");
  }
};

} // namespace

const KernelTemplate &quantizedDotTemplate() {
  static const QuantizedDot instance;
  return instance;
}

} // namespace weft
