// What stands at a path that is about to be written.
#pragma once

#include <optional>
#include <string>
#include <sys/stat.h>

namespace weft {

/// A file that is written beside its place and renamed into it takes the place of what a path leads
/// to behind links, and keeps the permissions of what was there.
class ReplacedFile {
public:
  explicit ReplacedFile(const std::string &path);

  /// Without links; what they lead to need not be there.
  const std::string &path() const { return target; }
  /// Why nothing may be renamed to the path: it is a folder, a link to itself, or (see isSpecial) a
  /// device, a pipe or a socket. Null if a file may.
  const char *obstacle() const;
  /// True for what is there, but neither a file nor a folder.
  bool isSpecial() const;
  /// Gives a new file the permissions, and if this process may the owner, of the one that was
  /// there.
  void takeOver(int descriptor) const;

private:
  std::string target;
  /// Of what is there.
  std::optional<struct stat> status;
  bool isLoop = false;
};

} // namespace weft
