// From PTX to machine code, by ptxas.
#include "codegen/NVPTX/Ptx.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Program.h"
#include "llvm/Support/raw_ostream.h"

namespace weft {

namespace {

/// A file that goes away with its name.
class TemporaryFile {
public:
  TemporaryFile(llvm::StringRef suffix, llvm::StringRef content = "") {
    int descriptor = -1;
    if (std::error_code code = llvm::sys::fs::createTemporaryFile("weft", suffix, descriptor, path))
      throw Error(Error::Kind::Unsupported,
                  "cannot create a temporary file for ptxas: " + code.message());
    llvm::raw_fd_ostream stream(descriptor, /*shouldClose=*/true);
    stream << content;
  }
  ~TemporaryFile() { llvm::sys::fs::remove(path); }
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;

  llvm::StringRef name() const { return path; }
  std::string content() const {
    auto buffer = llvm::MemoryBuffer::getFile(path);
    return buffer ? (*buffer)->getBuffer().str() : std::string();
  }

private:
  llvm::SmallString<128> path;
};

} // namespace

bool canAssemble() { return static_cast<bool>(llvm::sys::findProgramByName("ptxas")); }

Assembled assemble(llvm::StringRef ptx, const GpuTarget &target) {
  auto program = llvm::sys::findProgramByName("ptxas");
  if (!program)
    throw Error(Error::Kind::Unsupported,
                "machine code for " + target.name() +
                    " needs ptxas, which is not in the search path; install the CUDA toolkit, or "
                    "ask for PTX, which the driver assembles");
  TemporaryFile source("ptx", ptx), code("cubin"), remarks("txt");
  std::string architecture = "-arch=" + target.chip;
  llvm::StringRef arguments[] = {*program,      architecture, "-v",       "-warn-spills",
                                 source.name(), "-o",         code.name()};
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), remarks.name(), remarks.name()};
  std::string problem;
  int status =
      llvm::sys::ExecuteAndWait(*program, arguments, std::nullopt, redirects, 0, 0, &problem);
  if (status != 0)
    throw Error(Error::Kind::Unsupported, "ptxas refuses the code for " + target.name() + ": " +
                                              problem +
                                              llvm::StringRef(remarks.content()).trim().str());
  return {code.content(), remarks.content()};
}

} // namespace weft
