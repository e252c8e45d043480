#include "fuzz/targets.h"

#include <algorithm>
#include <array>
#include <vector>

#include "format/bytes.h"
#include "format/log_codec.h"
#include "format/node.h"
#include "format/record_codec.h"
#include "format/segment_header.h"
#include "format/store_header.h"
#include "fuzz/seal.h"

namespace blkrewind::fuzz {
namespace {

constexpr Target kTargets[] = {
    {"store_header", store_header},
    {"segment_header", segment_header},
    {"node", node},
    {"journal_header", journal_header},
    {"journal_tail", journal_tail},
    {"journal_record", journal_record},
    {"entry", entry},
    {"journal_replay", journal_replay},
    {"http_framing", http_framing},
    {"http_request", http_request},
    {"http_parameters", http_parameters},
};

using Block = std::array<std::byte, kBlock>;

// Offsets of docs/FORMAT.md.
constexpr std::size_t kStoreChecksum = 40;
constexpr std::size_t kSegmentChecksum = 48;
constexpr std::size_t kNodeChecksum = 16;
constexpr std::size_t kNodeDigests = 512;
constexpr std::size_t kNodePlaces = 2560;
constexpr std::size_t kJournalChecksum = 48;
constexpr std::size_t kTailChecksum = 24;
constexpr std::size_t kRecordChecksum = 24;

bool is_refusal(const Error& error) {
  return (error.code == Errc::kIntegrity || error.code == Errc::kUnsupported) &&
         !error.message.empty();
}

void check_store_header(const Block& block) {
  const auto header = format::decode_store_header(block);
  if (!header) return expect(is_refusal(header.error()), "a bad format file is refused");
  Block again;
  format::encode_store_header(*header, again);
  expect(same_but(block, again, {{12, 16}, {40, 48}, {72, 80}, {272, kBlock}}),
         "every field of the format file is kept");
  expect(format::decode_store_header(again).has_value(), "what is encoded can be decoded");
}

void check_node(const Block& block) {
  const DigestSecret secret = fixed_secret();
  const std::uint32_t level = value_at<std::uint16_t>(block, 6);
  const auto index = value_at<std::uint64_t>(block, 8);
  const Digest digest =
      digest_of(secret, std::span(block).subspan(kNodeDigests, kNodePlaces - kNodeDigests),
                DigestDomain::kNode, level, index);
  const auto node = format::decode_node(secret, block, level, index, digest);
  if (!node) return expect(is_refusal(node.error()), "a bad node is refused");
  expect(node->level == level && node->index == index, "a node is the one that was asked for");
  expect(std::ranges::all_of(node->entries,
                             [&](const auto& one) { return format::is_sound_entry(one, level); }),
         "every entry of a node is sound");
  expect(format::node_digest(secret, *node) == digest, "a node has the digest it is named by");
  Block again;
  format::encode_node(secret, *node, again);
  expect(same_but(block, again, {{16, kNodeDigests}}), "every field of a node is kept");
  expect(!format::decode_node(secret, block, level + 1, index, digest) &&
             !format::decode_node(secret, block, level, index + 1, digest) &&
             !format::decode_node(secret, block, level, index, {digest.low ^ 1, digest.high}),
         "a node of another place, or with another digest, is refused");
}

void check_journal_header(const Block& block) {
  const DigestSecret secret = fixed_secret();
  auto store = value_at<format::StoreUuid>(block, 16);
  const auto header = format::decode_log_header(secret, store, block);
  if (!header) return expect(is_refusal(header.error()), "a bad journal header is refused");
  Block again;
  format::encode_log_header(secret, *header, again);
  expect(same_but(block, again, {{48, kBlock}}), "every field of the header is kept");
  store[0] ^= std::byte{1};
  expect(!format::decode_log_header(secret, store, block), "another store's is refused");
}

void check_journal_tail(const Block& block) {
  const DigestSecret secret = fixed_secret();
  const auto tail = format::decode_log_tail(secret, block);
  if (!tail) return;
  Block again;
  format::encode_log_tail(secret, *tail, again);
  expect(same_but(block, again, {{4, 8}, {24, kBlock}}), "every field of the tail is kept");
}

void check_record(Bytes bytes) {
  const DigestSecret secret = fixed_secret();
  const auto header = format::parse_record_header(bytes);
  if (!header || !format::record_is_intact(secret, *header, bytes)) return;
  expect(format::record_bytes(*header) <= bytes.size(), "a record is no longer than its file");
  const auto transaction = format::decode_record(*header, bytes);
  if (!transaction) return expect(is_refusal(transaction.error()), "a bad record is refused");
  if (header->version == 1) return;  // never written any more
  const auto again =
      format::encode_record(secret, {header->disk, header->sequence, header->epoch}, *transaction);
  const std::size_t end = header->header_bytes + header->payload_bytes;
  expect(again.size() == format::record_bytes(*header), "a record keeps its length");
  // Behind `end`, padding: covered by the checksum, and not read.
  expect(same_but(bytes.first(end), Bytes(again).first(end), {{24, 32}}),
         "every field of a record is kept");
}

template <class Check>
void raw_and_sealed(Bytes input, std::size_t checksum, Check check) {
  Block block = one_block(input);
  check(block);
  seal_keyed(block, checksum);
  check(block);
}

}  // namespace

std::span<const Target> targets() { return kTargets; }

const Target* find_target(std::string_view name) {
  const auto* const found = std::ranges::find(kTargets, name, &Target::name);
  return found == std::end(kTargets) ? nullptr : found;
}

void store_header(Bytes input) {
  Block block = one_block(input);
  check_store_header(block);
  seal(block, kStoreChecksum, [](Bytes all) { return plain_checksum_of(all); });
  check_store_header(block);
}

void segment_header(Bytes input) {
  raw_and_sealed(input, kSegmentChecksum, [](const Block& block) {
    const format::SegmentHeader expected{
        value_at<format::StoreUuid>(block, 16), value_at<std::uint32_t>(block, 40),
        value_at<std::uint32_t>(block, 12), value_at<std::uint64_t>(block, 32)};
    // That of a store of version 1 is only read.
    if (value_at<std::uint32_t>(block, 8) == 1) return;
    Block right;
    format::encode_segment_header(fixed_secret(), expected, right);
    const auto checked = format::check_segment_header(fixed_secret(), expected, block);
    expect(checked.has_value() == (block == right), "only the one right header passes");
    const bool unfinished = format::may_become_segment_header(fixed_secret(), expected, block);
    expect(unfinished || !checked, "the right header is one that was begun");
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (block[i] == std::byte{0} || block[i] == right[i]) continue;
      return expect(!unfinished, "a header that was begun has no other bytes");
    }
    expect(unfinished, "a header that was begun is known");
  });
}

void node(Bytes input) { raw_and_sealed(input, kNodeChecksum, check_node); }

void journal_header(Bytes input) { raw_and_sealed(input, kJournalChecksum, check_journal_header); }

void journal_tail(Bytes input) { raw_and_sealed(input, kTailChecksum, check_journal_tail); }

void journal_record(Bytes input) {
  std::vector<std::byte> bytes(input.begin(), input.end());
  check_record(bytes);
  bytes.resize(std::max<std::size_t>(align_up(bytes.size(), kBlock), kBlock));
  check_record(bytes);
  const auto header = format::parse_record_header(bytes);
  if (!header || format::record_bytes(*header) > bytes.size()) return;
  seal_keyed(std::span(bytes).first(format::record_bytes(*header)), kRecordChecksum);
  check_record(bytes);
}

void entry(Bytes input) {
  format::ByteReader reader(input);
  std::size_t at = 0;
  while (reader.remaining() != 0) {
    const auto decoded = format::decode_entry(reader);
    if (!decoded) return expect(is_refusal(decoded.error()), "a bad entry is refused");
    format::ByteWriter writer;
    format::encode_entry(*decoded, writer);
    const std::size_t end = input.size() - reader.remaining();
    expect(std::ranges::equal(writer.bytes(), input.subspan(at, end - at)),
           "an entry is encoded as it was");
    at = end;
  }
}

}  // namespace blkrewind::fuzz
