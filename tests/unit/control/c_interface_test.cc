// What a program in C gets: results, errors, lists, the log.
#include <filesystem>
#include <stdexcept>

#include "control/c_interface/call.h"
#include "control/c_interface/values.h"
#include "unit/control/c_interface_fixture.h"

namespace blkrewind::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(CInterface, SnapshotsOfDevicesInUseAreChosenByTheOptions) {
  blkrewind_snapshot_options options = BLKREWIND_INIT(blkrewind_snapshot_options);
  options.in_use = 3;
  EXPECT_TRUE(failed(
      blkrewind_snapshot(engine_.get(), image_.c_str(), &options, nullptr, nullptr, error_.out()),
      BLKREWIND_INVALID_ARGUMENT));
  EXPECT_THAT(error_->message, HasSubstr("blkrewind_in_use"));
  options.in_use = BLKREWIND_IN_USE_OFFLINE;
  options.freeze_limit_ms = 100;
  options.deadline_seconds = 1;
  options.max_passes = 1;
  EXPECT_TRUE(ok(
      blkrewind_snapshot(engine_.get(), image_.c_str(), &options, nullptr, nullptr, error_.out())));
}

TEST_F(CInterface, TakesASnapshotRollsBackAndUndoes) {
  blkrewind_snapshot_options options = BLKREWIND_INIT(blkrewind_snapshot_options);
  options.name = "before";
  options.description = "all a";
  options.chunk_bytes = 4096;
  Value<blkrewind_snapshot_receipt> taken;
  ASSERT_TRUE(ok(blkrewind_snapshot(engine_.get(), image_.c_str(), &options, nullptr, taken.out(),
                                    error_.out())));
  EXPECT_EQ(taken->size, sizeof(blkrewind_snapshot_receipt));
  EXPECT_STREQ(taken->name, "before");
  EXPECT_THAT(taken->snapshot_id, testing::StartsWith("s-"));
  EXPECT_THAT(taken->disk_id, testing::StartsWith("d-"));
  EXPECT_STREQ(taken->change_source, "scan");
  EXPECT_THAT(taken->recognised_by, HasSubstr("inode"));
  EXPECT_EQ(taken->device_bytes, kImageBytes);
  EXPECT_EQ(taken->stored_bytes, kImageBytes);
  EXPECT_EQ(taken->disk_registered, 1U);
  EXPECT_EQ(taken->taken_from, static_cast<std::uint32_t>(BLKREWIND_TAKEN_OFFLINE));
  EXPECT_EQ(taken->frozen_count, 0U);

  fill(image_, 8192, 100, 'b');
  Value<blkrewind_rollback_receipt> done;
  ASSERT_TRUE(ok(blkrewind_rollback(engine_.get(), image_.c_str(), "before", nullptr, nullptr,
                                    done.out(), error_.out())));
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));
  EXPECT_EQ(done->size, sizeof(blkrewind_rollback_receipt));
  EXPECT_STREQ(done->snapshot_id, taken->snapshot_id);
  EXPECT_STREQ(done->disk_id, taken->disk_id);
  EXPECT_STREQ(done->root_digest, taken->root_digest);
  EXPECT_EQ(done->restored_bytes, 4096U);
  EXPECT_EQ(done->extents, 1U);
  EXPECT_EQ(done->unreadable_count, 0U);
  EXPECT_THAT(done->undo_snapshot_id, testing::StartsWith("s-"));
  EXPECT_STREQ(done->kept_snapshot_id, "");

  Value<blkrewind_rollback_receipt> undone;
  ASSERT_TRUE(ok(
      blkrewind_undo(engine_.get(), image_.c_str(), nullptr, nullptr, undone.out(), error_.out())));
  EXPECT_STREQ(undone->snapshot_id, done->undo_snapshot_id);
  EXPECT_EQ(read_file(image_).substr(8192, 100), std::string(100, 'b'));
  EXPECT_TRUE(failed(
      blkrewind_resume(engine_.get(), image_.c_str(), nullptr, nullptr, undone.out(), error_.out()),
      BLKREWIND_PRECONDITION));
  EXPECT_TRUE(undone.is_null()) << "as after every failure";
}

TEST_F(CInterface, AStoreIsMadeOnRequestOnly) {
  const std::string store = directory_.file("new");
  blkrewind_open_options options = BLKREWIND_INIT(blkrewind_open_options);
  options.store = store.c_str();
  CEngine made;
  EXPECT_TRUE(failed(blkrewind_open(&options, made.out(), error_.out()), BLKREWIND_NOT_FOUND));
  EXPECT_TRUE(made.is_null());
  EXPECT_FALSE(std::filesystem::exists(store));
  options.create = 1;
  options.threads = 1;
  options.without_io_uring = 1;
  options.buffer_bytes = 4 << 20;
  EXPECT_TRUE(ok(blkrewind_open(&options, made.out(), error_.out())));
  options.create = 0;
  EXPECT_TRUE(ok(blkrewind_open(&options, made.out(), error_.out())));
}

TEST_F(CInterface, AcceptsAvailableDisksOnRequest) {
  ASSERT_TRUE(ok(take("before")));
  ASSERT_TRUE(test::ok(EngineTest::open()->detach_disk(image_)));
  const auto rollback = [&] {
    return blkrewind_rollback(engine_.get(), image_.c_str(), "before", nullptr, nullptr, nullptr,
                              error_.out());
  };
  EXPECT_TRUE(failed(rollback(), BLKREWIND_PRECONDITION));
  EXPECT_STREQ(blkrewind_error_api_code(error_.get()), "IncorrectDiskStatus");
  const std::string store = directory_.file("store");
  blkrewind_open_options options = BLKREWIND_INIT(blkrewind_open_options);
  options.store = store.c_str();
  options.accept_available_disks = 1;
  ASSERT_TRUE(ok(blkrewind_open(&options, engine_.out(), error_.out())));
  EXPECT_TRUE(ok(rollback()));
}

TEST_F(CInterface, OptionsOfARollbackCount) {
  ASSERT_TRUE(ok(take("before")));
  fill(image_, 0, 1, 'b');
  const std::string changed = read_file(image_);
  blkrewind_rollback_options options = BLKREWIND_INIT(blkrewind_rollback_options);
  options.dry_run = 1;
  Value<blkrewind_rollback_receipt> done;
  ASSERT_TRUE(ok(blkrewind_rollback(engine_.get(), image_.c_str(), "before", &options, nullptr,
                                    done.out(), error_.out())));
  EXPECT_EQ(done->dry_run, 1U);
  EXPECT_EQ(done->changed_bytes, 65536U);
  EXPECT_EQ(read_file(image_), changed);

  options.dry_run = 0;
  options.without_undo = 1;
  options.verify_after = BLKREWIND_VERIFY_ALL;
  ASSERT_TRUE(ok(blkrewind_rollback(engine_.get(), image_.c_str(), "before", &options, nullptr,
                                    done.out(), error_.out())));
  EXPECT_STREQ(done->undo_snapshot_id, "");
  EXPECT_STREQ(done->verified_after, "all");
  EXPECT_EQ(done->rechecked_bytes, kImageBytes);
  EXPECT_EQ(read_file(image_), std::string(kImageBytes, 'a'));

  options.change_source = BLKREWIND_CHANGES_BITMAP;
  EXPECT_NE(blkrewind_rollback(engine_.get(), image_.c_str(), "before", &options, nullptr, nullptr,
                               error_.out()),
            BLKREWIND_OK)
      << "it is not tracked";
  options.change_source = 9;
  EXPECT_TRUE(failed(blkrewind_rollback(engine_.get(), image_.c_str(), "before", &options, nullptr,
                                        nullptr, error_.out()),
                     BLKREWIND_INVALID_ARGUMENT));
  options.change_source = BLKREWIND_CHANGES_AUTO;
  options.verify_after = 9;
  EXPECT_TRUE(failed(blkrewind_rollback(engine_.get(), image_.c_str(), "before", &options, nullptr,
                                        nullptr, error_.out()),
                     BLKREWIND_INVALID_ARGUMENT));
}

TEST_F(CInterface, ListsDisksWithTheirSnapshots) {
  EXPECT_THAT(listed(), IsEmpty());
  ASSERT_TRUE(ok(take("one")));
  ASSERT_TRUE(ok(take("two")));
  const std::string first = image_;
  image_ = make_image("other.img", 'b');
  ASSERT_TRUE(ok(take("three")));
  EXPECT_THAT(listed(), ElementsAre(first, "one", "two", image_, "three"));

  const auto count = [](void* user, const blkrewind_disk_info* disk,
                        const blkrewind_snapshot_info* const* snapshots,
                        std::size_t snapshot_count) {
    ++*static_cast<int*>(user);
    EXPECT_EQ(disk->size, sizeof(blkrewind_disk_info));
    EXPECT_EQ(disk->device_bytes, kImageBytes);
    EXPECT_EQ(disk->attached, 1);
    EXPECT_EQ(disk->trouble, nullptr);
    EXPECT_STREQ(disk->status, "In_use");
    EXPECT_STREQ(disk->pending_snapshot_id, "");
    EXPECT_STREQ(disk->base_snapshot_id, snapshots[snapshot_count - 1]->id);
    EXPECT_EQ(snapshots[0]->size, sizeof(blkrewind_snapshot_info));
    EXPECT_EQ(snapshots[0]->status, std::uint32_t{BLKREWIND_ACCOMPLISHED});
    EXPECT_STREQ(snapshots[0]->disk_id, disk->id);
    EXPECT_GT(snapshots[0]->created_at, 0);
    EXPECT_EQ(snapshots[0]->tag_count, 0U);
    return 1;
  };
  int visited = 0;
  EXPECT_TRUE(ok(blkrewind_list(engine_.get(), nullptr, count, &visited, error_.out())));
  EXPECT_EQ(visited, 1) << "it asked for no more";
  EXPECT_TRUE(ok(blkrewind_list(engine_.get(), image_.c_str(), count, &visited, error_.out())));
  EXPECT_EQ(visited, 2);
  EXPECT_TRUE(failed(blkrewind_list(engine_.get(), "/missing", count, &visited, error_.out()),
                     BLKREWIND_NOT_FOUND));
  EXPECT_EQ(visited, 2);
}

TEST_F(CInterface, ADiskThatCannotBeReadIsListedWithItsTrouble) {
  ASSERT_TRUE(ok(take("one")));
  engine_.reset();
  std::filesystem::resize_file(directory_.file("store/disks/1/log"), 100);
  open_store(engine_);
  int code = BLKREWIND_OK;
  const auto visit = [](void* user, const blkrewind_disk_info* disk,
                        const blkrewind_snapshot_info* const* /*snapshots*/, std::size_t count) {
    EXPECT_EQ(count, 0U);
    EXPECT_STREQ(disk->status, "");
    EXPECT_STRNE(blkrewind_error_message(disk->trouble), "");
    *static_cast<int*>(user) = blkrewind_error_code(disk->trouble);
    return 0;
  };
  EXPECT_TRUE(ok(blkrewind_list(engine_.get(), nullptr, visit, &code, error_.out())));
  EXPECT_EQ(code, BLKREWIND_INTEGRITY);
}

TEST_F(CInterface, DeletesASnapshot) {
  ASSERT_TRUE(ok(take("one")));
  ASSERT_TRUE(ok(take("two")));
  Value<blkrewind_delete_receipt> deleted;
  ASSERT_TRUE(ok(blkrewind_delete(engine_.get(), "one", nullptr, deleted.out(), error_.out())));
  EXPECT_EQ(deleted->size, sizeof(blkrewind_delete_receipt));
  EXPECT_THAT(deleted->snapshot_id, testing::StartsWith("s-"));
  EXPECT_THAT(listed(), ElementsAre(image_, "two"));
  EXPECT_TRUE(failed(blkrewind_delete(engine_.get(), "one", nullptr, nullptr, error_.out()),
                     BLKREWIND_NOT_FOUND));
  EXPECT_STREQ(blkrewind_error_api_code(error_.get()), "InvalidSnapshotId.NotFound");
}

TEST_F(CInterface, TellsHowADiskIsTracked) {
  ASSERT_TRUE(ok(take("one")));
  Value<blkrewind_tracking_info> info;
  ASSERT_TRUE(ok(blkrewind_track_status(engine_.get(), image_.c_str(), info.out(), error_.out())));
  EXPECT_EQ(info->size, sizeof(blkrewind_tracking_info));
  EXPECT_STREQ(info->path, image_.c_str());
  EXPECT_EQ(info->tracker_count, 0U);
  EXPECT_TRUE(ok(blkrewind_track_stop(engine_.get(), image_.c_str(), error_.out())));
  EXPECT_TRUE(failed(blkrewind_track_start(engine_.get(), image_.c_str(), BLKREWIND_CHANGES_SCAN,
                                           nullptr, info.out(), error_.out()),
                     BLKREWIND_INVALID_ARGUMENT));
  EXPECT_TRUE(failed(
      blkrewind_track_start(engine_.get(), image_.c_str(), -1, nullptr, nullptr, error_.out()),
      BLKREWIND_INVALID_ARGUMENT));
  // The bitmap is for block devices.
  EXPECT_NE(blkrewind_track_start(engine_.get(), image_.c_str(), BLKREWIND_CHANGES_BITMAP, nullptr,
                                  nullptr, error_.out()),
            BLKREWIND_OK);
  EXPECT_STRNE(blkrewind_error_message(error_.get()), "");
}

TEST(CValues, TrackersAndTagsAreWhatTheEngineSays) {
  TrackingInfo tracking{.disk_id = "d-1", .path = "/dev/x", .trackers = {}};
  tracking.trackers.push_back({.source = "bitmap",
                               .valid = true,
                               .reason = "",
                               .base_snapshot_id = "s-1",
                               .changed_bytes = 1,
                               .granule_bytes = 2,
                               .memory_bytes = 3});
  tracking.trackers.emplace_back();
  tracking.trackers[1].reason = "because";
  Value<blkrewind_tracking_info> info;
  c_interface::hand_out(tracking, info.out());
  ASSERT_EQ(info->tracker_count, 2U);
  EXPECT_STREQ(info->trackers[0]->source, "bitmap");
  EXPECT_EQ(info->trackers[0]->valid, 1U);
  EXPECT_STREQ(info->trackers[0]->base_snapshot_id, "s-1");
  EXPECT_EQ(info->trackers[0]->changed_bytes, 1U);
  EXPECT_EQ(info->trackers[0]->granule_bytes, 2U);
  EXPECT_EQ(info->trackers[0]->memory_bytes, 3U);
  EXPECT_EQ(info->trackers[1]->valid, 0U);
  EXPECT_STREQ(info->trackers[1]->reason, "because");

  SnapshotInfo snapshot;
  snapshot.kind = SnapshotKind::kUndo;
  snapshot.status = SnapshotStatus::kFailed;
  snapshot.tags = {{"k", "v"}, {"l", "w"}};
  Value<blkrewind_snapshot_info> shown;
  c_interface::hand_out(snapshot, shown.out());
  EXPECT_EQ(shown->kind, std::uint32_t{BLKREWIND_KIND_UNDO});
  EXPECT_EQ(shown->status, std::uint32_t{BLKREWIND_FAILED});
  ASSERT_EQ(shown->tag_count, 2U);
  EXPECT_STREQ(shown->tags[1].key, "l");
  EXPECT_STREQ(shown->tags[1].value, "w");

  RollbackReceipt receipt;
  receipt.unreadable = {{512, 1024}, {4096, 512}};
  receipt.partition_table = "stale";
  receipt.partition_remedy = run_program("read it again", "partprobe", {"/dev/x"});
  Value<blkrewind_rollback_receipt> done;
  c_interface::hand_out(receipt, done.out());
  ASSERT_EQ(done->unreadable_count, 2U);
  EXPECT_EQ(done->unreadable[1].offset_bytes, 4096U);
  EXPECT_EQ(done->unreadable[0].length_bytes, 1024U);
  EXPECT_STREQ(done->partition_remedy, "read it again");
}

TEST(CErrors, CarryAllThatAnErrorSays) {
  Error from = system_error(EIO, "cannot read /dev/x")
                   .at({4096, 512})
                   .while_doing("scanning")
                   .with_remedy("replace it");
  from.api = ApiCode::kDiskStatus;
  CError error;
  EXPECT_EQ(c_interface::report(from, error.out()), BLKREWIND_IO);
  EXPECT_EQ(blkrewind_error_code(error.get()), BLKREWIND_IO);
  EXPECT_EQ(blkrewind_error_errno(error.get()), EIO);
  EXPECT_EQ(from.to_string(), blkrewind_error_message(error.get()));
  EXPECT_THAT(blkrewind_error_message(error.get()), HasSubstr("while scanning"));
  EXPECT_STREQ(blkrewind_error_remedy(error.get()), "replace it");
  EXPECT_STREQ(blkrewind_error_api_code(error.get()), "IncorrectDiskStatus");
  blkrewind_extent extent = {0, 0};
  EXPECT_EQ(blkrewind_error_extent(error.get(), &extent), 1);
  EXPECT_EQ(extent.offset_bytes, 4096U);
  EXPECT_EQ(extent.length_bytes, 512U);
  EXPECT_EQ(blkrewind_error_extent(error.get(), nullptr), 1);

  EXPECT_EQ(c_interface::report(fail(Errc::kBusy, "busy").value(), error.out()), BLKREWIND_BUSY);
  EXPECT_EQ(blkrewind_error_errno(error.get()), 0);
  EXPECT_STREQ(blkrewind_error_api_code(error.get()), "");
  EXPECT_STREQ(blkrewind_error_remedy(error.get()), "");
  EXPECT_EQ(blkrewind_error_extent(error.get(), &extent), 0);
}

TEST(CErrors, HaveANumberAndANameForEachClass) {
  for (int i = 0; i <= static_cast<int>(Errc::kInternal); ++i) {
    const auto code = static_cast<Errc>(i);
    const int number = c_interface::report(fail(code, "it").value(), nullptr);
    EXPECT_EQ(to_string(code), blkrewind_code_name(number));
  }
  EXPECT_STREQ(blkrewind_code_name(BLKREWIND_OK), "Ok");
  EXPECT_STREQ(blkrewind_code_name(-1), "Internal");
  EXPECT_STREQ(blkrewind_code_name(1000), "Internal");
}

TEST_F(CInterface, AnExceptionOfACallbackIsAnError) {
  ASSERT_TRUE(ok(take("one")));
  const auto visit = [](void*, const blkrewind_disk_info*, const blkrewind_snapshot_info* const*,
                        std::size_t) -> int { throw std::runtime_error("enough"); };
  EXPECT_TRUE(failed(blkrewind_list(engine_.get(), nullptr, visit, nullptr, error_.out()),
                     BLKREWIND_INTERNAL));
  EXPECT_THAT(blkrewind_error_message(error_.get()), HasSubstr("enough"));
  EXPECT_TRUE(ok(take("two"))) << "the engine goes on";
}

TEST_F(CInterface, ANullThatIsNotAllowedIsAnError) {
  blkrewind_engine* const engine = engine_.get();
  const char* const target = image_.c_str();
  blkrewind_error** const e = error_.out();
  const auto visit = [](void*, const blkrewind_disk_info*, const blkrewind_snapshot_info* const*,
                        std::size_t) { return 0; };
  const std::vector<std::function<int()>> calls = {
      [&] { return blkrewind_open(nullptr, nullptr, e); },
      [&] { return blkrewind_snapshot(nullptr, target, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_snapshot(engine, nullptr, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_delete(nullptr, "s", nullptr, nullptr, e); },
      [&] { return blkrewind_delete(engine, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_list(nullptr, nullptr, visit, nullptr, e); },
      [&] { return blkrewind_list(engine, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_rollback(nullptr, target, "s", nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_rollback(engine, nullptr, "s", nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_rollback(engine, target, nullptr, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_undo(nullptr, target, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_undo(engine, nullptr, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_resume(nullptr, target, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_resume(engine, nullptr, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_track_start(nullptr, target, 0, nullptr, nullptr, e); },
      [&] { return blkrewind_track_start(engine, nullptr, 0, nullptr, nullptr, e); },
      [&] { return blkrewind_track_stop(nullptr, target, e); },
      [&] { return blkrewind_track_stop(engine, nullptr, e); },
      [&] { return blkrewind_track_status(nullptr, target, nullptr, e); },
      [&] { return blkrewind_track_status(engine, target, nullptr, e); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_TRUE(failed(calls[i](), BLKREWIND_INVALID_ARGUMENT)) << i;
    EXPECT_THAT(blkrewind_error_message(error_.get()), HasSubstr("NULL")) << i;
    error_.reset();
  }
}

TEST_F(CInterface, ANullThatIsAllowedIsNone) {
  EXPECT_EQ(take("one"), BLKREWIND_OK);
  EXPECT_EQ(blkrewind_delete(engine_.get(), "missing", nullptr, nullptr, nullptr),
            BLKREWIND_NOT_FOUND)
      << "the error is not asked for";
  EXPECT_EQ(blkrewind_error_code(nullptr), BLKREWIND_OK);
  EXPECT_EQ(blkrewind_error_errno(nullptr), 0);
  EXPECT_STREQ(blkrewind_error_api_code(nullptr), "");
  EXPECT_STREQ(blkrewind_error_message(nullptr), "");
  EXPECT_STREQ(blkrewind_error_remedy(nullptr), "");
  EXPECT_EQ(blkrewind_error_extent(nullptr, nullptr), 0);
  blkrewind_error_free(nullptr);
  blkrewind_free(nullptr);
  blkrewind_close(nullptr);
  blkrewind_cancel_set(nullptr);
  blkrewind_cancel_reset(nullptr);
  blkrewind_cancel_free(nullptr);
}

TEST_F(CInterface, AnErrorOfAnEarlierCallIsReplaced) {
  blkrewind_error* error = nullptr;
  ASSERT_EQ(blkrewind_delete(engine_.get(), "missing", nullptr, nullptr, &error),
            BLKREWIND_NOT_FOUND);
  blkrewind_error_free(error);
  ASSERT_EQ(blkrewind_list(
                engine_.get(), nullptr,
                [](void*, const blkrewind_disk_info*, const blkrewind_snapshot_info* const*,
                   std::size_t) { return 0; },
                nullptr, &error),
            BLKREWIND_OK);
  EXPECT_EQ(error, nullptr);
}

TEST_F(CInterface, TheLogGoesToTheCallersCallback) {
  std::vector<std::string> lines;
  const auto keep = [](void* user, int level, const char* text) {
    static_cast<std::vector<std::string>*>(user)->push_back(std::to_string(level) + " " + text);
  };
  EXPECT_EQ(blkrewind_set_log(BLKREWIND_LOG_DEBUG + 1, keep, &lines), BLKREWIND_INVALID_ARGUMENT);
  EXPECT_EQ(blkrewind_set_log(-1, keep, &lines), BLKREWIND_INVALID_ARGUMENT);
  ASSERT_TRUE(ok(take("one")));
  const std::string other = image_;
  image_ = make_image("other.img", 'b');
  ASSERT_TRUE(ok(take("two")));
  // A refusal is logged.
  const auto refuse = [&] {
    EXPECT_TRUE(failed(blkrewind_rollback(engine_.get(), other.c_str(), "two", nullptr, nullptr,
                                          nullptr, error_.out()),
                       BLKREWIND_PRECONDITION));
  };
  refuse();
  EXPECT_THAT(lines, IsEmpty());
  ASSERT_EQ(blkrewind_set_log(BLKREWIND_LOG_INFO, keep, &lines), BLKREWIND_OK);
  testing::internal::CaptureStderr();
  refuse();
  EXPECT_THAT(testing::internal::GetCapturedStderr(), IsEmpty());
  EXPECT_THAT(lines, ElementsAre(HasSubstr("3 refused: InvalidParameter.Mismatch")));
  ASSERT_EQ(blkrewind_set_log(BLKREWIND_LOG_OFF, nullptr, nullptr), BLKREWIND_OK);
  refuse();
  EXPECT_EQ(lines.size(), 1U);
}

TEST(CVersion, IsThatOfTheHeaders) {
  EXPECT_STREQ(blkrewind_version(), BLKREWIND_VERSION_STRING);
  EXPECT_EQ(std::string(version()), std::to_string(BLKREWIND_VERSION_MAJOR) + "." +
                                        std::to_string(BLKREWIND_VERSION_MINOR) + "." +
                                        std::to_string(BLKREWIND_VERSION_PATCH));
}

}  // namespace
}  // namespace blkrewind::test
