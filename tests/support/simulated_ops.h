// The operations that the simulation logs, and the faults that it can inject.
#pragma once

#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/units.h"
#include "io/queue.h"

namespace blkrewind::sim {

enum class OpKind : std::uint8_t {
  // Change bytes or names, or make changes durable: these count for `crash_after`.
  kWrite,
  kWriteZeroes,
  kDiscard,
  kFlush,
  kTruncate,
  kReserve,
  kCreate,
  kMakeDirectory,
  kRename,
  kRemove,
  kSyncDirectory,
  // Operations that change nothing.
  kRead,
  kOpen,
  kLook,  // size, next_data, exists, identify, list_directory, probe: not logged
  kLock,
};

[[nodiscard]] constexpr bool is_mutating(OpKind kind) { return kind < OpKind::kRead; }
[[nodiscard]] std::string_view to_string(OpKind kind);
[[nodiscard]] OpKind op_kind(io::Op op);

// One operation as it was executed, failed ones too.
struct LoggedOp {
  std::uint64_t number = 0;    // 1, 2, ... over all operations of this Env
  std::uint64_t mutation = 0;  // number of mutating operations, including this one
  OpKind kind = OpKind::kLook;
  std::string path;
  std::string to;                 // kRename
  Extent extent;                  // kTruncate: {new size, 0}
  std::uint64_t data_digest = 0;  // kWrite: XXH3-64 of the bytes
  int error = 0;                  // 0, or a positive errno
  friend bool operator==(const LoggedOp&, const LoggedOp&) = default;
};

// "write #12 /store/journal [offset 0, length 4096]"
[[nodiscard]] std::string to_string(const LoggedOp& op);

// What a failed flush does to the writes that it should have made durable.
enum class FlushLoss : std::uint8_t {
  kKeep,       // they stay in the volatile cache; a later flush may make them durable
  kVanish,     // they are lost at once, also for reads; later flushes succeed
  kCacheOnly,  // reads still return them, but no later flush makes them durable (pages marked
               // clean)
};

// A fault. Counts matching operations from the moment of inject().
struct Fault {
  std::vector<OpKind> kinds = {};   // empty: every kind
  std::string path = {};            // a part of the operation's path; empty: every path
  std::uint64_t nth = 1;            // the first operation that is hit, counted from 1
  bool from_then_on = false;        // otherwise once
  int error = EIO;                  // 0: the operation succeeds (with `misdirect_bytes`)
  std::uint64_t applied_bytes = 0;  // kWrite: this many bytes are written before it fails
  FlushLoss flush_loss = FlushLoss::kKeep;
  // kRead, kWrite with error 0: shifted by this many bytes (may be negative), without an error.
  std::int64_t misdirect_bytes = 0;
  // kWrite, kWriteZeroes with error 0: nothing is written, without an error.
  bool dropped = false;
};

// The injected faults, with their counts.
class FaultPlan {
 public:
  void inject(Fault fault) { armed_.push_back({std::move(fault), 0}); }
  void clear() { armed_.clear(); }
  // Counts one operation; returns the first fault that hits it.
  [[nodiscard]] std::optional<Fault> match(OpKind kind, const std::string& path);
  [[nodiscard]] std::uint64_t hits() const { return hits_; }

 private:
  struct Armed {
    Fault fault;
    std::uint64_t seen = 0;
  };
  std::vector<Armed> armed_;
  std::uint64_t hits_ = 0;
};

}  // namespace blkrewind::sim
