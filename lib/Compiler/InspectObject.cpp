// Finding the metadata in object files.
#include "lib/Compiler/ObjectMetadata.h"
#include "lib/Support/Error.h"
#include "lib/Support/ReadFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/BinaryFormat/Magic.h"
#include "llvm/Object/Archive.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/LEB128.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace llvm::object;

namespace weft {

/// What a damaged file makes LLVM say may hold any bytes.
static std::string printable(llvm::StringRef text) {
  std::string result;
  llvm::raw_string_ostream stream(result);
  llvm::printEscapedString(text.take_front(400), stream);
  return result;
}

[[noreturn]] static void fail(llvm::StringRef path, const std::string &reason) {
  throw Error(Error::Kind::IO, path.str() + ": " + printable(reason));
}

[[noreturn]] static void failDamaged(llvm::StringRef path, llvm::Error error) {
  fail(path, "is a damaged object file: " + llvm::toString(std::move(error)));
}

/// The metadata of one ELF file, of 32 or 64 bits, if it has some.
template <typename Layout>
static void readElfAs(llvm::StringRef bytes, llvm::StringRef path,
                      std::vector<llvm::json::Object> &found) {
  auto elf = ELFFile<Layout>::create(bytes);
  if (!elf)
    failDamaged(path, elf.takeError());
  auto sections = elf->sections();
  if (!sections)
    failDamaged(path, sections.takeError());
  for (const typename ELFFile<Layout>::Elf_Shdr &section : *sections) {
    auto name = elf->getSectionName(section);
    if (!name)
      failDamaged(path, name.takeError());
    if (*name != metadataSection)
      continue;
    auto contents = elf->getSectionContents(section);
    if (!contents)
      failDamaged(path, contents.takeError());
    llvm::StringRef rest(reinterpret_cast<const char *>(contents->data()), contents->size());
    for (llvm::json::Object &metadata : decodeMetadata(rest, path))
      found.push_back(std::move(metadata));
  }
}

static void readElf(llvm::StringRef bytes, llvm::StringRef path,
                    std::vector<llvm::json::Object> &found) {
  bool isNarrow = getElfArchType(bytes).first == llvm::ELF::ELFCLASS32;
  return isNarrow ? readElfAs<ELF32LE>(bytes, path, found) : readElfAs<ELF64LE>(bytes, path, found);
}

/// The metadata of one WebAssembly file: the custom sections of the name.
static void readWebAssembly(llvm::StringRef bytes, llvm::StringRef path,
                            std::vector<llvm::json::Object> &found) {
  const uint8_t *at = bytes.bytes_begin() + std::min<size_t>(8, bytes.size());
  const uint8_t *end = bytes.bytes_end();
  const char *error = nullptr;
  auto number = [&] {
    unsigned length = 0;
    uint64_t value = llvm::decodeULEB128(at, &length, end, &error);
    at += length;
    return error ? 0 : value;
  };
  while (at < end && !error) {
    bool isCustom = *at++ == 0;
    uint64_t size = number();
    if (error || size > static_cast<uint64_t>(end - at))
      fail(path, "is a damaged file of WebAssembly");
    const uint8_t *next = at + size;
    uint64_t length = isCustom ? number() : 0;
    if (error || length > static_cast<uint64_t>(std::max<ptrdiff_t>(0, next - at)))
      fail(path, "is a damaged file of WebAssembly");
    llvm::StringRef name(reinterpret_cast<const char *>(at), length);
    if (isCustom && name == metadataSection) {
      llvm::StringRef rest(name.end(), next - at - length);
      for (llvm::json::Object &metadata : decodeMetadata(rest, path))
        found.push_back(std::move(metadata));
    }
    at = next;
  }
}

static void readArchive(llvm::MemoryBufferRef file, std::vector<llvm::json::Object> &found) {
  llvm::StringRef path = file.getBufferIdentifier();
  auto archive = Archive::create(file);
  if (!archive)
    failDamaged(path, archive.takeError());
  if ((*archive)->isThin())
    fail(path, "is a thin archive, which has no objects in it");
  llvm::Error error = llvm::Error::success();
  std::string reason;
  for (const Archive::Child &child : (*archive)->children(error)) {
    auto bytes = child.getBuffer();
    if (!bytes) {
      reason = llvm::toString(bytes.takeError());
      break;
    }
    if (llvm::identify_magic(*bytes) == llvm::file_magic::elf_relocatable)
      readElf(*bytes, path, found);
    else if (llvm::identify_magic(*bytes) == llvm::file_magic::wasm_object)
      readWebAssembly(*bytes, path, found);
  }
  if (error)
    failDamaged(path, std::move(error));
  if (!reason.empty())
    fail(path, "is a damaged archive: " + reason);
}

std::vector<llvm::json::Object> readMetadata(llvm::StringRef path) {
  if (const char *obstacle = obstacleToReading(path.str(), Sources::Files))
    fail(path, std::string("cannot be read: ") + obstacle);
  auto file = llvm::MemoryBuffer::getFile(path, /*IsText=*/false, /*RequiresNullTerminator=*/false);
  if (!file)
    fail(path, "cannot be read: " + file.getError().message());
  std::vector<llvm::json::Object> found;
  switch (llvm::identify_magic((*file)->getBuffer())) {
  case llvm::file_magic::archive:
    readArchive((*file)->getMemBufferRef(), found);
    break;
  case llvm::file_magic::elf_relocatable:
  case llvm::file_magic::elf_shared_object:
  case llvm::file_magic::elf_executable:
    readElf((*file)->getBuffer(), path, found);
    break;
  case llvm::file_magic::wasm_object:
    readWebAssembly((*file)->getBuffer(), path, found);
    break;
  default:
    fail(path, "is no object file, shared library, program or archive in ELF, and no module of "
               "WebAssembly");
  }
  if (found.empty())
    fail(path, "has no model of Weft in it");
  return found;
}

} // namespace weft
