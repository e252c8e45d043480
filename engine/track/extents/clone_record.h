// The record of a clone, in its extended attribute.
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
  std::string base;  // the snapshot whose bytes it holds; empty: an empty file that only records
                     // that the disk is tracked
  std::string why;   // if there is no base: why; or empty
  // Created by an operation that writes to the device. It is then valid only once it is the only
  // clone: whether that operation has compared everything is known at its end, see
  // ExtentTracker::commit().
  bool of_writing = false;

  // The image file that it was cloned from, and the range of the disk in it.
  std::uint64_t image_inode = 0;
  std::uint32_t image_generation = 0;
  Extent range;

  // Of the clone itself when it was finished: a copy has another inode, a modified file another
  // time.
  std::uint64_t inode = 0;
  std::int64_t modified_ns = 0;

  friend bool operator==(const CloneRecord&, const CloneRecord&) = default;
};

// Pure. Returns nothing if the text is not a record of this version.
[[nodiscard]] std::string encode(const CloneRecord& record);
[[nodiscard]] std::optional<CloneRecord> decode_record(std::string_view text);

}  // namespace blkrewind::track
