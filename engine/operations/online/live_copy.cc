#include "operations/online/live_copy.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/remedies.h"
#include "pipeline/tracked_source.h"
#include "store/supersede.h"
#include "store/tree_diff.h"
#include "store/tree_reader.h"

namespace blkrewind {
namespace {

// Enough to keep a device busy with small reads.
constexpr std::uint32_t kDepth = 32;
// Of the workers, where what is read is in memory already.
constexpr std::uint64_t kCopyBufferBytes = 4 * kMiB;

}  // namespace

LiveCopy::LiveCopy(const LiveSource& source, std::unique_ptr<track::Watch> watch,
                   std::unique_ptr<io::HeldBytes> held, std::unique_ptr<io::Queue> queue)
    : source_(source),
      watch_(std::move(watch)),
      held_(std::move(held)),
      queue_(std::move(queue)),
      under_way_(kDepth) {
  completions_.reserve(kDepth);
}

Result<std::unique_ptr<LiveCopy>> LiveCopy::make(const LiveSource& source,
                                                 std::unique_ptr<track::Watch> watch,
                                                 std::size_t room_bytes) {
  BLKREWIND_ASSIGN(auto held, io::HeldBytes::make(source.device->path(),
                                                  source.geometry.device_bytes, room_bytes));
  BLKREWIND_ASSIGN(auto queue, source.history->env().make_queue({.depth = kDepth}));
  return std::unique_ptr<LiveCopy>(
      new LiveCopy(source, std::move(watch), std::move(held), std::move(queue)));
}

Status LiveCopy::pass(pipeline::CandidateSource* candidates, io::File& file,
                      const Monitor& monitor) {
  pipeline::ScanRequest request;
  request.device = &file;
  request.geometry = source_.geometry;
  request.means = source_.means;
  if (&file == held_.get()) request.means.buffer_bytes = kCopyBufferBytes;
  if (tree_) request.references.push_back(*tree_);
  if (source_.parent) request.references.push_back(*source_.parent);
  request.candidates = candidates;
  request.writer = source_.writer;
  if (passes_ != 0) request.phase = "scan again";
  BLKREWIND_ASSIGN(pipeline::ScanOutcome outcome,
                   pipeline::scan_device(*source_.history, request, monitor));
  BLKREWIND_ASSIGN(auto queue, source_.history->env().make_queue({.depth = 1}));
  BLKREWIND_TRY(source_.writer->write_nodes(*queue));
  ++passes_;
  total_.scanned_bytes += outcome.scanned_bytes;
  total_.stored_bytes += outcome.stored_bytes;
  total_.seconds += outcome.seconds;
  if (!tree_) total_.change_source = outcome.change_source;
  format::SnapshotRecord now;
  now.device_bytes = source_.geometry.device_bytes;
  now.chunk_bytes = source_.geometry.chunk_bytes;
  now.root = outcome.root;
  now.zero_bytes = outcome.zero_bytes;
  if (tree_) {
    BLKREWIND_ASSIGN(const std::uint64_t released,
                     store::release_superseded(*source_.history, *source_.writer, *queue,
                                               store::tree_of(*tree_), store::tree_of(now)));
    total_.stored_bytes -= std::min(released, total_.stored_bytes);
  }
  tree_ = std::move(now);
  return {};
}

Status LiveCopy::read_all(const Monitor& monitor) {
  return pass(source_.candidates, *source_.device, monitor);
}

Status LiveCopy::read_again(const Monitor& monitor) {
  flip();
  return read_marked(monitor);
}

Status LiveCopy::read_marked(const Monitor& monitor) {
  pipeline::TrackedSource marks(
      "marks", [&](std::uint64_t offset) -> Result<Extent> { return watch_->marked(offset); },
      source_.geometry);
  return pass(&marks, *source_.device, monitor);
}

Status LiveCopy::take_held(const Monitor& monitor) {
  pipeline::TrackedSource held(
      "marks", [&](std::uint64_t offset) -> Result<Extent> { return held_->held(offset); },
      source_.geometry);
  // Without marks there was no pass before: the memory holds everything.
  return pass(&held, *held_, monitor);
}

void LiveCopy::flip() {
  if (watch_ != nullptr) watch_->flip();
}

bool LiveCopy::quiet() const { return watch_ == nullptr || watch_->quiet(); }

Extent LiveCopy::marked_chunks(std::uint64_t offset) const {
  const std::uint64_t end = source_.geometry.device_bytes;
  if (offset >= end) return {};
  const Extent marks = watch_ == nullptr ? Extent{offset, end - offset} : watch_->marked(offset);
  if (marks.empty()) return {};
  const std::uint64_t chunk = source_.geometry.chunk_bytes;
  const std::uint64_t first = std::max(align_down(marks.offset, chunk), offset);
  return {first, std::min(align_up(marks.end(), chunk), end) - first};
}

bool LiveCopy::submit(const Extent& extent, std::byte* place) {
  // Completions name the slot of under_way_ that is free again.
  const auto slot = static_cast<std::size_t>(
      std::ranges::find_if(under_way_, [](const Extent& each) { return each.empty(); }) -
      under_way_.begin());
  under_way_[slot] = extent;
  const io::Request request{io::Op::kRead, source_.device, extent, place, slot};
  if (queue_->submit({&request, 1})) return true;
  under_way_[slot] = {};
  read_errno_ = EIO;
  read_failed_ = extent;
  return false;
}

bool LiveCopy::drain(std::size_t in_flight_max) {
  while (queue_->in_flight() > in_flight_max) {
    completions_.clear();
    if (!queue_->wait(1, completions_)) {
      read_errno_ = EIO;
      return false;
    }
    for (const io::Completion& completion : completions_) {
      const Extent extent = std::exchange(under_way_[completion.user_data], {});
      const int error = completion.missing_bytes != 0 ? EIO : completion.error;
      if (error == 0 || read_errno_ != 0) continue;
      read_errno_ = error;
      read_failed_ = extent;
    }
  }
  return read_errno_ == 0;
}

LiveCopy::Hold LiveCopy::hold(const std::function<bool()>& goes_on) {
  held_->clear();
  read_errno_ = 0;
  Hold end = Hold::kDone;
  const std::uint64_t longest = source_.device->max_request_bytes();
  for (std::uint64_t at = 0; end == Hold::kDone;) {
    const Extent chunks = marked_chunks(at);
    if (chunks.empty()) break;
    at = chunks.end();
    std::byte* place = held_->add(chunks);
    if (place == nullptr) {
      end = Hold::kNoRoom;
      break;
    }
    for (std::uint64_t offset = chunks.offset; offset < chunks.end();) {
      const Extent piece{offset, std::min(longest, chunks.end() - offset)};
      if (!goes_on()) end = Hold::kStopped;
      if (end != Hold::kDone) break;
      if (!drain(kDepth - 1) || !submit(piece, place)) end = Hold::kFailed;
      place += piece.length;
      offset = piece.end();
    }
  }
  // Also of an attempt that has failed: the memory is the kernel's until then.
  if (!drain(0) && end == Hold::kDone) end = Hold::kFailed;
  return end;
}

Status LiveCopy::check_marks() const {
  const char* const escaped = watch_ == nullptr ? "" : watch_->escaped();
  if (*escaped == '\0') return {};
  Error error;
  error.code = Errc::kPrecondition;
  error.message = "what is written to " + source_.device->path() +
                  " cannot be told while it is in use: " + escaped;
  return fail(
      std::move(error).with_remedy(Remedy("stop what writes to it in that way, then try again")
                                       .or_else("take it while nothing uses the device")));
}

std::uint64_t LiveCopy::marked_bytes() const {
  return watch_ == nullptr ? source_.geometry.device_bytes : watch_->marked_bytes();
}

Error LiveCopy::failure() const {
  return io::request_error(io::Op::kRead, *source_.device, read_failed_, read_errno_);
}

Result<pipeline::ScanOutcome> LiveCopy::outcome() {
  total_.root = tree_->root;
  total_.zero_bytes = tree_->zero_bytes;
  total_.changed_bytes = 0;
  if (!source_.parent) {
    total_.changed_bytes = source_.geometry.device_bytes - total_.zero_bytes;
    return total_;
  }
  BLKREWIND_ASSIGN(auto queue, source_.history->env().make_queue({.depth = 1}));
  store::TreeReader reader(source_.history->files(), *queue, source_.history->secret(),
                           source_.writer);
  store::TreeDiff diff(reader, store::tree_of(*source_.parent), store::tree_of(*tree_));
  while (true) {
    BLKREWIND_ASSIGN(const auto difference, diff.next());
    if (!difference) return total_;
    total_.changed_bytes += source_.geometry.chunk_extent(difference->chunk).length;
  }
}

}  // namespace blkrewind
