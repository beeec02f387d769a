// Tells foreign programs apart, and runs the importers.
#include "lib/Compiler/ForeignProgram.h"
#include "lib/Compiler/BytecodeLayout.h"
#include "lib/Compiler/ProgramFile.h"
#include "lib/Support/Error.h"
#include "mlir/Bytecode/BytecodeReader.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

#include <cstdlib>
#include <vector>

using llvm::StringRef;

namespace weft {

//===----------------------------------------------------------------------===//
// What kind of file it is
//===----------------------------------------------------------------------===//

/// StableHLO and the dialects that its programs may have beside it.
static constexpr StringRef stableHloDialects[] = {"stablehlo", "vhlo", "chlo", "mhlo", "sdy"};

static bool isStableHloBytecode(llvm::MemoryBufferRef file) {
  // The producer of a portable artifact, behind the magic number and a version.
  if (file.getBuffer().substr(5).starts_with("StableHLO_v"))
    return true;
  std::vector<StringRef> dialects = dialectsOf(file);
  return !llvm::is_contained(dialects, "weft") && llvm::any_of(dialects, [](StringRef dialect) {
    return llvm::is_contained(stableHloDialects, dialect);
  });
}

/// The text behind a string that begins with a quotation mark.
static StringRef behindString(StringRef text) {
  size_t end = 1;
  while (end < text.size() && text[end] != '"')
    end += text[end] == '\\' ? 2 : 1;
  return text.drop_front(std::min(end + 1, text.size()));
}

static bool isInWord(char letter) { return llvm::isAlnum(letter) || letter == '_'; }

/// Whether the first name of StableHLO's dialects or of Weft's, outside of comments, symbols and
/// strings that are no names of operations, is one of StableHLO's.
static bool isStableHloText(StringRef text) {
  StringRef whole = text;
  while (!text.empty()) {
    StringRef before = whole.take_front(text.data() - whole.data());
    StringRef word = text.take_while(isInWord), rest = text.drop_front(word.size());
    if (text.starts_with("//")) {
      text = text.drop_until([](char letter) { return letter == '\n'; });
      continue;
    }
    if (text.front() == '"') {
      rest = behindString(text);
      // As in `"stablehlo.add"(%x, %y)`; a name in a location is none.
      if (rest.starts_with("(") && !before.ends_with("loc("))
        word = text.drop_front().take_while(isInWord);
    }
    bool isSymbol = !before.empty() && StringRef("%@^.").contains(before.back());
    StringRef behindWord = whole.drop_front(word.end() - whole.data());
    if (!word.empty() && !isSymbol && behindWord.starts_with(".")) {
      if (word == "weft")
        return false;
      if (llvm::is_contained(stableHloDialects, word))
        return true;
    }
    text = rest.size() < text.size() ? rest : text.drop_front();
  }
  return false;
}

std::optional<ForeignKind> foreignKindOf(llvm::MemoryBufferRef file) {
  StringRef content = file.getBuffer(), path = file.getBufferIdentifier();
  if (isProgramFile(content))
    return std::nullopt;
  if (content.starts_with("PK\x03\x04"))
    return ForeignKind::Torch;
  if (mlir::isBytecode(file) ? isStableHloBytecode(file) : isStableHloText(content))
    return ForeignKind::StableHlo;
  if (path.ends_with_insensitive(".onnx"))
    return ForeignKind::Onnx;
  if (path.ends_with_insensitive(".pt2"))
    return ForeignKind::Torch;
  return std::nullopt;
}

//===----------------------------------------------------------------------===//
// The importers
//===----------------------------------------------------------------------===//

namespace {

struct Importer {
  StringRef module, source;
};

/// How a run of an importer ended.
struct Ending {
  /// Unusable: it is no Python that has the package; another one may be.
  enum class Kind { Imported, Refused, Unusable, Crashed } kind = Kind::Imported;
  std::string reason;
};

} // namespace

static Importer importerOf(ForeignKind kind) {
  switch (kind) {
  case ForeignKind::Onnx:
    return {"weft.onnx", "a model of ONNX"};
  case ForeignKind::Torch:
    return {"weft.torch", "a program of PyTorch's (torch.export)"};
  case ForeignKind::StableHlo:
    return {"weft.stablehlo", "a StableHLO program"};
  }
  llvm_unreachable("unknown kind");
}

/// What Python runs: `python -m weft.onnx FILE -o OUTPUT`, but that a status of its own says that
/// there is no weft, that modules which lie where the tool was called are not taken for libraries,
/// that it ends with the tool (PR_SET_PDEATHSIG, SIGKILL), and that a mark in the output says that
/// the importer was reached: what else ends with some status has told nothing.
static constexpr StringRef bootstrap = R"(
import os, sys
sys.path[:] = [folder for folder in sys.path if folder]
os.environ["PYTHONSAFEPATH"] = "1"
try:
    import ctypes, weft
except ImportError:
    sys.exit(86)
ctypes.CDLL(None).prctl(1, 9)
with open(sys.argv[4], "w") as mark:
    mark.write("reached")
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])
)";
static constexpr int noPackage = 86, cannotExecute = 126, notFound = 127;

static bool isEmpty(const std::string &path) {
  uint64_t size = 0;
  return llvm::sys::fs::file_size(path, size) || size == 0;
}

static Ending runImporter(const std::string &python, const Importer &importer, StringRef path,
                          const std::string &output, llvm::ArrayRef<std::string> options) {
  llvm::SmallVector<StringRef> arguments{python, "-c", bootstrap, importer.module,
                                         path,   "-o", output};
  arguments.append(options.begin(), options.end());
  // Its summary goes nowhere, its errors where ours go.
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(), std::nullopt};
  std::string error;
  int status = llvm::sys::ExecuteAndWait(python, arguments, std::nullopt, redirects,
                                         /*SecondsToWait=*/0, /*MemoryLimit=*/0, &error);
  if (status == noPackage)
    return {Ending::Kind::Unusable, "has no package weft"};
  if (status == -1 || status == cannotExecute || status == notFound)
    return {Ending::Kind::Unusable, "can't be run" + (error.empty() ? "" : ": " + error)};
  if (status < 0)
    return {Ending::Kind::Crashed, error};
  if (isEmpty(output))
    return {Ending::Kind::Unusable, "is no Python that can import weft: it ended with status " +
                                        std::to_string(status) + " before it read the model"};
  return {status == 0 ? Ending::Kind::Imported : Ending::Kind::Refused, ""};
}

/// The pythons to try, the likeliest first; a tool that pip installed has its own beside it.
static std::vector<std::string> findPythons() {
  llvm::SmallVector<StringRef> folders;
  std::string tool = llvm::sys::fs::getMainExecutable(nullptr, nullptr);
  folders.push_back(llvm::sys::path::parent_path(tool));
  if (const char *path = std::getenv("PATH"))
    StringRef(path).split(folders, ':', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  std::vector<std::string> found;
  for (StringRef folder : folders) {
    llvm::SmallString<128> python(folder);
    llvm::sys::path::append(python, "python3");
    if (llvm::sys::fs::can_execute(python) && !llvm::is_contained(found, python.str()))
      found.push_back(python.str().str());
  }
  return found;
}

/// Throws for an ending that leaves nothing to try.
[[noreturn]] static void fail(StringRef path, const Importer &importer, const std::string &reason) {
  std::string input = path.str();
  throw Error(Error::Kind::Unsupported,
              input + ": is " + importer.source.str() +
                  ", which Weft's Python package reads, but " + reason +
                  ". Set WEFT_PYTHON to a Python that has the package weft, or run there: "
                  "python -m " +
                  importer.module.str() + " " + input + " -o model.weft");
}

std::unique_ptr<TemporaryFile> importProgram(StringRef path, ForeignKind kind,
                                             llvm::ArrayRef<std::string> options) {
  Importer importer = importerOf(kind);
  const char *given = std::getenv("WEFT_PYTHON");
  bool isGiven = given && *given;
  std::vector<std::string> pythons = isGiven ? std::vector<std::string>{given} : findPythons();
  auto output = std::make_unique<TemporaryFile>("weft", "");
  std::string tried;
  for (const std::string &python : pythons) {
    Ending ending = runImporter(python, importer, path, output->path(), options);
    if (ending.kind == Ending::Kind::Imported)
      return output;
    if (ending.kind == Ending::Kind::Refused)
      return nullptr;
    if (ending.kind == Ending::Kind::Crashed)
      throw Error(Error::Kind::IO, path.str() + ": can't be read: the process that reads it (" +
                                       python + " -m " + importer.module.str() +
                                       ") ended by a signal: " + ending.reason);
    tried += (tried.empty() ? "" : ", ") + python + " " + ending.reason;
  }
  if (isGiven)
    fail(path, importer, "WEFT_PYTHON=" + tried);
  fail(path, importer,
       "no Python that has it is beside this tool or on the path" +
           (tried.empty() ? "" : " (" + tried + ")"));
}

} // namespace weft
