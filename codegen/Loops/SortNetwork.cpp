#include "codegen/Loops/SortNetwork.h"
#include "codegen/Loops/TurnedTile.h"

using namespace mlir;

namespace weft {

Value SortNetwork::isLess(const SortWords &left, const SortWords &right) {
  OpBuilder &builder = emitter.builder();
  auto compare = [&](arith::CmpIPredicate predicate, size_t word) -> Value {
    return arith::CmpIOp::create(builder, emitter.location(), predicate, left[word], right[word]);
  };
  size_t last = left.size() - 1;
  Value less = compare(arith::CmpIPredicate::slt, last);
  for (size_t word = last; word-- > 0;) {
    Value equal = compare(arith::CmpIPredicate::eq, word);
    less = arith::AndIOp::create(builder, emitter.location(), equal, less);
    less = arith::OrIOp::create(builder, emitter.location(),
                                compare(arith::CmpIPredicate::slt, word), less);
  }
  return less;
}

void SortNetwork::exchange(SortWords &low, SortWords &high) {
  OpBuilder &builder = emitter.builder();
  Location location = emitter.location();
  if (low.size() == 1) {
    Value least = arith::MinSIOp::create(builder, location, low[0], high[0]);
    high[0] = arith::MaxSIOp::create(builder, location, low[0], high[0]);
    low[0] = least;
    return;
  }
  Value isTurned = isLess(high, low);
  for (auto [first, second] : llvm::zip_equal(low, high)) {
    Value least = arith::SelectOp::create(builder, location, isTurned, second, first);
    second = arith::SelectOp::create(builder, location, isTurned, first, second);
    first = least;
  }
}

/// Sorts what each lane has in all vectors: sorted halves are merged, from pairs on.
void SortNetwork::sortLanes(MutableArrayRef<SortWords> vectors) {
  auto count = static_cast<int64_t>(vectors.size());
  for (int64_t run = 1; run < count; run *= 2)
    for (int64_t distance = run; distance > 0; distance /= 2)
      for (int64_t low = distance % run; low + distance < count; low += 2 * distance)
        for (int64_t i = low; i < std::min(low + distance, count - distance); ++i)
          if (i / (2 * run) == (i + distance) / (2 * run))
            exchange(vectors[i], vectors[i + distance]);
}

/// Makes of each lane a run of neighbouring vectors.
void SortNetwork::turn(MutableArrayRef<SortWords> vectors) {
  SmallVector<SortWords> turned(rows);
  for (size_t word = 0; word < vectors.front().size(); ++word)
    for (int64_t first = 0; first < rows; first += lanes) {
      SmallVector<Value> square;
      for (const SortWords &line : vectors.slice(first, lanes))
        square.push_back(line[word]);
      for (auto [lane, line] : llvm::enumerate(transposeSquare(emitter, square)))
        turned[(lane * rows + first) / lanes].push_back(line);
    }
  llvm::copy(turned, vectors.begin());
}

void SortNetwork::sortRows(MutableArrayRef<SortWords> vectors) {
  sortLanes(vectors);
  turn(vectors);
  for (int64_t run = rows / lanes; run < runVectors; run *= 2)
    for (int64_t first = 0; first < rows; first += 2 * run)
      mergeRuns(vectors.slice(first, 2 * run));
}

/// Merges the first half of the vectors with the second.
void SortNetwork::mergeRuns(MutableArrayRef<SortWords> vectors) {
  int64_t half = vectors.size() / 2;
  MutableArrayRef<SortWords> second = vectors.drop_front(half);
  std::reverse(second.begin(), second.end());
  for (SortWords &vector : second)
    vector = turnRound(vector);
  for (int64_t distance = half; distance > 0; distance /= 2)
    for (int64_t i = 0; i < 2 * half; ++i)
      if (i / distance % 2 == 0)
        exchange(vectors[i], vectors[i + distance]);
  for (int64_t i = 0; i < 2 * half; i += 2)
    sortBitonic(vectors[i], vectors[i + 1]);
}

SortNetwork::Halves SortNetwork::merge(const SortWords &left, const SortWords &right) {
  SortWords vectors[] = {left, right};
  mergeRuns(vectors);
  return {vectors[0], vectors[1]};
}

/// Sorts two vectors, each of which rises and then falls, or is such a sequence rotated.
///
/// The first shuffle puts the halves of the vectors together, so that elements half a vector apart
/// lie in the same lane of two. Each of the next ones deals out the elements of half vectors, which
/// does the same for a quarter, ..., for neighbours; one more brings back what the first one made.
void SortNetwork::sortBitonic(SortWords &first, SortWords &second) {
  shuffle(first, second, /*byHalves=*/true);
  exchange(first, second);
  for (int64_t distance = lanes / 4; distance > 0; distance /= 2) {
    shuffle(first, second, /*byHalves=*/false);
    exchange(first, second);
  }
  shuffle(first, second, /*byHalves=*/false);
  shuffle(first, second, /*byHalves=*/true);
}

/// By halves: the lower halves of both vectors, and the upper ones. Else, in each half: the
/// elements of both vectors in turn, the lower ones, and the upper ones.
void SortNetwork::shuffle(SortWords &first, SortWords &second, bool byHalves) {
  SmallVector<int64_t> lower, upper;
  int64_t half = lanes / 2;
  for (int64_t lane = 0; lane < lanes; ++lane) {
    int64_t place = lane % half, start = lane - place;
    int64_t from = byHalves ? lane / half : lane % 2;
    int64_t at = byHalves ? place : start + place / 2;
    lower.push_back(from * lanes + at);
    upper.push_back(from * lanes + at + (byHalves ? half : half / 2));
  }
  for (auto [low, high] : llvm::zip_equal(first, second)) {
    auto take = [&, left = low, right = high](ArrayRef<int64_t> mask) -> Value {
      return vector::ShuffleOp::create(emitter.builder(), emitter.location(), left, right, mask);
    };
    low = take(lower);
    high = take(upper);
  }
}

SortWords SortNetwork::turnRound(const SortWords &vector) {
  auto mask = llvm::to_vector(llvm::reverse(llvm::seq<int64_t>(0, lanes)));
  SortWords turned;
  for (Value word : vector)
    turned.push_back(
        vector::ShuffleOp::create(emitter.builder(), emitter.location(), word, word, mask));
  return turned;
}

} // namespace weft
