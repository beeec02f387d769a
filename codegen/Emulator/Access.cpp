// Checking the accesses of a block's threads.
#include "codegen/Emulator/Block.h"

namespace weft::emulator {

static std::string verb(const AccessRequest &request) {
  if (request.atomic)
    return "an atomic operation on ";
  return request.write ? "a write of " : "a read of ";
}

static std::string bytesText(uint64_t bytes) {
  return std::to_string(bytes) + (bytes == 1 ? " byte" : " bytes");
}

bool Block::isShared(const char *address) const {
  return address >= launch.sharedWindow && address < launch.sharedWindow + sharedWindowBytes;
}

char *Block::sharedAddress(uint64_t address) const {
  return launch.sharedWindow + (address & (sharedWindowBytes - 1));
}

std::string Block::describeShared(uint64_t offset) const {
  const SharedVariable *nearest = nullptr;
  for (const SharedVariable &variable : launch.program.sharedVariables)
    if (variable.offset <= offset)
      nearest = &variable;
  if (launch.dynamicSharedBytes > 0 && offset >= launch.program.dynamicOffset)
    return "dynamic shared memory at byte " +
           std::to_string(offset - launch.program.dynamicOffset) + " of " +
           std::to_string(launch.dynamicSharedBytes);
  if (!nearest)
    return "shared memory at " + std::to_string(offset);
  return "shared memory at byte " + std::to_string(offset - nearest->offset) + " of " +
         nearest->name + ", which has " + std::to_string(nearest->bytes);
}

void Block::access(Thread &thread, const char *address, uint64_t bytes,
                   const AccessRequest &request) {
  const Operation &operation = request.operation;
  if (reinterpret_cast<uintptr_t>(address) % operation.alignment != 0)
    fail(FaultKind::Misaligned, operation,
         verb(request) + bytesText(bytes) + " at an address that is not a multiple of " +
             std::to_string(operation.alignment),
         &thread);
  if (bytes == 0)
    return;
  if (operation.space != MemorySpace::Global && isShared(address))
    accessShared(thread, address - shared.window, bytes, request);
  else if (operation.space == MemorySpace::Shared)
    fail(FaultKind::OutOfBounds, operation,
         verb(request) + bytesText(bytes) + " through a pointer that is not to shared memory",
         &thread);
  else
    accessGlobal(thread, address, bytes, request);
}

void Block::failRace(FaultKind kind, Thread &thread, const AccessRequest &request,
                     const Conflict &conflict, const std::string &where) {
  const Operation &other = operationAt(conflict.earlier.site);
  std::string by;
  if (conflict.earlier.block != number)
    by = "a thread of block " + std::to_string(conflict.earlier.block);
  else if (conflict.earlier.actor < threadCount())
    by = "thread " + std::to_string(conflict.earlier.actor);
  else if (conflict.earlier.actor < threadCount() + Mbarriers::most)
    by = "a copy whose mbarrier this thread has not waited for";
  else
    by = "a wgmma of warp " +
         std::to_string(conflict.earlier.actor - threadCount() - Mbarriers::most);
  fail(kind, request.operation,
       verb(request) + where + " and " + (conflict.wrote ? "the write" : "the read") +
           " of the same bytes by " + by + " are not ordered by any barrier",
       &thread, &other);
}

/// What does not depend on who accessed before: bounds, copies in flight, initialisation.
void Block::checkShared(Thread &thread, uint64_t offset, uint64_t bytes,
                        const AccessRequest &request) {
  const Operation &operation = request.operation;
  if (offset + bytes > shared.bytes)
    fail(FaultKind::OutOfBounds, operation,
         verb(request) + bytesText(bytes) + " beyond " + describeShared(offset), &thread);
  for (uint64_t word = offset / 4; word * 4 < offset + bytes; ++word) {
    const uint32_t state = shared.states[word];
    if (state == SharedMemory::unused)
      fail(FaultKind::OutOfBounds, operation,
           verb(request) + bytesText(bytes) + " beyond " + describeShared(offset), &thread);
    if (state == SharedMemory::mbarrier)
      fail(FaultKind::MbarrierMisuse, operation,
           verb(request) + bytesText(bytes) + " in an mbarrier, in " + describeShared(offset),
           &thread, mbarriers.at(static_cast<uint32_t>(word * 4 & ~7))->initialized);
    if (state >= SharedMemory::firstCopy)
      fail(FaultKind::CopyInFlight, operation,
           verb(request) + bytesText(bytes) + " in " + describeShared(offset) +
               ", which a copy is still writing",
           &thread, copies.find(state)->operation);
    if (request.write && shared.readers[word] != 0)
      fail(FaultKind::SourceInUse, operation,
           verb(request) + bytesText(bytes) + " in " + describeShared(offset) +
               ", which an asynchronous operation is still reading",
           &thread);
  }
  if ((!request.write || request.operation.updates) && !shared.shadow.initialized(offset, bytes))
    fail(FaultKind::UninitializedRead, operation,
         verb(request) + bytesText(bytes) + " in " + describeShared(offset) +
             ", where nothing has been written",
         &thread);
}

/// The asynchronous proxy sees what the generic one wrote only across a fence: of the writer
/// after its write, or of the reader after it has learnt of the write.
void Block::requireProxyFence(Thread &thread, uint64_t offset, uint64_t bytes,
                              const Operation &operation) {
  shared.shadow.forEachWriter(offset, bytes, [&](const Access &write) {
    if (write.actor >= threadCount())
      return;
    const bool fencedByWriter = threads[write.actor].fenced.at(write.actor) >= write.time;
    if (!fencedByWriter && thread.fenced.at(write.actor) < write.time)
      fail(FaultKind::MissingProxyFence, operation,
           "the asynchronous proxy reads " + describeShared(offset) + ", which thread " +
               std::to_string(write.actor) + " has written without fence.proxy.async after it",
           &thread, &operationAt(write.site));
  });
}

void Block::accessShared(Thread &thread, uint64_t offset, uint64_t bytes,
                         const AccessRequest &request) {
  checkShared(thread, offset, bytes, request);
  Observer observer = {request.clock ? *request.clock : thread.clock, thread.index, number};
  const std::optional<Conflict> conflict =
      request.write ? shared.shadow.conflictOfWrite(offset, bytes, observer, request.atomic)
                    : shared.shadow.conflictOfRead(offset, bytes, observer, request.atomic);
  if (conflict)
    failRace(FaultKind::SharedRace, thread, request, *conflict,
             bytesText(bytes) + " in " + describeShared(offset));
  if (request.asynchronous && !request.write)
    requireProxyFence(thread, offset, bytes, request.operation);
  if (!request.record)
    return;
  if (request.write) {
    shared.shadow.recordWrite(offset, bytes, thread.access(request.operation, request.atomic));
    shared.shadow.setInitialized(offset, bytes);
  } else {
    shared.shadow.recordRead(offset, bytes, thread.access(request.operation), observer);
  }
}

const GlobalBuffer &Block::bufferOf(Thread &thread, const char *address, uint64_t bytes,
                                    const AccessRequest &request) {
  const GlobalBuffer *nearest = nullptr;
  uint64_t distance = ~uint64_t{0};
  for (const GlobalBuffer &buffer : launch.buffers) {
    if (address >= buffer.begin && address + bytes <= buffer.begin + buffer.bytes)
      return buffer;
    const uint64_t away = address < buffer.begin ? buffer.begin - address : address - buffer.begin;
    if (away < distance) {
      distance = away;
      nearest = &buffer;
    }
  }
  std::string where = "outside of every buffer";
  if (nearest) {
    const int64_t offset = address - nearest->begin;
    where = "at byte " + std::to_string(offset) + " of buffer " + nearest->name + ", which has " +
            std::to_string(nearest->bytes);
  }
  fail(FaultKind::OutOfBounds, request.operation, verb(request) + bytesText(bytes) + " " + where,
       &thread);
}

void Block::accessGlobal(Thread &thread, const char *address, uint64_t bytes,
                         const AccessRequest &request) {
  const GlobalBuffer &buffer = bufferOf(thread, address, bytes, request);
  const uint64_t inBuffer = address - buffer.begin;
  const std::string_view name = buffer.name;
  auto where = [&] {
    return bytesText(bytes) + " at byte " + std::to_string(inBuffer) + " of buffer " +
           std::string(name);
  };
  if (request.write && buffer.readOnly)
    fail(FaultKind::ReadOnlyWrite, request.operation,
         verb(request) + where() + ", which the launch only reads", &thread);
  Shadow &shadow = *buffer.shadow;
  const uint64_t offset = buffer.shadowOffset + inBuffer;
  if ((!request.write || request.operation.updates) && !shadow.initialized(offset, bytes))
    fail(FaultKind::UninitializedRead, request.operation,
         verb(request) + where() + ", where nothing has been written", &thread);
  if (buffer.readOnly)
    return;
  const Observer observer = thread.observer();
  const std::optional<Conflict> conflict =
      request.write ? shadow.conflictOfWrite(offset, bytes, observer, request.atomic)
                    : shadow.conflictOfRead(offset, bytes, observer, request.atomic);
  if (conflict)
    failRace(FaultKind::GlobalRace, thread, request, *conflict, where());
  if (request.write) {
    shadow.recordWrite(offset, bytes, thread.access(request.operation, request.atomic));
    shadow.setInitialized(offset, bytes);
  } else {
    shadow.recordRead(offset, bytes, thread.access(request.operation), observer);
  }
}

} // namespace weft::emulator
