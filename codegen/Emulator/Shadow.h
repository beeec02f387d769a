// Who wrote and who read each byte of a piece of memory.
#pragma once

#include "codegen/Emulator/Clock.h"

#include <cstdlib>
#include <optional>

namespace weft::emulator {

/// An array of zeros that costs nothing where it is not touched.
template <typename T> class ZeroedArray {
public:
  ZeroedArray() = default;
  explicit ZeroedArray(size_t count)
      : elements(static_cast<T *>(calloc(count == 0 ? 1 : count, sizeof(T)))) {
    if (!elements)
      throw std::bad_alloc();
  }

  explicit operator bool() const { return elements != nullptr; }
  T &operator[](size_t index) { return elements.get()[index]; }
  const T &operator[](size_t index) const { return elements.get()[index]; }

private:
  struct Free {
    void operator()(T *pointer) const { free(pointer); }
  };
  std::unique_ptr<T, Free> elements;
};

/// One access as the shadow keeps it.
struct Access {
  /// A thread's index in its block, or an actor that stands for an asynchronous operation.
  uint32_t actor = 0;
  /// The actor's time: what others must know of it to come after this access.
  uint32_t time = 0;
  uint32_t block = 0;
  /// The operation in the program.
  uint32_t site = 0;
  bool atomic = false;
};

/// Who looks: an actor of a block, and what it knows.
struct Observer {
  const Clock &clock;
  uint32_t actor = 0;
  uint32_t block = 0;

  /// True if the access happened before.
  bool knows(uint32_t otherBlock, uint32_t other, uint32_t time) const {
    return otherBlock == block && (other == actor || clock.at(other) >= time);
  }
};

/// An earlier access that nothing orders with the present one.
struct Conflict {
  Access earlier;
  bool wrote = false;
};

/// The last write, and the reads since then that are not ordered among each other, of each byte.
/// Kept for words of four bytes until an access touches a part of one.
class Shadow {
public:
  explicit Shadow(uint64_t bytes);

  /// Forgets all accesses, but not which bytes are initialised.
  void forgetAccesses();
  void forgetInitialization();

  bool initialized(uint64_t offset, uint64_t bytes) const;
  void setInitialized(uint64_t offset, uint64_t bytes, bool value = true);

  /// An earlier write that the observer does not know of. `atomic`: atomic ones don't matter.
  std::optional<Conflict> conflictOfRead(uint64_t offset, uint64_t bytes, const Observer &observer,
                                         bool atomic = false);
  /// An earlier access that the observer does not know of.
  std::optional<Conflict> conflictOfWrite(uint64_t offset, uint64_t bytes, const Observer &observer,
                                          bool atomic = false);
  void recordRead(uint64_t offset, uint64_t bytes, const Access &access, const Observer &observer);
  void recordWrite(uint64_t offset, uint64_t bytes, const Access &access);
  /// The last write of any byte of the range; nothing if there is none.
  template <typename Function> void forEachWriter(uint64_t offset, uint64_t bytes, Function visit) {
    forEachCell(offset, bytes, [&](Cell &cell) {
      if (cell.writer != 0)
        visit(writeOf(cell));
      return true;
    });
  }

private:
  struct Cell {
    /// The actor plus one, and the bit of atomic writes; 0 if nothing has written.
    uint32_t writer;
    uint32_t time;
    uint32_t block;
    uint32_t site;
    /// Head of a list in `reads`; 0 is the end.
    uint32_t readers;
  };
  /// Reads of up to 32 neighbouring actors at the same time of theirs.
  struct Read {
    uint32_t next;
    uint32_t block;
    uint32_t firstActor;
    uint32_t actors;
    uint32_t time;
    uint32_t site;
  };
  static constexpr uint32_t atomicBit = uint32_t{1} << 31;

  /// Calls `visit(Cell &)` for each cell of the range until it returns false.
  template <typename Function> void forEachCell(uint64_t offset, uint64_t bytes, Function visit) {
    for (uint64_t word = offset / 4; word * 4 < offset + bytes; ++word) {
      const bool whole = word * 4 >= offset && word * 4 + 4 <= offset + bytes;
      if (whole && (!splits || splits[word] == 0)) {
        if (!visit(cells[word]))
          return;
        continue;
      }
      const uint32_t group = split(word);
      for (uint64_t byte = 0; byte < 4; ++byte)
        if (word * 4 + byte >= offset && word * 4 + byte < offset + bytes)
          if (!visit(parts[group + byte]))
            return;
    }
  }

  static Access writeOf(const Cell &cell);
  /// The first of the word's four cells of a byte each.
  uint32_t split(uint64_t word);
  bool unknownWrite(const Cell &cell, const Observer &observer, bool atomic) const;
  std::optional<Access> unknownRead(const Cell &cell, const Observer &observer) const;
  void addRead(Cell &cell, const Access &access, const Observer &observer);
  void clearReads(Cell &cell);
  uint32_t newRead(const Read &read);

  uint64_t size = 0;
  ZeroedArray<uint8_t> written;
  ZeroedArray<Cell> cells;
  /// For each word where its cells are in `parts`; 0 if it has one cell.
  ZeroedArray<uint32_t> splits;
  std::vector<Cell> parts;
  std::vector<Read> reads;
  uint32_t freeReads = 0;
};

} // namespace weft::emulator
