// Files that are written together are all there, or none is and what was there before is back.
#include "lib/Compiler/OutputFiles.h"
#include "lib/Support/Error.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace fs = std::filesystem;
using namespace weft;

namespace {

class OutputFilesTest : public testing::Test {
protected:
  OutputFilesTest() {
    std::string name = (fs::temp_directory_path() / "weft-outputs-XXXXXX").string();
    folder = mkdtemp(name.data());
  }
  ~OutputFilesTest() override { fs::remove_all(folder); }

  std::string path(const char *name) const { return (folder / name).string(); }
  void write(const char *name, const char *bytes) const { std::ofstream(folder / name) << bytes; }
  std::string read(const char *name) const {
    std::stringstream text;
    text << std::ifstream(folder / name).rdbuf();
    return text.str();
  }
  std::set<std::string> names() const {
    std::set<std::string> found;
    for (const auto &entry : fs::directory_iterator(folder))
      found.insert(entry.path().filename().string());
    return found;
  }

  fs::path folder;
};

using Names = std::set<std::string>;

TEST_F(OutputFilesTest, ReplacesAll) {
  write("old", "1");
  {
    OutputFiles files;
    files.add(path("old"), "2");
    files.add(path("new"), "3");
    EXPECT_EQ(read("old"), "1");
    files.commit();
  }
  EXPECT_EQ(read("old"), "2");
  EXPECT_EQ(read("new"), "3");
  EXPECT_EQ(names(), (Names{"new", "old"}));
}

TEST_F(OutputFilesTest, FailureBringsBackWhatWasThere) {
  write("first", "1");
  write("last", "4");
  {
    OutputFiles files;
    for (const char *name : {"first", "second", "third", "last"})
      files.add(path(name), "changed");
    fs::create_directory(folder / "third");
    EXPECT_THROW(files.commit(), Error);
  }
  EXPECT_EQ(read("first"), "1");
  EXPECT_EQ(read("last"), "4");
  EXPECT_TRUE(fs::is_directory(folder / "third"));
  EXPECT_EQ(names(), (Names{"first", "last", "third"}));
}

TEST_F(OutputFilesTest, FailureKeepsLinks) {
  write("target", "1");
  fs::create_symlink("target", folder / "link");
  {
    OutputFiles files;
    files.add(path("link"), "changed");
    files.add(path("folder"), "changed");
    fs::create_directory(folder / "folder");
    EXPECT_THROW(files.commit(), Error);
  }
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(read("link"), "1");
  EXPECT_EQ(names(), (Names{"folder", "link", "target"}));
}

TEST_F(OutputFilesTest, NothingIsWrittenWithoutCommit) {
  {
    OutputFiles files;
    files.add(path("new"), "1");
  }
  EXPECT_EQ(names(), Names());
}

TEST_F(OutputFilesTest, PathsDiffer) {
  OutputFiles files;
  files.add(path("same"), "1");
  EXPECT_THROW(files.add(path("./same"), "2"), Error);
}

} // namespace
