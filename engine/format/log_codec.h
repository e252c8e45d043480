// The bytes of a log. docs/FORMAT.md, "Log".
//
// A log is a header block, a tail block and records. Every record starts on a 4096-byte
// boundary and fills whole blocks, so that a torn append can never damage an older record and
// direct I/O needs no read-modify-write.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/records.h"
#include "format/store_header.h"

namespace blkrewind::format {

inline constexpr std::size_t kLogBlockBytes = 4096;
inline constexpr std::uint64_t kLogTailOffset = kLogBlockBytes;         // the tail block
inline constexpr std::uint64_t kLogRecordsOffset = 2 * kLogBlockBytes;  // the first record
inline constexpr std::uint32_t kMaxRecordPayloadBytes = 64U << 20;

// Of the log that is read: 1 for the journal of a store of version 1, which one file was for all
// disks.
inline constexpr std::uint32_t kLogVersion = 2;
inline constexpr DiskNumber kIndexLog = 0;  // in the place of a disk's number

struct LogHeader {
  std::uint32_t version = kLogVersion;
  StoreUuid store{};
  DiskNumber disk = kIndexLog;       // whose log it is
  std::uint64_t generation = 1;      // incremented by each checkpoint
  std::uint64_t first_sequence = 1;  // of the first record
};

// The last record that is known to have been flushed. Written after that flush and not flushed
// itself: it may lag behind, but never runs ahead. A log that ends before it has lost an
// acknowledged record.
struct LogTail {
  std::uint64_t generation = 0;
  std::uint64_t sequence = 0;
};

struct RecordHeader {
  std::uint64_t sequence = 0;
  std::uint64_t epoch = 0;      // of the owner that appended it; 0 in version 1
  DiskNumber disk = kIndexLog;  // whose log it is in; 0 in version 1
  std::uint32_t payload_bytes = 0;
  std::uint64_t checksum = 0;  // of header (this field zero) and payload
  // Of the encoding.
  std::uint32_t version = kLogVersion;
  std::uint32_t header_bytes = 0;
};

using Block = std::span<std::byte, kLogBlockBytes>;
using ConstBlock = std::span<const std::byte, kLogBlockBytes>;

void encode_log_header(const DigestSecret& secret, const LogHeader& header, Block out);
// kIntegrity unless it is the header of a log of this store.
[[nodiscard]] Result<LogHeader> decode_log_header(const DigestSecret& secret,
                                                  const StoreUuid& store, ConstBlock block);

// Whether they start as a log does, regardless of what follows.
[[nodiscard]] bool begins_log(std::span<const std::byte> bytes);

void encode_log_tail(const DigestSecret& secret, const LogTail& tail, Block out);
// Empty if it is damaged or was never written.
[[nodiscard]] std::optional<LogTail> decode_log_tail(const DigestSecret& secret, ConstBlock block);

// Whole blocks, ready to be written.
struct RecordPlace {
  DiskNumber disk = kIndexLog;
  std::uint64_t sequence = 0;
  std::uint64_t epoch = 0;
};
[[nodiscard]] std::vector<std::byte> encode_record(const DigestSecret& secret,
                                                   const RecordPlace& place,
                                                   const Transaction& transaction);
// Bytes of the record's blocks.
[[nodiscard]] std::uint64_t record_bytes(const RecordHeader& header);

// The record that starts at `bytes`, if any: empty if the magic, the length or the checksum is
// wrong. `bytes` may be longer than the record; if it is shorter, the result is empty.
[[nodiscard]] std::optional<RecordHeader> parse_record_header(std::span<const std::byte> bytes);
[[nodiscard]] bool record_is_intact(const DigestSecret& secret, const RecordHeader& header,
                                    std::span<const std::byte> bytes);
// kIntegrity: the checksum is right but the record cannot be decoded. kUnsupported: an unknown
// entry type.
[[nodiscard]] Result<Transaction> decode_record(const RecordHeader& header,
                                                std::span<const std::byte> bytes);
// The same, one entry after another: 64 MiB of the shortest entries are several GiB as values.
[[nodiscard]] Status for_each_entry(const RecordHeader& header, std::span<const std::byte> bytes,
                                    const std::function<Status(JournalEntry)>& visit);

}  // namespace blkrewind::format
