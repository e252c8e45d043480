#include "store/segment_files.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/remedies.h"

namespace blkrewind::store {

SegmentFiles::SegmentFiles(Home& home, format::DiskNumber disk, const format::StoreHeader& header)
    : home_(home), disk_(disk), uuid_(header.uuid), secret_(header.secret), open_max_(open_max()) {}

std::size_t SegmentFiles::open_max() {
  constexpr std::size_t kMin = 4;
  constexpr std::size_t kMax = 256;
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return kMin;
  return static_cast<std::size_t>(std::clamp<rlim_t>(limit.rlim_cur / 4, kMin, kMax));
}

bool SegmentFiles::is_crowded() {
  const std::lock_guard lock(mutex_);
  const auto idle =
      std::ranges::count_if(by_use_, [](const Open& o) { return o.file.use_count() == 1; });
  return *open_ - static_cast<std::size_t>(idle) >= open_max_;
}

void SegmentFiles::close_idle(std::size_t count) {
  for (auto at = by_use_.end(); *open_ >= count && at != by_use_.begin();) {
    --at;
    if (at->file.use_count() == 1) at = by_use_.erase(at);
  }
}

void SegmentFiles::share(const std::vector<format::OriginRecord::Share>& shares) {
  const std::lock_guard lock(mutex_);
  shares_ = shares;
}

format::DiskNumber SegmentFiles::disk_of(format::SegmentId id) const {
  for (const auto& share : shares_) {
    if (id < share.below) return share.disk;
  }
  return disk_;
}

std::string SegmentFiles::name_of(format::SegmentId id) const {
  const std::lock_guard lock(mutex_);
  return home_.segment_name(disk_of(id), id);
}

Result<std::shared_ptr<io::File>> SegmentFiles::get(format::SegmentId id, io::Queue& queue) {
  const std::lock_guard lock(mutex_);
  const auto found = std::ranges::find(by_use_, id, &Open::id);
  if (found != by_use_.end()) {
    by_use_.splice(by_use_.begin(), by_use_, found);
    return by_use_.front().file;
  }
  close_idle(open_max_);
  const format::DiskNumber disk = disk_of(id);
  auto opened = home_.open_segment(disk, id, io::Access::kReadOnly);
  if (!opened && (opened.error().sys_errno == EMFILE || opened.error().sys_errno == ENFILE)) {
    close_idle(0);
    opened = home_.open_segment(disk, id, io::Access::kReadOnly);
  }
  if (!opened) {
    Error error = std::move(opened).error();
    if (error.code == Errc::kNotFound) {
      error.code = Errc::kIntegrity;
      error.message = "segment " + std::to_string(id) + " is missing from the store (" +
                      home_.segment_name(disk, id) + ")";
      error.remedy = restore_file("bring the file back from a backup of the store");
    }
    return fail(std::move(error));
  }
  ++*open_;
  std::shared_ptr<io::File> file(opened->release(), [open = open_](io::File* closed) {
    delete closed;
    --*open;
  });
  BLKREWIND_TRY(check_header(header_of(disk, id), *file, queue));
  by_use_.push_front({id, file});
  return file;
}

Status SegmentFiles::check_header(const format::SegmentHeader& header, io::File& file,
                                  io::Queue& queue) {
  AlignedBuffer block(format::kSegmentHeaderBytes);
  BLKREWIND_ASSIGN(const std::uint64_t there,
                   io::read_there_now(queue, file, {0, block.size()}, block.data()));
  if (there < block.size()) {
    return fail(Errc::kIntegrity,
                "segment " + std::to_string(header.id) + " is missing from the store: " +
                    file.path() + " ends after " + std::to_string(there) + " bytes",
                restore_file("bring the file back from a backup of the store"));
  }
  return format::check_segment_header(
      secret_, header,
      std::span<const std::byte, format::kSegmentHeaderBytes>(block.data(), block.size()));
}

Result<std::unique_ptr<io::File>> SegmentFiles::open_for_punching(format::SegmentId id,
                                                                  io::Queue& queue) {
  {
    const std::lock_guard lock(mutex_);
    if (disk_of(id) != disk_) {
      return fail(Errc::kIntegrity, "segment " + std::to_string(id) + " (" +
                                        home_.segment_name(disk_of(id), id) +
                                        ") is of the disk that this is a clone of");
    }
  }
  BLKREWIND_ASSIGN(auto file, home_.open_segment(disk_, id, io::Access::kReadWrite));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size < format::kSegmentHeaderBytes) {
    return fail(Errc::kNotFound, file->path() + " ends within its header");
  }
  if (Status ours = check_header(header_of(disk_, id), *file, queue); !ours) {
    Error error = std::move(ours).error();
    if (error.remedy.empty()) {
      error.remedy = Remedy("move " + file->path() + " away, then try again")
                         .because("nothing was changed in it");
    }
    return fail(std::move(error));
  }
  return file;
}

Result<bool> SegmentFiles::is_left_over(format::SegmentId id, io::Queue& queue) {
  BLKREWIND_ASSIGN(const auto file, home_.open_segment(disk_, id, io::Access::kReadOnly));
  AlignedBuffer block(format::kSegmentHeaderBytes);
  BLKREWIND_ASSIGN(const std::uint64_t there,
                   io::read_there_now(queue, *file, {0, block.size()}, block.data()));
  return format::may_become_segment_header(secret_, header_of(disk_, id),
                                           block.span().first(there));
}

}  // namespace blkrewind::store
