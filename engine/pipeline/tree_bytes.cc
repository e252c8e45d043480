#include "pipeline/tree_bytes.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.h"
#include "pipeline/extent_merger.h"
#include "pipeline/restore.h"
#include "store/tree_diff.h"

namespace blkrewind::pipeline {
namespace {

using store::ChunkCache;

// The bytes of a stored chunk on its segment.
Extent stored_extent(const format::Entry& source) {
  return {source.offset_bytes(), align_up(source.length_bytes, format::kBlockBytes)};
}

// One call of read_tree().
class TreeRead {
 public:
  TreeRead(store::History& history, const store::Tree& tree, ReadMeans& means,
           ReadLanes::Held& lane, std::uint64_t offset, std::span<std::byte> into)
      : history_(history),
        geometry_(tree.geometry),
        cache_(means.chunks),
        lane_(lane),
        nodes_(history.files(), lane.nodes(), history.secret(), means.nodes),
        cursor_(nodes_, tree),
        wanted_{offset, into.size()},
        into_(into) {
    for (std::uint32_t slot = 0; slot < ReadLanes::kSlots; ++slot) free_.push_back(slot);
    completions_.reserve(ReadLanes::kSlots);
  }

  ~TreeRead() {
    // The lane's next user must not find requests in flight, nor other readers wait for this one.
    while (lane_.chunks().in_flight() > 0 && !broken_) {
      completions_.clear();
      broken_ = !lane_.chunks().wait(1, completions_);
    }
    if (broken_) lane_.give_up();
    end_turn(open_);
    for (auto& run : runs_) end_turn(run);
  }
  TreeRead(const TreeRead&) = delete;
  TreeRead& operator=(const TreeRead&) = delete;

  Status run() {
    const std::uint64_t begin = wanted_.offset / geometry_.chunk_bytes;
    const std::uint64_t end =
        align_up(wanted_.end(), geometry_.chunk_bytes) / geometry_.chunk_bytes;
    for (std::uint64_t chunk = begin; chunk < end; ++chunk) BLKREWIND_TRY(add(chunk));
    BLKREWIND_TRY(finish_all());
    // No turn is this call's now, so that it may wait for others.
    for (const ChunkTarget& target : busy_) {
      const auto sought = cache_.wait(target.source.digest);
      if (sought.turn == ChunkCache::Turn::kFound) {
        hand_out(target.chunk, sought.bytes->data());
        continue;
      }
      BLKREWIND_TRY(read_own(target));
      BLKREWIND_TRY(finish_all());
    }
    return {};
  }

 private:
  struct Run {
    std::vector<BadChunk> chunks;  // neighbours on the device and in the segment
    Extent stored;
    std::shared_ptr<io::File> file;
    bool own_turn = false;  // one chunk, which other readers may be waiting for
  };

  Status add(std::uint64_t chunk) {
    BLKREWIND_ASSIGN(const format::Entry source, cursor_.entry(0, chunk));
    const Extent whole = geometry_.chunk_extent(chunk);
    if (source.is_zero()) {
      const Extent part = wanted_part(whole);
      std::memset(into_.data() + (part.offset - wanted_.offset), 0, part.length);
      return {};
    }
    if (source.length_bytes != whole.length) {
      // Never read, because it might be longer than the slot.
      return fail(bad_chunk_error({chunk, source}, geometry_));
    }
    if (wanted_part(whole) == whole) return add_whole({chunk, source});
    const auto sought = cache_.seek(source.digest);
    switch (sought.turn) {
      case ChunkCache::Turn::kFound:
        hand_out(chunk, sought.bytes->data());
        return {};
      case ChunkCache::Turn::kBusy:
        busy_.push_back({chunk, source});
        return {};
      case ChunkCache::Turn::kMine:
        return read_own({chunk, source});
    }
    return {};
  }

  // A chunk that is wanted in part, and whose turn is this call's.
  Status read_own(const ChunkTarget& target) {
    Status begun = submit_open();
    if (begun) begun = open_run(target);
    if (!begun) {
      cache_.give_up(target.source.digest);
      return begun;
    }
    open_.own_turn = true;
    return submit_open();
  }

  // Joined to the run before it, if it follows there and on the device.
  Status add_whole(const ChunkTarget& target) {
    const Extent stored = stored_extent(target.source);
    if (!open_.chunks.empty()) {
      const BadChunk& last = open_.chunks.back();
      if (last.chunk + 1 == target.chunk && last.source.segment == target.source.segment &&
          open_.stored.end() == stored.offset &&
          open_.stored.length + stored.length <= ReadLanes::kSlotBytes) {
        open_.stored.length += stored.length;
        open_.chunks.push_back({target.chunk, target.source});
        return {};
      }
    }
    BLKREWIND_TRY(submit_open());
    return open_run(target);
  }

  Status open_run(const ChunkTarget& target) {
    auto file = history_.files().get(target.source.segment, lane_.nodes());
    if (!file) {
      Error error = std::move(file).error();
      error.extent = geometry_.chunk_extent(target.chunk);
      return fail(std::move(error).while_doing("reading chunk " + std::to_string(target.chunk)));
    }
    open_.chunks.push_back({target.chunk, target.source});
    open_.stored = stored_extent(target.source);
    open_.file = std::move(*file);
    return {};
  }

  Status submit_open() {
    if (open_.chunks.empty()) return {};
    while (free_.empty()) BLKREWIND_TRY(step());
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    Run& run = runs_[slot] = std::exchange(open_, {});
    const io::Request request{io::Op::kRead, run.file.get(), run.stored, bytes_of(slot), slot};
    Status submitted = lane_.chunks().submit({&request, 1});
    broken_ = !submitted;
    return submitted;
  }

  Status finish_all() {
    BLKREWIND_TRY(submit_open());
    while (lane_.chunks().in_flight() > 0) BLKREWIND_TRY(step());
    return {};
  }

  Status step() {
    completions_.clear();
    if (auto waited = lane_.chunks().wait(1, completions_); !waited) {
      broken_ = true;
      return fail(std::move(waited).error());
    }
    for (const io::Completion& completion : completions_) {
      const auto slot = static_cast<std::uint32_t>(completion.user_data);
      BLKREWIND_TRY(finish(runs_[slot], slot, completion));
      runs_[slot] = {};
      free_.push_back(slot);
    }
    return {};
  }

  Status finish(Run& run, std::uint32_t slot, const io::Completion& completion) {
    const bool whole = completion.error == 0 && completion.missing_bytes == 0;
    const std::byte* data = bytes_of(slot);
    for (const BadChunk& chunk : run.chunks) {
      if (!whole) {
        // One by one: only one of them may be the cause, and is named.
        BLKREWIND_TRY(read_again(chunk, *run.file, bytes_of(slot)));
        data = bytes_of(slot);
      }
      if (digest_of(history_.secret(), {data, chunk.source.length_bytes}, DigestDomain::kChunk, 0,
                    chunk.chunk) != chunk.source.digest) {
        return fail(bad_chunk_error(chunk, geometry_));
      }
      hand_out(chunk.chunk, data);
      if (run.own_turn) {
        auto kept = std::make_shared<AlignedBuffer>(chunk.source.length_bytes);
        std::memcpy(kept->data(), data, kept->size());
        cache_.publish(chunk.source.digest, std::move(kept));
        run.own_turn = false;
      }
      data += stored_extent(chunk.source).length;
    }
    return {};
  }

  void end_turn(const Run& run) {
    if (run.own_turn) cache_.give_up(run.chunks.front().source.digest);
  }

  Status read_again(BadChunk chunk, io::File& file, std::byte* data) {
    const Extent stored = stored_extent(chunk.source);
    const auto there = io::read_there_now(lane_.nodes(), file, stored, data);
    if (!there) {
      chunk.sys_errno = there.error().sys_errno;
      return fail(unreadable_chunk_error(history_, chunk, geometry_));
    }
    chunk.missing = *there < stored.length;
    return chunk.missing ? Status(fail(bad_chunk_error(chunk, geometry_))) : Status();
  }

  [[nodiscard]] std::byte* bytes_of(std::uint32_t slot) {
    return lane_.chunks().slots()[slot].data;
  }
  [[nodiscard]] Extent wanted_part(const Extent& whole) const {
    const std::uint64_t begin = std::max(whole.offset, wanted_.offset);
    return {begin, std::min(whole.end(), wanted_.end()) - begin};
  }
  void hand_out(std::uint64_t chunk, const std::byte* bytes) {
    const Extent whole = geometry_.chunk_extent(chunk);
    const Extent part = wanted_part(whole);
    std::memcpy(into_.data() + (part.offset - wanted_.offset), bytes + (part.offset - whole.offset),
                part.length);
  }

  store::History& history_;
  const format::Geometry geometry_;
  ChunkCache& cache_;
  ReadLanes::Held& lane_;
  store::TreeReader nodes_;
  store::TreeCursor cursor_;
  const Extent wanted_;
  const std::span<std::byte> into_;
  Run open_;  // not submitted, because the next chunk may join it; or empty
  std::array<Run, ReadLanes::kSlots> runs_;
  std::vector<std::uint32_t> free_;
  std::vector<ChunkTarget> busy_;
  std::vector<io::Completion> completions_;
  bool broken_ = false;  // the queue itself
};

}  // namespace

Status read_tree(store::History& history, const store::Tree& tree, ReadMeans& means,
                 std::uint64_t offset, std::span<std::byte> into) {
  BLKREWIND_CHECK(offset <= tree.geometry.device_bytes &&
                  into.size() <= tree.geometry.device_bytes - offset);
  if (into.empty()) return {};
  BLKREWIND_ASSIGN(ReadLanes::Held lane, means.lanes.take(tree.geometry.chunk_bytes));
  return TreeRead(history, tree, means, lane, offset, into).run();
}

Status visit_tree(store::History& history, const store::Tree& base, const store::Tree& tree,
                  ReadMeans& means, const Extent& within,
                  const std::function<bool(Extent)>& visit) {
  const format::Geometry& geometry = tree.geometry;
  // Not a lane: `visit` may read.
  BLKREWIND_ASSIGN(const auto queue, history.env().make_queue({.depth = 1}));
  store::TreeReader reader(history.files(), *queue, history.secret(), means.nodes);
  store::TreeDiff diff(reader, base, tree, within.offset / geometry.chunk_bytes);
  ExtentMerger merger;
  while (true) {
    BLKREWIND_ASSIGN(const auto difference, diff.next());
    if (!difference) break;
    Extent chunk = geometry.chunk_extent(difference->chunk);
    if (chunk.offset >= within.end()) break;
    const std::uint64_t end = std::min(chunk.end(), within.end());
    chunk.offset = std::max(chunk.offset, within.offset);
    chunk.length = end - chunk.offset;
    const auto before = merger.add(chunk);
    if (before && !visit(*before)) return {};
  }
  if (const auto last = merger.finish()) (void)visit(*last);
  return {};
}

}  // namespace blkrewind::pipeline
