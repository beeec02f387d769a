// How a GPU computes together with those of other processes without their hosts: by NCCL, on a
// stream of its own beside the one that kernels run on.
#pragma once

#include "lib/Runtime/Collectives.h"
#include "lib/Runtime/Cuda/NcclLibrary.h"
#include "lib/Runtime/Device.h"

#include <atomic>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <vector>

namespace weft::cuda {

/// That of one device. The device's context is that of the calling thread in all of it.
class DeviceLink {
public:
  DeviceLink(const Driver &driver, Device &device) : driver(driver), device(device) {}
  DeviceLink(const DeviceLink &) = delete;
  DeviceLink &operator=(const DeviceLink &) = delete;

  /// Done once, before anything else.
  void open(DeviceNumber number, Stream stream);

  /// Does a collective of a plan, if that does not have to be done by the host. Throws.
  bool communicate(const Collective &collective, const CollectivePointers &pointers);

  /// Whether something was sent that is not known to be there, or got lost.
  bool isBusy() const { return busy; }
  /// Returns once all that was sent is there. Throws CommunicationError if it can't be, and ever
  /// after: what a lost message was for is not to be read. Throws Interrupted, too.
  void await();

  /// Leaves the other devices, as late as the last of them.
  void leave() noexcept;

  /// How many collectives went without their hosts, in all links.
  static uint64_t collectives() { return count; }

private:
  friend class LinkedCollective;
  using Body = std::function<NcclResult(Stream)>;

  /// What was sent, and how far it is.
  struct Operation {
    std::string name;
    Event ready = nullptr, done = nullptr;
    std::optional<std::chrono::steady_clock::time_point> began;
  };
  /// What goes on beside other work: where its result is made, and what says that it is.
  struct Started {
    StorageRef result;
    Event done = nullptr;
  };
  struct Key {
    uint64_t connection;
    int64_t group;
    std::vector<uint64_t> devices;
    auto operator<=>(const Key &) const = default;
  };

  /// The library, if there is one and it may be used now.
  const NcclLibrary *library();
  /// That of the members' devices, which is made when they meet first.
  Communicator communicator(const DeviceTurn &turn);
  /// Runs what sends, behind all that the device was asked to do; what it is asked to do next is
  /// behind that, if `joins`.
  void send(const DeviceTurn &turn, Communicator communicator, bool joins, const Body &body);
  /// In the order of what the device is asked to do.
  void copy(void *to, const void *from, uint64_t bytes);
  void fill(void *to, uint64_t bytes);
  /// A sum that was begun, by where its token is, which the device waits for; empty if there is
  /// none.
  Started takeStarted(const void *token);
  /// Gives what was begun, if it was begun here.
  bool finish(const Collective &collective, const CollectivePointers &pointers);

  /// Returns once the library has taken what it was asked to do.
  void settle(Communicator communicator, NcclResult begun);
  /// Ends all that is under way, here and in those that wait for this device.
  void abort(const std::string &reason) noexcept;
  [[noreturn]] void fail(const std::string &where, const std::string &reason);
  void check(Result result, const char *action) const;
  /// Forgets what is there. Returns whether all is.
  bool retire();
  /// What is wrong with what was sent first; empty: nothing so far.
  std::string problem();
  Event newEvent();

  const Driver &driver;
  Device &device;
  Stream compute = nullptr, communication = nullptr;
  uint64_t identity = 0;
  /// As of the last collective.
  DeviceRules rules = {};

  std::atomic<bool> busy = false;
  /// Guards what is below; a collective's turn has one thread, another one may wait.
  std::mutex mutex;
  std::map<Key, Communicator> communicators;
  std::deque<Operation> operations;
  std::vector<Event> events;
  /// By where the token is that says which one it is.
  std::map<const void *, Started> started;
  std::string failure;

  static std::atomic<uint64_t> count;
};

} // namespace weft::cuda
