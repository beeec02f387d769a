// A folder of small files that processes share, that is bounded, and that nobody else can write.
#pragma once

#include "lib/Support/FileDescriptor.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace weft {

/// Entries are the files BASE/PART/NAME.kernel, parts being named by 16 hexadecimal digits; nothing
/// else below BASE is read or removed.
///
/// What is read here runs as code. So BASE, PART and the file have to belong to this user or to
/// root (in an installation: or to the owner of this library) and to be writable by no one else (in
/// an installation: not by all); PART and the file are no links, and the file is a regular one.
/// What is not so counts as missing, and is replaced if it can be.
///
/// A file is written beside its place and renamed into it, so that readers see all of it or
/// nothing. What a killed process left is removed after an hour.
class CacheFolder {
public:
  enum class Kind {
    Own,         ///< written and bounded by this user's processes
    Installation ///< only read
  };

  /// None if `base` is empty. `mostBytes` is a bound on the files of all parts together.
  CacheFolder(std::string base, std::string part, Kind kind, uint64_t mostBytes);

  /// The content of an entry; nothing if there is none that can be trusted. The entry then counts
  /// as used now.
  std::optional<std::string> read(const std::string &name);
  /// Removes what was not used for longest where the bound is passed: several processes that write
  /// at once can pass it by a 64th each. False if the entry could not be written.
  bool write(const std::string &name, const std::string &content);
  /// True if the last call that gave nothing, or false, found more than a missing file.
  bool hasFailed() const { return failed; }

private:
  FileDescriptor openPart(bool create);
  bool isTrusted(int descriptor, uint32_t type) const;
  bool place(int part, const std::string &name, const std::string &content);
  void makeRoom(const std::string &written, uint64_t bytes);

  std::string base, part;
  Kind kind;
  uint64_t mostBytes;
  bool failed = false;
  /// Bytes below the base when they were last counted, and bytes written since then.
  std::optional<uint64_t> countedBytes;
  uint64_t writtenBytes = 0;
};

} // namespace weft
