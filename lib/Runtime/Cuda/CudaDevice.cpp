#include "lib/Runtime/Cuda/CudaDevice.h"

#include "lib/Runtime/ProgramFault.h"
#include "lib/Support/Error.h"

#include <algorithm>
#include <array>
#include <limits>

namespace weft::cuda {
namespace {

/// A block does several tasks where the device has room for no more blocks.
constexpr uint32_t anyBlocks = std::numeric_limits<int32_t>::max();

class CudaFunction final : public DeviceFunction {
public:
  CudaFunction(const Driver &driver, Function function, uint32_t threads, uint32_t sharedBytes,
               std::vector<TensorMapShape> shapes, std::vector<FaultSite> faultSites,
               uint32_t mostBlocks)
      : DeviceFunction(std::move(shapes), std::move(faultSites)),
        function(function),
        threads(threads),
        sharedBytes(sharedBytes),
        mostBlocks(mostBlocks),
        driver(driver) {}

  /// The tensor maps of a launch; those of the last one again if it was the same.
  const std::vector<TensorMap> &encodeMaps(const Launch &launch, LaunchPointers pointers) const;

  const Function function;
  const uint32_t threads, sharedBytes, mostBlocks;

private:
  TensorMap encode(const TensorMapShape &shape, const Launch &launch, void *address) const;

  const Driver &driver;
  // Of the last launch; its device guards them.
  mutable std::vector<void *> lastPointers;
  mutable std::vector<int64_t> lastSizes;
  mutable std::vector<TensorMap> maps;
};

const std::vector<TensorMap> &CudaFunction::encodeMaps(const Launch &launch,
                                                       LaunchPointers pointers) const {
  if (tensorMaps.empty() ||
      (!maps.empty() && lastSizes == launch.sizes && std::ranges::equal(lastPointers, pointers)))
    return maps;
  maps.clear();
  for (const TensorMapShape &shape : tensorMaps)
    maps.push_back(encode(shape, launch, pointers[shape.buffer]));
  lastPointers.assign(pointers.begin(), pointers.end());
  lastSizes = launch.sizes;
  return maps;
}

int swizzleOf(uint32_t bytes) { return bytes == 128 ? 3 : bytes == 64 ? 2 : bytes == 32 ? 1 : 0; }

TensorMap CudaFunction::encode(const TensorMapShape &shape, const Launch &launch,
                               void *address) const {
  std::array<uint64_t, TensorMapShape::mostDimensions> sizes = {}, strides = {};
  std::array<uint32_t, TensorMapShape::mostDimensions> box = {}, steps = {};
  const size_t rank = shape.dimensions.size();
  for (size_t number = 0; number < rank; ++number) {
    const TensorMapShape::Dimension &dimension = shape.dimensions[number];
    sizes[number] = dimension.size.in(launch.sizes);
    strides[number] = dimension.stride.in(launch.sizes);
    box[number] = dimension.box;
    steps[number] = 1;
  }
  // The driver knows the innermost stride from the element.
  TensorMap map = {};
  driver.check(driver.cuTensorMapEncodeTiled(
                   &map, shape.element == DType::Float16 ? tensorMapFloat16 : tensorMapBFloat16,
                   static_cast<uint32_t>(rank), address, sizes.data(), strides.data() + 1,
                   box.data(), steps.data(), tensorMapNoInterleave, swizzleOf(shape.swizzleBytes),
                   tensorMapPromoteTo128Bytes, tensorMapFillWithZeros),
               "making a tensor map of buffer " + std::to_string(shape.buffer) + " of " +
                   launch.name());
  return map;
}

const CudaFunction &functionOf(const Launch &launch) {
  return static_cast<const CudaFunction &>(*launch.deviceFunction);
}

class CudaModule final : public DeviceModule {
public:
  CudaModule(const Driver &driver, std::string device, Module module, int sharedBytesLimit,
             int multiprocessors)
      : driver(driver),
        device(std::move(device)),
        module(module),
        sharedBytesLimit(sharedBytesLimit),
        multiprocessors(multiprocessors) {}
  ~CudaModule() override { driver.cuModuleUnload(module); }

  const DeviceFunction &function(const std::string &name, uint32_t threads, uint32_t sharedBytes,
                                 std::vector<TensorMapShape> tensorMaps,
                                 std::vector<FaultSite> faultSites) override {
    if (sharedBytes > static_cast<uint32_t>(sharedBytesLimit))
      throw Error(Error::Kind::Unsupported,
                  device + ": the kernel " + name + " needs " + std::to_string(sharedBytes) +
                      " bytes of shared memory, a block has " + std::to_string(sharedBytesLimit));
    Function found = nullptr;
    driver.check(driver.cuModuleGetFunction(&found, module, name.c_str()),
                 device + ": looking for the kernel " + name);
    // What exceeds 48 KiB has to be asked for.
    driver.check(
        driver.cuFuncSetAttribute(found, maximumDynamicSharedBytes, static_cast<int>(sharedBytes)),
        device + ": asking for shared memory for the kernel " + name);
    // With tensor maps a block goes from task to task, and has a multiprocessor to itself.
    const uint32_t mostBlocks =
        tensorMaps.empty() ? anyBlocks : static_cast<uint32_t>(multiprocessors);
    functions.push_back(std::make_unique<CudaFunction>(driver, found, threads, sharedBytes,
                                                       std::move(tensorMaps), std::move(faultSites),
                                                       mostBlocks));
    return *functions.back();
  }

private:
  const Driver &driver;
  const std::string device;
  const Module module;
  const int sharedBytesLimit, multiprocessors;
  std::vector<std::unique_ptr<CudaFunction>> functions;
};

/// The arguments of a launch as the driver takes them: the address of each. They are the pointers,
/// the sizes, the number of tasks, then the tensor maps.
class Arguments {
public:
  Arguments(const Launch &launch, LaunchPointers pointers) : tasks(launch.tasks) {
    for (void *const &pointer : pointers)
      addresses.push_back(static_cast<void *>(const_cast<void **>(&pointer)));
    for (const int64_t &size : launch.sizes)
      addresses.push_back(const_cast<int64_t *>(&size));
    addresses.push_back(&tasks);
    for (const TensorMap &map : functionOf(launch).encodeMaps(launch, pointers))
      addresses.push_back(const_cast<TensorMap *>(&map));
  }
  Arguments(const Arguments &) = delete;

  void **data() { return addresses.data(); }

private:
  int64_t tasks;
  std::vector<void *> addresses;
};

unsigned blocksOf(const Launch &launch) {
  return static_cast<unsigned>(std::min<int64_t>(launch.tasks, functionOf(launch).mostBlocks));
}

/// Calls `visit` with the number of each launch of a plan and whether it is to run.
template <typename Visitor>
void forLaunches(std::span<const DeviceLaunch> launches, Visitor visit) {
  bool runs = false;
  for (size_t number = 0; number < launches.size(); ++number) {
    runs = runsOnDevice(*launches[number].launch, launches[number].pointers, runs);
    visit(number, runs);
  }
}

KernelNodeParameters nodeParameters(const Launch &launch, Arguments &arguments) {
  const CudaFunction &function = functionOf(launch);
  KernelNodeParameters parameters = {};
  parameters.function = function.function;
  parameters.gridX = blocksOf(launch);
  parameters.gridY = parameters.gridZ = 1;
  parameters.blockX = function.threads;
  parameters.blockY = parameters.blockZ = 1;
  parameters.sharedBytes = function.sharedBytes;
  parameters.arguments = arguments.data();
  return parameters;
}

} // namespace

//===----------------------------------------------------------------------===//
// Graphs
//===----------------------------------------------------------------------===//

PlanGraph::~PlanGraph() { clear(); }

void PlanGraph::clear() {
  if (execution)
    driver.cuGraphExecDestroy(execution);
  if (graph)
    driver.cuGraphDestroy(graph);
  execution = nullptr;
  graph = nullptr;
  nodes.clear();
}

bool PlanGraph::Node::runs(const Launch &launch, LaunchPointers with) const {
  return tasks == launch.tasks && sizes == launch.sizes && std::ranges::equal(pointers, with);
}

bool PlanGraph::describes(std::span<const DeviceLaunch> launches) const {
  if (!execution || nodes.size() != launches.size())
    return false;
  bool same = true;
  forLaunches(launches, [&](size_t number, bool runs) {
    const auto &[plannedLaunch, pointers] = launches[number];
    const Launch &launch = *plannedLaunch;
    same &= nodes[number].function == (runs ? functionOf(launch).function : nullptr);
  });
  return same;
}

void PlanGraph::build(std::span<const DeviceLaunch> launches) {
  clear();
  const std::string what = device + ": building a graph";
  driver.check(driver.cuGraphCreate(&graph, 0), what);
  GraphNode previous = nullptr;
  forLaunches(launches, [&](size_t number, bool runs) {
    const auto &[plannedLaunch, pointers] = launches[number];
    const Launch &launch = *plannedLaunch;
    Node &node = nodes.emplace_back();
    if (!runs)
      return;
    node = {nullptr,
            functionOf(launch).function,
            {pointers.begin(), pointers.end()},
            launch.sizes,
            launch.tasks};
    Arguments arguments(launch, pointers);
    KernelNodeParameters parameters = nodeParameters(launch, arguments);
    driver.check(
        driver.cuGraphAddKernelNode_v2(&node.node, graph, &previous, previous ? 1 : 0, &parameters),
        what);
    previous = node.node;
  });
  driver.check(driver.cuGraphInstantiateWithFlags(&execution, graph, 0), what);
}

void PlanGraph::update(std::span<const DeviceLaunch> launches) {
  for (size_t number = 0; number < nodes.size(); ++number) {
    Node &node = nodes[number];
    const auto &[plannedLaunch, pointers] = launches[number];
    const Launch &launch = *plannedLaunch;
    if (!node.node || node.runs(launch, pointers))
      continue;
    Arguments arguments(launch, pointers);
    KernelNodeParameters parameters = nodeParameters(launch, arguments);
    driver.check(driver.cuGraphExecKernelNodeSetParams_v2(execution, node.node, &parameters),
                 device + ": updating a graph");
    node.pointers.assign(pointers.begin(), pointers.end());
    node.sizes = launch.sizes;
    node.tasks = launch.tasks;
  }
}

void PlanGraph::run(std::span<const DeviceLaunch> launches, Stream stream) {
  if (describes(launches))
    update(launches);
  else
    build(launches);
  driver.check(driver.cuGraphLaunch(execution, stream), device + ": launching a graph");
}

//===----------------------------------------------------------------------===//
// The device
//===----------------------------------------------------------------------===//

/// Those that are open, by number, and their lock; they live as long as the process.
static std::mutex &devicesLock() {
  static std::mutex &mutex = *new std::mutex;
  return mutex;
}
static std::map<int, CudaDevice *> &openDevices() {
  static std::map<int, CudaDevice *> &devices = *new std::map<int, CudaDevice *>;
  return devices;
}

CudaDevice &CudaDevice::instance(int ordinal) {
  std::lock_guard lock(devicesLock());
  CudaDevice *&device = openDevices()[ordinal];
  if (!device)
    device = new CudaDevice(ordinal);
  return *device;
}

void CudaDevice::leaveOthers() noexcept {
  std::lock_guard lock(devicesLock());
  for (auto &[ordinal, device] : openDevices())
    if (device && device->makeCurrent() == success)
      device->link.leave();
}

CudaDevice::CudaDevice(int ordinal)
    : driver(Driver::instance()),
      deviceName("cuda:" + std::to_string(ordinal)),
      link(driver, *this) {
  int count = 0;
  check(driver.cuDeviceGetCount(&count), "counting devices");
  if (ordinal < 0 || ordinal >= count)
    throw Error(Error::Kind::Unsupported,
                "there is no device " + deviceName + ": the driver has " + std::to_string(count));
  DeviceNumber device = 0;
  check(driver.cuDeviceGet(&device, ordinal), "opening the device");
  int major = 0, minor = 0;
  check(driver.cuDeviceGetAttribute(&major, computeCapabilityMajor, device), "asking its kind");
  check(driver.cuDeviceGetAttribute(&minor, computeCapabilityMinor, device), "asking its kind");
  if (major < 8)
    throw Error(Error::Kind::Unsupported, deviceName + " has compute capability " +
                                              std::to_string(major) + "." + std::to_string(minor) +
                                              "; 8.0 or later is needed");
  // The instructions of 9.0 that later devices lack have a name of their own.
  deviceTarget = major == 9 && minor == 0 ? "cuda:sm_90a" : "cuda:sm_80";
  check(driver.cuDeviceGetAttribute(&sharedBytesLimit, largestSharedMemory, device),
        "asking for its shared memory");
  check(driver.cuDeviceGetAttribute(&multiprocessors, multiprocessorCount, device),
        "counting its multiprocessors");
  check(driver.cuDevicePrimaryCtxRetain(&context, device), "making a context");
  enter();
  check(driver.cuStreamCreate(&stream, /*non-blocking*/ 1), "making a stream");
  link.open(device, stream);
  MemoryPool pool = nullptr;
  uint64_t keepAll = std::numeric_limits<uint64_t>::max();
  check(driver.cuDeviceGetDefaultMemPool(&pool, device), "asking for its memory pool");
  check(driver.cuMemPoolSetAttribute(pool, poolReleaseThreshold, &keepAll), "keeping its memory");
}

void CudaDevice::check(Result result, const char *action) const {
  if (result != success)
    driver.check(result, deviceName + ": " + action);
}

Result CudaDevice::makeCurrent() const {
  static thread_local Context current = nullptr;
  if (current == context)
    return success;
  Result result = driver.cuCtxSetCurrent(context);
  if (result == success)
    current = context;
  return result;
}

void CudaDevice::enter() const { check(makeCurrent(), "entering its context"); }

void CudaDevice::enterForReading() {
  enter();
  if (link.isBusy())
    link.await();
}

StorageRef CudaDevice::allocate(uint64_t bytes) {
  enter();
  DevicePointer pointer = 0;
  Result result = driver.cuMemAllocAsync(&pointer, std::max<uint64_t>(bytes, 1), stream);
  if (result != success)
    driver.check(result, deviceName + ": allocating " + std::to_string(bytes) + " bytes");
  // The driver's addresses are numbers.
  void *data = reinterpret_cast<void *>(pointer); // NOLINT(performance-no-int-to-ptr)
  return Storage::onDevice(data, bytes, *this);
}

void CudaDevice::release(void *data, uint64_t) noexcept {
  // Nobody could do anything about an error here; the next call that throws will show it.
  makeCurrent();
  driver.cuMemFreeAsync(reinterpret_cast<DevicePointer>(data), stream);
}

void CudaDevice::readAt(void *to, const void *from, uint64_t bytes) {
  enterForReading();
  if (bytes > 0)
    check(driver.cuMemcpyDtoHAsync_v2(to, reinterpret_cast<DevicePointer>(from), bytes, stream),
          "reading memory");
  synchronize();
}

void CudaDevice::writeAt(void *to, const void *from, uint64_t bytes) {
  enterForReading();
  if (bytes == 0)
    return;
  check(driver.cuMemcpyHtoDAsync_v2(reinterpret_cast<DevicePointer>(to), from, bytes, stream),
        "writing memory");
  // Pinned memory would be read after the call.
  synchronize();
}

std::unique_ptr<DeviceModule> CudaDevice::load(std::string_view image) {
  enter();
  // PTX is text that has to end with a zero; a cubin carries its own length.
  std::string ended(image);
  Module module = nullptr;
  check(driver.cuModuleLoadData(&module, ended.c_str()), "loading kernels");
  return std::make_unique<CudaModule>(driver, deviceName, module, sharedBytesLimit,
                                      multiprocessors);
}

void CudaDevice::run(const Plan &plan, std::span<const DeviceLaunch> launches) {
  enter();
  std::lock_guard lock(mutex);
  constexpr size_t fewestForGraph = 2, mostGraphs = 1024;
  // What a launch notes is read before the next one, which may use the memory.
  bool notes = std::ranges::any_of(launches, [](const DeviceLaunch &each) {
    return !each.launch->deviceFunction->faultSites.empty();
  });
  if (launches.size() >= fewestForGraph && !notes) {
    if (graphs.size() >= mostGraphs)
      graphs.clear();
    graphs.try_emplace(&plan, driver, deviceName).first->second.run(launches, stream);
    return;
  }
  forLaunches(launches, [&](size_t number, bool runs) {
    if (!runs)
      return;
    const auto &[plannedLaunch, pointers] = launches[number];
    const Launch &launch = *plannedLaunch;
    const CudaFunction &function = functionOf(launch);
    Arguments arguments(launch, pointers);
    Result result =
        driver.cuLaunchKernel(function.function, blocksOf(launch), 1, 1, function.threads, 1, 1,
                              function.sharedBytes, stream, arguments.data(), nullptr);
    if (result != success)
      driver.check(result, deviceName + ": launching " + launch.name());
    throwProgramFaults(*this, launches[number]);
  });
}

void CudaDevice::communicate(const Collective &collective, const CollectivePointers &pointers) {
  enter();
  if (!link.communicate(collective, pointers))
    Device::communicate(collective, pointers);
}

void CudaDevice::synchronize() {
  enterForReading();
  check(driver.cuStreamSynchronize(stream), "waiting for its work");
}

void CudaDevice::synchronizeWithOthers() {
  enterForReading();
  check(driver.cuCtxSynchronize(), "waiting for all work");
}

} // namespace weft::cuda
