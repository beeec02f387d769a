#include "lib/Runtime/Cuda/NcclLibrary.h"

#include "lib/Support/Error.h"
#include "lib/Support/Options.h"

#include <dlfcn.h>

#include <memory>

namespace weft::cuda {
namespace {

[[noreturn]] void refuse(const std::string &why) {
  throw Error(Error::Kind::Unsupported,
              "there is no NCCL, which moves tensors between GPUs: " + why +
                  " (install it, and name a library elsewhere in WEFT_LIBNCCL)");
}

template <typename FunctionPointer>
void resolve(void *library, const char *name, FunctionPointer &function) {
  function = reinterpret_cast<FunctionPointer>(dlsym(library, name));
  if (!function)
    refuse(std::string("the library has no function ") + name + "; NCCL 2.14 or later is needed");
}

std::unique_ptr<NcclLibrary> openLibrary() {
  std::string path = processEnvironment("WEFT_LIBNCCL").value_or("");
  if (path.empty())
    path = "libnccl.so.2";
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    refuse(dlerror());
  auto nccl = std::make_unique<NcclLibrary>();
#define WEFT_NCCL_RESOLVE(name, parameters) resolve(library, #name, nccl->name);
  WEFT_NCCL_FUNCTIONS(WEFT_NCCL_RESOLVE)
#undef WEFT_NCCL_RESOLVE
  resolve(library, "ncclGetErrorString", nccl->ncclGetErrorString);
  resolve(library, "ncclGetLastError", nccl->ncclGetLastError);
  int version = 0;
  if (NcclResult result = nccl->ncclGetVersion(&version); result != ncclDone)
    refuse(nccl->textOf(result));
  if (version < leastNcclVersion)
    refuse("its version is " + std::to_string(version) + "; 2.14 (21400) or later is needed");
  return nccl;
}

} // namespace

const NcclLibrary &NcclLibrary::instance() {
  // Opened once it succeeds, and never closed: communicators live as long as the process.
  static const NcclLibrary &library = *openLibrary().release();
  return library;
}

const NcclLibrary *NcclLibrary::find() {
  // Where it is missing, it is looked for once.
  static const NcclLibrary *const library = []() -> const NcclLibrary * {
    try {
      return &instance();
    } catch (const Error &) {
      return nullptr;
    }
  }();
  return library;
}

std::string NcclLibrary::textOf(NcclResult result) const {
  std::string text = std::string("NCCL: ") + ncclGetErrorString(result);
  const char *last = ncclGetLastError(nullptr);
  return last && *last ? text + " (" + last + ")" : text;
}

} // namespace weft::cuda
