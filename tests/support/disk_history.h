// The oracle of tests that let several threads or processes work on one disk: what each operation
// said, and whether some order of them explains it all.
//
// An operation takes effect at one moment between its call and its return, or not at all. The
// history is right when the operations can be put into an order that respects the clock (what
// returned before another was called comes first) and in which each found the device as it said.
// Contents go by the store's digests of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace blkrewind::test {

struct DiskEvent {
  enum class Kind : std::uint8_t { kSnapshot, kRollback, kUndo, kResume };
  Kind kind = Kind::kSnapshot;
  // Points of one clock that never stands still: of the call and of the return.
  std::uint64_t called = 0;
  std::uint64_t returned = 0;
  // Cancelled or killed: it may have had no effect, all of it, or have left a rollback pending.
  bool uncertain = false;
  // Of a snapshot: what it found. Of the others: what the device became; of an uncertain rollback
  // what it should have become, and nothing when that is not known.
  std::string content;
  std::string snapshot_id;  // what was brought back
  bool with_undo = true;    // of a rollback
  std::string undo_id;      // the receipt's undo snapshot; empty: none
};

// What a disk is between two operations.
struct DiskState {
  struct Undo {
    std::string id;  // "?": made by an operation that could not tell
    std::string content;
    auto operator<=>(const Undo&) const = default;
  };
  struct Pending {
    std::string target;
    std::string before;
    bool with_undo = false;
    auto operator<=>(const Pending&) const = default;
  };
  std::string content;       // while a rollback is pending: before it
  std::optional<Undo> undo;  // what `undo` would restore
  std::optional<Pending> pending;
  auto operator<=>(const DiskState&) const = default;
};

// The state at the end, or nothing when no order explains the events. Of several possible ones the
// first that `fits` accepts is taken.
[[nodiscard]] std::optional<DiskState> explain(const DiskState& start,
                                               const std::vector<DiskEvent>& events,
                                               const std::function<bool(const DiskState&)>& fits);

// For a failure's message: one line each, in the order of the calls.
[[nodiscard]] std::string text_of(const std::vector<DiskEvent>& events);

}  // namespace blkrewind::test
