// The simulated machine: executes operations on a State, logs them, injects faults.
//
// Every call takes the one mutex; any thread may call. Errors are positive errnos; the callers
// convert them to Errors. Shared by the Env, its files and its queues, so that each may outlive the
// others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "io/env.h"
#include "support/simulated_ops.h"
#include "support/simulated_random.h"
#include "support/simulated_state.h"

namespace blkrewind::sim {

template <class T>
using Outcome = tl::expected<T, int>;

inline constexpr std::uint64_t kNever = std::numeric_limits<std::uint64_t>::max();
inline constexpr std::uint32_t kDirectAlignmentBytes = 4096;

// A file as it was opened.
struct Handle {
  InodeId inode = 0;
  std::string path;
  bool writable = false;
  bool direct = false;
  bool exclusive = false;
};

// A request on its way.
struct InFlight {
  io::Request request;
  Handle handle;
  // kFlush: operations up to this number had completed when it was submitted.
  std::uint64_t flush_covers = 0;
};

class SimulatedDisk {
 public:
  SimulatedDisk(State state, std::uint64_t seed, std::uint64_t crash_after);
  SimulatedDisk(const SimulatedDisk&) = delete;
  SimulatedDisk& operator=(const SimulatedDisk&) = delete;

  [[nodiscard]] Outcome<Handle> open(const std::string& path, bool writable, bool direct,
                                     bool create_new, bool exclusive);
  // A new file without a name in the directory `path`.
  [[nodiscard]] Outcome<Handle> open_unnamed(const std::string& path, bool direct);
  void close(const Handle& handle);
  // 0 or the errno. A failed read scribbles over the buffer, which must not be used. `missing`: the
  // number of bytes of a read past the end of the file.
  [[nodiscard]] int execute(const InFlight& op, std::uint64_t* missing);
  [[nodiscard]] int truncate(const Handle& handle, std::uint64_t size_bytes);
  // False: the file systems of this machine do not support reservations.
  [[nodiscard]] Outcome<bool> reserve(const Handle& handle, Extent extent);
  [[nodiscard]] Outcome<std::uint64_t> size_bytes(const Handle& handle);
  [[nodiscard]] Outcome<std::uint64_t> allocated_bytes(const Handle& handle);
  [[nodiscard]] Outcome<Extent> next_data(const Handle& handle, std::uint64_t offset);

  [[nodiscard]] int make_directory(const std::string& path);
  [[nodiscard]] int rename(const std::string& from, const std::string& to);
  // EEXIST if `to` exists.
  [[nodiscard]] int rename_new(const std::string& from, const std::string& to);
  [[nodiscard]] int remove(const std::string& path);
  [[nodiscard]] int sync_directory(const std::string& path);
  [[nodiscard]] Outcome<std::vector<std::string>> list_directory(const std::string& path);
  // The inode that the path refers to; counts as an operation of that kind for faults.
  [[nodiscard]] Outcome<InodeId> look(OpKind kind, const std::string& path);
  [[nodiscard]] Outcome<host::DeviceInfo> probe(const std::string& path);
  // For an open file, including its writers. EXDEV if its path now refers to another file.
  [[nodiscard]] Outcome<host::DeviceInfo> probe(const Handle& handle);

  // What a flush submitted now would cover.
  [[nodiscard]] std::uint64_t operations();
  void count_unaligned();
  [[nodiscard]] std::uint64_t next_seed();

  // Runs `body(Inside&)` under the mutex: for the controls of the Env, which tests use.
  struct Inside {
    State state;
    FaultPlan faults;
    std::vector<LoggedOp> log;
    // The machine before each mutating operation, while recording.
    bool records_moments = false;
    std::vector<State> moments;
    std::uint64_t operations = 0;
    std::uint64_t mutations = 0;
    std::uint64_t crash_after = kNever;
    std::uint64_t unaligned_requests = 0;
    std::uint64_t open_files = 0;
    bool power_is_off = false;
    // Called before every operation that changes a file.
    std::function<void(const std::string& path, Extent)> on_change;
    std::function<Status(const std::string& path, host::CacheUse)> on_settle;
    std::function<std::shared_ptr<const Beside>()> look_beside;

    // The machine, with what is beside it now.
    [[nodiscard]] State moment() const {
      State now = state;
      if (look_beside) now.beside = look_beside();
      return now;
    }
  };
  template <class Body>
  auto with(Body&& body) {
    const std::lock_guard guard(mutex_);
    return std::forward<Body>(body)(inside_);
  }

 private:
  // Counts one operation and returns whether a power cut or a fault stops it.
  [[nodiscard]] LoggedOp begin(OpKind kind, const std::string& path, Fault& fault);
  // Logs it, and returns `error`.
  int finish(LoggedOp op, int error);

  // The parts of execute().
  [[nodiscard]] int read(const InFlight& op, Extent extent, std::uint64_t* missing);
  [[nodiscard]] int write(const InFlight& op, Extent extent, const LoggedOp& logged);
  [[nodiscard]] int zero(const InFlight& op, const LoggedOp& logged);
  [[nodiscard]] int flush(const InFlight& op, const Fault& fault, int error);
  // Takes effect in the state visible to the system, and waits for a flush.
  void make_pending(Inode& inode, DataOp op);

  [[nodiscard]] int create(const std::string& path, InodeType type, const LoggedOp& logged);
  [[nodiscard]] static host::DeviceInfo describe(const State& state, InodeId id,
                                                 const std::string& path);
  [[nodiscard]] int do_rename(const std::string& from, const std::string& to,
                              const LoggedOp& logged);
  [[nodiscard]] int do_remove(const std::string& path, const LoggedOp& logged);
  void make_pending(NameOp op);

  std::mutex mutex_;
  Inside inside_;
  Random random_;
};

}  // namespace blkrewind::sim
