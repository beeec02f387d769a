#include "lib/Runtime/Cgroup.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <sstream>
#include <string>
#include <vector>

namespace weft {
namespace {

/// The positive number that `text` begins with, after spaces; nothing for "max", "-1" or "".
std::optional<uint64_t> positiveNumber(const std::string &text) {
  size_t start = text.find_first_not_of(" \t");
  if (start == std::string::npos)
    return std::nullopt;
  uint64_t value = 0;
  auto [end, error] = std::from_chars(text.data() + start, text.data() + text.size(), value);
  if (error != std::errc() || value == 0)
    return std::nullopt;
  return value;
}

template <typename Value> void limit(std::optional<Value> &current, Value candidate) {
  current = std::min(current.value_or(candidate), candidate);
}

void limitCores(CgroupLimits &limits, std::optional<uint64_t> quota,
                std::optional<uint64_t> period) {
  if (!quota || !period)
    return;
  uint64_t cores = *quota / *period + (*quota % *period != 0);
  limit(limits.cores, static_cast<int>(std::min<uint64_t>(cores, INT_MAX)));
}

/// Reads the limits of one group; `directory` is where its files are.
class GroupReader {
public:
  explicit GroupReader(const FileReader &reader) : reader(reader) {}

  void readUnified(CgroupLimits &limits, const std::string &directory) const {
    if (auto text = reader(directory + "/cpu.max")) {
      size_t space = text->find(' ');
      if (space != std::string::npos)
        limitCores(limits, positiveNumber(*text), positiveNumber(text->substr(space)));
    }
    if (auto bytes = number(directory + "/memory.max"))
      limit(limits.memoryBytes, *bytes);
  }

  void readCpu(CgroupLimits &limits, const std::string &directory) const {
    limitCores(limits, number(directory + "/cpu.cfs_quota_us"),
               number(directory + "/cpu.cfs_period_us"));
  }

  void readMemory(CgroupLimits &limits, const std::string &directory) const {
    if (auto bytes = number(directory + "/memory.limit_in_bytes"))
      limit(limits.memoryBytes, *bytes);
  }

private:
  std::optional<uint64_t> number(const std::string &path) const {
    auto text = reader(path);
    return text ? positiveNumber(*text) : std::nullopt;
  }

  const FileReader &reader;
};

/// Calls `visit` for the group and each group around it, up to the root: a limit on any of them
/// holds, and in a container the path may be the host's, of which only the root is mounted.
template <typename Visitor>
void forEachAncestor(const std::string &mount, std::string path, Visitor visit) {
  while (path.size() > 1) {
    visit(mount + path);
    path.resize(path.rfind('/'));
  }
  visit(mount);
}

std::vector<std::string> splitCommas(const std::string &text) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, ',');)
    parts.push_back(part);
  return parts;
}

} // namespace

CgroupLimits readCgroupLimits(const FileReader &reader) {
  CgroupLimits limits;
  GroupReader group(reader);
  const std::string root = "/sys/fs/cgroup";
  // Lines are "hierarchy:controllers:path"; version 2 has hierarchy 0 and no controllers.
  std::istringstream lines(reader("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    size_t first = line.find(':');
    size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0)
      continue;
    std::string controllers = line.substr(first + 1, second - first - 1);
    std::string path = line.substr(second + 1);
    if (controllers.empty()) {
      forEachAncestor(root, path, [&](const std::string &d) { group.readUnified(limits, d); });
      continue;
    }
    for (const std::string &controller : splitCommas(controllers)) {
      // The hierarchy is mounted under its full name; its controllers are links to it.
      std::string mount = root + "/" + controller;
      if (controller == "cpu")
        forEachAncestor(mount, path, [&](const std::string &d) { group.readCpu(limits, d); });
      else if (controller == "memory")
        forEachAncestor(mount, path, [&](const std::string &d) { group.readMemory(limits, d); });
    }
  }
  return limits;
}

} // namespace weft
