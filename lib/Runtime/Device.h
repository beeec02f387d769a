// A processor with memory of its own that runs kernels: what tensors and plans need of it.
#pragma once

#include "lib/Runtime/Storage.h"
#include "lib/Support/FaultSite.h"
#include "lib/Support/TensorMapShape.h"

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace weft {

struct Collective;
struct Launch;
struct Plan;

/// The code of one stage on a device. Block b of a launch does the tasks b, b + blocks, ...
class DeviceFunction {
public:
  explicit DeviceFunction(std::vector<TensorMapShape> tensorMaps,
                          std::vector<FaultSite> faultSites = {})
      : tensorMaps(std::move(tensorMaps)), faultSites(std::move(faultSites)) {}
  virtual ~DeviceFunction() = default;

  /// Each launch is given tensor maps of these shapes after its other arguments.
  const std::vector<TensorMapShape> tensorMaps;
  /// What it notes in the last buffer of each launch.
  const std::vector<FaultSite> faultSites;
};

/// Code that a device has loaded; its functions live as long as it does.
class DeviceModule {
public:
  virtual ~DeviceModule() = default;

  /// The function of the entry `name`, run by blocks of `threads` threads with `sharedBytes` of
  /// shared memory each. Throws weft::Error if there is none or the device can't run it so.
  virtual const DeviceFunction &function(const std::string &name, uint32_t threads,
                                         uint32_t sharedBytes,
                                         std::vector<TensorMapShape> tensorMaps = {},
                                         std::vector<FaultSite> faultSites = {}) = 0;
};

/// What a device loads.
enum class ImageFormat {
  /// Machine code, or the vendor's portable assembly (PTX).
  MachineCode,
  /// LLVM's bitcode, for a device that is emulated.
  LlvmBitcode,
};

/// What one launch of a plan is for one execution: the addresses of its buffers.
using LaunchPointers = std::span<void *const>;

struct DeviceLaunch {
  const Launch *launch;
  LaunchPointers pointers;
};

/// Where the buffers of a collective are; null: nobody reads it.
struct CollectivePointers {
  const void *read, *token;
  void *result, *next;
};

/// All methods throw weft::Error with the device's name and its own text of what went wrong. What
/// is asked of a device happens in the order in which it was asked; only reading waits for it.
class Device {
public:
  virtual ~Device() = default;

  /// "cuda:0", as users name it.
  virtual const std::string &name() const = 0;

  /// What code for it is generated for: "cuda:sm_90a".
  virtual const std::string &target() const = 0;

  virtual ImageFormat imageFormat() const = 0;

  /// Memory on the device, aligned to 256 bytes, with undefined contents.
  virtual StorageRef allocate(uint64_t bytes) = 0;

  /// Copies from and to the memory of the host. Reading returns when the bytes are there, writing
  /// when `from` may be changed.
  void read(void *to, const Storage &from, uint64_t bytes) { readAt(to, from.data(), bytes); }
  void write(Storage &to, const void *from, uint64_t bytes) { writeAt(to.data(), from, bytes); }
  /// The same for an address in a block of the device's memory.
  virtual void readAt(void *to, const void *from, uint64_t bytes) = 0;
  virtual void writeAt(void *to, const void *from, uint64_t bytes) = 0;

  /// Loads code of the device's format.
  virtual std::unique_ptr<DeviceModule> load(std::string_view image) = 0;

  /// Runs the launches of `plan`, all of them, one after the other.
  virtual void run(const Plan &plan, std::span<const DeviceLaunch> launches) = 0;

  /// Computes together with other processes. By the memory of their hosts, unless the device has
  /// another way. Throws CommunicationError, too.
  virtual void communicate(const Collective &collective, const CollectivePointers &pointers);

  /// Waits until all is done.
  virtual void synchronize() = 0;

  /// The same, and for what other libraries of this process asked of it.
  virtual void synchronizeWithOthers() = 0;

private:
  friend class Storage;
  /// Takes back what `allocate` gave, once what was asked before is done.
  virtual void release(void *data, uint64_t bytes) noexcept = 0;
};

} // namespace weft
