// Which instructions the emulator knows, by the names of intrinsics and the texts of assembly.
#pragma once

#include "codegen/Emulator/Operations.h"

#include "llvm/ADT/DenseMap.h"
#include "llvm/ADT/StringRef.h"
#include <optional>

namespace llvm {
class CallBase;
class Value;
} // namespace llvm

namespace weft::emulator {

/// What a name or a text means.
struct Meaning {
  Handler handler = nullptr;
  std::vector<int64_t> parameters;
};

/// The meaning of an intrinsic "llvm.nvvm.<name>"; nothing if it is not known.
std::optional<Meaning> meaningOfIntrinsic(llvm::StringRef name);

/// The special register of "llvm.nvvm.read.ptx.sreg.<name>"; nothing if it is not known.
std::optional<Register> registerByName(llvm::StringRef name);

/// The meaning of an assembly text whose first `outputs` operands are results; nothing if it is not
/// known. Blanks count as one.
std::optional<Meaning> meaningOfAssembly(llvm::StringRef text, unsigned outputs);

/// Meanings of calls, each looked up once.
class Meanings {
public:
  /// Of a call of an intrinsic for NVPTX or of assembly; nothing if it is not known.
  const std::optional<Meaning> &of(const llvm::CallBase &call);

private:
  llvm::DenseMap<const llvm::Value *, std::optional<Meaning>> known;
};

} // namespace weft::emulator
