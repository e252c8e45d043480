// The content of a snapshot, as a device that can only be read.
//
//   auto reader = engine->open_snapshot("before");
//   std::vector<std::byte> sector(512);
//   auto done = reader->read(0, sector);
//
// Every byte is compared with its digest before it is handed out. A chunk that does not match is an
// error of the reads that touch it, and of no other. While a reader exists, its snapshot cannot be
// deleted, by this process or another: that is refused with kBusy. The hold ends with the reader,
// or with the process.
//
// Any thread, several at a time, but for construction, moves and destruction. A reader must not
// outlive its Engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "blkrewind/error.h"
#include "blkrewind/export.h"
#include "blkrewind/info.h"
#include "blkrewind/units.h"

namespace blkrewind {

class BLKREWIND_API SnapshotReader {
 public:
  SnapshotReader(SnapshotReader&&) noexcept;
  SnapshotReader& operator=(SnapshotReader&&) noexcept;
  ~SnapshotReader();

  // As it was when it was opened.
  [[nodiscard]] const SnapshotInfo& info() const;
  [[nodiscard]] std::uint64_t size_bytes() const;
  [[nodiscard]] std::uint32_t chunk_bytes() const;

  // Fills all of `into` with the bytes from `offset` on. Any offset and length within the snapshot;
  // beyond its end: kInvalidArgument. kIntegrity: a chunk or a part of the tree is damaged, which
  // `extent` and the message name; kIo: the store cannot be read. After an error the content of
  // `into` is unspecified.
  [[nodiscard]] Status read(std::uint64_t offset, std::span<std::byte> into);

  // Calls `visit` with the ranges of `within` in ascending order, without gaps, neighbours of one
  // kind merged: whether it has data, or reads as zeroes. It ends when `visit` returns false. The
  // granule is a chunk; the cost is that of the tree, not of the content.
  using VisitExtent = std::function<bool(Extent extent, bool data)>;
  [[nodiscard]] Status extents(Extent within, const VisitExtent& visit);

  // Calls `visit` with the ranges of `within` in which this snapshot may differ from `other`, in
  // ascending order and merged, until it returns false. The granule is a chunk. The cost is
  // proportional to the difference. kInvalidArgument: they are of different disks, sizes or chunk
  // sizes.
  using VisitChange = std::function<bool(Extent extent)>;
  [[nodiscard]] Status changed_since(SnapshotReader& other, Extent within,
                                     const VisitChange& visit);

 private:
  friend class Engine;
  struct Impl;
  explicit SnapshotReader(std::unique_ptr<Impl> impl);
  [[nodiscard]] Impl& impl() const;  // throws when this reader was moved from
  std::unique_ptr<Impl> impl_;
};

}  // namespace blkrewind
