// Which files can be read whole.
#pragma once

#include <string>

namespace weft {

/// Where input may come from: a regular file, or a pipe too, whose writer ends it.
enum class Sources { Files, FilesAndPipes };

/// Why the file at `path` must not be read, null if nothing is in the way: reading a device does
/// not end, and opening a pipe waits for a writer. One that is not there is in nobody's way.
const char *obstacleToReading(const std::string &path, Sources sources);

} // namespace weft
