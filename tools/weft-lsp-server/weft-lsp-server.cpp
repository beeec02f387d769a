// The language server: what an editor asks about .mlir files of weft ops, over standard input and
// output.
#include "lib/Compiler/Pipeline.h"
#include "lib/Compiler/StandardStreams.h"
#include "mlir/Support/LogicalResult.h"
#include "mlir/Tools/mlir-lsp-server/MlirLspServerMain.h"
#include "llvm/Support/raw_ostream.h"

#include <pthread.h>
#include <sys/mman.h>

namespace {

/// The parser, and what walks its results, recurse with the document and know no limit. An editor's
/// documents are read here with room for some ten million levels; memory is used where a document
/// needs it.
constexpr size_t mostStackBytes = size_t(64) << 30, leastStackBytes = size_t(64) << 20;

struct CommandLine {
  int argc;
  char **argv;
  int status = 1;
};

} // namespace

static void *serve(void *argument) {
  auto *line = static_cast<CommandLine *>(argument);
  mlir::DialectRegistry registry;
  weft::registerDialects(registry);
  line->status = succeeded(mlir::MlirLspServerMain(line->argc, line->argv, registry)) ? 0 : 1;
  return nullptr;
}

/// Sets the largest stack that the limits of this process allow.
static void chooseStack(pthread_attr_t &attributes) {
  for (size_t bytes = mostStackBytes; bytes >= leastStackBytes; bytes /= 2) {
    void *stack = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (stack != MAP_FAILED && pthread_attr_setstack(&attributes, stack, bytes) == 0)
      return;
  }
}

int main(int argc, char **argv) {
  weft::holdStandardStreams();
  CommandLine line{argc, argv};
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  chooseStack(attributes);
  pthread_t thread;
  if (pthread_create(&thread, &attributes, serve, &line) != 0) {
    llvm::errs() << "weft-lsp-server: there is no memory for a thread\n";
    return 1;
  }
  pthread_join(thread, nullptr);
  return weft::finishStandardOutput("weft-lsp-server", line.status);
}
