#include "lib/Compiler/EmulatedDevice.h"
#include "codegen/NVPTX/GpuTarget.h"
#include "lib/Runtime/Plan.h"
#include "lib/Runtime/ProgramFault.h"
#include "lib/Support/Error.h"
#include "lib/Support/Options.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/MemoryBuffer.h"

#include <limits>

namespace weft {
namespace {

class EmulatedFunction final : public DeviceFunction {
public:
  EmulatedFunction(emulator::Emulator &emulator, std::string name, uint32_t sharedBytes,
                   std::vector<TensorMapShape> tensorMaps, std::vector<FaultSite> faultSites)
      : DeviceFunction(std::move(tensorMaps), std::move(faultSites)),
        emulator(emulator),
        name(std::move(name)),
        sharedBytes(sharedBytes) {}

  emulator::Emulator &emulator;
  const std::string name;
  const uint32_t sharedBytes;
};

emulator::TensorMap tensorMapOf(const TensorMapShape &shape, const Launch &launch, void *address) {
  emulator::TensorMap map;
  map.address = address;
  map.rank = static_cast<uint32_t>(shape.dimensions.size());
  map.elementBytes = static_cast<uint32_t>(dtypeSize(shape.element));
  for (uint32_t number = 0; number < map.rank; ++number) {
    const TensorMapShape::Dimension &dimension = shape.dimensions[number];
    map.sizes[number] = dimension.size.in(launch.sizes);
    map.strides[number] = dimension.stride.in(launch.sizes);
    map.box[number] = dimension.box;
  }
  map.swizzle = shape.swizzleBytes == 128  ? emulator::Swizzle::Bytes128
                : shape.swizzleBytes == 64 ? emulator::Swizzle::Bytes64
                : shape.swizzleBytes == 32 ? emulator::Swizzle::Bytes32
                                           : emulator::Swizzle::None;
  if (std::string problem = map.problem(); !problem.empty())
    throw Error(Error::Kind::Unsupported,
                "the kernel " + launch.name() + " can't read its buffer " +
                    std::to_string(shape.buffer) + " by a tensor map: " + problem);
  return map;
}

class EmulatedModule final : public DeviceModule {
public:
  EmulatedModule(std::unique_ptr<llvm::LLVMContext> context, std::unique_ptr<llvm::Module> module)
      : emulator(std::move(context), std::move(module)) {}

  /// The kernel itself says how many threads its blocks have.
  const DeviceFunction &function(const std::string &name, uint32_t, uint32_t sharedBytes,
                                 std::vector<TensorMapShape> tensorMaps,
                                 std::vector<FaultSite> faultSites) override {
    functions.push_back(std::make_unique<EmulatedFunction>(
        emulator, name, sharedBytes, std::move(tensorMaps), std::move(faultSites)));
    return *functions.back();
  }

private:
  emulator::Emulator emulator;
  std::vector<std::unique_ptr<EmulatedFunction>> functions;
};

/// Few blocks, so that each does several tasks, as on a device with more tasks than room.
constexpr int64_t mostBlocks = 7;

} // namespace

EmulatedDevice &EmulatedDevice::instance(const std::string &chip) {
  static std::mutex mutex;
  static std::map<std::string, EmulatedDevice *> devices;
  std::lock_guard lock(mutex);
  EmulatedDevice *&device = devices[chip];
  if (!device)
    device = new EmulatedDevice(chip);
  return *device;
}

EmulatedDevice::EmulatedDevice(const std::string &chip)
    : deviceName("emulator:" + chip),
      deviceTarget("cuda:" + chip),
      seed(static_cast<uint64_t>(integerOption(processEnvironment, "WEFT_EMULATOR_SEED", 0,
                                               std::numeric_limits<int64_t>::max())
                                     .value_or(1))) {
  if (!GpuTarget::byName(deviceTarget))
    throw Error(Error::Kind::Unsupported, "there is no device " + deviceName +
                                              ": emulated are the GPUs of " + GpuTarget::names());
}

StorageRef EmulatedDevice::allocate(uint64_t bytes) {
  std::lock_guard lock(mutex);
  // Even a block of no bytes has an address of its own.
  auto buffer = std::make_unique<emulator::DeviceBuffer>(std::max<uint64_t>(bytes, 1));
  void *data = buffer->data();
  buffers[reinterpret_cast<uintptr_t>(data)] = std::move(buffer);
  return Storage::onDevice(data, bytes, *this);
}

void EmulatedDevice::release(void *data, uint64_t) noexcept {
  std::lock_guard lock(mutex);
  buffers.erase(reinterpret_cast<uintptr_t>(data));
}

void EmulatedDevice::readAt(void *to, const void *from, uint64_t bytes) {
  std::lock_guard lock(mutex);
  auto [buffer, offset] = bufferOf(from);
  buffer->read(to, bytes, offset);
}

void EmulatedDevice::writeAt(void *to, const void *from, uint64_t bytes) {
  std::lock_guard lock(mutex);
  auto [buffer, offset] = bufferOf(to);
  buffer->write(from, bytes, offset);
}

std::unique_ptr<DeviceModule> EmulatedDevice::load(std::string_view image) {
  auto context = std::make_unique<llvm::LLVMContext>();
  llvm::MemoryBufferRef buffer(llvm::StringRef(image.data(), image.size()), "kernel");
  auto module = llvm::parseBitcodeFile(buffer, *context);
  if (!module)
    throw Error(Error::Kind::Unsupported,
                deviceName + ": loading kernels: " + llvm::toString(module.takeError()));
  return std::make_unique<EmulatedModule>(std::move(context), std::move(*module));
}

std::pair<emulator::DeviceBuffer *, uint64_t> EmulatedDevice::bufferOf(const void *address) {
  auto place = reinterpret_cast<uintptr_t>(address);
  auto &[begin, buffer] = *std::prev(buffers.upper_bound(place));
  return {buffer.get(), place - begin};
}

emulator::BufferArgument EmulatedDevice::bufferAt(void *address, size_t number, bool readOnly) {
  auto [buffer, offset] = bufferOf(address);
  return {buffer, readOnly, "buffer " + std::to_string(number), offset};
}

void EmulatedDevice::run(const Plan &, std::span<const DeviceLaunch> launches) {
  bool runs = false;
  for (const DeviceLaunch &launch : launches) {
    runs = runsOnDevice(*launch.launch, launch.pointers, runs);
    if (!runs)
      continue;
    runOne(*launch.launch, launch.pointers);
    throwProgramFaults(*this, launch);
  }
}

void EmulatedDevice::runOne(const Launch &launch, LaunchPointers pointers) {
  std::lock_guard lock(mutex);
  const auto &function = static_cast<const EmulatedFunction &>(*launch.deviceFunction);
  emulator::LaunchRequest request;
  request.kernel = function.name;
  LaunchPointers written = LaunchPointers(pointers).subspan(launch.inputs);
  for (void *pointer : pointers) {
    size_t buffer = request.arguments.size();
    // An input may be where an output is: some of its elements are written over.
    bool readOnly = buffer < launch.inputs && !llvm::is_contained(written, pointer);
    request.arguments.push_back(bufferAt(pointer, buffer, readOnly));
  }
  for (int64_t size : launch.sizes)
    request.arguments.push_back(static_cast<uint64_t>(size));
  request.arguments.push_back(static_cast<uint64_t>(launch.tasks));
  for (const TensorMapShape &shape : function.tensorMaps)
    request.arguments.push_back(tensorMapOf(shape, launch, pointers[shape.buffer]));
  request.grid[0] = static_cast<uint32_t>(std::min(launch.tasks, mostBlocks));
  request.dynamicSharedBytes = function.sharedBytes;
  request.seed = seed;
  if (auto fault = function.emulator.launch(request))
    throw emulator::EmulationError(std::move(*fault));
}

} // namespace weft
