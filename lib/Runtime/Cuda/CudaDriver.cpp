#include "lib/Runtime/Cuda/CudaDriver.h"

#include "lib/Support/Error.h"
#include "lib/Support/Options.h"

#include <dlfcn.h>

#include <memory>

namespace weft::cuda {
namespace {

[[noreturn]] void refuse(const std::string &why) {
  throw Error(Error::Kind::Unsupported, "there is no CUDA device: " + why);
}

template <typename FunctionPointer>
void resolve(void *library, const char *name, FunctionPointer &function) {
  function = reinterpret_cast<FunctionPointer>(dlsym(library, name));
  if (!function)
    refuse(std::string("the driver library has no function ") + name +
           "; a driver for CUDA 12.0 or later is needed");
}

std::unique_ptr<Driver> openDriver() {
  std::string path = processEnvironment("WEFT_LIBCUDA").value_or("");
  if (path.empty())
    path = "libcuda.so.1";
  void *library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library)
    refuse(dlerror());
  auto driver = std::make_unique<Driver>();
#define WEFT_CUDA_RESOLVE(name, parameters) resolve(library, #name, driver->name);
  WEFT_CUDA_FUNCTIONS(WEFT_CUDA_RESOLVE)
#undef WEFT_CUDA_RESOLVE
  if (Result result = driver->cuInit(0); result != success) {
    const char *text = nullptr;
    driver->cuGetErrorString(result, &text);
    refuse("the driver does not start: " +
           (text ? std::string(text) : "error " + std::to_string(result)));
  }
  return driver;
}

} // namespace

const Driver &Driver::instance() {
  // Opened once it succeeds, and never closed: streams and memory live as long as the process.
  static const Driver &driver = *openDriver().release();
  return driver;
}

void Driver::check(Result result, const std::string &what) const {
  if (result == success)
    return;
  constexpr Result outOfMemory = 2;
  const char *text = nullptr;
  cuGetErrorString(result, &text);
  throw Error(result == outOfMemory ? Error::Kind::Memory : Error::Kind::Unsupported,
              what + ": " + (text ? text : "unknown error") + " (CUDA error " +
                  std::to_string(result) + ")");
}

} // namespace weft::cuda
