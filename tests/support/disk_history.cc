#include "support/disk_history.h"

#include <algorithm>
#include <set>
#include <utility>

namespace blkrewind::test {
namespace {

using Kind = DiskEvent::Kind;

// A rollback or an undo that succeeded in a state without a pending one.
DiskState moved(const DiskState& state, const std::string& content, bool with_undo,
                const std::string& undo_id) {
  if (content == state.content) return state;
  DiskState next = state;
  next.undo.reset();
  if (with_undo) next.undo = DiskState::Undo{undo_id, state.content};
  next.content = content;
  return next;
}

DiskState begun(const DiskState& state, const std::string& target, bool with_undo) {
  DiskState next = state;
  next.pending = DiskState::Pending{target, state.content, with_undo};
  return next;
}

DiskState finished(const DiskState& state, bool forwards, const std::string& undo_id) {
  DiskState next = state;
  next.pending.reset();
  if (!forwards) return next;
  next.content = state.pending->target;
  next.undo.reset();
  if (state.pending->with_undo) {
    next.undo = DiskState::Undo{undo_id.empty() ? "?" : undo_id, state.content};
  }
  return next;
}

// The states after `event`, if it took effect in `state`.
std::vector<DiskState> after(const DiskState& state, const DiskEvent& event) {
  std::vector<DiskState> next;
  if (event.uncertain) next.push_back(state);
  switch (event.kind) {
    case Kind::kSnapshot:
      if (!event.uncertain && !state.pending && event.content == state.content) {
        next.push_back(state);
      }
      break;
    case Kind::kRollback:
      if (state.pending) break;
      if (event.uncertain) {
        next.push_back(moved(state, event.content, event.with_undo, "?"));
        if (event.content != state.content) {
          next.push_back(begun(state, event.content, event.with_undo));
        }
      } else if ((event.content != state.content && event.with_undo) == !event.undo_id.empty()) {
        next.push_back(moved(state, event.content, event.with_undo, event.undo_id));
      }
      break;
    case Kind::kUndo:
      if (state.pending) {
        const bool says_so = event.undo_id.empty() && event.content == state.pending->before;
        if (state.pending->with_undo && (event.uncertain || says_so)) {
          next.push_back(finished(state, false, {}));
        }
      } else if (state.undo) {
        const DiskState::Undo& undo = *state.undo;
        if (event.uncertain) {
          next.push_back(moved(state, undo.content, true, "?"));
          next.push_back(begun(state, undo.content, true));
        } else if (event.content == undo.content &&
                   (undo.id == "?" || undo.id == event.snapshot_id) &&
                   (event.content != state.content) == !event.undo_id.empty()) {
          next.push_back(moved(state, undo.content, true, event.undo_id));
        }
      }
      break;
    case Kind::kResume:
      if (!state.pending) break;
      if (event.uncertain || (event.content == state.pending->target &&
                              state.pending->with_undo == !event.undo_id.empty())) {
        next.push_back(finished(state, true, event.undo_id));
      }
      break;
  }
  return next;
}

class Search {
 public:
  Search(const std::vector<DiskEvent>& events, const std::function<bool(const DiskState&)>& fits)
      : events_(events), fits_(fits), placed_(events.size(), false) {}

  // NOLINTNEXTLINE(misc-no-recursion): as deep as there are events
  std::optional<DiskState> from(const DiskState& state, std::size_t count) {
    if (count == events_.size()) {
      return fits_(state) ? std::optional(state) : std::nullopt;
    }
    if (!seen_.emplace(placed_, state).second) return std::nullopt;
    std::uint64_t first_return = UINT64_MAX;
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (!placed_[i]) first_return = std::min(first_return, events_[i].returned);
    }
    for (std::size_t i = 0; i < events_.size(); ++i) {
      if (placed_[i] || events_[i].called > first_return) continue;
      placed_[i] = true;
      for (const DiskState& next : after(state, events_[i])) {
        if (auto found = from(next, count + 1)) return found;
      }
      placed_[i] = false;
    }
    return std::nullopt;
  }

 private:
  const std::vector<DiskEvent>& events_;
  const std::function<bool(const DiskState&)>& fits_;
  std::vector<bool> placed_;
  std::set<std::pair<std::vector<bool>, DiskState>> seen_;
};

}  // namespace

std::optional<DiskState> explain(const DiskState& start, const std::vector<DiskEvent>& events,
                                 const std::function<bool(const DiskState&)>& fits) {
  return Search(events, fits).from(start, 0);
}

std::string text_of(const std::vector<DiskEvent>& events) {
  std::vector<DiskEvent> sorted = events;
  std::ranges::sort(sorted, {}, &DiskEvent::called);
  std::string text;
  for (const DiskEvent& event : sorted) {
    constexpr const char* kNames[] = {"snapshot", "rollback", "undo", "resume"};
    text += std::to_string(event.called) + "-" + std::to_string(event.returned) + " " +
            kNames[static_cast<int>(event.kind)] + (event.uncertain ? " (uncertain)" : "") +
            (event.with_undo ? "" : " --no-undo") + " " + event.snapshot_id + " -> " +
            event.content.substr(0, 8) + (event.undo_id.empty() ? "" : ", undo " + event.undo_id) +
            "\n";
  }
  return text;
}

}  // namespace blkrewind::test
