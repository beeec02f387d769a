// The GPU emulator as a device: what runs on it is watched for what a GPU would not forgive.
#pragma once

#include "codegen/Emulator/Emulator.h"
#include "lib/Runtime/Device.h"

#include <map>
#include <mutex>

namespace weft {

/// Runs the code of a GPU on this processor, slowly: one for each GPU that code is generated for.
/// A fault (a race, an access out of bounds, ...) is a weft::Error with the user's line.
class EmulatedDevice final : public Device {
public:
  /// The emulator of "sm_80" or "sm_90a", which lives as long as the process. Throws weft::Error if
  /// there is no such GPU.
  static EmulatedDevice &instance(const std::string &chip);

  /// Decides the order in which threads run and copies land, from the next launch on. 0: threads in
  /// order. It starts as the environment variable WEFT_EMULATOR_SEED says, else as 1.
  void setSeed(uint64_t value) { seed = value; }

  const std::string &name() const override { return deviceName; }
  const std::string &target() const override { return deviceTarget; }
  ImageFormat imageFormat() const override { return ImageFormat::LlvmBitcode; }
  StorageRef allocate(uint64_t bytes) override;
  void readAt(void *to, const void *from, uint64_t bytes) override;
  void writeAt(void *to, const void *from, uint64_t bytes) override;
  std::unique_ptr<DeviceModule> load(std::string_view image) override;
  void run(const Plan &plan, std::span<const DeviceLaunch> launches) override;
  void synchronize() override {}
  void synchronizeWithOthers() override {}

private:
  void runOne(const Launch &launch, LaunchPointers pointers);
  explicit EmulatedDevice(const std::string &chip);
  void release(void *data, uint64_t bytes) noexcept override;
  /// The buffer that an address is in. `mutex` is held.
  std::pair<emulator::DeviceBuffer *, uint64_t> bufferOf(const void *address);
  emulator::BufferArgument bufferAt(void *address, size_t number, bool readOnly);

  const std::string deviceName, deviceTarget;
  std::mutex mutex;
  /// By address.
  std::map<uintptr_t, std::unique_ptr<emulator::DeviceBuffer>> buffers;
  uint64_t seed;
};

} // namespace weft
