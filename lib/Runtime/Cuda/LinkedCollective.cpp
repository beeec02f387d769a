#include "lib/Runtime/Cuda/LinkedCollective.h"

#include "lib/Support/Error.h"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

namespace weft::cuda {
namespace {

/// Up to here a sum in the members' order is sooner there by the hosts.
constexpr int64_t smallBytes = 4096;

int typeOf(DType dtype) {
  switch (dtype) {
  case DType::Int8:
    return ncclInt8;
  case DType::UInt8:
    return ncclUInt8;
  case DType::Int32:
    return ncclInt32;
  case DType::UInt32:
    return ncclUInt32;
  case DType::Int64:
    return ncclInt64;
  case DType::UInt64:
    return ncclUInt64;
  case DType::Float64:
    return ncclFloat64;
  default:
    return ncclFloat32;
  }
}

/// Whether a call was taken, within a group: its end says how it went.
bool isTaken(NcclResult result) { return result == ncclDone || result == ncclGoesOn; }

bool overlap(const void *left, uint64_t leftBytes, const void *right, uint64_t rightBytes) {
  auto first = reinterpret_cast<uintptr_t>(left), second = reinterpret_cast<uintptr_t>(right);
  return first < second + rightBytes && second < first + leftBytes;
}

} // namespace

LinkedCollective::LinkedCollective(DeviceLink &link, const NcclLibrary &nccl,
                                   const Collective &collective, const CollectivePointers &pointers)
    : link(link),
      nccl(nccl),
      x(pointers.read),
      result(pointers.result),
      isStart(collective.function == "weft_collective_start_collective") {
  static constexpr std::pair<std::string_view, Kind> kinds[] = {
      {"weft_collective_reduce", Kind::Reduce},
      {"weft_collective_reduce_scatter", Kind::ReduceScatter},
      {"weft_collective_all_gather", Kind::AllGather},
      {"weft_collective_all_to_all", Kind::AllToAll},
      {"weft_collective_collective_broadcast", Kind::Broadcast},
      {"weft_collective_permute_members", Kind::Permute},
  };
  for (const auto &[name, each] : kinds)
    if (collective.function == name)
      kind = each;
  // As the two ends of a collective number them.
  constexpr Kind ofStart[] = {Kind::AllReduce, Kind::AllGather, Kind::ReduceScatter};
  if (isStart)
    kind = ofStart[CollectiveCall("", collective.numbers.data()).options[0]];
}

/// Integers wrap around, and NCCL has no 16 bits.
bool LinkedCollective::addsAlike(DType dtype) {
  switch (dtype) {
  case DType::Int8:
  case DType::UInt8:
  case DType::Int32:
  case DType::UInt32:
  case DType::Int64:
  case DType::UInt64:
    return true;
  default:
    return false;
  }
}

Reduction LinkedCollective::reductionOf(const CollectiveCall &call, Kind kind) {
  return kind == Kind::AllReduce ? static_cast<Reduction>(call.options[0]) : Reduction::Sum;
}

DeviceWay LinkedCollective::way(const CollectiveCall &call) const {
  if (isReduction() && !addsAlike(call.dtype)) {
    // The largest of floats are the hosts': NCCL does not say what it makes of a NaN.
    bool isFloat = call.dtype == DType::Float32 || call.dtype == DType::Float64;
    if (isFloat && link.rules.anyOrder && reductionOf(call, kind) == Reduction::Sum)
      return DeviceWay::AnyOrder;
    if (isStart || call.bytes() <= smallBytes)
      return DeviceWay::None;
  }
  return link.rules.anyOrder ? DeviceWay::AnyOrder : DeviceWay::Alike;
}

void LinkedCollective::reserve(const CollectiveCall &call) {
  auto bytes = static_cast<uint64_t>(call.bytes());
  resultBytes = kind == Kind::AllGather       ? bytes * static_cast<uint64_t>(call.members)
                : kind == Kind::ReduceScatter ? bytes / static_cast<uint64_t>(call.members)
                                              : bytes;
  if (isStart) {
    // What it reads may be written over meanwhile: a copy of that lies behind the result.
    uint64_t place = (resultBytes + 255) / 256 * 256;
    own = link.device.allocate(place + bytes);
    result = own->data();
    copied = static_cast<char *>(result) + place;
  } else if (!result) {
    own = link.device.allocate(resultBytes);
    result = own->data();
  } else if (overlap(x, bytes, result, resultBytes)) {
    operand = link.device.allocate(bytes);
    copied = operand->data();
  }
  if (!isReduction() || addsAlike(call.dtype))
    return;
  auto room = static_cast<uint64_t>(call.partsBytes());
  parts = link.device.allocate(2 * room);
  try {
    onHost = std::make_unique_for_overwrite<char[]>(std::max<uint64_t>(1, 2 * room));
  } catch (const std::bad_alloc &) {
    throw Error(Error::Kind::Memory, "there is no memory for the parts of the members");
  }
}

void LinkedCollective::read(void *to, uint64_t bytes) {
  if (bytes > 0)
    link.device.readAt(to, x, bytes);
}

void LinkedCollective::write(const void *from, uint64_t bytes) {
  if (bytes > 0)
    link.device.writeAt(result, from, bytes);
}

void LinkedCollective::run(const DeviceTurn &turn) {
  const CollectiveCall &call = turn.call;
  auto bytes = static_cast<size_t>(call.bytes());
  if (bytes == 0)
    return;
  // All members make it, also those that send nothing this time.
  communicator = link.communicator(turn);
  if (copied) {
    link.copy(copied, x, bytes);
    x = copied;
  }
  switch (kind) {
  case Kind::Reduce:
  case Kind::AllReduce:
  case Kind::ReduceScatter:
    if (addsAlike(call.dtype) ||
        (turn.way == DeviceWay::AnyOrder && reductionOf(call, kind) == Reduction::Sum))
      return reduceByDevices(turn);
    return reduceByHosts(turn);
  case Kind::AllGather:
    return link.send(turn, communicator, !isStart, [&](Stream stream) {
      return nccl.ncclAllGather(x, result, bytes, ncclInt8, communicator, stream);
    });
  case Kind::AllToAll:
    return exchangeParts(turn, x, result, call.bytes() / call.members);
  case Kind::Broadcast:
    return link.send(turn, communicator, true, [&](Stream stream) {
      return nccl.ncclBroadcast(x, result, bytes, ncclInt8, static_cast<int>(call.options[0]),
                                communicator, stream);
    });
  case Kind::Permute:
    return permute(turn);
  }
}

void LinkedCollective::reduceByDevices(const DeviceTurn &turn) {
  const CollectiveCall &call = turn.call;
  constexpr std::array<int, 3> reductions = {ncclSum, ncclLargest, ncclSmallest};
  const int reduction = reductions[static_cast<size_t>(reductionOf(call, kind))];
  const int type = typeOf(call.dtype);
  auto count = static_cast<size_t>(call.elements());
  link.send(turn, communicator, !isStart, [&](Stream stream) {
    if (kind == Kind::Reduce)
      return nccl.ncclReduce(x, result, count, type, reduction, static_cast<int>(call.options[0]),
                             communicator, stream);
    if (kind == Kind::ReduceScatter)
      return nccl.ncclReduceScatter(x, result, count / static_cast<size_t>(call.members), type,
                                    reduction, communicator, stream);
    return nccl.ncclAllReduce(x, result, count, type, reduction, communicator, stream);
  });
  if (kind == Kind::Reduce && call.options[0] != turn.member)
    link.fill(result, resultBytes);
}

/// Each member adds its part, in the members' order, in the memory of its host.
void LinkedCollective::reduceByHosts(const DeviceTurn &turn) {
  const CollectiveCall &call = turn.call;
  const bool isScatter = kind == Kind::ReduceScatter;
  int64_t room = call.partsBytes(), partBytes = room / call.members;
  char *padded = static_cast<char *>(parts->data()), *received = padded + room;
  if (!isScatter)
    link.copy(padded, x, static_cast<uint64_t>(call.bytes()));
  exchangeParts(turn, isScatter ? x : padded, received, partBytes);
  char *reduced = onHost.get() + room;
  link.device.readAt(onHost.get(), received, static_cast<uint64_t>(room));
  reduceParts(call.dtype, onHost.get(), reduced, call.members, partBytes / call.elementBytes(),
              reductionOf(call, kind));
  if (isScatter)
    return link.device.writeAt(result, reduced, static_cast<uint64_t>(partBytes));
  link.device.writeAt(received, reduced, static_cast<uint64_t>(partBytes));
  link.send(turn, communicator, true, [&](Stream stream) {
    return nccl.ncclAllGather(received, padded, static_cast<size_t>(partBytes), ncclInt8,
                              communicator, stream);
  });
  if (kind == Kind::Reduce && call.options[0] != turn.member)
    return link.fill(result, resultBytes);
  link.copy(result, padded, resultBytes);
}

/// Part i goes to member i, and comes from there.
void LinkedCollective::exchangeParts(const DeviceTurn &turn, const void *from, void *to,
                                     int64_t bytes) {
  link.send(turn, communicator, true, [&](Stream stream) {
    auto part = static_cast<size_t>(bytes);
    NcclResult begun = nccl.ncclGroupStart();
    for (int64_t member = 0; member < turn.call.members && isTaken(begun); ++member) {
      const char *sent = static_cast<const char *>(from) + member * bytes;
      char *got = static_cast<char *>(to) + member * bytes;
      begun = nccl.ncclSend(sent, part, ncclInt8, static_cast<int>(member), communicator, stream);
      if (isTaken(begun))
        begun = nccl.ncclRecv(got, part, ncclInt8, static_cast<int>(member), communicator, stream);
    }
    NcclResult ended = nccl.ncclGroupEnd();
    return isTaken(begun) ? ended : begun;
  });
}

void LinkedCollective::permute(const DeviceTurn &turn) {
  const CollectiveCall &call = turn.call;
  auto bytes = static_cast<size_t>(call.bytes());
  auto own = turn.member, target = call.options[own], source = int64_t(-1);
  for (int64_t member = 0; member < call.members; ++member)
    if (call.options[member] == own)
      source = member;
  if (source < 0)
    link.fill(result, bytes);
  if (source == own) {
    link.copy(result, x, bytes);
    source = target = -1;
  }
  if (source < 0 && target < 0)
    return;
  link.send(turn, communicator, true, [&](Stream stream) {
    NcclResult begun = nccl.ncclGroupStart();
    if (target >= 0 && isTaken(begun))
      begun = nccl.ncclSend(x, bytes, ncclInt8, static_cast<int>(target), communicator, stream);
    if (source >= 0 && isTaken(begun))
      begun =
          nccl.ncclRecv(result, bytes, ncclInt8, static_cast<int>(source), communicator, stream);
    NcclResult ended = nccl.ncclGroupEnd();
    return isTaken(begun) ? ended : begun;
  });
}

} // namespace weft::cuda
