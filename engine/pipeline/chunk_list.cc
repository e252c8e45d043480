#include "pipeline/chunk_list.h"

#include <algorithm>
#include <array>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "base/check.h"
#include "base/digest.h"
#include "base/log.h"

namespace blkrewind::pipeline {

// Of this process only, so in its own byte order.
struct ChunkList::Block {
  static constexpr std::size_t kLeaves = 2729;
  std::array<LeafChunks, kLeaves> leaves;
  std::uint64_t count;
  std::array<std::uint64_t, 3> unused;
  std::uint64_t checksum;  // of all before it, and of where it is

  [[nodiscard]] std::uint64_t checksum_at(std::uint64_t number) const {
    return plain_checksum_of(std::as_bytes(std::span(this, 1)).first(sizeof(Block) - 8)) + number;
  }
};

const ChunkList::Block& ChunkList::as_block(const AlignedBuffer& buffer) {
  return *std::launder(reinterpret_cast<const Block*>(buffer.data()));
}

ChunkList::ChunkList(io::Env& env, std::string folder, const format::Geometry& geometry,
                     std::size_t leaves_max)
    : env_(env), folder_(std::move(folder)), geometry_(geometry), leaves_max_(leaves_max) {
  static_assert(sizeof(Block) == 64 * kKiB && std::is_trivially_copyable_v<Block>);
  BLKREWIND_CHECK(leaves_max_ >= 2);
}

void ChunkList::clear() {
  leaves_.clear();
  shift_ = 0;
  bytes_ = 0;
  blocks_ = 0;
}

void ChunkList::add(std::uint64_t leaf, const ChunkSet& chunks) {
  if (chunks.none()) return;
  for_each_chunk(leaf, chunks,
                 [&](std::uint64_t chunk) { bytes_ += geometry_.chunk_extent(chunk).length; });
  if (is_full() && may_spill_) {
    if (const Status spilled = spill(); !spilled) {
      log::warning(
          "the list of what differs is kept in memory, and more is written than differs: " +
          spilled.error().to_string());
      may_spill_ = false;
    }
  }
  if (is_full()) widen();
  if (!leaves_.empty() && leaves_.back().leaf >> shift_ == leaf >> shift_) {
    leaves_.back().chunks |= chunks;
    return;
  }
  // Not at once: most differences are small. Never more than the bound.
  if (leaves_.size() == leaves_.capacity()) {
    leaves_.reserve(std::min(leaves_max_, std::max<std::size_t>(64, 2 * leaves_.size())));
  }
  leaves_.push_back({leaf, chunks});
}

Status ChunkList::spill() {
  if (!file_) {
    BLKREWIND_ASSIGN(queue_, env_.make_queue({.depth = 1}));
    BLKREWIND_ASSIGN(file_,
                     env_.open(folder_, {.access = io::Access::kReadWrite, .unnamed = true}));
  }
  AlignedBuffer buffer(sizeof(Block));
  std::uint64_t number = blocks_;
  for (std::size_t at = 0; at < leaves_.size(); at += Block::kLeaves, ++number) {
    auto* const block = new (buffer.data()) Block{};
    block->count = std::min(Block::kLeaves, leaves_.size() - at);
    std::copy_n(leaves_.begin() + static_cast<std::ptrdiff_t>(at), block->count,
                block->leaves.begin());
    block->checksum = block->checksum_at(number);
    BLKREWIND_TRY(
        io::write_now(*queue_, *file_, {number * sizeof(Block), sizeof(Block)}, buffer.data()));
  }
  blocks_ = number;
  leaves_.clear();
  return {};
}

void ChunkList::widen() {
  do {
    ++shift_;
    std::size_t kept = 0;
    for (std::size_t i = 1; i < leaves_.size(); ++i) {
      if (leaves_[i].leaf >> shift_ == leaves_[kept].leaf >> shift_) {
        leaves_[kept].chunks |= leaves_[i].chunks;
      } else {
        leaves_[++kept] = leaves_[i];
      }
    }
    leaves_.resize(kept + 1);
  } while (leaves_.size() > leaves_max_ / 2);
}

Status ChunkList::read(std::uint64_t number, AlignedBuffer& into) const {
  if (into.size() == 0) into = AlignedBuffer(sizeof(Block));
  const Extent extent{number * sizeof(Block), sizeof(Block)};
  BLKREWIND_TRY(io::read_now(*queue_, *file_, extent, into.data()));
  const Block& block = as_block(into);
  if (block.checksum == block.checksum_at(number) && block.count <= Block::kLeaves) return {};
  return fail(Errc::kIo,
              "the list of what differs, a file without a name in " + folder_ +
                  ", reads back otherwise than it was written",
              run_program("look for the cause in the kernel log", "dmesg"));
}

Result<std::optional<Candidate>> ChunkList::Source::next() {
  const ChunkList& list = *list_;
  while (!in_memory_) {
    if (blocks_ != 0) {
      const Block& block = as_block(block_);
      if (at_ < block.count) {
        const LeafChunks& entry = block.leaves[at_++];
        return std::optional<Candidate>({entry.leaf, entry.chunks, {}});
      }
    }
    at_ = 0;
    if (blocks_ < list.blocks_) {
      BLKREWIND_TRY(list.read(blocks_++, block_));
    } else {
      block_ = {};
      in_memory_ = true;
    }
  }
  if (at_ == list.leaves_.size()) return std::optional<Candidate>{};
  const LeafChunks& entry = list.leaves_[at_];
  Candidate candidate{std::max(entry.leaf, next_leaf_), entry.chunks, {}};
  next_leaf_ = candidate.leaf + 1;
  const std::uint64_t end =
      std::min(list.geometry_.leaf_count(), ((entry.leaf >> list.shift_) + 1) << list.shift_);
  if (next_leaf_ == end) ++at_;
  // Of entries that were joined: the last leaf may have fewer chunks than the others.
  const std::uint64_t chunks = list.geometry_.chunk_count() - candidate.leaf * format::kFanout;
  for (std::uint64_t i = chunks; i < format::kFanout; ++i) candidate.read.reset(i);
  return std::optional<Candidate>(candidate);
}

}  // namespace blkrewind::pipeline
