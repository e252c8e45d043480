// Records, between two operations, where a device may have changed.
//
// A tracker belongs to one disk of one store. It has a *base*: the snapshot that the device
// equalled when the tracker last started recording. Its guarantee, at any time and after any crash:
//
//   the device differs from its base at most where changed() says
//
// An operation on the disk moves the base in four steps, under the disk's lock:
//
//   begin(base, use)    freezes the changes recorded so far; later writes are recorded
//                       separately
//   ...                 the operation reads changed(), reads and writes the device
//   prepare(id, ...)    `id` is about to become the disk's base snapshot; the changes frozen by
//                       begin() are to be dropped, or kept if the operation did not compare all
//                       of them
//   ...                 the record is appended                       <- it is valid
//   commit()            the base is `id`
//
// If the operation fails, abandon(): the frozen and the later changes are merged again. If the
// process dies, the next begin() determines from the base snapshot in the log which base is
// valid; the state left by prepare() must therefore be correct also without commit(). Destroying a
// tracker between begin() and commit() abandons.
//
// Every error of a tracker means that it is invalid: the caller scans.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::track {

// The disk that a tracker belongs to.
struct TrackedDisk {
  std::string store_uuid;
  std::string disk_id;  // "d-..."
  std::string path;     // path of the device or image file, symbolic links resolved
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  // The image file, or the one below the loop device, as registered.
  std::string kept_at = {};
  std::string store_path = {};  // path of the store, for pins.h; may be unknown
};

// Whether the operation writes to the device itself.
enum class TrackUse : std::uint8_t { kRead, kWrite };

// What happens to the changes recorded before begin().
enum class Collected : std::uint8_t { kDropped, kKept };

class Tracker {
 public:
  virtual ~Tracker() = default;
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // As in a receipt: "bitmap", "extents".
  [[nodiscard]] virtual const char* name() const = 0;
  // The device is a file that can share blocks with other files, so restored data may be shared
  // too.
  [[nodiscard]] virtual bool shares_bytes() const { return false; }

  // `base_snapshot`: the id of the base snapshot, which according to the log the device
  // equalled last; empty: none. Empty result: changed() is valid. A text: it is not, and why ("the
  // machine was rebooted"); the operation may still continue to prepare() and commit(), after which
  // it is valid.
  [[nodiscard]] virtual Result<std::optional<std::string>> begin(const std::string& base_snapshot,
                                                                 TrackUse use) = 0;

  // The first extent at or after `offset` in which the device may differ from the base; empty:
  // none. May be called again from any offset until commit() or abandon(), with the same results.
  [[nodiscard]] virtual Result<Extent> changed(std::uint64_t offset) = 0;

  // The number of bytes that the operation has written to the device since the last call, all of
  // them by direct I/O. Writes that are not reported count as those of others.
  virtual void wrote(std::uint64_t bytes) { (void)bytes; }

  [[nodiscard]] virtual Status prepare(const std::string& id, Collected before) = 0;
  [[nodiscard]] virtual Status commit() = 0;
  [[nodiscard]] virtual Status abandon() = 0;

  // The guarantee turned out to be violated: the tracker is invalid until the next commit().
  [[nodiscard]] virtual Status distrust(const std::string& why) = 0;

 protected:
  Tracker() = default;
};

// For `track status`.
struct TrackerState {
  std::string name;                 // "bitmap", "extents"
  bool valid = false;               // changed() would be valid now
  std::string why;                  // if not valid: why
  std::string base;                 // the snapshot id, if valid
  std::uint64_t changed_bytes = 0;  // since the base, if valid; may be too large
  std::uint64_t granule_bytes = 0;  // bytes per dirty bit
  std::uint64_t memory_bytes = 0;   // kernel memory, or space on the file system
};

}  // namespace blkrewind::track
