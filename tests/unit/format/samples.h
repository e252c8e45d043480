// Bytes and records for the format tests: every field set, every value different.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"
#include "format/node.h"
#include "format/records.h"
#include "support/simulated_random.h"

namespace blkrewind::format {

[[nodiscard]] inline std::vector<std::byte> random_bytes(std::size_t size, std::uint64_t seed) {
  sim::Random random(seed);
  std::vector<std::byte> bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.next());
  return bytes;
}

[[nodiscard]] inline DigestSecret test_secret(std::uint64_t seed) {
  DigestSecret secret;
  const auto bytes = random_bytes(secret.size(), seed + 1000);
  std::memcpy(secret.data(), bytes.data(), secret.size());
  return secret;
}

// Changes the value at `offset` and updates the checksum: the result of another program, not of an
// accident.
template <class T>
void forge(std::span<std::byte> bytes, std::size_t offset, T value, std::size_t checksum_offset,
           auto checksum) {
  std::memcpy(bytes.data() + offset, &value, sizeof value);
  std::uint64_t sum = 0;
  std::memcpy(bytes.data() + checksum_offset, &sum, sizeof sum);
  sum = checksum(std::span<const std::byte>(bytes));
  std::memcpy(bytes.data() + checksum_offset, &sum, sizeof sum);
}

[[nodiscard]] inline DiskRecord full_disk() {
  DiskRecord disk;
  disk.number = 11;
  disk.id = "d-disk";
  disk.path = "/dev/loop7";
  disk.kind = host::DeviceKind::kBlock;
  disk.device_bytes = 12 * kTiB + 512;
  disk.chunk_bytes = 128 * kKiB;
  disk.identity = {.serial = "serial",
                   .wwn = "wwn",
                   .dm_uuid = "dm",
                   .backing_file = "/img",
                   .backing_id = {13, 14},
                   .backing_offset = 15,
                   .diskseq = 16,
                   .boot_id = "boot",
                   .partition_uuid = "partuuid",
                   .table_uuid = "ptuuid",
                   .filesystem_uuid = "fsuuid",
                   .filesystem_type = "ext4",
                   .place = {},
                   .model = {},
                   .unit = {},
                   .md_uuid = {},
                   .attachment = {},
                   .host_filesystem = {},
                   .below = {}};
  disk.registered_at = -17;
  disk.base_snapshot = 18;
  disk.last_rollback = {"REQUEST", 19, 20, 21};
  return disk;
}

// Every field set, each number from `base` on.
[[nodiscard]] inline host::DeviceIdentity full_layer(std::uint64_t base) {
  host::DeviceIdentity layer = full_disk().identity;
  layer.layer = host::Layer::kMd;
  layer.place = "/dev/place" + std::to_string(base);
  layer.size_bytes = base + 1;
  layer.model = "model";
  layer.unit = "unit";
  layer.md_uuid = "md";
  layer.attachment = "attachment";
  layer.partition_number = static_cast<std::uint32_t>(base + 2);
  layer.partition_start_bytes = base + 3;
  layer.backing_limit = base + 4;
  layer.host_filesystem = "host";
  layer.generation = base + 5;
  layer.birth_ns = -static_cast<std::int64_t>(base + 6);
  layer.shared_hardware = true;
  layer.vouched = true;
  return layer;
}

[[nodiscard]] inline DiskRecord layered_disk() {
  DiskRecord disk = full_disk();
  disk.identity = full_layer(100);
  disk.identity.below.push_back(full_layer(200));
  return disk;
}

[[nodiscard]] inline SnapshotRecord full_snapshot() {
  SnapshotRecord snapshot;
  snapshot.number = 31;
  snapshot.disk = 32;
  snapshot.id = "s-snap";
  snapshot.name = "before the upgrade";
  snapshot.description = "why it was taken";
  snapshot.kind = SnapshotKind::kImport;
  snapshot.state = SnapshotState::kAccomplished;
  snapshot.damaged = true;
  snapshot.created_at = 33;
  snapshot.device_bytes = 34 * kGiB;
  snapshot.chunk_bytes = 4 * kKiB;
  snapshot.root = {EntryState::kStored, Codec::kNone, 35, 36, 4096, {37, 38}};
  snapshot.root_digest = {39, 40};
  snapshot.stored_bytes = 41;
  snapshot.zero_bytes = 42;
  snapshot.kin = {1, 7, 30};
  snapshot.failure = "why";
  return snapshot;
}

[[nodiscard]] inline ResetRecord full_reset() {
  return {11, "REQUEST", "s-snap", false, ResetState::kFailed, {43, 44, "boot"}, 45, "Code", "why"};
}

[[nodiscard]] inline ClockRecord full_clock() { return {11, {-46, 47, "boot"}, 48}; }

[[nodiscard]] inline NoteRecord full_note() {
  return {31, 11, 49, 50, 51, 52, {{"app", ""}, {"zone", "b"}}};
}

[[nodiscard]] inline TokenRecord full_token() { return {31, 11, "token", {53, 54}, 55}; }

// Of a clone of a clone.
[[nodiscard]] inline OriginRecord full_origin() { return {59, 31, "s-snap", {{11, 56}, {58, 57}}}; }

// A leaf with stored, zero and absent entries.
[[nodiscard]] inline Node mixed_leaf(std::uint64_t index) {
  Node node;
  node.index = index;
  sim::Random random(index + 1);
  for (std::uint32_t i = 0; i < kFanout; ++i) {
    if (i % 3 == 1) continue;
    Entry& entry = node.entries[i];
    entry.digest = {random.next() | 1U, random.next()};
    entry.state = i % 3 == 0 ? EntryState::kStored : EntryState::kAbsent;
    if (entry.state == EntryState::kAbsent) continue;
    entry.segment = static_cast<std::uint32_t>(random.next()) | 1U;
    entry.block = static_cast<std::uint32_t>(random.next()) | 1U;
    entry.length_bytes = i == 0 ? kMaxChunkBytes : i + 1;
  }
  return node;
}

}  // namespace blkrewind::format
