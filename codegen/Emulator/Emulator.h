// Runs the kernels of a GPU module on the processor, to find what a device would not show.
//
// The module is the final LLVM IR that PTX is printed from. Each GPU thread is a fiber with a stack
// of its own; a seeded scheduler decides who runs, and when asynchronous copies land. Memory that a
// kernel uses is watched: bounds, initialisation, races, copies in flight, misuse of barriers.
#pragma once

#include "codegen/Emulator/Fault.h"
#include "codegen/Emulator/Memory.h"
#include "codegen/Emulator/TensorMap.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"
#include <array>
#include <memory>
#include <variant>

namespace llvm {
class LLVMContext;
class Module;
} // namespace llvm

namespace weft::emulator {

struct Program;

/// A buffer as a launch sees it.
struct BufferArgument {
  DeviceBuffer *buffer = nullptr;
  /// The launch only reads it.
  bool readOnly = false;
  std::string name = "";
  /// Bytes from the buffer's start.
  uint64_t offset = 0;
};

/// The value of one kernel parameter: a buffer's address, the bits of a number, a tensor map.
using KernelArgument = std::variant<BufferArgument, uint64_t, TensorMap>;

/// One launch of one kernel.
struct LaunchRequest {
  std::string kernel;
  std::vector<KernelArgument> arguments = {};
  /// Buffers that are reached by tensor maps.
  std::vector<BufferArgument> buffers = {};
  /// Blocks in each dimension.
  std::array<uint32_t, 3> grid = {1, 1, 1};
  /// Threads of a block in each dimension; zeros: what the kernel says.
  std::array<uint32_t, 3> threads = {0, 0, 0};
  uint32_t dynamicSharedBytes = 0;
  /// The schedule. 0: threads in order, copies as late as possible; others: random.
  uint64_t seed = 0;
  /// Backward branches, over all threads, after which the launch is given up.
  uint64_t mostSteps = uint64_t{1} << 32;
};

/// A module made ready to run. Launches of one emulator are made from one thread at a time.
class Emulator {
public:
  /// Takes a module of NVVM-level LLVM IR. Throws EmulationError if it has an intrinsic or an
  /// assembly text that is not known, or reads accumulators that are still being computed.
  Emulator(std::unique_ptr<llvm::LLVMContext> context, std::unique_ptr<llvm::Module> module);
  ~Emulator();

  /// Runs a kernel; the first fault, if there is one. What the buffers hold then is undefined.
  /// Throws weft::Error if the request does not fit the kernel.
  std::optional<Fault> launch(const LaunchRequest &request);

  const Program &program() const;

private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation;
};

} // namespace weft::emulator
