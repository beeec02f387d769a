// A folder that is removed at the end of a test.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <system_error>

namespace weft::testing {

class TemporaryFolder {
public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "weft-test-XXXXXX").string();
    if (!mkdtemp(name.data()))
      throw std::filesystem::filesystem_error("no temporary folder", name,
                                              std::error_code(errno, std::generic_category()));
    root = name;
  }
  ~TemporaryFolder() { std::filesystem::remove_all(root); }
  TemporaryFolder(const TemporaryFolder &) = delete;
  TemporaryFolder &operator=(const TemporaryFolder &) = delete;

  std::string path(const std::string &name) const { return (root / name).string(); }
  void write(const std::string &name, const std::string &bytes) const {
    std::ofstream(root / name, std::ios::binary) << bytes;
  }
  std::string read(const std::string &name) const {
    std::stringstream text;
    text << std::ifstream(root / name, std::ios::binary).rdbuf();
    return text.str();
  }
  /// All below the folder, by their paths from it.
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto &entry : std::filesystem::recursive_directory_iterator(root))
      found.insert(entry.path().lexically_relative(root).string());
    return found;
  }

  std::filesystem::path root;
};

} // namespace weft::testing
