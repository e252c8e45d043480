#include "format/record_codec.h"

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include "support/errors.h"
#include "unit/format/samples.h"

namespace blkrewind::format {
namespace {

// In the order of their types on disk.
std::vector<JournalEntry> one_of_each() {
  return {full_disk(),
          full_snapshot(),
          IntentRecord{51, "INTENT", 52, 53, 54},
          SegmentRecord{61, std::uint64_t{62} << 40},
          Counters{71, std::uint64_t{72} << 40, 73},
          DiskRemoved{81},
          SnapshotRemoved{std::uint64_t{82} << 40},
          IntentRemoved{83},
          SegmentRemoved{84},
          layered_disk(),
          full_reset(),
          full_clock(),
          full_note(),
          full_token(),
          TokenRemoved{std::uint64_t{85} << 40},
          PendingRecord{86, encode_entries({SegmentRemoved{87}})},
          PendingEnded{88, true},
          GroupRecord{89, true, {90, 91}},
          GroupRemoved{92},
          full_origin(),
          HoldRecord{93, std::uint64_t{94} << 40},
          HoldRemoved{95}};
}

std::vector<std::byte> encode(const JournalEntry& entry) {
  ByteWriter writer;
  encode_entry(entry, writer);
  return writer.take();
}

// Only the entry, or an error.
Result<JournalEntry> decode(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  BLKREWIND_ASSIGN(JournalEntry entry, decode_entry(reader));
  if (reader.remaining() != 0) return fail(Errc::kInternal, "bytes left");
  return entry;
}

std::uint16_t type_of(const std::vector<std::byte>& bytes) {
  ByteReader reader(bytes);
  return reader.get<std::uint16_t>();
}

TEST(RecordCodec, KeepsEveryFieldOfEveryType) {
  std::uint16_t type = 0;
  for (const JournalEntry& entry : one_of_each()) {
    const auto bytes = encode(entry);
    EXPECT_EQ(type_of(bytes), ++type) << "the numbers on disk never change";
    const auto decoded = decode(bytes);
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    EXPECT_TRUE(*decoded == entry) << "type " << type;
  }
}

TEST(RecordCodec, ADiskHasAtMostEightLayers) {
  DiskRecord disk = layered_disk();
  host::DeviceIdentity* bottom = &disk.identity;
  int layers = 1;
  for (; !bottom->below.empty(); ++layers) bottom = &bottom->below.front();
  for (; layers < host::kMaxLayers; ++layers) {
    bottom->below.push_back(full_layer(static_cast<std::uint64_t>(layers) * 100));
    bottom = &bottom->below.front();
  }
  EXPECT_TRUE(*decode(encode(disk)) == JournalEntry{disk});
  bottom->below.push_back(full_layer(7));
  const auto decoded = decode(encode(disk));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::kIntegrity);
}

// Older versions read type 1 and refuse unknown types.
TEST(RecordCodec, EachNewFactOfADiskMakesItsTypeTen) {
  const std::vector<std::function<void(host::DeviceIdentity&)>> facts = {
      [](auto& i) { i.layer = host::Layer::kFile; },
      [](auto& i) { i.place = "p"; },
      [](auto& i) { i.size_bytes = 1; },
      [](auto& i) { i.model = "m"; },
      [](auto& i) { i.unit = "u"; },
      [](auto& i) { i.md_uuid = "m"; },
      [](auto& i) { i.attachment = "a"; },
      [](auto& i) { i.partition_number = 1; },
      [](auto& i) { i.partition_start_bytes = 1; },
      [](auto& i) { i.backing_limit = 1; },
      [](auto& i) { i.host_filesystem = "h"; },
      [](auto& i) { i.generation = 1; },
      [](auto& i) { i.birth_ns = 1; },
      [](auto& i) { i.shared_hardware = true; },
      [](auto& i) { i.vouched = true; },
      [](auto& i) { i.below.emplace_back(); }};
  EXPECT_EQ(type_of(encode(full_disk())), 1);
  for (const auto& fact : facts) {
    DiskRecord disk = full_disk();
    fact(disk.identity);
    EXPECT_EQ(type_of(encode(disk)), 10);
    EXPECT_TRUE(*decode(encode(disk)) == JournalEntry{disk});
  }
}

TEST(RecordCodec, ADiskInLayersThatHasNoneIsDamage) {
  constexpr std::uint64_t kMark = 0x1122334455667788;
  DiskRecord disk = full_disk();
  disk.identity.size_bytes = kMark;
  auto bytes = encode(disk);
  std::size_t at = 0;
  for (std::uint64_t value = 0; at + sizeof value <= bytes.size(); ++at) {
    std::memcpy(&value, bytes.data() + at, sizeof value);
    if (value == kMark) break;
  }
  ASSERT_LT(at + sizeof kMark, bytes.size());
  std::memset(bytes.data() + at, 0, sizeof kMark);
  const auto decoded = decode(bytes);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, Errc::kIntegrity);
}

TEST(RecordCodec, KeepsDefaultsAndEmptyFields) {
  DiskRecord disk;
  disk.id = "d-1";  // no disk is without one
  for (const JournalEntry& entry :
       std::vector<JournalEntry>{disk, SnapshotRecord{}, IntentRecord{}, Counters{}, ClockRecord{},
                                 NoteRecord{}, TokenRecord{}}) {
    const auto decoded = decode(encode(entry));
    ASSERT_TRUE(decoded) << decoded.error().to_string();
    EXPECT_TRUE(*decoded == entry);
  }
}

TEST(RecordCodec, KeepsEveryStateAndKind) {
  for (int state = 0; state <= static_cast<int>(SnapshotState::kTombstone); ++state) {
    for (int kind = 0; kind <= static_cast<int>(SnapshotKind::kImport); ++kind) {
      SnapshotRecord snapshot = full_snapshot();
      snapshot.state = static_cast<SnapshotState>(state);
      snapshot.kind = static_cast<SnapshotKind>(kind);
      const auto decoded = decode(encode(snapshot));
      ASSERT_TRUE(decoded);
      EXPECT_TRUE(*decoded == JournalEntry{snapshot});
    }
  }
  DiskRecord disk = full_disk();
  disk.kind = host::DeviceKind::kFile;
  EXPECT_TRUE(*decode(encode(disk)) == JournalEntry{disk});
}

TEST(RecordCodec, ACutEntryIsAnError) {
  for (const JournalEntry& entry : one_of_each()) {
    const auto bytes = encode(entry);
    for (std::size_t length = 0; length < bytes.size(); ++length) {
      const auto decoded = decode(std::span(bytes).first(length));
      ASSERT_FALSE(decoded) << "type " << type_of(bytes) << " cut at " << length;
      EXPECT_EQ(decoded.error().code, Errc::kIntegrity);
    }
  }
}

// The frame has one length, the fields have another.
TEST(RecordCodec, AFrameOfAnotherLengthIsAnError) {
  for (const JournalEntry& entry : one_of_each()) {
    auto bytes = encode(entry);
    const auto length = static_cast<std::uint32_t>(bytes.size() - 8);
    bytes.push_back(std::byte{0});
    const std::uint32_t longer = length + 1;
    std::memcpy(bytes.data() + 4, &longer, sizeof longer);
    EXPECT_FALSE(decode(bytes)) << type_of(bytes);
    const std::uint32_t shorter = length - 1;
    std::memcpy(bytes.data() + 4, &shorter, sizeof shorter);
    EXPECT_FALSE(decode(std::span(bytes).first(bytes.size() - 2))) << type_of(bytes);
  }
}

TEST(RecordCodec, AnUnknownTypeIsOfANewerProgram) {
  for (const std::uint16_t type : {std::uint16_t{0}, std::uint16_t{4711}, std::uint16_t{65535}}) {
    auto bytes = encode(SegmentRemoved{1});
    std::memcpy(bytes.data(), &type, sizeof type);
    const auto decoded = decode(bytes);
    ASSERT_FALSE(decoded) << type;
    EXPECT_EQ(decoded.error().code, Errc::kUnsupported);
    EXPECT_FALSE(words_of(decoded.error()).empty());
  }
  auto bytes = encode(SegmentRemoved{1});
  bytes[2] = std::byte{1};
  EXPECT_FALSE(decode(bytes)) << "reserved";
}

// Any change of any byte is refused or gives another record; and no allocation exceeds the input
// (checked by the sanitizers).
TEST(RecordCodec, HostileBytesAreRefusedOrUnderstood) {
  for (const JournalEntry& entry : one_of_each()) {
    auto bytes = encode(entry);
    std::size_t refused = 0;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      for (const std::byte value : {std::byte{0xff}, std::byte{0x80}, std::byte{1}}) {
        const std::byte kept = bytes[at];
        bytes[at] ^= value;
        const auto decoded = decode(bytes);
        if (decoded) {
          EXPECT_FALSE(*decoded == entry) << "byte " << at << " of type " << type_of(bytes);
        } else {
          ++refused;
        }
        bytes[at] = kept;
      }
    }
    EXPECT_GE(refused, 3U * 6U) << "the frame's length and reserved bytes at least";
  }
}

TEST(RecordCodec, EnumsAndFlagsOutOfRangeAreRefused) {
  SnapshotRecord snapshot = full_snapshot();
  snapshot.state = static_cast<SnapshotState>(5);
  EXPECT_FALSE(decode(encode(snapshot)));
  snapshot = full_snapshot();
  snapshot.kind = static_cast<SnapshotKind>(3);
  EXPECT_FALSE(decode(encode(snapshot)));
  snapshot = full_snapshot();
  snapshot.root.state = EntryState::kAbsent;
  EXPECT_FALSE(decode(encode(snapshot))) << "bytes of a snapshot are kept somewhere";
  snapshot = full_snapshot();
  snapshot.root.codec = static_cast<Codec>(1);
  EXPECT_FALSE(decode(encode(snapshot)));
  DiskRecord disk = full_disk();
  disk.kind = static_cast<host::DeviceKind>(2);
  EXPECT_FALSE(decode(encode(disk)));
  ResetRecord reset = full_reset();
  reset.state = static_cast<ResetState>(3);
  EXPECT_FALSE(decode(encode(reset)));
}

// Times that arithmetic could overflow with, and texts that would be shown to users.
TEST(RecordCodec, TimesAndTextsThatNoProgramWritesAreRefused) {
  const auto expect_refused = [](auto record, auto change) {
    EXPECT_TRUE(check_entry(record)) << "as it is";
    change(record);
    EXPECT_FALSE(check_entry(record));
    EXPECT_FALSE(decode(encode(record)));
  };
  for (const std::int64_t seconds :
       {std::int64_t{-1}, (std::int64_t{1} << 40) + 1, std::numeric_limits<std::int64_t>::max()}) {
    expect_refused(full_reset(), [&](auto& reset) { reset.accepted.boottime = seconds; });
    expect_refused(full_clock(), [&](auto& clock) { clock.moment.boottime = seconds; });
    expect_refused(full_clock(), [&](auto& clock) { clock.counted = seconds; });
    expect_refused(full_note(), [&](auto& note) { note.counted_seconds = seconds; });
    expect_refused(full_note(), [&](auto& note) { note.owed_seconds = seconds; });
    expect_refused(full_note(), [&](auto& note) { note.counted_from = seconds; });
    expect_refused(full_token(), [&](auto& token) { token.counted_from = seconds; });
  }
  const std::string control = "a\nb";
  const std::string long_text(129, 'x');
  for (const std::string& text : {control, long_text}) {
    expect_refused(full_reset(), [&](auto& reset) { reset.request_id = text; });
    expect_refused(full_reset(), [&](auto& reset) { reset.accepted.boot_id = text; });
    expect_refused(full_reset(), [&](auto& reset) { reset.error_code = text; });
    expect_refused(full_clock(), [&](auto& clock) { clock.moment.boot_id = text; });
    expect_refused(full_note(), [&](auto& note) { note.tags[1].key = text; });
    expect_refused(full_note(), [&](auto& note) { note.tags[1].value = text; });
    expect_refused(full_token(), [&](auto& token) { token.token = text; });
  }
  for (const std::string id : {"", "d-1", "s-", "s-../x"}) {
    expect_refused(full_reset(), [&](auto& reset) { reset.snapshot_id = id; });
  }
}

// Segments that would be looked for in the clone itself, in a cycle, or nowhere.
TEST(RecordCodec, AnOriginThatNoCloneHasIsRefused) {
  const auto expect_refused = [](const auto& change) {
    OriginRecord origin = full_origin();
    EXPECT_TRUE(check_entry(origin)) << "as it is";
    change(origin);
    EXPECT_FALSE(check_entry(origin));
    const auto decoded = decode(encode(origin));
    ASSERT_FALSE(decoded);
    EXPECT_EQ(decoded.error().code, Errc::kIntegrity);
  };
  expect_refused([](auto& origin) { origin.shares.clear(); });
  expect_refused([](auto& origin) { origin.shares[1].disk = origin.disk; });
  expect_refused([](auto& origin) { origin.shares[1].disk = origin.disk + 1; });
  expect_refused([](auto& origin) { origin.shares[1].disk = origin.shares[0].disk; });
  expect_refused([](auto& origin) { origin.shares[0].disk = 0; });
  expect_refused([](auto& origin) { origin.shares[0].below = 0; });
  expect_refused([](auto& origin) { origin.shares[1].below = origin.shares[0].below - 1; });
  expect_refused([](auto& origin) { origin.shares[1].below = 0xF0000001; });
  expect_refused([](auto& origin) { origin.disk = 0xF0000001; });
  expect_refused([](auto& origin) { origin.snapshot = 0; });
  expect_refused([](auto& origin) { origin.snapshot = (SnapshotNumber{1} << 62) + 1; });
  expect_refused([](auto& origin) { origin.snapshot_id = "s-../x"; });
  OriginRecord empty = full_origin();
  empty.shares[1].below = empty.shares[0].below;  // the clone has no segment of its own
  EXPECT_TRUE(decode(encode(empty)));
  for (const HoldRecord hold : {HoldRecord{0, 1}, HoldRecord{1, 0}, HoldRecord{0xF0000001, 1},
                                HoldRecord{1, (SnapshotNumber{1} << 62) + 1}}) {
    EXPECT_FALSE(check_entry(hold));
  }
}

// A geometry for which arithmetic fails (a division by zero, too many levels).
TEST(RecordCodec, AGeometryThatNoStoreHasIsRefused) {
  for (const std::uint32_t chunk_bytes : {0U, 1U, 2048U, 65537U, 2097152U, 4294963200U}) {
    SnapshotRecord snapshot = full_snapshot();
    snapshot.chunk_bytes = chunk_bytes;
    const auto decoded = decode(encode(snapshot));
    ASSERT_FALSE(decoded) << chunk_bytes;
    EXPECT_EQ(decoded.error().code, Errc::kIntegrity);
    DiskRecord disk = full_disk();
    disk.chunk_bytes = chunk_bytes;
    EXPECT_FALSE(decode(encode(disk))) << chunk_bytes;
  }
  for (const std::uint64_t device_bytes :
       {kMaxDeviceBytes + 1, std::numeric_limits<std::uint64_t>::max()}) {
    SnapshotRecord snapshot = full_snapshot();
    snapshot.device_bytes = device_bytes;
    EXPECT_FALSE(decode(encode(snapshot))) << device_bytes;
    DiskRecord disk = full_disk();
    disk.device_bytes = device_bytes;
    EXPECT_FALSE(decode(encode(disk))) << device_bytes;
  }
  SnapshotRecord snapshot = full_snapshot();
  snapshot.device_bytes = kMaxDeviceBytes;
  EXPECT_TRUE(decode(encode(snapshot)));
}

// A root is a node: it has the location and length of a node, or none.
TEST(RecordCodec, ARootThatIsNoNodeIsRefused) {
  SnapshotRecord snapshot = full_snapshot();
  snapshot.root.length_bytes = 8192;
  EXPECT_FALSE(decode(encode(snapshot)));
  snapshot = full_snapshot();
  snapshot.root.digest = {};
  EXPECT_FALSE(decode(encode(snapshot)));
  snapshot = full_snapshot();
  snapshot.root.segment = 0;
  EXPECT_FALSE(decode(encode(snapshot)));
  snapshot = full_snapshot();
  snapshot.root.state = EntryState::kZero;
  EXPECT_FALSE(decode(encode(snapshot))) << "zero, and yet somewhere";
  snapshot.root = {};
  EXPECT_TRUE(decode(encode(snapshot)));
}

TEST(RecordCodec, AListLongerThanItsEntryAllocatesNothing) {
  SnapshotRecord snapshot = full_snapshot();
  snapshot.failure.clear();
  auto bytes = encode(snapshot);
  // The count of the kin list precedes its three numbers and the empty text after them.
  const std::size_t at = bytes.size() - 4 - 3 * 8 - 4;
  std::uint32_t count = 0;
  std::memcpy(&count, bytes.data() + at, sizeof count);
  ASSERT_EQ(count, 3U);
  for (const std::uint32_t hostile : {4U, 0x20000000U, 0xffffffffU}) {
    std::memcpy(bytes.data() + at, &hostile, sizeof hostile);
    EXPECT_FALSE(decode(bytes)) << hostile;
  }
  NoteRecord note = full_note();
  note.tags = {{"", ""}};
  bytes = encode(note);
  for (const std::uint32_t hostile : {2U, 0x20000000U, 0xffffffffU}) {
    std::memcpy(bytes.data() + bytes.size() - 12, &hostile, sizeof hostile);
    EXPECT_FALSE(decode(bytes)) << hostile;
  }
  bytes = encode(full_origin());
  for (const std::uint32_t hostile : {3U, 0x20000000U, 0xffffffffU}) {
    std::memcpy(bytes.data() + bytes.size() - 20, &hostile, sizeof hostile);
    EXPECT_FALSE(decode(bytes)) << hostile;
  }
}

}  // namespace
}  // namespace blkrewind::format
