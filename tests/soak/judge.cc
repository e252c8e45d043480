#include "soak/judge.h"

#include <set>
#include <utility>

namespace blkrewind::soak {

using nlohmann::json;

namespace {

void need(bool holds, const std::string& what) {
  if (!holds) throw Broken(what);
}

std::string text_of(const json& object, const char* key) {
  return object.at(key).is_string() ? object.at(key).get<std::string>() : std::string();
}

// Ended by itself with a refusal: nothing was changed.
bool was_refused(const Ended& ended) { return !ended.killed && ended.status != 0; }
bool succeeded(const Ended& ended) { return !ended.killed && ended.status == 0; }

}  // namespace

// A disk as it is now, and as it was expected.
struct Judge::Seen {
  Disk& disk;
  const json& listed;
  Content now;
  std::vector<json> new_snapshots;  // accomplished, not acknowledged before
  std::vector<json> new_failed;
};

const json& Judge::disk_of(const json& list, const std::string& id) {
  for (const json& disk : list.at("disks")) {
    if (disk.at("disk_id") == id) return disk;
  }
  throw Broken("the disk " + id + " is not listed");
}

void Judge::settle(const json& list, const std::vector<Ended>& ended) {
  for (std::size_t i = 0; i < expected_.attempts.size(); ++i) {
    const Attempt& attempt = expected_.attempts[i];
    if (attempt.disk < 0) {
      count(attempt, ended[i], "any");
      continue;
    }
    const auto index = static_cast<std::size_t>(attempt.disk);
    Disk& disk = expected_.disks.at(index);
    const json& listed = disk_of(list, disk.id);
    Seen seen{disk, listed, Content::of_file(devices_[index].backing()), {}, {}};
    for (const json& snapshot : listed.at("snapshots")) {
      const std::string id = snapshot.at("snapshot_id");
      const std::string status = snapshot.at("status");
      if (status == "accomplished" && !disk.snapshots.contains(id)) {
        seen.new_snapshots.push_back(snapshot);
      } else if (status != "accomplished" && !disk.failed.contains(id)) {
        seen.new_failed.push_back(snapshot);
      }
    }
    if (attempt.kind == Kind::kSnapshot) {
      settle_snapshot(attempt, ended[i], seen);
    } else if (attempt.kind == Kind::kDelete) {
      settle_delete(attempt, ended[i], seen);
    } else if (disk.pending) {
      settle_pending(attempt, ended[i], seen);
    } else {
      settle_rollback(attempt, ended[i], seen);
    }
  }
  expected_.attempts.clear();
  compare(list);
}

void Judge::settle_snapshot(const Attempt& attempt, const Ended& ended, Seen& seen) {
  need(seen.now.name() == seen.disk.now, "a snapshot changed its device");
  const json answer = ended.answer();
  const std::string acknowledged =
      answer.is_object() ? answer.value("snapshot_id", "") : std::string();
  need(!succeeded(ended) || !acknowledged.empty(), "a snapshot ended well without its receipt");
  if (!acknowledged.empty()) {
    need(seen.new_snapshots.size() == 1 && seen.new_snapshots[0].at("snapshot_id") == acknowledged,
         "the acknowledged snapshot " + acknowledged + " is not there");
    need(seen.new_snapshots[0].at("root_digest") == answer.at("root_digest"),
         "the snapshot " + acknowledged + " is another one than was acknowledged");
  }
  need(seen.new_snapshots.size() + seen.new_failed.size() <= (was_refused(ended) ? 0 : 1),
       "one snapshot was taken, and several are there, or it was refused");
  for (const json& snapshot : seen.new_snapshots) {
    need(snapshot.at("name") == attempt.name && snapshot.at("kind") == "user",
         "an unexpected snapshot: " + snapshot.dump());
    seen.disk.snapshots[snapshot.at("snapshot_id")] = seen.disk.now;
  }
  for (const json& snapshot : seen.new_failed) {
    need(snapshot.at("name") == attempt.name && snapshot.at("status") == "failed",
         "half a snapshot is there: " + snapshot.dump());
    seen.disk.failed.insert(snapshot.at("snapshot_id"));
  }
  count(attempt, ended,
        !seen.new_snapshots.empty() ? "done"
        : seen.new_failed.empty()   ? "not begun"
                                    : "half-way");
}

// For a disk without a pending rollback: `rollback`, or `undo` of a finished one.
void Judge::settle_rollback(const Attempt& attempt, const Ended& ended, Seen& seen) {
  need(seen.new_failed.empty(), "a rollback left half a snapshot");
  if (!seen.listed.at("pending_rollback").is_null()) {
    begin_pending(attempt, ended, seen);
    count(attempt, ended, "half-way");
    return;
  }
  const bool changes = attempt.before != attempt.target;
  const bool is_target = seen.now.name() == attempt.target;
  need(is_target || seen.now.name() == attempt.before,
       "no rollback is pending, but the device is neither as before nor as the target: " +
           std::to_string(
               blocks_of_neither(seen.now, content(attempt.before), content(attempt.target))) +
           " blocks are neither");
  if (succeeded(ended)) {
    need(is_target, "a rollback ended well, but the device is not the target");
    const std::uint64_t differing =
        differing_bytes(content(attempt.before), content(attempt.target), seen.disk.chunk_bytes,
                        seen.disk.device_bytes);
    need(ended.answer().at("changed_bytes") == differing,
         "the receipt counts other bytes than the " + std::to_string(differing) + " that differed");
  }
  if (!is_target || !changes) {
    need(seen.new_snapshots.empty(), "a rollback that did nothing left an undo snapshot");
  } else {
    need(!was_refused(ended), "a rollback was refused, but the device is the target");
    need(seen.new_snapshots.size() == (attempt.with_undo ? 1 : 0),
         "the rollback has " + std::to_string(seen.new_snapshots.size()) + " undo snapshots");
    seen.disk.undo_id.clear();
    for (const json& snapshot : seen.new_snapshots) {
      need(snapshot.at("kind") == "undo", "not an undo snapshot: " + snapshot.dump());
      seen.disk.undo_id = snapshot.at("snapshot_id");
      seen.disk.snapshots[seen.disk.undo_id] = attempt.before;
    }
  }
  seen.disk.now = seen.now.name();
  count(attempt, ended, is_target ? "done" : "not begun");
}

void Judge::begin_pending(const Attempt& attempt, const Ended& ended, Seen& seen) {
  const json& listed = seen.listed.at("pending_rollback");
  need(ended.killed, "a rollback is pending that was not killed");
  need(listed.at("running") == false, "a killed rollback is said to run: " + listed.dump());
  need(listed.at("snapshot_id") == attempt.snapshot, "another target: " + listed.dump());
  Pending pending{attempt.snapshot, attempt.target, attempt.before,
                  text_of(listed, "undo_snapshot_id")};
  need(pending.undo_id.empty() != attempt.with_undo, "with undo or not: " + listed.dump());
  need(seen.new_snapshots.size() == (attempt.with_undo ? 1 : 0),
       "an interrupted rollback has several undo snapshots");
  for (const json& snapshot : seen.new_snapshots) {
    need(snapshot.at("kind") == "undo" && snapshot.at("snapshot_id") == pending.undo_id,
         "not its undo snapshot: " + snapshot.dump());
    seen.disk.snapshots[pending.undo_id] = attempt.before;
  }
  need_between(seen.now, pending, seen.disk.image);
  seen.disk.pending = std::move(pending);
  seen.disk.now.clear();
  ++expected_.counts["pending"];
}

// `resume`, or `undo` of an interrupted rollback.
void Judge::settle_pending(const Attempt& attempt, const Ended& ended, Seen& seen) {
  need(seen.new_snapshots.empty() && seen.new_failed.empty(),
       "resume or undo of an interrupted rollback left a snapshot");
  const bool forwards = attempt.kind == Kind::kResume;
  const Pending pending = *seen.disk.pending;
  if (!seen.listed.at("pending_rollback").is_null()) {
    need(!succeeded(ended), "it ended well, but the rollback is pending still");
    need_between(seen.now, pending, seen.disk.image);
    count(attempt, ended, "half-way");
    return;
  }
  need(!was_refused(ended), "it was refused, but the rollback is not pending any more");
  need(seen.now.name() == (forwards ? pending.target : pending.before),
       std::string("after ") + (forwards ? "resume" : "undo") + " the device is not exactly " +
           (forwards ? "the target" : "as before"));
  seen.disk.pending.reset();
  seen.disk.now = seen.now.name();
  if (forwards) seen.disk.undo_id = pending.undo_id;
  ++expected_.counts[forwards ? "resumed" : "undone"];
  count(attempt, ended, "done");
}

void Judge::settle_delete(const Attempt& attempt, const Ended& ended, Seen& seen) {
  need(seen.new_snapshots.empty() && seen.new_failed.empty(), "a delete made a snapshot");
  bool there = false;
  for (const json& snapshot : seen.listed.at("snapshots")) {
    there = there || snapshot.at("snapshot_id") == attempt.snapshot;
  }
  need(!there || !succeeded(ended), "a deleted snapshot is there still: " + attempt.snapshot);
  need(there || !was_refused(ended), "a delete was refused, but the snapshot is gone");
  if (!there) {
    seen.disk.snapshots.erase(attempt.snapshot);
    seen.disk.failed.erase(attempt.snapshot);
  }
  count(attempt, ended, there ? "not begun" : "half-way or done");
}

void Judge::compare(const json& list) {
  need(list.at("disks").size() == expected_.disks.size(), "there are other disks than were made");
  for (std::size_t i = 0; i < expected_.disks.size(); ++i) {
    const json& seen = disk_of(list, expected_.disks[i].id);
    compare_disk(expected_.disks[i], devices_[i], seen);
    compare_roots(expected_.disks[i], seen);
  }
}

void Judge::compare_disk(const Disk& disk, const Device& device, const json& seen) {
  std::set<std::string> whole;
  std::set<std::string> failed;
  for (const json& snapshot : seen.at("snapshots")) {
    const bool is_whole = snapshot.at("status") == "accomplished";
    need(is_whole || snapshot.at("status") == "failed", "no process takes it: " + snapshot.dump());
    need(snapshot.at("damaged") == false, "damaged: " + snapshot.dump());
    (is_whole ? whole : failed).insert(snapshot.at("snapshot_id").get<std::string>());
  }
  for (const auto& [id, content] : disk.snapshots) {
    need(whole.contains(id), "lost: the snapshot " + id + " of " + disk.image);
  }
  need(whole.size() == disk.snapshots.size(), "an unexpected snapshot, on " + disk.image);
  need(failed == disk.failed, "other cut off snapshots than expected, on " + disk.image);

  const Content now = Content::of_file(device.backing());
  const json& pending = seen.at("pending_rollback");
  need(pending.is_null() != disk.pending.has_value(), "pending or not: " + seen.dump());
  if (disk.pending) {
    need(pending.at("snapshot_id") == disk.pending->target_id &&
             text_of(pending, "undo_snapshot_id") == disk.pending->undo_id &&
             pending.at("running") == false,
         "another rollback is pending: " + pending.dump());
    need_between(now, *disk.pending, disk.image);
    return;
  }
  need(now.name() == disk.now,
       "the device " + disk.image + " is not what it was left as: " +
           std::to_string(blocks_of_neither(now, content(disk.now), content(disk.now))) +
           " blocks differ");
  const std::string undo = disk.snapshots.contains(disk.undo_id) ? disk.undo_id : "";
  need(text_of(seen, "undo_snapshot_id") == undo,
       "undo would restore another state: " + seen.dump() + ", not " + undo);
}

// Equal content has an equal root, different content a different one.
void Judge::compare_roots(Disk& disk, const json& seen) {
  for (const json& snapshot : seen.at("snapshots")) {
    const auto known = disk.snapshots.find(snapshot.at("snapshot_id"));
    if (known == disk.snapshots.end()) continue;
    const auto [root, first] = disk.roots.emplace(known->second, snapshot.at("root_digest"));
    need(first || root->second == snapshot.at("root_digest"),
         "the content of a snapshot is not what was snapshotted: " + snapshot.dump());
  }
  std::set<std::string> roots;
  for (const auto& [content, root] : disk.roots) {
    need(roots.insert(root).second, "two contents have the digest " + root);
  }
}

void Judge::need_between(const Content& now, const Pending& pending,
                         const std::string& path) const {
  const std::uint64_t neither =
      blocks_of_neither(now, content(pending.before), content(pending.target));
  need(neither == 0, "in the middle of a rollback, " + std::to_string(neither) + " blocks of " +
                         path + " are neither as before nor as the target");
}

void Judge::count(const Attempt& attempt, const Ended& ended, const std::string& phase) {
  if (!ended.killed) return;
  ++expected_.counts[std::string("phase ") + name_of(attempt.kind) + ": " + phase];
}

}  // namespace blkrewind::soak
