// The oracle of tests in which several threads or processes work on one disk: the result of each
// operation, and whether some order of them explains all results.
//
// An operation takes effect at one moment between its call and its return, or not at all. The
// history is correct if the operations can be put into an order that respects the clock (one that
// returned before another was called comes first) and in which each found the device as it
// reported. Contents are identified by the store's digests of them.
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
  // Times of a strictly increasing clock: of the call and of the return.
  std::uint64_t called = 0;
  std::uint64_t returned = 0;
  // Cancelled or killed: it may have had no effect, its full effect, or have left a rollback
  // pending.
  bool uncertain = false;
  // For a snapshot: the content that it found. For the others: the new content of the device; for
  // an uncertain rollback the intended content, or empty if that is unknown.
  std::string content;
  std::string snapshot_id;  // the restored snapshot
  bool with_undo = true;    // of a rollback
  std::string undo_id;      // the receipt's undo snapshot; empty: none
};

// The state of a disk between two operations.
struct DiskState {
  struct Undo {
    std::string id;  // "?": created by an operation with unknown result
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

// The state at the end, or nothing if no order explains the events. Of several possible states the
// first that `fits` accepts.
[[nodiscard]] std::optional<DiskState> explain(const DiskState& start,
                                               const std::vector<DiskEvent>& events,
                                               const std::function<bool(const DiskState&)>& fits);

// For a failure's message: one line each, in the order of the calls.
[[nodiscard]] std::string text_of(const std::vector<DiskEvent>& events);

}  // namespace blkrewind::test
