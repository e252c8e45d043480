// Reads records one after another, and distinguishes the end of a journal from damage.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/journal_codec.h"
#include "io/env.h"
#include "store/state.h"

namespace blkrewind::store {

// The position of a replay.
struct JournalScan {
  State state;
  std::uint64_t end = 0;            // offset of the next record
  std::uint64_t next_sequence = 1;  // and the sequence number that it must have
  std::uint64_t records = 0;        // replayed by this scan
  std::vector<std::byte> last_record;
};

// Replays from `scan.end` until no whole record with the next number follows.
[[nodiscard]] Status scan_records(io::Queue& queue, io::File& file, const DigestSecret& secret,
                                  JournalScan& scan);

// A torn append leaves nothing readable behind it, because an append starts only after the previous
// one was flushed. A later intact record, or a tail that names one past the end, therefore means
// that an acknowledged record was lost: kIntegrity.
[[nodiscard]] Status check_journal_end(io::Queue& queue, io::File& file, const DigestSecret& secret,
                                       const format::JournalHeader& header,
                                       const std::optional<format::JournalTail>& tail,
                                       const JournalScan& scan);

}  // namespace blkrewind::store
