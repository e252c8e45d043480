#include "support/version1.h"

#include <algorithm>
#include <cstring>

#include "blkrewind/units.h"
#include "format/bytes.h"
#include "format/record_codec.h"

namespace blkrewind::format {
namespace {

struct Header {
  std::uint32_t magic = 0x44524352;  // "RCRD"
  std::uint32_t payload_bytes = 0;
  std::uint64_t sequence = 0;
  std::uint32_t entry_count = 0;
  std::uint32_t reserved = 0;
  std::uint64_t checksum = 0;
};
static_assert(sizeof(Header) == 32);

}  // namespace

std::vector<std::byte> version1_record(const DigestSecret& secret, std::uint64_t sequence,
                                       const Transaction& transaction) {
  ByteWriter payload;
  for (const JournalEntry& entry : transaction) encode_entry(entry, payload);
  Header header;
  header.payload_bytes = static_cast<std::uint32_t>(payload.bytes().size());
  header.sequence = sequence;
  header.entry_count = static_cast<std::uint32_t>(transaction.size());
  std::vector<std::byte> bytes(align_up(sizeof header + payload.bytes().size(), kLogBlockBytes));
  std::memcpy(bytes.data(), &header, sizeof header);
  std::ranges::copy(payload.bytes(), bytes.begin() + sizeof header);
  header.checksum = checksum_of(secret, bytes);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

}  // namespace blkrewind::format
