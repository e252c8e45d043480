#include "support/forged_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <stdexcept>
#include <utility>

#include "base/fd.h"
#include "format/segment_header.h"

namespace blkrewind::test {
namespace {

void must(bool worked, const std::string& what) {
  if (!worked) throw std::runtime_error(what + ": " + std::strerror(errno));
}

}  // namespace

ForgedStore::ForgedStore(std::string path) : path_(std::move(path)) {
  must(::mkdir(path_.c_str(), 0700) == 0, path_);
  for (const char* folder : {"disks", "disks/1", "disks/1/segments"}) {
    must(::mkdir(file(folder).c_str(), 0700) == 0, path_);
  }
  for (std::size_t i = 0; i < header_.uuid.size(); ++i) header_.uuid[i] = std::byte(i);
  for (std::size_t i = 0; i < header_.secret.size(); ++i) header_.secret[i] = std::byte(i + 1);
  header_.created_at = 1;
  std::vector<std::byte> block(format::kStoreHeaderBytes);
  format::encode_store_header(
      header_, std::span<std::byte, format::kStoreHeaderBytes>(block.data(), block.size()));
  write("format", 0, block);
}

void ForgedStore::write(const std::string& name, std::uint64_t offset,
                        const std::vector<std::byte>& bytes) const {
  const UniqueFd fd(::open(file(name).c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  must(fd.valid(), file(name));
  must(::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
           static_cast<ssize_t>(bytes.size()),
       file(name));
}

void ForgedStore::write_log(const std::vector<format::Transaction>& records) const {
  write_log("disks/1/log", 1, records);
  write_log("index", format::kIndexLog, {{forged_disk()}});
}

void ForgedStore::write_log(const std::string& name, format::DiskNumber disk,
                            const std::vector<format::Transaction>& records) const {
  std::vector<std::byte> bytes(format::kLogRecordsOffset);
  format::encode_log_header(
      header_.secret, {.store = header_.uuid, .disk = disk},
      std::span<std::byte, format::kLogBlockBytes>(bytes.data(), format::kLogBlockBytes));
  std::uint64_t sequence = 0;
  for (const format::Transaction& record : records) {
    const auto encoded = format::encode_record(header_.secret, {disk, ++sequence, 1}, record);
    bytes.insert(bytes.end(), encoded.begin(), encoded.end());
  }
  write(name, 0, bytes);
}

void ForgedStore::write_segment(format::SegmentId id,
                                const std::vector<std::vector<std::byte>>& blocks) const {
  std::vector<std::byte> bytes(format::kSegmentHeaderBytes);
  format::encode_segment_header(
      header_.secret, {header_.uuid, 1, id, 1},
      std::span<std::byte, format::kSegmentHeaderBytes>(bytes.data(), bytes.size()));
  for (const auto& block : blocks) bytes.insert(bytes.end(), block.begin(), block.end());
  write("disks/1/segments/" + std::to_string(id), 0, bytes);
}

std::vector<std::byte> ForgedStore::node_block(const format::Node& node) const {
  std::vector<std::byte> block(format::kNodeBytes);
  format::encode_node(header_.secret, node,
                      std::span<std::byte, format::kNodeBytes>(block.data(), block.size()));
  return block;
}

format::SnapshotRecord ForgedStore::snapshot_of(const format::Node& leaf, format::SegmentId segment,
                                                std::uint32_t block) const {
  const format::DiskRecord disk = forged_disk();
  format::SnapshotRecord record;
  record.number = 1;
  record.disk = disk.number;
  record.id = "s-forged";
  record.name = "forged";
  record.state = format::SnapshotState::kAccomplished;
  record.created_at = 1;
  record.device_bytes = disk.device_bytes;
  record.chunk_bytes = disk.chunk_bytes;
  record.root = {format::EntryState::kStored,
                 format::Codec::kNone,
                 segment,
                 block,
                 format::kNodeBytes,
                 format::node_digest(header_.secret, leaf)};
  record.root_digest = format::root_digest(header_.secret, {disk.device_bytes, disk.chunk_bytes},
                                           record.root.digest);
  return record;
}

format::DiskRecord forged_disk() {
  format::DiskRecord disk;
  disk.number = 1;
  disk.id = "d-forged";
  disk.path = "/nowhere";
  disk.device_bytes = 4 * std::uint64_t{4096};
  disk.chunk_bytes = 4096;
  return disk;
}

}  // namespace blkrewind::test
