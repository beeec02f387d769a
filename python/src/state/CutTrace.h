// Answers to questions that a function asks while it is traced.
#pragma once

#include "lib/Trace/Slice.h"
#include "python/src/TraceScope.h"
#include "python/src/state/Specialization.h"

namespace weft {

/// Runs what was traced so far, piece by piece, as the function asks for values.
class CutTrace : public Answers {
public:
  CutTrace(JitState &state, TraceScope &scope, const FlatArguments &flat,
           const Questions *questions)
      : state(state), scope(scope), flat(flat), questions(questions) {}

  Array ask(ValueId id, const char *action) override;
  void print(PyObject *text, llvm::ArrayRef<ValueId> ids) override;

  /// Whether it was asked anything.
  bool anyAsked() const { return !taken.empty(); }

  /// Completes a path: the cuts, and the last piece, which computes the outputs. `changed` are the
  /// inputs whose handles get another value, `prepared` those that are tensors from outside else.
  void finish(Specialization &path, llvm::ArrayRef<ValueId> outputs,
              llvm::ArrayRef<unsigned> changed, llvm::ArrayRef<unsigned> prepared);

private:
  struct Marks {
    llvm::SmallVector<unsigned> donated, hidden;
  };
  struct Live {
    std::vector<ValueId> outputs;
    std::vector<unsigned> givenUp;
  };

  /// What a cut is for.
  struct Purpose {
    llvm::ArrayRef<ValueId> wanted;
    const char *action;
    PyObject *printed;
  };

  void checkAllowed(ValueId id, const char *action) const;
  StorageRef inputStorage(unsigned number, Device *device);
  void addInputs(Device *device);
  Live findLive(llvm::ArrayRef<ValueId> wanted) const;
  bool isKnown(mlir::Value value) const { return numbers.contains(value); }
  PieceInput placeOf(mlir::Value value) const;
  Marks marksOf(const Slice &slice, llvm::ArrayRef<unsigned> givenUp) const;
  Key keyOf(const Slice &slice, const Marks &marks) const;
  std::shared_ptr<const Executable> compiled(const Slice &slice, const Marks &marks, Key key);
  bool isSame(const Cut &cut, const Purpose &purpose);
  std::shared_ptr<Cut> newCut(const Purpose &purpose);
  Slice sliceOf(llvm::ArrayRef<ValueId> outputs) const;
  bool adoptConstants(const Cut &cut);
  void run(const std::shared_ptr<Cut> &cut);
  const Cut &cutFor(const Purpose &purpose);

  JitState &state;
  TraceScope &scope;
  const FlatArguments &flat;
  const Questions *questions;
  std::vector<TakenCut> taken;
  PieceValues values;
  /// The numbers of the values that were computed and are kept, and the values by these.
  llvm::DenseMap<mlir::Value, unsigned> numbers;
  std::vector<mlir::Value> byNumber;
  Device *device = nullptr;
  /// How often the function printed.
  size_t prints = 0;
};

} // namespace weft
