// Which chunks of a device differ: a list of leaves, each with a set of its chunks, in ascending
// order. What a rollback finds once, it verifies, writes and reads back from here.
//
// A leaf takes 24 bytes. 262,144 of them, 6 MiB, are kept in memory: all leaves of a device of 33
// million chunks (2 TiB in chunks of 64 KiB), or those that differ of a larger one. What is more
// goes to a file without a name in the folder of the store, 64 KiB at a time, so that no crash
// leaves anything of it: 3 MiB a TiB of the device, whatever its size. Where the file cannot be had
// (a full file system must not keep a rollback from ending), neighbouring leaves share an entry:
// more is named then than was added, nothing is missed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "format/geometry.h"
#include "io/env.h"
#include "pipeline/candidate_source.h"

namespace blkrewind::pipeline {

class ChunkList {
 public:
  static constexpr std::size_t kLeavesInMemory = 262'144;

  // `env` outlives it. `folder`: of the store. `leaves_max`: in memory, at least 2.
  ChunkList(io::Env& env, std::string folder, const format::Geometry& geometry,
            std::size_t leaves_max = kLeavesInMemory);

  void clear();
  // Leaves in ascending order, each at most once. An empty set adds nothing.
  void add(std::uint64_t leaf, const ChunkSet& chunks);
  // Of the chunks that were added.
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  // Goes through the list. Its name is of no meaning. `list` outlives it and does not change.
  // kIo when the file cannot be read, or reads back otherwise than it was written.
  class Source final : public CandidateSource {
   public:
    explicit Source(const ChunkList& list) : list_(&list) {}
    [[nodiscard]] Result<std::optional<Candidate>> next() override;
    [[nodiscard]] const char* name() const override { return "list"; }
    [[nodiscard]] Result<std::uint64_t> work_bytes() override { return list_->bytes(); }

   private:
    const ChunkList* list_;
    AlignedBuffer block_;          // the one that is being read
    std::uint64_t blocks_ = 0;     // of the file, that have been read
    bool in_memory_ = false;       // the file's blocks are done with
    std::size_t at_ = 0;           // the next entry: of that block, or in memory
    std::uint64_t next_leaf_ = 0;  // of that entry
  };

 private:
  struct LeafChunks {
    std::uint64_t leaf = 0;
    ChunkSet chunks;
  };
  struct Block;
  [[nodiscard]] static const Block& as_block(const AlignedBuffer& buffer);
  [[nodiscard]] bool is_full() const { return leaves_.size() >= leaves_max_; }
  // Memory to file. Once that has failed it is not tried again.
  [[nodiscard]] Status spill();
  // Lets entries of neighbouring leaves be one until half of the memory is free.
  void widen();
  [[nodiscard]] Status read(std::uint64_t number, AlignedBuffer& into) const;

  io::Env& env_;
  const std::string folder_;
  const format::Geometry geometry_;
  const std::size_t leaves_max_;
  std::vector<LeafChunks> leaves_;
  unsigned shift_ = 0;  // an entry in memory stands for what is left of 2^shift_ leaves
  std::uint64_t bytes_ = 0;
  bool may_spill_ = true;
  std::unique_ptr<io::Queue> queue_;
  std::unique_ptr<io::File> file_;
  std::uint64_t blocks_ = 0;  // of the file, that count
};

}  // namespace blkrewind::pipeline
