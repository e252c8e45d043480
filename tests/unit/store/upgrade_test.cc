// A store of version 1 is brought over: whole, after power cuts and failures at any operation, and
// beside other processes.
#include "store/upgrade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "store/store.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"
#include "support/errors.h"
#include "support/results.h"
#include "support/simulated_env.h"
#include "support/version1_store.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
using format::SegmentId;
using format::SnapshotState;
using test::failed;
using test::ok;
using test::Version1Store;

constexpr const char* kPath = Version1Store::kPath;
constexpr std::uint64_t kStatesMax = 12;
constexpr DiskNumber kDiskA = 1;
constexpr DiskNumber kDiskB = 3;

std::string at(const std::string& name) { return std::string(kPath) + "/" + name; }

// The whole contents of the store, as one can ask for them.
struct Contents {
  std::vector<format::DiskRecord> disks;
  std::vector<format::SnapshotRecord> snapshots;
  std::vector<format::IntentRecord> intents;
  std::map<SegmentId, std::uint64_t> segments;
  friend bool operator==(const Contents&, const Contents&) = default;
};

Contents contents_of(const State& journal) {
  Contents all;
  for (const auto& [number, disk] : journal.disks) all.disks.push_back(disk);
  for (const auto& [number, snapshot] : journal.snapshots) all.snapshots.push_back(snapshot);
  for (const auto& [disk, intent] : journal.intents) all.intents.push_back(intent);
  for (const auto& [id, live_bytes] : journal.segments) {
    if (live_bytes != 0) all.segments.emplace(id, live_bytes);
  }
  return all;
}

// Of every disk's history; segments of which nothing is needed are left out.
Contents contents_of(Store& store) {
  State all;
  for (const auto& [disk, entry] : store.disks()->disks) {
    const auto history = store.history(disk);
    EXPECT_TRUE(ok(history));
    if (!history) continue;
    for (const auto& put : (*history)->state()->as_puts()) all.apply(put);
  }
  return contents_of(all);
}

// Reads every node and chunk of the snapshots that users see.
void verify(Store& store, std::uint64_t* chunks = nullptr) {
  auto queue = store.env().make_queue({.depth = 8});
  ASSERT_TRUE(ok(queue));
  for (const auto& [disk, entry] : store.disks()->disks) {
    const auto history = store.history(disk);
    ASSERT_TRUE(ok(history));
    TreeReader reader((*history)->files(), **queue, store.secret());
    for (const auto& [number, snapshot] : (*history)->state()->snapshots) {
      if (snapshot.state != SnapshotState::kAccomplished || snapshot.root.is_zero()) continue;
      const auto visit = [&](const UniqueExtent& extent) -> Status {
        if (extent.level >= 0) return {};
        BLKREWIND_ASSIGN(const auto file, (*history)->files().get(extent.entry.segment, **queue));
        AlignedBuffer bytes(align_up(extent.entry.length_bytes, format::kBlockBytes));
        BLKREWIND_TRY(io::read_now(**queue, *file, {extent.entry.offset_bytes(), bytes.size()},
                                   bytes.data()));
        const Digest digest =
            digest_of(store.secret(), bytes.span().first(extent.entry.length_bytes),
                      DigestDomain::kChunk, 0, extent.index);
        if (digest != extent.entry.digest) return fail(Errc::kIntegrity, "a chunk is wrong");
        if (chunks != nullptr) ++*chunks;
        return {};
      };
      ASSERT_TRUE(ok(for_each_unique(reader, tree_of(snapshot), {}, {}, visit)))
          << "snapshot " << number;
    }
  }
}

// A version-2 store with everything in it, and nothing else.
void check_upgraded(io::Env& env, const Contents& wanted) {
  auto store = Store::open(env, kPath);
  ASSERT_TRUE(ok(store));
  EXPECT_EQ((*store)->header().version, 2U);
  EXPECT_EQ((*store)->header().incompatible, 0U);
  EXPECT_TRUE(ok((*store)->check_writable()));
  EXPECT_EQ(contents_of(**store), wanted);
  verify(**store);
  for (const char* gone : {"journal", "journal.v1", "format.new", "segments"}) {
    EXPECT_FALSE(*env.exists(at(gone))) << gone;
  }
}

// Either a store of version 1 with everything in it, or one of version 2, or one that says that its
// upgrade was interrupted. Another upgrade() completes it.
void check_and_complete(sim::SimulatedEnv& env, const Contents& wanted) {
  {
    auto store = Store::open(env, kPath);
    if (!store) {
      EXPECT_TRUE(failed(store, Errc::kUnsupported));
      EXPECT_NE(store.error().remedy.find(Verb::kStoreUpgrade), nullptr);
    } else {
      EXPECT_EQ(contents_of(**store), wanted);
      verify(**store);
    }
  }
  ASSERT_TRUE(ok(upgrade(env, kPath)));
  check_upgraded(env, wanted);
  const auto again = upgrade(env, kPath);
  ASSERT_TRUE(ok(again));
  EXPECT_FALSE(again->was_needed);
}

// The golden store has two disks, a tombstone and an interrupted rollback. Besides: a snapshot
// whose delete was interrupted, segments of which nothing is needed, and an orphan.
class StoreUpgrade : public testing::Test {
 protected:
  StoreUpgrade() {
    const State& journal = scene_.journal();
    format::SnapshotRecord going;
    for (const auto& [number, snapshot] : journal.snapshots) {
      if (snapshot.name == "old") going = snapshot;
    }
    going.state = SnapshotState::kDeleting;
    const SegmentId next = journal.counters.next_segment;
    scene_.append(
        {going, format::SegmentRecord{going.root.segment, 0}, format::SegmentRecord{next, 0}});
    kept_by_delete_ = going.root.segment;
    useless_ = next;
    orphan_ = next + 1;
    scene_.add_segment(useless_);
    scene_.add_segment(orphan_);
  }

  Contents wanted() const { return contents_of(scene_.journal()); }

  Version1Store scene_;
  SegmentId kept_by_delete_ = 0;
  SegmentId useless_ = 0;
  SegmentId orphan_ = 0;
};

TEST_F(StoreUpgrade, CarriesEverythingToTheDisks) {
  const auto env = scene_.machine();
  const auto done = upgrade(*env, kPath);
  ASSERT_TRUE(ok(done));
  EXPECT_TRUE(done->was_needed);
  EXPECT_FALSE(done->resumed);
  EXPECT_EQ(done->disks, 2U);
  EXPECT_EQ(done->snapshots, 4U);
  EXPECT_THAT(done->warnings, testing::IsEmpty());
  check_upgraded(*env, wanted());

  auto opened = Store::open(*env, kPath);
  ASSERT_TRUE(ok(opened));
  Store& store = **opened;
  EXPECT_EQ(store.disks()->counters.next_disk, scene_.journal().counters.next_disk);
  EXPECT_EQ(store.disks()->disk(kDiskA)->base_snapshot, 0U) << "the log's alone";
  std::uint64_t moved = 0;
  for (const DiskNumber disk : {kDiskA, kDiskB}) {
    const auto history = store.history(disk);
    ASSERT_TRUE(ok(history));
    const auto state = (*history)->state();
    EXPECT_EQ(*state->disk(disk), *scene_.journal().disk(disk)) << "with its last rollback";
    EXPECT_EQ(state->disks.size(), 1U);
    EXPECT_EQ(state->counters.next_segment, scene_.journal().counters.next_segment);
    EXPECT_EQ(state->counters.next_snapshot, scene_.journal().counters.next_snapshot);
    for (const auto& [number, snapshot] : state->snapshots) {
      EXPECT_EQ(snapshot.disk, disk);
      EXPECT_EQ(state->kin_of(number), scene_.journal().kin_of(number));
    }
    for (const auto& [id, live_bytes] : state->segments) {
      EXPECT_TRUE(*env->exists((*history)->segment_name(id))) << id;
      ++moved;
    }
  }
  EXPECT_EQ(done->segments, moved);
  EXPECT_EQ((*store.history(kDiskB))->state()->intents.size(), 1U);
  const auto state = (*store.history(kDiskA))->state();
  EXPECT_TRUE(state->segments.contains(kept_by_delete_)) << "its nodes tell what is to be punched";
  EXPECT_FALSE(state->segments.contains(useless_));
}

TEST_F(StoreUpgrade, LeavesAStoreOfThePresentVersionAlone) {
  sim::SimulatedEnv env;
  ASSERT_TRUE(ok(Store::create(env, kPath)));
  const std::uint64_t before = env.mutations();
  const auto done = upgrade(env, kPath);
  ASSERT_TRUE(ok(done));
  EXPECT_FALSE(done->was_needed);
  EXPECT_EQ(env.mutations(), before);
}

TEST_F(StoreUpgrade, WithoutAStoreThereIsNothingToUpgrade) {
  sim::SimulatedEnv env;
  EXPECT_TRUE(failed(upgrade(env, kPath), Errc::kNotFound));
}

TEST_F(StoreUpgrade, OfAnEmptyStore) {
  format::Transaction all;
  for (const auto& [number, snapshot] : scene_.journal().snapshots) {
    all.emplace_back(format::SnapshotRemoved{number});
  }
  for (const auto& [disk, record] : scene_.journal().disks) {
    all.emplace_back(format::IntentRemoved{disk});
    all.emplace_back(format::DiskRemoved{disk});
  }
  for (const auto& [id, live_bytes] : scene_.journal().segments) {
    all.emplace_back(format::SegmentRemoved{id});
  }
  scene_.append(all);
  const auto env = scene_.machine();
  const auto done = upgrade(*env, kPath);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->disks, 0U);
  check_upgraded(*env, Contents{});
}

TEST_F(StoreUpgrade, SurvivesAPowerCutAtEveryOperation) {
  const auto env = scene_.machine();
  env->record_moments();
  ASSERT_TRUE(ok(upgrade(*env, kPath)));
  const auto moments = env->take_moments();
  EXPECT_GT(moments.size(), 50U);
  std::map<std::uint32_t, std::uint64_t> seen;  // by version; 0: interrupted
  for (std::size_t i = 0; i < moments.size() && !HasFailure(); ++i) {
    const sim::SimulatedEnv moment(moments[i], {});
    moment.crash_states(kStatesMax,
                        [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
                          SCOPED_TRACE("before operation " + std::to_string(i) + "; " + what);
                          const auto store = Store::open(*after, kPath);
                          ++seen[store ? (*store)->header().version : 0];
                          check_and_complete(*after, wanted());
                          return !HasFailure();
                        },
                        {.seed = i + 1});
  }
  for (const std::uint32_t state : {0, 1, 2}) EXPECT_GT(seen[state], 0U) << state;
}

// An upgrade that goes on after a power cut is itself cut off.
TEST_F(StoreUpgrade, SurvivesASecondPowerCut) {
  const auto env = scene_.machine();
  env->record_moments();
  ASSERT_TRUE(ok(upgrade(*env, kPath)));
  const auto moments = env->take_moments();
  for (std::size_t i = 0; i < moments.size() && !HasFailure(); i += 3) {
    const auto after = sim::SimulatedEnv(moments[i], {}).crash(i + 1);
    after->record_moments();
    ASSERT_TRUE(ok(upgrade(*after, kPath)));
    const auto later = after->take_moments();
    for (std::size_t j = 0; j < later.size() && !HasFailure(); ++j) {
      SCOPED_TRACE("before operation " + std::to_string(i) + ", then before " + std::to_string(j));
      const auto twice = sim::SimulatedEnv(later[j], {}).crash(i + j);
      check_and_complete(*twice, wanted());
    }
  }
}

TEST_F(StoreUpgrade, SurvivesAFailureOfEveryOperation) {
  using sim::OpKind;
  for (const OpKind kind :
       {OpKind::kWrite, OpKind::kFlush, OpKind::kRename, OpKind::kCreate, OpKind::kRemove,
        OpKind::kSyncDirectory, OpKind::kMakeDirectory, OpKind::kRead}) {
    std::uint64_t nth = 1;
    for (bool hit = true; hit && !HasFailure(); ++nth) {
      SCOPED_TRACE("operation " + std::to_string(nth) + " of kind " +
                   std::to_string(static_cast<int>(kind)));
      const auto env = scene_.machine();
      env->inject({.kinds = {kind}, .nth = nth});
      const auto done = upgrade(*env, kPath);
      hit = env->fault_hits() != 0;
      env->clear_faults();
      if (done) {
        check_upgraded(*env, wanted());
      } else {
        EXPECT_TRUE(hit);
        const auto cut = env->crash(nth);
        check_and_complete(*env, wanted());
        check_and_complete(*cut, wanted());
      }
    }
    EXPECT_GT(nth, 2U) << "no operation of kind " << static_cast<int>(kind);
  }
}

TEST_F(StoreUpgrade, OnAFullFileSystemTheStoreStaysAsItWas) {
  bool refused = false;
  bool done = false;
  for (std::uint64_t room = 0; !done && !HasFailure(); room += 16 * kKiB) {
    ASSERT_LT(room, 16 * kMiB);
    SCOPED_TRACE(std::to_string(room) + " bytes are free");
    const auto env = scene_.machine();
    env->set_free_bytes(kPath, room);
    const auto upgraded = upgrade(*env, kPath);
    done = upgraded.has_value();
    if (!done) {
      refused = true;
      EXPECT_TRUE(failed(upgraded, Errc::kNoSpace));
      const auto store = Store::open(*env, kPath);
      if (store) {
        EXPECT_EQ((*store)->header().version, 1U);
      }
    }
    env->set_free_bytes(kPath, std::nullopt);
    check_and_complete(*env, wanted());
  }
  EXPECT_TRUE(refused);
}

TEST_F(StoreUpgrade, IsRefusedWhileAnotherProcessUsesTheStore) {
  const auto env = scene_.machine();
  const std::uint64_t before = env->mutations();
  using Mode = io::LockMode;
  const std::vector<std::pair<std::uint64_t, Mode>> locks = {
      {LocalLayout::lease_lock(kDiskA), Mode::kExclusive},
      {LocalLayout::lease_lock(kDiskB), Mode::kExclusive},
      {LocalLayout::lease_lock(kDiskB), Mode::kShared},  // a comparison on a read-only store
      {LocalLayout::kOldJournalLock, Mode::kExclusive},
      {LocalLayout::kOldWritersLock, Mode::kShared}};
  for (const auto& [byte, mode] : locks) {
    SCOPED_TRACE(byte);
    const auto held = env->try_lock(at("format"), byte, mode);
    ASSERT_TRUE(held && *held);
    const auto done = upgrade(*env, kPath);
    EXPECT_TRUE(failed(done, Errc::kBusy));
    ASSERT_FALSE(done);
    EXPECT_NE(done.error().remedy.find(Verb::kStoreUpgrade), nullptr);
  }
  EXPECT_EQ(env->mutations(), before);
  EXPECT_TRUE(ok(upgrade(*env, kPath)));
}

// An operation of version 1 that starts meanwhile must get nowhere.
TEST_F(StoreUpgrade, HoldsWhatAnOperationNeeds) {
  scene_.env().add_directory(at("disks"));  // as an interrupted upgrade leaves it; is listed first
  const auto env = scene_.machine();
  bool listed = false;
  env->set_after_listing([&] {
    listed = true;  // before anything of the new version is there
    EXPECT_FALSE(*env->exists(at("index")));
    for (const std::uint64_t byte :
         {LocalLayout::kOldJournalLock, LocalLayout::kOldWritersLock,
          LocalLayout::lease_lock(kDiskA), LocalLayout::lease_lock(kDiskB)}) {
      EXPECT_TRUE(*env->is_locked(at("format"), byte)) << byte;
    }
  });
  EXPECT_TRUE(ok(upgrade(*env, kPath)));
  EXPECT_TRUE(listed);
}

// Each held lock is an open file.
TEST_F(StoreUpgrade, HoldsNoLockForEachDiskAtRest) {
  format::DiskRecord disk = *scene_.journal().disk(kDiskA);
  for (DiskNumber number = 10; number < 60; ++number) {
    disk.number = number;
    disk.id = "d-many" + std::to_string(number);
    disk.base_snapshot = 0;
    disk.last_rollback = {};
    scene_.append({disk});
  }
  scene_.env().add_directory(at("disks"));
  const auto env = scene_.machine();
  bool listed = false;
  env->set_after_listing([&] {
    listed = true;
    EXPECT_TRUE(*env->is_locked(at("format"), LocalLayout::kOldJournalLock));
    EXPECT_FALSE(*env->is_locked(at("format"), LocalLayout::lease_lock(10)));
  });
  const auto done = upgrade(*env, kPath);
  ASSERT_TRUE(ok(done));
  EXPECT_TRUE(listed);
  EXPECT_EQ(done->disks, 52U);
  check_upgraded(*env, wanted());
}

// The format file carries the locks and is replaced: each upgrade excludes another one before,
// between and after that.
TEST_F(StoreUpgrade, ExcludesAnotherUpgradeThroughout) {
  for (const bool resumed : {false, true}) {
    SCOPED_TRACE(resumed);
    auto env = scene_.machine();
    if (resumed) {
      env->inject({.kinds = {sim::OpKind::kRename}, .path = "segments/", .nth = 2});
      EXPECT_FALSE(upgrade(*env, kPath));
      env->clear_faults();
    }
    std::uint64_t tried = 0;
    // Listed in the middle of it: disks/, a disk's segments, and at last segments/.
    std::function<void()> try_another = [&] {
      ++tried;
      EXPECT_TRUE(failed(upgrade(*env, kPath), Errc::kBusy));
      env->set_after_listing(try_another);
    };
    env->set_after_listing(try_another);
    EXPECT_TRUE(ok(upgrade(*env, kPath)));
    EXPECT_GE(tried, 2U);
    env->set_after_listing(nullptr);
    check_upgraded(*env, wanted());
  }
}

TEST_F(StoreUpgrade, AStoreThatIsBeingUpgradedIsBusy) {
  const auto env = scene_.machine();
  env->inject({.kinds = {sim::OpKind::kRename}, .path = "segments/", .nth = 1});
  EXPECT_FALSE(upgrade(*env, kPath));
  env->clear_faults();
  const auto interrupted = Store::open(*env, kPath);
  EXPECT_TRUE(failed(interrupted, Errc::kUnsupported));
  {
    const auto held =
        env->try_lock(at("format"), LocalLayout::kOldJournalLock, io::LockMode::kExclusive);
    EXPECT_TRUE(failed(Store::open(*env, kPath), Errc::kBusy));
  }
  check_and_complete(*env, wanted());
}

// A program that has read the journal before.
TEST_F(StoreUpgrade, AReaderOfTheOldStoreIsToldToOpenItAgain) {
  const auto env = scene_.machine();
  auto old = Store::open(*env, kPath);
  ASSERT_TRUE(ok(old));
  EXPECT_TRUE(failed((*old)->check_writable(), Errc::kUnsupported));
  EXPECT_NE((*old)->check_writable().error().remedy.find(Verb::kStoreUpgrade), nullptr);
  ASSERT_TRUE(ok(upgrade(*env, kPath)));
  EXPECT_TRUE(failed((*old)->index().refresh(), Errc::kUnsupported));
}

TEST_F(StoreUpgrade, AddsTheEntriesOfTheCaller) {
  const auto env = scene_.machine();
  const auto extra =
      [](const StatesByDisk& states) -> Result<std::map<DiskNumber, format::Transaction>> {
    EXPECT_EQ(states.at(kDiskB).intents.size(), 1U);
    return std::map<DiskNumber, format::Transaction>{
        {kDiskA, {format::Counters{.next_snapshot = 1000}}}};
  };
  ASSERT_TRUE(ok(upgrade(*env, kPath, extra)));
  check_upgraded(*env, wanted());
  auto store = Store::open(*env, kPath);
  ASSERT_TRUE(ok(store));
  EXPECT_EQ((*(*store)->history(kDiskA))->state()->counters.next_snapshot, 1000U);

  const auto other = scene_.machine();
  const auto refuse = [](const StatesByDisk&) -> Result<std::map<DiskNumber, format::Transaction>> {
    return fail(Errc::kIntegrity, "the catalog is damaged");
  };
  EXPECT_TRUE(failed(upgrade(*other, kPath, refuse), Errc::kIntegrity));
  const auto kept = Store::open(*other, kPath);
  ASSERT_TRUE(ok(kept));
  EXPECT_EQ((*kept)->header().version, 1U);
}

TEST_F(StoreUpgrade, LeavesFilesOfOtherProgramsAlone) {
  scene_.env().add_device(at("segments/README"), 10);
  scene_.env().add_directory(at("segments/600"));
  scene_.env().add_device(at("segments/500"), 0);
  scene_.write("segments/500", 0, std::vector<std::byte>(8192, std::byte{7}));
  const auto env = scene_.machine();
  const auto done = upgrade(*env, kPath);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->warnings.size(), 1U);
  EXPECT_TRUE(*env->exists(at("segments/README")));
  EXPECT_TRUE(*env->exists(at("segments/500")));
  EXPECT_TRUE(*env->exists(at("segments/600")));
  EXPECT_FALSE(*env->exists(at("segments/" + std::to_string(orphan_))));
}

TEST_F(StoreUpgrade, OfADamagedStoreKeepsWhatIsThere) {
  // The root of snapshot "base", and with it all that says whose its chunk is.
  format::SnapshotRecord base;
  for (const auto& [number, snapshot] : scene_.journal().snapshots) {
    if (snapshot.name == "base") base = snapshot;
  }
  scene_.write("segments/" + std::to_string(base.root.segment), base.root.offset_bytes() + 600,
               {std::byte{1}});
  const auto env = scene_.machine();
  const auto done = upgrade(*env, kPath);
  ASSERT_TRUE(ok(done));
  auto store = Store::open(*env, kPath);
  ASSERT_TRUE(ok(store));
  EXPECT_EQ(contents_of(**store), wanted());
  const auto history = (*store)->history(kDiskB);
  ASSERT_TRUE(ok(history));
  // The segment that nothing readable names has gone to the disk that is damaged.
  ASSERT_EQ(done->warnings.size(), 1U);
  EXPECT_THAT(done->warnings.front(), testing::HasSubstr(scene_.journal().disk(kDiskB)->id));
  for (const auto& [id, live_bytes] : (*history)->state()->segments) {
    EXPECT_TRUE(*env->exists((*history)->segment_name(id)));
  }
  EXPECT_TRUE((*history)->state()->segments.contains(base.root.segment));
}

TEST_F(StoreUpgrade, StopsWhereItCannotTellWhoseASegmentIs) {
  // Neither disk's trees can be read now; which of them names the others' chunks is open.
  for (const auto& [number, snapshot] : scene_.journal().snapshots) {
    if (snapshot.root.is_zero()) continue;
    scene_.env().break_sectors(at("segments/" + std::to_string(snapshot.root.segment)),
                               {0, 64 * kMiB});
  }
  const auto env = scene_.machine();
  EXPECT_TRUE(failed(upgrade(*env, kPath), Errc::kIo));
  env->heal();
  check_and_complete(*env, wanted());
}

// Forged journals: refused before anything is changed.
class ForgedVersion1 : public StoreUpgrade {
 protected:
  void expect_refused() {
    const auto env = scene_.machine();
    const std::uint64_t before = env->mutations();
    EXPECT_TRUE(failed(upgrade(*env, kPath), Errc::kIntegrity));
    EXPECT_EQ(env->mutations(), before);
  }
  format::SnapshotRecord named(const std::string& name) const {
    for (const auto& [number, snapshot] : scene_.journal().snapshots) {
      if (snapshot.name == name) return snapshot;
    }
    throw std::runtime_error("no snapshot " + name);
  }
};

TEST_F(ForgedVersion1, ASegmentOfTwoDisks) {
  format::SnapshotRecord copy = named("second");
  copy.number = 50;
  copy.id = "s-forged";
  copy.disk = kDiskB;
  copy.kin.clear();
  scene_.append({copy});
  expect_refused();
}

TEST_F(ForgedVersion1, ASnapshotOfAnUnknownDisk) {
  format::SnapshotRecord copy = named("second");
  copy.number = 50;
  copy.id = "s-forged";
  copy.disk = 9;
  copy.kin.clear();
  scene_.append({copy});
  expect_refused();
}

TEST_F(ForgedVersion1, ALineageAcrossDisks) {
  format::SnapshotRecord changed = named("base");
  changed.kin.push_back(named("second").number);
  scene_.append({changed});
  expect_refused();
}

TEST_F(ForgedVersion1, ARollbackOfAnUnknownDisk) {
  scene_.append({format::IntentRecord{.disk = 9, .request_id = "r", .target = 1}});
  expect_refused();
}

TEST_F(ForgedVersion1, ASegmentThatTheJournalDoesNotList) {
  scene_.append({format::SegmentRemoved{named("base").root.segment}});
  expect_refused();
}

TEST_F(ForgedVersion1, TwoJournals) {
  const auto bytes = scene_.env().contents(at("journal"));
  scene_.env().add_device(at("journal.v1"), 0);
  scene_.write("journal.v1", 0, bytes);
  expect_refused();
}

// The format file of a backup, in a store that was brought over since.
TEST_F(ForgedVersion1, AnOldFormatFile) {
  const auto old = scene_.env().contents(at("format"));
  const auto env = scene_.machine();
  env->inject({.kinds = {sim::OpKind::kRemove}, .path = "journal.v1"});
  EXPECT_FALSE(upgrade(*env, kPath));
  env->clear_faults();
  env->inject({.kinds = {sim::OpKind::kRename}, .path = "segments/", .nth = 3});
  env->inject({.kinds = {sim::OpKind::kRemove}, .path = "journal.v1"});
  ASSERT_TRUE(*env->exists(at("journal.v1")));
  const SegmentId some = named("base").root.segment;
  ASSERT_TRUE(ok(env->rename(at("segments/" + std::to_string(some)),
                             at("disks/3/segments/" + std::to_string(some)))));
  env->clear_faults();
  env->poke(at("format"), 0, old);
  EXPECT_TRUE(failed(upgrade(*env, kPath), Errc::kIntegrity));
  EXPECT_TRUE(*env->exists(at("disks/3/segments/" + std::to_string(some))));
}

}  // namespace
}  // namespace blkrewind::store
