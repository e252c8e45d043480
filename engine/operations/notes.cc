// What snapshots were given beside their content: tags, a retention, the token of their request.
#include <algorithm>
#include <span>
#include <utility>

#include "base/log.h"
#include "operations/counted_time.h"
#include "operations/operations_parts.h"

namespace blkrewind {

Digest digest_of_request(const DigestSecret& secret, const std::string& parameters) {
  return digest_of(secret, std::as_bytes(std::span(parameters)), DigestDomain::kRequest, 0, 0);
}

void add_notes_of(const DigestSecret& secret, const store::State& state,
                  const format::SnapshotRecord& snapshot, const NewNotes& given,
                  format::Transaction& transaction) {
  format::NoteRecord note;
  note.snapshot = snapshot.number;
  note.disk = snapshot.disk;
  note.retention_days = given.retention_days;
  note.tags = given.tags;
  std::ranges::sort(note.tags, {}, &Tag::key);
  format::TokenRecord token;
  token.snapshot = snapshot.number;
  token.disk = snapshot.disk;
  token.token = given.token;
  token.parameters = digest_of_request(secret, given.parameters);
  add_notes(state, std::move(note), std::move(token), given.now, transaction);
}

Status count_in_parts(store::History& history, const Moment& now) {
  bool complete = false;
  while (!complete) {
    BLKREWIND_TRY(history.log().update([&](const store::State& state) {
      TimeCount count = count_retention(state, history.disk(), now);
      complete = count.complete;
      if (complete) count.entries.clear();
      return Result<format::Transaction>(std::move(count.entries));
    }));
  }
  return {};
}

Result<std::optional<UsedToken>> Operations::used_token(format::DiskNumber disk,
                                                        const std::string& token,
                                                        const std::string& parameters,
                                                        const Moment& now) {
  BLKREWIND_ASSIGN(const auto history, parts_->store->history(disk));
  const auto state = history->state();
  const auto* known = find_token(*state, disk, token, now);
  const auto* snapshot = known == nullptr ? nullptr : state->snapshot(known->snapshot);
  if (snapshot == nullptr) return std::optional<UsedToken>{};
  return std::optional<UsedToken>(
      {snapshot->id, known->parameters == digest_of_request(history->secret(), parameters)});
}

namespace {

std::vector<format::SnapshotNumber> count_disk(store::History& history, const Moment& now) {
  TimeCount count = count_retention(*history.state(), history.disk(), now);
  if (count.entries.empty()) return count.over;
  Status counted = history.home().check_writable();
  if (counted) counted = count_in_parts(history, now);
  if (counted) {
    counted = history.log().update([&](const store::State& latest) {
      count = count_retention(latest, history.disk(), now);
      return Result<format::Transaction>(count.entries);
    });
  }
  // On a full file system the time is counted once there is space again; what has ended until now
  // has ended.
  if (!counted) log::warning("retention is not counted now: " + counted.error().to_string());
  return count.over;
}

}  // namespace

std::vector<SnapshotKey> Operations::count_retention(const Moment& now) {
  std::vector<SnapshotKey> over;
  const auto index = parts_->store->disks();
  for (const auto& [disk, record] : index->disks) {
    const auto history = parts_->store->history(disk);
    if (!history) {
      log::warning("retention of disk " + record.id +
                   " is not counted now: " + history.error().to_string());
      continue;
    }
    if (!has_retention(*(*history)->state())) continue;
    for (const format::SnapshotNumber number : count_disk(**history, now)) {
      over.push_back({disk, number});
    }
  }
  return over;
}

}  // namespace blkrewind
