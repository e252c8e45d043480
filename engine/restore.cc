#include "restore.h"

#include <memory>
#include <string>
#include <utility>

#include "io/crew.h"
#include "meter.h"
#include "store/tree_reader.h"
#include "workforce.h"

namespace blkrewind {
namespace {

using rollback::PlanItem;
using rollback::Planner;
using rollback::RestoreLane;
using rollback::RestoreResult;
using rollback::RestoreTask;

// The plan of a chunk stream, item by item: never more than one in memory.
class Plan {
 public:
  Plan(const RestoreRequest& request, std::uint64_t request_max_bytes)
      : stream_(request.chunks), planner_(request.geometry, request_max_bytes) {}

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

Error bad_chunk_error(const rollback::BadChunk& bad, const format::Geometry& geometry) {
  Error error;
  error.code = Errc::kIntegrity;
  error.sys_errno = bad.sys_errno;
  error.extent = geometry.chunk_extent(bad.chunk);
  error.message = "chunk " + std::to_string(bad.chunk) + " is corrupt in the store (segment " +
                  std::to_string(bad.source.segment) + ", offset " +
                  std::to_string(bad.source.offset_bytes()) +
                  "): " + (bad.sys_errno != 0 ? "it cannot be read" : "its digest does not match");
  return error;
}

Result<RestoreOutcome> restore_chunks(store::Store& store, const RestoreRequest& request,
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
  BLKREWIND_ASSIGN(auto queue, store.env().make_queue({.depth = 8}));
  const rollback::RestoreSettings settings{request.device,  request.geometry,
                                           &store.secret(), request.compare_block_bytes,
                                           request.share,   request.verified};
  auto make_lane = [&]() -> Result<std::unique_ptr<RestoreLane>> {
    BLKREWIND_ASSIGN(auto lane_queue, store.env().make_queue(options));
    return std::make_unique<RestoreLane>(std::move(lane_queue), settings);
  };
  io::Crew<RestoreLane> crew(force.lanes, std::size_t{2} * force.lanes * force.slots, make_lane);
  Plan plan(request, request_max);
  Meter meter(monitor, request.phase, request.work_bytes);
  RestoreOutcome outcome;

  bool exhausted = false;
  std::uint64_t planned_to = 0;
  while (true) {
    while (!exhausted && crew.has_room()) {
      BLKREWIND_ASSIGN(auto item, plan.next());
      if (!item) {
        exhausted = true;
        break;
      }
      if (outcome.extents == 0 || item->device.offset != planned_to) ++outcome.extents;
      planned_to = item->device.end();
      RestoreTask task;
      bool missing = false;
      for (const rollback::PlannedChunk& chunk : item->chunks) {
        auto file = store.files().get(chunk.source.segment, *queue);
        if (!file) {
          // A segment that is gone, or whose header is not its own, cannot vouch for its chunks.
          outcome.bad.push_back({chunk.chunk, chunk.source, file.error().sys_errno});
          missing = true;
          break;
        }
        task.files.push_back(std::move(*file));
      }
      if (missing) {
        if (outcome.bad.size() > request.bad_max) exhausted = true;
        continue;
      }
      task.item = std::move(*item);
      BLKREWIND_TRY(crew.push(std::move(task)));
    }
    if (crew.empty()) break;
    BLKREWIND_ASSIGN(RestoreResult result, crew.pop());
    if (!result.bad.empty()) {
      outcome.bad.insert(outcome.bad.end(), result.bad.begin(), result.bad.end());
      if (outcome.bad.size() > request.bad_max) exhausted = true;
    } else {
      (result.zero ? outcome.zeroed_bytes : outcome.restored_bytes) += result.written_bytes;
    }
    outcome.chunks += result.chunks;
    BLKREWIND_TRY(meter.advance(result.device.length));
  }
  if (outcome.bad.empty()) meter.finish();
  return outcome;
}

}  // namespace blkrewind
