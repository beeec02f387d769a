// Compiled kernels on disk, shared by processes.
#pragma once

#include "lib/Compiler/CacheFolder.h"
#include "lib/Compiler/KernelCode.h"
#include "lib/Support/Options.h"
#include <optional>

namespace weft {

/// One sealed file for each kernel. A file that is damaged, another's or can't be trusted counts as
/// missing and is replaced. A folder that can't be read or written is not an error: the failure is
/// counted and nothing is cached.
///
/// The folder is WEFT_CACHE_DIR, else XDG_CACHE_HOME/weft, else HOME/.cache/weft; WEFT_CACHE_DIR
/// set to nothing turns the cache off. Its bound is WEFT_CACHE_BYTES, 1 GiB if that is not set; see
/// CacheFolder. A second folder, which is only read, holds the kernels that were built with the
/// package: the operations' own.
class DiskCache {
public:
  /// `key` tells apart the targets and compilers whose code differs; `packaged` may be empty.
  /// Throws weft::Error if WEFT_CACHE_BYTES is no size.
  DiskCache(const std::string &key, const std::string &packaged,
            const Environment &environment = processEnvironment);

  std::optional<KernelObject> find(const std::string &name);
  void store(const KernelObject &object);
  /// The same for a text beside the kernels, which are not called so.
  std::optional<std::string> findNote(const std::string &name);
  void storeNote(const std::string &name, const std::string &text);
  /// Entries that could not be read or written, and one if there is no place for the folder.
  int64_t failures() const { return failureCount; }

private:
  std::optional<KernelObject> read(CacheFolder &folder, const std::string &name);

  std::string identity;
  CacheFolder own, installed;
  int64_t failureCount = 0;
};

/// A text that changes whenever the compiler's own code does: the linker's id of this binary.
std::string compilerBuildId();

} // namespace weft
