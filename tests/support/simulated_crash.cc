#include "support/simulated_crash.h"

#include <algorithm>
#include <limits>
#include <set>

namespace blkrewind::sim {
namespace {

// More sectors than this are not scattered one by one: a hole may be as long as the device.
constexpr std::uint64_t kMaxScatteredBytes = kMiB;

void collect(const State& state, InodeId id, bool with_pending, std::set<InodeId>& reached) {
  const auto it = state.inodes.find(id);
  if (it == state.inodes.end() || !reached.insert(id).second) {
    return;
  }
  for (const auto& [name, child] : it->second.entries_durable) {
    collect(state, child, with_pending, reached);
  }
  if (!with_pending) {
    return;
  }
  for (const NameOp& op : state.unsynced) {
    if (op.added.directory == id) {
      collect(state, op.inode, with_pending, reached);
    }
  }
}

void apply_fate(SparseBytes& image, const DataOp& op, const Fate& fate) {
  const Extent whole = op.logged.extent;
  switch (fate.kind) {
    case Fate::Kind::kLost:
      return;
    case Fate::Kind::kKept:
      apply(image, op, whole);
      return;
    case Fate::Kind::kTorn:
      apply(image, op, {whole.offset, fate.value - whole.offset});
      return;
    case Fate::Kind::kScattered: {
      Random random(fate.value);
      for (std::uint64_t at = align_down(whole.offset, kSectorBytes); at < whole.end();
           at += kSectorBytes) {
        if (random.percent(50)) {
          apply(image, op, {at, kSectorBytes});
        }
      }
      return;
    }
  }
}

}  // namespace

CrashSpace::CrashSpace(const State& state, const CrashOptions& options)
    : state_(state), options_(options) {
  std::set<InodeId> reachable;
  collect(state_, kRootInode, true, reachable);
  for (const InodeId id : reachable) {
    const auto& unflushed = state_.at(id).unflushed;
    for (std::size_t i = 0; i < unflushed.size(); ++i) {
      open_.push_back({unflushed[i].logged, id, i});
    }
  }
  for (std::size_t i = 0; i < state_.unsynced.size(); ++i) {
    open_.push_back({state_.unsynced[i].logged, 0, i});
  }
  std::sort(open_.begin(), open_.end(),
            [](const Open& a, const Open& b) { return a.logged.number < b.logged.number; });
}

std::uint64_t CrashSpace::tears(const Open& op) const {
  const Extent extent = op.logged.extent;
  if (op.inode == 0 || options_.tear_bytes == 0 || op.logged.kind == OpKind::kTruncate ||
      extent.empty()) {
    return 0;
  }
  // Multiples of tear_bytes strictly inside.
  return (extent.end() - 1) / options_.tear_bytes - extent.offset / options_.tear_bytes;
}

std::uint64_t CrashSpace::combinations() const {
  constexpr std::uint64_t kMost = std::numeric_limits<std::uint64_t>::max();
  std::uint64_t product = 1;
  for (const Open& op : open_) {
    const std::uint64_t ways = 2 + tears(op);
    if (product > kMost / ways) {
      return kMost;
    }
    product *= ways;
  }
  return product;
}

std::vector<Fate> CrashSpace::combination(std::uint64_t index) const {
  std::vector<Fate> fates;
  for (const Open& op : open_) {
    const std::uint64_t ways = 2 + tears(op);
    const std::uint64_t way = index % ways;
    index /= ways;
    if (way < 2) {
      fates.push_back({way == 0 ? Fate::Kind::kLost : Fate::Kind::kKept, 0});
    } else {
      const std::uint64_t boundary =
          (op.logged.extent.offset / options_.tear_bytes + way - 1) * options_.tear_bytes;
      fates.push_back({Fate::Kind::kTorn, boundary});
    }
  }
  return fates;
}

std::vector<Fate> CrashSpace::prefix(std::size_t count) const {
  std::vector<Fate> fates(open_.size());
  std::fill_n(fates.begin(), std::min(count, fates.size()), Fate{Fate::Kind::kKept, 0});
  return fates;
}

std::vector<Fate> CrashSpace::all_but(std::size_t lost) const {
  std::vector<Fate> fates = prefix(open_.size());
  fates.at(lost).kind = Fate::Kind::kLost;
  return fates;
}

std::vector<Fate> CrashSpace::only(const std::function<bool(const LoggedOp&)>& keep) const {
  std::vector<Fate> fates(open_.size());
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (keep(open_[i].logged)) fates[i].kind = Fate::Kind::kKept;
  }
  return fates;
}

std::vector<Fate> CrashSpace::draw(Random& random) const {
  const std::uint64_t chance_kept = random.below(5) * 25;
  const std::uint64_t chance_torn = random.below(3) * 25;
  std::vector<Fate> fates;
  for (const Open& op : open_) {
    const Extent extent = op.logged.extent;
    const std::uint64_t first_tear = align_down(extent.offset, kSectorBytes) + kSectorBytes;
    const bool can_tear = op.inode != 0 && op.logged.kind != OpKind::kTruncate && !extent.empty() &&
                          first_tear < extent.end();
    if (!can_tear || !random.percent(chance_torn)) {
      fates.push_back({random.percent(chance_kept) ? Fate::Kind::kKept : Fate::Kind::kLost, 0});
    } else if (extent.length <= kMaxScatteredBytes && random.percent(50)) {
      fates.push_back({Fate::Kind::kScattered, random.next()});
    } else {
      const std::uint64_t places = (extent.end() - 1 - first_tear) / kSectorBytes + 1;
      fates.push_back({Fate::Kind::kTorn, first_tear + random.below(places) * kSectorBytes});
    }
  }
  return fates;
}

State CrashSpace::outcome(const std::vector<Fate>& fates) const {
  State after = state_;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    const Open& op = open_[i];
    if (op.inode != 0) {
      apply_fate(after.at(op.inode).durable, state_.at(op.inode).unflushed.at(op.index),
                 fates.at(i));
    } else if (fates.at(i).kind == Fate::Kind::kKept) {
      apply(after, state_.unsynced.at(op.index), &Inode::entries_durable);
    }
  }
  after.unsynced.clear();
  ++after.boot;
  std::set<InodeId> reached;
  collect(after, kRootInode, false, reached);
  std::erase_if(after.inodes, [&](const auto& entry) { return !reached.contains(entry.first); });
  for (auto& [id, inode] : after.inodes) {
    inode.unflushed.clear();
    inode.now = inode.durable;
    inode.reserved_now = inode.reserved_durable;
    inode.entries_now = inode.entries_durable;
    inode.exclusive_holders = 0;
  }
  return after;
}

std::string CrashSpace::describe(const std::vector<Fate>& fates) const {
  std::string text;
  for (std::size_t i = 0; i < open_.size(); ++i) {
    text += to_string(open_[i].logged);
    switch (fates.at(i).kind) {
      case Fate::Kind::kLost:
        text += ": lost\n";
        break;
      case Fate::Kind::kKept:
        text += ": kept\n";
        break;
      case Fate::Kind::kTorn:
        text += ": torn at " + std::to_string(fates[i].value) + "\n";
        break;
      case Fate::Kind::kScattered:
        text += ": scattered with seed " + std::to_string(fates[i].value) + "\n";
        break;
    }
  }
  return text;
}

}  // namespace blkrewind::sim
