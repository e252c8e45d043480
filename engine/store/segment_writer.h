// The segments written by one operation: all of them new, none shared with another operation.
//
// Chunk bytes go to one segment at a time, tree nodes to another, so that the nodes of a snapshot
// are contiguous and are read in few requests. Nothing refers to a segment before the log
// record of its operation is durable; until then it is an orphan, removed by abandon() or, after a
// crash and where writes may arrive late, by remove_orphans(). seal() makes everything durable and
// must precede that record.
//
// reserve() may be called from any thread; everything else belongs to the thread that created it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/digest.h"
#include "blkrewind/error.h"
#include "format/node.h"
#include "format/placement.h"
#include "format/records.h"
#include "format/segment_header.h"
#include "format/store_header.h"
#include "io/env.h"
#include "store/home/home.h"

namespace blkrewind::store {

class SegmentWriter {
 public:
  // `epoch`: of the owner that writes. `next`: the first number that may be free.
  SegmentWriter(Home& home, format::DiskNumber disk, const format::StoreHeader& header,
                std::uint64_t epoch, format::SegmentId next);
  ~SegmentWriter();
  SegmentWriter(const SegmentWriter&) = delete;
  SegmentWriter& operator=(const SegmentWriter&) = delete;

  // As format::Reserve.
  [[nodiscard]] Result<format::Placement> reserve(std::uint64_t length_bytes);

  // The location of the node; it is written together with others, at the latest by seal().
  [[nodiscard]] Result<format::Entry> append_node(io::Queue& queue, const format::Node& node);
  // Writes buffered nodes, so that they can be read.
  [[nodiscard]] Status write_nodes(io::Queue& queue);

  // Gives back the space of a chunk or node of this writer that is not needed after all. Its write
  // has ended.
  [[nodiscard]] Status release(io::Queue& queue, const format::Entry& entry);
  // Its segments have this number or a larger one.
  [[nodiscard]] format::SegmentId first_segment() const { return first_; }

  // Headers, lengths, flush of every segment, flush of the directory.
  [[nodiscard]] Status seal(io::Queue& queue);
  // The segments and their live bytes, for the record, and the counter of segments.
  [[nodiscard]] std::vector<format::SegmentRecord> records() const;
  [[nodiscard]] format::SegmentId next_segment() const { return next_; }

  // From here on the files belong to the store: the record that names them is being
  // written.
  void keep() { kept_ = true; }

  // Opens a segment of this writer for reading; nullptr if it is not one of them.
  [[nodiscard]] io::File* find(format::SegmentId id);

 private:
  struct Segment {
    format::SegmentId id = 0;
    std::unique_ptr<io::File> file;
    std::uint64_t length_bytes = 0;    // used
    std::uint64_t extended_bytes = 0;  // current length of the file
    std::uint64_t released_bytes = 0;

    [[nodiscard]] std::uint64_t live_bytes() const {
      return length_bytes - format::kSegmentHeaderBytes - released_bytes;
    }
  };
  // Large, so that an operation never has more than a few hundred files open: 16 TiB are 256
  // segments. Space inside a segment is freed by punching, so small segments have no advantage.
  static constexpr std::uint64_t kSegmentBytes = 64 * kGiB;
  static constexpr std::uint64_t kExtendBytes = 64 * kMiB;
  static constexpr std::size_t kNodeBufferBytes = 256 * kKiB;

  [[nodiscard]] Result<format::Placement> reserve_in(Segment*& current, std::uint64_t length);
  [[nodiscard]] Result<Segment*> add_segment();
  void abandon();

  Home& home_;
  const format::DiskNumber disk_;
  const format::StoreUuid uuid_;
  const DigestSecret secret_;
  const std::uint64_t epoch_;
  const format::SegmentId first_;

  mutable std::mutex mutex_;  // guards the members that reserve() uses
  format::SegmentId next_;
  std::vector<std::unique_ptr<Segment>> segments_;
  Segment* chunks_ = nullptr;
  Segment* nodes_ = nullptr;

  AlignedBuffer node_buffer_;
  std::size_t node_bytes_ = 0;  // buffered
  format::Placement node_run_;  // offset of the buffered nodes
  bool kept_ = false;
};

}  // namespace blkrewind::store
