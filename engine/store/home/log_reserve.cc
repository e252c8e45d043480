#include "store/home/log_reserve.h"

#include <algorithm>
#include <utility>

#include "base/aligned_buffer.h"
#include "format/log_codec.h"

namespace blkrewind::store {
namespace {

// A record may name every segment, and every snapshot of a lineage. More than needed is allocated,
// so that not every append has to allocate.
constexpr std::uint64_t kSlackBytes = 64 * kKiB;

Status write_zeroes_behind(io::Queue& queue, io::File& file, std::uint64_t end) {
  BLKREWIND_ASSIGN(const std::uint64_t size, file.size_bytes());
  AlignedBuffer zeroes(64 * kKiB);
  std::fill_n(zeroes.data(), zeroes.size(), std::byte{0});
  for (std::uint64_t at = align_up(size, format::kLogBlockBytes); at < end;) {
    const std::uint64_t length = std::min<std::uint64_t>(zeroes.size(), end - at);
    BLKREWIND_TRY(io::write_now(queue, file, {at, length}, zeroes.data()));
    at += length;
  }
  return {};
}

}  // namespace

Status LogReserve::set_aside(io::Queue& queue, io::File& file, const Extent& extent) {
  BLKREWIND_ASSIGN(const bool done, file.reserve(extent));
  return done ? Status{} : write_zeroes_behind(queue, file, extent.end());
}

Status LogReserve::ensure(io::Queue& queue, io::File& file, const Extent& record,
                          const Need& need) {
  const std::uint64_t whole_end = record.end() + need.reserve_bytes;
  if (known_end_ >= whole_end) return {};
  const std::uint64_t kept = need.room == Room::kAdds     ? need.reserve_bytes
                             : need.room == Room::kBegins ? need.reserve_bytes / 2
                                                          : 0;
  const std::uint64_t least_end = record.end() + kept;
  Status done;
  for (const std::uint64_t end : {whole_end + kSlackBytes, whole_end, least_end}) {
    done = set_aside(queue, file, {record.offset, end - record.offset});
    if (done) known_end_ = end;
    if (done || done.error().code != Errc::kNoSpace) return done;
  }
  // XFS requires as many free blocks as the whole extent has, even if they are already allocated;
  // the allocated size of the file shows that, because a log has no holes.
  if (const auto allocated = file.allocated_bytes(); allocated && *allocated >= least_end) {
    return {};
  }
  Error error = std::move(done).error();
  error.message = "the file system that holds the store is full: " + file.path() +
                  " cannot grow, and nothing was recorded";
  error.remedy = need.room == Room::kFrees
                     ? Remedy("make room for a few blocks on that file system, then try again")
                     : Remedy("make room on that file system")
                           .or_else({Verb::kDelete,
                                     "delete snapshots, which needs none",
                                     {{Parameter::kSnapshot, {}}}});
  return fail(std::move(error));
}

}  // namespace blkrewind::store
