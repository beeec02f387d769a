// Collects the tests' modules.
#include "test/fuzz/Corpus.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

using llvm::StringRef;

namespace weft::fuzz {

std::vector<std::string> collectFiles(llvm::ArrayRef<std::string> folders, StringRef suffix) {
  std::vector<std::filesystem::path> paths;
  for (const std::string &folder : folders)
    for (const auto &entry : std::filesystem::recursive_directory_iterator(folder))
      if (entry.is_regular_file() && StringRef(entry.path().native()).ends_with(suffix))
        paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> files;
  for (const std::filesystem::path &path : paths) {
    std::ifstream stream(path, std::ios::binary);
    files.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
  }
  return files;
}

static std::string withoutComments(StringRef text) {
  std::string code;
  llvm::SmallVector<StringRef> lines;
  text.split(lines, '\n');
  for (StringRef line : lines)
    if (!line.trim().empty() && !line.ltrim().starts_with("//"))
      code += line.str() + "\n";
  return code;
}

std::vector<std::string> collectModules(llvm::ArrayRef<std::string> folders, size_t longest) {
  std::vector<std::string> modules;
  for (const std::string &file : collectFiles(folders, ".mlir")) {
    llvm::SmallVector<StringRef> parts;
    StringRef(file).split(parts, "// -----");
    for (StringRef part : parts)
      if (std::string module = withoutComments(part); !module.empty() && module.size() <= longest)
        modules.push_back(std::move(module));
  }
  return modules;
}

} // namespace weft::fuzz
