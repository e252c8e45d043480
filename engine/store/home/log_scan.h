// Reads the records of a log file one after another, and distinguishes its end from damage.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/log_codec.h"
#include "io/env.h"
#include "store/home/home.h"

namespace blkrewind::store {

// How the records of one log are recognised.
struct LogMark {
  DigestSecret secret{};
  std::uint32_t version = format::kLogVersion;
  format::DiskNumber disk = format::kIndexLog;
};

// Moves `head` behind each whole record with the next number that follows, and hands it on first.
// `last`: the bytes of the last one; left as it is if there was none.
using TakeRecord = std::function<Status(std::span<const std::byte>)>;
[[nodiscard]] Status scan_records(io::Queue& queue, io::File& file, const LogMark& mark, Head& head,
                                  std::vector<std::byte>& last, const TakeRecord& take);

// Whether the tail block of a log that ends at `head` is damaged. It lies in one sector, which a
// power cut leaves as it was or as it was to become: a block that is neither intact nor blank was
// changed by something else. A blank one is that of a new file; it is no longer blank once a second
// record was flushed, which is known of the first generation only: the file of a later one begins
// with the records of a checkpoint.
[[nodiscard]] bool tail_is_lost(const LogMark& mark, format::ConstBlock tail, const Head& head);

// A torn append leaves nothing readable behind it, because an append starts only after the previous
// one was flushed. A later intact record, a tail that names one past the end, or anything past the
// end when the tail is lost, therefore means that an acknowledged record was lost: kIntegrity.
[[nodiscard]] Status check_log_end(io::Queue& queue, io::File& file, const LogMark& mark,
                                   format::ConstBlock tail_block, const Head& head);

}  // namespace blkrewind::store
