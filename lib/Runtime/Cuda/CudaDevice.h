// NVIDIA GPUs through the driver: one stream for each device, memory in the order of the stream,
// plans of several launches replayed as CUDA graphs.
#pragma once

#include "lib/Runtime/Cuda/CudaDriver.h"
#include "lib/Runtime/Cuda/DeviceLink.h"
#include "lib/Runtime/Device.h"
#include "lib/Runtime/Plan.h"

#include <map>
#include <mutex>
#include <vector>

namespace weft::cuda {

/// A plan as a graph: its launches in a row. The addresses in them are updated for each run.
class PlanGraph {
public:
  PlanGraph(const Driver &driver, std::string device) : driver(driver), device(std::move(device)) {}
  PlanGraph(const PlanGraph &) = delete;
  ~PlanGraph();

  /// Runs the plan on `stream`. Throws weft::Error.
  void run(std::span<const DeviceLaunch> launches, Stream stream);

private:
  struct Node {
    GraphNode node = nullptr;
    Function function = nullptr;
    std::vector<void *> pointers;
    std::vector<int64_t> sizes;
    int64_t tasks = 0;

    bool runs(const Launch &launch, LaunchPointers with) const;
  };

  bool describes(std::span<const DeviceLaunch> launches) const;
  void build(std::span<const DeviceLaunch> launches);
  void update(std::span<const DeviceLaunch> launches);
  void clear();

  const Driver &driver;
  const std::string device;
  Graph graph = nullptr;
  GraphExecution execution = nullptr;
  std::vector<Node> nodes;
};

/// Lives as long as the process.
class CudaDevice final : public Device {
public:
  /// Device `ordinal` of the driver. Throws weft::Error (Unsupported) if there is no such device.
  static CudaDevice &instance(int ordinal);

  /// All that are open leave the devices of other processes.
  static void leaveOthers() noexcept;

  const std::string &name() const override { return deviceName; }
  const std::string &target() const override { return deviceTarget; }
  ImageFormat imageFormat() const override { return ImageFormat::MachineCode; }
  StorageRef allocate(uint64_t bytes) override;
  void readAt(void *to, const void *from, uint64_t bytes) override;
  void writeAt(void *to, const void *from, uint64_t bytes) override;
  std::unique_ptr<DeviceModule> load(std::string_view image) override;
  void run(const Plan &plan, std::span<const DeviceLaunch> launches) override;
  void communicate(const Collective &collective, const CollectivePointers &pointers) override;
  void synchronize() override;
  void synchronizeWithOthers() override;

private:
  explicit CudaDevice(int ordinal);
  void release(void *data, uint64_t bytes) noexcept override;
  /// Makes the device's context the calling thread's.
  void enter() const;
  Result makeCurrent() const;
  /// The same, and waits for what other processes' devices send: the driver would wait for ever.
  void enterForReading();
  void check(Result result, const char *action) const;

  const Driver &driver;
  std::string deviceName, deviceTarget;
  Context context = nullptr;
  Stream stream = nullptr;
  int sharedBytesLimit = 0, multiprocessors = 0;
  DeviceLink link;

  /// Guards the graphs, and the order of what is asked of the stream.
  std::mutex mutex;
  /// By address of the plan; a graph sees by itself that another plan has come to live there.
  std::map<const Plan *, PlanGraph> graphs;
};

} // namespace weft::cuda
