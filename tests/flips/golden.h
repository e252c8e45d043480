// The golden store in memory: its files, the content of its snapshots, and the role of each of its
// bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/memory_env.h"

namespace blkrewind::flips {

inline constexpr const char* kStore = "/store";

// The region of a byte.
enum class Region : std::uint8_t {
  kFormat,
  kJournalHeader,
  kJournalTail,
  kRecordHeader,
  kRecordEntries,
  kRecordPadding,
  kSegmentHeader,
  kNode,
  kChunk,
  kChunkPadding,
  kHole,     // zeroes that no snapshot refers to
  kUnnamed,  // other bytes that no snapshot refers to
  kCatalog,  // as in the golden store: from before the digest
  kCatalogOfToday,
};

struct RegionText {
  const char* name;
  const char* harmless_because;  // nullptr: a flip there must be detected
};
// The journal of version 1, the index, or the log of a disk.
[[nodiscard]] bool is_log(const std::string& name);
[[nodiscard]] RegionText text_of(Region region);

inline constexpr const char* kCatalogName = "catalog.db";
inline constexpr const char* kCatalogOfTodayName = "catalog.db+digest";

struct GoldenFile {
  std::string name;  // below the store: "segments/4"
  std::vector<std::byte> bytes;
  std::vector<Region> regions;  // region of each byte
};

struct Expected {
  std::string snapshot_id;
  std::string name;
  std::uint64_t device_bytes = 0;
  std::string xxh3;
  std::string root_digest;
};

struct Golden {
  // format, journal, segments by number, kCatalogName; and the same catalog after a change by the
  // current version, kCatalogOfTodayName.
  std::vector<GoldenFile> files;
  sim::MemoryFiles memory;  // all except the catalogs, below kStore
  std::vector<Expected> expected;
};

// `folder`: tests/golden/v1. Throws std::runtime_error if its content is unexpected.
[[nodiscard]] Golden load_golden(const std::string& folder);

}  // namespace blkrewind::flips
