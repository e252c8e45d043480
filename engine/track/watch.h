// Marks for the duration of one operation: they prove that what was read is of one instant.
//
// A watch records every write to a device in one of two sets of marks. flip() begins a new set; the
// former one then says what has to be read again. When everything in it was read and quiet() is
// true, the device has not changed since flip(): all that was read, by this pass and by those
// before it, is what the device held at that instant.
// The first set begins with the watch.
//
// It belongs to the process: when that is killed, nothing stays. One thread.
//
// It sees what a tracker's bitmap sees (bitmap_tracker.h), and not what that does not: writes past
// the device's own queue, such as direct writes to the file below a loop device.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::track {

class Watch {
 public:
  virtual ~Watch() = default;
  Watch(const Watch&) = delete;
  Watch& operator=(const Watch&) = delete;

  // None of these allocates memory or touches a file.

  // Begins a new set of marks.
  virtual void flip() = 0;
  // The first marked extent of the set that ended with the last flip(), at or after `offset`;
  // empty: none.
  [[nodiscard]] virtual Extent marked(std::uint64_t offset) const = 0;
  [[nodiscard]] virtual std::uint64_t marked_bytes() const = 0;

  // Since the last flip(), or the start of the watch, nothing was written: no write began and none
  // ended, none is under way that began before it, and nothing escaped. False is also the answer
  // when it cannot be told.
  [[nodiscard]] virtual bool quiet() const = 0;
  // A write was missed, or one of unknown extent was made, since the watch began: what was read
  // is worth nothing any more. Empty: none was.
  [[nodiscard]] virtual const char* escaped() const = 0;

 protected:
  Watch() = default;
};

}  // namespace blkrewind::track
