// Stores of version 1 that cannot be brought over without losing something.
#include "unit/store/upgrade_fixture.h"

namespace blkrewind::store {
namespace {

using test::failed;
using test::ok;

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

TEST_F(ForgedVersion1, ASegmentWithoutADisk) {
  format::Transaction all;
  for (const auto& [number, snapshot] : scene_.journal().snapshots) {
    all.emplace_back(format::SnapshotRemoved{number});
  }
  for (const auto& [disk, record] : scene_.journal().disks) {
    all.emplace_back(format::IntentRemoved{disk});
    all.emplace_back(format::DiskRemoved{disk});
  }
  scene_.append(all);
  expect_refused();
}

TEST_F(ForgedVersion1, AnEntryOfVersion2) {
  format::NoteRecord note;
  note.snapshot = named("base").number;
  note.disk = kDiskB;
  scene_.append({note});
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
  // A segment that was moved must stay where its log finds it.
  const std::string some = std::to_string(named("base").root.segment);
  ASSERT_TRUE(ok(env->rename(at("segments/" + some), at("disks/3/segments/" + some))));
  env->poke(at("format"), 0, old);
  EXPECT_TRUE(failed(upgrade(*env, kPath), Errc::kIntegrity));
  EXPECT_TRUE(*env->exists(at("disks/3/segments/" + some)));
}

}  // namespace
}  // namespace blkrewind::store
