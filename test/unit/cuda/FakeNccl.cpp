// NVIDIA's library for machines without a GPU: the processes of one machine send files to each
// other, on the streams of the driver library for such machines.
//
// Sums are made from the last member to the first, so that their bits are not those of the members'
// order. What a test wants to go wrong it says by environment variables: FAKE_NCCL_FAIL is the
// number of the operation that fails, FAKE_NCCL_HANG of the one that is never sent, by the member
// FAKE_NCCL_MEMBER; FAKE_NCCL_VERSION is the version that the library has.
#include "test/unit/cuda/FakeCudaDriver.h"

#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

extern "C" void fakeCudaPush(void *stream, void (*job)(void *), void *data);

// The names are the library's.
// NOLINTBEGIN(readability-identifier-naming)
namespace {

namespace fs = std::filesystem;

constexpr int done = 0, invalidArgument = 4, invalidUsage = 5, lost = 6, goesOn = 7;

long long setting(const char *name, long long otherwise) {
  const char *text = std::getenv(name);
  return text ? std::atoll(text) : otherwise;
}

struct Id {
  char bytes[128];
};

struct Configuration {
  size_t size;
  unsigned magic, version;
  int blocking;
};

struct Communicator {
  fs::path folder;
  int members = 1, member = 0;
  /// How many operations of all were begun; how often was asked since.
  long long operations = 0;
  /// How many messages went to each member and came from there, beside those of all members.
  std::map<int, long long> sent, received;
  std::atomic<int> asked = 0;
  std::atomic<bool> isAborted = false, isSetUp = false, isFinal = false;
  std::atomic<int> error = done;

  bool isChosen(const char *what) const {
    return operations == setting(what, -1) && member == setting("FAKE_NCCL_MEMBER", 0);
  }

  /// Messages of two members have negative numbers.
  fs::path file(long long operation, int from, int to) const {
    return folder /
           (std::to_string(operation) + "." + std::to_string(from) + "." + std::to_string(to));
  }

  void send(long long operation, int to, const void *data, size_t bytes) const {
    fs::path place = file(operation, member, to), unfinished = place;
    unfinished += ".unfinished";
    std::ofstream(unfinished, std::ios::binary)
        .write(static_cast<const char *>(data), static_cast<std::streamsize>(bytes));
    fs::rename(unfinished, place);
  }

  /// Empty once this communicator was aborted.
  std::vector<char> receive(long long operation, int from) const {
    fs::path place = file(operation, from, member);
    while (!fs::exists(place)) {
      if (isAborted)
        return {};
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    std::ifstream stream(place, std::ios::binary);
    std::vector<char> data{std::istreambuf_iterator<char>(stream), {}};
    fs::remove(place);
    return data;
  }
};

/// What is sent and received in one operation, on a stream.
struct Operation {
  Communicator *communicator;
  void *stream;
  std::vector<std::function<void(long long)>> sends, receives;
  /// Messages of two members are none of those that all members count.
  bool isOfAll;
};

thread_local int groups = 0;
thread_local std::vector<Operation> grouped;

/// Does an operation on its stream; it goes on when the call returns.
int begin(Operation operation) {
  Communicator &communicator = *operation.communicator;
  void *stream = operation.stream;
  if (!communicator.isSetUp || communicator.isAborted)
    return invalidUsage;
  long long number = communicator.operations;
  bool hangs = communicator.isChosen("FAKE_NCCL_HANG");
  if (communicator.isChosen("FAKE_NCCL_FAIL")) {
    communicator.error = lost;
    hangs = true;
  }
  communicator.operations += operation.isOfAll ? 1 : 0;
  communicator.asked = 0;
  auto *job = new std::function<void()>([operation = std::move(operation), number, hangs] {
    while (hangs && !operation.communicator->isAborted)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (hangs)
      return;
    for (const auto &send : operation.sends)
      send(number);
    for (const auto &receive : operation.receives)
      receive(number);
  });
  fakeCudaPush(
      stream,
      [](void *data) {
        auto *job = static_cast<std::function<void()> *>(data);
        (*job)();
        delete job;
      },
      job);
  return goesOn;
}

int add(Operation operation) {
  if (!operation.communicator || !operation.stream)
    return invalidArgument;
  if (grouped.empty())
    grouped.push_back(std::move(operation));
  else {
    auto &first = grouped.front();
    first.sends.insert(first.sends.end(), operation.sends.begin(), operation.sends.end());
    first.receives.insert(first.receives.end(), operation.receives.begin(),
                          operation.receives.end());
  }
  if (groups > 0)
    return done;
  int result = begin(grouped.front());
  grouped.clear();
  return result;
}

size_t bytesOf(int type) {
  constexpr size_t sizes[] = {1, 1, 4, 4, 8, 8, 2, 4, 8};
  return sizes[type];
}

template <typename T> void combine(char *to, const char *from, size_t count, int reduction) {
  for (size_t i = 0; i < count; ++i) {
    T left, right;
    std::memcpy(&left, to + i * sizeof(T), sizeof(T));
    std::memcpy(&right, from + i * sizeof(T), sizeof(T));
    T result = right;
    if constexpr (std::is_integral_v<T>) {
      if (reduction == 0)
        result = static_cast<T>(static_cast<unsigned long long>(left) +
                                static_cast<unsigned long long>(right));
    } else if (reduction == 0) {
      result = left + right;
    }
    if (reduction == 2)
      result = left > right ? left : right;
    if (reduction == 3)
      result = left < right ? left : right;
    std::memcpy(to + i * sizeof(T), &result, sizeof(T));
  }
}

void combine(int type, char *to, const char *from, size_t count, int reduction) {
  using Combine = void (*)(char *, const char *, size_t, int);
  constexpr Combine functions[] = {combine<int8_t>,   combine<uint8_t>, combine<int32_t>,
                                   combine<uint32_t>, combine<int64_t>, combine<uint64_t>,
                                   nullptr,           combine<float>,   combine<double>};
  functions[type](to, from, count, reduction);
}

/// Sends bytes to members; a part for each if `stride` is not 0.
void sendAll(Operation &operation, const void *from, size_t bytes, size_t stride) {
  for (int member = 0; member < operation.communicator->members; ++member)
    operation.sends.emplace_back([=, with = operation.communicator](long long number) {
      with->send(number, member, static_cast<const char *>(from) + stride * size_t(member), bytes);
    });
}

/// Reduces what comes from all, last member first.
void receiveReduced(Operation &operation, void *to, size_t count, int type, int reduction) {
  operation.receives.emplace_back([=, with = operation.communicator](long long number) {
    std::vector<char> result;
    for (int member = with->members - 1; member >= 0; --member) {
      std::vector<char> part = with->receive(number, member);
      if (part.empty())
        return;
      if (result.empty())
        result = part;
      else
        combine(type, result.data(), part.data(), count, reduction);
    }
    std::memcpy(to, result.data(), result.size());
  });
}

void receiveInto(Operation &operation, void *to, int from) {
  operation.receives.emplace_back([=, with = operation.communicator](long long number) {
    std::vector<char> data = with->receive(number, from);
    if (!data.empty())
      std::memcpy(to, data.data(), data.size());
  });
}

} // namespace

extern "C" {

int ncclGetVersion(int *version) {
  *version = static_cast<int>(setting("FAKE_NCCL_VERSION", 22000));
  return done;
}

const char *ncclGetErrorString(int result) {
  return result == lost ? "remote process exited or there was a network error" : "invalid usage";
}

const char *ncclGetLastError(Communicator *) { return "the fake library says so"; }

int ncclGetUniqueId(Id *id) {
  fs::path folder = fs::temp_directory_path() / "fake-nccl-XXXXXX";
  std::string name = folder.string();
  if (!mkdtemp(name.data()))
    return invalidUsage;
  std::snprintf(id->bytes, sizeof id->bytes, "%s", name.c_str());
  return done;
}

int ncclCommInitRankConfig(Communicator **made, int members, Id id, int member,
                           Configuration *configuration) {
  if (configuration->size != sizeof(Configuration) || configuration->magic != 0xcafebeef ||
      configuration->version < 21400 || configuration->blocking != 0 || member >= members)
    return invalidArgument;
  auto *communicator = new Communicator;
  communicator->folder = id.bytes;
  communicator->members = members;
  communicator->member = member;
  std::ofstream(communicator->folder / ("here." + std::to_string(member))) << getpid();
  *made = communicator;
  return goesOn;
}

int ncclCommGetAsyncError(Communicator *communicator, int *error) {
  *error = communicator->error;
  if (*error != done)
    return done;
  if (!communicator->isSetUp) {
    for (int member = 0; member < communicator->members; ++member)
      if (!fs::exists(communicator->folder / ("here." + std::to_string(member)))) {
        *error = goesOn;
        return done;
      }
    communicator->isSetUp = true;
  }
  // What was begun goes on for a while.
  if (communicator->asked++ < 2)
    *error = goesOn;
  return done;
}

int ncclCommFinalize(Communicator *communicator) {
  communicator->isFinal = true;
  communicator->asked = 0;
  return goesOn;
}

int ncclCommDestroy(Communicator *communicator) {
  if (!communicator->isFinal)
    return invalidUsage;
  std::error_code ignored;
  fs::remove(communicator->folder / ("here." + std::to_string(communicator->member)), ignored);
  fs::remove(communicator->folder, ignored); // if nothing is left there
  delete communicator;
  return done;
}

/// The object stays: jobs on streams look at it.
int ncclCommAbort(Communicator *communicator) {
  communicator->isAborted = true;
  return done;
}

int ncclAllReduce(const void *from, void *to, size_t count, int type, int reduction,
                  Communicator *communicator, void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/true};
  sendAll(operation, from, count * bytesOf(type), 0);
  receiveReduced(operation, to, count, type, reduction);
  return add(std::move(operation));
}

int ncclReduce(const void *from, void *to, size_t count, int type, int reduction, int root,
               Communicator *communicator, void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/true};
  operation.sends.emplace_back(
      [=](long long number) { communicator->send(number, root, from, count * bytesOf(type)); });
  if (communicator->member == root)
    receiveReduced(operation, to, count, type, reduction);
  return add(std::move(operation));
}

int ncclReduceScatter(const void *from, void *to, size_t count, int type, int reduction,
                      Communicator *communicator, void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/true};
  sendAll(operation, from, count * bytesOf(type), count * bytesOf(type));
  receiveReduced(operation, to, count, type, reduction);
  return add(std::move(operation));
}

int ncclAllGather(const void *from, void *to, size_t count, int type, Communicator *communicator,
                  void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/true};
  size_t bytes = count * bytesOf(type);
  sendAll(operation, from, bytes, 0);
  for (int member = 0; member < communicator->members; ++member)
    receiveInto(operation, static_cast<char *>(to) + bytes * size_t(member), member);
  return add(std::move(operation));
}

int ncclBroadcast(const void *from, void *to, size_t count, int type, int root,
                  Communicator *communicator, void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/true};
  if (communicator->member == root)
    sendAll(operation, from, count * bytesOf(type), 0);
  receiveInto(operation, to, root);
  return add(std::move(operation));
}

int ncclSend(const void *from, size_t count, int type, int to, Communicator *communicator,
             void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/false};
  operation.sends.emplace_back([=, number = --communicator->sent[to]](long long) {
    communicator->send(number, to, from, count * bytesOf(type));
  });
  return add(std::move(operation));
}

int ncclRecv(void *to, size_t, int, int from, Communicator *communicator, void *stream) {
  Operation operation{communicator, stream, {}, {}, /*isOfAll=*/false};
  operation.receives.emplace_back([=, number = --communicator->received[from]](long long) {
    std::vector<char> data = communicator->receive(number, from);
    if (!data.empty())
      std::memcpy(to, data.data(), data.size());
  });
  return add(std::move(operation));
}

int ncclGroupStart(void) {
  ++groups;
  return done;
}

int ncclGroupEnd(void) {
  if (--groups > 0 || grouped.empty())
    return done;
  int result = begin(grouped.front());
  grouped.clear();
  return result;
}

} // extern "C"
// NOLINTEND(readability-identifier-naming)
