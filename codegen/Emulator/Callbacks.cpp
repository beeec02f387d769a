// The functions that rewritten code calls, each for the thread that is running. No exception
// leaves them: compiled code has no tables to unwind it.
#include "codegen/Emulator/Callbacks.h"
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Matrices.h"
#include "codegen/Emulator/Rewrite.h"

#include <bit>
#include <cmath>

namespace weft::emulator {

static void checkAccess(const char *address, uint32_t site, bool writes) {
  Block::guard([&](Thread &thread) {
    const Operation &operation = thread.block.operationAt(site);
    thread.block.maybeYield(thread);
    thread.block.access(thread, address, operation.bytes,
                        {.operation = operation, .write = writes, .atomic = operation.atomic});
  });
}

static void readCallback(const char *address, uint32_t site) { checkAccess(address, site, false); }
static void writeCallback(const char *address, uint32_t site) { checkAccess(address, site, true); }

static void rangeCallback(const char *address, uint64_t bytes, uint32_t site, bool writes) {
  Block::guard([&](Thread &thread) {
    const Operation &operation = thread.block.operationAt(site);
    thread.block.access(thread, address, bytes, {.operation = operation, .write = writes});
  });
}

static void performCallback(uint32_t site, const uint64_t *arguments, uint64_t *results) {
  Block::guard([&](Thread &thread) {
    const Operation &operation = thread.block.operationAt(site);
    operation.handler(thread, operation, arguments, results);
  });
}

static uint32_t registerCallback(uint32_t which) {
  return Block::current->readRegister(static_cast<Register>(which));
}

static char *sharedCallback() { return Block::current->block.shared.window; }

static void stepCallback() {
  Block::guard([](Thread &thread) { thread.block.countStep(); });
}

// What LLVM calls to round to bfloat16, which not every runtime library has.

static __bf16 roundFloat(float value) {
  return std::bit_cast<__bf16>(encodeHalf(value, MatrixType::BFloat16));
}

/// Rounded to odd first, so that rounding again is as if once.
static __bf16 roundDouble(double value) {
  auto single = static_cast<float>(value);
  auto bits = std::bit_cast<uint32_t>(single);
  if (std::fabs(static_cast<double>(single)) > std::fabs(value))
    --bits;
  if (static_cast<double>(single) != value && !std::isnan(value))
    bits |= 1;
  return roundFloat(std::bit_cast<float>(bits));
}

std::vector<std::pair<llvm::StringRef, void *>> callbacks() {
  return {{callback::read, reinterpret_cast<void *>(readCallback)},
          {callback::write, reinterpret_cast<void *>(writeCallback)},
          {callback::range, reinterpret_cast<void *>(rangeCallback)},
          {callback::perform, reinterpret_cast<void *>(performCallback)},
          {callback::registers, reinterpret_cast<void *>(registerCallback)},
          {callback::shared, reinterpret_cast<void *>(sharedCallback)},
          {callback::step, reinterpret_cast<void *>(stepCallback)},
          {"__truncsfbf2", reinterpret_cast<void *>(roundFloat)},
          {"__truncdfbf2", reinterpret_cast<void *>(roundDouble)}};
}

} // namespace weft::emulator
