// Who reads the accumulators of a wgmma before its wait.
#include "codegen/Emulator/Accumulators.h"
#include "codegen/Emulator/Spellings.h"

#include "llvm/ADT/SetVector.h"
#include "llvm/IR/Instructions.h"

using namespace llvm;

namespace weft::emulator {

/// A wgmma, or the wait that hands accumulators back.
static bool takesAccumulators(const CallBase &call, Meanings &meanings) {
  if (!call.isInlineAsm())
    return false;
  const std::optional<Meaning> &meaning = meanings.of(call);
  return meaning && (meaning->handler == multiplyWarpgroup || meaning->handler == waitWarpgroup);
}

std::optional<Fault>
earlyReadOfAccumulators(const CallBase &call, Meanings &meanings,
                        function_ref<Location(const Instruction &)> locationOf) {
  SetVector<const Value *> values;
  values.insert(&call);
  for (size_t index = 0; index < values.size(); ++index)
    for (const User *user : values[index]->users()) {
      if (isa<ExtractValueInst, InsertValueInst, PHINode, SelectInst, FreezeInst>(user)) {
        values.insert(user);
        continue;
      }
      const auto &instruction = *cast<Instruction>(user);
      if (auto *other = dyn_cast<CallBase>(user); other && takesAccumulators(*other, meanings))
        continue;
      Fault fault;
      fault.kind = FaultKind::AccumulatorHazard;
      fault.message = "reads accumulators of a wgmma that no wait has handed back; thread them "
                      "through wgmma.wait_group";
      fault.kernel = call.getFunction()->getName().str();
      fault.location = locationOf(instruction);
      fault.other = locationOf(call);
      return fault;
    }
  return std::nullopt;
}

} // namespace weft::emulator
