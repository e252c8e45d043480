#include "format/record_codec.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <type_traits>
#include <variant>

#include "base/ids.h"
#include "format/node.h"

namespace blkrewind::format {
namespace {

// The type numbers on disk; never reused.
enum class EntryType : std::uint16_t {
  kDisk = 1,
  kSnapshot = 2,
  kIntent = 3,
  kSegment = 4,
  kCounters = 5,
  kDiskRemoved = 6,
  kSnapshotRemoved = 7,
  kIntentRemoved = 8,
  kSegmentRemoved = 9,
  kDiskInLayers = 10,  // a disk whose identity has layers; kDisk: of an older version
  kReset = 11,
  kClock = 12,
  kNote = 13,
  kToken = 14,
  kTokenRemoved = 15,
  kPending = 16,
  kPendingEnded = 17,
  kGroup = 18,
  kGroupRemoved = 19,
  kOrigin = 20,
  kHold = 21,
  kHoldRemoved = 22,
  kSnapshotInUse = 23,  // a snapshot of a device that was in use
};

// Indexed by the alternative of JournalEntry.
constexpr EntryType kTypes[] = {
    EntryType::kDisk,
    EntryType::kSnapshot,
    EntryType::kIntent,
    EntryType::kSegment,
    EntryType::kCounters,
    EntryType::kDiskRemoved,
    EntryType::kSnapshotRemoved,
    EntryType::kIntentRemoved,
    EntryType::kSegmentRemoved,
    EntryType::kReset,
    EntryType::kClock,
    EntryType::kNote,
    EntryType::kToken,
    EntryType::kTokenRemoved,
    EntryType::kPending,
    EntryType::kPendingEnded,
    EntryType::kGroup,
    EntryType::kGroupRemoved,
    EntryType::kOrigin,
    EntryType::kHold,
    EntryType::kHoldRemoved,
};
static_assert(std::size(kTypes) == std::variant_size_v<JournalEntry>);

template <class Record, class Wanted>
concept Is = std::is_same_v<std::remove_const_t<Record>, Wanted>;

// Every record is described once, as a walk over its fields; Put writes them, Get reads them, and
// Count says how long they are.
struct Put {
  ByteWriter& out;

  template <class T>
  requires std::is_integral_v<T>
  void operator()(const T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      out.put<std::uint8_t>(value ? 1 : 0);
    } else {
      out.put(value);
    }
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(const T& value, T /*last*/) {
    out.put(static_cast<std::underlying_type_t<T>>(value));
  }
  void operator()(const std::string& text) { out.put_string(text); }
  void reserved_byte() { out.put<std::uint8_t>(0); }
  void operator()(const std::vector<SnapshotNumber>& numbers) {
    out.put(static_cast<std::uint32_t>(numbers.size()));
    for (const SnapshotNumber number : numbers) out.put(number);
  }
  void operator()(const std::vector<std::byte>& bytes) {
    out.put(static_cast<std::uint32_t>(bytes.size()));
    out.put_raw(bytes);
  }
  void operator()(const std::vector<DiskNumber>& disks) {
    out.put(static_cast<std::uint32_t>(disks.size()));
    for (const DiskNumber disk : disks) out.put(disk);
  }
  void operator()(const std::vector<OriginRecord::Share>& shares) {
    out.put(static_cast<std::uint32_t>(shares.size()));
    for (const OriginRecord::Share& share : shares) {
      out.put(share.disk);
      out.put(share.below);
    }
  }
  void operator()(const std::vector<Tag>& tags) {
    out.put(static_cast<std::uint32_t>(tags.size()));
    for (const Tag& tag : tags) {
      out.put_string(tag.key);
      out.put_string(tag.value);
    }
  }
};

struct Count {
  std::uint64_t bytes = 0;

  template <class T>
  requires std::is_integral_v<T>
  void operator()(const T& /*value*/) { bytes += sizeof(T); }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(const T& /*value*/, T /*last*/) { bytes += sizeof(T); }
  void operator()(const std::string& text) { bytes += sizeof(std::uint32_t) + text.size(); }
  void reserved_byte() { ++bytes; }
  void operator()(const std::vector<SnapshotNumber>& numbers) {
    bytes += sizeof(std::uint32_t) + numbers.size() * sizeof(SnapshotNumber);
  }
  void operator()(const std::vector<std::byte>& raw) {
    bytes += sizeof(std::uint32_t) + raw.size();
  }
  void operator()(const std::vector<DiskNumber>& disks) {
    bytes += sizeof(std::uint32_t) + disks.size() * sizeof(DiskNumber);
  }
  void operator()(const std::vector<OriginRecord::Share>& shares) {
    bytes += sizeof(std::uint32_t) + shares.size() * (sizeof(DiskNumber) + sizeof(SegmentId));
  }
  void operator()(const std::vector<Tag>& tags) {
    bytes += sizeof(std::uint32_t);
    for (const Tag& tag : tags) {
      (*this)(tag.key);
      (*this)(tag.value);
    }
  }
};

struct Get {
  ByteReader& in;

  template <class T>
  requires std::is_integral_v<T>
  void operator()(T& value) {
    if constexpr (std::is_same_v<T, bool>) {
      const auto byte = in.get<std::uint8_t>();
      if (byte > 1) in.invalidate();
      value = byte == 1;
    } else {
      value = in.get<T>();
    }
  }
  template <class T>
  requires std::is_enum_v<T>
  void operator()(T& value, T last) {
    const auto number = in.get<std::underlying_type_t<T>>();
    if (number > static_cast<std::underlying_type_t<T>>(last)) in.invalidate();
    value = static_cast<T>(number);
  }
  void operator()(std::string& text) { text = in.get_string(); }
  void reserved_byte() {
    if (in.get<std::uint8_t>() != 0) in.invalidate();
  }
  void operator()(std::vector<SnapshotNumber>& numbers) {
    const auto count = in.get<std::uint32_t>();
    if (std::uint64_t{count} * sizeof(SnapshotNumber) > in.remaining()) {
      in.invalidate();
      return;
    }
    numbers.resize(count);
    for (SnapshotNumber& number : numbers) number = in.get<SnapshotNumber>();
  }
  void operator()(std::vector<std::byte>& bytes) {
    const auto raw = in.get_bytes(in.get<std::uint32_t>());
    bytes.assign(raw.begin(), raw.end());
  }
  void operator()(std::vector<DiskNumber>& disks) {
    const auto count = in.get<std::uint32_t>();
    if (std::uint64_t{count} * sizeof(DiskNumber) > in.remaining()) {
      in.invalidate();
      return;
    }
    disks.resize(count);
    for (DiskNumber& disk : disks) disk = in.get<DiskNumber>();
  }
  void operator()(std::vector<OriginRecord::Share>& shares) {
    const auto count = in.get<std::uint32_t>();
    if (std::uint64_t{count} * (sizeof(DiskNumber) + sizeof(SegmentId)) > in.remaining()) {
      in.invalidate();
      return;
    }
    shares.resize(count);
    for (OriginRecord::Share& share : shares) {
      share.disk = in.get<DiskNumber>();
      share.below = in.get<SegmentId>();
    }
  }
  void operator()(std::vector<Tag>& tags) {
    constexpr std::uint64_t kTagBytesMin = 2 * sizeof(std::uint32_t);
    const auto count = in.get<std::uint32_t>();
    if (count * kTagBytesMin > in.remaining()) {
      in.invalidate();
      return;
    }
    tags.resize(count);
    for (Tag& tag : tags) {
      tag.key = in.get_string();
      tag.value = in.get_string();
    }
  }
};

template <class Walk, Is<host::DeviceIdentity> Record>
void walk_fields(Walk& walk, Record& identity) {
  walk(identity.serial);
  walk(identity.wwn);
  walk(identity.dm_uuid);
  walk(identity.backing_file);
  walk(identity.backing_id.device);
  walk(identity.backing_id.inode);
  walk(identity.backing_offset);
  walk(identity.diskseq);
  walk(identity.boot_id);
  walk(identity.partition_uuid);
  walk(identity.table_uuid);
  walk(identity.filesystem_uuid);
  walk(identity.filesystem_type);
}

// One layer as in type 10, without the layer below.
template <class Walk, Is<host::DeviceIdentity> Record>
void walk_layer(Walk& walk, Record& layer) {
  walk_fields(walk, layer);
  walk(layer.layer, host::Layer::kMd);
  walk(layer.place);
  walk(layer.size_bytes);
  walk(layer.model);
  walk(layer.unit);
  walk(layer.md_uuid);
  walk(layer.attachment);
  walk(layer.partition_number);
  walk(layer.partition_start_bytes);
  walk(layer.backing_limit);
  walk(layer.host_filesystem);
  walk(layer.generation);
  walk(layer.birth_ns);
  walk(layer.shared_hardware);
  walk(layer.vouched);
}

template <class Walk>  // Put, Count
void walk_layers(Walk& walk, const host::DeviceIdentity& top) {
  walk_layer(walk, top);
  walk(!top.below.empty());
  if (!top.below.empty()) walk_layers(walk, top.below.front());
}

void walk_layers(Get& walk, host::DeviceIdentity& top) {
  host::DeviceIdentity* layer = &top;
  for (int depth = 1;; ++depth) {
    walk_layer(walk, *layer);
    bool has_below = false;
    walk(has_below);
    if (!has_below || !walk.in.ok()) return;
    if (depth == host::kMaxLayers) return walk.in.invalidate();
    layer = &layer->below.emplace_back();
  }
}

bool is_in_use(const SnapshotRecord& snapshot) { return snapshot.capture != Capture{}; }

// In the form of its type: older versions read type 1 and refuse type 10.
bool is_in_layers(const DiskRecord& disk) {
  host::DeviceIdentity flat;
  const host::DeviceIdentity& identity = disk.identity;
  flat.serial = identity.serial;
  flat.wwn = identity.wwn;
  flat.dm_uuid = identity.dm_uuid;
  flat.backing_file = identity.backing_file;
  flat.backing_id = identity.backing_id;
  flat.backing_offset = identity.backing_offset;
  flat.diskseq = identity.diskseq;
  flat.boot_id = identity.boot_id;
  flat.partition_uuid = identity.partition_uuid;
  flat.table_uuid = identity.table_uuid;
  flat.filesystem_uuid = identity.filesystem_uuid;
  flat.filesystem_type = identity.filesystem_type;
  return identity != flat;
}

template <class Walk, Is<DiskRecord> Record>
void walk_fields(Walk& walk, Record& disk, bool in_layers = false) {
  walk(disk.number);
  walk(disk.id);
  walk(disk.path);
  walk(disk.kind, host::DeviceKind::kFile);
  walk(disk.device_bytes);
  walk(disk.chunk_bytes);
  if (in_layers) {
    walk_layers(walk, disk.identity);
  } else {
    walk_fields(walk, disk.identity);
  }
  walk(disk.registered_at);
  walk(disk.base_snapshot);
  walk(disk.last_rollback.request_id);
  walk(disk.last_rollback.target);
  walk(disk.last_rollback.undo);
  walk.reserved_byte();
  walk(disk.last_rollback.finished_at);
}

template <class Walk, Is<SnapshotRecord> Record>
void walk_fields(Walk& walk, Record& snapshot, bool in_use = false) {
  walk(snapshot.number);
  walk(snapshot.disk);
  walk(snapshot.id);
  walk(snapshot.name);
  walk(snapshot.description);
  walk(snapshot.kind, SnapshotKind::kImport);
  walk(snapshot.state, SnapshotState::kTombstone);
  walk(snapshot.damaged);
  walk(snapshot.created_at);
  walk(snapshot.device_bytes);
  walk(snapshot.chunk_bytes);
  walk(snapshot.root.state, EntryState::kStored);
  walk(snapshot.root.codec, Codec::kNone);
  walk(snapshot.root.segment);
  walk(snapshot.root.block);
  walk(snapshot.root.length_bytes);
  walk(snapshot.root.digest.low);
  walk(snapshot.root.digest.high);
  walk(snapshot.root_digest.low);
  walk(snapshot.root_digest.high);
  walk(snapshot.stored_bytes);
  walk(snapshot.zero_bytes);
  walk(snapshot.kin);
  walk(snapshot.failure);
  if (!in_use) return;
  walk(snapshot.capture.from, TakenFrom::kQuiet);
  walk(snapshot.capture.frozen_us);
}

template <class Walk, Is<IntentRecord> Record>
void walk_fields(Walk& walk, Record& intent) {
  walk(intent.disk);
  walk(intent.request_id);
  walk(intent.target);
  walk(intent.undo);
  walk(intent.started_at);
}

template <class Walk, Is<Moment> Record>
void walk_fields(Walk& walk, Record& moment) {
  walk(moment.wall);
  walk(moment.boottime);
  walk(moment.boot_id);
}

template <class Walk, Is<ResetRecord> Record>
void walk_fields(Walk& walk, Record& reset) {
  walk(reset.disk);
  walk(reset.request_id);
  walk(reset.snapshot_id);
  walk(reset.undo);
  walk(reset.state, ResetState::kFailed);
  walk_fields(walk, reset.accepted);
  walk(reset.finished_at);
  walk(reset.error_code);
  walk(reset.error_message);
}

template <class Walk, Is<ClockRecord> Record>
void walk_fields(Walk& walk, Record& clock) {
  walk(clock.disk);
  walk_fields(walk, clock.moment);
  walk(clock.counted);
}

template <class Walk, Is<NoteRecord> Record>
void walk_fields(Walk& walk, Record& note) {
  walk(note.snapshot);
  walk(note.disk);
  walk(note.retention_days);
  walk(note.counted_seconds);
  walk(note.owed_seconds);
  walk(note.counted_from);
  walk(note.tags);
}

template <class Walk, Is<TokenRecord> Record>
void walk_fields(Walk& walk, Record& token) {
  walk(token.snapshot);
  walk(token.disk);
  walk(token.token);
  walk(token.parameters.low);
  walk(token.parameters.high);
  walk(token.counted_from);
}

template <class Walk, Is<TokenRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.snapshot);
}

template <class Walk, Is<PendingRecord> Record>
void walk_fields(Walk& walk, Record& pending) {
  walk(pending.group);
  walk(pending.entries);
}

template <class Walk, Is<PendingEnded> Record>
void walk_fields(Walk& walk, Record& ended) {
  walk(ended.group);
  walk(ended.done);
}

template <class Walk, Is<GroupRecord> Record>
void walk_fields(Walk& walk, Record& group) {
  walk(group.group);
  walk(group.committed);
  walk(group.disks);
}

template <class Walk, Is<GroupRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.group);
}

template <class Walk, Is<OriginRecord> Record>
void walk_fields(Walk& walk, Record& origin) {
  walk(origin.disk);
  walk(origin.snapshot);
  walk(origin.snapshot_id);
  walk(origin.shares);
}

template <class Walk, Is<HoldRecord> Record>
void walk_fields(Walk& walk, Record& hold) {
  walk(hold.clone);
  walk(hold.snapshot);
}

template <class Walk, Is<HoldRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.clone);
}

template <class Walk, Is<SegmentRecord> Record>
void walk_fields(Walk& walk, Record& segment) {
  walk(segment.id);
  walk(segment.live_bytes);
}

template <class Walk, Is<Counters> Record>
void walk_fields(Walk& walk, Record& counters) {
  walk(counters.next_disk);
  walk(counters.next_snapshot);
  walk(counters.next_segment);
}

template <class Walk, Is<DiskRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.number);
}

template <class Walk, Is<SnapshotRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.number);
}

template <class Walk, Is<IntentRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.disk);
}

template <class Walk, Is<SegmentRemoved> Record>
void walk_fields(Walk& walk, Record& removed) {
  walk(removed.id);
}

// Whether arithmetic on the record's values is safe (a geometry within the format's limits, a root
// that is a node, numbers that can still be incremented), ids can be part of a file name, and names
// and descriptions are printable. Paths are only displayed and may be any bytes.
constexpr SnapshotNumber kSnapshotNumberMax = SnapshotNumber{1} << 62;
constexpr std::uint32_t kNumberMax = 0xF000'0000;            // of disks and segments
constexpr std::uint64_t kSegmentBytesMax = kMaxDeviceBytes;  // sums and differences are safe

bool is_printable(const std::string& text, std::size_t max_bytes) {
  return text.empty() || is_printable_text(text, max_bytes);
}

bool is_sound(const DiskRecord& disk) {
  return is_valid_chunk_bytes(disk.chunk_bytes) && disk.device_bytes <= kMaxDeviceBytes &&
         disk.number <= kNumberMax && is_valid_id("d-", disk.id) &&
         is_printable(disk.last_rollback.request_id, kMaxNameBytes);
}
bool is_sound(const SnapshotRecord& snapshot) {
  // A tombstone has no id.
  return is_valid_chunk_bytes(snapshot.chunk_bytes) && snapshot.device_bytes <= kMaxDeviceBytes &&
         is_sound_entry(snapshot.root, 1) && snapshot.number <= kSnapshotNumberMax &&
         (snapshot.id.empty() || is_valid_id("s-", snapshot.id)) &&
         (snapshot.name.empty() || is_valid_snapshot_name(snapshot.name)) &&
         is_printable(snapshot.description, kMaxDescriptionBytes);
}
bool is_sound(const IntentRecord& intent) { return is_printable(intent.request_id, kMaxNameBytes); }
bool is_sound(const SegmentRecord& segment) {
  return segment.id <= kNumberMax && segment.live_bytes <= kSegmentBytesMax;
}
bool is_sound(const Counters& counters) {
  return counters.next_disk <= kNumberMax && counters.next_segment <= kNumberMax &&
         counters.next_snapshot <= kSnapshotNumberMax;
}
// Sums and differences of a few of them are safe.
bool is_sound_time(std::int64_t seconds) {
  constexpr std::int64_t kSecondsMax = std::int64_t{1} << 40;
  return seconds >= 0 && seconds <= kSecondsMax;
}
bool is_sound(const Moment& moment) {
  return is_sound_time(moment.boottime) && is_printable(moment.boot_id, kMaxNameBytes);
}
bool is_sound(const ResetRecord& reset) {
  return is_printable(reset.request_id, kMaxNameBytes) && is_valid_id("s-", reset.snapshot_id) &&
         is_sound(reset.accepted) && is_printable(reset.error_code, kMaxNameBytes);
}
bool is_sound(const ClockRecord& clock) {
  return is_sound(clock.moment) && is_sound_time(clock.counted);
}
bool is_sound(const NoteRecord& note) {
  return is_sound_time(note.counted_seconds) && is_sound_time(note.owed_seconds) &&
         is_sound_time(note.counted_from) && std::ranges::all_of(note.tags, [](const Tag& tag) {
           return is_printable(tag.key, kMaxNameBytes) && is_printable(tag.value, kMaxNameBytes);
         });
}
bool is_sound(const TokenRecord& token) {
  return is_printable(token.token, kMaxNameBytes) && is_sound_time(token.counted_from);
}
// Declared here, because a pending record is sound if what it holds is.
bool is_sound(const PendingRecord& pending);
bool is_sound(const GroupRecord& group) {
  return std::ranges::all_of(group.disks,
                             [](DiskNumber disk) { return disk != 0 && disk <= kNumberMax; });
}
// A clone is younger than the disks that it shares with, so its origins cannot form a cycle.
bool is_sound(const OriginRecord& origin) {
  if (origin.shares.empty() || origin.disk > kNumberMax || origin.snapshot == 0 ||
      origin.snapshot > kSnapshotNumberMax || !is_valid_id("s-", origin.snapshot_id)) {
    return false;
  }
  OriginRecord::Share before{0, 1};
  for (const OriginRecord::Share& share : origin.shares) {
    if (share.disk <= before.disk || share.below < before.below || share.below > kNumberMax) {
      return false;
    }
    before = share;
  }
  return before.disk < origin.disk;
}
bool is_sound(const HoldRecord& hold) {
  return hold.clone != 0 && hold.clone <= kNumberMax && hold.snapshot != 0 &&
         hold.snapshot <= kSnapshotNumberMax;
}
bool is_sound(const auto& /*record*/) { return true; }

Status check_sound(const auto& record) {
  if (is_sound(record)) return {};
  return fail(Errc::kIntegrity,
              "an entry of a log has an invalid device, tree, name, number or time",
              "bring the file back from a backup; if the store was given to you, do not "
              "trust it");
}

// `form`: an additional argument of walk_fields() for records with more than one form.
template <class Record>
Result<JournalEntry> get_record(ByteReader& fields, auto... form) {
  Record record;
  Get walk{fields};
  walk_fields(walk, record, form...);
  if (!fields.ok() || fields.remaining() != 0) {
    return fail(Errc::kIntegrity, "an entry of a log does not have the length of its fields");
  }
  BLKREWIND_TRY(check_sound(record));
  return JournalEntry{std::move(record)};
}

// Each record has one form: a record that type 1 can hold is not written as type 10.
Result<JournalEntry> get_disk_in_layers(ByteReader& fields) {
  BLKREWIND_ASSIGN(JournalEntry entry, get_record<DiskRecord>(fields, true));
  if (!is_in_layers(std::get<DiskRecord>(entry))) {
    return fail(Errc::kIntegrity, "an entry of a log of a disk with layers has no layer");
  }
  return entry;
}

Result<JournalEntry> get_snapshot_in_use(ByteReader& fields) {
  BLKREWIND_ASSIGN(JournalEntry entry, get_record<SnapshotRecord>(fields, true));
  if (!is_in_use(std::get<SnapshotRecord>(entry))) {
    return fail(Errc::kIntegrity, "an entry of a log of a device in use says that it was not");
  }
  return entry;
}

constexpr std::uint64_t kEntryHeaderBytes = 8;  // type, reserved, length

std::uint64_t count_bytes(const auto& record, auto... form) {
  Count walk;
  walk_fields(walk, record, form...);
  return kEntryHeaderBytes + walk.bytes;
}

}  // namespace

std::uint64_t encoded_bytes(const DiskRecord& disk) {
  return count_bytes(disk, is_in_layers(disk));
}
std::uint64_t encoded_bytes(const SnapshotRecord& snapshot) {
  return count_bytes(snapshot, is_in_use(snapshot));
}
std::uint64_t encoded_bytes(const IntentRecord& intent) { return count_bytes(intent); }
std::uint64_t encoded_bytes(const SegmentRecord& segment) { return count_bytes(segment); }
std::uint64_t encoded_bytes(const Counters& counters) { return count_bytes(counters); }
std::uint64_t encoded_bytes(const ResetRecord& reset) { return count_bytes(reset); }
std::uint64_t encoded_bytes(const ClockRecord& clock) { return count_bytes(clock); }
std::uint64_t encoded_bytes(const NoteRecord& note) { return count_bytes(note); }
std::uint64_t encoded_bytes(const TokenRecord& token) { return count_bytes(token); }
std::uint64_t encoded_bytes(const PendingRecord& pending) { return count_bytes(pending); }
std::uint64_t encoded_bytes(const GroupRecord& group) { return count_bytes(group); }
std::uint64_t encoded_bytes(const OriginRecord& origin) { return count_bytes(origin); }
std::uint64_t encoded_bytes(const HoldRecord& hold) { return count_bytes(hold); }

std::vector<std::byte> encode_entries(const Transaction& transaction) {
  ByteWriter writer;
  for (const JournalEntry& entry : transaction) encode_entry(entry, writer);
  return {writer.bytes().begin(), writer.bytes().end()};
}

Result<Transaction> decode_entries(std::span<const std::byte> bytes) {
  ByteReader reader(bytes);
  Transaction transaction;
  while (reader.remaining() != 0) {
    BLKREWIND_ASSIGN(JournalEntry entry, decode_entry(reader));
    const bool nests = std::holds_alternative<PendingRecord>(entry) ||
                       std::holds_alternative<PendingEnded>(entry) ||
                       std::holds_alternative<GroupRecord>(entry) ||
                       std::holds_alternative<GroupRemoved>(entry);
    if (nests) return fail(Errc::kIntegrity, "an entry of a group is within another one");
    transaction.push_back(std::move(entry));
  }
  return transaction;
}

namespace {

bool is_sound(const PendingRecord& pending) { return decode_entries(pending.entries).has_value(); }

}  // namespace

Status check_entry(const JournalEntry& entry) {
  return std::visit([](const auto& record) { return check_sound(record); }, entry);
}

void encode_entry(const JournalEntry& entry, ByteWriter& writer) {
  ByteWriter fields;
  Put walk{fields};
  EntryType type = kTypes[entry.index()];
  if (const auto* disk = std::get_if<DiskRecord>(&entry); disk != nullptr && is_in_layers(*disk)) {
    type = EntryType::kDiskInLayers;
    walk_fields(walk, *disk, true);
  } else if (const auto* snapshot = std::get_if<SnapshotRecord>(&entry);
             snapshot != nullptr && is_in_use(*snapshot)) {
    type = EntryType::kSnapshotInUse;
    walk_fields(walk, *snapshot, true);
  } else {
    std::visit([&](const auto& record) { walk_fields(walk, record); }, entry);
  }
  writer.put(static_cast<std::uint16_t>(type));
  writer.put(std::uint16_t{0});
  writer.put(static_cast<std::uint32_t>(fields.bytes().size()));
  writer.put_raw(fields.bytes());
}

Result<JournalEntry> decode_entry(ByteReader& reader) {
  const auto type = reader.get<std::uint16_t>();
  const auto reserved = reader.get<std::uint16_t>();
  const auto length = reader.get<std::uint32_t>();
  ByteReader fields(reader.get_bytes(length));
  if (!reader.ok() || reserved != 0) {
    return fail(Errc::kIntegrity, "an entry of a log is truncated");
  }
  switch (static_cast<EntryType>(type)) {
    case EntryType::kDisk:
      return get_record<DiskRecord>(fields);
    case EntryType::kDiskInLayers:
      return get_disk_in_layers(fields);
    case EntryType::kSnapshot:
      return get_record<SnapshotRecord>(fields);
    case EntryType::kSnapshotInUse:
      return get_snapshot_in_use(fields);
    case EntryType::kIntent:
      return get_record<IntentRecord>(fields);
    case EntryType::kSegment:
      return get_record<SegmentRecord>(fields);
    case EntryType::kCounters:
      return get_record<Counters>(fields);
    case EntryType::kDiskRemoved:
      return get_record<DiskRemoved>(fields);
    case EntryType::kSnapshotRemoved:
      return get_record<SnapshotRemoved>(fields);
    case EntryType::kIntentRemoved:
      return get_record<IntentRemoved>(fields);
    case EntryType::kSegmentRemoved:
      return get_record<SegmentRemoved>(fields);
    case EntryType::kReset:
      return get_record<ResetRecord>(fields);
    case EntryType::kClock:
      return get_record<ClockRecord>(fields);
    case EntryType::kNote:
      return get_record<NoteRecord>(fields);
    case EntryType::kToken:
      return get_record<TokenRecord>(fields);
    case EntryType::kTokenRemoved:
      return get_record<TokenRemoved>(fields);
    case EntryType::kPending:
      return get_record<PendingRecord>(fields);
    case EntryType::kPendingEnded:
      return get_record<PendingEnded>(fields);
    case EntryType::kGroup:
      return get_record<GroupRecord>(fields);
    case EntryType::kGroupRemoved:
      return get_record<GroupRemoved>(fields);
    case EntryType::kOrigin:
      return get_record<OriginRecord>(fields);
    case EntryType::kHold:
      return get_record<HoldRecord>(fields);
    case EntryType::kHoldRemoved:
      return get_record<HoldRemoved>(fields);
  }
  return fail(Errc::kUnsupported, "the log has an entry of unknown type " + std::to_string(type),
              "use a newer blkrewind for this store");
}

}  // namespace blkrewind::format
