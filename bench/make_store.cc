// Makes a store with many disks and snapshots, and prints the id of its last disk:
//
//   make_store STORE DISKS SNAPSHOTS
//
// Each of DISKS is an image file that does not exist, with SNAPSHOTS accomplished snapshots of
// zeroes, each made from the one before it. There are no segments. For scripts/bench-store.
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <utility>

#include "base/ids.h"
#include "blkrewind/error.h"
#include "format/geometry.h"
#include "format/node.h"
#include "format/records.h"
#include "io/env.h"
#include "store/store.h"

namespace blkrewind::bench {
namespace {

constexpr std::uint64_t kDeviceBytes = 64 * kMiB;
constexpr std::int64_t kFirstTime = 1'700'000'000;  // seconds since the epoch
constexpr std::int64_t kDaySeconds = 86'400;
// Entries of one append: a record may have 64 MiB, and each append takes time of its own.
constexpr std::size_t kEntriesMax = 200'000;

format::DiskRecord make_disk(format::DiskNumber number, format::SnapshotNumber base) {
  format::DiskRecord disk;
  disk.number = number;
  disk.id = new_id("d-");
  disk.path = "/srv/blkrewind-bench/disk-" + std::to_string(number) + ".img";
  disk.device_bytes = kDeviceBytes;
  disk.registered_at = kFirstTime;
  disk.base_snapshot = base;
  disk.identity.layer = host::Layer::kFile;
  disk.identity.place = disk.path;
  disk.identity.size_bytes = kDeviceBytes;
  disk.identity.backing_id = {0xbe9c, number};
  disk.identity.host_filesystem = "0b6c2f0e-6f0e-4a53-9a35-7d1f3f3c8be9";
  disk.identity.generation = number;
  disk.identity.birth_ns = kFirstTime * 1'000'000'000 + number;
  return disk;
}

format::SnapshotRecord make_snapshot(const DigestSecret& secret, format::DiskNumber disk,
                                     format::SnapshotNumber number, std::uint64_t position) {
  format::SnapshotRecord snapshot;
  snapshot.number = number;
  snapshot.disk = disk;
  snapshot.id = new_id("s-", disk);
  snapshot.name = "nightly-" + std::to_string(position + 1);
  snapshot.state = format::SnapshotState::kAccomplished;
  snapshot.created_at = kFirstTime + static_cast<std::int64_t>(position + 1) * kDaySeconds;
  snapshot.device_bytes = kDeviceBytes;
  snapshot.zero_bytes = kDeviceBytes;
  snapshot.root_digest = format::root_digest(
      secret, format::Geometry{snapshot.device_bytes, snapshot.chunk_bytes}, snapshot.root.digest);
  if (position > 0) snapshot.kin = {number - 1};
  return snapshot;
}

Status append(store::History& history, const format::Transaction& entries) {
  return history.log().update(
      [&](const store::State&) -> Result<format::Transaction> { return entries; });
}

Result<std::string> make(const std::string& path, std::uint64_t disks, std::uint64_t snapshots) {
  const auto env = io::make_local_env();
  BLKREWIND_TRY(store::Store::create(*env, path));
  BLKREWIND_ASSIGN(const auto store, store::Store::open(*env, path));
  std::string last;
  for (std::uint64_t at = 1; at <= disks; ++at) {
    format::DiskRecord disk;
    BLKREWIND_TRY(store->add_disk(
        [&](const store::State&, format::DiskNumber number) -> Result<format::Transaction> {
          disk = make_disk(number, snapshots);
          return format::Transaction{disk};
        }));
    last = disk.id;
    BLKREWIND_ASSIGN(const auto history, store->history(disk.number));
    format::Transaction entries = {disk};
    for (std::uint64_t position = 0; position < snapshots; ++position) {
      entries.emplace_back(make_snapshot(store->secret(), disk.number, position + 1, position));
      if (entries.size() < kEntriesMax) continue;
      BLKREWIND_TRY(append(*history, std::exchange(entries, {})));
    }
    BLKREWIND_TRY(append(*history, entries));
    BLKREWIND_TRY(history->log().checkpoint(true));
  }
  return last;
}

bool parse(const char* text, std::uint64_t& number) {
  const char* end = text + std::strlen(text);
  const auto [stopped, error] = std::from_chars(text, end, number);
  return error == std::errc{} && stopped == end && number > 0 && number <= 1'000'000;
}

}  // namespace
}  // namespace blkrewind::bench

int main(int argc, char** argv) {
  std::uint64_t disks = 0;
  std::uint64_t snapshots = 0;
  if (argc != 4 || !blkrewind::bench::parse(argv[2], disks) ||
      !blkrewind::bench::parse(argv[3], snapshots)) {
    std::fprintf(stderr, "usage: make_store STORE DISKS SNAPSHOTS, both from 1 to 1000000\n");
    return 2;
  }
  const auto last = blkrewind::bench::make(argv[1], disks, snapshots);
  if (!last) {
    std::fprintf(stderr, "make_store: %s\n", last.error().message.c_str());
    return 1;
  }
  std::puts(last->c_str());
  return 0;
}
