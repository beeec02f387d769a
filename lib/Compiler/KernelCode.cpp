// Linking kernels into this process.
#include "lib/Compiler/KernelCode.h"
#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/ForkGate.h"
#include "lib/Runtime/Library.h"
#include "lib/Support/Error.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/SmallVectorMemoryBuffer.h"
#include "llvm/Support/TargetSelect.h"
#include <atomic>
#include <mutex>

namespace weft {

struct KernelLoader::Implementation {
  std::unique_ptr<llvm::orc::LLJIT> jit;
  /// The functions of libraries that kernels call.
  llvm::orc::JITDylib *functions = nullptr;
  std::once_flag lapack;
  std::atomic<uint64_t> count = 0;
};

static std::string textOf(llvm::Error error) { return llvm::toString(std::move(error)); }

[[noreturn]] static void fail(const std::string &what, llvm::Error error) {
  throw Error(Error::Kind::Unsupported, what + ": " + textOf(std::move(error)));
}

/// Lets kernels call functions of this process.
static void define(llvm::orc::LLJIT &jit, llvm::orc::JITDylib &library,
                   std::span<const LibraryFunction> functions) {
  llvm::orc::SymbolMap symbols;
  for (const LibraryFunction &function : functions)
    symbols[jit.mangleAndIntern(function.name)] = {
        llvm::orc::ExecutorAddr::fromPtr(function.address), llvm::JITSymbolFlags::Exported};
  if (llvm::Error error = library.define(llvm::orc::absoluteSymbols(std::move(symbols))))
    fail("cannot start the loader of compiled kernels", std::move(error));
}

KernelLoader::KernelLoader() : implementation(std::make_shared<Implementation>()) {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto jit = llvm::orc::LLJITBuilder().create();
  if (!jit)
    fail("cannot start the loader of compiled kernels", jit.takeError());
  implementation->jit = std::move(*jit);
  auto functions = implementation->jit->createJITDylib("weft.library");
  if (!functions)
    fail("cannot start the loader of compiled kernels", functions.takeError());
  implementation->functions = &*functions;
  define(*implementation->jit, *functions, libraryFunctions());
  define(*implementation->jit, *functions, collectiveFunctions());
}

KernelLoader::~KernelLoader() = default;

/// The names of what code calls are text in it.
static void requireLapack(llvm::StringRef code) {
  if (hasLapack())
    return;
  for (const LibraryFunction &function : lapackFunctions())
    if (code.contains(function.name))
      throw Error(Error::Kind::Unsupported, "the program computes by LAPACK, which is at hand in "
                                            "Python alone, where weft.linalg finds it");
}

std::shared_ptr<KernelCode> KernelLoader::load(const KernelObject &object) {
  requireLapack({object.code.data(), object.code.size()});
  llvm::orc::LLJIT &jit = *implementation->jit;
  // It sees the process's own symbols, for what LLVM may call: memset, memcpy, fmod.
  auto library = jit.createJITDylib(object.name + "." + std::to_string(implementation->count++));
  if (!library)
    fail("cannot load kernel " + object.name, library.takeError());
  library->addToLinkOrder(*implementation->functions);
  if (hasLapack())
    std::call_once(implementation->lapack,
                   [&] { define(jit, *implementation->functions, lapackFunctions()); });
  // Also where loading fails: the code goes with its last user.
  auto unload = [owner = implementation, loaded = &*library](KernelCode *code) {
    delete code;
    ForkGate::Inside inside;
    if (llvm::Error error = owner->jit->getExecutionSession().removeJITDylib(*loaded))
      llvm::consumeError(std::move(error));
  };
  std::shared_ptr<KernelCode> code(new KernelCode, unload);
  llvm::SmallVector<char, 0> copy(object.code);
  auto buffer =
      std::make_unique<llvm::SmallVectorMemoryBuffer>(std::move(copy), object.name, false);
  if (llvm::Error error = jit.addObjectFile(*library, std::move(buffer)))
    fail("cannot load kernel " + object.name, std::move(error));
  auto find = [&](const std::string &suffix) {
    auto address = jit.lookup(*library, object.name + suffix);
    if (address)
      return *address;
    throw Error(Error::Kind::Unsupported,
                "cannot load kernel " + object.name + ": " + textOf(address.takeError()));
  };
  code->temporaries = object.temporaries;
  code->bytes = object.code.size();
  for (int64_t stage = 0; !object.isForDevice() && stage < object.stages; ++stage)
    code->stages.push_back(find("_" + std::to_string(stage)).toPtr<weft_stage>());
  code->setup = find("_setup").toPtr<void (*)(const int64_t *, int64_t *)>();
  return code;
}

} // namespace weft
