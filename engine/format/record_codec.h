// Encoding and decoding of one entry of a log: a type, a length, the fields. docs/FORMAT.md,
// "Entries".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "blkrewind/error.h"
#include "format/bytes.h"
#include "format/records.h"

namespace blkrewind::format {

// Whether decode_entry() accepts it: an entry that is not checked before it is written could make
// the log unreadable.
[[nodiscard]] Status check_entry(const JournalEntry& entry);

// How many bytes encode_entry() appends.
[[nodiscard]] std::uint64_t encoded_bytes(const DiskRecord& disk);
[[nodiscard]] std::uint64_t encoded_bytes(const SnapshotRecord& snapshot);
[[nodiscard]] std::uint64_t encoded_bytes(const IntentRecord& intent);
[[nodiscard]] std::uint64_t encoded_bytes(const SegmentRecord& segment);
[[nodiscard]] std::uint64_t encoded_bytes(const Counters& counters);
[[nodiscard]] std::uint64_t encoded_bytes(const ResetRecord& reset);
[[nodiscard]] std::uint64_t encoded_bytes(const ClockRecord& clock);
[[nodiscard]] std::uint64_t encoded_bytes(const NoteRecord& note);
[[nodiscard]] std::uint64_t encoded_bytes(const TokenRecord& token);
[[nodiscard]] std::uint64_t encoded_bytes(const PendingRecord& pending);
[[nodiscard]] std::uint64_t encoded_bytes(const GroupRecord& group);
[[nodiscard]] std::uint64_t encoded_bytes(const OriginRecord& origin);
[[nodiscard]] std::uint64_t encoded_bytes(const HoldRecord& hold);

// Of a pending record. kIntegrity: one of them is damaged, or is of a group itself.
[[nodiscard]] std::vector<std::byte> encode_entries(const Transaction& transaction);
[[nodiscard]] Result<Transaction> decode_entries(std::span<const std::byte> bytes);

void encode_entry(const JournalEntry& entry, ByteWriter& writer);
[[nodiscard]] Result<JournalEntry> decode_entry(ByteReader& reader);

}  // namespace blkrewind::format
