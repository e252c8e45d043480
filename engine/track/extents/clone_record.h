// What an anchor file says of itself, in its extended attribute.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "blkrewind/units.h"

namespace blkrewind::track {

inline constexpr const char* kRecordAttribute = "user.blkrewind";

struct CloneRecord {
  std::string store_uuid;
  std::string disk_id;
  std::string base;  // the snapshot whose bytes it holds; empty: an empty file that only says that
                     // the disk is tracked
  std::string why;   // no base: why; or empty
  // It was made by an operation that writes to the device. Then it counts only once it is alone:
  // what such an operation has not looked at is for its end to say, see ExtentTracker::commit().
  bool of_writing = false;

  // The image file that it was cloned from, and the disk's bytes in it.
  std::uint64_t image_inode = 0;
  std::uint32_t image_generation = 0;
  Extent range;

  // Of the anchor file itself when it was finished: a copy has another inode, a write another time.
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;

  friend bool operator==(const CloneRecord&, const CloneRecord&) = default;
};

// Pure. What is no record of this version decodes to nothing.
[[nodiscard]] std::string encode(const CloneRecord& record);
[[nodiscard]] std::optional<CloneRecord> decode_record(std::string_view text);

}  // namespace blkrewind::track
