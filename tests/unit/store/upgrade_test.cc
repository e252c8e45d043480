// A store of version 1 is brought over, beside other processes and files.
#include "unit/store/upgrade_fixture.h"

namespace blkrewind::store {
namespace {

using format::DiskNumber;
using test::failed;
using test::ok;

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

// What a lost record named would be removed as left over.
TEST_F(StoreUpgrade, OfAJournalThatMayHaveLostRecordsChangesNothing) {
  for (const bool zeroed : {false, true}) {
    SCOPED_TRACE(zeroed ? "zeroed behind its header" : "a damaged tail");
    const auto env = scene_.machine();
    auto bytes = env->contents(at("journal"));
    bytes.at(format::kLogTailOffset + 16) ^= std::byte{1};
    if (zeroed) std::fill(bytes.begin() + format::kLogTailOffset, bytes.end(), std::byte{0});
    env->poke(at("journal"), 0, bytes);
    const std::uint64_t before = env->mutations();
    const auto done = upgrade(*env, kPath);
    ASSERT_TRUE(failed(done, Errc::kIntegrity));
    EXPECT_FALSE(words_of(done.error()).empty());
    EXPECT_EQ(env->mutations(), before);
  }
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
  for (const auto held = (*history)->state(); const auto& [id, live_bytes] : held->segments) {
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

}  // namespace
}  // namespace blkrewind::store
