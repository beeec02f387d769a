// Binding of nvJitLink, which is opened when it is first asked for: nothing needs it to be there.
#include "codegen/NVPTX/JitLink.h"
#include "lib/Support/Error.h"
#include "llvm/ADT/ScopeExit.h"
#include "llvm/Support/Process.h"

#include <dlfcn.h>

namespace weft {
namespace {

using Handle = void *;

/// The library's functions.
struct Library {
  int (*create)(Handle *handle, uint32_t optionCount, const char **options) = nullptr;
  int (*destroy)(Handle *handle) = nullptr;
  int (*addData)(Handle handle, int kind, const void *data, size_t bytes,
                 const char *name) = nullptr;
  int (*complete)(Handle handle) = nullptr;
  int (*cubinSize)(Handle handle, size_t *bytes) = nullptr;
  int (*cubin)(Handle handle, void *cubin) = nullptr;
  int (*errorLogSize)(Handle handle, size_t *bytes) = nullptr;
  int (*errorLog)(Handle handle, char *text) = nullptr;

  /// Null if there is none.
  static const Library *instance();
};

constexpr int success = 0, inputIsPtx = 2;

std::unique_ptr<Library> open(const std::string &path) {
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return nullptr;
  auto found = std::make_unique<Library>();
  bool isComplete = true;
  auto resolve = [&](auto &function, const char *name) {
    function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
    isComplete &= function != nullptr;
  };
  resolve(found->create, "nvJitLinkCreate");
  resolve(found->destroy, "nvJitLinkDestroy");
  resolve(found->addData, "nvJitLinkAddData");
  resolve(found->complete, "nvJitLinkComplete");
  resolve(found->cubinSize, "nvJitLinkGetLinkedCubinSize");
  resolve(found->cubin, "nvJitLinkGetLinkedCubin");
  resolve(found->errorLogSize, "nvJitLinkGetErrorLogSize");
  resolve(found->errorLog, "nvJitLinkGetErrorLog");
  return isComplete ? std::move(found) : nullptr;
}

const Library *Library::instance() {
  // Never closed: it lives as long as the process.
  static const Library *const library = []() -> const Library * {
    if (auto named = llvm::sys::Process::GetEnv("WEFT_NVJITLINK"); named && !named->empty())
      return open(*named).release();
    for (const char *name : {"libnvJitLink.so.13", "libnvJitLink.so.12"})
      if (auto found = open(name))
        return found.release();
    return nullptr;
  }();
  return library;
}

std::string errorLogOf(const Library &library, Handle handle) {
  size_t bytes = 0;
  if (library.errorLogSize(handle, &bytes) != success || bytes == 0)
    return "no reason given";
  std::string text(bytes, '\0');
  library.errorLog(handle, text.data());
  return text.c_str();
}

} // namespace

bool canLinkInProcess() { return Library::instance() != nullptr; }

std::string linkInProcess(llvm::StringRef ptx, const GpuTarget &target) {
  const Library *library = Library::instance();
  if (!library)
    throw Error(Error::Kind::Unsupported,
                "machine code for " + target.name() + " needs nvJitLink, which was not found");
  std::string architecture = "-arch=" + target.chip;
  const char *options[] = {architecture.c_str()};
  Handle handle = nullptr;
  if (library->create(&handle, 1, options) != success)
    throw Error(Error::Kind::Unsupported, "nvJitLink does not start for " + target.name());
  auto destroy = llvm::scope_exit([&] { library->destroy(&handle); });
  size_t bytes = 0;
  if (library->addData(handle, inputIsPtx, ptx.data(), ptx.size(), "weft") != success ||
      library->complete(handle) != success || library->cubinSize(handle, &bytes) != success)
    throw Error(Error::Kind::Unsupported, "nvJitLink refuses the code for " + target.name() + ": " +
                                              errorLogOf(*library, handle));
  std::string cubin(bytes, '\0');
  library->cubin(handle, cubin.data());
  return cubin;
}

} // namespace weft
