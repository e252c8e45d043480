// A disk whose log cannot be read: the others go on, and it is never taken for one without
// snapshots.
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::HasSubstr;

struct LogDamage {
  const char* name;
  void (*apply)(const std::string& log);
};
void cut_off(const std::string& log) { std::filesystem::resize_file(log, 100); }
// All but its header, as an extent that a file system has lost: intact, and without a record.
void zero_records(const std::string& log) {
  const auto size = std::filesystem::file_size(log);
  std::filesystem::resize_file(log, 4096);
  std::filesystem::resize_file(log, size);
}

// Its tail block is damaged, and all but the first records are cut off: what they named is there.
void cut_behind_bad_tail(const std::string& log) {
  std::filesystem::resize_file(log, 8192 + 2 * 4096);
  std::fstream file(log, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(4096 + 16);
  file << '\x55';
}

class UnreadableDisk : public EngineTest, public testing::WithParamInterface<LogDamage> {
 protected:
  // Both have a snapshot of the name "same"; then the log of the first disk is damaged.
  void SetUp() override {
    EngineTest::SetUp();
    other_image_ = make_image("other.img", 'b');
    lost_ = take(image_, "same");
    take(image_, "only");
    kept_ = take(other_image_, "same");
    const auto disks = engine_->disks();
    ASSERT_TRUE(ok(disks));
    lost_disk_ = disks->at(0).id;
    kept_disk_ = disks->at(1).id;
    ASSERT_TRUE(ok(engine_->create_instance("i-one", "")));
    ASSERT_TRUE(ok(engine_->detach_disk(lost_disk_)));
    ASSERT_TRUE(ok(engine_->attach_disk(lost_disk_, "i-one")));
    engine_.reset();
    GetParam().apply(directory_.file("store/disks/1/log"));
    engine_ = open();
  }

  std::string other_image_;
  std::string lost_;
  std::string kept_;
  std::string lost_disk_;
  std::string kept_disk_;
};

INSTANTIATE_TEST_SUITE_P(OfALog, UnreadableDisk,
                         testing::Values(LogDamage{"CutOff", cut_off},
                                         LogDamage{"Zeroed", zero_records},
                                         LogDamage{"CutBehindABadTail", cut_behind_bad_tail}),
                         [](const auto& of) { return std::string(of.param.name); });

TEST_P(UnreadableDisk, IsListedWithItsTroubleAmongTheOthers) {
  std::vector<DiskInfo> disks;
  std::vector<std::size_t> counts;
  ASSERT_TRUE(
      ok(engine_->list({}, [&](const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots) {
        disks.push_back(disk);
        counts.push_back(snapshots.size());
        return Status();
      })));
  ASSERT_EQ(disks.size(), 2U);
  ASSERT_TRUE(disks[0].trouble.has_value());
  EXPECT_EQ(disks[0].trouble->code, Errc::kIntegrity);
  EXPECT_EQ(disks[0].id, lost_disk_);
  EXPECT_EQ(disks[0].path, image_);
  EXPECT_EQ(disks[0].status, "") << "it is not known to be usable";
  EXPECT_FALSE(disks[1].trouble.has_value());
  EXPECT_EQ(counts, (std::vector<std::size_t>{0, 1}));
  const auto all = engine_->disks();
  ASSERT_TRUE(ok(all));
  EXPECT_TRUE(all->at(0).trouble.has_value());
  EXPECT_FALSE(all->at(1).trouble.has_value());
  for (const auto& [ids, trouble] : std::map<std::vector<std::string>, std::vector<bool>>{
           {{}, {}}, {{lost_disk_}, {true}}, {{"d-none", kept_disk_}, {false}}}) {
    const auto some = engine_->disks(ids);
    ASSERT_TRUE(ok(some));
    std::vector<bool> told;
    for (const DiskInfo& disk : *some) told.push_back(disk.trouble.has_value());
    EXPECT_EQ(told, trouble);
  }
}

TEST_P(UnreadableDisk, AskedForItIsAnError) {
  const auto never = [](const DiskInfo&, const std::vector<SnapshotInfo>&) {
    ADD_FAILURE() << "it cannot be shown";
    return Status();
  };
  for (const std::string& target : {lost_disk_, image_}) {
    EXPECT_TRUE(failed(engine_->list(target, never), Errc::kIntegrity));
    EXPECT_TRUE(failed(engine_->disk(target), Errc::kIntegrity));
    EXPECT_TRUE(failed(engine_->snapshot(target), Errc::kIntegrity));
    EXPECT_TRUE(failed(engine_->rollback(target, "same"), Errc::kIntegrity));
  }
  EXPECT_TRUE(failed(engine_->snapshots(lost_disk_), Errc::kIntegrity));
  EXPECT_TRUE(failed(engine_->snapshots(), Errc::kIntegrity)) << "all of them are not known";
  const auto kept = engine_->snapshots(kept_disk_);
  ASSERT_TRUE(ok(kept));
  EXPECT_EQ(kept->size(), 1U);
}

TEST_P(UnreadableDisk, ANameThatItMayHaveIsNotDecided) {
  const auto same = engine_->remove_snapshot("same");
  EXPECT_TRUE(failed(same, Errc::kIntegrity))
      << "it may be ambiguous, and the other disk's must not be deleted for it";
  EXPECT_THAT(words_of(same.error()), HasSubstr("by its id: " + kept_ + ";"));
  EXPECT_TRUE(failed(engine_->remove_snapshot("only"), Errc::kIntegrity)) << "it is not missing";
  EXPECT_TRUE(failed(engine_->remove_snapshot(lost_), Errc::kIntegrity));
  EXPECT_TRUE(failed(engine_->export_image("same", directory_.file("out")), Errc::kIntegrity));
  EXPECT_EQ(engine_->snapshots(kept_disk_)->size(), 1U);
  EXPECT_TRUE(ok(engine_->rollback(other_image_, "same"))) << "of this disk it is decided";
  EXPECT_TRUE(failed(engine_->rollback(other_image_, "none"), Errc::kPrecondition));
  EXPECT_TRUE(ok(engine_->remove_snapshot(kept_)));
}

TEST_P(UnreadableDisk, IsNotForgottenWithoutASayAndNotCollected) {
  const auto kept = engine_->forget_disk(lost_disk_);
  ASSERT_TRUE(failed(kept, Errc::kIntegrity));
  EXPECT_THAT(words_of(kept.error()), HasSubstr("disk forget " + lost_disk_ + " with_snapshots"));
  EXPECT_TRUE(failed(engine_->forget_disk(image_, true), Errc::kIntegrity)) << "by its id only";
  EXPECT_TRUE(failed(engine_->collect(), Errc::kIntegrity));
  const std::string folder = directory_.file("store/disks/1/segments");
  EXPECT_FALSE(std::filesystem::is_empty(folder)) << "its data stays";
}

TEST_P(UnreadableDisk, IsForgottenWithItsSnapshotsAndCanBeRegisteredAgain) {
  for (const std::string& way : {words_of(engine_->snapshot(image_).error()),
                                 words_of(engine_->verify({})->unreadable_disks.at(0).error)}) {
    EXPECT_THAT(way, HasSubstr("disk forget " + lost_disk_ + " with_snapshots"));
  }
  SnapshotOptions as_new;
  as_new.as_new = true;
  const auto again = engine_->register_disk(image_, as_new);
  ASSERT_TRUE(failed(again, Errc::kAlreadyExists));
  EXPECT_THAT(words_of(again.error()), HasSubstr("disk forget " + lost_disk_));
  const auto forgotten = engine_->forget_disk(lost_disk_, true);
  ASSERT_TRUE(ok(forgotten));
  EXPECT_EQ(forgotten->id, lost_disk_);
  ASSERT_TRUE(forgotten->trouble.has_value());
  EXPECT_EQ(forgotten->trouble->code, Errc::kIntegrity);
  EXPECT_FALSE(std::filesystem::exists(directory_.file("store/disks/1")));
  EXPECT_EQ(engine_->disks()->size(), 1U);
  EXPECT_TRUE(engine_->instance("i-one")->disk_ids.empty());
  EXPECT_TRUE(ok(engine_->collect()));
  EXPECT_TRUE(ok(engine_->remove_snapshot("same"))) << "there is one of that name now";
  EXPECT_TRUE(ok(engine_->snapshot(image_)));
}

TEST_P(UnreadableDisk, TheOthersAreVerifiedAndCounted) {
  const auto receipt = engine_->verify({});
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->snapshots, 1U);
  EXPECT_TRUE(receipt->damaged.empty());
  ASSERT_EQ(receipt->unreadable_disks.size(), 1U);
  EXPECT_EQ(receipt->unreadable_disks[0].disk_id, lost_disk_);
  EXPECT_EQ(receipt->unreadable_disks[0].path, image_);
  EXPECT_EQ(receipt->unreadable_disks[0].error.code, Errc::kIntegrity);
  EXPECT_TRUE(ok(engine_->verify(std::vector<std::string>{kept_})));
  EXPECT_TRUE(failed(engine_->verify(std::vector<std::string>{lost_}), Errc::kIntegrity));
  const auto info = engine_->store_info();
  ASSERT_TRUE(ok(info));
  EXPECT_EQ(info->disks, 2U);
  EXPECT_EQ(info->snapshots, 1U);
  EXPECT_GT(info->allocated_bytes, 0U);
  ASSERT_EQ(info->unreadable_disks.size(), 1U);
  EXPECT_EQ(info->unreadable_disks[0].disk_id, lost_disk_);
}

TEST_P(UnreadableDisk, StaysOfItsInstance) {
  const auto instance = engine_->instance("i-one");
  ASSERT_TRUE(ok(instance));
  EXPECT_EQ(instance->disk_ids, (std::vector<std::string>{lost_disk_}));
  EXPECT_FALSE(engine_->start_instance("i-one").has_value())
      << "a rollback of the disk may have been interrupted";
  EXPECT_FALSE(engine_->delete_instance("i-one").has_value());
  EXPECT_TRUE(ok(engine_->unfinished_rollbacks()));
}

// What such an index does not name is there: nothing is a store without these disks.
class DamagedIndex : public EngineTest, public testing::WithParamInterface<LogDamage> {};
INSTANTIATE_TEST_SUITE_P(OfALog, DamagedIndex,
                         testing::Values(LogDamage{"Zeroed", zero_records},
                                         LogDamage{"CutBehindABadTail", cut_behind_bad_tail}),
                         [](const auto& of) { return std::string(of.param.name); });

TEST_P(DamagedIndex, IsNoStoreWithFewerDisks) {
  take(image_, "first");
  for (const char* name : {"second.img", "third.img"}) take(make_image(name, 'b'), "first");
  engine_.reset();
  GetParam().apply(directory_.file("store/index"));
  const auto opened = Engine::open({.store = directory_.file("store")});
  ASSERT_TRUE(failed(opened, Errc::kIntegrity));
  EXPECT_FALSE(words_of(opened.error()).empty());
}

}  // namespace
}  // namespace blkrewind::test
