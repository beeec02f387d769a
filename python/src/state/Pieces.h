// Functions that ask for values while they are traced: the pieces between the questions, and what
// was answered.
#pragma once

#include "lib/Compiler/Compiler.h"
#include "lib/Trace/Array.h"
#include "lib/Trace/Graph.h"
#include "python/src/PyRef.h"
#include "python/src/SourceLine.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace weft {

struct Specialization;

/// What a piece reads: input `index` of the call, or value `index` of those that the pieces before
/// it have left.
struct PieceInput {
  bool isValue;
  unsigned index;

  bool operator==(const PieceInput &) const = default;
};

/// A part of a path, compiled.
struct Piece {
  /// Null if there is nothing to compute.
  std::shared_ptr<const Executable> executable;
  std::vector<PieceInput> inputs;
  /// The values that it leaves have numbers from here on.
  unsigned firstValue = 0;
  /// Of those that were left before it, the values that nothing reads after it.
  std::vector<unsigned> givenUp;
};

/// A place where a function asked for a value, or printed, and the piece before it. All paths to it
/// had the same questions and answers. Nothing but the branches changes.
struct Cut {
  Piece piece;
  /// The value asked for; or those that are printed, and what weft._printing makes of them.
  std::vector<PieceInput> wanted;
  std::vector<TensorSignature> types;
  PyRef printed;
  /// Whether the answer is one of two.
  bool isChoice = false;
  /// What for, and where: "bool()".
  std::string action;
  SourceLine line;
  Device *device = nullptr;

  /// How a trace comes by the same piece: what it computes, as values of the trace.
  Key key;
  std::vector<ValueId> outputs, wantedIds;
  /// Arrays that were made in the trace, which it reads, by the number of the input.
  std::vector<std::pair<unsigned, Array>> constants;

  struct Branch {
    /// The cut that follows.
    std::weak_ptr<Cut> next;
    /// The last path that was traced through here.
    std::weak_ptr<Specialization> latest;
  };
  /// By the bytes of the answer.
  std::map<std::string, Branch> branches;

  /// The branch for an answer. Those that no path is left of make room.
  Branch &addBranch(const std::string &answer);
};

/// A cut on a path, and the way on.
struct TakenCut {
  std::shared_ptr<Cut> cut;
  std::string answer;
};

/// What the pieces of a path work with.
struct PieceValues {
  /// Of the call.
  llvm::SmallVector<StorageRef, 8> inputs;
  /// That pieces have left; null once they are given up.
  std::vector<StorageRef> values;

  const StorageRef &at(PieceInput input) const {
    return input.isValue ? values[input.index] : inputs[input.index];
  }
};

/// Runs a piece. Throws.
void runPiece(const Piece &piece, PieceValues &values);

/// The bytes of the value, copied from the memory of the host; nothing if none was asked for.
/// Throws.
std::string answerOf(const Cut &cut, const PieceValues &values);
/// True if the value has the bytes. Throws.
bool isAnswer(const Cut &cut, const PieceValues &values, const std::string &answer);

/// Prints what a cut has to print, unless the call did so before: `place` says how many times it
/// came to print, `printed` how often it did. Throws.
void print(const Cut &cut, const PieceValues &values, size_t &place, size_t &printed);

/// The number of answers after which a question is taken to have a new one at each call, unless it
/// has but two.
constexpr size_t mostAnswers = 64;
/// The most paths of a function for arguments of one kind.
constexpr size_t mostPaths = 1024;
/// The most cuts of all paths of a function: WEFT_MAX_PIECES.
size_t mostPieces();

} // namespace weft
