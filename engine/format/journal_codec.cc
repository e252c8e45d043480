#include "format/journal_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "format/bytes.h"
#include "format/record_codec.h"

namespace blkrewind::format {
namespace {

inline constexpr std::array<char, 8> kJournalMagic = {'B', 'L', 'K', 'R', 'J', 'R', 'N', '\n'};
inline constexpr std::uint32_t kTailMagic = 0x4c494154;    // "TAIL"
inline constexpr std::uint32_t kRecordMagic = 0x44524352;  // "RCRD"
// The largest generation and first sequence number: from there on, neither can wrap.
inline constexpr std::uint64_t kCountMax = std::uint64_t{1} << 63;

struct PackedJournalHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t reserved0;
  StoreUuid store;
  std::uint64_t generation;
  std::uint64_t first_sequence;
  std::uint64_t checksum;
  std::uint8_t reserved1[4040];
};
static_assert(sizeof(PackedJournalHeader) == kJournalBlockBytes);

struct PackedTail {
  std::uint32_t magic;
  std::uint32_t reserved0;
  std::uint64_t generation;
  std::uint64_t sequence;
  std::uint64_t checksum;
  std::uint8_t reserved1[4064];
};
static_assert(sizeof(PackedTail) == kJournalBlockBytes);

struct PackedRecordHeader {
  std::uint32_t magic;
  std::uint32_t payload_bytes;
  std::uint64_t sequence;
  std::uint32_t entry_count;
  std::uint32_t reserved;
  std::uint64_t checksum;  // of header (this field zero), payload and the zero padding
};
static_assert(sizeof(PackedRecordHeader) == kRecordHeaderBytes);

template <class T>
std::uint64_t self_checksum(const DigestSecret& secret, T packed) {
  packed.checksum = 0;
  return checksum_of(secret, std::as_bytes(std::span(&packed, 1)));
}

}  // namespace

void encode_journal_header(const DigestSecret& secret, const JournalHeader& header, Block out) {
  PackedJournalHeader packed{};
  packed.magic = kJournalMagic;
  packed.version = 1;
  packed.store = header.store;
  packed.generation = header.generation;
  packed.first_sequence = header.first_sequence;
  packed.checksum = self_checksum(secret, packed);
  std::memcpy(out.data(), &packed, sizeof packed);
}

Result<JournalHeader> decode_journal_header(const DigestSecret& secret, const StoreUuid& store,
                                            ConstBlock block) {
  PackedJournalHeader packed;
  std::memcpy(&packed, block.data(), sizeof packed);
  if (packed.magic != kJournalMagic) {
    return fail(Errc::kIntegrity, "the file is not a journal",
                "bring STORE/journal back from a backup");
  }
  if (self_checksum(secret, packed) != packed.checksum) {
    return fail(Errc::kIntegrity, "the journal's header is damaged, or belongs to another store",
                "bring STORE/journal back from a backup");
  }
  if (packed.version != 1) {
    return fail(Errc::kUnsupported, "the journal has version " + std::to_string(packed.version),
                "use a newer blkrewind");
  }
  if (packed.store != store) {
    return fail(Errc::kIntegrity, "the journal belongs to another store",
                "bring STORE/journal back from a backup");
  }
  if (packed.generation > kCountMax || packed.first_sequence > kCountMax) {
    return fail(Errc::kIntegrity, "the journal's header has a number out of range",
                "bring STORE/journal back from a backup");
  }
  return JournalHeader{packed.store, packed.generation, packed.first_sequence};
}

bool begins_journal(std::span<const std::byte> bytes) {
  return bytes.size() >= kJournalMagic.size() &&
         std::memcmp(bytes.data(), kJournalMagic.data(), kJournalMagic.size()) == 0;
}

void encode_journal_tail(const DigestSecret& secret, const JournalTail& tail, Block out) {
  PackedTail packed{};
  packed.magic = kTailMagic;
  packed.generation = tail.generation;
  packed.sequence = tail.sequence;
  packed.checksum = self_checksum(secret, packed);
  std::memcpy(out.data(), &packed, sizeof packed);
}

std::optional<JournalTail> decode_journal_tail(const DigestSecret& secret, ConstBlock block) {
  PackedTail packed;
  std::memcpy(&packed, block.data(), sizeof packed);
  if (packed.magic != kTailMagic || self_checksum(secret, packed) != packed.checksum) return {};
  return JournalTail{packed.generation, packed.sequence};
}

std::vector<std::byte> encode_record(const DigestSecret& secret, std::uint64_t sequence,
                                     const Transaction& transaction) {
  ByteWriter payload;
  for (const JournalEntry& entry : transaction) encode_entry(entry, payload);

  PackedRecordHeader header{};
  header.magic = kRecordMagic;
  header.payload_bytes = static_cast<std::uint32_t>(payload.bytes().size());
  header.sequence = sequence;
  header.entry_count = static_cast<std::uint32_t>(transaction.size());
  std::vector<std::byte> bytes(
      align_up(sizeof header + payload.bytes().size(), kJournalBlockBytes));
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ranges::copy(payload.bytes(), bytes.begin() + sizeof header);
  header.checksum = checksum_of(secret, bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

std::uint64_t record_bytes(const RecordHeader& header) {
  return align_up(kRecordHeaderBytes + std::uint64_t{header.payload_bytes}, kJournalBlockBytes);
}

std::optional<RecordHeader> parse_record_header(std::span<const std::byte> bytes) {
  PackedRecordHeader packed;
  if (bytes.size() < sizeof packed) return {};
  std::memcpy(&packed, bytes.data(), sizeof packed);
  if (packed.magic != kRecordMagic || packed.reserved != 0 ||
      packed.payload_bytes > kMaxRecordPayloadBytes) {
    return {};
  }
  return RecordHeader{packed.sequence, packed.payload_bytes, packed.entry_count, packed.checksum};
}

bool record_is_intact(const DigestSecret& secret, const RecordHeader& header,
                      std::span<const std::byte> bytes) {
  const std::uint64_t length = record_bytes(header);
  if (bytes.size() < length) return false;
  std::vector<std::byte> copy(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(length));
  std::memset(copy.data() + offsetof(PackedRecordHeader, checksum), 0, sizeof header.checksum);
  return checksum_of(secret, copy) == header.checksum;
}

Result<Transaction> decode_record(const RecordHeader& header, std::span<const std::byte> bytes) {
  Transaction transaction;
  BLKREWIND_TRY(for_each_entry(header, bytes, [&](JournalEntry entry) -> Status {
    transaction.push_back(std::move(entry));
    return {};
  }));
  return transaction;
}

Status for_each_entry(const RecordHeader& header, std::span<const std::byte> bytes,
                      const std::function<Status(JournalEntry)>& visit) {
  ByteReader reader(bytes.subspan(kRecordHeaderBytes, header.payload_bytes));
  for (std::uint32_t i = 0; i < header.entry_count; ++i) {
    BLKREWIND_ASSIGN(JournalEntry entry, decode_entry(reader));
    BLKREWIND_TRY(visit(std::move(entry)));
  }
  if (reader.remaining() != 0) {
    return fail(Errc::kIntegrity, "journal record " + std::to_string(header.sequence) +
                                      " has extra bytes after its last entry");
  }
  return {};
}

}  // namespace blkrewind::format
