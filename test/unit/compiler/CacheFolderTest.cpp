// The cache on disk trusts nobody else, is never seen half, and keeps its bound.
#include "lib/Compiler/CacheFolder.h"

#include "test/unit/compiler/TemporaryFolder.h"
#include "test/unit/runtime/InChild.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <thread>

using namespace weft;
namespace fs = std::filesystem;

namespace {

constexpr const char *part = "0123456789abcdef";
constexpr uint64_t large = uint64_t(1) << 30;

class CacheFolderTest : public ::testing::Test, protected weft::testing::TemporaryFolder {
protected:
  CacheFolder open(uint64_t mostBytes = large) const {
    return {path("cache"), part, CacheFolder::Kind::Own, mostBytes};
  }
  std::string entry(const std::string &name) const {
    return path(std::string("cache/") + part + "/" + name + ".kernel");
  }
  void setAge(const std::string &file, int seconds) const {
    timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    timespec times[2] = {{now.tv_sec - seconds, 0}, {now.tv_sec - seconds, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  }
  /// That it counts as missing, is a failure, and is replaced.
  void expectRefused() {
    CacheFolder cache = open();
    EXPECT_FALSE(cache.read("k"));
    EXPECT_TRUE(cache.hasFailed());
  }
  void expectReplaced() {
    expectRefused();
    CacheFolder cache = open();
    EXPECT_TRUE(cache.write("k", "mine"));
    EXPECT_EQ(cache.read("k"), "mine");
  }
};

TEST_F(CacheFolderTest, KeepsAndGives) {
  CacheFolder cache = open();
  EXPECT_FALSE(cache.read("k"));
  EXPECT_FALSE(cache.hasFailed());
  EXPECT_TRUE(cache.write("k", "content"));
  EXPECT_EQ(open().read("k"), "content");
  EXPECT_TRUE(cache.write("k", ""));
  EXPECT_EQ(open().read("k"), "");
  EXPECT_FALSE(open().read("other"));
}

TEST_F(CacheFolderTest, WhatItMakesIsForThisUserAlone) {
  mode_t previous = umask(0);
  open().write("k", "content");
  umask(previous);
  for (const fs::path &made :
       {fs::path(path("cache")), fs::path(path("cache")) / part, fs::path(entry("k"))})
    EXPECT_EQ(fs::status(made).permissions() & (fs::perms::group_all | fs::perms::others_all),
              fs::perms::none)
        << made;
}

TEST_F(CacheFolderTest, FilesThatOthersCanWriteAreRefused) {
  for (int mode : {0620, 0602}) {
    open().write("k", "planted");
    ASSERT_EQ(chmod(entry("k").c_str(), mode), 0);
    expectReplaced();
  }
}

TEST_F(CacheFolderTest, FoldersThatOthersCanWriteAreRefused) {
  open().write("k", "planted");
  for (const std::string &folder : {path("cache"), path(std::string("cache/") + part)}) {
    for (int mode : {0720, 0702, 01777}) {
      ASSERT_EQ(chmod(folder.c_str(), mode), 0);
      expectRefused();
      EXPECT_FALSE(open().write("k", "mine"));
    }
    ASSERT_EQ(chmod(folder.c_str(), 0700), 0);
  }
  EXPECT_EQ(open().read("k"), "planted");
}

TEST_F(CacheFolderTest, WhatOthersOwnIsRefused) {
  if (geteuid() != 0)
    GTEST_SKIP() << "only root can give files away";
  open().write("k", "planted");
  ASSERT_EQ(chown(entry("k").c_str(), 65534, 65534), 0);
  expectReplaced();
  for (const std::string &folder : {path("cache"), path(std::string("cache/") + part)}) {
    ASSERT_EQ(chown(folder.c_str(), 65534, 65534), 0);
    expectRefused();
    ASSERT_EQ(chown(folder.c_str(), 0, 0), 0);
  }
}

TEST_F(CacheFolderTest, LinksPipesAndFoldersAreNoEntries) {
  open().write("other", "another's");
  fs::create_symlink(entry("other"), entry("k"));
  expectReplaced();
  EXPECT_EQ(open().read("other"), "another's");
  fs::remove(entry("k"));
  ASSERT_EQ(mkfifo(entry("k").c_str(), 0600), 0);
  EXPECT_TRUE(weft::testing::holdsInChild([&] { return !open().read("k"); })) << "waits for a pipe";
  expectReplaced();
  fs::remove(entry("k"));
  fs::create_directory(entry("k"));
  expectRefused();
}

TEST_F(CacheFolderTest, AFolderThatIsALinkIsNoPart) {
  fs::create_directories(path("elsewhere"));
  write("elsewhere/k.kernel", "planted");
  fs::create_directory(path("cache"));
  ASSERT_EQ(chmod(path("cache").c_str(), 0700), 0);
  fs::create_symlink(path("elsewhere"), path(std::string("cache/") + part));
  expectRefused();
  // The folder of the whole cache may be one.
  fs::remove_all(path("cache"));
  ASSERT_EQ(chmod(path("elsewhere").c_str(), 0700), 0);
  fs::create_symlink(path("elsewhere"), path("cache"));
  EXPECT_TRUE(open().write("k", "mine"));
  EXPECT_EQ(open().read("k"), "mine");
}

TEST_F(CacheFolderTest, LeastRecentlyUsedGoFirst) {
  std::string kilobyte(1024, 'x');
  CacheFolder cache = open(8 * 1024);
  for (int i = 0; i < 8; ++i) {
    cache.write("k" + std::to_string(i), kilobyte);
    setAge(entry("k" + std::to_string(i)), 100 - i);
  }
  EXPECT_TRUE(cache.read("k0")) << "nothing was to go yet";
  cache.write("k8", kilobyte);
  EXPECT_FALSE(cache.read("k1"));
  EXPECT_FALSE(cache.read("k2"));
  EXPECT_FALSE(cache.hasFailed());
  for (const char *kept : {"k0", "k3", "k7", "k8"})
    EXPECT_TRUE(cache.read(kept)) << kept;
}

TEST_F(CacheFolderTest, TheLastOneStaysIfItFits) {
  CacheFolder cache = open(1000);
  for (size_t bytes : {300, 500, 990, 1000}) {
    cache.write("k" + std::to_string(bytes), std::string(bytes, 'x'));
    EXPECT_TRUE(cache.read("k" + std::to_string(bytes))) << bytes;
  }
}

TEST_F(CacheFolderTest, TheBoundIsOneForAllParts) {
  std::string kilobyte(1024, 'x');
  CacheFolder old(path("cache"), "aaaaaaaaaaaaaaaa", CacheFolder::Kind::Own, 4 * 1024);
  for (int i = 0; i < 4; ++i) {
    old.write("k" + std::to_string(i), kilobyte);
    setAge(path("cache/aaaaaaaaaaaaaaaa/k" + std::to_string(i) + ".kernel"), 100 - i);
  }
  fs::create_directory(path("cache/of-somebody-else"));
  write("cache/of-somebody-else/k.kernel", std::string(9000, 'x'));
  CacheFolder cache = open(4 * 1024);
  for (int i = 0; i < 4; ++i)
    cache.write("n" + std::to_string(i), kilobyte);
  for (int i = 0; i < 3; ++i)
    EXPECT_FALSE(old.read("k" + std::to_string(i)));
  EXPECT_FALSE(fs::exists(path("cache/aaaaaaaaaaaaaaaa"))) << "a folder that is empty goes";
  EXPECT_EQ(read("cache/of-somebody-else/k.kernel").size(), 9000u);
}

TEST_F(CacheFolderTest, WhatIsLeftOverGoes) {
  open().write("k", "used");
  open().write("old", "of a compiler that is gone");
  setAge(entry("old"), 61 * 24 * 3600);
  std::string folder = std::string("cache/") + part + "/";
  write(folder + "k.0.partial", "of a process that was killed");
  setAge(path(folder + "k.0.partial"), 3700);
  write(folder + "k.1.partial", "of a process that writes");
  fs::create_directory(path("cache/123456789abcdef"));
  open().write("new", "first of its process");
  EXPECT_EQ(names(),
            (std::set<std::string>{"cache", std::string("cache/") + part, folder + "k.kernel",
                                   folder + "k.1.partial", folder + "new.kernel"}));
}

TEST_F(CacheFolderTest, TooLargeForTheBoundIsNotKept) {
  CacheFolder cache = open(10);
  EXPECT_TRUE(cache.write("k", "eleven byte"));
  EXPECT_FALSE(cache.hasFailed());
  EXPECT_FALSE(cache.read("k"));
}

/// A full disk, as far as the process can see.
TEST_F(CacheFolderTest, ALimitOfFilesIsAFailureAndNothingElse) {
  open().write("first", "1");
  EXPECT_TRUE(weft::testing::holdsInChild([&] {
    (void)std::signal(SIGXFSZ, SIG_DFL);
    rlimit most{100, 100};
    setrlimit(RLIMIT_FSIZE, &most);
    CacheFolder cache = open();
    bool refused = !cache.write("k", std::string(1000, 'x')) && cache.hasFailed();
    return refused && cache.write("small", "1");
  }));
  EXPECT_FALSE(open().read("k"));
  EXPECT_EQ(names().size(), 4u) << "something half written was left";
}

TEST_F(CacheFolderTest, ManyWritersAndReadersSeeWholeEntries) {
  auto work = [&](int writer) {
    CacheFolder cache = open(6000);
    for (int i = 0; i < 200; ++i) {
      std::string name = "k" + std::to_string(i % 7), content(500 + i, static_cast<char>(writer));
      if (!cache.write(name, content))
        return false;
      if (auto seen = cache.read(name))
        if (seen->empty() || seen->find_first_not_of((*seen)[0]) != std::string::npos)
          return false;
    }
    return true;
  };
  std::thread thread([&] { EXPECT_TRUE(work(1)); });
  EXPECT_TRUE(weft::testing::holdsInChild([&] { return work(2); }));
  thread.join();
  uint64_t total = 0;
  for (const auto &file : fs::recursive_directory_iterator(path("cache")))
    total += file.is_regular_file() ? file.file_size() : 0;
  EXPECT_LE(total, 6000u);
}

TEST_F(CacheFolderTest, AnInstallationIsOnlyRead) {
  open().write("k", "packaged");
  for (const std::string &made : {path("cache"), path(std::string("cache/") + part), entry("k")})
    ASSERT_EQ(chmod(made.c_str(), 0775), 0);
  setAge(entry("k"), 1000);
  auto before = fs::last_write_time(entry("k"));
  CacheFolder installed(path("cache"), part, CacheFolder::Kind::Installation, 0);
  EXPECT_EQ(installed.read("k"), "packaged");
  EXPECT_EQ(fs::last_write_time(entry("k")), before);
  ASSERT_EQ(chmod(entry("k").c_str(), 0777), 0);
  EXPECT_FALSE(installed.read("k"));
}

} // namespace
