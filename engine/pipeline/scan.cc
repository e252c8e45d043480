#include "pipeline/scan.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "io/serving_queue.h"
#include "io/stream.h"
#include "pipeline/full_scan.h"
#include "pipeline/meter.h"
#include "pipeline/worker_pool.h"
#include "pipeline/workforce.h"
#include "store/tree_builder.h"
#include "store/tree_reader.h"

namespace blkrewind::pipeline {
namespace {

using format::Entries;
using format::Entry;
using format::kFanout;

// How many leaves may be under way: enough that every worker's slots are full while it has the next
// ones waiting.
std::size_t leaves_under_way(const Workforce& force, const format::Geometry& geometry) {
  const std::uint64_t worker_bytes = std::uint64_t{force.slots} * force.slot_bytes;
  const std::uint64_t leaves = std::max<std::uint64_t>(1, worker_bytes / geometry.leaf_bytes());
  return static_cast<std::size_t>(force.workers * 2 * (leaves + 1));
}

class Scan {
 public:
  Scan(store::History& history, const ScanRequest& request, const Monitor& monitor,
       io::Queue& queue)
      : request_(request),
        reader_(history.files(), queue, history.secret(), request.writer),
        base_reader_(history.files(), queue, history.secret(), request.writer),
        meter_(monitor, request.phase, request.geometry.device_bytes) {
    for (const auto& snapshot : request.references) {
      cursors_.emplace_back(reader_, store::tree_of(snapshot));
    }
    if (!cursors_.empty()) base_.emplace(base_reader_, cursors_.front().tree());
    if (request.writer != nullptr) {
      builder_.emplace(request.geometry, base_ ? &*base_ : nullptr, *request.writer, queue);
    }
  }

  // The task for a candidate; nothing when no byte of it needs to be looked at.
  Result<std::optional<ScanTask>> prepare(const Candidate& candidate) {
    ScanTask task;
    task.candidate = candidate;
    bool all_zero = true;
    for (store::TreeCursor& cursor : cursors_) {
      BLKREWIND_ASSIGN(const Entries* leaf, cursor.leaf(candidate.leaf));
      all_zero = all_zero && leaf == nullptr;
      task.references.push_back(leaf != nullptr ? *leaf : Entries{});
    }
    if (task.references.empty()) task.references.emplace_back();
    if (candidate.read.none() && all_zero) {
      const Extent extent = request_.geometry.leaf_extent(candidate.leaf);
      outcome_.zero_bytes += extent.length;
      reference_zero_bytes_ += extent.length;
      BLKREWIND_TRY(meter_.advance(extent.length));
      return std::optional<ScanTask>{};
    }
    return std::optional<ScanTask>(std::move(task));
  }

  Status take(const ScanResult& result) {
    outcome_.scanned_bytes += result.scanned_bytes;
    outcome_.stored_bytes += result.stored_bytes;
    outcome_.foreign_bytes += result.foreign_bytes;
    for (const Extent& extent : result.unreadable) outcome_.unreadable.add(extent);
    if (!result.unreadable.empty()) outcome_.unreadable.because(result.unreadable_errno);
    if (!request_.passes_over_unreadable && outcome_.unreadable.is_full()) return check_readable();
    const Extent leaf = request_.geometry.leaf_extent(result.leaf);
    const std::uint64_t first = result.leaf * kFanout;
    const std::uint64_t count =
        std::min<std::uint64_t>(kFanout, request_.geometry.chunk_count() - first);
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t length = request_.geometry.chunk_extent(first + i).length;
      if (result.entries[i].is_zero()) outcome_.zero_bytes += length;
      if (result.reference[i].is_zero()) reference_zero_bytes_ += length;
      if (result.differing.test(i)) outcome_.changed_bytes += length;
    }
    if (result.differing.any() && builder_) {
      BLKREWIND_TRY(builder_->put(result.leaf, result.entries));
    }
    if (request_.visit) BLKREWIND_TRY(request_.visit(result));
    return meter_.advance(leaf.length);
  }

  Result<ScanOutcome> finish() {
    BLKREWIND_TRY(check_same_size(*request_.device, request_.geometry.device_bytes));
    if (!request_.passes_over_unreadable) BLKREWIND_TRY(check_readable());
    if (builder_) {
      BLKREWIND_ASSIGN(outcome_.root, builder_->finish());
    }
    if (request_.candidates != nullptr && !request_.references.empty()) {
      // What was not looked at is as in the first reference.
      outcome_.zero_bytes += request_.references.front().zero_bytes - reference_zero_bytes_;
    }
    meter_.finish();
    return outcome_;
  }

 private:
  [[nodiscard]] Status check_readable() const {
    if (outcome_.unreadable.empty()) return {};
    return fail(outcome_.unreadable.error(*request_.device));
  }

  const ScanRequest& request_;
  // The builder comes behind the candidates, so it has a reader and a cursor of its own.
  store::TreeReader reader_;
  store::TreeReader base_reader_;
  std::vector<store::TreeCursor> cursors_;
  std::optional<store::TreeCursor> base_;
  std::optional<store::TreeBuilder> builder_;
  Meter meter_;
  ScanOutcome outcome_;
  std::uint64_t reference_zero_bytes_ = 0;  // of the leaves that were looked at
};

}  // namespace

Result<ScanOutcome> scan_device(store::History& history, const ScanRequest& request,
                                const Monitor& monitor) {
  const Stopwatch watch;
  FullScan everything(*request.device, request.geometry);
  CandidateSource& candidates = request.candidates != nullptr ? *request.candidates : everything;
  BLKREWIND_ASSIGN(const std::uint64_t work_bytes, candidates.work_bytes());
  Means means = request.means;
  // It may be a stream, which is read in order.
  const bool is_served = dynamic_cast<const io::ServedFile*>(request.device) != nullptr;
  if (is_served) means.threads = 1;
  const Workforce force = Workforce::plan(means, work_bytes);
  BLKREWIND_ASSIGN(auto queue, history.env().make_queue({.depth = 1}));
  Scan scan(history, request, monitor, *queue);
  ScanSettings settings{request.device, request.geometry, &history.secret(), {}, request.mark};
  if (request.writer != nullptr) {
    settings.reserve = [writer = request.writer](std::uint64_t length_bytes) {
      return writer->reserve(length_bytes);
    };
  }
  auto make_worker = [&]() -> Result<std::unique_ptr<ScanWorker>> {
    io::QueueOptions options = force.queue_options();
    // A chunk is read whole.
    options.slot_bytes = std::max(options.slot_bytes, request.geometry.chunk_bytes);
    BLKREWIND_ASSIGN(auto worker_queue, history.env().make_queue(options));
    if (is_served) worker_queue = io::make_serving_queue(std::move(worker_queue));
    return std::make_unique<ScanWorker>(std::move(worker_queue), settings);
  };
  WorkerPool<ScanWorker> pool(force.workers, leaves_under_way(force, request.geometry),
                              make_worker);

  bool exhausted = false;
  while (true) {
    while (!exhausted && pool.has_room()) {
      BLKREWIND_ASSIGN(const auto candidate, candidates.next());
      if (!candidate) {
        exhausted = true;
        break;
      }
      BLKREWIND_ASSIGN(auto task, scan.prepare(*candidate));
      if (task) BLKREWIND_TRY(pool.push(std::move(*task)));
    }
    if (pool.empty()) break;
    BLKREWIND_ASSIGN(const ScanResult result, pool.pop());
    BLKREWIND_TRY(scan.take(result));
  }
  BLKREWIND_ASSIGN(ScanOutcome outcome, scan.finish());
  outcome.change_source = candidates.name();
  outcome.seconds = watch.seconds();
  return outcome;
}

Status check_same_size(io::File& file, std::uint64_t size_bytes) {
  BLKREWIND_ASSIGN(const std::uint64_t now, file.end_bytes());
  if (now < size_bytes) return fail(io::ended_error(file, now));
  if (now == size_bytes) return {};
  if (const auto* stream = dynamic_cast<const io::Stream*>(&file); stream != nullptr) {
    return fail(stream->goes_on());
  }
  return fail(Errc::kIo,
              file.path() + " has become longer while it was used: it had " +
                  std::to_string(size_bytes) + " bytes and has " + std::to_string(now),
              "find out which program changed it, give it its former size, then try again");
}

}  // namespace blkrewind::pipeline
