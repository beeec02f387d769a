// Reading small text files (sysfs, procfs), with a seam so that tests can supply the contents.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace weft {

/// Gives the contents of the file at `path`, or nothing when it cannot be read.
using FileReader = std::function<std::optional<std::string>(const std::string &path)>;

/// The reader that reads real files.
std::optional<std::string> readFile(const std::string &path);

} // namespace weft
