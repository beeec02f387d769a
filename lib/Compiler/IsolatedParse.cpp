// Reads a module in a child process that may crash.
#include "lib/Compiler/IsolatedParse.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace mlir;

namespace weft {

/// Memory for the reader beyond what the process has: a part that is fixed, and one for each byte
/// of the file, which the reader may hold several times.
static constexpr uint64_t fixedBytes = uint64_t(1) << 30;
static constexpr uint64_t bytesPerByte = 64;
/// The reader takes tens of megabytes in a second.
static constexpr uint64_t fixedSeconds = 2;
static constexpr uint64_t bytesPerSecond = uint64_t(4) << 20;
/// A part of the usual stack, so that what is read here is not too deep for the passes either.
static constexpr uint64_t stackBytes = uint64_t(2) << 20;

/// The child's exit status if the reader refuses the file and does not say why.
static constexpr int refusedSilently = 2;

/// Bytes of address space that this process has.
static uint64_t addressSpace() {
  unsigned long pages = 0;
  if (FILE *file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1)
      pages = 0;
    (void)std::fclose(file);
  }
  return pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
}

static void limit(decltype(RLIMIT_AS) resource, uint64_t most) {
  rlimit bounds{};
  getrlimit(resource, &bounds);
  bounds.rlim_cur = std::min<rlim_t>(most, bounds.rlim_max);
  setrlimit(resource, &bounds);
}

/// Runs in the child: reads and prints the file, and ends the process. Its messages go nowhere; the
/// parent, which reads the file again, repeats them.
[[noreturn]] static void readAndExit(llvm::MemoryBufferRef file, const DialectRegistry &registry) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP})
    (void)std::signal(signal, SIG_DFL);
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_STACK, stackBytes);
  limit(RLIMIT_AS, addressSpace() + fixedBytes + bytesPerByte * file.getBufferSize());
  limit(RLIMIT_CPU, fixedSeconds + file.getBufferSize() / bytesPerSecond);

  MLIRContext context(registry, MLIRContext::Threading::DISABLED);
  context.allowUnregisteredDialects();
  bool told = false;
  ScopedDiagnosticHandler listener(&context, [&](Diagnostic &diagnostic) {
    // The text of an error may hold damaged values, too.
    diagnostic.print(llvm::nulls());
    for (Diagnostic &note : diagnostic.getNotes())
      note.print(llvm::nulls());
    told = true;
    return success();
  });
  OwningOpRef<ModuleOp> module =
      parseSourceString<ModuleOp>(file.getBuffer(), ParserConfig(&context));
  if (module)
    module->print(llvm::nulls(),
                  OpPrintingFlags().elideLargeElementsAttrs().elideLargeResourceString());
  _exit(module || told ? 0 : refusedSilently);
}

/// What is told of a file whose reader ended with `status`.
static std::string describe(int status, bool bytecode) {
  std::string subject = bytecode ? "this bytecode file is damaged: " : "this file can't be read: ";
  if (WIFEXITED(status) && WEXITSTATUS(status) == refusedSilently)
    return subject + "it has no well formed module";
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU)
    return subject + "reading it takes too long";
  return subject + "reading it crashes or takes too much memory" +
         (bytecode ? "" : ", as text does that is nested too deep");
}

std::optional<std::string> damageOf(llvm::MemoryBufferRef file, const DialectRegistry &registry) {
  pid_t child = fork();
  if (child == 0)
    readAndExit(file, registry);
  if (child < 0)
    return std::string("can't start a process that reads it safely: ") + std::strerror(errno);
  int status = 0;
  while (waitpid(child, &status, 0) < 0)
    if (errno != EINTR)
      return std::string("lost the process that reads it safely: ") + std::strerror(errno);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return std::nullopt;
  return describe(status, isBytecode(file));
}

} // namespace weft
