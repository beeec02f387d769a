// Copies that run beside the threads.
#include "codegen/Emulator/Copies.h"
#include "codegen/Emulator/Block.h"

#include <algorithm>
#include <cstring>

namespace weft::emulator {

uint64_t AsynchronousCopy::bytes() const {
  uint64_t sum = 0;
  for (const CopySegment &segment : segments)
    sum += segment.bytes;
  return sum;
}

/// How many words the bytes lie in.
static uint64_t wordsOf(uint64_t offset, uint64_t bytes) {
  return (offset + bytes + 3) / 4 - offset / 4;
}

uint32_t AsynchronousCopies::begin(Thread &thread, const Operation &operation,
                                   std::vector<CopySegment> segments, bool store, bool asynchronous,
                                   Mbarrier *barrier) {
  AsynchronousCopy copy;
  copy.number = SharedMemory::firstCopy + nextNumber;
  copy.operation = &operation;
  copy.thread = &thread;
  copy.segments = std::move(segments);
  copy.store = store;
  copy.barrier = barrier;
  if (store)
    beginStore(thread, copy, asynchronous);
  else
    beginLoad(thread, copy, asynchronous);
  ++nextNumber;
  flying.push_back(copy.number);
  const uint32_t number = copy.number;
  copies.emplace(number, std::move(copy));
  return number;
}

void AsynchronousCopies::beginLoad(Thread &thread, AsynchronousCopy &copy, bool asynchronous) {
  SharedMemory &shared = block.shared;
  for (const CopySegment &segment : copy.segments) {
    if (segment.source)
      block.access(thread, segment.source, segment.bytes,
                   {.operation = *copy.operation, .asynchronous = asynchronous});
    block.access(thread, segment.target, segment.bytes,
                 {.operation = *copy.operation,
                  .write = true,
                  .record = false,
                  .asynchronous = asynchronous});
  }
  for (const CopySegment &segment : copy.segments) {
    const uint64_t offset = segment.target - shared.window;
    memset(segment.target, poisonByte, segment.bytes);
    std::fill_n(shared.states.begin() + offset / 4, wordsOf(offset, segment.bytes), copy.number);
  }
}

void AsynchronousCopies::beginStore(Thread &thread, AsynchronousCopy &copy, bool asynchronous) {
  SharedMemory &shared = block.shared;
  for (const CopySegment &segment : copy.segments) {
    block.access(thread, segment.source, segment.bytes,
                 {.operation = *copy.operation, .record = false, .asynchronous = asynchronous});
    block.access(thread, segment.target, segment.bytes,
                 {.operation = *copy.operation, .write = true, .asynchronous = asynchronous});
    const uint64_t offset = segment.source - shared.window;
    for (uint64_t word = offset / 4; word < offset / 4 + wordsOf(offset, segment.bytes); ++word)
      ++shared.readers[word];
  }
}

bool AsynchronousCopies::landOne() {
  if (flying.empty())
    return false;
  const size_t index = block.launch.inOrder ? 0 : block.launch.random.below(flying.size());
  AsynchronousCopy &copy = copies.at(flying[index]);
  flying.erase(flying.begin() + static_cast<ptrdiff_t>(index));
  land(copy);
  return true;
}

void AsynchronousCopies::land(AsynchronousCopy &copy) {
  for (const CopySegment &segment : copy.segments) {
    if (segment.source)
      memcpy(segment.target, segment.source, segment.bytes);
    else
      memset(segment.target, 0, segment.bytes);
  }
  copy.landed = true;
  if (copy.barrier)
    block.mbarriers.complete(*copy.thread, *copy.operation, *copy.barrier, copy.bytes());
}

void AsynchronousCopies::waitForGroups(Thread &thread, CopyGroups &groups, uint64_t most) {
  while (groups.groups.size() > most) {
    for (uint32_t number : groups.groups.front()) {
      AsynchronousCopy &copy = copies.at(number);
      if (!copy.landed) {
        std::erase(flying, number);
        land(copy);
      }
      complete(number, thread.access(*copy.operation));
    }
    groups.groups.pop_front();
  }
}

void AsynchronousCopies::complete(uint32_t number, const Access &access) {
  SharedMemory &shared = block.shared;
  const AsynchronousCopy &copy = copies.at(number);
  for (const CopySegment &segment : copy.segments) {
    if (copy.store) {
      const uint64_t offset = segment.source - shared.window;
      for (uint64_t word = offset / 4; word < offset / 4 + wordsOf(offset, segment.bytes); ++word)
        --shared.readers[word];
      shared.shadow.recordRead(offset, segment.bytes, access, copy.thread->observer());
    } else {
      const uint64_t offset = segment.target - shared.window;
      std::fill_n(shared.states.begin() + offset / 4, wordsOf(offset, segment.bytes),
                  SharedMemory::free);
      shared.shadow.setInitialized(offset, segment.bytes);
      shared.shadow.recordWrite(offset, segment.bytes, access);
    }
  }
  copies.erase(number);
}

const AsynchronousCopy *AsynchronousCopies::find(uint32_t number) const {
  auto found = copies.find(number);
  return found == copies.end() ? nullptr : &found->second;
}

const AsynchronousCopy *AsynchronousCopies::oldest() const {
  return copies.empty() ? nullptr : &copies.begin()->second;
}

} // namespace weft::emulator
