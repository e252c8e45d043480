// Reads nodes from segments, verifies them, and caches a few.
//
// The nodes of one snapshot are contiguous in the order in which a walk visits them, so reads are
// made in windows that grow while they are useful. One thread; its queue must be idle when a method
// is called.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>

#include "base/aligned_buffer.h"
#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/node.h"
#include "io/env.h"
#include "store/node_cache.h"
#include "store/segment_files.h"
#include "store/segment_writer.h"

namespace blkrewind::store {

class TreeReader {
 public:
  // `writer`: its nodes can be read too (after write_nodes()); may be null.
  TreeReader(SegmentFiles& files, io::Queue& queue, const DigestSecret& secret,
             SegmentWriter* writer = nullptr);
  // Nodes that are in `nodes` are not read again, and those that are read are added.
  TreeReader(SegmentFiles& files, io::Queue& queue, const DigestSecret& secret, NodeCache& nodes);

  // `entry` must be stored. The message of kIntegrity names the node, its segment and its offset.
  [[nodiscard]] Result<format::Node> load(const format::Entry& entry, std::uint32_t level,
                                          std::uint64_t index);

 private:
  struct Window {
    std::uint32_t segment = 0;
    std::uint64_t offset = 0;
    std::uint64_t length = 0;
    std::uint64_t used_at = 0;
    AlignedBuffer bytes;
  };
  static constexpr std::size_t kWindows = 8;
  static constexpr std::uint64_t kWindowMaxBytes = 256 * kKiB;

  [[nodiscard]] Result<format::Node> read(const format::Entry& entry, std::uint32_t level,
                                          std::uint64_t index);
  [[nodiscard]] Result<const std::byte*> bytes_at(std::uint32_t segment, std::uint64_t offset);

  SegmentFiles& files_;
  io::Queue& queue_;
  const DigestSecret& secret_;
  SegmentWriter* writer_ = nullptr;
  NodeCache* nodes_ = nullptr;
  std::array<Window, kWindows> windows_;
  std::uint64_t clock_ = 0;
};

}  // namespace blkrewind::store
