// Stages of a kernel that need not run in each call.
#include "lib/Compiler/StagePreparation.h"
#include "lib/Runtime/PreparedValues.h"
#include "llvm/ADT/STLExtras.h"

namespace weft {

StagePreparation::StagePreparation(llvm::ArrayRef<Launch> stages, size_t given,
                                   llvm::ArrayRef<int64_t> setup,
                                   llvm::ArrayRef<BufferReference> buffers)
    : stages(stages), given(given), setup(setup), buffers(buffers) {}

bool StagePreparation::add(size_t stage, llvm::function_ref<bool(size_t input)> isKept) {
  if (stages[stage].tasks <= 0)
    return false;
  int64_t bits = setup[stages.size() + (buffers.size() - given) + stage];
  std::set<size_t> inputs, temporaries, outputs;
  for (size_t number = 0; number < buffers.size(); ++number)
    if (bits >> number & 1)
      (number < inputCount() ? inputs : number < given ? outputs : temporaries).insert(number);
  bool isTaken =
      outputs.empty() && !temporaries.empty() && llvm::all_of(inputs, isKept) &&
      llvm::none_of(temporaries, [&](size_t number) { return usedByOthers.count(number) > 0; });
  if (!isTaken) {
    usedByOthers.insert(temporaries.begin(), temporaries.end());
    return false;
  }
  taken.push_back(stage);
  read.insert(inputs.begin(), inputs.end());
  written.insert(temporaries.begin(), temporaries.end());
  return true;
}

Plan StagePreparation::planOf(llvm::ArrayRef<TensorSignature> inputs) const {
  using Kind = BufferReference::Kind;
  Plan plan;
  // What the stages do not touch has no memory.
  std::vector<BufferReference> places(buffers.size());
  for (size_t number : read) {
    places[number] = {Kind::Input, static_cast<uint32_t>(plan.inputs.size()), 0};
    plan.inputs.push_back(inputs[number]);
  }
  for (size_t number : written) {
    places[number] = {Kind::Output, static_cast<uint32_t>(plan.outputs.size()), 0};
    plan.outputs.push_back({DType::UInt8, {setup[stages.size() + number - given]}});
    plan.outputSources.emplace_back();
  }
  for (size_t stage : taken) {
    Launch launch = stages[stage];
    launch.buffers = places;
    // So that programs for other sizes of the other operands are the same.
    int64_t used = setup[2 * stages.size() + (buffers.size() - given) + stage];
    for (size_t size = 0; size < launch.sizes.size(); ++size)
      if (size < 63 && !(used >> size & 1))
        launch.sizes[size] = 0;
    plan.steps.push_back(std::move(launch));
  }
  return plan;
}

std::optional<StagePreparation::Stages>
StagePreparation::stagesOf(llvm::ArrayRef<TensorSignature> inputs) const {
  if (taken.empty())
    return std::nullopt;
  return Stages{planOf(inputs), {read.begin(), read.end()}, {written.begin(), written.end()}};
}

std::vector<BufferReference> StagePreparation::addTo(Plan &plan,
                                                     std::shared_ptr<const PreparedProgram> program,
                                                     std::vector<BufferReference> inputs,
                                                     Known &known) {
  std::vector<uint64_t> key{program->number};
  for (const BufferReference &input : inputs)
    key.insert(key.end(), {static_cast<uint64_t>(input.kind), input.index});
  std::vector<BufferReference> &values = known[key];
  if (values.empty()) {
    Prepare step{std::move(program), std::move(inputs), plan.preparedValues};
    for (size_t value = 0; value < step.program->plan.outputs.size(); ++value)
      values.push_back({BufferReference::Kind::Prepared, plan.preparedValues++, 0});
    plan.steps.emplace_back(std::move(step));
  }
  return values;
}

void StagePreparation::addTo(Plan &plan, llvm::ArrayRef<TensorSignature> inputs,
                             std::vector<BufferReference> &places, Known &known) const {
  std::optional<Stages> stages = stagesOf(inputs);
  if (!stages)
    return;
  std::vector<BufferReference> given;
  given.reserve(read.size());
  for (size_t number : read)
    given.push_back(buffers[number]);
  std::vector<BufferReference> values =
      addTo(plan, PreparedProgram::of(std::move(stages->plan)), std::move(given), known);
  for (auto [number, value] : llvm::zip_equal(written, values))
    places[number] = value;
}

} // namespace weft
