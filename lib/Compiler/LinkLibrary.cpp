// Object code as static and shared libraries, and as modules of WebAssembly.
#include "lib/Compiler/LinkLibrary.h"
#include "lib/Compiler/ObjectMetadata.h"
#include "lib/Compiler/OutputFiles.h"
#include "lib/Runtime/artifact/EmbeddedFiles.h"
#include "lib/Support/Error.h"
#include "llvm/Object/ArchiveWriter.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"
#include "llvm/TargetParser/Triple.h"
#include <cstdlib>

namespace weft {

std::string staticLibrary(llvm::StringRef object, llvm::StringRef name) {
  std::string member = name.str() + ".o";
  std::vector<llvm::NewArchiveMember> members;
  members.emplace_back(llvm::MemoryBufferRef(object, member));
  auto archive = llvm::writeArchiveToBuffer(members, llvm::SymtabWritingMode::NormalSymtab,
                                            llvm::object::Archive::K_GNU, /*Deterministic=*/true,
                                            /*Thin=*/false);
  if (!archive)
    throw Error(Error::Kind::Unsupported,
                "the static library cannot be made: " + llvm::toString(archive.takeError()));
  return (*archive)->getBuffer().str();
}

/// A linker of LLVM: in the folder that WEFT_LLVM_TOOLS names, by default that of the LLVM that
/// Weft is built with, else on the path.
static std::string findLinker(const std::string &linker, llvm::StringRef needs) {
  const char *given = std::getenv("WEFT_LLVM_TOOLS");
  llvm::StringRef folders[] = {given ? given : WEFT_LLVM_TOOLS};
  if (auto found = llvm::sys::findProgramByName(linker, folders))
    return *found;
  for (const std::string &name : {linker, linker + "-22"})
    if (auto found = llvm::sys::findProgramByName(name))
      return *found;
  throw Error(Error::Kind::Unsupported, needs.str() + " needs the linker " + linker +
                                            ", which is not on this machine; install it (Debian: "
                                            "lld-22), or emit an object and link that yourself");
}

/// What the linker makes of `words`, to which the output's name is added.
static std::string linked(std::vector<std::string> words) {
  TemporaryFile output("out", ""), messages("txt", "");
  words.insert(words.end(), {"-o", output.path()});
  std::vector<llvm::StringRef> arguments(words.begin(), words.end());
  std::optional<llvm::StringRef> redirects[] = {llvm::StringRef(), messages.path(),
                                                messages.path()};
  std::string error;
  int status = llvm::sys::ExecuteAndWait(words.front(), arguments, std::nullopt, redirects,
                                         /*SecondsToWait=*/600, /*MemoryLimit=*/0, &error);
  if (status != 0) {
    if (auto text = llvm::MemoryBuffer::getFile(messages.path()); text && error.empty())
      error = (*text)->getBuffer().trim().str();
    throw Error(Error::Kind::Unsupported, words.front() + " could not link the output: " + error);
  }
  auto bytes = llvm::MemoryBuffer::getFile(output.path(), false, false);
  if (!bytes)
    throw Error(Error::Kind::IO, output.path() + ": " + bytes.getError().message());
  return (*bytes)->getBuffer().str();
}

/// The libraries of C for the target that this machine has. A shared library works without naming
/// them in any program that has them itself, as programs in C do.
static std::vector<std::string> systemLibraries(const CpuTarget &target) {
  std::string arch = llvm::Triple(target.triple).getArchName().str();
  std::string folders[] = {"/lib/" + arch + "-linux-gnu", "/usr/" + arch + "-linux-gnu/lib",
                           "/usr/lib/" + arch + "-linux-gnu"};
  if (target.isHostArchitecture())
    folders[2] = "/usr/lib64";
  std::vector<std::string> found;
  for (const char *library : {"libm.so.6", "libc.so.6"})
    for (const std::string &folder : folders)
      if (std::string path = folder + "/" + library; llvm::sys::fs::exists(path)) {
        found.push_back(path);
        break;
      }
  return found;
}

std::string sharedLibrary(llvm::StringRef object, const CpuTarget &target,
                          const SharedLibraryOptions &options) {
  TemporaryFile input("o", object);
  std::vector<std::string> words = {findLinker("ld.lld", "a shared library"),
                                    "-shared",
                                    "--soname=lib" + options.name + ".so",
                                    "-z",
                                    "noexecstack",
                                    "--build-id",
                                    input.path(),
                                    "--as-needed"};
  if (options.isPermanent)
    words.insert(words.end(), {"-z", "nodelete"});
  for (std::string &library : systemLibraries(target))
    words.push_back(std::move(library));
  return linked(std::move(words));
}

std::string webAssemblyModule(llvm::StringRef object, llvm::ArrayRef<std::string> entries) {
  std::string_view helpers = embeddedFile("webassembly.o");
  TemporaryFile input("o", object), library("o", llvm::StringRef(helpers.data(), helpers.size()));
  // A stack that overflows runs into address 0 and stops, instead of writing over constants.
  std::vector<std::string> words = {findLinker("wasm-ld", "a module of WebAssembly"),
                                    "--no-entry",
                                    "--stack-first",
                                    "-z",
                                    "stack-size=4194304",
                                    "--strip-all",
                                    "--keep-section=" + metadataSection.str(),
                                    "--export=__heap_base",
                                    input.path(),
                                    library.path()};
  for (const std::string &entry : entries)
    words.push_back("--export=" + entry);
  return linked(std::move(words));
}

} // namespace weft
