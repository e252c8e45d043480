// What snapshots were given beside their content: tags, a retention, the token of their request.
#include <algorithm>
#include <span>
#include <utility>

#include "base/log.h"
#include "operations/counted_time.h"
#include "operations/operations_parts.h"

namespace blkrewind {

Digest digest_of_request(const store::Store& store, const std::string& parameters) {
  return digest_of(store.secret(), std::as_bytes(std::span(parameters)), DigestDomain::kRequest, 0,
                   0);
}

void add_notes_of(const store::Store& store, const store::State& state,
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
  token.parameters = digest_of_request(store, given.parameters);
  add_notes(state, std::move(note), std::move(token), given.now, transaction);
}

std::optional<UsedToken> Operations::used_token(format::DiskNumber disk, const std::string& token,
                                                const std::string& parameters, const Moment& now) {
  const auto state = parts_->store->state();
  const auto* known = find_token(*state, disk, token, now);
  const auto* snapshot = known == nullptr ? nullptr : state->snapshot(known->snapshot);
  if (snapshot == nullptr) return std::nullopt;
  return UsedToken{snapshot->id,
                   known->parameters == digest_of_request(*parts_->store, parameters)};
}

std::vector<format::SnapshotNumber> Operations::count_retention(const Moment& now) {
  store::Store& store = *parts_->store;
  std::vector<format::SnapshotNumber> over;
  const auto state = store.state();
  for (const format::DiskNumber disk : disks_with_retention(*state)) {
    TimeCount count = blkrewind::count_retention(*state, disk, now);
    if (!count.entries.empty()) {
      Status counted = store.check_writable();
      if (counted) {
        counted = store.journal().update([&](const store::State& latest) {
          count = blkrewind::count_retention(latest, disk, now);
          return Result<format::Transaction>(count.entries);
        });
      }
      // On a full file system the time is counted once there is space again; what has ended until
      // now has ended.
      if (!counted) log::warning("retention is not counted now: " + counted.error().to_string());
    }
    over.insert(over.end(), count.over.begin(), count.over.end());
  }
  std::ranges::sort(over);
  return over;
}

}  // namespace blkrewind
