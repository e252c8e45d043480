// The Engine apart from the rules: names, listings, disks and instances.
#include <filesystem>

#include "support/errors.h"
#include "unit/control/engine_fixture.h"

namespace blkrewind::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class EngineControl : public EngineTest {
 protected:
  std::string import_at(const std::string& name, std::int64_t created_at) {
    ImportOptions options;
    options.name = name;
    options.created_at = created_at;
    auto receipt = engine_->import_image(image_, make_image("import.img", 'i'), options);
    if (!receipt) throw std::runtime_error(receipt.error().to_string());
    return receipt->snapshot_id;
  }
};

// What another process removes while the store is walked is not damage.
TEST_F(EngineControl, ADiskThatIsForgottenMeanwhileIsNotListed) {
  take(image_, "first");
  const std::string gone = make_image("gone.img", 'g');
  take(gone, "second");
  const auto other = open();
  std::vector<std::string> seen;
  ASSERT_TRUE(ok(engine_->list({}, [&](const DiskInfo& disk, const auto&) {
    EXPECT_FALSE(disk.trouble.has_value());
    seen.push_back(disk.path);
    const bool first = seen.size() == 1;
    EXPECT_TRUE(!first || ok(other->forget_disk(gone, true)));
    return Status();
  })));
  EXPECT_EQ(seen, std::vector<std::string>{image_});
}

TEST_F(EngineControl, FirstSnapshotRegistersTheDisk) {
  EXPECT_THAT(*engine_->disks(), IsEmpty());
  const auto first = engine_->snapshot(image_);
  ASSERT_TRUE(ok(first));
  EXPECT_TRUE(first->disk_registered);
  const auto second = engine_->snapshot(image_);
  ASSERT_TRUE(ok(second));
  EXPECT_FALSE(second->disk_registered);
  EXPECT_EQ(second->disk_id, first->disk_id);
  const auto disk = engine_->disk(first->disk_id);
  ASSERT_TRUE(ok(disk));
  EXPECT_EQ(disk->status, "In_use");
  EXPECT_EQ(disk->instance_id, "i-local");
  EXPECT_EQ(disk->attached_at, disk->registered_at);
  EXPECT_EQ(disk->device_bytes, kImageBytes);
}

TEST_F(EngineControl, ReadingAStoreMakesNoCatalog) {
  take(image_);
  ASSERT_TRUE(ok(engine_->rollback(image_, "latest")));
  ASSERT_TRUE(ok(engine_->instances()));
  EXPECT_FALSE(std::filesystem::exists(directory_.file("store/catalog.db")));
}

TEST_F(EngineControl, LatestIsWhatWasTakenLastAndNeverAnUndo) {
  const std::string mine = take(image_, "mine");
  import_at("old", 1'000'000'000);
  fill(image_, 0, 10, 'z');
  ASSERT_TRUE(ok(engine_->rollback(image_, "old")));  // takes an undo snapshot, the newest of all
  const auto done = engine_->rollback(image_, "latest");
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->snapshot_id, mine);
}

// The time of an import or of the machine does not make a snapshot the latest.
TEST_F(EngineControl, LatestIsNoImportWhereSomethingWasTaken) {
  const std::string future = import_at("future", 4'000'000'000);
  const auto only = engine_->rollback(image_, "latest");
  ASSERT_TRUE(ok(only));
  EXPECT_EQ(only->snapshot_id, future) << "there is nothing else";
  const std::string mine = take(image_, "mine");
  import_at("1970", 0);
  import_at("further", 4'100'000'000);
  fill(image_, 0, 10, 'z');
  const auto done = engine_->rollback(image_, "latest");
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(done->snapshot_id, mine);
}

TEST_F(EngineControl, SnapshotsAreListedAsTheyWereTaken) {
  const std::string old = import_at("future", 4'000'000'000);
  const std::string now = take(image_, "now");
  const auto infos = engine_->snapshots(engine_->disks()->front().id);
  ASSERT_TRUE(ok(infos));
  ASSERT_EQ(infos->size(), 2U);
  EXPECT_EQ((*infos)[0].id, old);
  EXPECT_EQ((*infos)[0].kind, SnapshotKind::kImport);
  EXPECT_EQ((*infos)[1].id, now);
  EXPECT_EQ((*infos)[1].status, SnapshotStatus::kAccomplished);
  EXPECT_TRUE(failed(engine_->snapshots("d-nothere"), Errc::kNotFound));
}

TEST_F(EngineControl, NamesAreCheckedAndUniqueWithinADisk) {
  take(image_, "one");
  SnapshotOptions options;
  options.name = "one";
  EXPECT_TRUE(failed(engine_->snapshot(image_, options), Errc::kAlreadyExists));
  for (const char* name : {"latest", "s-1", "a/b", "a\nb", "\xFF"}) {
    options.name = name;
    EXPECT_TRUE(failed(engine_->snapshot(image_, options), Errc::kInvalidArgument)) << name;
  }
  options.name = "one";
  EXPECT_TRUE(ok(engine_->snapshot(make_image("other.img", 'o'), options)));
  EXPECT_EQ(engine_->snapshots()->size(), 2U);
}

TEST_F(EngineControl, ASnapshotIsNamedOfADisk) {
  const std::string other = make_image("other.img", 'o');
  const std::string mine = take(image_, "one");
  const std::string theirs = take(other, "one");
  const std::string newer = take(other, "two");
  const auto id_of = [&](const std::string& snapshot, const std::string& target = {}) {
    return engine_->snapshot_id(snapshot, target);
  };
  EXPECT_EQ(*id_of("one", image_), mine);
  EXPECT_EQ(*id_of("one", other), theirs);
  EXPECT_EQ(*id_of("latest", image_), mine);
  EXPECT_EQ(*id_of("latest", other), newer);
  EXPECT_EQ(*id_of(theirs, other), theirs);
  EXPECT_EQ(*id_of("two"), newer);
  EXPECT_TRUE(failed(id_of("one"), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(id_of("latest"), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(id_of("three", other), Errc::kNotFound));
  EXPECT_TRUE(failed(id_of("two", image_), Errc::kPrecondition)) << "it is of another disk";
  EXPECT_TRUE(failed(id_of(theirs, image_), Errc::kPrecondition));
  EXPECT_TRUE(failed(id_of("one", make_image("third.img", 't')), Errc::kNotFound));
}

TEST_F(EngineControl, NameWithoutATargetMustBeUnique) {
  const std::string mine = take(image_, "one");
  const std::string theirs = take(make_image("other.img", 'o'), "one");
  const auto ambiguous = engine_->remove_snapshot("one");
  ASSERT_TRUE(failed(ambiguous, Errc::kInvalidArgument));
  EXPECT_THAT(words_of(ambiguous.error()), HasSubstr(mine));
  EXPECT_THAT(words_of(ambiguous.error()), HasSubstr(theirs));
  EXPECT_THAT(words_of(ambiguous.error()), HasSubstr("of which disk"));
  const auto latest = engine_->remove_snapshot("latest");
  ASSERT_TRUE(failed(latest, Errc::kInvalidArgument));
  EXPECT_THAT(words_of(latest.error()), HasSubstr("of which disk"));
  ASSERT_TRUE(ok(engine_->remove_snapshot(theirs)));
  EXPECT_TRUE(ok(engine_->remove_snapshot("one")));
  EXPECT_TRUE(failed(engine_->remove_snapshot("one"), Errc::kNotFound));
  EXPECT_THAT(*engine_->snapshots(), IsEmpty());
}

TEST_F(EngineControl, VerifyTakesAllOrThoseThatWereNamed) {
  take(image_, "one");
  take(image_, "two");
  EXPECT_EQ(engine_->verify({})->snapshots, 2U);
  const std::vector<std::string> named = {"one", "one"};
  EXPECT_EQ(engine_->verify(named)->snapshots, 1U);
  const std::vector<std::string> unknown = {"three"};
  EXPECT_TRUE(failed(engine_->verify(unknown), Errc::kNotFound));
}

TEST_F(EngineControl, ChunkSizeIsFixedAtRegistration) {
  SnapshotOptions options;
  options.chunk_bytes = 4096;
  options.chunk_bytes_given = true;
  ASSERT_TRUE(ok(engine_->register_disk(image_, options)));
  ASSERT_TRUE(ok(engine_->snapshot(image_)));
  options.chunk_bytes = 8192;
  EXPECT_TRUE(failed(engine_->snapshot(image_, options), Errc::kInvalidArgument));
  options.chunk_bytes = 5000;
  EXPECT_TRUE(failed(engine_->snapshot(image_, options), Errc::kInvalidArgument));
}

TEST_F(EngineControl, FailedFirstImportLeavesNoDiskBehind) {
  const std::string small = directory_.file("small.img");
  { std::ofstream(small) << "small"; }
  ASSERT_FALSE(engine_->import_image(image_, small));
  EXPECT_THAT(*engine_->disks(), IsEmpty());
}

TEST_F(EngineControl, DiskMovesBetweenInstances) {
  take(image_);
  const std::string disk = engine_->disks()->front().id;
  ASSERT_TRUE(ok(engine_->create_instance("i-web", "web")));
  EXPECT_TRUE(refused(engine_->attach_disk(image_, "i-web"), "IncorrectDiskStatus"));
  EXPECT_THAT(engine_->instance("i-local")->disk_ids, ElementsAre(disk));
  ASSERT_TRUE(ok(engine_->detach_disk(disk)));
  EXPECT_TRUE(refused(engine_->detach_disk(disk), "IncorrectDiskStatus"));
  EXPECT_EQ(engine_->disk(disk)->instance_id, "");
  EXPECT_THAT(engine_->instance("i-local")->disk_ids, IsEmpty());
  EXPECT_TRUE(failed(engine_->attach_disk(disk, "i-none"), Errc::kNotFound));
  ASSERT_TRUE(ok(engine_->attach_disk(disk, "i-web")));
  EXPECT_EQ(engine_->disk(disk)->instance_id, "i-web");
  EXPECT_GT(engine_->disk(disk)->first_detached_at, 0);
  EXPECT_THAT(engine_->instance("i-web")->disk_ids, ElementsAre(disk));
  EXPECT_TRUE(refused(engine_->delete_instance("i-web"), "IncorrectInstanceStatus"));
  ASSERT_TRUE(ok(engine_->detach_disk(disk)));
  EXPECT_TRUE(ok(engine_->delete_instance("i-web")));
  EXPECT_TRUE(failed(engine_->instance("i-web"), Errc::kNotFound));
}

TEST_F(EngineControl, ForgettingADiskForgetsItsAttachment) {
  take(image_);
  const std::string disk = engine_->disks()->front().id;
  ASSERT_TRUE(ok(engine_->detach_disk(disk)));
  const auto kept = engine_->forget_disk(disk);
  ASSERT_TRUE(failed(kept, Errc::kPrecondition));
  EXPECT_THAT(words_of(kept.error()), HasSubstr("with_snapshots"));
  const auto forgotten = engine_->forget_disk(disk, true);
  ASSERT_TRUE(ok(forgotten));
  EXPECT_EQ(forgotten->id, disk);
  EXPECT_FALSE(forgotten->trouble.has_value());
  EXPECT_THAT(*engine_->disks(), IsEmpty());
  EXPECT_THAT(*engine_->snapshots(), IsEmpty());
  take(image_);
  EXPECT_EQ(engine_->disks()->front().instance_id, "i-local") << "registered anew";
}

TEST_F(EngineControl, AdoptingTakesAnIdAndAPath) {
  const std::string snapshot = take(image_);
  const std::string disk = engine_->disks()->front().id;
  const std::string copy = directory_.file("copy.img");
  std::filesystem::copy_file(image_, copy);
  std::filesystem::remove(image_);
  EXPECT_TRUE(failed(engine_->adopt_disk("d-nothere", copy), Errc::kNotFound));
  EXPECT_TRUE(failed(engine_->adopt_disk(image_, copy), Errc::kNotFound));
  ASSERT_TRUE(ok(engine_->adopt_disk(disk, copy)));
  fill(copy, 0, 100, 'z');
  ASSERT_TRUE(ok(engine_->rollback(copy, snapshot)));
  EXPECT_EQ(read_file(copy), std::string(kImageBytes, 'a'));
}

TEST_F(EngineControl, AdoptingRefusesAnotherSize) {
  take(image_);
  const std::string disk = engine_->disks()->front().id;
  const std::string larger = make_image("a larger one.img", 'a');
  std::filesystem::resize_file(larger, 2 * kImageBytes);
  const Status adopted = engine_->adopt_disk(disk, larger);
  ASSERT_TRUE(failed(adopted, Errc::kPrecondition));
  EXPECT_THAT(words_of(adopted.error()), HasSubstr("disk register " + larger));
  EXPECT_EQ(engine_->disk(disk)->path, image_);
}

TEST_F(EngineControl, ADiskWhoseDeviceIsGoneIsFoundByItsPath) {
  take(image_, "before");
  const std::string disk = engine_->disks()->front().id;
  std::filesystem::remove(image_);
  EXPECT_EQ(engine_->disk(image_)->id, disk);
  for (const auto& error :
       {engine_->rollback(image_, "before").error(), engine_->snapshot(image_).error(),
        engine_->diff(image_, "before", {}, {}).error(), engine_->register_disk(image_).error()}) {
    EXPECT_EQ(error.code, Errc::kNotFound);
    EXPECT_THAT(error.message, HasSubstr(disk));
    EXPECT_THAT(words_of(error), HasSubstr("disk adopt " + disk));
  }
  EXPECT_TRUE(failed(engine_->disk(image_ + "x"), Errc::kNotFound));
  const auto kept = engine_->forget_disk(image_);
  ASSERT_TRUE(failed(kept, Errc::kPrecondition));
  EXPECT_THAT(kept.error().message, testing::EndsWith("has 1 snapshot"));
  EXPECT_TRUE(ok(engine_->forget_disk(image_, true)));
}

TEST_F(EngineControl, RemediesNameTheTargetAsItIs) {
  const std::string odd = make_image("it's odd.img", 'a');
  take(odd, "before");
  const std::string disk = engine_->disks()->front().id;
  EXPECT_THAT(words_of(engine_->rollback(odd, "other").error()), HasSubstr("list " + odd));
  EXPECT_THAT(words_of(engine_->undo(odd).error()), HasSubstr("list " + odd));
  std::filesystem::rename(odd, odd + ".old");
  make_image("it's odd.img", 'b');
  const auto other = engine_->rollback(disk, "before");
  ASSERT_TRUE(failed(other, Errc::kPrecondition));
  EXPECT_THAT(words_of(other.error()), HasSubstr("disk adopt " + disk + " " + odd));
  EXPECT_EQ(other.error().message.find("is not the device"),
            other.error().message.rfind("is not the device"))
      << other.error().message;
}

TEST_F(EngineControl, AnExportGetsItsNameWhenItIsWhole) {
  take(image_, "before");
  const std::string file = directory_.file("export.img");
  const auto partial = [&] {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      if (entry.path().string().find(".blkrewind-partial-") != std::string::npos) ++count;
    }
    return count;
  };
  bool seen = false;
  std::atomic<bool> cancel = false;
  Monitor monitor;
  monitor.cancel = &cancel;
  monitor.progress = [&](const Progress&) {
    seen = true;
    EXPECT_FALSE(std::filesystem::exists(file));
    EXPECT_EQ(partial(), 1U);
  };
  ASSERT_TRUE(ok(engine_->export_image("before", file, {}, monitor)));
  EXPECT_TRUE(seen);
  EXPECT_EQ(read_file(file), std::string(kImageBytes, 'a'));
  EXPECT_TRUE(failed(engine_->export_image("before", file), Errc::kAlreadyExists));
  cancel = true;
  std::filesystem::remove(file);
  EXPECT_TRUE(failed(engine_->export_image("before", file, {}, monitor), Errc::kCancelled));
  EXPECT_FALSE(std::filesystem::exists(file));
  EXPECT_EQ(partial(), 0U);
}

TEST_F(EngineControl, NothingIsExportedIntoTheStore) {
  take(image_, "before");
  const std::string link = directory_.file("link");
  std::filesystem::create_directory_symlink(directory_.file("store/disks/1/segments"), link);
  for (const std::string& file : {directory_.file("store/image"),
                                  directory_.file("store/disks/1/segments/9999"), link + "/9999"}) {
    EXPECT_TRUE(failed(engine_->export_image("before", file), Errc::kPrecondition)) << file;
    EXPECT_FALSE(std::filesystem::exists(file));
  }
}

TEST_F(EngineControl, InstancesAreCheckedBeforeTheyAreMade) {
  EXPECT_TRUE(failed(engine_->create_instance("i-local", ""), Errc::kAlreadyExists));
  EXPECT_TRUE(failed(engine_->create_instance("web", ""), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(engine_->create_instance("i-a b", ""), Errc::kInvalidArgument));
  EXPECT_TRUE(failed(engine_->create_instance("i-a", "line\nbreak"), Errc::kInvalidArgument));
  const auto made = engine_->create_instance("", "an id is found");
  ASSERT_TRUE(ok(made));
  EXPECT_EQ(made->status, "Stopped");
  EXPECT_THAT(made->id, testing::StartsWith("i-"));
  EXPECT_TRUE(failed(engine_->lock_instance(made->id, "Bad Reason"), Errc::kInvalidArgument));
  EXPECT_TRUE(refused(engine_->start_instance("i-local"), "IncorrectInstanceStatus"));
  EXPECT_TRUE(refused(engine_->delete_instance("i-local"), "IncorrectInstanceStatus"));
  const auto all = engine_->instances();
  ASSERT_TRUE(ok(all));
  ASSERT_EQ(all->size(), 2U);
  EXPECT_EQ(all->front().id, "i-local");
  EXPECT_EQ(all->front().status, "Stopped");
}

TEST_F(EngineControl, ExceptionOfACallbackDoesNotComeOut) {
  take(image_, "before");
  fill(image_, 0, 100, 'z');
  Monitor monitor;
  monitor.progress = [](const Progress&) { throw std::runtime_error("of the caller"); };
  const auto result = engine_->snapshot(image_, {}, monitor);
  ASSERT_TRUE(failed(result, Errc::kInternal));
  EXPECT_THAT(result.error().message, HasSubstr("of the caller"));
}

TEST_F(EngineControl, MovedFromEngineAnswersWithAnError) {
  Engine moved = std::move(*engine_);
  EXPECT_TRUE(ok(moved.disks()));
  EXPECT_TRUE(failed(engine_->disks(), Errc::kInvalidArgument));
}

TEST_F(EngineControl, DamagedCatalogStopsTheEngineNotTheSnapshots) {
  take(image_, "before");
  ASSERT_TRUE(ok(engine_->create_instance("i-web", "")));
  engine_.reset();
  const std::string catalog = directory_.file("store/catalog.db");
  { std::ofstream(catalog, std::ios::trunc) << std::string(4096, 'x'); }
  OpenOptions options;
  options.store = directory_.file("store");
  const auto refused_open = Engine::open(options);
  ASSERT_FALSE(refused_open);
  EXPECT_EQ(refused_open.error().code, Errc::kIntegrity);
  EXPECT_THAT(words_of(refused_open.error()), HasSubstr("move it away"));
  std::filesystem::rename(catalog, catalog + ".bad");
  engine_ = open();
  EXPECT_TRUE(ok(engine_->rollback(image_, "before")));
}

}  // namespace
}  // namespace blkrewind::test
