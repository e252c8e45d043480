#include "format/log_codec.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <string>

#include "format/bytes.h"
#include "format/record_codec.h"

namespace blkrewind::format {
namespace {

inline constexpr std::array<char, 8> kLogMagic = {'B', 'L', 'K', 'R', 'J', 'R', 'N', '\n'};
inline constexpr std::uint32_t kTailMagic = 0x4c494154;      // "TAIL"
inline constexpr std::uint32_t kRecordMagic = 0x32524352;    // "RCR2"
inline constexpr std::uint32_t kRecordMagicV1 = 0x44524352;  // "RCRD"
// The largest generation and first sequence number: from there on, neither can wrap.
inline constexpr std::uint64_t kCountMax = std::uint64_t{1} << 63;

struct PackedLogHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  DiskNumber disk;  // zero in version 1
  StoreUuid store;
  std::uint64_t generation;
  std::uint64_t first_sequence;
  std::uint64_t checksum;
  std::uint8_t reserved1[4040];
};
static_assert(sizeof(PackedLogHeader) == kLogBlockBytes);

struct PackedTail {
  std::uint32_t magic;
  std::uint32_t reserved0;
  std::uint64_t generation;
  std::uint64_t sequence;
  std::uint64_t checksum;
  std::uint8_t reserved1[4064];
};
static_assert(sizeof(PackedTail) == kLogBlockBytes);

struct PackedRecordHeader {
  std::uint32_t magic;
  std::uint32_t payload_bytes;
  std::uint64_t sequence;
  std::uint64_t epoch;
  std::uint64_t checksum;  // of header (this field zero), payload and the zero padding
  DiskNumber disk;
  std::uint32_t reserved;
};
static_assert(sizeof(PackedRecordHeader) == 40);

struct PackedRecordHeaderV1 {
  std::uint32_t magic;
  std::uint32_t payload_bytes;
  std::uint64_t sequence;
  std::uint32_t entry_count;  // as many as the payload has
  std::uint32_t reserved;
  std::uint64_t checksum;
};
static_assert(sizeof(PackedRecordHeaderV1) == 32);
static_assert(offsetof(PackedRecordHeader, checksum) == offsetof(PackedRecordHeaderV1, checksum));

template <class T>
std::uint64_t self_checksum(const DigestSecret& secret, T packed) {
  packed.checksum = 0;
  return checksum_of(secret, std::as_bytes(std::span(&packed, 1)));
}

}  // namespace

void encode_log_header(const DigestSecret& secret, const LogHeader& header, Block out) {
  PackedLogHeader packed{};
  packed.magic = kLogMagic;
  packed.version = header.version;
  packed.disk = header.disk;
  packed.store = header.store;
  packed.generation = header.generation;
  packed.first_sequence = header.first_sequence;
  packed.checksum = self_checksum(secret, packed);
  std::memcpy(out.data(), &packed, sizeof packed);
}

Result<LogHeader> decode_log_header(const DigestSecret& secret, const StoreUuid& store,
                                    ConstBlock block) {
  PackedLogHeader packed;
  std::memcpy(&packed, block.data(), sizeof packed);
  const auto damaged = [](const char* how) {
    return fail(Errc::kIntegrity, how, "bring the file back from a backup of the store");
  };
  if (packed.magic != kLogMagic) return damaged("the file is not a log");
  if (self_checksum(secret, packed) != packed.checksum) {
    return damaged("the log's header is damaged, or belongs to another store");
  }
  if (packed.version == 0 || packed.version > kLogVersion) {
    return fail(Errc::kUnsupported, "the log has version " + std::to_string(packed.version),
                "use a newer blkrewind");
  }
  if (packed.store != store) return damaged("the log belongs to another store");
  if (packed.generation > kCountMax || packed.first_sequence > kCountMax) {
    return damaged("the log's header has a number out of range");
  }
  return LogHeader{packed.version, packed.store, packed.disk, packed.generation,
                   packed.first_sequence};
}

bool begins_log(std::span<const std::byte> bytes) {
  return bytes.size() >= kLogMagic.size() &&
         std::memcmp(bytes.data(), kLogMagic.data(), kLogMagic.size()) == 0;
}

void encode_log_tail(const DigestSecret& secret, const LogTail& tail, Block out) {
  PackedTail packed{};
  packed.magic = kTailMagic;
  packed.generation = tail.generation;
  packed.sequence = tail.sequence;
  packed.checksum = self_checksum(secret, packed);
  std::memcpy(out.data(), &packed, sizeof packed);
}

std::optional<LogTail> decode_log_tail(const DigestSecret& secret, ConstBlock block) {
  PackedTail packed;
  std::memcpy(&packed, block.data(), sizeof packed);
  if (packed.magic != kTailMagic || self_checksum(secret, packed) != packed.checksum) return {};
  return LogTail{packed.generation, packed.sequence};
}

std::vector<std::byte> encode_record(const DigestSecret& secret, const RecordPlace& place,
                                     const Transaction& transaction) {
  ByteWriter payload;
  for (const JournalEntry& entry : transaction) encode_entry(entry, payload);

  PackedRecordHeader header{};
  header.magic = kRecordMagic;
  header.payload_bytes = static_cast<std::uint32_t>(payload.bytes().size());
  header.sequence = place.sequence;
  header.epoch = place.epoch;
  header.disk = place.disk;
  std::vector<std::byte> bytes(align_up(sizeof header + payload.bytes().size(), kLogBlockBytes));
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ranges::copy(payload.bytes(), bytes.begin() + sizeof header);
  header.checksum = checksum_of(secret, bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

std::uint64_t record_bytes(const RecordHeader& header) {
  return align_up(header.header_bytes + std::uint64_t{header.payload_bytes}, kLogBlockBytes);
}

std::optional<RecordHeader> parse_record_header(std::span<const std::byte> bytes) {
  PackedRecordHeader packed;
  if (bytes.size() < sizeof packed) return {};
  std::memcpy(&packed, bytes.data(), sizeof packed);
  if (packed.payload_bytes > kMaxRecordPayloadBytes) return {};
  RecordHeader header;
  header.sequence = packed.sequence;
  header.payload_bytes = packed.payload_bytes;
  header.checksum = packed.checksum;
  if (packed.magic == kRecordMagic && packed.reserved == 0 && packed.epoch <= kCountMax) {
    header.epoch = packed.epoch;
    header.disk = packed.disk;
    header.header_bytes = sizeof packed;
    return header;
  }
  PackedRecordHeaderV1 old;
  std::memcpy(&old, bytes.data(), sizeof old);
  if (old.magic != kRecordMagicV1 || old.reserved != 0) return {};
  header.version = 1;
  header.header_bytes = sizeof old;
  return header;
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
  ByteReader reader(bytes.subspan(header.header_bytes, header.payload_bytes));
  while (reader.remaining() != 0) {
    BLKREWIND_ASSIGN(JournalEntry entry, decode_entry(reader));
    BLKREWIND_TRY(visit(std::move(entry)));
  }
  return {};
}

}  // namespace blkrewind::format
