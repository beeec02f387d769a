// Stacks for the emulator's threads, and the switch between them.
#include "codegen/Emulator/Fiber.h"
#include "lib/Support/Error.h"

#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

// The registers that a call preserves go on the stack; the stack pointers change places.
#if defined(__x86_64__)
asm(R"(
  .text
  .globl weft_emulator_switch
  .hidden weft_emulator_switch
  .type weft_emulator_switch, @function
weft_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .size weft_emulator_switch, .-weft_emulator_switch
)");
static constexpr size_t savedRegisters = 6;
#elif defined(__aarch64__)
asm(R"(
  .text
  .globl weft_emulator_switch
  .hidden weft_emulator_switch
  .type weft_emulator_switch, %function
weft_emulator_switch:
  stp x29, x30, [sp, #-160]!
  stp x19, x20, [sp, #16]
  stp x21, x22, [sp, #32]
  stp x23, x24, [sp, #48]
  stp x25, x26, [sp, #64]
  stp x27, x28, [sp, #80]
  stp d8, d9, [sp, #96]
  stp d10, d11, [sp, #112]
  stp d12, d13, [sp, #128]
  stp d14, d15, [sp, #144]
  mov x9, sp
  str x9, [x0]
  mov sp, x1
  ldp x19, x20, [sp, #16]
  ldp x21, x22, [sp, #32]
  ldp x23, x24, [sp, #48]
  ldp x25, x26, [sp, #64]
  ldp x27, x28, [sp, #80]
  ldp d8, d9, [sp, #96]
  ldp d10, d11, [sp, #112]
  ldp d12, d13, [sp, #128]
  ldp d14, d15, [sp, #144]
  ldp x29, x30, [sp], #160
  ret
  .size weft_emulator_switch, .-weft_emulator_switch
)");
#else
#error "the GPU emulator has no switch between stacks for this processor"
#endif

namespace weft::emulator {

StackPool::~StackPool() {
  const size_t guard = sysconf(_SC_PAGESIZE);
  for (char *region : regions)
    munmap(region, guard + stackBytes);
}

char *StackPool::top(size_t index) {
  const size_t guard = sysconf(_SC_PAGESIZE);
  while (regions.size() <= index) {
    void *region = mmap(nullptr, guard + stackBytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (region == MAP_FAILED)
      throw Error(Error::Kind::Memory, "no memory for the stacks of the emulator's threads");
    mprotect(region, guard, PROT_NONE);
    regions.push_back(static_cast<char *>(region));
  }
  return regions[index] + guard + stackBytes;
}

#if defined(__x86_64__)
void *prepareStack(char *top, void (*entry)()) {
  // From above: a return address that ends backtraces, where to start, the saved registers.
  auto *slots = reinterpret_cast<void **>(top) - (savedRegisters + 2);
  memset(static_cast<void *>(slots), 0, (savedRegisters + 2) * sizeof(void *));
  slots[savedRegisters] = reinterpret_cast<void *>(entry);
  return static_cast<void *>(slots);
}
#else
void *prepareStack(char *top, void (*entry)()) {
  char *frame = top - 160;
  memset(frame, 0, 160);
  reinterpret_cast<void **>(frame)[1] = reinterpret_cast<void *>(entry);
  return frame;
}
#endif

} // namespace weft::emulator
