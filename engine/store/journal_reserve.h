// Space for records that free space: blocks that the journal keeps allocated behind its last
// record.
//
// Freeing space also appends records, for which a full file system has no block. A record that adds
// to the store is therefore refused unless the whole reserve will remain after it; a record that
// frees space or ends an operation may use the reserve. The next append refills it when there is
// space.
//
// The blocks are past the end of the file (fallocate(2), FALLOC_FL_KEEP_SIZE). On a file system
// without that, zeroes are written behind the last record: the replay ends at the first block that
// is not a record, so both are invisible to it. On a copy-on-write file system that *also* cannot
// allocate blocks in advance (an old ZFS) the zeroes help little.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "io/env.h"
#include "store/state.h"

namespace blkrewind::store {

// The purpose of a record, which determines how much of the reserve it may use.
enum class Room : std::uint8_t {
  kAdds,    // none: refused unless all of it is left
  kBegins,  // half: a rollback without undo, which can be needed to free space
  kFrees,   // all of it
};

// Approximate size of one entry of the state in a checkpoint.
inline constexpr std::uint64_t kBytesAnEntry = 256;

// The whole reserve: enough to delete many snapshots, each of which frees nothing yet, and for the
// longest records that a store of that size can need.
[[nodiscard]] std::uint64_t reserve_bytes(const State& state);

// For one open journal file. Not synchronized.
class JournalReserve {
 public:
  // Discards all knowledge: another file has become the journal.
  void forget() { known_end_ = 0; }
  // Ensures that a record at `record` can be written, with as much of the reserve left behind it as
  // `room` requires, and refills the reserve if there is space. kNoSpace: nothing was written, and
  // the journal is unchanged.
  [[nodiscard]] Status ensure(io::Queue& queue, io::File& file, const Extent& record, Room room,
                              std::uint64_t reserve_bytes);

 private:
  [[nodiscard]] Status set_aside(io::Queue& queue, io::File& file, const Extent& extent);

  std::uint64_t known_end_ = 0;  // blocks up to here are allocated
};

}  // namespace blkrewind::store
