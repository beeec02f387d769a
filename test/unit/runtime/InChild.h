// Runs a check in the child of a fork.
#pragma once

#include <sys/wait.h>
#include <unistd.h>

namespace weft::testing {

/// True when `check`, run in a forked child, gives true there within ten seconds.
template <typename Check> bool holdsInChild(Check check) {
  pid_t child = fork();
  if (child == 0) {
    alarm(10);
    _exit(check() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

} // namespace weft::testing
