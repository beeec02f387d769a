// Compiled kernels on disk, shared by processes.
#pragma once

#include "lib/Compiler/KernelCode.h"
#include <optional>

namespace weft {

/// One file for each kernel. A file is written beside its place and renamed into it, and carries a
/// checksum: readers never see half of one, and a damaged one counts as missing. A folder that
/// can't be written is not an error: the failure is counted and nothing is cached.
///
/// The folder is WEFT_CACHE_DIR, else XDG_CACHE_HOME/weft, else ~/.cache/weft; WEFT_CACHE_DIR set
/// to nothing turns the cache off. A second folder, which is only read, holds the kernels that were
/// built with the package: the operations' own.
class DiskCache {
public:
  /// `key` tells apart the targets and compilers whose code differs; `packaged` may be empty.
  DiskCache(const std::string &key, const std::string &packaged);

  std::optional<KernelObject> find(const std::string &name);
  void store(const KernelObject &object);
  /// Entries that could not be read or written.
  int64_t failures() const { return failureCount; }

private:
  std::optional<KernelObject> read(const std::string &folder, const std::string &name);

  std::string folder, packagedFolder;
  int64_t failureCount = 0;
};

/// A text that changes whenever the compiler's own code does: the linker's id of this binary.
std::string compilerBuildId();

} // namespace weft
