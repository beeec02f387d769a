#include "python/src/state/Walk.h"

using namespace weft;

namespace {

/// One walk of a call.
class Walker {
public:
  Walker(Call &call, PieceValues &values) : call(call), values(values) {}

  bool turn(size_t place, const std::string &answer);

private:
  bool take(const std::shared_ptr<Specialization> &path, size_t place);
  bool readsTheSame(llvm::ArrayRef<StorageRef> inputs, size_t place) const;

  Call &call;
  PieceValues &values;
};

} // namespace

/// True if the pieces that have run read of `inputs` what they have read.
bool Walker::readsTheSame(llvm::ArrayRef<StorageRef> inputs, size_t place) const {
  for (size_t i = 0; i <= place; ++i)
    for (PieceInput input : call.specialization->cuts[i].cut->piece.inputs)
      if (!input.isValue && input.index >= call.flat.leaves.size() &&
          inputs[input.index].get() != values.inputs[input.index].get())
        return false;
  return true;
}

/// Changes over to another trace, which had the same questions and answers so far, if it holds.
bool Walker::take(const std::shared_ptr<Specialization> &path, size_t place) {
  // The call has the static arguments of its trace.
  if (!llvm::equal(call.specialization->statics, path->statics,
                   [](const PyRef &left, const PyRef &right) {
                     return sameConstant(left.get(), right.get());
                   }))
    return false;
  Call other{call.state, call.flat, path};
  std::string reason;
  if (!other.holds(reason) || !other.isComplete())
    return false;
  llvm::SmallVector<StorageRef, 8> inputs = other.inputs();
  if (!readsTheSame(inputs, place))
    return false;
  call.specialization = path;
  call.handles = std::move(other.handles);
  call.dicts = std::move(other.dicts);
  values.inputs = std::move(inputs);
  return true;
}

bool Walker::turn(size_t place, const std::string &answer) {
  std::shared_ptr<Specialization> here = call.specialization;
  std::shared_ptr<Cut> cut = here->cuts[place].cut;
  auto branch = cut->branches.find(answer);
  if (branch == cut->branches.end())
    return false;
  if (auto latest = branch->second.latest.lock(); latest && take(latest, place))
    return true;
  // Guards may run code of the user, which may call this function: the table is kept.
  std::shared_ptr<Specializations> table = here->table.lock();
  for (size_t i = table ? table->size() : 0; i-- > 0;) {
    if (i >= table->size())
      continue;
    std::shared_ptr<Specialization> path = (*table)[i];
    bool passes = path->cuts.size() > place && path->cuts[place].cut == cut &&
                  path->cuts[place].answer == answer;
    if (passes && take(path, place)) {
      cut->addBranch(answer).latest = path;
      return true;
    }
  }
  return false;
}

Walked weft::walk(Call &call, bool isLocked, PieceValues &values, std::shared_ptr<Cut> &cut) {
  values.inputs = call.inputs();
  Walker walker(call, values);
  size_t prints = 0;
  for (size_t i = 0; i < call.specialization->cuts.size(); ++i) {
    // The trace may be dropped from its table meanwhile.
    std::shared_ptr<Specialization> path = call.specialization;
    if (const Cycle *cycle = cycleAt(path->cycles, i)) {
      i = runCycle(*cycle, path->cuts, i, values);
    } else {
      runPiece(path->cuts[i].cut->piece, values);
      print(*path->cuts[i].cut, values, prints, call.printed);
    }
    const TakenCut &taken = path->cuts[i];
    if (isAnswer(*taken.cut, values, taken.answer))
      continue;
    cut = taken.cut;
    if (!walker.turn(i, answerOf(*cut, values)))
      return Walked::NewAnswer;
    if (call.specialization->changesState() && !isLocked)
      return Walked::ChangesState;
  }
  return Walked::Arrived;
}

void weft::enterBranches(const std::shared_ptr<Specialization> &path) {
  for (const TakenCut &taken : path->cuts)
    taken.cut->addBranch(taken.answer).latest = path;
}

std::string weft::whyUncompiled(const JitState &state, const Specialization &path, const Cut &cut) {
  std::string question = cut.line.prefix() + cut.action;
  if (!cut.isChoice && cut.branches.size() >= mostAnswers)
    return question + " had " + std::to_string(mostAnswers) + " different answers";
  auto table = path.table.lock();
  if (table && table->size() >= mostPaths)
    return question + ": the function took " + std::to_string(mostPaths) + " different paths";
  if (state.pieces >= mostPieces())
    return question + ": the paths of the function have " + std::to_string(mostPieces()) +
           " pieces; WEFT_MAX_PIECES allows more";
  return "";
}
