// Making a GPU module ready to run on the processor, and launching its kernels.
#include "codegen/Emulator/Emulator.h"
#include "codegen/Emulator/Block.h"
#include "codegen/Emulator/Callbacks.h"
#include "codegen/Emulator/Rewrite.h"

#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/Verifier.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Transforms/Scalar/ScalarizeMaskedMemIntrin.h"
#include <numeric>
#include <sys/mman.h>

namespace weft::emulator {

/// Addresses for the shared memory of one block, aligned to their size.
class SharedWindow {
public:
  SharedWindow() {
    void *address = mmap(nullptr, 2 * sharedWindowBytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED)
      throw Error(Error::Kind::Memory, "no memory for the emulator's shared memory");
    region = static_cast<char *>(address);
  }
  SharedWindow(const SharedWindow &) = delete;
  SharedWindow &operator=(const SharedWindow &) = delete;
  ~SharedWindow() { munmap(region, 2 * sharedWindowBytes); }

  char *begin() const {
    const auto address = reinterpret_cast<uintptr_t>(region);
    return region + (sharedWindowBytes - address % sharedWindowBytes) % sharedWindowBytes;
  }

private:
  char *region;
};

struct Emulator::Implementation {
  Program program;
  SharedWindow window;
  std::unique_ptr<llvm::orc::LLJIT> jit;
};

[[noreturn]] static void fail(llvm::Error error) {
  throw Error(Error::Kind::Unsupported,
              "cannot load a kernel for the emulator: " + llvm::toString(std::move(error)));
}

template <typename T> static T valueOf(llvm::Expected<T> value) {
  if (!value)
    fail(value.takeError());
  return std::move(*value);
}

/// This machine, with each floating-point operation rounded as it is written.
static llvm::orc::JITTargetMachineBuilder hostMachine() {
  llvm::InitializeNativeTarget();
  llvm::InitializeNativeTargetAsmPrinter();
  auto builder = valueOf(llvm::orc::JITTargetMachineBuilder::detectHost());
  builder.getOptions().AllowFPOpFusion = llvm::FPOpFusion::Strict;
  // Conversions to bfloat16 of processors that have them flush subnormals.
  for (const char *feature : {"avx512bf16", "avxneconvert"})
    builder.getFeatures().AddFeature(feature, false);
  builder.setCodeGenOptLevel(llvm::CodeGenOptLevel::Less);
  return builder;
}

/// Rewrites the module; the fault that it has before it ever runs.
static std::optional<Fault> rewrite(llvm::Module &module, Program &program) {
  std::optional<Fault> fault;
  llvm::PassBuilder builder;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(components);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, components, modules);
  llvm::ModulePassManager passes;
  passes.addPass(llvm::createModuleToFunctionPassAdaptor(llvm::ScalarizeMaskedMemIntrinPass()));
  passes.addPass(RewriteForEmulation(program, fault));
  llvm::cantFail(builder.parsePassPipeline(passes, "function(early-cse)"));
  passes.run(module, modules);
  return fault;
}

static void addCallbacks(llvm::orc::LLJIT &jit) {
  llvm::orc::SymbolMap symbols;
  for (const auto &[name, address] : callbacks())
    symbols[jit.mangleAndIntern(name)] = {llvm::orc::ExecutorAddr::fromPtr(address),
                                          llvm::JITSymbolFlags::Exported |
                                              llvm::JITSymbolFlags::Callable};
  llvm::orc::JITDylib &library = jit.getMainJITDylib();
  llvm::cantFail(library.define(llvm::orc::absoluteSymbols(std::move(symbols))));
  // What LLVM may call: memset, fmaxf.
  library.addGenerator(valueOf(llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      jit.getDataLayout().getGlobalPrefix())));
}

Emulator::Emulator(std::unique_ptr<llvm::LLVMContext> context, std::unique_ptr<llvm::Module> module)
    : implementation(std::make_unique<Implementation>()) {
  Program &program = implementation->program;
  if (std::optional<Fault> fault = rewrite(*module, program))
    throw EmulationError(std::move(*fault));
  llvm::orc::JITTargetMachineBuilder machine = hostMachine();
  module->setTargetTriple(machine.getTargetTriple());
  implementation->jit =
      valueOf(llvm::orc::LLJITBuilder().setJITTargetMachineBuilder(std::move(machine)).create());
  llvm::orc::LLJIT &jit = *implementation->jit;
  module->setDataLayout(jit.getDataLayout());
  addCallbacks(jit);
  if (llvm::Error error =
          jit.addIRModule(llvm::orc::ThreadSafeModule(std::move(module), std::move(context))))
    fail(std::move(error));
  for (KernelEntry &entry : program.entries)
    entry.run =
        valueOf(jit.lookup(entry.name + runnerSuffix)).toPtr<void (*)(const void *const *)>();
}

Emulator::~Emulator() = default;

const Program &Emulator::program() const { return implementation->program; }

// Launches.

static const KernelEntry &entryOf(const Program &program, const std::string &name) {
  for (const KernelEntry &entry : program.entries)
    if (entry.name == name)
      return entry;
  throw Error(Error::Kind::Value, "the module has no kernel " + name);
}

static std::array<uint32_t, 3> threadsOf(const KernelEntry &entry, const LaunchRequest &request) {
  const std::array<uint32_t, 3> &threads =
      request.threads[0] != 0 ? request.threads : entry.threads;
  const uint64_t count = uint64_t{threads[0]} * threads[1] * threads[2];
  if (count == 0 || count > 1024)
    throw Error(Error::Kind::Value, "kernel " + entry.name + " launched with blocks of " +
                                        std::to_string(count) + " threads, not 1 to 1024");
  return threads;
}

/// The value of a parameter, in memory that stays where it is.
union ParameterValue {
  uint64_t bits;
  alignas(64) TensorMap map;
};
static_assert(sizeof(TensorMap) <= 128, "a tensor map has 128 bytes in a kernel's parameters");

static void addBuffer(LaunchState &launch, const BufferArgument &argument, size_t number) {
  GlobalBuffer buffer;
  buffer.begin = argument.buffer->data() + argument.offset;
  buffer.bytes = argument.buffer->size() - argument.offset;
  buffer.name = argument.name.empty() ? std::to_string(number) : argument.name;
  buffer.readOnly = argument.readOnly;
  buffer.shadow = &argument.buffer->shadow();
  buffer.shadowOffset = argument.offset;
  // Each launch sees all that the ones before it did.
  if (!buffer.readOnly)
    buffer.shadow->forgetAccesses();
  launch.buffers.push_back(std::move(buffer));
}

/// Buffers of a launch that lie in one allocation end where the next one begins.
static void separateBuffers(std::vector<GlobalBuffer> &buffers) {
  for (GlobalBuffer &buffer : buffers)
    for (const GlobalBuffer &other : buffers)
      if (other.shadow == buffer.shadow && other.begin > buffer.begin)
        buffer.bytes = std::min(buffer.bytes, static_cast<uint64_t>(other.begin - buffer.begin));
}

static ParameterValue valueFor(LaunchState &launch, const KernelArgument &argument,
                               const KernelParameter &parameter, size_t number) {
  using Kind = KernelParameter::Kind;
  ParameterValue value = {.bits = 0};
  const std::string where =
      "argument " + std::to_string(number) + " of kernel " + launch.entry.name;
  if (const auto *buffer = std::get_if<BufferArgument>(&argument)) {
    if (parameter.kind != Kind::Pointer)
      throw Error(Error::Kind::Value, where + " is a buffer, and the parameter is no pointer");
    addBuffer(launch, *buffer, number);
    value.bits = reinterpret_cast<uint64_t>(launch.buffers.back().begin);
  } else if (const auto *map = std::get_if<TensorMap>(&argument)) {
    if (parameter.kind != Kind::TensorMap)
      throw Error(Error::Kind::Value, where + " is a tensor map, and the parameter is none");
    if (std::string problem = map->problem(); !problem.empty())
      throw Error(Error::Kind::Value, where + ", a tensor map: " + problem);
    value.map = *map;
  } else {
    if (parameter.kind != Kind::Scalar)
      throw Error(Error::Kind::Value, where + " is a number, and the parameter is none");
    value.bits = std::get<uint64_t>(argument);
  }
  return value;
}

static uint32_t sharedBytesOf(const Program &program, uint32_t dynamicBytes) {
  // What a Hopper block may have, and the kilobyte that the hardware keeps.
  constexpr uint32_t most = 228 << 10;
  const uint32_t bytes = program.dynamicOffset + dynamicBytes;
  if (bytes > most)
    throw Error(Error::Kind::Value, "a block with " + std::to_string(bytes) +
                                        " bytes of shared memory, more than " +
                                        std::to_string(most));
  return bytes;
}

/// A launch needs stacks until it returns. There are few places in a process's memory map, so that
/// thousands of kernels could not each have their own.
static StackPool &stacksOfThisThread() {
  static thread_local StackPool stacks;
  return stacks;
}

static void runBlocks(LaunchState &launch) {
  std::vector<uint32_t> numbers(uint64_t{launch.grid[0]} * launch.grid[1] * launch.grid[2]);
  std::iota(numbers.begin(), numbers.end(), 0);
  if (!launch.inOrder)
    for (size_t index = numbers.size(); index > 1; --index)
      std::swap(numbers[index - 1], numbers[launch.random.below(index)]);
  for (uint32_t number : numbers)
    Block(launch, number).run();
}

std::optional<Fault> Emulator::launch(const LaunchRequest &request) {
  const Program &program = implementation->program;
  const KernelEntry &entry = entryOf(program, request.kernel);
  if (request.arguments.size() != entry.parameters.size())
    throw Error(Error::Kind::Value,
                "kernel " + entry.name + " has " + std::to_string(entry.parameters.size()) +
                    " parameters and was given " + std::to_string(request.arguments.size()));
  LaunchState launch = {.program = program,
                        .entry = entry,
                        .grid = request.grid,
                        .threads = threadsOf(entry, request),
                        .sharedBytes = sharedBytesOf(program, request.dynamicSharedBytes),
                        .dynamicSharedBytes = request.dynamicSharedBytes,
                        .buffers = {},
                        .values = {},
                        .sharedWindow = implementation->window.begin(),
                        .stacks = stacksOfThisThread(),
                        .random = Random(request.seed),
                        .inOrder = request.seed == 0,
                        .stepsLeft = request.mostSteps};
  std::deque<ParameterValue> values;
  for (size_t number = 0; number < entry.parameters.size(); ++number) {
    values.push_back(valueFor(launch, request.arguments[number], entry.parameters[number], number));
    launch.values.push_back(&values.back());
  }
  for (const BufferArgument &buffer : request.buffers)
    addBuffer(launch, buffer, launch.buffers.size());
  separateBuffers(launch.buffers);
  try {
    runBlocks(launch);
  } catch (Raised &raised) {
    return std::move(raised.fault);
  }
  return std::nullopt;
}

} // namespace weft::emulator
