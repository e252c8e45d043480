// Stores of an attacker: every checksum is right, the content is arbitrary. docs/FORMAT.md; written
// with the engine's own encoders, into a real directory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/digest.h"
#include "format/log_codec.h"
#include "format/node.h"
#include "format/records.h"
#include "format/store_header.h"

namespace blkrewind::test {

// Throws std::runtime_error if a file cannot be written, which fails the test.
class ForgedStore {
 public:
  // Creates the directory and its format file, with modes that are accepted.
  explicit ForgedStore(std::string path);

  // The log of disk 1, one record for each transaction, and an index that names that disk.
  void write_log(const std::vector<format::Transaction>& records) const;
  // Any log, under that name.
  void write_log(const std::string& name, format::DiskNumber disk,
                 const std::vector<format::Transaction>& records) const;
  // A segment of disk 1 with those blocks (4096 bytes each) behind its header.
  void write_segment(format::SegmentId id, const std::vector<std::vector<std::byte>>& blocks) const;
  // Bytes of a file of the store, from `offset` on; creates the file.
  void write(const std::string& name, std::uint64_t offset,
             const std::vector<std::byte>& bytes) const;

  [[nodiscard]] std::vector<std::byte> node_block(const format::Node& node) const;
  // A snapshot of one leaf whose root is at (segment, block).
  [[nodiscard]] format::SnapshotRecord snapshot_of(const format::Node& leaf,
                                                   format::SegmentId segment,
                                                   std::uint32_t block) const;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] const format::StoreHeader& header() const { return header_; }

 private:
  std::string path_;
  format::StoreHeader header_;
};

// A disk "d-forged" of four chunks of 4 KiB, number 1.
[[nodiscard]] format::DiskRecord forged_disk();

}  // namespace blkrewind::test
