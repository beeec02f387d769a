// Networks that sort integers in vector registers.
//
// All comparisons are a minimum and a maximum of two vectors, in an order that does not depend on
// the values: there is nothing to guess. What is sorted, and merged, is equal to the bit to what
// any other way gives, as integers that are equal are the same.
//
// - Eight vectors are sorted lane by lane by Batcher's odd-even merge sort (1968) and turned, so
//   that each lane becomes a run.
// - Two runs are merged by Batcher's bitonic merge: one of them is turned round, then elements that
//   are half of all apart are compared, then a quarter apart, down to neighbours. Elements of one
//   vector are brought into two by perfect shuffles (Stone, 1971), which end where they began.
//
// An element is one word, or several, of which the first in which two elements differ decides.
#pragma once

#include "codegen/Loops/KernelEmitter.h"

namespace weft {

/// The words of an element, or of a vector of elements: a signed integer, or a vector, for each.
using SortWords = llvm::SmallVector<mlir::Value>;

class SortNetwork {
public:
  /// Vectors that are sorted at once.
  static constexpr int64_t rows = 8;

  /// For vectors of `lanes` elements: a power of 2 from 4 to `rows`.
  SortNetwork(KernelEmitter &emitter, int64_t lanes) : emitter(emitter), lanes(lanes) {}

  /// How many vectors the runs have that `sortRows` makes.
  static constexpr int64_t runVectors = 2;

  /// Sorts `rows` vectors: each `runVectors` that follow each other become a run.
  void sortRows(llvm::MutableArrayRef<SortWords> vectors);

  /// The lower and the upper half of two vectors, each of them sorted.
  struct Halves {
    SortWords low, high;
  };
  Halves merge(const SortWords &left, const SortWords &right);

private:
  /// True in each lane where the left element is less.
  mlir::Value isLess(const SortWords &left, const SortWords &right);
  void exchange(SortWords &low, SortWords &high);
  void sortLanes(llvm::MutableArrayRef<SortWords> vectors);
  void turn(llvm::MutableArrayRef<SortWords> vectors);
  void mergeRuns(llvm::MutableArrayRef<SortWords> vectors);
  void sortBitonic(SortWords &first, SortWords &second);
  SortWords turnRound(const SortWords &vector);
  void shuffle(SortWords &first, SortWords &second, bool byHalves);

  KernelEmitter &emitter;
  int64_t lanes;
};

} // namespace weft
