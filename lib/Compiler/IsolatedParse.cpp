// Reads a module in a child process that may crash.
#include "lib/Compiler/IsolatedParse.h"
#include "lib/Compiler/BytecodeLayout.h"
#include "lib/Support/FileDescriptor.h"
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

/// Of the time by the clock: a child that waits for a lock, which a thread of the parent held, uses
/// none of the processor's.
static constexpr uint64_t clockFactor = 10;

/// What the child tells before it ends; nothing if it can't. Not its exit status: a parent that
/// ignores SIGCHLD, or reaps all its children, never sees that.
enum class Verdict : char { Readable = 'r', RefusedSilently = 's' };

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
[[noreturn]] static void readAndExit(llvm::MemoryBufferRef file, const DialectRegistry &registry,
                                     int verdictTo) {
  for (int signal : {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE, SIGTRAP, SIGXCPU, SIGALRM})
    (void)std::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  dup2(nowhere, STDOUT_FILENO);
  dup2(nowhere, STDERR_FILENO);
  limit(RLIMIT_CORE, 0);
  limit(RLIMIT_STACK, stackBytes);
  limit(RLIMIT_AS, addressSpace() + fixedBytes + bytesPerByte * file.getBufferSize());
  uint64_t seconds = fixedSeconds + file.getBufferSize() / bytesPerSecond;
  limit(RLIMIT_CPU, seconds);
  alarm(static_cast<unsigned>(clockFactor * seconds));

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
  Verdict verdict = module || told ? Verdict::Readable : Verdict::RefusedSilently;
  _exit(write(verdictTo, &verdict, 1) == 1 ? 0 : 1);
}

/// What the child told; nothing if it ended before.
static std::optional<Verdict> readVerdict(int verdictFrom) {
  Verdict verdict;
  ssize_t count;
  do
    count = read(verdictFrom, &verdict, 1);
  while (count < 0 && errno == EINTR);
  return count == 1 ? std::optional(verdict) : std::nullopt;
}

/// Whether the child, which may have been reaped already, is known to have been ended by the signal
/// of a limit of time.
static bool tookTooLong(pid_t child) {
  int status = 0;
  pid_t ended;
  do
    ended = waitpid(child, &status, 0);
  while (ended < 0 && errno == EINTR);
  return ended == child && WIFSIGNALED(status) &&
         (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGALRM);
}

/// What is told of a file that the child did not find readable.
static std::string describe(std::optional<Verdict> verdict, bool tooLong, bool bytecode) {
  std::string subject = bytecode ? "this bytecode file is damaged: " : "this file can't be read: ";
  if (verdict)
    return subject + "it has no well formed module";
  if (tooLong)
    return subject + "reading it takes too long";
  return subject + "reading it crashes or takes too much memory" +
         (bytecode ? "" : ", as text does that is nested too deep");
}

std::optional<std::string> damageOf(llvm::MemoryBufferRef file, const DialectRegistry &registry) {
  // Memory that is written over need not crash the child.
  if (isBytecode(file) && !hasFittingTable(file))
    return describe(std::nullopt, /*tooLong=*/false, /*bytecode=*/true);
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return std::string("can't make a pipe to read it safely: ") + std::strerror(errno);
  FileDescriptor from(ends[0]), to(ends[1]);
  pid_t child = fork();
  if (child == 0)
    readAndExit(file, registry, to.get());
  if (child < 0)
    return std::string("can't start a process that reads it safely: ") + std::strerror(errno);
  to = FileDescriptor();
  std::optional<Verdict> verdict = readVerdict(from.get());
  bool tooLong = tookTooLong(child);
  if (verdict == Verdict::Readable)
    return std::nullopt;
  return describe(verdict, tooLong, isBytecode(file));
}

} // namespace weft
