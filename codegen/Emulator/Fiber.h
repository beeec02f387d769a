// Stacks for the emulator's threads, and the switch between them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace weft::emulator {

/// Stacks of equal size, each with an unmapped page below it: running out of a stack is a
/// segmentation fault, not damage. Kept for the next block and the next launch.
class StackPool {
public:
  static constexpr size_t stackBytes = size_t{128} << 10;

  StackPool() = default;
  StackPool(const StackPool &) = delete;
  StackPool &operator=(const StackPool &) = delete;
  ~StackPool();

  /// The upper end of stack `index`. Throws weft::Error if there is no memory for it.
  char *top(size_t index);

private:
  std::vector<char *> regions;
};

/// A stack pointer at which `entry` starts when it is switched to; `entry` must not return.
void *prepareStack(char *top, void (*entry)());

extern "C" {
/// Saves this context in `*save` and continues `resume`, a saved or prepared context.
void weft_emulator_switch(void **save, void *resume);
}

} // namespace weft::emulator
