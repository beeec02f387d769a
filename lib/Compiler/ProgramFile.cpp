// The envelope of saved programs.
#include "lib/Compiler/ProgramFile.h"
#include "lib/Support/Error.h"
#include "lib/Support/FileDescriptor.h"
#include "lib/Support/ReadFile.h"
#include "lib/Support/ReplacedFile.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/xxhash.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <unistd.h>
#include <utility>

using namespace llvm::support;

namespace weft {

namespace {

constexpr size_t headerBytes = programHeaderBytes, checkedBytes = 40;
constexpr llvm::StringLiteral magic = "\x89WEFT\r\n\x1a";
static_assert(magic.size() == 8);

using Header = std::array<char, headerBytes>;

[[noreturn]] void fail(llvm::StringRef path, const std::string &reason) {
  throw Error(Error::Kind::IO, path.str() + ": " + reason);
}

} // namespace

std::unique_ptr<llvm::MemoryBuffer> mapFile(llvm::StringRef path) {
  if (const char *obstacle = obstacleToReading(path.str(), Sources::Files))
    fail(path, std::string("can't be read: ") + obstacle);
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false,
                                          /*IsVolatile=*/false, llvm::Align(headerBytes));
  if (!file)
    fail(path, "can't be read: " + file.getError().message());
  return std::move(*file);
}

namespace {

/// A file beside its place, which is removed unless it was renamed.
class PartialFile {
public:
  explicit PartialFile(const ReplacedFile &replaced) : replaced(replaced) {
    if (const char *obstacle = replaced.obstacle())
      fail(replaced.path(), std::string("can't be written: ") + obstacle);
    std::error_code error =
        llvm::sys::fs::createUniqueFile(replaced.path() + ".%%%%%%%%.partial", number, name);
    check(error);
    replaced.takeOver(number);
  }
  ~PartialFile() {
    if (number >= 0)
      ::close(number);
    if (!isPlaced && !name.empty())
      ::unlink(name.c_str());
  }
  PartialFile(const PartialFile &) = delete;
  PartialFile &operator=(const PartialFile &) = delete;

  int descriptor() const { return number; }
  void check(std::error_code error) const {
    if (error)
      fail(replaced.path(), "can't be written: " + error.message());
  }
  /// Closed before: some file systems tell only then that they are full.
  void place() {
    int closed = ::close(std::exchange(number, -1));
    check(closed == 0 ? std::error_code() : std::error_code(errno, std::generic_category()));
    check(llvm::sys::fs::rename(name, replaced.path()));
    isPlaced = true;
  }

private:
  const ReplacedFile &replaced;
  llvm::SmallString<256> name;
  int number = -1;
  bool isPlaced = false;
};

} // namespace

void writeWhole(llvm::StringRef path, llvm::function_ref<void(llvm::raw_fd_ostream &, int)> write) {
  HeldBackSizeSignal heldBack;
  ReplacedFile replaced(path.str());
  PartialFile partial(replaced);
  std::error_code error;
  {
    llvm::raw_fd_ostream stream(partial.descriptor(), /*shouldClose=*/false);
    // A stream that is destroyed with an error ends the process, also where `write` throws.
    llvm::scope_exit clear([&] {
      stream.flush();
      error = stream.error();
      stream.clear_error();
    });
    write(stream, partial.descriptor());
  }
  partial.check(error);
  partial.place();
}

static std::array<uint8_t, 16> digestBytes(llvm::StringRef content) {
  auto hash = llvm::xxh3_128bits(llvm::arrayRefFromStringRef(content));
  std::array<uint8_t, 16> bytes;
  endian::write64le(bytes.data(), hash.low64);
  endian::write64le(bytes.data() + 8, hash.high64);
  return bytes;
}

std::string digestOf(llvm::StringRef content) {
  return llvm::toHex(digestBytes(content), /*LowerCase=*/true);
}

bool isProgramFile(llvm::StringRef content) { return content.starts_with(magic); }

/// Of a header, or what begins with one.
static uint64_t headerChecksum(llvm::StringRef header) {
  return llvm::xxh3_64bits(header.take_front(checkedBytes));
}

llvm::StringRef payloadOf(llvm::StringRef content, llvm::StringRef path) {
  if (!isProgramFile(content))
    fail(path, "is no saved weft program: it does not begin with the mark of one");
  if (content.size() < headerBytes)
    fail(path, "is truncated: " + std::to_string(content.size()) + " bytes are less than a header");
  // All versions have it here, so that one that is damaged is not taken for a newer one.
  if (headerChecksum(content) != endian::read64le(content.data() + checkedBytes))
    fail(path, "is damaged: its header does not have the checksum that was written");
  uint32_t version = endian::read32le(content.data() + 8);
  if (version > programFormat)
    fail(path, "was written in format " + std::to_string(version) +
                   " by a newer weft; this one reads format " + std::to_string(programFormat) +
                   ". Update weft, or save the program again with this version");
  if (version < programFormat)
    fail(path, "is of format " + std::to_string(version) + ", which this weft no longer reads; " +
                   "save the program again");
  if (content.slice(48, headerBytes).find_first_not_of('\0') != llvm::StringRef::npos)
    fail(path, "is damaged: its header does not end in zeros");
  llvm::StringRef payload = content.drop_front(headerBytes);
  uint64_t bytes = endian::read64le(content.data() + 16);
  if (payload.size() < bytes)
    fail(path, "is truncated: " + std::to_string(bytes - payload.size()) + " of " +
                   std::to_string(bytes) + " bytes are missing");
  if (payload.size() > bytes)
    fail(path, "is damaged: " + std::to_string(payload.size() - bytes) +
                   " bytes follow the end of the program");
  auto digest = digestBytes(payload);
  if (std::memcmp(digest.data(), content.data() + 24, digest.size()) != 0)
    fail(path, "is damaged: the program does not have the checksum that was written");
  return payload;
}

/// The header of a file with this payload.
static Header headerFor(llvm::StringRef payload) {
  Header header{};
  std::memcpy(header.data(), magic.data(), magic.size());
  endian::write32le(header.data() + 8, programFormat);
  endian::write64le(header.data() + 16, payload.size());
  auto digest = digestBytes(payload);
  std::memcpy(header.data() + 24, digest.data(), digest.size());
  endian::write64le(header.data() + checkedBytes, headerChecksum({header.data(), header.size()}));
  return header;
}

void sealProgramFile(std::string &content) {
  Header header = headerFor(llvm::StringRef(content).drop_front(headerBytes));
  content.replace(0, headerBytes, header.data(), header.size());
}

void writeProgramFile(llvm::StringRef path,
                      llvm::function_ref<void(llvm::raw_ostream &)> writePayload) {
  writeWhole(path, [&](llvm::raw_fd_ostream &stream, int descriptor) {
    stream.write_zeros(headerBytes);
    writePayload(stream);
    uint64_t end = stream.tell();
    stream.flush();
    if (stream.has_error())
      return;
    // The hash wants all bytes side by side; mapped again, they take no memory of their own.
    std::error_code error;
    llvm::sys::fs::mapped_file_region region(llvm::sys::fs::convertFDToNativeFile(descriptor),
                                             llvm::sys::fs::mapped_file_region::readonly, end, 0,
                                             error);
    if (error)
      fail(path, "can't be read back: " + error.message());
    Header sealed = headerFor({region.const_data() + headerBytes, end - headerBytes});
    stream.pwrite(sealed.data(), sealed.size(), 0);
  });
}

} // namespace weft
