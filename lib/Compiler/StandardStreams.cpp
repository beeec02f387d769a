// What every tool does about its standard streams.
#include "lib/Compiler/StandardStreams.h"
#include "llvm/Support/raw_ostream.h"

#include <fcntl.h>
#include <unistd.h>

namespace weft {

void holdStandardStreams() {
  for (int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
    if (fcntl(stream, F_GETFD) < 0)
      // The lowest number that is free, which is this one; open in the direction that is not used.
      (void)open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

int finishStandardOutput(llvm::StringRef tool, int status) {
  llvm::raw_fd_ostream &output = llvm::outs();
  output.flush();
  if (!output.has_error())
    return status;
  llvm::errs() << tool << ": the standard output can't be written: " << output.error().message()
               << "\n";
  output.clear_error();
  // Nor can the standard error stream, perhaps; its message is lost, the status is not.
  llvm::errs().clear_error();
  return 1;
}

} // namespace weft
