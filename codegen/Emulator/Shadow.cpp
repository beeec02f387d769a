// Who wrote and who read each byte of a piece of memory.
#include "codegen/Emulator/Shadow.h"

#include <bit>
#include <cstring>

namespace weft::emulator {

Shadow::Shadow(uint64_t bytes) : size(bytes), written(bytes) { forgetAccesses(); }

void Shadow::forgetAccesses() {
  cells = ZeroedArray<Cell>((size + 3) / 4);
  splits = ZeroedArray<uint32_t>();
  // Index 0 stands for nothing in both.
  parts.assign(4, Cell{});
  reads.assign(1, Read{});
  freeReads = 0;
}

void Shadow::forgetInitialization() { written = ZeroedArray<uint8_t>(size); }

bool Shadow::initialized(uint64_t offset, uint64_t bytes) const {
  return memchr(&written[offset], 0, bytes) == nullptr;
}

void Shadow::setInitialized(uint64_t offset, uint64_t bytes, bool value) {
  memset(&written[offset], value ? 1 : 0, bytes);
}

Access Shadow::writeOf(const Cell &cell) {
  return {.actor = (cell.writer & ~atomicBit) - 1,
          .time = cell.time,
          .block = cell.block,
          .site = cell.site,
          .atomic = (cell.writer & atomicBit) != 0};
}

uint32_t Shadow::split(uint64_t word) {
  if (!splits)
    splits = ZeroedArray<uint32_t>((size + 3) / 4);
  if (splits[word] != 0)
    return splits[word];
  const auto group = static_cast<uint32_t>(parts.size());
  splits[word] = group;
  const Cell whole = cells[word];
  for (int byte = 0; byte < 4; ++byte) {
    Cell part = whole;
    part.readers = 0;
    for (uint32_t index = whole.readers; index != 0; index = reads[index].next) {
      Read copy = reads[index];
      copy.next = part.readers;
      part.readers = newRead(copy);
    }
    parts.push_back(part);
  }
  return group;
}

bool Shadow::unknownWrite(const Cell &cell, const Observer &observer, bool atomic) const {
  if (cell.writer == 0)
    return false;
  const Access write = writeOf(cell);
  if (atomic && write.atomic)
    return false;
  return !observer.knows(write.block, write.actor, write.time);
}

std::optional<Access> Shadow::unknownRead(const Cell &cell, const Observer &observer) const {
  for (uint32_t index = cell.readers; index != 0; index = reads[index].next) {
    const Read &read = reads[index];
    for (uint32_t actors = read.actors; actors != 0; actors &= actors - 1) {
      const uint32_t actor = read.firstActor + std::countr_zero(actors);
      if (!observer.knows(read.block, actor, read.time))
        return Access{.actor = actor, .time = read.time, .block = read.block, .site = read.site};
    }
  }
  return std::nullopt;
}

std::optional<Conflict> Shadow::conflictOfRead(uint64_t offset, uint64_t bytes,
                                               const Observer &observer, bool atomic) {
  std::optional<Conflict> conflict;
  forEachCell(offset, bytes, [&](Cell &cell) {
    if (unknownWrite(cell, observer, atomic))
      conflict = Conflict{writeOf(cell), true};
    return !conflict;
  });
  return conflict;
}

std::optional<Conflict> Shadow::conflictOfWrite(uint64_t offset, uint64_t bytes,
                                                const Observer &observer, bool atomic) {
  std::optional<Conflict> conflict;
  forEachCell(offset, bytes, [&](Cell &cell) {
    if (unknownWrite(cell, observer, atomic))
      conflict = Conflict{writeOf(cell), true};
    else if (std::optional<Access> read = unknownRead(cell, observer))
      conflict = Conflict{*read, false};
    return !conflict;
  });
  return conflict;
}

void Shadow::recordRead(uint64_t offset, uint64_t bytes, const Access &access,
                        const Observer &observer) {
  forEachCell(offset, bytes, [&](Cell &cell) {
    addRead(cell, access, observer);
    return true;
  });
}

void Shadow::recordWrite(uint64_t offset, uint64_t bytes, const Access &access) {
  forEachCell(offset, bytes, [&](Cell &cell) {
    clearReads(cell);
    cell = {.writer = (access.actor + 1) | (access.atomic ? atomicBit : 0),
            .time = access.time,
            .block = access.block,
            .site = access.site,
            .readers = 0};
    return true;
  });
}

/// Reads that the new one comes after need not be kept: who comes after the new one comes after
/// them too. So the list holds reads that are concurrent, and stays short.
void Shadow::addRead(Cell &cell, const Access &access, const Observer &observer) {
  const uint32_t first = access.actor & ~uint32_t{31};
  const uint32_t bit = uint32_t{1} << (access.actor & 31);
  for (uint32_t index = cell.readers; index != 0; index = reads[index].next) {
    Read &read = reads[index];
    if (read.firstActor == first && read.time == access.time && read.block == access.block) {
      read.actors |= bit;
      return;
    }
  }
  uint32_t *link = &cell.readers;
  while (*link != 0) {
    const uint32_t index = *link;
    Read &read = reads[index];
    for (uint32_t actors = read.actors; actors != 0; actors &= actors - 1)
      if (observer.knows(read.block, read.firstActor + std::countr_zero(actors), read.time))
        read.actors &= ~(actors & -actors);
    if (read.actors == 0) {
      *link = read.next;
      read.next = freeReads;
      freeReads = index;
    } else {
      link = &read.next;
    }
  }
  const uint32_t index = newRead({.next = cell.readers,
                                  .block = access.block,
                                  .firstActor = first,
                                  .actors = bit,
                                  .time = access.time,
                                  .site = access.site});
  cell.readers = index;
}

void Shadow::clearReads(Cell &cell) {
  while (cell.readers != 0) {
    const uint32_t index = cell.readers;
    cell.readers = reads[index].next;
    reads[index].next = freeReads;
    freeReads = index;
  }
}

uint32_t Shadow::newRead(const Read &read) {
  if (freeReads == 0) {
    reads.push_back(read);
    return static_cast<uint32_t>(reads.size() - 1);
  }
  const uint32_t index = freeReads;
  freeReads = reads[index].next;
  reads[index] = read;
  return index;
}

} // namespace weft::emulator
