// What stands at a path that is about to be written.
#include "lib/Support/ReplacedFile.h"

#include <cerrno>
#include <climits>
#include <unistd.h>

namespace weft {

/// What the link at `path` says, from where `path` itself is read; empty if there is no link.
static std::string linkAt(const std::string &path) {
  char text[PATH_MAX];
  ssize_t length = readlink(path.c_str(), text, sizeof(text));
  if (length <= 0 || length == sizeof(text))
    return "";
  std::string said(text, static_cast<size_t>(length));
  size_t slash = path.rfind('/');
  return said[0] == '/' || slash == std::string::npos ? said : path.substr(0, slash + 1) + said;
}

ReplacedFile::ReplacedFile(const std::string &path) : target(path) {
  struct stat found;
  if (stat(path.c_str(), &found) == 0)
    status = found;
  else
    isLoop = errno == ELOOP;
  // The links of /proc that lead to pipes say no path.
  if (isSpecial() || isLoop)
    return;
  for (std::string next; !(next = linkAt(target)).empty();)
    target = next;
}

bool ReplacedFile::isSpecial() const {
  return status && !S_ISREG(status->st_mode) && !S_ISDIR(status->st_mode);
}

const char *ReplacedFile::obstacle() const {
  if (isLoop)
    return "it is a link that leads to itself";
  if (status && S_ISDIR(status->st_mode))
    return "it is a folder";
  return isSpecial() ? "it is a device, a pipe or a socket, and no file" : nullptr;
}

void ReplacedFile::takeOver(int descriptor) const {
  if (!status)
    return;
  bool isOwners = fchown(descriptor, status->st_uid, status->st_gid) == 0;
  // A group that is another one gets no rights that were not meant for it.
  mode_t kept = isOwners ? S_IRWXU | S_IRWXG | S_IRWXO : S_IRWXU | S_IRWXO;
  (void)fchmod(descriptor, status->st_mode & kept);
}

} // namespace weft
