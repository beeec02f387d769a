// Compiled kernels on disk.
#include "lib/Compiler/DiskCache.h"
#include "lib/Compiler/KernelFile.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/xxhash.h"
#include <cstring>
#include <elf.h>
#include <link.h>

namespace weft {

/// The folder of this user's cache; empty if it is turned off. None if there is no place for it:
/// a relative path would be another folder in each process.
static std::optional<std::string> chooseFolder(const Environment &environment) {
  if (auto set = environment("WEFT_CACHE_DIR")) {
    llvm::SmallString<128> path(*set);
    if (!set->empty() && llvm::sys::fs::make_absolute(path))
      return std::nullopt;
    return path.str().str();
  }
  llvm::SmallString<128> path(environment("XDG_CACHE_HOME").value_or(""));
  if (!llvm::sys::path::is_absolute(path)) {
    path = environment("HOME").value_or("");
    if (!llvm::sys::path::is_absolute(path))
      return std::nullopt;
    llvm::sys::path::append(path, ".cache");
  }
  llvm::sys::path::append(path, "weft");
  return path.str().str();
}

/// What every entry is for. Without an id of its own a compiler can't know whose code it finds.
static std::string identityOf(const std::string &key) {
  return compilerBuildId().empty() ? "" : key + compilerBuildId();
}

static std::string partOf(const std::string &identity) {
  std::string digits = llvm::utohexstr(llvm::xxh3_64bits(identity), /*LowerCase=*/true);
  return std::string(16 - digits.size(), '0') + digits;
}

static constexpr uint64_t defaultBytes = uint64_t(1) << 30;

DiskCache::DiskCache(const std::string &key, const std::string &packaged,
                     const Environment &environment)
    : identity(identityOf(key)),
      own("", "", CacheFolder::Kind::Own, 0),
      installed(identity.empty() ? "" : packaged, partOf(identity), CacheFolder::Kind::Installation,
                0) {
  uint64_t mostBytes = byteSizeOption(environment, "WEFT_CACHE_BYTES").value_or(defaultBytes);
  std::optional<std::string> folder = chooseFolder(environment);
  failureCount += !folder;
  if (folder && !identity.empty() && mostBytes > 0)
    own = CacheFolder(*folder, partOf(identity), CacheFolder::Kind::Own, mostBytes);
}

std::optional<KernelObject> DiskCache::find(const std::string &name) {
  if (auto object = read(installed, name))
    return object;
  return read(own, name);
}

std::optional<KernelObject> DiskCache::read(CacheFolder &folder, const std::string &name) {
  std::optional<std::string> content = folder.read(name);
  std::optional<KernelObject> object;
  if (content)
    object = decodeKernel(*content, name, identity);
  failureCount += content ? !object : folder.hasFailed();
  return object;
}

void DiskCache::store(const KernelObject &object) {
  failureCount += !own.write(object.name, encodeKernel(object, identity));
}

/// A note is a kernel without code, sealed as they are, with its text where an image would be.
std::optional<std::string> DiskCache::findNote(const std::string &name) {
  std::optional<KernelObject> found = find(name);
  return found ? std::optional(found->image) : std::nullopt;
}

void DiskCache::storeNote(const std::string &name, const std::string &text) {
  KernelObject note{name};
  note.image = text;
  store(note);
}

/// Finds the note with the build id in the program or library that holds `compilerBuildId`.
static int findBuildId(dl_phdr_info *info, size_t, void *result) {
  auto here = reinterpret_cast<uintptr_t>(&compilerBuildId);
  bool isOurs = false;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto &segment = info->dlpi_phdr[i];
    uintptr_t start = info->dlpi_addr + segment.p_vaddr;
    isOurs |= segment.p_type == PT_LOAD && here >= start && here < start + segment.p_memsz;
  }
  if (!isOurs)
    return 0;
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const auto &segment = info->dlpi_phdr[i];
    if (segment.p_type != PT_NOTE)
      continue;
    auto *at = reinterpret_cast<const char *>(info->dlpi_addr + segment.p_vaddr);
    const char *end = at + segment.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
      auto *note = reinterpret_cast<const ElfW(Nhdr) *>(at);
      const char *name = at + sizeof(*note);
      const char *value = name + (note->n_namesz + 3) / 4 * 4;
      if (note->n_type == NT_GNU_BUILD_ID && note->n_namesz == 4 && !std::memcmp(name, "GNU", 4)) {
        *static_cast<std::string *>(result) =
            llvm::toHex(llvm::StringRef(value, note->n_descsz), /*LowerCase=*/true);
        return 1;
      }
      at = value + (note->n_descsz + 3) / 4 * 4;
    }
  }
  return 1;
}

std::string compilerBuildId() {
  static const std::string id = [] {
    std::string found;
    dl_iterate_phdr(findBuildId, &found);
    return found;
  }();
  return id;
}

} // namespace weft
