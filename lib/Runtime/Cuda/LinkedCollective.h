// One collective of GPUs, by NCCL.
#pragma once

#include "lib/Runtime/CollectiveCall.h"
#include "lib/Runtime/Cuda/DeviceLink.h"
#include "lib/Runtime/Plan.h"

namespace weft::cuda {

/// What moves elements, or adds integers, has the same bits whoever does it. Floats have them only
/// if they are added in the order of the members: the devices exchange parts, the hosts add these,
/// and the devices exchange the sums.
class LinkedCollective final : public DeviceCollective {
public:
  LinkedCollective(DeviceLink &link, const NcclLibrary &nccl, const Collective &collective,
                   const CollectivePointers &pointers);

  DeviceWay way(const CollectiveCall &call) const override;
  uint64_t device() const override { return link.identity; }
  void reserve(const CollectiveCall &call) override;
  void run(const DeviceTurn &turn) override;
  void read(void *to, uint64_t bytes) override;
  void write(const void *from, uint64_t bytes) override;
  /// Where a result is that another step of the plan waits for.
  StorageRef takeResult() { return std::move(own); }

private:
  enum class Kind : uint8_t {
    Reduce,
    AllReduce,
    ReduceScatter,
    AllGather,
    AllToAll,
    Broadcast,
    Permute
  };

  bool isReduction() const { return kind <= Kind::ReduceScatter; }
  static bool addsAlike(DType dtype);
  static Reduction reductionOf(const CollectiveCall &call, Kind kind);

  void reduceByDevices(const DeviceTurn &turn);
  void reduceByHosts(const DeviceTurn &turn);
  void exchangeParts(const DeviceTurn &turn, const void *from, void *to, int64_t bytes);
  void permute(const DeviceTurn &turn);

  DeviceLink &link;
  const NcclLibrary &nccl;
  Kind kind = Kind::AllReduce;
  const void *x;
  void *result, *copied = nullptr;
  uint64_t resultBytes = 0;
  /// Whether another step of the plan waits for the result.
  bool isStart;
  Communicator communicator = nullptr;
  /// What x is copied to, a result that nobody reads or reads later, parts, and these in the host.
  StorageRef operand, own, parts;
  std::unique_ptr<char[]> onHost;
};

} // namespace weft::cuda
