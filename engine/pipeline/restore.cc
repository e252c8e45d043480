#include "pipeline/restore.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "pipeline/extent_merger.h"
#include "pipeline/meter.h"
#include "pipeline/worker_pool.h"
#include "pipeline/workforce.h"
#include "store/tree_reader.h"

namespace blkrewind::pipeline {
namespace {

// The plan of a chunk stream, item by item: never more than one in memory.
class Plan {
 public:
  Plan(const RestoreRequest& request, std::uint64_t request_max_bytes, std::size_t segments_max)
      : stream_(request.chunks), planner_(request.geometry, request_max_bytes, segments_max) {}

  Result<std::optional<PlanItem>> next() {
    while (!ended_) {
      BLKREWIND_ASSIGN(const auto target, stream_());
      if (!target) {
        ended_ = true;
        break;
      }
      if (auto item = planner_.add(target->chunk, target->source)) return item;
    }
    return planner_.finish();
  }

 private:
  const ChunkStream& stream_;
  Planner planner_;
  bool ended_ = false;
};

}  // namespace

ChunkStream difference_stream(store::TreeReader& reader, const store::Tree& from,
                              const store::Tree& to) {
  auto diff = std::make_shared<store::TreeDiff>(reader, from, to);
  return [diff]() -> Result<std::optional<ChunkTarget>> {
    BLKREWIND_ASSIGN(const auto difference, diff->next());
    if (!difference) return std::optional<ChunkTarget>{};
    return std::optional<ChunkTarget>({difference->chunk, difference->to});
  };
}

Error bad_chunk_error(const BadChunk& bad, const format::Geometry& geometry) {
  Error error;
  error.code = Errc::kIntegrity;
  error.extent = geometry.chunk_extent(bad.chunk);
  error.message = "chunk " + std::to_string(bad.chunk) + " is corrupt in the store (segment " +
                  std::to_string(bad.source.segment) + ", offset " +
                  std::to_string(bad.source.offset_bytes()) +
                  "): " + (bad.missing ? "it is missing" : "its digest does not match");
  return error;
}

Error unreadable_chunk_error(const store::History& history, const BadChunk& chunk,
                             const format::Geometry& geometry) {
  Error error = system_error(
      chunk.sys_errno, "chunk " + std::to_string(chunk.chunk) + " cannot be read from the store (" +
                           history.segment_name(chunk.source.segment) + ", offset " +
                           std::to_string(chunk.source.offset_bytes()) + ")");
  // Whatever the errno, it is the store that failed: nothing was refused, and nothing is damaged.
  error.code = Errc::kIo;
  error.extent = geometry.chunk_extent(chunk.chunk);
  if (error.remedy.empty()) {
    error.remedy = run_program("look for the cause in the kernel log", "dmesg")
                       .because("nothing was marked as damaged");
  }
  return error;
}

Status all_readable(const store::History& history, const RestoreOutcome& outcome,
                    const format::Geometry& geometry) {
  if (outcome.unreadable.empty()) return {};
  return fail(unreadable_chunk_error(history, outcome.unreadable.front(), geometry));
}

Result<RestoreOutcome> restore_chunks(store::History& history, const RestoreRequest& request,
                                      const Monitor& monitor) {
  Workforce force = Workforce::plan(request.means, request.work_bytes);
  io::QueueOptions options = force.queue_options();
  options.slot_bytes = std::max(options.slot_bytes, request.geometry.chunk_bytes);
  std::uint64_t request_max = Workforce::kSlotBytes;
  if (request.one_by_one) {
    request_max = request.geometry.chunk_bytes;
  } else if (request.device != nullptr) {
    request_max = request.device->max_request_bytes();
  }
  if (request.compare_block_bytes != 0) {
    // What stands on the device needs as much room again.
    options.slot_bytes = std::max(options.slot_bytes, 2 * request.geometry.chunk_bytes);
    request_max = std::min<std::uint64_t>(request_max, options.slot_bytes / 2);
  }
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  const RestoreSettings settings{request.device,    request.geometry,
                                 &history.secret(), request.compare_block_bytes,
                                 request.share,     request.verified};
  auto make_worker = [&]() -> Result<std::unique_ptr<RestoreWorker>> {
    BLKREWIND_ASSIGN(auto worker_queue, history.env().make_queue(options));
    return std::make_unique<RestoreWorker>(std::move(worker_queue), settings);
  };
  WorkerPool<RestoreWorker> pool(force.workers, std::size_t{2} * force.workers * force.slots,
                                 make_worker);
  // Several items at once share what may be open.
  Plan plan(request, request_max, store::SegmentFiles::open_max() / 4);
  Meter meter(monitor, request.phase, request.work_bytes);
  RestoreOutcome outcome;

  bool exhausted = false;
  ExtentMerger extents;
  const auto note = [&](const BadChunk& chunk) {
    (chunk.is_damage() ? outcome.bad : outcome.unreadable).push_back(chunk);
    if (outcome.failed() > request.bad_max) exhausted = true;
  };
  const auto take = [&]() -> Status {
    BLKREWIND_ASSIGN(const RestoreResult result, pool.pop());
    if (result.bad.empty()) {
      (result.zero ? outcome.zeroed_bytes : outcome.restored_bytes) += result.written_bytes;
    }
    for (const BadChunk& chunk : result.bad) note(chunk);
    outcome.chunks += result.chunks;
    return meter.advance(result.device.length);
  };
  const auto meets_limit = [](const auto& file) {
    return !file && (file.error().sys_errno == EMFILE || file.error().sys_errno == ENFILE);
  };
  while (true) {
    while (!exhausted && pool.has_room() && (pool.empty() || !history.files().is_crowded())) {
      BLKREWIND_ASSIGN(auto item, plan.next());
      if (!item) {
        exhausted = true;
        break;
      }
      (void)extents.add(item->device);
      RestoreTask task;
      bool whole = true;
      std::vector<PlannedChunk> planned = std::exchange(item->chunks, {});
      for (PlannedChunk& chunk : planned) {
        auto file = history.files().get(chunk.source.segment, *queue);
        while (meets_limit(file) && !pool.empty()) {
          // What is under way holds files open.
          BLKREWIND_TRY(take());
          file = history.files().get(chunk.source.segment, *queue);
        }
        if (!file) {
          // A missing or foreign segment: its chunks count as corrupt.
          const bool damage = file.error().code == Errc::kIntegrity;
          if (!damage && file.error().sys_errno == 0) {
            // No failure, but a file that is refused, as one that other users may write to: the
            // error says what to do about it.
            Error refused = std::move(file).error();
            if (request.device != nullptr) refused.code = Errc::kIo;  // something may be written
            return fail(std::move(refused));
          }
          note({chunk.chunk, chunk.source, damage ? 0 : file.error().sys_errno, damage});
          whole = false;
          continue;
        }
        task.files.push_back(std::move(*file));
        item->chunks.push_back(chunk);
      }
      // An item is written whole or not at all; what is only verified is verified chunk by chunk.
      if (!whole && (request.device != nullptr || item->chunks.empty())) continue;
      task.item = std::move(*item);
      BLKREWIND_TRY(pool.push(std::move(task)));
    }
    if (pool.empty()) break;
    BLKREWIND_TRY(take());
  }
  outcome.extents = extents.count();
  if (outcome.failed() == 0) meter.finish();
  return outcome;
}

}  // namespace blkrewind::pipeline
