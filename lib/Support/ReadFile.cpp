#include "lib/Support/ReadFile.h"

#include <sys/stat.h>

namespace weft {

const char *obstacleToReading(const std::string &path, Sources sources) {
  struct stat status{};
  if (stat(path.c_str(), &status) != 0)
    return nullptr;
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode))
    return "it is a device";
  if (S_ISSOCK(status.st_mode))
    return "it is a socket";
  if (S_ISFIFO(status.st_mode) && sources == Sources::Files)
    return "it is a pipe";
  return nullptr;
}

} // namespace weft
