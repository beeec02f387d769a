// Compiled kernels on disk.
#include "lib/Compiler/DiskCache.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include <cstring>
#include <elf.h>
#include <link.h>

namespace weft {

namespace {

/// What stands before the contents of a file: the object's code, the shapes of the stages on a
/// device, and the device's image.
struct Header {
  char magic[8];
  int64_t stages, temporaries, deviceStages;
  uint64_t codeBytes, bytes, checksum;
};
constexpr char magic[8] = {'w', 'e', 'f', 't', 'k', 'r', 'n', '3'};

/// A stage's shape in a file; the numbers of its tensor maps (packTensorMaps) follow.
struct StageShape {
  int64_t threads, sharedBytes, words;
};

std::string packStage(const GpuStage &stage) {
  std::vector<int64_t> words = packTensorMaps(stage.tensorMaps);
  StageShape shape{stage.threads, stage.sharedBytes, static_cast<int64_t>(words.size())};
  std::string bytes(reinterpret_cast<const char *>(&shape), sizeof(shape));
  return bytes.append(reinterpret_cast<const char *>(words.data()), words.size() * sizeof(int64_t));
}

/// Takes a stage from the front of `bytes`; false if it is damaged.
bool unpackStage(llvm::StringRef &bytes, GpuStage &stage) {
  StageShape shape;
  if (bytes.size() < sizeof(shape))
    return false;
  std::memcpy(&shape, bytes.data(), sizeof(shape));
  bytes = bytes.drop_front(sizeof(shape));
  if (shape.words < 0 || static_cast<uint64_t>(shape.words) > bytes.size() / sizeof(int64_t))
    return false;
  std::vector<int64_t> words(shape.words);
  std::memcpy(words.data(), bytes.data(), words.size() * sizeof(int64_t));
  bytes = bytes.drop_front(words.size() * sizeof(int64_t));
  stage.threads = shape.threads;
  stage.sharedBytes = shape.sharedBytes;
  return unpackTensorMaps(words, stage.tensorMaps);
}

std::string chooseFolder() {
  if (auto set = llvm::sys::Process::GetEnv("WEFT_CACHE_DIR"))
    return *set;
  llvm::SmallString<128> path;
  if (auto cache = llvm::sys::Process::GetEnv("XDG_CACHE_HOME"); cache && !cache->empty())
    path = *cache;
  else if (llvm::sys::path::home_directory(path))
    llvm::sys::path::append(path, ".cache");
  else
    return "";
  llvm::sys::path::append(path, "weft");
  return path.str().str();
}

} // namespace

/// The part of `folder` for code that fits `key` and this compiler; empty if `folder` is.
static std::string partFor(const std::string &folder, const std::string &key) {
  // Without an id of its own a compiler can't know whose code it finds.
  if (folder.empty() || compilerBuildId().empty())
    return "";
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, llvm::utohexstr(llvm::xxh3_64bits(key + compilerBuildId()), true));
  return path.str().str();
}

DiskCache::DiskCache(const std::string &key, const std::string &packaged)
    : folder(partFor(chooseFolder(), key)), packagedFolder(partFor(packaged, key)) {}

static std::string pathOf(const std::string &folder, const std::string &name) {
  llvm::SmallString<128> path(folder);
  llvm::sys::path::append(path, name + ".kernel");
  return path.str().str();
}

std::optional<KernelObject> DiskCache::find(const std::string &name) {
  if (auto object = read(packagedFolder, name))
    return object;
  return read(folder, name);
}

std::optional<KernelObject> DiskCache::read(const std::string &folder, const std::string &name) {
  if (folder.empty())
    return std::nullopt;
  auto file = llvm::MemoryBuffer::getFile(pathOf(folder, name), false, false);
  if (!file)
    return std::nullopt;
  llvm::StringRef content = (*file)->getBuffer();
  Header header;
  if (content.size() < sizeof(header)) {
    ++failureCount;
    return std::nullopt;
  }
  std::memcpy(&header, content.data(), sizeof(header));
  llvm::StringRef rest = content.drop_front(sizeof(header));
  if (std::memcmp(header.magic, magic, sizeof(magic)) != 0 || header.bytes != rest.size() ||
      header.checksum != llvm::xxh3_64bits(rest)) {
    ++failureCount;
    return std::nullopt;
  }
  KernelObject object{name, header.stages, header.temporaries, {}};
  object.code.assign(rest.begin(), rest.begin() + header.codeBytes);
  rest = rest.drop_front(header.codeBytes);
  for (int64_t stage = 0; stage < header.deviceStages; ++stage) {
    GpuStage &added = object.deviceStages.emplace_back();
    added.entry = name + "_" + std::to_string(stage);
    if (!unpackStage(rest, added)) {
      ++failureCount;
      return std::nullopt;
    }
  }
  object.image = rest.str();
  return object;
}

void DiskCache::store(const KernelObject &object) {
  if (folder.empty())
    return;
  if (llvm::sys::fs::create_directories(folder)) {
    ++failureCount;
    return;
  }
  std::string contents(object.code.begin(), object.code.end());
  for (const GpuStage &stage : object.deviceStages)
    contents += packStage(stage);
  contents += object.image;
  Header header{{},
                object.stages,
                object.temporaries,
                static_cast<int64_t>(object.deviceStages.size()),
                object.code.size(),
                contents.size(),
                llvm::xxh3_64bits(contents)};
  std::memcpy(header.magic, magic, sizeof(magic));
  llvm::Error error =
      llvm::writeToOutput(pathOf(folder, object.name), [&](llvm::raw_ostream &stream) {
        stream.write(reinterpret_cast<const char *>(&header), sizeof(header));
        stream << contents;
        return llvm::Error::success();
      });
  if (error) {
    llvm::consumeError(std::move(error));
    ++failureCount;
  }
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
