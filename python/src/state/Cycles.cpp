#include "python/src/state/Cycles.h"

#include "lib/Runtime/Allocator.h"
#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/RunSteps.h"
#include "lib/Support/Interpreter.h"

#include "llvm/ADT/STLExtras.h"

#include <algorithm>
#include <cstring>
#include <optional>

using namespace weft;

//===----------------------------------------------------------------------===//
// Finding
//===----------------------------------------------------------------------===//

namespace {

/// The longest period that is looked for, and how often it has to come.
constexpr size_t longestPeriod = 8, fewestPeriods = 4;

/// Compares the cuts of a path with those of the period in front.
class CycleFinder {
public:
  CycleFinder(llvm::ArrayRef<TakenCut> cuts, size_t first, size_t period) : cuts(cuts) {
    cycle.first = first;
    cycle.period = period;
    cycle.end = first + period;
  }

  std::optional<Cycle> find();

private:
  bool begin();
  std::optional<Cycle::Input> inputOf(PieceInput first, PieceInput second) const;
  bool addStep(const Cut &first, const Cut &second);
  bool isRepeated(const TakenCut &taken, size_t place, unsigned offset) const;
  bool hasMoved(const Cycle::Input &input, PieceInput later, unsigned offset) const;

  llvm::ArrayRef<TakenCut> cuts;
  Cycle cycle;
};

} // namespace

/// True if a piece needs nothing of a frame of its own.
static bool isPlain(const Cut &cut) {
  if (cut.printed || cut.device || cut.wanted.size() != 1)
    return false;
  if (!cut.piece.executable)
    return true;
  const Plan &plan = cut.piece.executable->plan;
  return llvm::none_of(plan.steps,
                       [](const Step &step) { return std::holds_alternative<Prepare>(step); }) &&
         llvm::all_of(plan.outputSources, [](const OutputSource &source) {
           return source.kind == OutputSource::Kind::Fresh ||
                  source.kind == OutputSource::Kind::DonatedInput;
         });
}

/// An input of two periods in a row; nothing if it is neither the same nor moved on.
std::optional<Cycle::Input> CycleFinder::inputOf(PieceInput first, PieceInput second) const {
  if (first == second && (!first.isValue || first.index < cuts[cycle.first].cut->piece.firstValue))
    return Cycle::Input{first, false};
  if (first.isValue && second.isValue && second.index == first.index + cycle.shift)
    return Cycle::Input{first, true};
  return std::nullopt;
}

bool CycleFinder::addStep(const Cut &first, const Cut &second) {
  Cycle::Step step;
  if (!isPlain(first) || first.piece.inputs.size() != second.piece.inputs.size())
    return false;
  for (auto [input, next] : llvm::zip_equal(first.piece.inputs, second.piece.inputs)) {
    std::optional<Cycle::Input> found = inputOf(input, next);
    if (!found)
      return false;
    step.inputs.push_back(*found);
  }
  std::optional<Cycle::Input> wanted = inputOf(first.wanted[0], second.wanted[0]);
  if (!wanted)
    return false;
  step.wanted = *wanted;
  if (first.piece.executable)
    for (const OutputSource &source : first.piece.executable->plan.outputSources) {
      bool isDonated = source.kind == OutputSource::Kind::DonatedInput;
      PieceInput input = isDonated ? first.piece.inputs[source.index] : PieceInput{};
      isDonated = input.isValue && llvm::is_contained(first.piece.givenUp, input.index);
      step.donors.push_back(isDonated ? int(source.index) : -1);
    }
  cycle.steps.push_back(std::move(step));
  return true;
}

bool CycleFinder::hasMoved(const Cycle::Input &input, PieceInput later, unsigned offset) const {
  return later == PieceInput{input.input.isValue, input.input.index + (input.moves ? offset : 0)};
}

/// True if the cut is that of its place in the first period, `offset` values further on.
bool CycleFinder::isRepeated(const TakenCut &taken, size_t place, unsigned offset) const {
  const TakenCut &first = cuts[cycle.first + place];
  const Cut &early = *first.cut, &late = *taken.cut;
  auto isSame = [&](const auto &pair) {
    auto [input, later] = pair;
    return hasMoved(input, later, offset);
  };
  return taken.answer == first.answer && late.wanted.size() == 1 && !late.printed &&
         early.piece.executable == late.piece.executable && !late.device &&
         late.piece.firstValue == early.piece.firstValue + offset &&
         late.piece.inputs.size() == early.piece.inputs.size() &&
         late.piece.givenUp.size() == early.piece.givenUp.size() &&
         hasMoved(cycle.steps[place].wanted, late.wanted[0], offset) &&
         llvm::all_of(llvm::zip(cycle.steps[place].inputs, late.piece.inputs), isSame) &&
         llvm::all_of(llvm::zip(early.piece.givenUp, late.piece.givenUp),
                      [&](auto pair) { return std::get<1>(pair) == std::get<0>(pair) + offset; });
}

/// Finds what moves from the first period to the second.
bool CycleFinder::begin() {
  size_t first = cycle.first, period = cycle.period;
  if (first + fewestPeriods * period > cuts.size() ||
      cuts[first].cut->piece.executable != cuts[first + period].cut->piece.executable)
    return false;
  cycle.shift = cuts[first + period].cut->piece.firstValue - cuts[first].cut->piece.firstValue;
  for (size_t place = 0; place < period; ++place)
    if (!addStep(*cuts[first + place].cut, *cuts[first + period + place].cut))
      return false;
  return cycle.shift > 0;
}

std::optional<Cycle> CycleFinder::find() {
  if (!begin())
    return std::nullopt;
  unsigned offset = cycle.shift;
  for (size_t place = 0; cycle.end < cuts.size(); ++cycle.end, place = (place + 1) % cycle.period) {
    if (place == 0 && cycle.end > cycle.first + cycle.period)
      offset += cycle.shift;
    if (!isRepeated(cuts[cycle.end], place, offset))
      break;
  }
  if (cycle.end < cycle.first + fewestPeriods * cycle.period)
    return std::nullopt;
  return std::move(cycle);
}

std::vector<Cycle> weft::findCycles(llvm::ArrayRef<TakenCut> cuts) {
  std::vector<Cycle> cycles;
  for (size_t place = 0; place < cuts.size();) {
    std::optional<Cycle> found;
    for (size_t period = 1; period <= longestPeriod && !found; ++period)
      found = CycleFinder(cuts, place, period).find();
    place = found ? found->end : place + 1;
    if (found)
      cycles.push_back(std::move(*found));
  }
  return cycles;
}

const Cycle *weft::cycleAt(llvm::ArrayRef<Cycle> cycles, size_t place) {
  const auto *after =
      llvm::partition_point(cycles, [&](const Cycle &cycle) { return cycle.end <= place; });
  return after != cycles.end() && after->first <= place ? after : nullptr;
}

//===----------------------------------------------------------------------===//
// Running
//===----------------------------------------------------------------------===//

namespace {

/// One walk through a cycle.
class CycleRun {
public:
  CycleRun(const Cycle &cycle, llvm::ArrayRef<TakenCut> cuts, PieceValues &values)
      : cycle(cycle), cuts(cuts), values(values), machine(context) {
    uint64_t bytes = 0;
    for (size_t place = 0; place < cycle.period; ++place)
      if (const auto &executable = cuts[cycle.first + place].cut->piece.executable)
        bytes = std::max(bytes, executable->plan.arenaBytes);
    if (bytes > 0)
      arena = Allocator::process().allocate(bytes);
  }

  size_t run(size_t number);

private:
  const StorageRef &at(const Cycle::Input &input) const {
    return input.input.isValue ? values.values[input.input.index + (input.moves ? offset : 0)]
                               : values.inputs[input.input.index];
  }
  StorageRef outputFor(const TensorSignature &type);
  void provideOutputs(const Cycle::Step &step, const Plan &plan);
  void runPiece(const Cycle::Step &step, const Piece &piece);
  void giveUp(unsigned number);

  const Cycle &cycle;
  llvm::ArrayRef<TakenCut> cuts;
  PieceValues &values;
  StepContext context;
  HostMachine machine;
  StorageRef arena;
  /// By how much the numbers of values have moved.
  unsigned offset = 0;
  /// Blocks that nothing reads any more.
  llvm::SmallVector<StorageRef, 8> unused;
  llvm::SmallVector<StorageRef, 4> outputs;
  llvm::SmallVector<void *, 16> inputAddresses, outputAddresses;
};

} // namespace

StorageRef CycleRun::outputFor(const TensorSignature &type) {
  for (StorageRef &block : unused)
    if (block->bytes() == type.bytes()) {
      std::swap(block, unused.back());
      return unused.pop_back_val();
    }
  return Allocator::process().allocate(type);
}

void CycleRun::provideOutputs(const Cycle::Step &step, const Plan &plan) {
  outputs.clear();
  outputAddresses.clear();
  for (auto [donor, type] : llvm::zip_equal(step.donors, plan.outputs)) {
    StorageRef block;
    if (donor >= 0) {
      const Cycle::Input &input = step.inputs[size_t(donor)];
      StorageRef &given = values.values[input.input.index + (input.moves ? offset : 0)];
      if (given && given->uniquelyOwned() && !given->isForeign() &&
          given->bytes() == type.bytes()) {
        block = std::move(given);
        block->beginOverwrite();
      }
    }
    outputs.push_back(block ? std::move(block) : outputFor(type));
    outputAddresses.push_back(outputs.back()->data());
  }
}

void CycleRun::giveUp(unsigned number) {
  StorageRef block = std::move(values.values[number]);
  constexpr size_t most = 8;
  if (!block || !block->uniquelyOwned() || block->isForeign() || unused.size() == most)
    return;
  block->beginOverwrite();
  unused.push_back(std::move(block));
}

void CycleRun::runPiece(const Cycle::Step &step, const Piece &piece) {
  if (piece.executable) {
    const Plan &plan = piece.executable->plan;
    inputAddresses.clear();
    for (const Cycle::Input &input : step.inputs)
      inputAddresses.push_back(at(input)->data());
    provideOutputs(step, plan);
    machine.run(plan, inputAddresses.data(), outputAddresses.data(),
                arena ? arena->data() : nullptr);
  }
  for (unsigned value : piece.givenUp)
    giveUp(value + offset);
  if (piece.executable)
    for (StorageRef &output : outputs)
      values.values.push_back(std::move(output));
}

size_t CycleRun::run(size_t number) {
  InterpreterReleased released;
  SentByExecution sent;
  size_t place = (number - cycle.first) % cycle.period;
  offset = unsigned((number - cycle.first) / cycle.period) * cycle.shift;
  for (;; ++number) {
    const TakenCut &taken = cuts[cycle.first + place];
    const Cycle::Step &step = cycle.steps[place];
    runPiece(step, taken.cut->piece);
    if (number + 1 == cycle.end ||
        std::memcmp(at(step.wanted)->data(), taken.answer.data(), taken.answer.size()) != 0)
      return number;
    throwIfInterrupted();
    if (++place == cycle.period) {
      place = 0;
      offset += cycle.shift;
    }
  }
}

size_t weft::runCycle(const Cycle &cycle, llvm::ArrayRef<TakenCut> cuts, size_t place,
                      PieceValues &values) {
  return CycleRun(cycle, cuts, values).run(place);
}
