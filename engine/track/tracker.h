// What remembers, between two operations, where a device may have changed.
//
// A tracker belongs to one disk of one store. It holds a *base*: the snapshot that the device
// equalled when the tracker last began anew. What it promises, at any time and whatever died in
// between:
//
//   the device differs from its base at most where changed() says
//
// An operation on the disk moves the base in four steps, under the disk's lock:
//
//   begin(anchor, use)  what was written before is collected and stands still; what is written from
//                       here on is collected anew
//   ...                 the operation reads changed(), reads and writes the device
//   prepare(id, ...)    `id` is about to become the disk's anchor; what was collected before
//                       begin() is to be dropped, or kept where the operation did not look at all
//                       of it
//   ...                 the journal says so                                  <- it counts
//   commit()            the base is `id`
//
// When the operation fails, abandon(): what was collected before and since belongs together again.
// When the process dies, the next begin() finds out from the journal's anchor which of the two it
// is; so what prepare() left must be right also when commit() never comes. Destroying a tracker
// between begin() and commit() abandons.
//
// Every error of a tracker means "nothing is known": the caller scans.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "blkrewind/units.h"

namespace blkrewind::track {

// Whose tracker it is.
struct TrackedDisk {
  std::string store_uuid;
  std::string disk_id;  // "d-..."
  std::string path;     // of the device or image file, symbolic links resolved
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  // The image file, or the one below the loop device, as it was registered.
  std::string kept_at = {};
  std::string store_path = {};  // where the store is, for pins.h; need not be known
};

// Whether the operation writes to the device itself.
enum class TrackUse : std::uint8_t { kRead, kWrite };

// What becomes of what was collected before begin().
enum class Collected : std::uint8_t { kDropped, kKept };

class Tracker {
 public:
  virtual ~Tracker() = default;
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  // As in a receipt: "bitmap", "extents".
  [[nodiscard]] virtual const char* name() const = 0;
  // The device is a file that shares its bytes with others as it is, so what is brought back may
  // share them too.
  [[nodiscard]] virtual bool shares_bytes() const { return false; }

  // `anchor`: the id of the snapshot that the journal says the device equalled last; empty: none.
  // Nothing: changed() holds. A text: it does not, and this is why ("the machine was started
  // anew"); the operation may still go on to prepare() and commit(), from when on it does.
  [[nodiscard]] virtual Result<std::optional<std::string>> begin(const std::string& anchor,
                                                                 TrackUse use) = 0;

  // The first extent at or after `offset` where the device may differ from the base; empty: none.
  // May be asked again from any offset until commit() or abandon(), and answers the same.
  [[nodiscard]] virtual Result<Extent> changed(std::uint64_t offset) = 0;

  // How many bytes of the device the operation has written so far, all of them with direct I/O,
  // besides those that it told of before. What it does not tell of counts as written by others.
  virtual void wrote(std::uint64_t bytes) { (void)bytes; }

  [[nodiscard]] virtual Status prepare(const std::string& id, Collected before) = 0;
  [[nodiscard]] virtual Status commit() = 0;
  [[nodiscard]] virtual Status abandon() = 0;

  // The promise turned out to be broken: nothing is known until the next commit().
  [[nodiscard]] virtual Status distrust(const std::string& why) = 0;

 protected:
  Tracker() = default;
};

// For `track status`.
struct TrackerState {
  std::string name;                 // "bitmap", "extents"
  bool valid = false;               // changed() would hold now
  std::string why;                  // not valid: why
  std::string base;                 // the snapshot id, when valid
  std::uint64_t changed_bytes = 0;  // since the base, when valid; may err towards too much
  std::uint64_t granule_bytes = 0;  // what one mark stands for
  std::uint64_t memory_bytes = 0;   // of the kernel, or of the file system
};

}  // namespace blkrewind::track
