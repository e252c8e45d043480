// Room for what frees: blocks that the journal keeps set aside behind its last record.
//
// Freeing space appends records too, and on a full file system there is no block for them. So a
// record that adds to the store is refused unless the whole reserve will still be there after it,
// and one that frees space or ends something may use the reserve up. Whenever there is room, the
// next append fills it again.
//
// The blocks lie past the end of the file (fallocate(2), FALLOC_FL_KEEP_SIZE). Where a file system
// cannot do that, zeroes are written behind the last record: the replay ends at the first block
// that is no record, so both are invisible to it. On a file system that copies on write *and*
// cannot set blocks aside (an old ZFS) the zeroes help little.
#pragma once

#include <cstdint>

#include "blkrewind/error.h"
#include "io/env.h"
#include "store/state.h"

namespace blkrewind::store {

// What a record is for, which says how much of the reserve it may use.
enum class Room : std::uint8_t {
  kAdds,    // none: refused unless all of it is left
  kBegins,  // half: a rollback without undo, which is a way out of trouble, too
  kFrees,   // all of it
};

// About what one entry of the state takes in a checkpoint.
inline constexpr std::uint64_t kBytesAnEntry = 256;

// The whole reserve: enough to delete many snapshots, each of which frees nothing yet, and for the
// longest records that a store of that size can need.
[[nodiscard]] std::uint64_t reserve_bytes(const State& state);

// Of one open journal file. Not synchronized.
class JournalReserve {
 public:
  // Nothing is known: another file has become the journal.
  void forget() { known_end_ = 0; }
  // Makes sure that a record at `record` can be written, with as much of the reserve left behind it
  // as `room` asks for, and fills the reserve up where there is space. kNoSpace: nothing was
  // written, and the journal is as it was.
  [[nodiscard]] Status ensure(io::Queue& queue, io::File& file, const Extent& record, Room room,
                              std::uint64_t reserve_bytes);

 private:
  [[nodiscard]] Status set_aside(io::Queue& queue, io::File& file, const Extent& extent);

  std::uint64_t known_end_ = 0;  // blocks up to here are there
};

}  // namespace blkrewind::store
