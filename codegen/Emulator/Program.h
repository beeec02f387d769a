// A kernel module after rewriting: what the host code calls back for, and its entries.
#pragma once

#include "codegen/Emulator/Fault.h"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace weft::emulator {

class Thread;
struct Operation;

/// Does an operation for the calling thread. Arguments and results are in slots of eight bytes, in
/// the order of the instruction's operands and results; small ones in the low bytes. Throws
/// `Raised`.
using Handler = void (*)(Thread &thread, const Operation &operation, const uint64_t *arguments,
                         uint64_t *results);

enum class MemorySpace : uint8_t { Generic, Global, Shared };

/// An instruction that the emulator does, or watches.
struct Operation {
  /// Null for loads, stores and atomics, which the host does itself once they are checked.
  Handler handler = nullptr;
  /// "load", "llvm.nvvm.shfl.sync.bfly.i32", "mma.sync ...".
  std::string name;
  /// What the spelling says: sizes, counts, variants.
  std::vector<int64_t> parameters;
  Location location;
  // Of an access:
  uint32_t bytes = 0;
  uint32_t alignment = 1;
  MemorySpace space = MemorySpace::Generic;
  bool atomic = false;
  /// Reads what it writes.
  bool updates = false;
};

/// A parameter of an entry.
struct KernelParameter {
  enum class Kind : uint8_t { Pointer, Scalar, TensorMap } kind = Kind::Scalar;
  uint32_t bytes = 8;
};

/// A kernel that can be launched.
struct KernelEntry {
  std::string name;
  /// Threads of a block in each dimension; 0 if the module does not say.
  std::array<uint32_t, 3> threads = {0, 0, 0};
  std::vector<KernelParameter> parameters;
  /// Runs one thread; takes a pointer to each parameter's value.
  void (*run)(const void *const *values) = nullptr;
};

/// A variable in shared memory; dynamic shared memory is one that begins where the others end.
struct SharedVariable {
  std::string name;
  uint32_t offset = 0;
  uint32_t bytes = 0;
};

/// All of a module.
struct Program {
  /// By the number that the code calls back with.
  std::vector<Operation> operations;
  std::vector<KernelEntry> entries;
  std::vector<SharedVariable> sharedVariables;
  /// Where dynamic shared memory begins.
  uint32_t dynamicOffset = 0;
};

/// Names of special registers, as the rewritten code asks for them.
enum class Register : uint32_t {
  ThreadX,
  ThreadY,
  ThreadZ,
  BlockX,
  BlockY,
  BlockZ,
  ThreadsX,
  ThreadsY,
  ThreadsZ,
  BlocksX,
  BlocksY,
  BlocksZ,
  Lane,
  Warp,
  Warps,
  WarpSize,
  LanesEqual,
  LanesLess,
  LanesLessOrEqual,
  LanesGreater,
  LanesGreaterOrEqual,
  /// 0 and 1: a cluster is one block.
  Zero,
  One,
  DynamicSharedBytes,
};

} // namespace weft::emulator
