#include "control/rules/resolve.h"

#include <algorithm>

#include "base/ids.h"
#include "base/remedies.h"
#include "control/rules/reset_rules.h"

namespace blkrewind::control {
namespace {

using format::SnapshotRecord;
using format::SnapshotState;

bool is_accomplished(const SnapshotRecord& snapshot) {
  return snapshot.state == SnapshotState::kAccomplished;
}

std::optional<FoundSnapshot> find_id(const std::vector<DiskView>& views, const std::string& id) {
  for (const DiskView& view : views) {
    for (const SnapshotRecord& snapshot : view.snapshots) {
      if (snapshot.id == id) return FoundSnapshot{&view, &snapshot};
    }
  }
  return std::nullopt;
}

const SnapshotRecord* find_latest(const DiskView& view, SnapshotKind kind) {
  const SnapshotRecord* latest = nullptr;
  for (const SnapshotRecord& snapshot : view.snapshots) {
    if (!is_accomplished(snapshot) || snapshot.kind != kind) continue;
    if (latest == nullptr || is_older(*latest, snapshot)) latest = &snapshot;
  }
  return latest;
}

// An import holds a state of the past, or of another device: it is used only if no snapshot of the
// device itself was taken.
const SnapshotRecord* find_latest(const DiskView& view) {
  const SnapshotRecord* taken = find_latest(view, SnapshotKind::kUser);
  return taken != nullptr ? taken : find_latest(view, SnapshotKind::kImport);
}

const SnapshotRecord* find_name(const DiskView& view, const std::string& name) {
  const SnapshotRecord* best = nullptr;
  for (const SnapshotRecord& snapshot : view.snapshots) {
    if (snapshot.name != name) continue;
    if (best == nullptr || (is_accomplished(snapshot) && !is_accomplished(*best)) ||
        (is_accomplished(snapshot) == is_accomplished(*best) && is_older(*best, snapshot))) {
      best = &snapshot;
    }
  }
  return best;
}

bool is_there(const FoundSnapshot& found) { return is_accomplished(*found.snapshot); }

Remedy say_of_which_disk() {
  return {Verb::kRepeat, "say of which disk it is", {{Parameter::kOfDisk, {}}}};
}

Error not_found(Remedy remedy) {
  return refused_as(Errc::kNotFound, ResetRule::kSnapshotNotFound, std::move(remedy));
}

Result<FoundSnapshot> latest_anywhere(const std::vector<DiskView>& views) {
  if (views.size() > 1) {
    return fail(
        Errc::kInvalidArgument,
        "\"latest\" is ambiguous: the store holds " + std::to_string(views.size()) + " disks",
        say_of_which_disk().or_else(
            look_into_list("name the snapshot by its id, as the list shows it")));
  }
  if (views.size() == 1) {
    if (const SnapshotRecord* latest = find_latest(views.front())) {
      return FoundSnapshot{&views.front(), latest};
    }
  }
  return fail(not_found(Remedy(Verb::kSnapshot, "take one", {{Parameter::kTarget, {}}})));
}

}  // namespace

bool is_older(const SnapshotRecord& a, const SnapshotRecord& b) { return a.number < b.number; }

std::optional<FoundSnapshot> find_snapshot(const std::vector<DiskView>& views,
                                           format::DiskNumber disk, const std::string& text) {
  if (text.empty()) return std::nullopt;
  if (looks_like_id("s-", text)) return find_id(views, text);
  for (const DiskView& view : views) {
    if (view.disk.number != disk) continue;
    const SnapshotRecord* found = text == "latest" ? find_latest(view) : find_name(view, text);
    if (found != nullptr) return FoundSnapshot{&view, found};
  }
  if (text == "latest") return std::nullopt;
  std::optional<FoundSnapshot> other;
  for (const DiskView& view : views) {
    const SnapshotRecord* found = view.disk.number == disk ? nullptr : find_name(view, text);
    if (found == nullptr) continue;
    if (other) return std::nullopt;
    other = FoundSnapshot{&view, found};
  }
  return other;
}

Result<FoundSnapshot> find_snapshot_anywhere(const std::vector<DiskView>& views,
                                             const std::string& text) {
  if (text.empty()) {
    return fail(refused_as(Errc::kInvalidArgument, ResetRule::kMissingSnapshotId,
                           "name a snapshot: an id, a name or \"latest\""));
  }
  if (text == "latest") return latest_anywhere(views);
  if (looks_like_id("s-", text)) {
    if (auto found = find_id(views, text)) return *found;
    return fail(not_found(look_into_list("see the snapshots")));
  }
  std::vector<FoundSnapshot> found;
  for (const DiskView& view : views) {
    for (const SnapshotRecord& snapshot : view.snapshots) {
      if (snapshot.name != text) continue;
      found.push_back({&view, &snapshot});
    }
  }
  if (found.empty()) return fail(not_found(look_into_list("see the snapshots")));
  // A name may have been reused after a snapshot that failed: it refers to the existing one.
  if (std::any_of(found.begin(), found.end(), is_there)) {
    std::erase_if(found, [](const FoundSnapshot& one) { return !is_there(one); });
  }
  if (found.size() > 1) {
    std::string ids;
    for (const FoundSnapshot& one : found) {
      ids += (ids.empty() ? "" : ", ") + one.snapshot->id + " (of " + one.disk->disk.path + ")";
    }
    return fail(Errc::kInvalidArgument,
                "the name \"" + text + "\" is ambiguous: " + std::to_string(found.size()) +
                    " snapshots have it",
                say_of_which_disk().or_else("name one of them by its id: " + ids));
  }
  return found.front();
}

std::optional<FoundSnapshot> find_deleting(const std::vector<DiskView>& views,
                                           const std::string& text) {
  std::optional<FoundSnapshot> found;
  for (const DiskView& view : views) {
    for (const SnapshotRecord& snapshot : view.deleting) {
      if (text.empty() || (snapshot.id != text && snapshot.name != text)) continue;
      if (found) return std::nullopt;
      found = FoundSnapshot{&view, &snapshot};
    }
  }
  return found;
}

}  // namespace blkrewind::control
