// Calls that change state run one after the other.
#pragma once

namespace weft {

/// Held by a call from reading the handles that it changes to giving them their new values, so that
/// of two threads neither loses what the other one did. The interpreter's lock is given up while
/// waiting. A thread may hold it several times.
class StateLock {
public:
  /// Takes the lock if `needed`. If another thread has it, waits until that is done, and does not
  /// hold the lock: what the caller has read may have changed.
  explicit StateLock(bool needed);
  ~StateLock();
  StateLock(const StateLock &) = delete;
  StateLock &operator=(const StateLock &) = delete;

  bool waited() const { return hadToWait; }

private:
  bool held = false, hadToWait = false;
};

/// Waits until a call that changes state, on another thread, is done. False if this thread itself
/// is in such a call, as a handler of signals may be.
bool waitForStateChanges();

} // namespace weft
