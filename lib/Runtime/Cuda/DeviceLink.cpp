#include "lib/Runtime/Cuda/DeviceLink.h"

#include "lib/Runtime/Cuda/LinkedCollective.h"
#include "lib/Support/Interpreter.h"

#include <algorithm>
#include <cstring>
#include <thread>
#include <utility>

namespace weft::cuda {

std::atomic<uint64_t> DeviceLink::count = 0;

namespace {

using Clock = std::chrono::steady_clock;

double secondsSince(Clock::time_point time) {
  return std::chrono::duration<double>(Clock::now() - time).count();
}

/// Waits a little, longer the longer there was to wait: the core may be another's.
void pauseFor(double waited) {
  constexpr double atFirst = 50e-6, most = 500e-6;
  if (waited < atFirst)
    std::this_thread::yield();
  else
    std::this_thread::sleep_for(std::chrono::duration<double>(std::min(waited / 8, most)));
}

std::string notCome(double timeout) {
  std::string seconds = std::to_string(timeout);
  return "another process has not come for " + seconds.substr(0, seconds.find('.') + 2) +
         " seconds (the timeout of weft.distributed.init); it has ended, or hangs";
}

DevicePointer address(const void *place) { return reinterpret_cast<DevicePointer>(place); }

} // namespace

void DeviceLink::check(Result result, const char *action) const {
  if (result != success)
    driver.check(result, device.name() + ": " + action);
}

void DeviceLink::open(DeviceNumber number, Stream stream) {
  compute = stream;
  DeviceUuid uuid;
  check(driver.cuDeviceGetUuid_v2(&uuid, number), "asking for its identity");
  // FNV-1a.
  identity = 14695981039346656037U;
  for (unsigned char byte : uuid.bytes)
    identity = (identity ^ byte) * 1099511628211U;
}

const NcclLibrary *DeviceLink::library() {
  rules = deviceRules();
  std::lock_guard held(mutex);
  if (!rules.linksDevices || !failure.empty())
    return nullptr;
  const NcclLibrary *nccl = NcclLibrary::find();
  if (nccl && !communication)
    check(driver.cuStreamCreate(&communication, /*non-blocking*/ 1), "making a stream");
  return nccl;
}

//===----------------------------------------------------------------------===//
// Collectives
//===----------------------------------------------------------------------===//

bool DeviceLink::communicate(const Collective &step, const CollectivePointers &pointers) {
  if (step.function == "weft_collective_finish_collective")
    return finish(step, pointers);
  bool isStart = step.function == "weft_collective_start_collective";
  if (isStart) {
    // Nobody waits for what an execution that failed has left there.
    Started left = takeStarted(pointers.next);
  }
  const NcclLibrary *nccl = library();
  if (!nccl)
    return false;
  LinkedCollective collective(*this, *nccl, step, pointers);
  CollectiveCall call("", step.numbers.data());
  if (call.members == 1 || collective.way(call) == DeviceWay::None)
    return false;
  communicateByDevice(step.function, step.numbers.data(), collective);
  if (isStart) {
    Event done = newEvent();
    check(driver.cuEventRecord(done, communication), "noting what was sent");
    std::lock_guard held(mutex);
    started[pointers.next] = {collective.takeResult(), done};
  }
  if (pointers.next)
    copy(pointers.next, pointers.token, sizeof(int32_t));
  return true;
}

DeviceLink::Started DeviceLink::takeStarted(const void *token) {
  std::lock_guard held(mutex);
  auto place = started.find(token);
  if (place == started.end())
    return {};
  Started found = std::move(place->second);
  started.erase(place);
  check(driver.cuStreamWaitEvent(compute, found.done, 0), "waiting for what was begun");
  events.push_back(found.done);
  return found;
}

bool DeviceLink::finish(const Collective &step, const CollectivePointers &pointers) {
  Started found = takeStarted(pointers.read);
  if (!found.result)
    return false;
  if (pointers.result)
    copy(pointers.result, found.result->data(), step.resultBytes);
  if (pointers.next)
    copy(pointers.next, pointers.token, sizeof(int32_t));
  return true;
}

void DeviceLink::send(const DeviceTurn &turn, Communicator communicator, bool joins,
                      const Body &body) {
  Operation operation;
  operation.name = (turn.line.empty() ? "" : turn.line + ": ") + turn.call.name;
  {
    std::lock_guard held(mutex);
    retire();
  }
  operation.ready = newEvent();
  operation.done = newEvent();
  check(driver.cuEventRecord(operation.ready, compute), "noting what is to be sent");
  check(driver.cuStreamWaitEvent(communication, operation.ready, 0), "waiting for its kernels");
  settle(communicator, body(communication));
  check(driver.cuEventRecord(operation.done, communication), "noting what was sent");
  if (joins)
    check(driver.cuStreamWaitEvent(compute, operation.done, 0), "waiting for what was sent");
  ++count;
  std::lock_guard held(mutex);
  operations.push_back(std::move(operation));
  busy = true;
}

void DeviceLink::copy(void *to, const void *from, uint64_t bytes) {
  if (to != from && bytes > 0)
    check(driver.cuMemcpyDtoDAsync_v2(address(to), address(from), bytes, compute),
          "copying memory");
}

void DeviceLink::fill(void *to, uint64_t bytes) {
  if (bytes > 0)
    check(driver.cuMemsetD8Async(address(to), 0, bytes, compute), "filling memory");
}

Event DeviceLink::newEvent() {
  std::lock_guard held(mutex);
  Event event = nullptr;
  if (events.empty()) {
    check(driver.cuEventCreate(&event, eventWithoutTime), "making an event");
    return event;
  }
  event = events.back();
  events.pop_back();
  return event;
}

//===----------------------------------------------------------------------===//
// Communicators
//===----------------------------------------------------------------------===//

Communicator DeviceLink::communicator(const DeviceTurn &turn) {
  Key key{rules.connection, turn.call.group, {turn.devices.begin(), turn.devices.end()}};
  {
    std::lock_guard held(mutex);
    if (auto found = communicators.find(key); found != communicators.end())
      return found->second;
  }
  const NcclLibrary &nccl = NcclLibrary::instance();
  struct Invitation {
    NcclId id = {};
    char problem[256] = "";
  } invitation;
  if (turn.member == 0)
    if (NcclResult result = nccl.ncclGetUniqueId(&invitation.id); result != ncclDone)
      nccl.textOf(result).copy(invitation.problem, sizeof invitation.problem - 1);
  turn.broadcast(&invitation, sizeof invitation);
  if (invitation.problem[0])
    fail("", std::string("member 0: ") + invitation.problem);
  NcclConfiguration configuration = {sizeof configuration, ncclMagic, leastNcclVersion,
                                     /*blocking=*/0};
  Communicator made = nullptr;
  NcclResult begun =
      nccl.ncclCommInitRankConfig(&made, static_cast<int>(turn.call.members), invitation.id,
                                  static_cast<int>(turn.member), &configuration);
  if (made) {
    std::lock_guard held(mutex);
    communicators[key] = made;
  }
  settle(made, begun);
  return made;
}

void DeviceLink::settle(Communicator communicator, NcclResult begun) {
  const NcclLibrary &nccl = NcclLibrary::instance();
  Clock::time_point start = Clock::now();
  while (begun == ncclGoesOn) {
    if (NcclResult asked = nccl.ncclCommGetAsyncError(communicator, &begun); asked != ncclDone)
      begun = asked;
    if (begun != ncclGoesOn)
      break;
    if (secondsSince(start) > rules.timeout)
      fail("", notCome(rules.timeout));
    try {
      throwIfInterrupted();
    } catch (const Interrupted &) {
      abort("interrupted");
      throw;
    }
    pauseFor(secondsSince(start));
  }
  if (begun != ncclDone)
    fail("",
         nccl.textOf(begun) + "; weft.distributed.init(nccl=False) sends by the hosts of the GPUs");
}

void DeviceLink::leave() noexcept {
  try {
    await();
  } catch (...) {
    return; // What was aborted is left.
  }
  std::map<Key, Communicator> left;
  {
    std::lock_guard held(mutex);
    left.swap(communicators);
    started.clear();
  }
  for (auto &[key, communicator] : left) {
    const NcclLibrary &nccl = NcclLibrary::instance();
    NcclResult state = nccl.ncclCommFinalize(communicator);
    // What this device has sent may still be on its way.
    for (Clock::time_point start = Clock::now();
         state == ncclGoesOn && secondsSince(start) < rules.timeout; pauseFor(secondsSince(start)))
      nccl.ncclCommGetAsyncError(communicator, &state);
    if (state == ncclDone)
      nccl.ncclCommDestroy(communicator);
    else
      nccl.ncclCommAbort(communicator);
  }
}

//===----------------------------------------------------------------------===//
// Waiting
//===----------------------------------------------------------------------===//

bool DeviceLink::retire() {
  while (!operations.empty()) {
    Operation &first = operations.front();
    Result result = driver.cuEventQuery(first.done);
    if (result == notReady)
      return false;
    check(result, "asking what was sent");
    events.insert(events.end(), {first.ready, first.done});
    operations.pop_front();
  }
  busy = !failure.empty();
  return true;
}

std::string DeviceLink::problem() {
  const NcclLibrary &nccl = NcclLibrary::instance();
  for (auto &[key, communicator] : communicators) {
    NcclResult state = ncclDone;
    if (NcclResult asked = nccl.ncclCommGetAsyncError(communicator, &state); asked != ncclDone)
      state = asked;
    if (state != ncclDone && state != ncclGoesOn)
      return nccl.textOf(state) + "; another process has ended, or can't be reached";
  }
  Operation &first = operations.front();
  // Until its turn comes, this device is computing.
  if (!first.began && driver.cuEventQuery(first.ready) == success)
    first.began = Clock::now();
  return first.began && secondsSince(*first.began) > rules.timeout ? notCome(rules.timeout) : "";
}

void DeviceLink::await() {
  InterpreterReleased released;
  for (Clock::time_point start = Clock::now();; pauseFor(secondsSince(start))) {
    std::string name, reason;
    {
      std::lock_guard held(mutex);
      if (!failure.empty())
        throw CommunicationError(device.name() +
                                 ": what this device computed can't be read since: " + failure);
      if (retire())
        return;
      name = operations.front().name;
      reason = problem();
    }
    if (!reason.empty())
      fail(name + ": ", reason);
    try {
      throwIfInterrupted();
    } catch (const Interrupted &) {
      abort("interrupted");
      throw;
    }
  }
}

void DeviceLink::abort(const std::string &reason) noexcept {
  std::lock_guard held(mutex);
  breakConnection(reason);
  for (auto &[key, communicator] : communicators)
    NcclLibrary::instance().ncclCommAbort(communicator);
  communicators.clear();
  operations.clear();
  failure = reason;
  busy = true;
}

void DeviceLink::fail(const std::string &where, const std::string &reason) {
  abort(where + reason);
  throw CommunicationError(where + reason);
}

} // namespace weft::cuda
