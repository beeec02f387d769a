#include "lib/Runtime/HostInfo.h"
#include "lib/Runtime/Cgroup.h"

#include <gtest/gtest.h>

#include <map>

using namespace weft;

namespace {

FileReader filesOf(std::map<std::string, std::string> files) {
  return [files](const std::string &path) -> std::optional<std::string> {
    auto found = files.find(path);
    if (found == files.end())
      return std::nullopt;
    return found->second;
  };
}

TEST(Cgroup, NoFilesMeanNoLimits) {
  CgroupLimits limits = readCgroupLimits(filesOf({}));
  EXPECT_FALSE(limits.cores);
  EXPECT_FALSE(limits.memoryBytes);
}

TEST(Cgroup, UnifiedQuotaIsRoundedUp) {
  CgroupLimits limits = readCgroupLimits(filesOf({{"/proc/self/cgroup", "0::/\n"},
                                                  {"/sys/fs/cgroup/cpu.max", "150000 100000\n"},
                                                  {"/sys/fs/cgroup/memory.max", "1048576\n"}}));
  EXPECT_EQ(limits.cores, 2);
  EXPECT_EQ(limits.memoryBytes, 1048576u);
}

TEST(Cgroup, UnifiedMaxMeansNoLimit) {
  CgroupLimits limits = readCgroupLimits(filesOf({{"/proc/self/cgroup", "0::/\n"},
                                                  {"/sys/fs/cgroup/cpu.max", "max 100000\n"},
                                                  {"/sys/fs/cgroup/memory.max", "max\n"}}));
  EXPECT_FALSE(limits.cores);
  EXPECT_FALSE(limits.memoryBytes);
}

TEST(Cgroup, TheTightestAncestorCounts) {
  CgroupLimits limits = readCgroupLimits(filesOf({{"/proc/self/cgroup", "0::/a/b\n"},
                                                  {"/sys/fs/cgroup/a/b/cpu.max", "800000 100000\n"},
                                                  {"/sys/fs/cgroup/a/cpu.max", "300000 100000\n"},
                                                  {"/sys/fs/cgroup/a/b/memory.max", "5000\n"},
                                                  {"/sys/fs/cgroup/memory.max", "9000\n"}}));
  EXPECT_EQ(limits.cores, 3);
  EXPECT_EQ(limits.memoryBytes, 5000u);
}

TEST(Cgroup, Version1QuotaAndMemory) {
  CgroupLimits limits =
      readCgroupLimits(filesOf({{"/proc/self/cgroup", "5:memory:/box\n4:cpu,cpuacct:/box\n0::/\n"},
                                {"/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "50000\n"},
                                {"/sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000\n"},
                                {"/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "4096\n"}}));
  EXPECT_EQ(limits.cores, 1);
  EXPECT_EQ(limits.memoryBytes, 4096u);
}

TEST(Cgroup, Version1WithoutQuotaOrWithOnlyTheRootMounted) {
  CgroupLimits unlimited =
      readCgroupLimits(filesOf({{"/proc/self/cgroup", "4:cpu:/\n"},
                                {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"},
                                {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}));
  EXPECT_FALSE(unlimited.cores);
  CgroupLimits container =
      readCgroupLimits(filesOf({{"/proc/self/cgroup", "4:cpu:/host/only/path\n"},
                                {"/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "400000\n"},
                                {"/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"}}));
  EXPECT_EQ(container.cores, 4);
}

TEST(Cgroup, MalformedFilesLimitNothing) {
  CgroupLimits limits =
      readCgroupLimits(filesOf({{"/proc/self/cgroup", "garbage\n::\n0::relative\n0::/\n"},
                                {"/sys/fs/cgroup/cpu.max", "100000"},
                                {"/sys/fs/cgroup/memory.max", "lots\n"}}));
  EXPECT_FALSE(limits.cores);
  EXPECT_FALSE(limits.memoryBytes);
}

TEST(HostInfo, CacheSizesComeFromSysfs) {
  std::map<std::string, std::string> files;
  auto addCache = [&](int index, const char *level, const char *type, const char *size) {
    std::string directory = "/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(index);
    files[directory + "/level"] = level;
    files[directory + "/type"] = type;
    files[directory + "/size"] = size;
  };
  addCache(0, "1\n", "Data\n", "48K\n");
  addCache(1, "1\n", "Instruction\n", "32K\n");
  addCache(2, "2\n", "Unified\n", "2048K\n");
  addCache(3, "3\n", "Unified\n", "260M\n");
  CacheSizes sizes = readCacheSizes(filesOf(files));
  EXPECT_EQ(sizes.level1Data, 48 << 10);
  EXPECT_EQ(sizes.level2, 2 << 20);
  EXPECT_EQ(sizes.level3, 260 << 20);
}

TEST(HostInfo, CacheSizesArePlausibleWithoutSysfs) {
  CacheSizes sizes = readCacheSizes(filesOf({}));
  EXPECT_GE(sizes.level1Data, 8 << 10);
  EXPECT_GE(sizes.level2, sizes.level1Data);
}

TEST(HostInfo, ThisHostIsPlausible) {
  const HostInfo &info = hostInfo();
  EXPECT_GE(info.cores, 1);
  EXPECT_GE(info.memoryBytes, uint64_t(16) << 20);
  EXPECT_GE(info.caches.level1Data, 8 << 10);
}

} // namespace
