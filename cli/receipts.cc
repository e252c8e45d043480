#include "cli/receipts.h"

#include <algorithm>

#include "blkrewind/units.h"
#include "cli/errors.h"
#include "cli/json.h"
#include "cli/output.h"
#include "cli/remedy_text.h"
#include "cli/sizes.h"
#include "cli/times.h"

namespace blkrewind::cli {
namespace {

// "1 GiB in 0.52 s (1.92 GiB/s)"
std::string bytes_in(std::uint64_t bytes, double seconds) {
  std::string text = format_bytes(bytes) + " in " + format_elapsed(seconds);
  if (const std::string rate = format_rate(bytes, seconds); !rate.empty())
    text += " (" + rate + ")";
  return text;
}

// A scan is the default and is not mentioned.
std::string milliseconds(std::uint64_t microseconds) {
  const std::uint64_t tenths = (microseconds + 50) / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " ms";
}

// Of a device that was in use.
std::string taken_of(const SnapshotReceipt& receipt) {
  if (receipt.taken_from == TakenFrom::kOffline) return {};
  const std::string last = format_bytes(receipt.last_pass_bytes) + " in the last of " +
                           std::to_string(receipt.passes) + " passes";
  std::string text = receipt.frozen.empty() ? "while it was quiet" : std::string();
  for (const std::string& mount_point : receipt.frozen) {
    text += (text.empty() ? "while " : ", ") + printable(mount_point);
  }
  if (!receipt.frozen.empty()) {
    text += (receipt.frozen.size() == 1 ? " was frozen for " : " were frozen for ") +
            milliseconds(receipt.frozen_us);
    if (receipt.taken_from == TakenFrom::kQuiet) text += " and the rest was quiet";
  }
  return text + ", " + last;
}

std::string source_of(const std::string& change_source) {
  return change_source == "scan" ? "" : change_source;
}

std::string id_and_name(const std::string& id, const std::string& name) {
  return name.empty() || name == id ? id : id + " (" + printable(name) + ")";
}

std::string joined(const std::vector<std::string>& parts) {
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? "" : ", ") + part;
  return text;
}

std::string lines_of(const std::vector<UnreadableDisk>& disks) {
  std::string text;
  for (const UnreadableDisk& disk : disks) {
    text += "  disk " + id_and_name(disk.disk_id, disk.path) + ": " +
            printable(disk.error.to_string()) + "\n";
  }
  return text;
}

std::string joined_extents(const std::vector<Extent>& extents) {
  std::string text;
  for (const Extent& extent : extents) text += " " + to_string(extent);
  return text;
}

}  // namespace

std::string text_of(const SnapshotReceipt& receipt, const std::string& target,
                    const std::string& source_file) {
  std::string text =
      "snapshot " + id_and_name(receipt.snapshot_id, receipt.name) + " of " + printable(target);
  if (!source_file.empty()) text += " from " + printable(source_file);
  text += "\n";
  return text + Facts()
                    .add("disk", receipt.disk_id + (receipt.disk_registered ? ", new" : "") + ", " +
                                     format_bytes(receipt.device_bytes))
                    .add("scanned", bytes_in(receipt.scanned_bytes, receipt.scan_seconds))
                    .add("by", source_of(receipt.change_source))
                    .add("taken", taken_of(receipt))
                    .add("changed", format_bytes(receipt.changed_bytes))
                    .add("stored", format_bytes(receipt.stored_bytes))
                    .add("zero", format_bytes(receipt.zero_bytes))
                    .add("digest", receipt.root_digest)
                    .add("identified by", printable(receipt.recognised_by))
                    .text();
}

std::string text_of(const RollbackReceipt& receipt, RollbackVerb verb, const std::string& target,
                    const std::string& snapshot, const std::string& undo_command) {
  std::string text;
  const std::string to = id_and_name(receipt.snapshot_id, snapshot);
  if (receipt.dry_run) {
    text = "would roll back " + printable(target) + " to " + to + "; nothing was written\n";
  } else if (verb == RollbackVerb::kUndo) {
    text = (receipt.ended_interrupted ? "undid the interrupted rollback of "
                                      : "undid the last rollback of ") +
           printable(target) + ": it is back at " + to + "\n";
  } else if (verb == RollbackVerb::kResume) {
    text = "finished the rollback of " + printable(target) + " to " + to + "\n";
  } else {
    text = "rolled back " + printable(target) + " to " + to + "\n";
  }
  Facts facts;
  facts.add("changed",
            format_bytes(receipt.changed_bytes) + " in " + counted(receipt.extents, "extent"));
  facts.add("restored", format_bytes(receipt.restored_bytes));
  facts.add("zeroed", format_bytes(receipt.zeroed_bytes));
  facts.add("scanned", bytes_in(receipt.scanned_bytes, receipt.scan_seconds));
  facts.add("by", source_of(receipt.change_source));
  if (receipt.rechecked_bytes) {
    facts.add("rechecked", format_bytes(*receipt.rechecked_bytes) + ", no change was missed");
  } else if (receipt.verified_after == "written" && receipt.read_back_bytes != 0) {
    facts.add("read back", format_bytes(receipt.read_back_bytes) + ", matches");
  }
  if (receipt.unreadable_bytes != 0) {
    facts.add("UNREADABLE", format_bytes(receipt.unreadable_bytes) + " of the device" +
                                (receipt.dry_run ? "" : " before the rollback; rewritten") + ":" +
                                joined_extents(receipt.unreadable));
    if (receipt.undo_snapshot_id) facts.add("undo holds", "a placeholder, which undo writes back");
  }
  if (receipt.marked_bytes != 0) {
    facts.add("PLACEHOLDER", format_bytes(receipt.marked_bytes) + " could not be read when " +
                                 receipt.snapshot_id +
                                 " was taken: the device holds a placeholder there");
  }
  if (receipt.kept_snapshot_id) {
    facts.add("found", format_bytes(receipt.kept_bytes) +
                           " written since the interruption, kept as " + *receipt.kept_snapshot_id);
  }
  facts.add("identified by", printable(receipt.recognised_by));
  if (!receipt.dry_run) {
    facts.add(receipt.verified_after == "none" ? "expected digest" : "digest", receipt.root_digest);
    facts.add("request", receipt.request_id);
    if (receipt.undo_snapshot_id) {
      facts.add("undo kept as", *receipt.undo_snapshot_id + ", " +
                                    format_bytes(receipt.undo_stored_bytes) + " of it new");
      facts.add("undo with", undo_command);
    }
  }
  if (receipt.partition_table == "reread") {
    facts.add("partitions", "changed; the kernel has updated its partitions");
  } else if (receipt.partition_table == "stale") {
    facts.add("partitions", "STALE: " + printable(receipt.partition_reason) +
                                "; run this before using a partition: " +
                                printable(commands_of(receipt.partition_remedy, {})));
  }
  return text + facts.text();
}

std::string text_of(const CloneReceipt& receipt, const std::string& target,
                    const std::string& undo_command) {
  return "cloned " + receipt.origin_snapshot_id + " to " + printable(target) + "\n" +
         Facts()
             .add("disk", receipt.disk_id + ", new" + (receipt.file_created ? ", a new file" : ""))
             .add("shares with", receipt.origin_disk_id)
             .add("stored", format_bytes(receipt.stored_bytes))
             .text() +
         text_of(receipt.rollback, RollbackVerb::kRollback, target, {}, undo_command);
}

std::string text_of(const DiffReceipt& receipt) {
  std::string text = format_bytes(receipt.changed_bytes) + " of " +
                     format_bytes(receipt.device_bytes) + " differ, in " +
                     counted(receipt.extents, "extent");
  if (receipt.scanned_bytes != 0) {
    text += "; scanned " + bytes_in(receipt.scanned_bytes, receipt.scan_seconds);
  }
  if (receipt.unreadable_bytes != 0) {
    text += "; " + format_bytes(receipt.unreadable_bytes) + " could not be read and count as " +
            "differing:" + joined_extents(receipt.unreadable);
  }
  return text + "\n";
}

std::string text_of(const VerifyReceipt& receipt) {
  std::string text =
      "verified " + counted(receipt.snapshots, "snapshot") + ", " +
      counted(receipt.chunks, "chunk") + ": " +
      bytes_in(receipt.verified_bytes, receipt.elapsed_seconds) + "; " +
      (receipt.damaged.empty() ? "no damage" : "DAMAGED: " + printable(joined(receipt.damaged))) +
      (receipt.unreadable_disks.empty() ? ""
                                        : " in them; disks that could not be read: " +
                                              std::to_string(receipt.unreadable_disks.size())) +
      (receipt.damaged_logs.empty()
           ? ""
           : "; DAMAGED logs: " + std::to_string(receipt.damaged_logs.size())) +
      (receipt.unreadable.empty()
           ? ""
           : "; could not be read: " + printable(joined(receipt.unreadable))) +
      "\n";
  for (const std::string& finding : receipt.findings) text += "  " + printable(finding) + "\n";
  for (const Error& log : receipt.damaged_logs) text += "  " + printable(log.to_string()) + "\n";
  return text + lines_of(receipt.unreadable_disks);
}

std::string text_of(const ExportReceipt& receipt, const std::string& file) {
  const std::string where = file == "-" ? "standard output" : printable(file);
  return "exported " + receipt.snapshot_id + " to " + where + "\n" +
         Facts()
             .add("size", format_bytes(receipt.range.length))
             .add("written", bytes_in(receipt.written_bytes, receipt.elapsed_seconds))
             .add("zero", format_bytes(receipt.zero_bytes))
             .add("digest", receipt.root_digest)
             .text();
}

std::string text_of(const DeleteReceipt& receipt) {
  return "deleted " + receipt.snapshot_id + ", freed " + format_bytes(receipt.reclaimed_bytes) +
         "\n";
}

std::string text_of(const CollectReceipt& receipt) {
  return "garbage collection finished\n" +
         Facts()
             .add("freed", format_bytes(receipt.reclaimed_bytes))
             .add("deletes finished", std::to_string(receipt.finished_deletes))
             .add("files removed", std::to_string(receipt.removed_files))
             .add("journal", receipt.checkpointed ? "compacted" : "unchanged")
             .text();
}

std::string text_of(const UpgradeReceipt& receipt, const std::string& store) {
  if (!receipt.upgraded) return "nothing to do: " + printable(store) + " has the present format\n";
  std::string text = (receipt.resumed ? "completed the upgrade of " : "upgraded ") +
                     printable(store) + "\n" +
                     Facts()
                         .add("disks", std::to_string(receipt.disks))
                         .add("snapshots", std::to_string(receipt.snapshots))
                         .add("segments moved", std::to_string(receipt.moved_segments))
                         .add("took", format_elapsed(receipt.elapsed_seconds))
                         .text();
  for (const std::string& warning : receipt.warnings) {
    text += "  warning: " + printable(warning) + "\n";
  }
  return text;
}

std::string text_of(const TrackingInfo& tracking) {
  std::string text = tracking.disk_id + "  " + printable(tracking.path) + "\n";
  if (tracking.trackers.empty()) return text + "  not tracked: every operation scans\n";
  for (const TrackerInfo& tracker : tracking.trackers) {
    text +=
        Facts()
            .add("tracked by", tracker.source)
            .add("state", tracker.valid ? "valid" : "not ready: " + printable(tracker.reason))
            .add("since", tracker.base_snapshot_id)
            .add("changed", tracker.valid ? format_bytes(tracker.changed_bytes) + " at most" : "")
            .add("granule", format_bytes(tracker.granule_bytes))
            .add("takes", format_bytes(tracker.memory_bytes))
            .text();
  }
  return text;
}

std::string text_of(const std::vector<PinnedTracking>& pins) {
  if (pins.empty()) return "the kernel tracks no disk\n";
  const auto known = [](const std::string& text) { return text.empty() ? "unknown" : text; };
  std::string text;
  for (const PinnedTracking& pin : pins) {
    text += pin.disk_id + "\n" +
            Facts()
                .add("device", printable(known(pin.device)))
                .add("store", printable(known(pin.store_path)))
                .add("store uuid", printable(pin.store_uuid))
                .add("GONE", printable(pin.gone))
                .text();
  }
  return text;
}

std::string text_of(const StoreInfo& store) {
  return "store " + printable(store.path) + "\n" +
         Facts()
             .add("uuid", store.uuid)
             .add("format", "version " + std::to_string(store.format_version))
             .add("disks", std::to_string(store.disks))
             .add("snapshots", std::to_string(store.snapshots))
             .add("live", format_bytes(store.live_bytes))
             .add("allocated",
                  format_bytes(store.allocated_bytes) + " in " + counted(store.segments, "segment"))
             .add("journal", format_bytes(store.journal_bytes))
             .text() +
         (store.unreadable_disks.empty() ? "" : "  not counted, because they cannot be read:\n") +
         lines_of(store.unreadable_disks);
}

std::string text_of(const InstanceInfo& instance) {
  return "instance " + id_and_name(instance.id, instance.name) + "\n" +
         Facts()
             .add("status", instance.status)
             .add("locks", joined(instance.locks))
             .add("expires", instance.expires_at != 0 ? format_time(instance.expires_at) : "")
             .add("in arrears", instance.in_arrears ? "yes" : "")
             .add("created", instance.created_at != 0 ? format_time(instance.created_at) : "")
             .add("disks", joined(instance.disk_ids))
             .text();
}

std::string text_of(const std::vector<InstanceInfo>& instances) {
  Table table({{"ID"}, {"NAME"}, {"STATUS"}, {"LOCKS"}, {"EXPIRES"}, {"ARREARS"}, {"DISKS"}});
  for (const InstanceInfo& instance : instances) {
    table.add({instance.id, instance.name, instance.status, joined(instance.locks),
               instance.expires_at != 0 ? format_time(instance.expires_at) : "never",
               instance.in_arrears ? "yes" : "no", joined(instance.disk_ids)});
  }
  return table.text();
}

std::string text_of(const DiskInfo& disk, const Advice& advice) {
  std::string text =
      disk.id + "  " + printable(disk.path) + "\n" +
      Facts()
          .add("size",
               format_bytes(disk.device_bytes) + ", in chunks of " + format_bytes(disk.chunk_bytes))
          .add("error", disk.trouble
                            ? printable(error_code(*disk.trouble) + ": " + disk.trouble->message)
                            : "")
          .add("status", disk.status)
          .add("device", disk.attached.value_or(true) ? "" : "not attached; last seen at this path")
          .add("instance", disk.instance_id)
          .add("clone of",
               disk.origin ? id_and_name(disk.origin->snapshot_id, "disk " + disk.origin->disk_id)
                           : "")
          .add("registered", format_time(disk.registered_at))
          .add("detached", disk.detached_at != 0 ? format_time(disk.detached_at) : "")
          .add("base", disk.anchor_snapshot_id.empty()
                           ? ""
                           : disk.anchor_snapshot_id + ", when last checked")
          .add("undo to", disk.undo_snapshot_id)
          .text();
  if (disk.pending_rollback) {
    const PendingRollback& pending = *disk.pending_rollback;
    if (pending.running) {
      text += "  a rollback to " + pending.snapshot_id + " is running since " +
              format_time(pending.started_at) + "\n";
    } else {
      text += "  INTERRUPTED ROLLBACK to " + pending.snapshot_id + ", started " +
              format_time(pending.started_at) + ": the device holds both old and new data\n" +
              "    finish it:  " + advice.resume + "\n";
      if (pending.undo_snapshot_id) text += "    undo it:    " + advice.undo + "\n";
    }
  }
  return text;
}

namespace {

std::string taken_of(const SnapshotInfo& snapshot) {
  const std::string how = name_of(snapshot.taken_from);
  return snapshot.frozen_us == 0 ? how : how + " " + milliseconds(snapshot.frozen_us);
}

}  // namespace

std::string text_of_listed(const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots,
                           const Advice& advice) {
  std::string text = text_of(disk, advice);
  if (disk.trouble) return text;
  if (snapshots.empty()) return text + "  no snapshots\n";
  Table table({{"ID"},
               {"NAME"},
               {"KIND"},
               {"STATUS"},
               {"SIZE", Table::Align::kRight},
               {"STORED", Table::Align::kRight},
               {"ZERO", Table::Align::kRight},
               {"CREATED"},
               {"TAKEN"}});
  for (const SnapshotInfo& snapshot : snapshots) {
    std::string status = name_of(snapshot.status);
    if (snapshot.damaged) status += ", DAMAGED";
    table.add({snapshot.id, snapshot.name, name_of(snapshot.kind), status,
               format_bytes(snapshot.device_bytes), format_bytes(snapshot.stored_bytes),
               format_bytes(snapshot.zero_bytes), format_time(snapshot.created_at),
               taken_of(snapshot)});
  }
  return text + "\n" + table.text("  ");
}

}  // namespace blkrewind::cli
