// Several files that are written together.
#include "lib/Compiler/OutputFiles.h"
#include "lib/Support/Error.h"
#include "lib/Support/FileDescriptor.h"
#include "lib/Support/ReplacedFile.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Signals.h"
#include "llvm/Support/raw_ostream.h"
#include <tuple>

namespace fs = llvm::sys::fs;

namespace weft {

[[noreturn]] static void fail(llvm::StringRef path, const std::string &what,
                              const std::string &reason) {
  throw Error(Error::Kind::IO, path.str() + ": cannot be " + what + ": " + reason);
}

/// Removes a file that may be gone already.
static void removeFile(llvm::StringRef name) { std::ignore = fs::remove(name); }

static void writeBytes(llvm::StringRef name, int descriptor, llvm::StringRef bytes,
                       llvm::StringRef path) {
  HeldBackSizeSignal heldBack;
  llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
  stream << bytes;
  stream.close();
  if (stream.has_error()) {
    std::string reason = stream.error().message();
    stream.clear_error();
    removeFile(name);
    fail(path, "written", reason);
  }
}

/// One text for all ways to name a file, which need not be there.
static std::string canonicalPath(llvm::StringRef path) {
  llvm::SmallString<256> folder(path), canonical;
  if (fs::make_absolute(folder))
    return path.str();
  llvm::sys::path::remove_filename(folder);
  if (fs::real_path(folder, canonical))
    canonical = folder;
  llvm::sys::path::append(canonical, llvm::sys::path::filename(path));
  return canonical.str().str();
}

std::string OutputFiles::addWrittenByCaller(llvm::StringRef given) {
  ReplacedFile replaced(given.str());
  const std::string &path = replaced.path();
  bool isSpecial = replaced.isSpecial();
  if (replaced.obstacle() && !isSpecial)
    fail(path, "written", replaced.obstacle());
  for (const File &other : files)
    if (!isSpecial && canonicalPath(other.path) == canonicalPath(path))
      fail(path, "written", "it is named for two outputs");
  llvm::SmallString<256> name;
  int descriptor;
  std::error_code error = isSpecial
                              ? fs::createTemporaryFile("weft", "out", descriptor, name)
                              : fs::createUniqueFile(path + ".%%%%%%%%.tmp", descriptor, name);
  if (error)
    fail(path, "written", error.message());
  if (!isSpecial)
    replaced.takeOver(descriptor);
  llvm::sys::RemoveFileOnSignal(name);
  files.push_back({path, name.str().str(), "", isSpecial});
  llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true).close();
  return files.back().temporary;
}

void OutputFiles::add(llvm::StringRef path, llvm::StringRef bytes) {
  std::string name = addWrittenByCaller(path);
  int descriptor;
  if (std::error_code error = fs::openFileForWrite(name, descriptor))
    fail(path, "written", error.message());
  writeBytes(name, descriptor, bytes, path);
}

static void copyInto(llvm::StringRef from, llvm::StringRef path) {
  int descriptor;
  std::error_code error = fs::openFileForWrite(path, descriptor, fs::CD_OpenExisting);
  if (!error) {
    error = fs::copy_file(from, descriptor);
    llvm::raw_fd_ostream(descriptor, /*shouldClose=*/true).close();
  }
  if (error)
    fail(path, "written", error.message());
}

/// Keeps what is at the path under another name.
static std::error_code keep(llvm::StringRef path, std::string &previous) {
  fs::file_status status;
  if (fs::status(path, status, /*follow=*/false) || !fs::exists(status))
    return {};
  if (fs::is_directory(status))
    return std::make_error_code(std::errc::is_a_directory);
  llvm::SmallString<256> name;
  if (std::error_code error = fs::getPotentiallyUniqueFileName(path + ".%%%%%%%%.old", name))
    return error;
  std::error_code error = fs::create_hard_link(path, name);
  if (error) // Some file systems have no second names.
    error = fs::rename(path, name);
  if (!error)
    previous = name.str().str();
  return error;
}

std::error_code OutputFiles::move(File &file) {
  if (std::error_code error = keep(file.path, file.previous))
    return error;
  std::error_code error = fs::rename(file.temporary, file.path);
  file.isMoved = !error;
  return error;
}

void OutputFiles::moveBack(File &file) {
  if (file.previous.empty()) {
    if (file.isMoved)
      removeFile(file.path);
    return;
  }
  if (fs::rename(file.previous, file.path))
    file.previous.clear(); // Better left under the other name than lost.
}

void OutputFiles::commit() {
  for (const File &file : files)
    if (file.isSpecial)
      copyInto(file.temporary, file.path);
  for (File &file : files) {
    if (file.isSpecial)
      continue;
    if (std::error_code error = move(file)) {
      for (File &other : files)
        moveBack(other);
      fail(file.path, "written", error.message());
    }
  }
}

OutputFiles::~OutputFiles() {
  for (const File &file : files) {
    if (!file.previous.empty())
      removeFile(file.previous);
    removeFile(file.temporary);
    llvm::sys::DontRemoveFileOnSignal(file.temporary);
  }
}

void writeOutput(llvm::StringRef path, llvm::StringRef bytes) {
  if (path == "-") {
    llvm::outs() << bytes;
    return;
  }
  OutputFiles files;
  files.add(path, bytes);
  files.commit();
}

TemporaryFile::TemporaryFile(llvm::StringRef suffix, llvm::StringRef bytes) {
  llvm::SmallString<256> path;
  int descriptor;
  if (std::error_code error = fs::createTemporaryFile("weft", suffix, descriptor, path))
    fail("a temporary file", "made", error.message());
  llvm::sys::RemoveFileOnSignal(path);
  name = path.str().str();
  writeBytes(name, descriptor, bytes, name);
}

TemporaryFile::~TemporaryFile() {
  removeFile(name);
  llvm::sys::DontRemoveFileOnSignal(name);
}

} // namespace weft
