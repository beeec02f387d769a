// Files that are written whole or not at all, and readers that hostile files do not end.
#include "lib/Compiler/ProgramFile.h"

#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/Program.h"
#include "lib/Compiler/SafeTensors.h"
#include "lib/Support/Error.h"
#include "mlir/IR/MLIRContext.h"
#include "test/unit/compiler/TemporaryFolder.h"
#include "test/unit/runtime/ExpectError.h"
#include "test/unit/runtime/InChild.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/xxhash.h"

#include <gtest/gtest.h>

#include <csignal>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace weft;
using weft::testing::expectError;
namespace fs = std::filesystem;

namespace {

class ProgramFileTest : public ::testing::Test, protected weft::testing::TemporaryFolder {
protected:
  void writeNew(const std::string &name, const std::string &content = "new") const {
    writeWhole(path(name), [&](llvm::raw_fd_ostream &stream, int) { stream << content; });
  }
  mode_t modeOf(const std::string &name) const {
    struct stat status;
    EXPECT_EQ(stat(path(name).c_str(), &status), 0);
    return status.st_mode & 07777;
  }
  /// Reads a program whose payload has the right checksum.
  void load(const std::string &payload) {
    writeProgramFile(path("p.weft"), [&](llvm::raw_ostream &out) { out << payload; });
    readProgram(path("p.weft"), context);
  }

  static mlir::DialectRegistry dialects() {
    mlir::DialectRegistry registry;
    registerDialects(registry);
    return registry;
  }
  mlir::MLIRContext context{dialects(), mlir::MLIRContext::Threading::DISABLED};
};

TEST_F(ProgramFileTest, WhatIsThereKeepsItsPermissions) {
  mode_t previous = umask(022);
  writeNew("new");
  EXPECT_EQ(modeOf("new"), 0644u);
  for (mode_t mode : {0600, 0640, 0664, 0755}) {
    write("old", "old");
    ASSERT_EQ(chmod(path("old").c_str(), mode), 0);
    writeNew("old");
    EXPECT_EQ(read("old"), "new");
    EXPECT_EQ(modeOf("old"), mode);
  }
  umask(previous);
}

TEST_F(ProgramFileTest, LinksLeadToWhatIsReplaced) {
  fs::create_directory(path("folder"));
  write("folder/target", "old");
  fs::create_symlink("folder/target", path("link"));
  fs::create_symlink("link", path("second"));
  fs::create_symlink("folder/none", path("dangling"));
  writeNew("second");
  writeNew("dangling");
  EXPECT_TRUE(fs::is_symlink(path("second")) && fs::is_symlink(path("dangling")));
  EXPECT_EQ(read("folder/target"), "new");
  EXPECT_EQ(read("folder/none"), "new");
  fs::create_symlink("loop", path("loop"));
  expectError(Error::Kind::IO, "leads to itself", [&] { writeNew("loop"); });
}

TEST_F(ProgramFileTest, DevicesPipesAndFoldersAreNotReplaced) {
  fs::create_directory(path("folder"));
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  fs::create_symlink("/dev/null", path("device"));
  expectError(Error::Kind::IO, "it is a folder", [&] { writeNew("folder"); });
  for (const char *name : {"pipe", "device"})
    expectError(Error::Kind::IO, "it is a device, a pipe or a socket", [&] { writeNew(name); });
  EXPECT_EQ(names(), (std::set<std::string>{"device", "folder", "pipe"}));
  EXPECT_TRUE(fs::is_fifo(path("pipe")) && fs::is_character_file("/dev/null"));
}

TEST_F(ProgramFileTest, AFailureLeavesWhatWasThere) {
  write("old", "old");
  EXPECT_TRUE(weft::testing::holdsInChild([&] {
    (void)std::signal(SIGXFSZ, SIG_DFL);
    rlimit most{1000, 1000};
    setrlimit(RLIMIT_FSIZE, &most);
    int errors = 0;
    auto countError = [&](auto write) {
      try {
        write();
      } catch (const Error &) {
        ++errors;
      }
    };
    countError([&] { writeNew("old", std::string(100'000, 'x')); });
    countError([&] { writeNew("new", std::string(100'000, 'x')); });
    std::vector<char> elements(100'000);
    SafeTensor tensor{"w", {DType::UInt8, {100'000}}, elements};
    countError([&] { writeSafeTensors(path("old"), tensor); });
    countError([&] {
      writeProgramFile(path("old"), [&](llvm::raw_ostream &out) { out << std::string(2000, 'x'); });
    });
    return errors == 4;
  }));
  EXPECT_EQ(read("old"), "old");
  EXPECT_THROW(writeWhole(path("old"),
                          [](llvm::raw_fd_ostream &stream, int) {
                            stream << "half";
                            throw Error(Error::Kind::Value, "stopped");
                          }),
               Error);
  EXPECT_EQ(names(), (std::set<std::string>{"old"}));
}

/// What the reader of weft-opt contains, the reader of saved programs contains as well.
TEST_F(ProgramFileTest, ProgramsThatWouldEndTheReaderAreRefused) {
  auto repeated = [](const std::string &text, size_t count) {
    std::string result;
    while (count-- > 0)
      result += text;
    return result;
  };
  std::string bytecode("ML\xefR\x06", 5);
  for (const std::string &payload :
       {repeated("module {", 100'000),
        "func.func private @f() attributes {a = " + repeated("[", 100'000),
        "func.func private @f(" + repeated("tuple<", 100'000), std::string(), std::string("x"),
        bytecode + std::string(100, '\xff'), bytecode})
    expectError(Error::Kind::IO, "p.weft", [&] { load(payload); });
}

TEST_F(ProgramFileTest, OtherVersionsSaySo) {
  for (auto [version, says] : {std::pair(0, "format 0, which this weft no longer reads"),
                               std::pair(2, "format 2 by a newer weft; this one reads format 1")}) {
    writeProgramFile(path("p.weft"), [](llvm::raw_ostream &out) { out << "payload"; });
    std::string content = read("p.weft");
    content[8] = char(version);
    llvm::support::endian::write64le(content.data() + 40,
                                     llvm::xxh3_64bits(llvm::StringRef(content).take_front(40)));
    write("p.weft", content);
    expectError(Error::Kind::IO, says, [&] { readProgram(path("p.weft"), context); });
  }
}

TEST_F(ProgramFileTest, AParentThatIgnoresItsChildrenReadsAsWell) {
  std::string good = "func.func @main(%x: tensor<3xf32>) -> tensor<3xf32> {\n"
                     "  return %x : tensor<3xf32>\n}\n";
  EXPECT_TRUE(weft::testing::holdsInChild([&] {
    (void)std::signal(SIGCHLD, SIG_IGN);
    load(good);
    try {
      load("module {");
      return false;
    } catch (const Error &error) {
      return std::string(error.what()).find("p.weft") != std::string::npos;
    }
  }));
}

} // namespace
