#include "store/segment_files.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/aligned_buffer.h"
#include "store/store_file.h"

namespace blkrewind::store {

SegmentFiles::SegmentFiles(io::Env& env, Layout layout, const format::StoreHeader& header)
    : env_(env), layout_(std::move(layout)), uuid_(header.uuid), secret_(header.secret) {}

Result<std::shared_ptr<io::File>> SegmentFiles::get(format::SegmentId id, io::Queue& queue) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(by_use_, id, &Open::id);
  if (found != by_use_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, found);
    return by_use_.front().file;
  }
  auto opened = open_store_file(env_, layout_.segment(id), {});
  if (!opened) {
    Error error = std::move(opened).error();
    if (error.code == Errc::kNotFound) {
      error.code = Errc::kIntegrity;
      error.message = "segment " + std::to_string(id) + " is missing from the store (" +
                      layout_.segment(id) + ")";
      error.hint =
          "bring the file back from a backup of the store; blkrewind verify tells which "
          "snapshots need it";
    }
    return fail(std::move(error));
  }
  std::shared_ptr<io::File> file = std::move(*opened);
  AlignedBuffer block(format::kSegmentHeaderBytes);
  BLKREWIND_TRY(io::read_now(queue, *file, {0, block.size()}, block.data()));
  BLKREWIND_TRY(format::check_segment_header(
      secret_, {uuid_, id},
      std::span<const std::byte, format::kSegmentHeaderBytes>(block.data(), block.size())));
  by_use_.push_front({id, file});
  if (by_use_.size() > kOpenMax) by_use_.pop_back();
  return file;
}

Result<std::unique_ptr<io::File>> SegmentFiles::open_for_punching(format::SegmentId id) {
  return open_store_file(env_, layout_.segment(id), {.access = io::Access::kReadWrite});
}

}  // namespace blkrewind::store
