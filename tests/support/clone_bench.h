// Clones on the simulated machine of an OperationsBench.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <optional>
#include <string>

#include "support/operations_bench.h"

namespace blkrewind::test {

inline constexpr const char* kCloneDevice = "/dev/clone";

// As the engine does, without the rules.
[[nodiscard]] inline Result<CloneReceipt> clone_to(OperationsBench& bench, const SnapshotKey& key,
                                                   const std::string& path, bool undo = true,
                                                   const Monitor& monitor = {}) {
  return bench.operations().clone(
      {.snapshot = key, .path = path},
      [&](const DiskView& clone, SnapshotNumber first) {
        return bench.operations().rollback({.disk = clone.disk.number,
                                            .target = first,
                                            .path = path,
                                            .request_id = OperationsBench::kRequest,
                                            .undo = undo},
                                           monitor);
      },
      monitor);
}

// Cancelled when the target was looked at: after its rollback has begun, and something was written.
[[nodiscard]] inline Result<CloneReceipt> cancelled_clone_to(OperationsBench& bench,
                                                             const SnapshotKey& key,
                                                             const std::string& path) {
  std::atomic<bool> cancel = false;
  Monitor monitor;
  monitor.cancel = &cancel;
  monitor.progress = [&](const Progress& progress) {
    if (std::string(progress.phase) == "scan") cancel = true;
  };
  return clone_to(bench, key, path, true, monitor);
}

// The disk with that id; or none.
[[nodiscard]] inline std::optional<DiskView> find_disk(OperationsBench& bench,
                                                       const std::string& id) {
  EXPECT_TRUE(ok(bench.operations().refresh()));
  const auto found = bench.operations().find_disk(id);
  EXPECT_TRUE(ok(found));
  return found ? *found : std::nullopt;
}

// The only disk that is a clone; or none.
[[nodiscard]] inline std::optional<DiskView> only_clone(OperationsBench& bench) {
  EXPECT_TRUE(ok(bench.operations().refresh()));
  std::optional<DiskView> clone;
  const auto disks = bench.operations().disks();
  EXPECT_TRUE(ok(disks));
  if (!disks) return clone;
  for (const DiskView& view : *disks) {
    EXPECT_FALSE(view.trouble.has_value());
    if (!view.origin) continue;
    EXPECT_FALSE(clone.has_value());
    clone = view;
  }
  return clone;
}

[[nodiscard]] inline Status forget_clone(OperationsBench& bench, const DiskView& clone) {
  for (const auto& snapshot : clone.snapshots) {
    const auto removed =
        bench.operations().remove_snapshot({clone.disk.number, snapshot.number}, {});
    if (!removed) return fail(removed.error());
  }
  return bench.operations().forget_disk(clone.disk.number);
}

[[nodiscard]] inline testing::AssertionResult exports_as(OperationsBench& bench,
                                                         const SnapshotKey& key,
                                                         const Bytes& expected) {
  (void)bench.env().remove(kExported);
  const auto receipt = bench.operations().export_image(key, kExported, {}, {});
  if (!receipt) return ok(receipt);
  const auto result = same(bench.env().contents(kExported), expected);
  (void)bench.env().remove(kExported);
  return result;
}

}  // namespace blkrewind::test
