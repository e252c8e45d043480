// A store of version 1 to be upgraded, and what must hold afterwards.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "store/store.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"
#include "store/upgrade.h"
#include "support/errors.h"
#include "support/results.h"
#include "support/simulated_env.h"
#include "support/version1_store.h"

namespace blkrewind::store {

// The golden store has two disks, a tombstone and an interrupted rollback. Besides: a snapshot
// whose delete was interrupted, segments of which nothing is needed, and an orphan.
class StoreUpgrade : public testing::Test {
 protected:
  static constexpr const char* kPath = test::Version1Store::kPath;
  static constexpr format::DiskNumber kDiskA = 1;
  static constexpr format::DiskNumber kDiskB = 3;

  static std::string at(const std::string& name) { return std::string(kPath) + "/" + name; }

  // The whole contents of the store, as one can ask for them.
  struct Contents {
    std::vector<format::DiskRecord> disks;
    std::vector<format::SnapshotRecord> snapshots;
    std::vector<format::IntentRecord> intents;
    std::map<format::SegmentId, std::uint64_t> segments;
    friend bool operator==(const Contents&, const Contents&) = default;
  };

  static Contents contents_of(const State& journal) {
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
  static Contents contents_of(Store& store) {
    State all;
    for (const auto held = store.disks(); const auto& [disk, entry] : held->disks) {
      const auto history = store.history(disk);
      EXPECT_TRUE(test::ok(history));
      if (!history) continue;
      for (const auto& put : (*history)->state()->as_puts()) all.apply(put);
    }
    return contents_of(all);
  }

  // Reads every node and chunk of the snapshots that users see.
  static void verify(Store& store, std::uint64_t* chunks = nullptr) {
    auto queue = store.env().make_queue({.depth = 8});
    ASSERT_TRUE(test::ok(queue));
    for (const auto held = store.disks(); const auto& [disk, entry] : held->disks) {
      const auto history = store.history(disk);
      ASSERT_TRUE(test::ok(history));
      TreeReader reader((*history)->files(), **queue, store.secret());
      for (const auto kept = (*history)->state();
           const auto& [number, snapshot] : kept->snapshots) {
        if (snapshot.state != format::SnapshotState::kAccomplished || snapshot.root.is_zero())
          continue;
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
        ASSERT_TRUE(test::ok(for_each_unique(reader, tree_of(snapshot), {}, {}, visit)))
            << "snapshot " << number;
      }
    }
  }

  // A version-2 store with everything in it, and nothing else.
  static void check_upgraded(io::Env& env, const Contents& wanted) {
    auto store = Store::open(env, kPath);
    ASSERT_TRUE(test::ok(store));
    EXPECT_EQ((*store)->header().version, 2U);
    EXPECT_EQ((*store)->header().incompatible, 0U);
    EXPECT_TRUE(test::ok((*store)->check_writable()));
    EXPECT_EQ(contents_of(**store), wanted);
    verify(**store);
    for (const char* gone : {"journal", "journal.v1", "format.new", "segments"}) {
      EXPECT_FALSE(*env.exists(at(gone))) << gone;
    }
  }

  // Either a store of version 1 with everything in it, or one of version 2, or one that says that
  // its upgrade was interrupted. Another upgrade() completes it.
  static void check_and_complete(sim::SimulatedEnv& env, const Contents& wanted) {
    {
      auto store = Store::open(env, kPath);
      if (!store) {
        EXPECT_TRUE(test::failed(store, Errc::kUnsupported));
        EXPECT_NE(store.error().remedy.find(Verb::kStoreUpgrade), nullptr);
      } else {
        EXPECT_EQ(contents_of(**store), wanted);
        verify(**store);
      }
    }
    ASSERT_TRUE(test::ok(upgrade(env, kPath)));
    check_upgraded(env, wanted);
    const auto again = upgrade(env, kPath);
    ASSERT_TRUE(test::ok(again));
    EXPECT_FALSE(again->was_needed);
  }

  StoreUpgrade() {
    const State& journal = scene_.journal();
    format::SnapshotRecord going;
    for (const auto& [number, snapshot] : journal.snapshots) {
      if (snapshot.name == "old") going = snapshot;
    }
    going.state = format::SnapshotState::kDeleting;
    const format::SegmentId next = journal.counters.next_segment;
    scene_.append(
        {going, format::SegmentRecord{going.root.segment, 0}, format::SegmentRecord{next, 0}});
    kept_by_delete_ = going.root.segment;
    useless_ = next;
    orphan_ = next + 1;
    scene_.add_segment(useless_);
    scene_.add_segment(orphan_);
  }

  Contents wanted() const { return contents_of(scene_.journal()); }

  test::Version1Store scene_;
  format::SegmentId kept_by_delete_ = 0;
  format::SegmentId useless_ = 0;
  format::SegmentId orphan_ = 0;
};

}  // namespace blkrewind::store
