#include "flips/judge.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/digest.h"
#include "operations/operations.h"
#include "store/store.h"
#include "support/errors.h"

namespace blkrewind::flips {
namespace {

std::string export_path(const SnapshotKey& key) {
  return "/out/" + std::to_string(key.disk) + "-" + std::to_string(key.number);
}

// Everything that a list shows comes from here: disks, snapshots, intents, segments, counters.
Result<format::Transaction> everything_in(store::Store& store) {
  format::Transaction all = store.disks()->as_puts();
  for (const auto held = store.disks(); const auto& [number, disk] : held->disks) {
    BLKREWIND_ASSIGN(const auto history, store.history(number));
    const format::Transaction puts = history->state()->as_puts();
    all.insert(all.end(), puts.begin(), puts.end());
  }
  return all;
}

std::string xxh3_of(const sim::SparseBytes& file) {
  std::vector<std::byte> bytes(file.size_bytes());
  file.read(0, bytes);
  char text[17];
  std::snprintf(text, sizeof text, "%016llx",
                static_cast<unsigned long long>(plain_checksum_of(bytes)));
  return text;
}

// Whether `other` has the bytes of `file` in its data ranges.
bool holds(const sim::SparseBytes& file, const sim::SparseBytes& other) {
  std::vector<std::byte> mine;
  std::vector<std::byte> theirs;
  for (std::uint64_t at = 0;;) {
    const Extent data = file.next_data(at);
    if (data.length == 0) return true;
    mine.resize(data.length);
    theirs.resize(data.length);
    file.read(data.offset, mine);
    other.read(data.offset, theirs);
    if (mine != theirs) return false;
    at = data.end();
  }
}

bool same_bytes(const sim::SparseBytes& a, const sim::SparseBytes& b) {
  return a.size_bytes() == b.size_bytes() && holds(a, b) && holds(b, a);
}

Verdict harmful(std::string why);

Verdict refused_or_harmful(const Error& error) {
  if (error.code != Errc::kIntegrity || words_of(error).empty()) {
    return harmful("refused for another reason, or without a hint: " + error.to_string());
  }
  return {Outcome::kRefused, error.to_string()};
}

Verdict harmful(std::string why) { return {Outcome::kHarmful, std::move(why)}; }

}  // namespace

bool is_right(Region region, Outcome outcome) {
  if (outcome == Outcome::kHarmful) return false;
  if (region == Region::kCatalog) return true;
  if (region == Region::kCatalogOfToday) return outcome != Outcome::kOtherAnswer;
  if (text_of(region).harmless_because != nullptr) return outcome == Outcome::kHarmless;
  return outcome == Outcome::kRefused || outcome == Outcome::kFound;
}

Judge::Judge(const Golden& golden) : golden_(golden) {
  sim::MemoryEnv env(golden.memory);
  auto store = store::Store::open(env, kStore);
  if (!store) throw std::runtime_error(store.error().to_string());
  auto everything = everything_in(**store);
  if (!everything) throw std::runtime_error(everything.error().to_string());
  state_ = std::move(*everything);
  auto operations = Operations::open(env, {.store = kStore, .threads = 1});
  if (!operations) throw std::runtime_error(operations.error().to_string());
  for (const format::JournalEntry& entry : state_) {
    const auto* record = std::get_if<format::SnapshotRecord>(&entry);
    if (record == nullptr) continue;
    const format::SnapshotRecord& snapshot = *record;
    const SnapshotKey number = {snapshot.disk, snapshot.number};
    if (snapshot.state != format::SnapshotState::kAccomplished) continue;
    const auto wanted = std::ranges::find(golden.expected, snapshot.id, &Expected::snapshot_id);
    if (wanted == golden.expected.end()) throw std::runtime_error(snapshot.id + " is not expected");
    const auto receipt = (*operations)->export_image(number, export_path(number), {}, {});
    if (!receipt) throw std::runtime_error(receipt.error().to_string());
    const sim::SparseBytes& image = *env.find(export_path(number));
    if (image.size_bytes() != wanted->device_bytes || xxh3_of(image) != wanted->xxh3 ||
        receipt->root_digest != wanted->root_digest) {
      throw std::runtime_error(wanted->name + " does not hold what it should");
    }
    numbers_.push_back(number);
    images_.push_back({number, snapshot.id, image});
  }
  if (images_.size() != golden.expected.size()) throw std::runtime_error("a snapshot is missing");
  const Verdict whole = judge_files(golden.memory);
  if (whole.outcome != Outcome::kHarmless) throw std::runtime_error("not flipped: " + whole.why);
}

Verdict Judge::judge(const Flip& flip) const {
  sim::MemoryFiles files = golden_.memory;
  const GoldenFile& file = golden_.files[flip.file];
  const std::byte flipped = file.bytes[flip.byte] ^ std::byte{1} << flip.bit;
  files[std::string(kStore) + "/" + file.name].write(flip.byte, std::span(&flipped, 1));
  return judge_files(files);
}

Verdict Judge::judge_files(const sim::MemoryFiles& files) const {
  sim::MemoryEnv env(files);
  auto store = store::Store::open(env, kStore);
  if (!store) {
    return refused_or_harmful(store.error());
  }
  const auto state = everything_in(**store);
  if (!state) return refused_or_harmful(state.error());
  if (*state != state_) return harmful("a log says something else");

  auto operations = Operations::open(env, {.store = kStore, .threads = 1});
  if (!operations) return harmful("opens once and not again: " + operations.error().to_string());
  const auto receipt = (*operations)->verify(numbers_, {});
  if (!receipt) return harmful("verify gives up: " + receipt.error().to_string());
  const std::set<std::string> damaged(receipt->damaged.begin(), receipt->damaged.end());
  if (damaged.empty() != receipt->findings.empty()) return harmful("verify contradicts itself");

  for (const Image& image : images_) {
    const auto exported =
        (*operations)->export_image(image.number, export_path(image.number), {}, {});
    const bool named = damaged.contains(image.id);
    if (!exported) {
      if (!named) return harmful("verify passed " + image.id + "; " + exported.error().to_string());
      if (exported.error().code != Errc::kIntegrity) {
        return harmful("read with another error: " + exported.error().to_string());
      }
      if (env.find(export_path(image.number)) != nullptr) {
        return harmful("half an image of " + image.id + " was left");
      }
      continue;
    }
    if (!same_bytes(*env.find(export_path(image.number)), image.bytes)) {
      return harmful(image.id + " was read with wrong bytes");
    }
    if (named) return harmful("verify calls " + image.id + " damaged, but it can be read");
  }
  if (!receipt->damaged_logs.empty()) {
    return {Outcome::kFound, receipt->damaged_logs.front().message};
  }
  if (damaged.empty()) return {Outcome::kHarmless, "everything reads as before"};
  return {Outcome::kFound, receipt->findings.front()};
}

}  // namespace blkrewind::flips
