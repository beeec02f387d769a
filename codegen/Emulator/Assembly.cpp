// The assembly texts that the emulator knows: those that our templates and MLIR's NVVM dialect
// write. In a text, "$0", "$1", ... are results first, then arguments.
#include "codegen/Emulator/Spellings.h"

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/IR/InlineAsm.h"
#include "llvm/IR/Instructions.h"
#include "llvm/Support/Regex.h"

namespace weft::emulator {

/// Every run of blanks as one, none at the ends.
static std::string withoutLayout(llvm::StringRef text) {
  std::string result;
  for (char character : text)
    if (!llvm::isSpace(character))
      result += character;
    else if (!result.empty() && result.back() != ' ')
      result += ' ';
  return llvm::StringRef(result).rtrim().str();
}

static MatrixType matrixType(llvm::StringRef name) {
  return name == "bf16" ? MatrixType::BFloat16 : MatrixType::Float16;
}

/// The number of the first argument in "$7" or "{$7, $8, ...}".
static std::optional<int64_t> argumentNumber(llvm::StringRef operand, unsigned outputs) {
  unsigned number;
  operand.consume_front("{");
  if (!operand.consume_front("$") || operand.consumeInteger(10, number) || number < outputs)
    return std::nullopt;
  return number - outputs;
}

/// An option that is a number in the text or an argument: two parameters of `multiplyWarpgroup`.
static bool addOption(std::vector<int64_t> &parameters, llvm::StringRef operand, unsigned outputs) {
  int64_t number;
  if (!operand.getAsInteger(10, number)) {
    parameters.insert(parameters.end(), {0, number});
    return true;
  }
  std::optional<int64_t> argument = argumentNumber(operand, outputs);
  parameters.insert(parameters.end(), {1, argument.value_or(0)});
  return argument.has_value();
}

/// "{...}, $5, p" as its operands; a list in braces is one.
static llvm::SmallVector<llvm::StringRef> operandsOf(llvm::StringRef text) {
  llvm::SmallVector<llvm::StringRef> operands;
  size_t begin = 0, depth = 0;
  for (size_t position = 0; position <= text.size(); ++position) {
    const char character = position < text.size() ? text[position] : ',';
    depth += character == '{' ? 1 : 0;
    depth -= character == '}' ? 1 : 0;
    if (character != ',' || depth != 0)
      continue;
    operands.push_back(text.slice(begin, position).trim());
    begin = position + 1;
  }
  return operands;
}

/// wgmma.mma_async D, A, B, scale of D, scale of A, of B, transposition of A (if it is in shared
/// memory), of B; the scale of D is a predicate that the text sets from a number or an argument.
static std::optional<Meaning> meaningOfMultiply(llvm::StringRef text, unsigned outputs) {
  static constexpr const char *pattern =
      "^\\{ ?\\.reg \\.pred p; ?setp\\.ne\\.b32 p, ([$0-9]+), 0; ?"
      "wgmma\\.mma_async\\.sync\\.aligned\\.m64n([0-9]+)k16\\.f32\\.(bf16|f16)\\.(bf16|f16) "
      "([^;]*); ?\\}$";
  llvm::SmallVector<llvm::StringRef> groups;
  if (!llvm::Regex(pattern).match(text, &groups) || groups[3] != groups[4])
    return std::nullopt;
  llvm::SmallVector<llvm::StringRef> operands = operandsOf(groups[5]);
  if (operands.size() < 7)
    return std::nullopt;
  const bool registersOfA = operands[1].starts_with("{");
  std::optional<int64_t> a = argumentNumber(operands[1], outputs);
  std::optional<int64_t> b = argumentNumber(operands[2], outputs);
  int64_t columns;
  if (!a || !b || groups[2].getAsInteger(10, columns) || columns % 8 != 0 || columns > 256 ||
      operands.size() != (registersOfA ? 7u : 8u))
    return std::nullopt;
  Meaning meaning;
  meaning.handler = multiplyWarpgroup;
  meaning.parameters = {static_cast<int64_t>(matrixType(groups[3])), columns, registersOfA, *a, *b};
  llvm::SmallVector<llvm::StringRef> options = {groups[1], operands[4], operands[5]};
  options.push_back(registersOfA ? "0" : operands[6]);
  options.push_back(operands.back());
  for (llvm::StringRef option : options)
    if (!addOption(meaning.parameters, option, outputs))
      return std::nullopt;
  return meaning;
}

static std::optional<Meaning> meaningOfWait(llvm::StringRef text, unsigned outputs) {
  llvm::SmallVector<llvm::StringRef> groups;
  int64_t most;
  if (!llvm::Regex("^wgmma\\.wait_group\\.sync\\.aligned ([0-9]+);$").match(text, &groups) ||
      groups[1].getAsInteger(10, most))
    return std::nullopt;
  return Meaning{waitWarpgroup, {most, outputs}};
}

/// mma.sync with a list of registers for each operand.
static std::optional<Meaning> meaningOfMatrixMultiply(llvm::StringRef text) {
  static constexpr const char *pattern =
      "^mma\\.sync\\.aligned\\.m16n8k16\\.row\\.col\\.f32\\.(bf16|f16)\\.(bf16|f16)\\.f32 "
      "\\{\\$0, ?\\$1, ?\\$2, ?\\$3\\}, ?\\{\\$4, ?\\$5, ?\\$6, ?\\$7\\}, ?\\{\\$8, ?\\$9\\}, ?"
      "\\{\\$10, ?\\$11, ?\\$12, ?\\$13\\};$";
  llvm::SmallVector<llvm::StringRef> groups;
  if (!llvm::Regex(pattern).match(text, &groups) || groups[1] != groups[2])
    return std::nullopt;
  return Meaning{multiplyMatrices, {static_cast<int64_t>(matrixType(groups[1])), 16}};
}

std::optional<Meaning> meaningOfAssembly(llvm::StringRef layout, unsigned outputs) {
  const std::string text = withoutLayout(layout);
  if (auto meaning = meaningOfMultiply(text, outputs))
    return meaning;
  if (auto meaning = meaningOfWait(text, outputs))
    return meaning;
  if (auto meaning = meaningOfMatrixMultiply(text))
    return meaning;
  // nvvm.mbarrier.try_wait.parity: with its loop.
  static constexpr const char *waitLoop =
      "^\\{ ?\\.reg \\.pred P1; LAB_WAIT: mbarrier\\.try_wait\\.parity(\\.shared)?\\.b64 P1, "
      "\\[\\$0\\], \\$1, \\$2; @P1 bra\\.uni DONE; bra\\.uni LAB_WAIT; DONE: \\}$";
  if (llvm::Regex(waitLoop).match(text))
    return Meaning{waitAtMbarrier, {static_cast<int64_t>(WaitForm::Loop), 1}};
  return std::nullopt;
}

static std::optional<Meaning> lookUp(const llvm::CallBase &call) {
  if (const auto *assembly = llvm::dyn_cast<llvm::InlineAsm>(call.getCalledOperand())) {
    const auto *fields = llvm::dyn_cast<llvm::StructType>(call.getType());
    const unsigned outputs = fields ? fields->getNumElements() : !call.getType()->isVoidTy();
    return meaningOfAssembly(assembly->getAsmString(), outputs);
  }
  llvm::StringRef name = call.getCalledFunction()->getName();
  name.consume_front("llvm.nvvm.");
  return meaningOfIntrinsic(name);
}

const std::optional<Meaning> &Meanings::of(const llvm::CallBase &call) {
  auto [place, isNew] = known.try_emplace(call.getCalledOperand());
  if (isNew)
    place->second = lookUp(call);
  return place->second;
}

} // namespace weft::emulator
