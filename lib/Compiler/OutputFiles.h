// Several files that are written together: all of them, or none.
#pragma once

#include "llvm/ADT/StringRef.h"
#include <string>
#include <system_error>
#include <vector>

namespace weft {

/// Files are written beside their places, and renamed into them by `commit()`. What was not
/// committed is removed; what was at these places before stays until all are there, and comes back
/// if one can't be. Links are followed and permissions kept (ReplacedFile). A path that names no
/// regular file, as /dev/stdout, is written at `commit()`.
class OutputFiles {
public:
  OutputFiles() = default;
  OutputFiles(const OutputFiles &) = delete;
  OutputFiles &operator=(const OutputFiles &) = delete;
  ~OutputFiles();

  /// Adds a file with these bytes. No two files have one path. Throws weft::Error (IO).
  void add(llvm::StringRef path, llvm::StringRef bytes);
  /// Adds a file that the caller writes under the name that this returns. Throws weft::Error (IO).
  std::string addWrittenByCaller(llvm::StringRef path);
  /// Moves all files to their places, or none. Throws weft::Error (IO).
  void commit();

private:
  struct File {
    std::string path, temporary;
    /// Another name of what was at `path` before; empty if nothing was.
    std::string previous;
    bool isSpecial = false;
    bool isMoved = false;
  };
  static std::error_code move(File &file);
  static void moveBack(File &file);

  std::vector<File> files;
};

/// Writes one file like that; "-" is the standard output. Throws weft::Error (IO).
void writeOutput(llvm::StringRef path, llvm::StringRef bytes);

/// A file that no one has yet, in the folder for temporary files; removed with the object.
class TemporaryFile {
public:
  /// `bytes` become its contents. Throws weft::Error (IO).
  TemporaryFile(llvm::StringRef suffix, llvm::StringRef bytes);
  TemporaryFile(const TemporaryFile &) = delete;
  TemporaryFile &operator=(const TemporaryFile &) = delete;
  ~TemporaryFile();

  const std::string &path() const { return name; }

private:
  std::string name;
};

} // namespace weft
