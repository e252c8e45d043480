#include "store/home/version1_home.h"

#include <utility>

#include "format/log_codec.h"
#include "store/home/store_file.h"

namespace blkrewind::store {
namespace {

// The puts of one disk, as a log that is replaced whenever the journal has changed.
class SplitLog final : public HomeLog {
 public:
  SplitLog(Version1Home& home, format::DiskNumber disk, const LogKey& key)
      : home_(home), disk_(disk), key_(key) {}

  [[nodiscard]] std::string name() const override { return home_.folder() + "/journal"; }

  [[nodiscard]] Status read(Head& head, const Reader& reader) override {
    BLKREWIND_ASSIGN(const auto known, home_.read());
    if (head.generation == known.version) return {};
    reader.restart();
    head = {known.version, 1, 0, 0, 0};
    const auto state = known.states->find(disk_);
    if (state == known.states->end()) return {};
    format::Transaction puts;
    const auto hand_on = [&]() -> Status {
      const auto record =
          format::encode_record(key_.secret, {disk_, head.next_sequence++, 0}, puts);
      puts.clear();
      head.end_bytes += record.size();
      ++head.records;
      return reader.record(record);
    };
    BLKREWIND_TRY(state->second.for_each_put([&](const format::JournalEntry& entry) -> Status {
      puts.push_back(entry);
      return puts.size() == kEntries ? hand_on() : Status();
    }));
    return puts.empty() ? Status() : hand_on();
  }

  // The journal is that of all of them, and is reported once.
  [[nodiscard]] Status check(const Head&) override {
    return disk_ == format::kIndexLog ? home_.check_journal() : Status();
  }

  [[nodiscard]] Appended append(const Head&, std::uint64_t, std::span<const std::byte>,
                                const Need&) override {
    return refuse();
  }
  [[nodiscard]] Appended replace(const Head&, std::uint64_t, const Need&,
                                 const std::function<Status(const Sink&)>&) override {
    return refuse();
  }
  [[nodiscard]] Appended make_durable(const Head& head, std::uint64_t) override { return head; }

 private:
  [[nodiscard]] Appended refuse() const {
    return tl::make_unexpected(
        AppendFailure{NotAppended::kRefused, home_.check_writable().error()});
  }

  static constexpr std::size_t kEntries = 256;  // a record

  Version1Home& home_;
  const format::DiskNumber disk_;
  const LogKey key_;
};

}  // namespace

StatesByDisk split_by_disk(const State& journal, const DiskOfSegment& disk_of) {
  StatesByDisk states;
  State& index = states[format::kIndexLog];
  for (const auto& [number, disk] : journal.disks) {
    index.apply(index_entry(disk));
    State& state = states[number];
    state.apply(disk);
    state.apply(format::Counters{.next_snapshot = journal.counters.next_snapshot,
                                 .next_segment = journal.counters.next_segment});
  }
  index.apply(format::Counters{.next_disk = journal.counters.next_disk});
  const auto state_of = [&](format::DiskNumber disk) -> State* {
    const auto found = states.find(disk);
    return disk == format::kIndexLog || found == states.end() ? nullptr : &found->second;
  };
  for (const auto& [number, snapshot] : journal.snapshots) {
    if (State* state = state_of(snapshot.disk)) state->apply(snapshot);
  }
  for (const auto& [disk, intent] : journal.intents) {
    if (State* state = state_of(disk)) state->apply(intent);
  }
  for (const auto& [id, live_bytes] : journal.segments) {
    if (State* state = state_of(disk_of(id))) state->apply(format::SegmentRecord{id, live_bytes});
  }
  return states;
}

Version1Home::Version1Home(std::unique_ptr<LocalHome> local, const format::StoreHeader& header,
                           bool have_lock)
    : local_(std::move(local)),
      journal_(LocalLog::old_journal(local_->env(), local_->layout(), {header.uuid, header.secret},
                                     have_lock)) {}

Status Version1Home::check_writable() const {
  return fail(Errc::kUnsupported,
              "the store " + folder() + " has format version 1, which this program only reads",
              Remedy(Verb::kStoreUpgrade, "bring it over, which copies nothing"));
}

Result<Version1Home::Known> Version1Home::read() {
  const std::lock_guard lock(mutex_);
  Head head = head_;
  State all = all_;
  Status read = journal_->read(
      head,
      {[&] { all = State(); },
       [&](std::span<const std::byte> record) -> Status {
         const auto header = format::parse_record_header(record);
         if (!header) return fail(Errc::kInternal, "no record");
         Status applied = format::for_each_entry(*header, record, [&](const auto& entry) -> Status {
           all.apply(entry);
           if (!all.is_too_large()) return {};
           return fail(
               Errc::kUnsupported,
               "the journal " + journal_->name() + " has more entries than a store can have",
               "use several stores; if this one was given to you, do not trust it");
         });
         if (applied) return applied;
         // Which file it is, the entry does not know.
         return fail(std::move(applied).error().while_doing("reading " + journal_->name()));
       }});
  if (!read) {
    Error error = std::move(read).error();
    // A store without it is damaged; it is not a mistake of the caller.
    if (error.code == Errc::kNotFound) error.code = Errc::kIntegrity;
    const auto now = local_->read_header();
    if (!now || now->version == 1) return fail(std::move(error));
    return fail(Errc::kUnsupported,
                "the store " + folder() + " was brought to another format version meanwhile",
                "open it again");
  }
  if (known_.states != nullptr && head == head_) return known_;
  if (const auto twice = all.repeated_id(); !twice.empty()) {
    return fail(Errc::kIntegrity,
                "the journal " + journal_->name() + " has the id " + std::string(twice) + " twice",
                "bring it back from a backup of the store; if the store was given to you, do not "
                "trust it");
  }
  head_ = head;
  const format::DiskNumber first = all.disks.empty() ? 0 : all.disks.begin()->first;
  known_.states = std::make_shared<const StatesByDisk>(
      split_by_disk(all, [&](format::SegmentId) { return first; }));
  known_.journal = std::make_shared<const State>(all);
  ++known_.version;
  all_ = std::move(all);
  return known_;
}

Status Version1Home::check_journal() {
  const std::lock_guard lock(mutex_);
  return journal_->check(head_);
}

Result<std::unique_ptr<HomeLog>> Version1Home::open_log(format::DiskNumber disk,
                                                        const LogKey& key) {
  return std::make_unique<SplitLog>(*this, disk, key);
}

Result<std::unique_ptr<io::File>> Version1Home::create_segment(format::DiskNumber,
                                                               format::SegmentId) {
  return fail(check_writable().error());
}

Result<std::unique_ptr<io::File>> Version1Home::open_segment(format::DiskNumber disk,
                                                             format::SegmentId id,
                                                             io::Access access) {
  if (access != io::Access::kReadOnly) return fail(check_writable().error());
  return open_store_file(env(), segment_name(disk, id), {});
}

Result<std::uint64_t> Version1Home::segment_bytes(format::DiskNumber disk, format::SegmentId id) {
  return env().allocated_bytes(segment_name(disk, id));
}

Status Version1Home::for_each_segment(format::DiskNumber disk,
                                      const std::function<Status(format::SegmentId)>& visit) {
  BLKREWIND_ASSIGN(const auto known, read());
  const auto state = known.states->find(disk);
  if (state == known.states->end()) return {};
  for (const auto& [id, live_bytes] : state->second.segments) BLKREWIND_TRY(visit(id));
  return {};
}

}  // namespace blkrewind::store
