// The possible states after a power cut.
//
// Every operation that is not durable yet is kept, lost or (bytes only) torn, independently: a disk
// may write back its cache in any order. Operations that are kept take effect in the order in which
// they were executed. A rename is atomic. This allows more states than any one file system does; a
// store that survives all of them survives every file system.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/simulated_random.h"
#include "support/simulated_state.h"

namespace blkrewind::sim {

inline constexpr std::uint64_t kSectorBytes = 512;

struct CrashOptions {
  // Exhaustive search tears a write at each multiple of this: 512 or 4096; 0: never.
  std::uint64_t tear_bytes = 4096;
  std::uint64_t seed = 1;  // of the samples, if there are too many states
};

// The fate of one operation.
struct Fate {
  enum class Kind : std::uint8_t {
    kLost,
    kKept,
    kTorn,       // the bytes before the absolute offset `value`
    kScattered,  // some of its sectors, chosen with the seed `value`
  };
  Kind kind = Kind::kLost;
  std::uint64_t value = 0;
};

// The operations whose fate is open: for every file that a name refers to or may refer to after the
// cut, and for every name.
class CrashSpace {
 public:
  // Copies the state: later changes of `state` have no effect.
  CrashSpace(const State& state, const CrashOptions& options);

  [[nodiscard]] std::size_t operations() const { return open_.size(); }
  // How many combinations there are with prefix tears; 2^64 - 1 when it is that or more.
  [[nodiscard]] std::uint64_t combinations() const;

  // The combination with that number, in 0 to combinations() - 1. 0: everything is lost.
  [[nodiscard]] std::vector<Fate> combination(std::uint64_t index) const;
  // The first `count` operations kept, the rest lost.
  [[nodiscard]] std::vector<Fate> prefix(std::size_t count) const;
  // All kept but one.
  [[nodiscard]] std::vector<Fate> all_but(std::size_t lost) const;
  // Those that `keep` selects are kept, the others lost.
  [[nodiscard]] std::vector<Fate> only(const std::function<bool(const LoggedOp&)>& keep) const;
  // Any combination, with tears at sectors and scattered sectors. How much tends to survive is
  // itself drawn.
  [[nodiscard]] std::vector<Fate> draw(Random& random) const;

  // The machine after the cut: nothing is pending, only files with a durable name exist.
  [[nodiscard]] State outcome(const std::vector<Fate>& fates) const;
  // One line per operation: "write #12 /a [offset 0, length 4096]: torn at 512".
  [[nodiscard]] std::string describe(const std::vector<Fate>& fates) const;

 private:
  struct Open {
    LoggedOp logged;
    InodeId inode = 0;      // of the bytes; 0 for a name
    std::size_t index = 0;  // in Inode::unflushed or State::unsynced
  };
  [[nodiscard]] std::uint64_t tears(const Open& op) const;

  State state_;
  CrashOptions options_;
  std::vector<Open> open_;  // by number
};

}  // namespace blkrewind::sim
