// The keys are a promise to scripts: every object is compared completely.
#include "cli/json.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace blkrewind::cli {
namespace {

std::vector<std::string> keys_of(const Json& json) {
  std::vector<std::string> keys;
  for (const auto& item : json.items()) keys.push_back(item.key());
  return keys;
}

using Keys = std::vector<std::string>;

TEST(Json, OfASnapshotReceipt) {
  SnapshotReceipt receipt;
  receipt.snapshot_id = "s-1";
  receipt.stored_bytes = 65536;
  receipt.elapsed_seconds = 0.5;
  const Json json = json_of(receipt);
  EXPECT_EQ(keys_of(json),
            (Keys{"snapshot_id", "name", "disk_id", "disk_registered", "change_source",
                  "device_bytes", "scanned_bytes", "changed_bytes", "stored_bytes", "zero_bytes",
                  "elapsed_seconds", "scan_seconds", "root_digest", "recognised_by", "taken",
                  "frozen", "frozen_us", "passes", "last_pass_bytes"}));
  EXPECT_EQ(json.at("stored_bytes"), 65536);
  EXPECT_EQ(json.at("elapsed_seconds"), 0.5);
  EXPECT_TRUE(json.at("name").is_null());
}

TEST(Json, OfARollbackReceipt) {
  RollbackReceipt receipt;
  const Json without = json_of(receipt);
  EXPECT_EQ(keys_of(without),
            (Keys{"request_id",        "disk_id",         "snapshot_id",      "undo_snapshot_id",
                  "dry_run",           "change_source",   "device_bytes",     "scanned_bytes",
                  "changed_bytes",     "restored_bytes",  "zeroed_bytes",     "undo_stored_bytes",
                  "extent_count",      "verified_after",  "read_back_bytes",  "unreadable_bytes",
                  "unreadable",        "marked_bytes",    "kept_snapshot_id", "kept_bytes",
                  "ended_interrupted", "elapsed_seconds", "scan_seconds",     "verify_seconds",
                  "restore_seconds",   "root_digest",     "recognised_by"}));
  EXPECT_TRUE(without.at("unreadable").is_array());
  EXPECT_TRUE(without.at("kept_snapshot_id").is_null());
  EXPECT_TRUE(without.at("undo_snapshot_id").is_null());
  receipt.undo_snapshot_id = "s-2";
  receipt.restored_bytes = std::uint64_t{1} << 53 | 1;
  receipt.rechecked_bytes = 0;
  EXPECT_EQ(json_of(receipt).at("undo_snapshot_id"), "s-2");
  EXPECT_EQ(json_of(receipt).at("rechecked_bytes"), 0);
  receipt.partition_table = "stale";
  receipt.partition_reason = "the kernel refused";
  receipt.partition_remedy = blkrewind::run_program("remove", "partx -d", {"/dev/a b"})
                                 .and_then(blkrewind::run_program("add", "partx -a", {"/dev/a b"}));
  EXPECT_EQ(json_of(receipt).at("partition_reason"), "the kernel refused");
  EXPECT_EQ(json_of(receipt).at("partition_command"), "partx -d '/dev/a b'; partx -a '/dev/a b'");
  EXPECT_NE(dump(json_of(receipt)).find("\"restored_bytes\":9007199254740993"), std::string::npos);
}

TEST(Json, OfTrackingHasNullForWhatIsNotKnown) {
  TrackerInfo valid;
  valid.source = "bitmap";
  valid.valid = true;
  valid.base_snapshot_id = "s-1";
  TrackerInfo none;
  none.source = "extents";
  none.reason = "because";
  none.changed_bytes = 7;  // of no meaning
  const Json json = json_of(TrackingInfo{"d-1", "/dev/loop0", {valid, none}});
  EXPECT_EQ(keys_of(json), (Keys{"disk_id", "path", "trackers"}));
  const Json& known = json.at("trackers").at(0);
  EXPECT_EQ(keys_of(known), (Keys{"source", "valid", "reason", "base_snapshot_id", "changed_bytes",
                                  "granule_bytes", "memory_bytes"}));
  EXPECT_TRUE(known.at("reason").is_null());
  EXPECT_EQ(known.at("base_snapshot_id"), "s-1");
  EXPECT_EQ(known.at("changed_bytes"), 0);
  const Json& unknown = json.at("trackers").at(1);
  EXPECT_EQ(unknown.at("reason"), "because");
  EXPECT_TRUE(unknown.at("base_snapshot_id").is_null());
  EXPECT_TRUE(unknown.at("changed_bytes").is_null());
  EXPECT_EQ(json_of(TrackingInfo{}).at("trackers"), Json::array());
}

TEST(Json, OfTheOtherReceipts) {
  EXPECT_EQ(keys_of(json_of(DiffReceipt{})),
            (Keys{"from", "to", "device_bytes", "scanned_bytes", "changed_bytes", "extent_count",
                  "unreadable_bytes", "unreadable", "elapsed_seconds", "scan_seconds"}));
  EXPECT_EQ(keys_of(json_of(VerifyReceipt{})),
            (Keys{"snapshot_count", "chunk_count", "verified_bytes", "damaged", "unreadable",
                  "findings", "unreadable_disks", "damaged_logs", "elapsed_seconds"}));
  EXPECT_TRUE(json_of(VerifyReceipt{}).at("unreadable").is_array());
  EXPECT_TRUE(json_of(VerifyReceipt{}).at("damaged").is_array());
  EXPECT_EQ(keys_of(json_of(CloneReceipt{})),
            (Keys{"disk_id", "snapshot_id", "origin_disk_id", "origin_snapshot_id", "file_created",
                  "stored_bytes", "elapsed_seconds", "rollback"}));
  EXPECT_EQ(keys_of(json_of(CloneReceipt{}).at("rollback")), keys_of(json_of(RollbackReceipt{})));
  EXPECT_EQ(keys_of(json_of(ExportReceipt{})),
            (Keys{"snapshot_id", "device_bytes", "range_offset", "range_bytes", "written_bytes",
                  "zero_bytes", "elapsed_seconds", "root_digest"}));
  EXPECT_EQ(keys_of(json_of(DeleteReceipt{})),
            (Keys{"snapshot_id", "reclaimed_bytes", "elapsed_seconds"}));
  EXPECT_EQ(keys_of(json_of(CollectReceipt{})),
            (Keys{"reclaimed_bytes", "removed_files", "finished_deletes", "checkpointed",
                  "elapsed_seconds"}));
  EXPECT_EQ(keys_of(json_of(UpgradeReceipt{})),
            (Keys{"upgraded", "resumed", "disk_count", "snapshot_count", "moved_segments",
                  "warnings", "elapsed_seconds"}));
  EXPECT_TRUE(json_of(UpgradeReceipt{}).at("warnings").is_array());
  EXPECT_EQ(keys_of(json_of(StoreInfo{})),
            (Keys{"path", "uuid", "format_version", "disk_count", "snapshot_count", "segment_count",
                  "live_bytes", "allocated_bytes", "journal_bytes", "unreadable_disks"}));
}

TEST(Json, OfAnInstanceHasNullForNever) {
  InstanceInfo instance;
  instance.id = "i-web";
  instance.locks = {"security"};
  const Json never = json_of(instance);
  EXPECT_EQ(keys_of(never), (Keys{"instance_id", "name", "status", "locks", "expires_at",
                                  "in_arrears", "created_at", "disk_ids"}));
  EXPECT_TRUE(never.at("expires_at").is_null());
  EXPECT_EQ(never.at("locks"), (Json{"security"}));
  instance.expires_at = 1373846400;
  EXPECT_EQ(json_of(instance).at("expires_at"), 1373846400);
}

TEST(Json, OfADiskTellsOfAnInterruptedRollback) {
  DiskInfo disk;
  disk.id = "d-1";
  const Json quiet = json_of(disk);
  EXPECT_EQ(keys_of(quiet),
            (Keys{"disk_id", "path", "attached", "device_bytes", "chunk_bytes", "status",
                  "instance_id", "registered_at", "attached_at", "first_detached_at", "detached_at",
                  "pending_rollback", "last_rollback_snapshot_id", "undo_snapshot_id",
                  "anchor_snapshot_id", "origin", "error"}));
  EXPECT_TRUE(quiet.at("origin").is_null());
  EXPECT_TRUE(quiet.at("error").is_null());
  EXPECT_TRUE(quiet.at("pending_rollback").is_null());
  EXPECT_TRUE(quiet.at("instance_id").is_null());
  EXPECT_TRUE(quiet.at("attached").is_null()) << "it cannot be told";
  disk.attached = false;
  EXPECT_EQ(json_of(disk).at("attached"), false);
  disk.origin = DiskOrigin{"d-2", "s-2"};
  EXPECT_EQ(dump(json_of(disk).at("origin")), R"({"disk_id":"d-2","snapshot_id":"s-2"})");
  disk.pending_rollback = PendingRollback{};
  disk.pending_rollback->snapshot_id = "s-1";
  const Json pending = json_of(disk).at("pending_rollback");
  EXPECT_EQ(keys_of(pending),
            (Keys{"request_id", "snapshot_id", "undo_snapshot_id", "started_at", "running"}));
  EXPECT_EQ(pending.at("snapshot_id"), "s-1");
  EXPECT_TRUE(pending.at("undo_snapshot_id").is_null());
}

TEST(Json, OfAListedDiskHasItsSnapshots) {
  DiskInfo disk;
  disk.id = "d-2";
  EXPECT_TRUE(json_of_listed(disk, {}).at("snapshots").is_array());
  std::vector<SnapshotInfo> snapshots(2);
  snapshots[0].kind = SnapshotKind::kImport;
  snapshots[0].status = SnapshotStatus::kAccomplished;
  snapshots[1].kind = SnapshotKind::kUndo;
  snapshots[1].status = SnapshotStatus::kFailed;
  Json json = json_of_listed(disk, snapshots);
  const Json own = json.at("snapshots");
  ASSERT_EQ(own.size(), 2U);
  EXPECT_EQ(keys_of(own.at(0)),
            (Keys{"snapshot_id", "name", "description", "disk_id", "kind", "status", "damaged",
                  "created_at", "device_bytes", "chunk_bytes", "stored_bytes", "zero_bytes",
                  "root_digest", "taken", "frozen_us"}));
  EXPECT_EQ(own.at(0).at("taken"), "offline");
  EXPECT_EQ(own.at(0).at("kind"), "import");
  EXPECT_EQ(own.at(0).at("status"), "accomplished");
  EXPECT_EQ(own.at(1).at("kind"), "undo");
  EXPECT_EQ(own.at(1).at("status"), "failed");
  json.erase("snapshots");
  EXPECT_EQ(json, json_of(disk));
}

TEST(Json, OfADiskThatCannotBeReadHasNullForWhatIsUnknown) {
  DiskInfo disk;
  disk.trouble = Error();
  disk.trouble->code = Errc::kIntegrity;
  disk.trouble->message = "the log is truncated";
  const Json json = json_of_listed(disk, {});
  EXPECT_EQ(keys_of(json.at("error")), (Keys{"code", "message"}));
  EXPECT_EQ(json.at("error").at("message"), "the log is truncated");
  EXPECT_TRUE(json.at("status").is_null());
  EXPECT_TRUE(json.at("snapshots").is_null()) << "which is not an empty list";
}

TEST(Json, NamesTheDisksThatCannotBeRead) {
  UnreadableDisk disk{"d-1", "/dev/vdb", {}};
  disk.error.code = Errc::kIntegrity;
  disk.error.message = "the log is missing";
  VerifyReceipt receipt;
  StoreInfo store;
  EXPECT_EQ(json_of(receipt).at("unreadable_disks"), Json::array());
  receipt.unreadable_disks = store.unreadable_disks = {disk};
  for (const Json& json : {json_of(receipt), json_of(store)}) {
    const Json& one = json.at("unreadable_disks").at(0);
    EXPECT_EQ(keys_of(one), (Keys{"disk_id", "path", "error"}));
    EXPECT_EQ(one.at("disk_id"), "d-1");
    EXPECT_EQ(one.at("path"), "/dev/vdb");
    EXPECT_EQ(one.at("error").at("message"), "the log is missing");
  }
}

TEST(Json, DumpsOneLineEvenOfBytesThatAreNotUtf8) {
  Json json;
  json["path"] = "/tmp/\xff\n";
  const std::string text = dump(json);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 0);
  EXPECT_EQ(Json::parse(text).at("path"), "/tmp/\xEF\xBF\xBD\n");
}

}  // namespace
}  // namespace blkrewind::cli
