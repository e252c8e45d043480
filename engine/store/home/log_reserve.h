// Space for records that free space: blocks that a log file keeps allocated behind its last
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
#include "store/home/home.h"

namespace blkrewind::store {

// For one open log file. Not synchronized.
class LogReserve {
 public:
  // Discards all knowledge: another file has become the log.
  void forget() { known_end_ = 0; }
  // Ensures that a record at `record` can be written, with as much of the reserve left behind it as
  // `need` requires, and refills the reserve if there is space. kNoSpace: nothing was written, and
  // the log is unchanged.
  [[nodiscard]] Status ensure(io::Queue& queue, io::File& file, const Extent& record,
                              const Need& need);

 private:
  [[nodiscard]] Status set_aside(io::Queue& queue, io::File& file, const Extent& extent);

  std::uint64_t known_end_ = 0;  // blocks up to here are allocated
};

}  // namespace blkrewind::store
