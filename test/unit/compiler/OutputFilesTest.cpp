// Files that are written together are all there, or none is and what was there before is back.
#include "lib/Compiler/OutputFiles.h"
#include "lib/Support/Error.h"

#include "test/unit/compiler/TemporaryFolder.h"

#include <gtest/gtest.h>

namespace fs = std::filesystem;
using namespace weft;

namespace {

class OutputFilesTest : public ::testing::Test, protected weft::testing::TemporaryFolder {};

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
    fs::create_directory(root / "third");
    EXPECT_THROW(files.commit(), Error);
  }
  EXPECT_EQ(read("first"), "1");
  EXPECT_EQ(read("last"), "4");
  EXPECT_TRUE(fs::is_directory(root / "third"));
  EXPECT_EQ(names(), (Names{"first", "last", "third"}));
}

TEST_F(OutputFilesTest, FailureKeepsLinks) {
  write("target", "1");
  fs::create_symlink("target", root / "link");
  {
    OutputFiles files;
    files.add(path("link"), "changed");
    files.add(path("folder"), "changed");
    fs::create_directory(root / "folder");
    EXPECT_THROW(files.commit(), Error);
  }
  EXPECT_TRUE(fs::is_symlink(root / "link"));
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
