// The journal replay, by opening a store.
//
// A journal is blocks, mostly of zeroes; its packed form has none of them:
//
//   piece*        u16 control, then this many bytes; piece 0 is put at the header's place, 1 at the
//                 tail's, each later one at the next block boundary
//   control       bits 0-12  length
//                 bit 13     leave the checksum as it is; otherwise it is corrected
//                 bit 14     set the sequence number to the one that follows
//                 bit 15     correct a record's magic and length: the piece is entries
#include <algorithm>
#include <utility>
#include <vector>

#include "format/log_codec.h"
#include "fuzz/seal.h"
#include "fuzz/targets.h"
#include "store/store.h"
#include "support/memory_env.h"

namespace blkrewind::fuzz {
namespace {

constexpr const char* kStore = "/store";
constexpr std::size_t kPiecesMax = 64;
constexpr unsigned kLengthMask = 0x1fff;
constexpr unsigned kLeaveChecksum = 1U << 13;
constexpr unsigned kSetSequence = 1U << 14;
constexpr unsigned kSetHeader = 1U << 15;

struct Piece {
  std::size_t offset = 0;
  unsigned control = 0;
  std::size_t length = 0;
};

struct Unpacked {
  std::vector<std::byte> journal;
  std::vector<Piece> pieces;
};

Unpacked unpack(Bytes input) {
  Unpacked unpacked;
  while (input.size() >= 2 && unpacked.pieces.size() < kPiecesMax) {
    Piece piece;
    piece.control = value_at<std::uint16_t>(input, 0);
    input = input.subspan(2);
    piece.length = std::min<std::size_t>(piece.control & kLengthMask, input.size());
    const Bytes bytes = input.first(piece.length);
    input = input.subspan(piece.length);
    if (unpacked.pieces.size() < 2) piece.length = std::min(piece.length, kBlock);
    piece.offset = unpacked.journal.size();
    const std::size_t room = std::max(align_up(piece.length, kBlock), kBlock);
    unpacked.journal.resize(piece.offset + room);
    std::copy_n(bytes.begin(), piece.length,
                unpacked.journal.begin() + static_cast<std::ptrdiff_t>(piece.offset));
    unpacked.pieces.push_back(piece);
  }
  return unpacked;
}

void fix_record(const Piece& piece, std::uint64_t sequence, std::span<std::byte> rest) {
  if ((piece.control & kSetHeader) != 0) {
    const bool old = rest[3] == std::byte{'D'};
    put_at(rest, 0, std::array{'R', 'C', 'R', old ? 'D' : '2'});
    const std::size_t header = old ? 32 : 40;
    put_at(rest, 4, static_cast<std::uint32_t>(std::max(piece.length, header) - header));
    if (!old) put_at(rest, 32, std::uint64_t{0});  // of the index
  }
  if ((piece.control & kSetSequence) != 0) put_at(rest, 8, sequence);
  if ((piece.control & kLeaveChecksum) != 0) return;
  const auto header = format::parse_record_header(rest);
  if (!header || format::record_bytes(*header) > rest.size()) return;
  seal_keyed(rest.first(format::record_bytes(*header)), 24);
}

// From the last piece to the first, because a record may include the following ones.
std::vector<std::byte> journal_of(Bytes input) {
  Unpacked unpacked = unpack(input);
  const std::span<std::byte> journal(unpacked.journal);
  if (unpacked.pieces.size() < 2) return std::move(unpacked.journal);
  const auto first = value_at<std::uint64_t>(journal, 40);
  for (std::size_t i = unpacked.pieces.size(); i-- > 2;) {
    fix_record(unpacked.pieces[i], first + (i - 2), journal.subspan(unpacked.pieces[i].offset));
  }
  if ((unpacked.pieces[1].control & kLeaveChecksum) == 0) {
    seal_keyed(journal.subspan(kBlock, kBlock), 24);
  }
  put_at(journal, 16, fixed_uuid());
  if ((unpacked.pieces[0].control & kLeaveChecksum) == 0) seal_keyed(journal.first(kBlock), 48);
  return std::move(unpacked.journal);
}

// As the index of a store, or as the journal of one of version 1.
sim::MemoryFiles store_with(std::vector<std::byte> journal) {
  const bool old = journal.size() >= 12 && value_at<std::uint32_t>(journal, 8) == 1;
  format::StoreHeader header;
  header.version = old ? 1 : format::kFormatVersion;
  header.uuid = fixed_uuid();
  header.secret = fixed_secret();
  std::array<std::byte, kBlock> block;
  format::encode_store_header(header, block);
  sim::MemoryFiles files;
  files["/store/format"].write(0, block);
  files[old ? "/store/journal" : "/store/index"].write(0, journal);
  files["/store/segments/1"].resize(kBlock);
  files["/store/disks/1/segments/1"].resize(kBlock);
  return files;
}

format::Transaction reopened(sim::MemoryEnv& env) {
  const auto store = store::Store::open(env, kStore);
  if (!store) std::fprintf(stderr, "%s\n", store.error().to_string().c_str());
  expect(store.has_value(), "a store that opened, opens again");
  return (*store)->disks()->as_puts();
}

}  // namespace

void journal_replay(Bytes input) {
  sim::MemoryEnv env(store_with(journal_of(input)));
  format::Transaction puts;
  {
    auto opened = store::Store::open(env, kStore);
    if (!opened) {
      const Errc code = opened.error().code;
      expect(code == Errc::kIntegrity || code == Errc::kUnsupported, "a bad journal is refused");
      return;
    }
    store::Store& store = **opened;
    puts = store.disks()->as_puts();
    store::State replayed;
    replayed.apply(puts);
    expect(replayed.as_puts() == puts, "a state is what its puts say");
    for (const auto held = store.disks(); const auto& [number, disk] : held->disks) {
      const auto history = store.history(number);
      expect(history || history.error().code == Errc::kIntegrity ||
                 history.error().code == Errc::kUnsupported,
             "a history is read or refused");
    }
    if (!store.check_writable()) return;
  }
  expect(reopened(env) == puts, "replaying changes nothing");
  {
    // Appends, as a process that did not write the existing records.
    auto opened = store::Store::open(env, kStore);
    store::Log& log = (*opened)->index();
    const Status appended = log.update([](const store::State&) -> Result<format::Transaction> {
      return format::Transaction{format::Counters{}};
    });
    expect(appended.has_value(), "a store that opened can be appended to");
    expect(reopened(env) == puts, "an append that changes nothing changes nothing");
    expect(log.checkpoint(true).has_value(), "a store that opened can be checkpointed");
  }
  expect(reopened(env) == puts, "a checkpoint keeps the state");
}

}  // namespace blkrewind::fuzz
