// Holds file systems still for a moment (FIFREEZE, FITHAW of ioctl_fsfreeze(2)), and never for
// longer than a limit.
//
// The kernel does not undo a freeze when the process that asked for it dies. So there are two
// thawers: this object, and a guard, a process of its own that is forked by prepare(), before
// anything is frozen (guard.h). It has the roots of the file systems open, cannot be killed for
// want of memory and needs none, and thaws when this process has ended or when the limit has
// passed. If both are killed, a file under /run says what is left (leftovers.h).
//
//   prepare()   the guard stands, the file under /run is written; nothing is frozen
//   freeze()    in order; if one refuses, those before it are thawed
//   is_held()   nobody has thawed any of them since
//   thaw()      in the reverse order
//
// Between freeze() and thaw() the caller does nothing that could wait for one of these file
// systems: it reads the device, touches memory that is locked, asks the clock. None of the calls
// here allocates memory, logs, or touches a file between the two.
//
// A file system that somebody else has frozen (EBUSY) is never thawed here: freeze() fails, naming
// it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "host/stack.h"

namespace blkrewind::freeze {

struct Held {
  host::MountedSuper super;
  UniqueFd root;
};

class Freeze {
 public:
  virtual ~Freeze() = default;  // thaws, and ends the guard
  Freeze(const Freeze&) = delete;
  Freeze& operator=(const Freeze&) = delete;

  // Once. After an error nothing is frozen, and the object is of no more use. kUnsupported: this
  // file system cannot be frozen (EOPNOTSUPP: vfat), so nothing is; find that out by can_freeze().
  // kBusy: somebody else has frozen one, or the limit passed before all were. kIo: the guard was
  // killed. kPrecondition: this process may not (CAP_SYS_ADMIN). kCancelled never: a freeze that
  // was begun is waited for, and the guard sees to the limit.
  [[nodiscard]] virtual Status freeze() = 0;
  // All of them have been frozen since freeze(), as far as this process and the guard know; the
  // guard lives, and the limit has not passed.
  [[nodiscard]] virtual bool is_held() const = 0;
  // All of them, whatever an error says of one. kBusy: one was not frozen any more, because the
  // limit had passed, or somebody else thawed it. kIo: one could not be thawed; its file under /run
  // stays. Ends the guard. Called again, it does nothing.
  [[nodiscard]] virtual Status thaw() = 0;

 protected:
  Freeze() = default;
};

// Waits for `syncfs` of each until one takes less than 50 ms, at most `tries` of them: so that what
// freeze() itself has to write is little. Any errors are freeze()'s to report.
void write_back(const std::vector<Held>& held, unsigned tries);

// `held`: in the order in which they are frozen; none twice (kInvalidArgument). `limit`: from the
// first FIFREEZE to the last FITHAW. A process that is forked while the object exists may destroy
// its copy, which thaws nothing. Errors: kPrecondition, with a remedy: /run cannot be written to.
// kUnsupported: the kernel is older than 5.9. Not for several threads at a time.
[[nodiscard]] Result<std::unique_ptr<Freeze>> prepare(std::vector<Held> held,
                                                      std::chrono::milliseconds limit);

// Whether this file system type knows how to be frozen, which the kernel tells only by trying:
// false for those that are known not to (vfat, exfat, ...).
[[nodiscard]] bool can_freeze(const host::MountedSuper& super);

}  // namespace blkrewind::freeze
