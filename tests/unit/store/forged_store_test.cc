// Stores of an attacker: every checksum is right and the content is not.
#include "support/forged_store.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>

#include "store/reclaim.h"
#include "store/store.h"
#include "store/tree_cursor.h"
#include "support/errors.h"
#include "support/temp_dir.h"
#include "unit/format/samples.h"

namespace blkrewind::store {
namespace {

using format::Entry;
using format::EntryState;
using format::SegmentRecord;
using format::SnapshotRecord;
using format::Transaction;
using test::ForgedStore;

class ForgedStoreTest : public testing::Test {
 protected:
  [[nodiscard]] static Entry chunk(format::SegmentId segment, std::uint32_t block) {
    return {EntryState::kStored, format::Codec::kNone, segment, block, 4096, {7, 8}};
  }
  // A snapshot with one chunk at (2, `block`), in a segment of which other bytes are needed too.
  void write_snapshot(std::uint32_t block = 4) const {
    format::Node leaf;
    leaf.entries[0] = chunk(2, block);
    store_.write_segment(1, {store_.node_block(leaf)});
    SnapshotRecord other;  // otherwise the segments would be removed as files
    other.number = 2;
    other.disk = 1;
    other.id = "s-other";
    other.state = format::SnapshotState::kAccomplished;
    store_.write_log(
        {{format::Counters{2, 3, 3}, test::forged_disk(), store_.snapshot_of(leaf, 1, 1), other,
          SegmentRecord{1, 8192}, SegmentRecord{2, 8192}}});
  }
  void write_outside() const {
    const auto bytes = format::random_bytes(65536, 3);
    std::ofstream(dir_.file("outside"), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()), 65536);
    ::chmod(dir_.file("outside").c_str(), 0600);
  }
  [[nodiscard]] bool outside_is_unchanged() const {
    std::ifstream in(dir_.file("outside"), std::ios::binary);
    const std::string now((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    const auto bytes = format::random_bytes(65536, 3);
    return now.size() == bytes.size() && std::memcmp(now.data(), bytes.data(), now.size()) == 0;
  }
  // The history of disk 1; its store is opened for it.
  [[nodiscard]] Result<std::shared_ptr<History>> open() {
    BLKREWIND_ASSIGN(opened_, Store::open(*env_, store_.path()));
    return opened_->history(1);
  }
  // The error of opening a log with that transaction; empty if it opens.
  [[nodiscard]] std::optional<Errc> refusal(const Transaction& transaction) {
    std::filesystem::remove(store_.file("disks/1/log"));
    store_.write_log({transaction});
    const auto opened = open();
    if (opened) return std::nullopt;
    return opened.error().code;
  }

  test::TempDir dir_;
  ForgedStore store_{dir_.file("store")};
  std::unique_ptr<io::Env> env_ = io::make_local_env();
  std::unique_ptr<Store> opened_;
};

TEST_F(ForgedStoreTest, ADeleteChangesNothingThroughALink) {
  using Make = int (*)(const char*, const char*);
  for (const Make make : {Make{::symlink}, Make{::link}}) {
    write_outside();
    write_snapshot();
    std::filesystem::remove(store_.file("disks/1/segments/2"));
    ASSERT_EQ(make(dir_.file("outside").c_str(), store_.file("disks/1/segments/2").c_str()), 0);
    const auto store = open();
    ASSERT_TRUE(store) << store.error().to_string();
    const auto deleted = delete_snapshot(**store, 1);
    EXPECT_FALSE(deleted);
    EXPECT_FALSE(words_of(deleted.error()).empty());
    EXPECT_TRUE(outside_is_unchanged());
    EXPECT_EQ((*store)->state()->snapshot(1)->state, format::SnapshotState::kAccomplished)
        << "refused before anything was recorded";
  }
}

TEST_F(ForgedStoreTest, ADeleteChangesNoFileThatIsNotTheSegment) {
  write_outside();
  write_snapshot();
  std::filesystem::copy(dir_.file("outside"), store_.file("disks/1/segments/2"));
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(delete_snapshot(**store, 1).error().code, Errc::kIntegrity);
  std::filesystem::rename(store_.file("disks/1/segments/2"), dir_.file("outside"));
  EXPECT_TRUE(outside_is_unchanged());
  // If it is removed, it is a missing segment, and there is nothing to free.
  EXPECT_TRUE(delete_snapshot(**store, 1));
}

TEST_F(ForgedStoreTest, APunchBehindTheEndDoesNotLengthenTheSegment) {
  write_snapshot(1'000'000);
  store_.write_segment(2, {std::vector<std::byte>(4096)});
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_TRUE(delete_snapshot(**store, 1));
  EXPECT_EQ(std::filesystem::file_size(store_.file("disks/1/segments/2")), 8192U);
}

// The index names the disk: its log had a record of it, and may have named the segment.
TEST_F(ForgedStoreTest, ALogThatDoesNotNameItsDiskHasNoOrphans) {
  store_.write_log({{format::Counters{1, 1, 1}}});
  store_.write_segment(5, {});
  EXPECT_EQ(open().error().code, Errc::kIntegrity);
  const auto lease = opened_->lease(1);
  ASSERT_FALSE(lease);
  EXPECT_EQ(lease.error().code, Errc::kIntegrity);
  EXPECT_TRUE(std::filesystem::exists(store_.file("disks/1/segments/5")));
}

TEST_F(ForgedStoreTest, OrphansOfAnotherOriginAreLeftAlone) {
  store_.write_log({{format::Counters{1, 1, 1}, test::forged_disk()}});
  store_.write_segment(5, {});                                           // a segment
  store_.write("disks/1/segments/6", 0, std::vector<std::byte>(65536));  // never sealed
  store_.write("disks/1/segments/7", 0, {});                             // just created
  store_.write("disks/1/segments/8", 0, format::random_bytes(8192, 4));  // another file
  std::filesystem::copy(store_.file("disks/1/segments/5"),
                        store_.file("disks/1/segments/9"));  // of another number
  store_.write_segment(10, {});
  std::filesystem::resize_file(store_.file("disks/1/segments/10"),
                               512);  // its header torn by a power cut
  store_.write("disks/1/segments/11", 0, format::random_bytes(512, 5));  // another short file
  const auto store = open();
  ASSERT_TRUE(store);
  const auto removed = (*store)->remove_orphans();
  ASSERT_TRUE(removed) << removed.error().to_string();
  EXPECT_EQ(removed->files, 4U);
  EXPECT_TRUE(std::filesystem::exists(store_.file("disks/1/segments/8")));
  EXPECT_TRUE(std::filesystem::exists(store_.file("disks/1/segments/9")));
  EXPECT_TRUE(std::filesystem::exists(store_.file("disks/1/segments/11")));
}

TEST_F(ForgedStoreTest, IdsAndNamesAreOnesThatBlkrewindMakes) {
  const auto disk_with = [](const std::string& id) {
    format::DiskRecord disk = test::forged_disk();
    disk.id = id;
    return disk;
  };
  EXPECT_EQ(refusal({disk_with("d-1")}), std::nullopt);
  for (const std::string& id :
       {std::string("d-../../victim"), std::string("d-"), std::string(), std::string("../d-1"),
        std::string("d-a/b"), std::string("d-a\0b", 5), std::string("d-a\n"), std::string("s-1"),
        "d-" + std::string(29, 'x')}) {
    EXPECT_EQ(refusal({disk_with(id)}), Errc::kIntegrity) << id;
  }
  format::DiskRecord twin = test::forged_disk();
  twin.number = 2;
  EXPECT_EQ(refusal({test::forged_disk(), twin}), Errc::kIntegrity);
  format::Node leaf;
  leaf.entries[0] = chunk(2, 4);
  const auto refused = [&](auto change) {
    SnapshotRecord record = store_.snapshot_of(leaf, 1, 1);
    change(record);
    return refusal({test::forged_disk(), record});
  };
  EXPECT_EQ(refused([](SnapshotRecord&) {}), std::nullopt);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.id = "s-/etc"; }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.name = "a\x1b[2J"; }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.name = "a\nb"; }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.name = "s-another"; }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.name.assign(129, 'a'); }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.description = "a\rb"; }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.description.assign(1025, 'a'); }), Errc::kIntegrity);
  EXPECT_EQ(refused([](SnapshotRecord& s) { s.number = ~std::uint64_t{0}; }), Errc::kIntegrity);
  EXPECT_EQ(refusal({format::IntentRecord{1, "\x07", 1, 0, 1}}), Errc::kIntegrity);
  EXPECT_EQ(refusal({SegmentRecord{~0U, 1}}), Errc::kIntegrity);
  EXPECT_EQ(refusal({SegmentRecord{1, ~std::uint64_t{0}}}), Errc::kIntegrity);
  EXPECT_EQ(refusal({format::Counters{~0U, 1, 1}}), Errc::kIntegrity);
}

TEST_F(ForgedStoreTest, AnEntryThatCannotBeReadIsNamedWithItsLog) {
  EXPECT_EQ(refusal({SegmentRecord{~0U, 1}}), Errc::kIntegrity);
  EXPECT_NE(open().error().to_string().find(store_.file("disks/1/log")), std::string::npos)
      << open().error().to_string();
}

TEST_F(ForgedStoreTest, ALogHasOnlyItsOwnEntries) {
  format::Node leaf;
  leaf.entries[0] = chunk(2, 4);
  SnapshotRecord snapshot = store_.snapshot_of(leaf, 1, 1);
  EXPECT_EQ(refusal({test::forged_disk(), snapshot}), std::nullopt);
  snapshot.disk = 2;
  EXPECT_EQ(refusal({test::forged_disk(), snapshot}), Errc::kIntegrity);
  EXPECT_EQ(refusal({test::forged_disk(), format::IntentRecord{2, "R", 1, 0, 1}}),
            Errc::kIntegrity);
  EXPECT_EQ(refusal({test::forged_disk(), format::GroupRecord{1, true, {1}}}), Errc::kIntegrity);
  for (const format::JournalEntry& entry : Transaction{SegmentRecord{1, 4096}, snapshot}) {
    store_.write_log({{test::forged_disk()}});
    store_.write_log("index", format::kIndexLog, {{test::forged_disk(), entry}});
    EXPECT_EQ(open().error().code, Errc::kIntegrity);
  }
}

TEST_F(ForgedStoreTest, WhatCannotBeReadAgainIsNotWritten) {
  store_.write_log({{format::Counters{1, 1, 0xF000'0000}, test::forged_disk()}});
  const auto store = open();
  ASSERT_TRUE(store);
  const Status appended = (*store)->log().update([](const State&) -> Result<Transaction> {
    return Transaction{SegmentRecord{0xF000'0001, 4096}};
  });
  EXPECT_FALSE(appended);
  EXPECT_TRUE((*store)->log().update([](const State&) -> Result<Transaction> {
    return Transaction{SegmentRecord{1, 4096}};
  })) << "a refused record does not break the log off";
  EXPECT_TRUE(open());
}

TEST_F(ForgedStoreTest, NumbersInUseAreNotGivenAgain) {
  store_.write_log({{format::Counters{1, 1, 1}, test::forged_disk(), SegmentRecord{9, 4096}}});
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ((*store)->state()->counters, (format::Counters{2, 1, 10}));
}

TEST_F(ForgedStoreTest, SpecialFilesAreDamageAndNothingWaitsForThem) {
  for (const char* name : {"format", "index", "disks/1/log"}) {
    write_snapshot();
    const std::string file = store_.file(name);
    std::filesystem::rename(file, dir_.file("kept"));
    ASSERT_EQ(::mkfifo(file.c_str(), 0600), 0);
    const auto opened = open();
    ASSERT_FALSE(opened) << name;
    EXPECT_EQ(opened.error().code, Errc::kIntegrity) << name;
    std::filesystem::rename(dir_.file("kept"), file);
  }
  std::filesystem::remove(store_.file("disks/1/segments/2"));
  ASSERT_EQ(::mkfifo(store_.file("disks/1/segments/2").c_str(), 0600), 0);
  const auto store = open();
  ASSERT_TRUE(store);
  EXPECT_EQ(delete_snapshot(**store, 1).error().code, Errc::kIntegrity);
  std::filesystem::remove(store_.file("disks/1/segments/2"));
  ASSERT_EQ(::mkfifo(store_.file("disks/1/segments/77").c_str(), 0600), 0);
  EXPECT_FALSE((*store)->remove_orphans());
}

TEST_F(ForgedStoreTest, AHugeHoleBehindALogCostsNothing) {
  write_snapshot();
  ASSERT_EQ(::truncate(store_.file("disks/1/log").c_str(), off_t{1} << 42), 0);
  EXPECT_TRUE(open());
  // Records behind the hole are found nevertheless.
  const auto lost =
      format::encode_record(store_.header().secret, {1, 9, 1}, {format::DiskRemoved{1}});
  store_.write("disks/1/log", std::uint64_t{1} << 41, lost);
  EXPECT_EQ(open().error().code, Errc::kIntegrity);
}

TEST_F(ForgedStoreTest, ForgedBeginningsOfLongRecordsAreNotVerifiedOneByOne) {
  write_snapshot();
  // Each claims 64 MiB, so that all together would be 512 GiB to verify.
  std::vector<std::byte> heads(8192 * 4096);
  for (std::size_t at = 0; at < heads.size(); at += 4096) {
    std::memcpy(heads.data() + at, "RCR2", 4);
    const std::uint32_t length = format::kMaxRecordPayloadBytes;
    std::memcpy(heads.data() + at + 4, &length, sizeof length);
    const std::uint64_t sequence = 2 + at / 4096;
    std::memcpy(heads.data() + at + 8, &sequence, sizeof sequence);
  }
  store_.write("disks/1/log", std::filesystem::file_size(store_.file("disks/1/log")), heads);
  ASSERT_EQ(::truncate(store_.file("disks/1/log").c_str(), 256 << 20), 0);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kIntegrity);
}

TEST_F(ForgedStoreTest, ARecordOfManyShortEntriesTakesNoMoreMemoryThanWhatItLeaves) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers take address space of their own";
#endif
  Transaction transaction;
  for (std::uint32_t i = 0; i < 400'000; ++i) transaction.emplace_back(format::SegmentRemoved{i});
  store_.write_log({{test::forged_disk()}, transaction, transaction});
  transaction = {};
  // As values they would be 400,000 times a snapshot's record.
  const auto child = ::fork();
  if (child == 0) {
    rlimit limit{96 << 20, 96 << 20};
    std::ifstream statm("/proc/self/statm");
    std::uint64_t pages = 0;
    statm >> pages;
    limit.rlim_cur = limit.rlim_max = pages * 4096 + limit.rlim_cur;
    if (::setrlimit(RLIMIT_AS, &limit) != 0) ::_exit(3);
    io::LocalEnvOptions options;
    options.allow_io_uring = false;
    const auto env = io::make_local_env(options);
    const auto store = Store::open(*env, store_.path());
    ::_exit(store && (*store)->history(1) ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
}

TEST_F(ForgedStoreTest, ALongChainOfTombstonesIsFollowedOnce) {
  State state;
  constexpr std::uint64_t kCount = 200'000;
  for (std::uint64_t number = 1; number <= kCount; ++number) {
    SnapshotRecord record;
    record.number = number;
    record.state = number == 1 || number == kCount ? format::SnapshotState::kAccomplished
                                                   : format::SnapshotState::kTombstone;
    if (number > 1) record.kin = {number - 1, number};  // and itself
    if (number == 2) record.kin.push_back(kCount);      // a ring
    state.apply(format::JournalEntry{record});
  }
  EXPECT_EQ(state.holders_near(1), std::vector<format::SnapshotNumber>{kCount});
  EXPECT_EQ(state.holders_near(kCount / 2), (std::vector<format::SnapshotNumber>{1, kCount}));
}

TEST_F(ForgedStoreTest, KinThatShareATreeAreReadOnce) {
  format::Node leaf;
  leaf.entries[0] = chunk(2, 4);
  format::Node other;
  other.entries[0] = chunk(2, 5);
  store_.write_segment(1, {store_.node_block(leaf), store_.node_block(other)});
  store_.write_segment(2, std::vector<std::vector<std::byte>>(8, std::vector<std::byte>(4096)));
  Transaction transaction{test::forged_disk(), store_.snapshot_of(leaf, 1, 1),
                          SegmentRecord{1, 8192}, SegmentRecord{2, 8192}};
  // As nodes in memory they would be 5 KiB each.
  for (std::uint64_t number = 2; number < 100'000; ++number) {
    SnapshotRecord kin = store_.snapshot_of(other, 1, 2);
    kin.number = number;
    kin.id = "s-" + std::to_string(number);
    kin.name.clear();
    kin.kin = {1};
    transaction.emplace_back(std::move(kin));
  }
  store_.write_log({transaction});
  const auto store = open();
  ASSERT_TRUE(store) << store.error().to_string();
  const auto freed = delete_snapshot(**store, 1);
  ASSERT_TRUE(freed) << freed.error().to_string();
  EXPECT_EQ(*freed, 8192U);
}

TEST_F(ForgedStoreTest, ChunksBehindTheEndOfTheDeviceAreDamage) {
  format::Node leaf;
  leaf.entries[3] = chunk(2, 4);
  EXPECT_TRUE(format::check_node_end(leaf, {4 * 4096, 4096}));
  EXPECT_TRUE(format::check_node_end(leaf, {3 * 4096 + 1, 4096}));
  EXPECT_FALSE(format::check_node_end(leaf, {3 * 4096, 4096}));
  leaf.level = 6;  // 2^50 chunks, in 256 entries of this level
  leaf.index = 1;
  EXPECT_TRUE(format::check_node_end(leaf, {kMaxDeviceBytes, 4096}));
  leaf.index = 2;
  EXPECT_FALSE(format::check_node_end(leaf, {kMaxDeviceBytes, 4096}));
  leaf = {};
  leaf.entries[4] = chunk(2, 4);
  store_.write_segment(1, {store_.node_block(leaf)});
  store_.write_log({{test::forged_disk(), store_.snapshot_of(leaf, 1, 1), SegmentRecord{1, 4096},
                     SegmentRecord{2, 8192}}});
  const auto store = open();
  ASSERT_TRUE(store);
  const auto queue = env_->make_queue({.depth = 4});
  TreeReader reader((*store)->files(), **queue, (*store)->secret());
  TreeCursor cursor(reader, tree_of(*(*store)->state()->snapshot(1)));
  EXPECT_EQ(cursor.leaf(0).error().code, Errc::kIntegrity);
}

TEST_F(ForgedStoreTest, ASegmentsFolderThatIsALinkIsRefusedAndNoDamage) {
  write_snapshot();
  std::filesystem::rename(store_.file("disks/1/segments"), dir_.file("elsewhere"));
  ASSERT_EQ(::symlink(dir_.file("elsewhere").c_str(), store_.file("disks/1/segments").c_str()), 0);
  const auto opened = open();
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kPrecondition);
  EXPECT_FALSE(words_of(opened.error()).empty());
}

TEST_F(ForgedStoreTest, FilesOfOthersAreRefused) {
  write_snapshot();
  ASSERT_EQ(::chmod(store_.path().c_str(), 0777), 0);
  EXPECT_EQ(open().error().code, Errc::kPrecondition);
  ASSERT_EQ(::chmod(store_.path().c_str(), 0700), 0);
  ASSERT_EQ(::chmod(store_.file("disks/1/log").c_str(), 0666), 0);
  EXPECT_EQ(open().error().code, Errc::kPrecondition);
  ASSERT_EQ(::chmod(store_.file("disks/1/log").c_str(), 0644), 0);
  EXPECT_TRUE(open());
}

TEST_F(ForgedStoreTest, WhatRootMakesInAUsersStoreIsTheUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  constexpr uid_t kUser = 65534;
  store_.write_log({{format::Counters{1, 1, 1}, test::forged_disk()}});
  for (const char* name :
       {"", "/format", "/index", "/disks", "/disks/1", "/disks/1/log", "/disks/1/segments"}) {
    ASSERT_EQ(::chown((store_.path() + name).c_str(), kUser, kUser), 0);
  }
  const auto store = open();
  ASSERT_TRUE(store);
  auto writer = (*store)->make_writer();
  ASSERT_TRUE(writer);
  ASSERT_TRUE((*writer)->reserve(4096));
  ASSERT_TRUE((*store)->log().update(
      [](const State&) -> Result<Transaction> { return Transaction{test::forged_disk()}; }));
  ASSERT_TRUE(*(*store)->log().checkpoint(true));
  for (const std::string name : {"disks/1/log", "disks/1/segments/1"}) {
    struct stat status = {};
    ASSERT_EQ(::stat(store_.file(name).c_str(), &status), 0) << name;
    EXPECT_EQ(status.st_uid, kUser) << name;
    EXPECT_EQ(status.st_gid, kUser) << name;
  }
}

// A disk that says that it is a clone of disk 1, with one leaf in a segment of that.
class ForgedCloneTest : public ForgedStoreTest {
 protected:
  static constexpr format::SegmentId kOwnFrom = 3;

  void SetUp() override {
    leaf_.entries[0] = chunk(2, 1);
    store_.write_segment(1, {store_.node_block(leaf_)});
    store_.write_segment(2, {format::random_bytes(4096, 4)});
    std::filesystem::create_directories(store_.file("disks/2/segments"));
    std::filesystem::permissions(store_.file("disks/2"), std::filesystem::perms::owner_all);
    std::filesystem::permissions(store_.file("disks/2/segments"),
                                 std::filesystem::perms::owner_all);
    clone_.number = 2;
    clone_.id = "d-clone";
    origin_ = {2, 1, "s-forged", {{1, kOwnFrom}}};
  }
  // The clone, whose log has these entries beside its disk and a snapshot.
  [[nodiscard]] Result<std::shared_ptr<History>> open_clone(Transaction entries,
                                                            bool with_origin_disk = true) {
    SnapshotRecord snapshot = store_.snapshot_of(leaf_, 1, 1);
    snapshot.disk = 2;
    entries.insert(entries.begin(), {clone_, snapshot});
    for (const char* log : {"disks/1/log", "disks/2/log", "index"}) {
      std::filesystem::remove(store_.file(log));
    }
    store_.write_log("disks/1/log", 1, {{test::forged_disk()}});
    store_.write_log("disks/2/log", 2, {entries});
    Transaction index = {clone_, origin_};
    if (with_origin_disk) index.emplace_back(test::forged_disk());
    store_.write_log("index", format::kIndexLog, {index});
    BLKREWIND_ASSIGN(opened_, Store::open(*env_, store_.path()));
    return opened_->history(2);
  }

  format::Node leaf_;
  format::DiskRecord clone_ = test::forged_disk();
  format::OriginRecord origin_;
};

TEST_F(ForgedCloneTest, ReadsTheSegmentsThatItsOriginNames) {
  const auto clone = open_clone({origin_, SegmentRecord{kOwnFrom, 0}});
  ASSERT_TRUE(clone) << clone.error().to_string();
  const auto queue = env_->make_queue({.depth = 1});
  EXPECT_TRUE((*clone)->files().get(1, **queue));
  EXPECT_EQ((*clone)->files().get(kOwnFrom, **queue).error().code, Errc::kIntegrity);
  EXPECT_EQ((*clone)->files().open_for_punching(1, **queue).error().code, Errc::kIntegrity);
}

TEST_F(ForgedCloneTest, NamesNoSegmentOfItsOriginAsItsOwn) {
  for (const format::SegmentId id : {1U, kOwnFrom - 1}) {
    const auto clone = open_clone({origin_, SegmentRecord{id, 8192}});
    ASSERT_FALSE(clone);
    EXPECT_EQ(clone.error().code, Errc::kIntegrity);
    EXPECT_FALSE(words_of(clone.error()).empty());
  }
  format::OriginRecord other = origin_;
  other.disk = 3;
  EXPECT_EQ(open_clone({other}).error().code, Errc::kIntegrity) << "an entry of another log";
}

// The bound is too low, or there is no such disk: what is shared is missing, and nothing else.
TEST_F(ForgedCloneTest, WhatAWrongOriginLeadsToIsMissing) {
  const auto expect_missing = [&](format::SegmentId id) {
    const auto clone = open_clone({origin_}, false);
    ASSERT_TRUE(clone) << clone.error().to_string();
    const auto queue = env_->make_queue({.depth = 1});
    const auto file = (*clone)->files().get(id, **queue);
    ASSERT_FALSE(file);
    EXPECT_EQ(file.error().code, Errc::kIntegrity);
    EXPECT_FALSE(words_of(file.error()).empty());
  };
  origin_.shares = {{1, 1}};
  expect_missing(1);
  origin_ = {2, 1, "s-forged", {{1, kOwnFrom}}};
  std::filesystem::remove_all(store_.file("disks/1/segments"));
  expect_missing(1);
}

TEST_F(ForgedCloneTest, DeletesNothingOfItsOrigin) {
  const auto bytes_of = [&](const char* name) {
    std::ifstream in(store_.file(name), std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  };
  const std::string node = bytes_of("disks/1/segments/1");
  const std::string chunk = bytes_of("disks/1/segments/2");
  const auto clone = open_clone({origin_});
  ASSERT_TRUE(clone) << clone.error().to_string();
  const auto freed = delete_snapshot(**clone, 1);
  ASSERT_TRUE(freed) << freed.error().to_string();
  EXPECT_EQ(*freed, 0U);
  EXPECT_EQ(bytes_of("disks/1/segments/1"), node);
  EXPECT_EQ(bytes_of("disks/1/segments/2"), chunk);
}

}  // namespace
}  // namespace blkrewind::store
