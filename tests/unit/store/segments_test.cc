// Creating and opening the store, segment writers, orphans.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "support/errors.h"
#include "unit/store/store_fixture.h"

namespace blkrewind::store {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class SegmentsTest : public StoreTest {
 protected:
  std::size_t files() { return must(env_.list_directory(layout_.segments(1))).size(); }
};

TEST_F(SegmentsTest, OpeningWritesNothing) {
  const auto before = env_.mutations();
  const auto again = must(Store::open(env_, kPath));
  EXPECT_EQ(env_.mutations(), before);
  EXPECT_EQ(again->header().uuid, store_->header().uuid);
  EXPECT_EQ(again->secret(), store_->secret());
}

TEST_F(SegmentsTest, TwoStoresHaveNothingInCommon) {
  must(Store::create(env_, "/other"));
  const auto other = must(Store::open(env_, "/other"));
  EXPECT_NE(other->header().uuid, store_->header().uuid);
  EXPECT_NE(other->secret(), store_->secret());
}

TEST_F(SegmentsTest, CreateRefusesWhatIsNotItsOwn) {
  EXPECT_EQ(Store::create(env_, kPath).error().code, Errc::kAlreadyExists);
  env_.add_device("/home/letter.txt", 10);
  const auto refused = Store::create(env_, "/home");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kInvalidArgument);
  EXPECT_TRUE(*env_.exists("/home/letter.txt"));
  EXPECT_EQ(Store::open(env_, "/home").error().code, Errc::kNotFound);
  EXPECT_EQ(Store::open(env_, "/nowhere").error().code, Errc::kNotFound);
}

TEST_F(SegmentsTest, CreateKeepsAnotherProgramsFilesOfItsNames) {
  const std::string letter = "dear diary";
  for (const char* name : {"index", "format.new"}) {
    const std::string folder = std::string("/of-") + name;
    const std::string file = folder + "/" + name;
    env_.add_device(file, 4096);
    env_.poke(file, 0, std::as_bytes(std::span(letter)));
    const auto before = env_.contents(file);
    const auto refused = Store::create(env_, folder);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, Errc::kInvalidArgument);
    EXPECT_EQ(env_.contents(file), before);
  }
}

TEST_F(SegmentsTest, AStoreThatLostItsFormatFileIsDamageNotNothing) {
  must(env_.remove(layout_.format()));
  const auto opened = Store::open(env_, kPath);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kIntegrity);
  EXPECT_EQ(words_of(opened.error()).find("store init"), std::string::npos);
}

TEST_F(SegmentsTest, AFormatFileOfAnotherLengthIsNoStore) {
  for (const std::uint64_t size : {std::uint64_t{0}, std::uint64_t{4095}, std::uint64_t{8192}}) {
    const auto whole = env_.contents(layout_.format());
    env_.set_size(layout_.format(), size);
    const auto opened = Store::open(env_, kPath);
    ASSERT_FALSE(opened) << size;
    EXPECT_EQ(opened.error().code, Errc::kIntegrity);
    EXPECT_FALSE(words_of(opened.error()).empty());
    env_.set_size(layout_.format(), whole.size());
    env_.poke(layout_.format(), 0, whole);
  }
  EXPECT_TRUE(Store::open(env_, kPath));
}

TEST_F(SegmentsTest, AMissingLogIsDamageNotAnEmptyHistory) {
  must(env_.remove(layout_.log(1)));
  const auto opened = must(Store::open(env_, kPath));
  const auto history = opened->history(1);
  ASSERT_FALSE(history);
  EXPECT_EQ(history.error().code, Errc::kIntegrity);
  must(env_.remove(layout_.log(format::kIndexLog)));
  const auto without = Store::open(env_, kPath);
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, Errc::kIntegrity);
}

TEST_F(SegmentsTest, AnIndexThatIsGoneWhileItIsUsedIsDamage) {
  must(env_.remove(layout_.log(format::kIndexLog)));
  const Status read = store_->index().refresh();
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().code, Errc::kIntegrity);
  EXPECT_THAT(words_of(read.error()), HasSubstr("backup"));
  EXPECT_EQ(store_->info().error().code, Errc::kIntegrity);
  must(env_.remove(layout_.log(1)));
  EXPECT_EQ(history_->log().refresh().error().code, Errc::kIntegrity);
}

// What another process has removed is not damage.
TEST_F(SegmentsTest, ADiskThatIsRemovedMeanwhileIsNotFound) {
  (void)add_disk(*store_, "d-2");
  const auto before = must(Store::open(env_, kPath));  // has not read the log
  const auto reader = must(Store::open(env_, kPath));
  must(reader->history(2));
  must(store_->remove_disk(2));
  for (Store* late : {before.get(), reader.get()}) {
    ASSERT_TRUE(late->disks()->disks.contains(2)) << "as it was when the index was read";
    const auto history = late->history(2);
    ASSERT_FALSE(history);
    EXPECT_EQ(history.error().code, Errc::kNotFound);
    EXPECT_FALSE(late->disks()->disks.contains(2));
    EXPECT_EQ(must(late->info()).disks, 1U);
  }
}

class LostDisk : public SegmentsTest {
 protected:
  void SetUp() override {
    SegmentsTest::SetUp();
    const auto history = add_disk(*store_, "d-2");
    auto writer = must(history->make_writer());
    must(writer->reserve(4096));
    const auto q = queue();
    must(writer->seal(*q));
    writer->keep();
    store_ = must(Store::open(env_, kPath));
  }

  std::set<std::string> names() {
    const auto all = must(env_.list_directory(layout_.disks()));
    return {all.begin(), all.end()};
  }
  // By a process that has not read the log before.
  void expect_refused(Errc code) {
    store_ = must(Store::open(env_, kPath));
    const auto refused = store_->remove_lost_disk(2);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, code) << refused.error().to_string();
    EXPECT_TRUE(store_->disks()->disks.contains(2));
    EXPECT_EQ(must(env_.list_directory(layout_.segments(2))).size(), 1U) << "its data stays";
  }
};

TEST_F(LostDisk, IsRemovedIfItsLogIsGoneOrDamaged) {
  for (const bool gone : {true, false}) {
    if (gone) must(env_.remove(layout_.log(2)));
    if (!gone) env_.set_size(layout_.log(3), 100);
    const format::DiskNumber disk = gone ? 2 : 3;
    const auto known = must(store_->info());
    EXPECT_EQ(known.disks, 2U);
    ASSERT_THAT(known.unreadable_disks, SizeIs(1));
    EXPECT_EQ(known.unreadable_disks[0].error.code, Errc::kIntegrity);
    EXPECT_THAT(words_of(known.unreadable_disks[0].error), HasSubstr("disk forget"));
    EXPECT_EQ(must(store_->remove_lost_disk(disk)).code, Errc::kIntegrity);
    EXPECT_EQ(names(), (std::set<std::string>{"1"}));
    EXPECT_EQ(store_->history(disk).error().code, Errc::kNotFound);
    EXPECT_EQ(store_->remove_lost_disk(disk).error().code, Errc::kNotFound);
    if (gone) (void)add_disk(*store_, "d-3");
    store_ = must(Store::open(env_, kPath));
  }
  EXPECT_TRUE(store_->history(1));
}

TEST_F(LostDisk, IsRemovedIfItsFolderIsGone) {
  must(env_.rename(layout_.disk(2), "/aside"));
  EXPECT_EQ(must(store_->remove_lost_disk(2)).code, Errc::kIntegrity);
  EXPECT_EQ(store_->history(2).error().code, Errc::kNotFound);
  EXPECT_TRUE(*env_.exists("/aside/log"));
}

TEST_F(LostDisk, StaysWhileItsLogMayBeIntact) {
  expect_refused(Errc::kPrecondition);
  env_.inject({.kinds = {sim::OpKind::kRead}, .path = "disks/2/log", .from_then_on = true});
  expect_refused(Errc::kIo);
  env_.clear_faults();
  env_.inject({.kinds = {sim::OpKind::kRead}, .path = "disks/2/log", .nth = 3});
  expect_refused(Errc::kIo);
  env_.clear_faults();
  env_.inject({.kinds = {sim::OpKind::kOpen},
               .path = "disks/2/log",
               .from_then_on = true,
               .error = EACCES});
  expect_refused(Errc::kIo);
  env_.clear_faults();
  env_.set_size(layout_.log(2), 100);
  const auto other = must(Store::open(env_, kPath));
  const auto owner = must(other->home().take_lease(2, io::LockMode::kExclusive));
  expect_refused(Errc::kBusy);
}

TEST_F(LostDisk, FilesOfAnotherDiskAreNotRemoved) {
  must(env_.remove(layout_.log(2)));
  must(env_.rename(layout_.log(1), layout_.log(2)));
  expect_refused(Errc::kPrecondition);
  must(env_.rename(layout_.log(2), layout_.log(1)));
  must(env_.rename(layout_.segment(2, 1), layout_.segment(2, 7)));
  expect_refused(Errc::kPrecondition);
  must(env_.remove(layout_.segment(2, 7)));
  EXPECT_TRUE(store_->remove_lost_disk(2));
  EXPECT_TRUE(store_->history(1));
}

TEST_F(SegmentsTest, UnknownReadOnlyFeaturesMayBeReadAndNotWritten) {
  format::StoreHeader header = store_->header();
  header.read_only_compatible = 4;
  std::array<std::byte, format::kStoreHeaderBytes> block;
  format::encode_store_header(header, block);
  env_.poke(layout_.format(), 0, block);
  const auto opened = must(Store::open(env_, kPath));
  EXPECT_TRUE(opened->info());
  EXPECT_EQ(opened->check_writable().error().code, Errc::kUnsupported);
  EXPECT_EQ(opened->lease(1).error().code, Errc::kUnsupported);
  EXPECT_EQ(opened->remove_strays().error().code, Errc::kUnsupported);
  EXPECT_EQ(opened
                ->add_disk([](const State&, format::DiskNumber) -> Result<format::Transaction> {
                  return format::Transaction{format::Counters{}};
                })
                .error()
                .code,
            Errc::kUnsupported);
}

TEST(StoreCreate, APowerCutLeavesAStoreOrNothing) {
  for (std::uint64_t cut = 0;; ++cut) {
    sim::SimulatedEnv env({.crash_after = cut});
    const bool done = Store::create(env, "/store").has_value();
    const bool cut_off = env.power_is_off();
    env.crash_states(150, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
      const bool there = must(Store::exists(*after, "/store"));
      EXPECT_TRUE(there || !done) << "made, and lost: " << what;
      if (!there) must(Store::create(*after, "/store"));
      const auto opened = Store::open(*after, "/store");
      EXPECT_TRUE(opened) << "cut " << cut << ": " << what;
      return !testing::Test::HasFailure();
    });
    if (!cut_off || testing::Test::HasFailure()) break;
  }
}

TEST_F(SegmentsTest, RoomIsWholeBlocksBehindTheHeaderAndNeverTwice) {
  auto writer = must(history_->make_writer());
  const auto first = must(writer->reserve(1));
  const auto second = must(writer->reserve(4097));
  const auto third = must(writer->reserve(4096));
  EXPECT_EQ(first.block, 1U) << "block 0 is the header";
  EXPECT_EQ(second.block, 2U);
  EXPECT_EQ(third.block, 4U);
  EXPECT_EQ(first.segment, third.segment);
  const auto q = queue();
  const auto node = must(writer->append_node(*q, {}));
  EXPECT_NE(node.segment, first.segment) << "nodes lie together, apart from chunks";
  must(writer->seal(*q));
  const auto records = writer->records();
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].live_bytes, 4U * 4096);
  EXPECT_EQ(records[1].live_bytes, 4096U);
}

TEST_F(SegmentsTest, ASegmentEndsAtSixtyFourGibibytes) {
  auto writer = must(history_->make_writer());
  std::map<format::SegmentId, std::uint64_t> ends;
  for (int i = 0; i < 1100; ++i) {
    const auto placement = must(writer->reserve(64 * kMiB));
    const std::uint64_t begin = placement.block * format::kBlockBytes;
    std::uint64_t& end = ends[placement.segment];
    EXPECT_EQ(begin, end == 0 ? format::kBlockBytes : end);
    end = begin + 64 * kMiB;
    ASSERT_LE(end, 64 * kGiB);
  }
  EXPECT_THAT(ends, SizeIs(2));
}

TEST_F(SegmentsTest, WritersNeverShareASegment) {
  auto a = must(history_->make_writer());
  auto b = must(history_->make_writer());
  EXPECT_NE(must(a->reserve(1)).segment, must(b->reserve(1)).segment);
}

TEST_F(SegmentsTest, WhatIsNotKeptIsGone) {
  {
    auto writer = must(history_->make_writer());
    must(writer->reserve(1));
    EXPECT_EQ(files(), 1U);
  }
  EXPECT_EQ(files(), 0U);
  {
    auto writer = must(history_->make_writer());
    must(writer->reserve(1));
    must(writer->seal(*queue()));
    writer->keep();
  }
  EXPECT_EQ(files(), 1U);
}

TEST_F(SegmentsTest, SealMakesEverythingDurable) {
  const auto q = queue();
  auto writer = must(history_->make_writer());
  const auto placement = must(writer->reserve(4096));
  AlignedBuffer bytes(4096);
  std::memset(bytes.data(), 7, bytes.size());
  must(io::write_now(*q, *placement.file, {placement.block * format::kBlockBytes, 4096},
                     bytes.data()));
  format::Node node;
  node.entries[0] = {.state = format::EntryState::kAbsent, .digest = {1, 1}};
  const auto entry = must(writer->append_node(*q, node));
  must(writer->seal(*q));
  const auto crashed = env_.crash(1);
  const auto store = must(Store::open(*crashed, kPath));
  const auto after = must(store->history(1));
  const auto other = must(crashed->make_queue({.depth = 4}));
  const auto file = must(after->files().get(placement.segment, *other));
  must(io::read_now(*other, *file, {placement.block * format::kBlockBytes, 4096}, bytes.data()));
  EXPECT_EQ(bytes.span().back(), std::byte{7});
  TreeReader reader(after->files(), *other, after->secret());
  EXPECT_EQ(must(reader.load(entry, 0, 0)).entries, node.entries);
}

TEST_F(SegmentsTest, WhatAFormerOwnerLeftIsAnOrphanAndItsNumberIsGone) {
  format::SegmentId taken = 0;
  {
    const auto lease = must(store_->lease(1));
    auto crashed = must(history_->make_writer());
    taken = must(crashed->reserve(1)).segment;
    must(crashed->seal(*queue()));
    crashed->keep();  // and its record was never written
  }
  env_.add_device("/store/disks/1/segments/notes.txt", 5);
  const auto lease = must(store_->lease(1));
  const auto gone = must(history_->remove_orphans());
  EXPECT_EQ(gone.files, 1U);
  EXPECT_EQ(gone.bytes, 4096U) << "its header; the rest is a hole";
  EXPECT_EQ(files(), 1U) << "a file that is no segment is not ours";
  auto writer = must(history_->make_writer());
  EXPECT_GT(must(writer->reserve(1)).segment, taken);
}

// A former owner that lives on may remove what it made while the next one lists it.
TEST_F(SegmentsTest, AnOrphanThatAnotherRemovesFirstIsNoError) {
  for (int i = 0; i < 2; ++i) {
    auto crashed = must(history_->make_writer());
    must(crashed->reserve(1));
    must(crashed->seal(*queue()));
    crashed->keep();
  }
  std::string first;
  env_.set_after_listing([&] {
    first = must(env_.list_directory("/store/disks/1/segments")).front();
    must(env_.remove("/store/disks/1/segments/" + first));
  });
  const auto gone = history_->remove_orphans();
  ASSERT_TRUE(gone) << gone.error().to_string();
  EXPECT_NE(first, "");
  EXPECT_EQ(gone->files, 1U);
  EXPECT_EQ(files(), 0U);
}

TEST_F(SegmentsTest, SegmentsOfTheLogAreNoOrphans) {
  auto writer = must(history_->make_writer());
  must(writer->reserve(1));
  must(writer->seal(*queue()));
  writer->keep();
  const auto records = writer->records();
  writer.reset();
  must(history_->log().update([&](const State&) -> Result<format::Transaction> {
    return format::Transaction{records.front()};
  }));
  EXPECT_EQ(must(history_->remove_orphans()).files, 0U);
  EXPECT_EQ(files(), 1U);
}

TEST_F(SegmentsTest, AMissingOrForeignSegmentIsNamed) {
  const auto q = queue();
  const auto missing = history_->files().get(77, *q);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Errc::kIntegrity);
  EXPECT_THAT(missing.error().message, HasSubstr("segment 77"));
  EXPECT_FALSE(words_of(missing.error()).empty());
  env_.add_device("/store/disks/1/segments/78", 8192);
  EXPECT_EQ(history_->files().get(78, *q).error().code, Errc::kIntegrity);
}

TEST_F(SegmentsTest, ADiskHasOneOwner) {
  const auto second = add_disk(*store_, "d-2");
  auto held = must(store_->lease(1));
  EXPECT_TRUE(*store_->has_owner(1));
  EXPECT_FALSE(*store_->has_owner(2));
  EXPECT_TRUE(store_->lease(2));
  const auto other = must(Store::open(env_, kPath));
  const auto busy = other->lease(1);
  ASSERT_FALSE(busy);
  EXPECT_EQ(busy.error().code, Errc::kBusy);
  EXPECT_FALSE(words_of(busy.error()).empty());
  EXPECT_EQ(other->lease_for_reading(1).error().code, Errc::kBusy);
  held.reset();
  const auto reading = must(other->lease_for_reading(1));
  EXPECT_EQ(store_->lease(1).error().code, Errc::kBusy);
  EXPECT_TRUE(store_->lease_for_reading(1)) << "readers exclude owners only";
}

TEST_F(SegmentsTest, EachOwnersRecordsNameItsEpoch) {
  const auto put = [&](Log& log) {
    return log.update([](const State&) -> Result<format::Transaction> {
      return format::Transaction{format::SegmentRecord{1, 2}};
    });
  };
  std::uint64_t before = history_->log().epoch();
  for (int i = 0; i < 3; ++i) {
    const auto lease = must(store_->lease(1));
    must(history_->log().refresh());
    const std::uint64_t now = history_->log().epoch();
    EXPECT_EQ(now, before + 1);
    must(put(history_->log()));
    must(put(history_->log()));
    EXPECT_EQ(history_->log().epoch(), now) << "one owner, one epoch";
    before = now;
  }
  // Who owns nothing appends under the epoch that is.
  must(put(history_->log()));
  EXPECT_EQ(history_->log().epoch(), before);
  const auto other = must(Store::open(env_, kPath));
  EXPECT_EQ(must(other->history(1))->log().epoch(), before);
}

// What is built for the index may differ each time: its append can be stale.
TEST_F(SegmentsTest, TheLogOfANewDiskSaysWhatTheIndexSays) {
  const auto other = must(Store::open(env_, kPath));
  int built = 0;
  must(
      store_->add_disk([&](const State&, format::DiskNumber number) -> Result<format::Transaction> {
        format::DiskRecord disk;
        disk.number = number;
        disk.id = "d-built" + std::to_string(++built);
        if (built == 2) (void)add_disk(*other, "d-between");
        return format::Transaction{disk};
      }));
  EXPECT_EQ(built, 3) << "no append was stale";
  for (const auto held = store_->disks(); const auto& [number, disk] : held->disks) {
    EXPECT_EQ(must(store_->history(number))->state()->disk(number)->id, disk.id);
  }
}

// An index that was brought back from an older copy does not know the disks that were added since.
TEST_F(SegmentsTest, ADiskThatTheIndexDoesNotKnowStays) {
  const std::string index = layout_.log(format::kIndexLog);
  const std::vector<std::byte> older = env_.contents(index);
  (void)add_disk(*store_, "d-2");
  const std::vector<std::byte> log = env_.contents(layout_.log(2));
  store_.reset();
  must(env_.remove(index));
  env_.add_device(index, older.size());
  env_.poke(index, 0, older);
  const auto again = must(Store::open(env_, kPath));
  for (int attempt = 0; attempt < 3; ++attempt) {
    const auto added =
        again->add_disk([](const State&, format::DiskNumber number) -> Result<format::Transaction> {
          format::DiskRecord disk;
          disk.number = number;
          disk.id = "d-new";
          return format::Transaction{disk};
        });
    ASSERT_FALSE(added);
    EXPECT_EQ(added.error().code, Errc::kIntegrity);
    EXPECT_THAT(added.error().message, HasSubstr("disk 2"));
    EXPECT_FALSE(words_of(added.error()).empty());
    must(again->remove_strays());
    EXPECT_EQ(env_.contents(layout_.log(2)), log);
  }
}

// A disk is in the index or it is not; what is there of one that is not goes.
TEST(StoreDisks, APowerCutWhileADiskIsAddedOrRemovedLeavesItOrNothing) {
  for (const bool removes : {false, true}) {
    for (std::uint64_t cut = 0;; ++cut) {
      SCOPED_TRACE(std::string(removes ? "remove" : "add") + ", cut " + std::to_string(cut));
      sim::SimulatedEnv env({.seed = cut + 1});
      must(Store::create(env, "/store"));
      const auto store = must(Store::open(env, "/store"));
      (void)add_disk(*store, "d-first");
      const auto id = [](const State&, format::DiskNumber number) -> Result<format::Transaction> {
        format::DiskRecord disk;
        disk.number = number;
        disk.id = "d-second";
        return format::Transaction{disk};
      };
      if (removes) must(store->add_disk(id));
      const auto find = [](Store& in) {
        for (const auto held = in.disks(); const auto& [number, disk] : held->disks) {
          if (disk.id == "d-second") return number;
        }
        return format::DiskNumber{0};
      };
      const format::DiskNumber there = find(*store);
      env.set_crash_after(env.mutations() + cut);
      const bool done = (removes ? store->remove_disk(there) : store->add_disk(id)).has_value();
      const bool cut_off = env.power_is_off();
      env.crash_states(40, [&](std::unique_ptr<sim::SimulatedEnv> after, const std::string& what) {
        SCOPED_TRACE(what);
        const auto again = must(Store::open(*after, "/store"));
        const format::DiskNumber found = find(*again);
        if (done) {
          EXPECT_EQ(found != 0, !removes);
        }
        if (found != 0) {
          EXPECT_EQ(must(again->history(found))->state()->disk(found)->id, "d-second");
        }
        must(again->remove_strays());
        const auto names = must(after->list_directory("/store/disks"));
        EXPECT_EQ(names.size(), again->disks()->disks.size());
        EXPECT_EQ(must(again->history(1))->state()->disk(1)->id, "d-first");
        if (found == 0) must(again->add_disk(id));
        return !testing::Test::HasFailure();
      });
      if (!cut_off || testing::Test::HasFailure()) break;
    }
  }
}

}  // namespace
}  // namespace blkrewind::store
