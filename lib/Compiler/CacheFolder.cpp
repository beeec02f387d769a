// A folder of small files that processes share.
#include "lib/Compiler/CacheFolder.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <memory>
#include <string_view>
#include <sys/random.h>
#include <sys/stat.h>

namespace weft {

static constexpr std::string_view entrySuffix = ".kernel", partialSuffix = ".partial";
/// Far more than any kernel has.
static constexpr uint64_t mostEntryBytes = uint64_t(256) << 20;
/// What a process that is alive writes in less.
static constexpr time_t partialSeconds = 3600;
/// What nobody used for so long belongs to compilers that are gone.
static constexpr time_t unusedSeconds = time_t(60) * 24 * 3600;

//===----------------------------------------------------------------------===//
// Trust
//===----------------------------------------------------------------------===//

/// The owner of the file that this code was loaded from: who could change that needs no cache.
static uid_t ownerOfThisCode() {
  Dl_info info;
  struct stat status;
  bool known = dladdr(reinterpret_cast<void *>(&ownerOfThisCode), &info) && info.dli_fname &&
               stat(info.dli_fname, &status) == 0;
  return known ? status.st_uid : geteuid();
}

CacheFolder::CacheFolder(std::string base, std::string part, Kind kind, uint64_t mostBytes)
    : base(std::move(base)), part(std::move(part)), kind(kind), mostBytes(mostBytes) {}

/// Whether an open file or folder is of the type and nobody else can have written it.
bool CacheFolder::isTrusted(int descriptor, uint32_t type) const {
  struct stat status;
  if (fstat(descriptor, &status) != 0 || (status.st_mode & S_IFMT) != type)
    return false;
  bool isInstalled = kind == Kind::Installation;
  mode_t others = isInstalled ? S_IWOTH : S_IWOTH | S_IWGRP;
  bool hasOwner = status.st_uid == geteuid() || status.st_uid == 0 ||
                  (isInstalled && status.st_uid == ownerOfThisCode());
  return hasOwner && !(status.st_mode & others);
}

/// Makes the folder and those above it that are missing, for this user alone.
static void makeFolders(const std::string &path) {
  for (size_t end = 1; end != std::string::npos;) {
    end = path.find('/', end + 1);
    mkdir(path.substr(0, end).c_str(), S_IRWXU);
  }
}

/// The folder of the part; none if there is none that can be trusted.
FileDescriptor CacheFolder::openPart(bool create) {
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
  if (create)
    makeFolders(base);
  // The user may have put the folder elsewhere by a link.
  FileDescriptor folder(open(base.c_str(), flags));
  failed = !folder && errno != ENOENT;
  if (!folder)
    return FileDescriptor();
  failed = !isTrusted(folder.get(), S_IFDIR);
  if (failed)
    return FileDescriptor();
  if (create)
    mkdirat(folder.get(), part.c_str(), S_IRWXU);
  FileDescriptor opened(openat(folder.get(), part.c_str(), flags | O_NOFOLLOW));
  failed = opened ? !isTrusted(opened.get(), S_IFDIR) : errno != ENOENT;
  return failed ? FileDescriptor() : std::move(opened);
}

//===----------------------------------------------------------------------===//
// Entries
//===----------------------------------------------------------------------===//

static std::string fileName(const std::string &name) { return name + std::string(entrySuffix); }

/// All bytes of a file that is as long as it says; it may be cut off meanwhile.
static std::optional<std::string> contentOf(int file) {
  struct stat status;
  if (fstat(file, &status) != 0 || static_cast<uint64_t>(status.st_size) > mostEntryBytes)
    return std::nullopt;
  std::string content(static_cast<size_t>(status.st_size), '\0');
  for (size_t at = 0; at < content.size();) {
    ssize_t count = ::read(file, &content[at], content.size() - at);
    if (count < 0 && errno == EINTR)
      continue;
    if (count <= 0)
      return std::nullopt;
    at += static_cast<size_t>(count);
  }
  return content;
}

std::optional<std::string> CacheFolder::read(const std::string &name) {
  failed = false;
  if (base.empty())
    return std::nullopt;
  FileDescriptor folder = openPart(/*create=*/false);
  if (!folder)
    return std::nullopt;
  // A pipe is not waited for.
  constexpr int flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
  FileDescriptor file(openat(folder.get(), fileName(name).c_str(), flags));
  failed = !file && errno != ENOENT;
  if (!file)
    return std::nullopt;
  auto content = isTrusted(file.get(), S_IFREG) ? contentOf(file.get()) : std::nullopt;
  failed = !content;
  if (content && kind == Kind::Own)
    futimens(file.get(), nullptr);
  return content;
}

/// A name in which no other process writes.
static std::string partialName(const std::string &name) {
  uint64_t number = 0;
  if (getrandom(&number, sizeof(number), GRND_NONBLOCK) != sizeof(number))
    number = static_cast<uint64_t>(getpid());
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx", static_cast<unsigned long long>(number));
  return name + "." + digits + std::string(partialSuffix);
}

bool CacheFolder::place(int part, const std::string &name, const std::string &content) {
  std::string partial = partialName(name);
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  FileDescriptor file(openat(part, partial.c_str(), flags, S_IRUSR | S_IWUSR));
  if (!file)
    return false;
  bool placed = writeAll(file.get(), content.data(), content.size()) == 0 &&
                renameat(part, partial.c_str(), part, fileName(name).c_str()) == 0;
  if (!placed)
    unlinkat(part, partial.c_str(), 0);
  return placed;
}

bool CacheFolder::write(const std::string &name, const std::string &content) {
  failed = false;
  if (base.empty() || content.size() > mostBytes)
    return true;
  FileDescriptor folder = openPart(/*create=*/true);
  failed = !folder || !place(folder.get(), name, content);
  if (!failed)
    makeRoom(fileName(name), content.size());
  return !failed;
}

//===----------------------------------------------------------------------===//
// The bound
//===----------------------------------------------------------------------===//

namespace {

struct Entry {
  std::string part, file;
  uint64_t bytes;
  timespec used;

  bool isBefore(const Entry &other) const {
    return std::pair(used.tv_sec, used.tv_nsec) < std::pair(other.used.tv_sec, other.used.tv_nsec);
  }
  bool isLeftOver(time_t now) const {
    return now - used.tv_sec >
           (std::string_view(file).ends_with(partialSuffix) ? partialSeconds : unusedSeconds);
  }
};

} // namespace

/// The names in a folder, without "." and "..".
static std::vector<std::string> namesIn(int folder) {
  std::vector<std::string> names;
  int own = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  std::unique_ptr<DIR, int (*)(DIR *)> listing(own < 0 ? nullptr : fdopendir(own), closedir);
  while (dirent *entry = listing ? readdir(listing.get()) : nullptr)
    if (std::string_view name = entry->d_name; name != "." && name != "..")
      names.emplace_back(name);
  return names;
}

/// Earlier versions left out zeros in front.
static bool isPartName(std::string_view name) {
  return name.size() >= 8 && name.size() <= 16 &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

static FileDescriptor openFolder(int base, const std::string &part) {
  return FileDescriptor(
      openat(base, part.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

/// The files of all parts, the ones that were used longest ago first.
static std::vector<Entry> entriesIn(int base, const std::vector<std::string> &parts) {
  std::vector<Entry> entries;
  for (const std::string &part : parts) {
    FileDescriptor folder = openFolder(base, part);
    for (const std::string &file : folder ? namesIn(folder.get()) : std::vector<std::string>()) {
      std::string_view name = file;
      struct stat status;
      if ((name.ends_with(entrySuffix) || name.ends_with(partialSuffix)) &&
          fstatat(folder.get(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
          S_ISREG(status.st_mode))
        entries.push_back({part, file, static_cast<uint64_t>(status.st_size), status.st_mtim});
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry &left, const Entry &right) { return left.isBefore(right); });
  return entries;
}

/// Counts the bytes of all entries when the file `written` may have passed the bound, and removes
/// others if it has. What another process removes at the same time is gone, which is as good.
void CacheFolder::makeRoom(const std::string &written, uint64_t bytes) {
  writtenBytes += bytes;
  if (countedBytes && *countedBytes + writtenBytes <= mostBytes && writtenBytes <= mostBytes / 64)
    return;
  FileDescriptor folder(open(base.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  std::vector<std::string> parts = folder ? namesIn(folder.get()) : std::vector<std::string>();
  std::erase_if(parts, [](const std::string &name) { return !isPartName(name); });
  std::vector<Entry> entries = entriesIn(folder.get(), parts);
  uint64_t total = 0;
  for (const Entry &entry : entries)
    total += entry.bytes;
  // Some more go, so that the next one written does not count all again.
  uint64_t wanted = total > mostBytes ? mostBytes - mostBytes / 8 : mostBytes;
  time_t now = time(nullptr);
  for (const Entry &entry : entries)
    if ((total > wanted || entry.isLeftOver(now)) &&
        !(entry.part == part && entry.file == written)) {
      unlinkat(openFolder(folder.get(), entry.part).get(), entry.file.c_str(), 0);
      total -= entry.bytes;
    }
  for (const std::string &name : parts)
    if (name != part) // Goes only if it is empty.
      unlinkat(folder.get(), name.c_str(), AT_REMOVEDIR);
  countedBytes = total;
  writtenBytes = 0;
}

} // namespace weft
