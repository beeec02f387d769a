// The line of the user's program that is being run.
#pragma once

#include <string>
#include <vector>

namespace weft {

struct SourceLine {
  std::string file;
  int line = 0;

  bool known() const { return line > 0; }
  /// "file.py:12: ", or nothing.
  std::string prefix() const {
    return known() ? file + ":" + std::to_string(line) + ": " : std::string();
  }
  /// "file.py:12", or "an unknown line".
  std::string text() const {
    return known() ? file + ":" + std::to_string(line) : std::string("an unknown line");
  }
};

/// Files below this folder are not the user's, but the package's own, or those of a framework that
/// calls it.
void addInternalFolder(std::string folder);

/// The message with the user's line in front, if it does not begin with a line already: that of the
/// operation says more than that of the call.
std::string located(const std::string &message);

/// The innermost Python frame outside the package.
SourceLine userLine();

/// All Python frames outside the package, "function (file.py:12)", the innermost last; of deep
/// recursions the innermost ones.
std::vector<std::string> userFrames();

} // namespace weft
