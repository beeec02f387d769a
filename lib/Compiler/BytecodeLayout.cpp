#include "lib/Compiler/BytecodeLayout.h"
#include "mlir/Bytecode/Encoding.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"

#include <bit>
#include <optional>

using namespace mlir;

namespace weft {

namespace {

/// Reads what the file is made of; after its end there are zeros and `failed` is true.
class Cursor {
public:
  explicit Cursor(llvm::ArrayRef<uint8_t> bytes) : rest(bytes) {}

  bool failed() const { return hasFailed; }
  bool atEnd() const { return hasFailed || rest.empty(); }

  llvm::ArrayRef<uint8_t> take(uint64_t count) {
    if (count > rest.size()) {
      hasFailed = true;
      return {};
    }
    llvm::ArrayRef<uint8_t> taken = rest.take_front(count);
    rest = rest.drop_front(count);
    return taken;
  }

  uint8_t byte() {
    llvm::ArrayRef<uint8_t> taken = take(1);
    return taken.empty() ? 0 : taken.front();
  }

  /// As many bytes follow as the first one has zeros at its end; eight if it is zero.
  uint64_t number() {
    uint8_t first = byte();
    if (first & 1)
      return first >> 1;
    unsigned more = first ? unsigned(std::countr_zero(first)) : 8;
    uint8_t bytes[8] = {};
    llvm::ArrayRef<uint8_t> taken = take(more);
    if (first == 0) {
      llvm::copy(taken, bytes);
      return llvm::support::endian::read64le(bytes);
    }
    bytes[0] = first;
    std::copy(taken.begin(), taken.end(), bytes + 1);
    return llvm::support::endian::read64le(bytes) >> (more + 1);
  }

  void skipString() {
    while (!atEnd() && byte() != 0)
      ;
  }

  void alignTo(uint64_t alignment) {
    while (!atEnd() && alignment && reinterpret_cast<uintptr_t>(rest.data()) % alignment != 0)
      byte();
  }

private:
  llvm::ArrayRef<uint8_t> rest;
  bool hasFailed = false;
};

} // namespace

/// The content of a section; nothing if the file has none, or ends before.
static std::optional<llvm::ArrayRef<uint8_t>> findSection(Cursor file, bytecode::Section::ID id) {
  constexpr uint8_t alignedFlag = 0x80;
  (void)file.take(4); // the magic number
  file.number();
  file.skipString();
  while (!file.atEnd()) {
    uint8_t found = file.byte();
    uint64_t length = file.number();
    if (found & alignedFlag)
      file.alignTo(file.number());
    llvm::ArrayRef<uint8_t> content = file.take(length);
    if (!file.failed() && (found & ~alignedFlag) == id)
      return content;
  }
  return std::nullopt;
}

/// Skips groups of entries, one dialect's each, until there are `count`.
static bool skipEntries(Cursor &table, uint64_t count) {
  while (count > 0 && !table.failed()) {
    table.number(); // the dialect
    uint64_t entries = table.number();
    if (entries > count)
      return false;
    count -= entries;
    for (uint64_t i = 0; i < entries && !table.failed(); ++i)
      table.number();
  }
  return true;
}

static Cursor startOf(llvm::MemoryBufferRef file) {
  auto *data = reinterpret_cast<const uint8_t *>(file.getBufferStart());
  return Cursor({data, file.getBufferSize()});
}

bool hasFittingTable(llvm::MemoryBufferRef file) {
  auto section = findSection(startOf(file), bytecode::Section::kAttrTypeOffset);
  if (!section)
    return true;
  Cursor table(*section);
  uint64_t attributes = table.number(), types = table.number();
  return skipEntries(table, attributes) && skipEntries(table, types);
}

/// The strings of the file: their lengths come first, the last one's before all others.
static std::vector<llvm::StringRef> stringsOf(Cursor section) {
  std::vector<uint64_t> lengths;
  for (uint64_t count = section.number(); count > 0 && !section.failed(); --count)
    lengths.push_back(section.number());
  std::vector<llvm::StringRef> strings;
  for (uint64_t length : llvm::reverse(lengths)) {
    llvm::ArrayRef<uint8_t> bytes = section.take(length);
    if (bytes.empty()) // Each has a zero at its end.
      break;
    strings.push_back(llvm::toStringRef(bytes.drop_back()));
  }
  return strings;
}

std::vector<llvm::StringRef> dialectsOf(llvm::MemoryBufferRef file) {
  auto strings = findSection(startOf(file), bytecode::Section::kString);
  auto section = findSection(startOf(file), bytecode::Section::kDialect);
  if (!strings || !section)
    return {};
  std::vector<llvm::StringRef> names = stringsOf(Cursor(*strings)), dialects;
  Cursor table(*section);
  for (uint64_t count = table.number(); count > 0 && !table.failed(); --count) {
    uint64_t entry = table.number();
    if (entry / 2 < names.size() && !table.failed())
      dialects.push_back(names[entry / 2]);
    if (entry & 1) { // A section with the version of the dialect follows.
      table.byte();
      (void)table.take(table.number());
    }
  }
  return dialects;
}

} // namespace weft
