// What one call of a compiled program does: a straight list of steps over buffers.
#pragma once

#include "lib/Runtime/Device.h"
#include "lib/Runtime/Recorder.h"
#include "lib/Runtime/Storage.h"
#include "lib/Runtime/TensorSignature.h"
#include "weft/abi.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace weft {

/// A buffer that a launch reads or writes.
struct BufferReference {
  enum class Kind : uint8_t { Input, Output, Constant, Prepared, Arena };

  Kind kind = Kind::Arena;
  /// Which input, output, constant or prepared value; 0 for the arena.
  uint32_t index = 0;
  /// Bytes from the buffer's start: where in the arena, where a part of an input begins; 0 for the
  /// other kinds.
  uint64_t offset = 0;
};

/// Where an output's memory comes from.
struct OutputSource {
  enum class Kind : uint8_t {
    /// A block of its own, which steps write.
    Fresh,
    /// The same storage as an input, which no launch writes; a copy of it if it is foreign.
    Input,
    /// Launches write it into the storage of an input that the caller donated, or into a block of
    /// its own when the input was not donated. The planner guarantees that both give the same: the
    /// first launch that writes the output reads an element of the input no later than it writes
    /// the same element, and no later launch reads the input.
    DonatedInput,
    /// The same storage as an earlier output.
    Output,
  };

  Kind kind = Kind::Fresh;
  /// Which input or output; 0 for Fresh.
  uint32_t index = 0;
};

/// One stage of a kernel on given buffers.
struct Launch {
  weft_stage function = nullptr;
  /// In the kernel's order.
  std::vector<BufferReference> buffers;
  /// The kernel's symbolic sizes.
  std::vector<int64_t> sizes;
  int64_t tasks = 0;
  /// At least 1; 1 runs on the calling thread.
  int32_t maximumThreads = 1;
  /// The kernel, for records and messages; null if nobody knows it.
  std::shared_ptr<const EventSource> source = {};
  /// How many of the buffers, the first ones, are only read.
  size_t inputs = 0;
  /// Instead of `function` where the plan is for a device.
  const DeviceFunction *deviceFunction = nullptr;
  /// Copies this buffer to the first one that it writes: nothing to do if they are the same memory.
  std::optional<uint32_t> copied = {};
  /// Does the same as the launch before it, which has tensor maps, without them.
  bool isAlternative = false;
  /// How many tasks a thread takes at a time: some microseconds of work.
  int64_t chunk = 1;

  std::string name() const { return source ? source->name : std::string(); }
};

class PreparedProgram;

/// Values that depend on some inputs and on constants alone: computed when these inputs' storages
/// are seen together for the first time, and kept with them (PreparedValues).
struct Prepare {
  std::shared_ptr<const PreparedProgram> program;
  /// The program's inputs: the plan's, constants, or values prepared before.
  std::vector<BufferReference> inputs;
  /// The number of the first of its results among the plan's prepared values.
  uint32_t firstValue = 0;
};

/// Fills a buffer with what is in another one: an output that no launch writes.
struct Copy {
  BufferReference from;
  BufferReference to;
  uint64_t bytes = 0;
};

/// One thing that several processes compute together, on the memory of the plan's device; a plan
/// for this processor launches a kernel for it. `function` is one of collectiveFunctions(), which
/// is called with `numbers`.
struct Collective {
  std::string function;
  std::vector<int64_t> numbers;
  /// What is read and written; the function has null for a result that nobody reads.
  BufferReference read, token;
  std::optional<BufferReference> result = {}, next = {};
  uint64_t readBytes = 0, resultBytes = 0;
  std::shared_ptr<const EventSource> source = {};
};

struct Plan;

/// A value that a loop carries from one iteration to the next.
struct Carry {
  enum class Kind : uint8_t {
    /// The body returns it as it is.
    Kept,
    /// The body can write the next value over the last one.
    InPlace,
    /// The body reads one buffer and writes the other; they change places.
    Exchanged,
  };

  Kind kind = Kind::Kept;
  uint64_t bytes = 0;
  /// The first value, which stays, and where the last one goes.
  BufferReference first, last;
  /// The second buffer of one that is exchanged.
  BufferReference spare;
};

/// A tensor of which each iteration reads or writes one part, `bytes` long.
struct Slices {
  BufferReference buffer;
  uint64_t bytes = 0;
  /// Where the part is copied to, or from, if the plan is for a device whose kernels would not find
  /// it at an address that suits them.
  std::optional<BufferReference> aligned = {};
};

/// Runs a plan again and again: as often as `count` says, or while `condition` gives true. The
/// inputs of the body are the carried values, one slice of each that is `scanned`, and what is
/// `captured`; its outputs are the next carried values, and slices of `stacked`. The condition has
/// the carried values and `captured`. The plans are for their caller's memory: each output has a
/// place that they write.
struct Loop {
  std::shared_ptr<const Plan> body, condition;
  int64_t count = 0;
  bool reverse = false;
  std::vector<Carry> carries;
  std::vector<Slices> scanned, stacked;
  std::vector<BufferReference> captured;
  /// A byte that the condition writes.
  BufferReference proceeds;
  /// Addresses of inputs and outputs, of a plan for this processor; and an arena for the plans.
  BufferReference addresses, arena;
};

/// Runs one of several plans, for their caller's memory, on the same inputs and outputs.
struct Branch {
  std::vector<std::shared_ptr<const Plan>> branches;
  /// An int64, clamped to the number of a branch.
  BufferReference index;
  std::vector<BufferReference> inputs, outputs;
  BufferReference addresses, arena;
};

/// The plan is not defined for these sizes: running it ends with the error.
struct Refusal {
  std::string error;
};

/// The steps that there are; whoever walks a plan knows them all.
using Step = std::variant<Launch, Prepare, Copy, Loop, Branch, Collective, Refusal>;

/// True if `launch` would copy memory to itself.
bool copiesToItself(const Launch &launch, LaunchPointers pointers);

/// True if `launch`, of a plan for a device, is to run on buffers at `pointers`: if it has tasks,
/// if it does not copy memory to itself, if the addresses suit its tensor maps, and, as an
/// alternative, if the launch before it did not.
bool runsOnDevice(const Launch &launch, LaunchPointers pointers, bool ranBefore);

/// The steps run one after the other: each sees all that the ones before it wrote. The code of the
/// stages is kept alive by whoever holds the plan.
struct Plan {
  std::vector<TensorSignature> inputs;
  std::vector<TensorSignature> outputs;
  /// One for each output.
  std::vector<OutputSource> outputSources;
  std::vector<StorageRef> constants;
  /// Scratch memory of one execution; launches find theirs by offset, aligned to 64 bytes.
  uint64_t arenaBytes = 0;
  std::vector<Step> steps;
  /// How many values the prepare steps have in all.
  uint32_t preparedValues = 0;
  /// Where the launches run and all the memory is; null for this processor.
  Device *device = nullptr;

  /// The launches among the steps and in the plans of loops and branches, in their order.
  std::vector<const Launch *> launches() const;
};

} // namespace weft
