// Operations on a simulated machine with one store and one device, and helpers for checks.
// Everything runs in the calling thread, so that a run is repeatable.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "operations/operations.h"
#include "support/errors.h"
#include "support/results.h"
#include "support/simulated_env.h"
#include "support/simulated_home.h"
#include "support/simulated_random.h"
#include "support/simulated_trackers.h"

namespace blkrewind::test {

using Bytes = std::vector<std::byte>;
using format::DiskNumber;
using format::SnapshotNumber;

inline constexpr const char* kStore = "/store";
inline constexpr const char* kDevice = "/dev/simulated";
inline constexpr const char* kExported = "/exported.img";
inline constexpr std::uint32_t kChunk = 4096;

// Bytes that identify their position and their seed; never all zero.
[[nodiscard]] inline Bytes pattern(std::uint64_t length, std::uint64_t seed) {
  sim::Random random(seed);
  Bytes bytes(length);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next() % 255 + 1);
  return bytes;
}

inline void put(Bytes& bytes, std::uint64_t offset, const Bytes& part) {
  std::ranges::copy(part, bytes.begin() + static_cast<std::ptrdiff_t>(offset));
}

// Reports the first byte that differs rather than printing both.
[[nodiscard]] inline testing::AssertionResult same(const Bytes& actual, const Bytes& expected) {
  // memcmp: comparing vectors of std::byte goes byte by byte.
  if (actual.size() == expected.size() &&
      (actual.empty() || std::memcmp(actual.data(), expected.data(), actual.size()) == 0)) {
    return testing::AssertionSuccess();
  }
  if (actual.size() != expected.size()) {
    return testing::AssertionFailure() << actual.size() << " bytes instead of " << expected.size();
  }
  const auto at = std::ranges::mismatch(actual, expected).in1 - actual.begin();
  return testing::AssertionFailure() << "the bytes differ from offset " << at << " on";
}

class OperationsBench {
 public:
  // A new machine: a store, a device with that content, and the disk registered.
  OperationsBench(const Bytes& content, std::uint32_t chunk_bytes,
                  host::DeviceKind kind = host::DeviceKind::kBlock,
                  sim::HomeType home = sim::HomeType::kLocal)
      : env_(std::make_unique<sim::SimulatedEnv>()),
        home_(std::make_unique<sim::SimulatedHome>(*env_, home)) {
    env_->add_device(kDevice, content.size(), kind);
    env_->poke(kDevice, 0, content);
    auto opened = another_process(true);
    EXPECT_TRUE(ok(opened));
    operations_ = std::move(*opened);
    auto registered = operations_->register_disk(kDevice, chunk_bytes);
    EXPECT_TRUE(ok(registered));
    disk_ = registered->disk.number;
  }
  // A machine that already has a store and a disk; open() comes next.
  OperationsBench(std::unique_ptr<sim::SimulatedEnv> env, DiskNumber disk)
      : env_(std::move(env)), home_(std::make_unique<sim::SimulatedHome>(*env_)), disk_(disk) {}

  [[nodiscard]] Status open() {
    operations_.reset();
    OperationsOptions options;
    options.store = kStore;
    options.home = home_->open();
    options.threads = 1;
    options.trackers = trackers_.get();
    options.list_leaves = list_leaves_;
    options.patience = {};  // what this thread waits for does not happen
    BLKREWIND_ASSIGN(operations_, Operations::open(*env_, options));
    return {};
  }
  // One that uses the same store.
  [[nodiscard]] Result<std::unique_ptr<Operations>> another_process(bool create = false) const {
    return Operations::open(
        *env_,
        {.store = kStore, .home = home_->open(), .create = create, .threads = 1, .patience = {}});
  }
  // What a process that has lost power sent to a remote home changes the disk's log no more from
  // here on.
  void take_over() {
    if (home_->network() == nullptr) return;
    EXPECT_TRUE(ok(operations_->hold_disk(disk_)));
  }
  // From now on so many leaves of what differs are kept in memory.
  void keep_in_memory(std::size_t leaves) {
    list_leaves_ = leaves;
    EXPECT_TRUE(ok(open()));
  }
  // From now on the device is tracked, as by the kernel.
  void track() {
    if (!trackers_) trackers_ = std::make_unique<SimulatedTrackers>();
    trackers_->watch(*env_, kDevice);
    EXPECT_TRUE(ok(open()));
    EXPECT_TRUE(ok(operations_->start_tracking(disk_, kDevice, track::TrackerKind::kBitmap)));
  }
  // The process is killed: everything it has written stays, and so do the dirty bits.
  [[nodiscard]] Status kill() {
    if (trackers_) trackers_->kill();
    env_->clear_faults();
    return open();
  }
  [[nodiscard]] bool tracked() const { return trackers_ != nullptr; }
  // The process ends, whatever it was doing.
  void close() { operations_.reset(); }

  [[nodiscard]] sim::SimulatedEnv& env() { return *env_; }
  [[nodiscard]] const sim::SimulatedEnv& env() const { return *env_; }
  [[nodiscard]] const sim::SimulatedHome& home() const { return *home_; }
  [[nodiscard]] Operations& operations() { return *operations_; }
  [[nodiscard]] DiskNumber disk() const { return disk_; }
  [[nodiscard]] SnapshotKey key(SnapshotNumber number) const { return {disk_, number}; }
  [[nodiscard]] DiskView view() {
    auto view = operations_->disk(disk_);
    return view && *view ? **view : DiskView{};
  }

  [[nodiscard]] Bytes device() const { return env_->contents(kDevice); }
  void write(std::uint64_t offset, const Bytes& bytes) {
    if (trackers_) trackers_->foreign_write({offset, bytes.size()});
    env_->poke(kDevice, offset, bytes);
  }

  Result<SnapshotReceipt> snapshot(const Monitor& monitor = {}) {
    return operations_->snapshot(disk_, kDevice, {}, monitor);
  }
  Result<RollbackReceipt> rollback(SnapshotNumber target, bool undo = true,
                                   const Monitor& monitor = {}) {
    return operations_->rollback(
        {.disk = disk_, .target = target, .path = kDevice, .request_id = kRequest, .undo = undo},
        monitor);
  }
  Result<RollbackReceipt> resume(bool backwards = false, const Monitor& monitor = {}) {
    return operations_->resume(disk_, kDevice, backwards, monitor);
  }
  // What the public `undo` does after a finished rollback.
  Result<RollbackReceipt> undo() {
    const SnapshotNumber before = view().disk.last_rollback.undo;
    if (before == 0) return fail(Errc::kNotFound, "there is nothing to undo");
    return rollback(before);
  }
  Result<DeleteReceipt> remove(SnapshotNumber number) {
    return operations_->remove_snapshot(key(number), {});
  }

  // The number of the snapshot with that id; 0: none.
  [[nodiscard]] SnapshotNumber number(const std::string& id) {
    for (const auto& snapshot : view().snapshots) {
      if (snapshot.id == id) return snapshot.number;
    }
    return 0;
  }
  // Takes a snapshot that must succeed.
  SnapshotNumber must_snapshot() {
    const auto receipt = snapshot();
    EXPECT_TRUE(ok(receipt));
    return receipt ? number(receipt->snapshot_id) : 0;
  }

  [[nodiscard]] testing::AssertionResult exports_as(SnapshotNumber number, const Bytes& expected) {
    // A power cut may have reverted to the previous one.
    (void)env_->remove(kExported);
    const auto receipt = operations_->export_image(key(number), kExported, {}, {});
    if (!receipt) return ok(receipt);
    const auto result = same(env_->contents(kExported), expected);
    (void)env_->remove(kExported);
    return result;
  }
  // The location of the chunk of `content` at `at` in the store, found by its first 512 bytes.
  [[nodiscard]] std::pair<std::string, std::uint64_t> find_stored(const Bytes& content,
                                                                  std::uint64_t at) const {
    const auto from = content.begin() + static_cast<std::ptrdiff_t>(at);
    const std::string folder = home_->segments(1) + "/";
    const auto names = env_->list_directory(folder);
    if (!names) return {};
    for (const std::string& name : *names) {
      const Bytes bytes = env_->contents(folder + name);
      const auto found = std::search(bytes.begin(), bytes.end(), from, from + 512);
      if (found != bytes.end()) {
        return {folder + name, static_cast<std::uint64_t>(found - bytes.begin())};
      }
    }
    return {};
  }
  // Inverts a byte of that chunk in the store.
  [[nodiscard]] testing::AssertionResult spoil(const Bytes& content, std::uint64_t at) {
    const auto [path, offset] = find_stored(content, at);
    if (path.empty()) return testing::AssertionFailure() << "the chunk is not in the store";
    const Bytes wrong(1, ~env_->contents(path, {offset + 100, 1})[0]);
    env_->poke(path, offset + 100, wrong);
    return testing::AssertionSuccess();
  }
  [[nodiscard]] testing::AssertionResult all_verify() {
    std::vector<SnapshotKey> keys;
    const auto disks = operations_->disks();
    if (!disks) return ok(disks);
    for (const DiskView& disk : *disks) {
      for (const auto& snapshot : disk.snapshots) {
        if (snapshot.state == format::SnapshotState::kAccomplished) {
          keys.push_back({disk.disk.number, snapshot.number});
        }
      }
    }
    const auto receipt = operations_->verify(keys, {});
    if (!receipt) return ok(receipt);
    if (!receipt->damaged_logs.empty()) {
      return testing::AssertionFailure() << receipt->damaged_logs.front().to_string();
    }
    if (receipt->damaged.empty() && receipt->findings.empty()) return testing::AssertionSuccess();
    return testing::AssertionFailure() << "damaged: " << testing::PrintToString(receipt->findings);
  }
  // Deletes every snapshot, whatever its state, and searches for leaked space.
  [[nodiscard]] testing::AssertionResult empties() {
    const auto disks = operations_->disks();
    if (!disks) return ok(disks);
    for (const DiskView& disk : *disks) {
      for (const auto& snapshot : disk.snapshots) {
        const auto removed = operations_->remove_snapshot({disk.disk.number, snapshot.number}, {});
        if (!removed) return ok(removed);
      }
    }
    const auto collected = operations_->collect({});
    if (!collected) return ok(collected);
    const auto info = operations_->store_info();
    if (!info) return ok(info);
    std::vector<std::string> files;
    for (const DiskView& disk : *disks) {
      const auto more = env_->list_directory(home_->segments(disk.disk.number));
      if (!more) return ok(more);
      files.insert(files.end(), more->begin(), more->end());
    }
    if (info->live_bytes == 0 && info->segments == 0 && info->snapshots == 0 && files.empty() &&
        view().snapshots.empty()) {
      return testing::AssertionSuccess();
    }
    return testing::AssertionFailure()
           << "with every snapshot deleted there are " << info->live_bytes << " live bytes, "
           << info->segments << " segments, " << info->snapshots << " snapshots and the files "
           << testing::PrintToString(files);
  }

  static constexpr const char* kRequest = "6F1C2E0A-7B61-4B0E-9E67-6D2C3B1F0A55";

 private:
  std::unique_ptr<SimulatedTrackers> trackers_;
  std::size_t list_leaves_ = 0;
  std::unique_ptr<sim::SimulatedEnv> env_;
  std::unique_ptr<sim::SimulatedHome> home_;
  std::unique_ptr<Operations> operations_;  // before the machine that it runs on is destroyed
  DiskNumber disk_ = 0;
};

}  // namespace blkrewind::test
