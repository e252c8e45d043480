// A machine in memory: files with a volatile cache, names, locks, queues. The same seed and the
// same calls give the same run.
//
//   SimulatedEnv env({.seed = 7});
//   ... use it as an io::Env ...
//   env.crash_states(1000, [&](std::unique_ptr<SimulatedEnv> after, const std::string& what) {
//     SCOPED_TRACE(what);
//     ... open the store again in `after` and check the promises ...
//     return true;
//   });
//
// To crash at every moment of an operation, run it once, read mutations(), and run it again with
// crash_after = 0, 1, 2, ...: the operation fails with EIO ("the power is off"), then crash().
//
// Durability: bytes and length of a file by kFlush of that file; names (create, make_directory,
// rename, remove) by sync_directory() of the directory that contains them, for a rename across
// directories of both. See simulated_crash.h for the fate of other operations.
//
// Any thread may call; a run is repeatable only if one thread at a time does.
#pragma once

#include <atomic>
#include <cerrno>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/env.h"
#include "support/simulated_crash.h"
#include "support/simulated_disk.h"
#include "support/simulated_locks.h"

namespace blkrewind::sim {

class SimulatedEnv;

struct SimulatedOptions {
  std::uint64_t seed = 1;              // completion order
  std::uint64_t crash_after = kNever;  // the power goes off at the mutating operation after these
};

// Gets the machine after one power cut, and the fate of every pending operation. False: stop.
using CrashVisitor =
    std::function<bool(std::unique_ptr<SimulatedEnv> after, const std::string& what)>;

struct CrashCoverage {
  std::uint64_t visited = 0;
  bool exhaustive = false;  // every combination was visited
};

class SimulatedEnv final : public io::Env {
 public:
  explicit SimulatedEnv(const SimulatedOptions& options = {});
  // A machine with that initial state.
  SimulatedEnv(State state, const SimulatedOptions& options);

  // --- io::Env ---
  [[nodiscard]] Result<std::unique_ptr<io::File>> open(const std::string& path,
                                                       const io::OpenOptions& options) override;
  [[nodiscard]] Result<std::unique_ptr<io::Queue>> make_queue(
      const io::QueueOptions& options) override;
  [[nodiscard]] Status make_directory(const std::string& path) override;
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status rename_new(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status remove(const std::string& path) override;
  [[nodiscard]] Status sync_directory(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> list_directory(const std::string& path) override;
  [[nodiscard]] Result<bool> exists(const std::string& path) override;
  [[nodiscard]] Result<host::FileId> identify(const std::string& path) override;
  [[nodiscard]] Result<std::uint64_t> allocated_bytes(const std::string& path) override;
  // The simulated clock starts in 2023 and advances one second with each mutating operation. A time
  // is durable at once.
  [[nodiscard]] Result<std::int64_t> modified_at(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> try_lock(const std::string& path,
                                                           std::uint64_t offset,
                                                           io::LockMode mode) override;
  // kBusy if the calling thread would wait for itself.
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock(const std::string& path,
                                                       std::uint64_t offset,
                                                       io::LockMode mode) override;
  [[nodiscard]] Result<bool> is_locked(const std::string& path, std::uint64_t offset) override;
  [[nodiscard]] Result<host::DeviceInfo> probe(const std::string& path) override;
  [[nodiscard]] Result<host::DeviceInfo> probe(io::File& file) override;
  // False, unless set_holds_store() was called for the device.
  [[nodiscard]] Result<bool> lives_on(const std::string& directory,
                                      const host::DeviceInfo& device) override;

  // --- power cuts ---
  // One state that a cut at this moment may leave. The new machine has its own log, no injected
  // faults and no locks; rot, devices and probe settings stay. This one goes on unharmed.
  [[nodiscard]] std::unique_ptr<SimulatedEnv> crash(std::uint64_t seed) const;
  // Every such state if there are at most `limit`; otherwise everything lost, every prefix,
  // everything but one, and random ones up to `limit`.
  CrashCoverage crash_states(std::uint64_t limit, const CrashVisitor& visit,
                             const CrashOptions& options = {}) const;
  // From now on the machine is saved before each mutating operation: for power cuts at any of these
  // moments, CrashSpace needs no new run.
  void record_moments();
  // Those moments, and last the present one; stops recording.
  [[nodiscard]] std::vector<State> take_moments();
  // What was beside the machine at the power cut that it comes back from.
  [[nodiscard]] std::shared_ptr<const Beside> beside() const;
  // From now on that is saved with every moment and power cut. `look` must not call this Env.
  void set_beside(std::function<std::shared_ptr<const Beside>()> look);
  // The power fails after this many mutating operations, counted from the first of this Env.
  void set_crash_after(std::uint64_t mutations);
  [[nodiscard]] bool power_is_off() const;

  // --- faults ---
  void inject(Fault fault);
  void clear_faults();
  [[nodiscard]] std::uint64_t fault_hits() const;
  // Reads of that byte return bit 0 to 7 of it inverted, whatever is written there, until heal().
  // The underlying bytes are unchanged: contents() returns them.
  void rot_bit(const std::string& path, std::uint64_t offset, unsigned bit);
  void heal();
  // Reads that touch these sectors of 512 bytes fail, until they are written or healed.
  void break_sectors(const std::string& path, Extent extent, int error = EIO);

  // --- the record ---
  [[nodiscard]] std::vector<LoggedOp> log() const;
  void clear_log();
  [[nodiscard]] std::uint64_t mutations() const;
  // The number of open files.
  [[nodiscard]] std::uint64_t open_files() const;
  // Reads and writes of direct files whose offset, length or address was not aligned. They were
  // executed nevertheless, as by the real queue.
  [[nodiscard]] std::uint64_t unaligned_requests() const;

  // --- setting the scene: durable at once, not logged. A path that is not there aborts ---
  // kFile: an image file, which grows as files do; kBlock: a device of fixed size without holes.
  // Makes the directories above it.
  void add_device(const std::string& path, std::uint64_t size_bytes,
                  host::DeviceKind kind = host::DeviceKind::kFile);
  void add_directory(const std::string& path);
  void poke(const std::string& path, std::uint64_t offset, std::span<const std::byte> bytes);
  void set_size(const std::string& path, std::uint64_t size_bytes);
  void set_modified_at(const std::string& path, std::int64_t seconds);
  void set_read_only(const std::string& path, bool read_only);
  // Such a block device cannot be opened with exclusive_device either.
  void set_used_by(const std::string& path, std::vector<host::UsedBy> used_by);
  void set_unknown(const std::string& path, std::vector<host::Unknown> unknown);
  // Returned by probe(File&) only, as writers are.
  void set_writer(const std::string& path, std::vector<host::UsedBy> writers);
  void set_holds_store(const std::string& path, bool holds_store);
  // From now on the files below `directory` are on a separate file system with this many free
  // bytes; nullopt: unlimited.
  void set_free_bytes(const std::string& directory, std::optional<std::uint64_t> free_bytes);
  [[nodiscard]] std::uint64_t used_bytes(const std::string& directory) const;
  // The result of File::reserve(): whether file systems support reservations.
  void set_can_reserve(bool can_reserve);
  // An action of another process just after a directory has been listed; once.
  void set_after_listing(std::function<void()> happens) { after_listing_ = std::move(happens); }
  // The same just before, and just after, a device is opened with exclusive_device; each once. They
  // may call rename(), set_size() and the like, but not open a device themselves.
  void set_before_claim(std::function<void()> happens) { before_claim_ = std::move(happens); }
  void set_after_claim(std::function<void()> happens) { after_claim_ = std::move(happens); }
  // The same just before a lock is asked for without waiting; once. It may use this Env.
  void set_before_try_lock(std::function<void()> happens) { before_try_lock_ = std::move(happens); }
  // The largest amount of memory that any queue so far has requested for its slots.
  [[nodiscard]] std::uint64_t largest_pool_bytes() const { return largest_pool_bytes_; }
  // Called before every operation of a queue that changes a file, but not by poke(). Must not call
  // this Env.
  void set_on_change(std::function<void(const std::string& path, Extent)> on_change);
  // The caches of other nodes over a device's bytes: called when they must agree with the device,
  // returns whether they do. Without this, a simulated device has no other node. Must not call this
  // Env.
  void set_on_settle(std::function<Status(const std::string& path, host::CacheUse)> on_settle);
  // Edits the result of probe(); must not call this Env.
  void set_probe(const std::string& path, std::function<void(host::DeviceInfo&)> adjust);

  // --- looking past the engine: not logged, no faults, no rot ---
  [[nodiscard]] std::vector<std::byte> contents(const std::string& path) const;
  [[nodiscard]] std::vector<std::byte> contents(const std::string& path, Extent extent) const;
  // Of the file that the durable name refers to: everything unflushed is lost.
  [[nodiscard]] std::vector<std::byte> durable_contents(const std::string& path) const;
  [[nodiscard]] bool durable_exists(const std::string& path) const;

 private:
  [[nodiscard]] Status status(OpKind kind, const std::string& path, int error) const;

  std::shared_ptr<SimulatedDisk> disk_;
  std::shared_ptr<LockTable> locks_ = std::make_shared<LockTable>();
  std::function<void()> after_listing_;
  std::function<void()> before_claim_;
  std::function<void()> after_claim_;
  std::function<void()> before_try_lock_;
  std::atomic<std::uint64_t> largest_pool_bytes_ = 0;
};

}  // namespace blkrewind::sim
