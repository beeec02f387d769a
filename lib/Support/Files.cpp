#include "lib/Support/Files.h"

#include <fstream>
#include <iterator>

namespace weft {

std::optional<std::string> readFile(const std::string &path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream)
    return std::nullopt;
  std::string contents{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (stream.bad())
    return std::nullopt;
  return contents;
}

} // namespace weft
