#include "track/extents/extent_tracker.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "track/extents/clone_file.h"

namespace blkrewind::track {
namespace {

constexpr const char* kFileSystemHint =
    "keep the image on a file system with reflink: XFS (mkfs.xfs -m reflink=1) or btrfs";

// The image of a disk that may not support tracking: empty if it does not.
Result<std::optional<TrackedImage>> image_if_any(const TrackedDisk& disk) {
  auto image = open_image(disk);
  if (image) return std::optional(std::move(*image));
  const Errc code = image.error().code;
  if (code == Errc::kUnsupported || code == Errc::kNotFound) return std::optional<TrackedImage>{};
  return tl::unexpected(std::move(image).error());
}

// Selects the clone that represents that base snapshot, or says why there is none.
//
// If a rollback to the base snapshot itself died after prepare() there are two. The older one
// certainly represents it: an intact record said so. Whether the newer one does was to be
// determined at the end of the operation. The cost is small: the data that the rollback restored is
// read once more.
struct Choice {
  BaseClone* base = nullptr;
  std::string why;
};

Choice choose(std::vector<BaseClone>& files, const std::string& base_snapshot) {
  if (base_snapshot.empty()) return {nullptr, "the disk has no base snapshot"};
  Choice choice{nullptr, "an operation on the disk did not update the clone beside the image"};
  for (BaseClone& file : files) {
    if (!file.fault.empty()) {
      choice.why = file.fault;
    } else if (file.record->base == base_snapshot) {
      if (!file.record->of_writing || &file == &files.front()) return {&file, {}};
      choice.why = "a rollback died before it had compared the whole device";
    }
  }
  return choice;
}

// All clones of the disk beside the image. False: there are none.
Result<bool> remove_all(const std::optional<TrackedImage>& image, const TrackedDisk& disk) {
  if (!image) return false;
  const BaseClones base_snapshot(*image, disk);
  BLKREWIND_ASSIGN(const std::vector<BaseClone> files, base_snapshot.list());
  if (files.empty()) return false;
  BLKREWIND_TRY(base_snapshot.remove_others({}));
  return true;
}

// An empty file and nothing else: there is nothing to invalidate.
bool is_blank(const std::vector<BaseClone>& files) {
  return files.size() == 1 && files.front().record && files.front().record->base.empty();
}

}  // namespace

void ExtentTracker::end() {
  comparison_.reset();
  now_.reset();
  base_.clear();
  prepared_.clear();
  prepared_id_.clear();
}

Status ExtentTracker::open() {
  if (image_) return {};
  BLKREWIND_ASSIGN(image_, open_image(disk_));
  return {};
}

Result<std::optional<std::string>> ExtentTracker::begin(const std::string& base_snapshot_id,
                                                        TrackUse use) {
  end();
  image_.reset();
  BLKREWIND_TRY(open());
  BLKREWIND_TRY(check_size(*image_));
  use_ = use;
  wrote_ = 0;
  BLKREWIND_ASSIGN(std::vector<BaseClone> files, base_snapshot().list());
  if (files.empty()) return fail(Errc::kNotFound, disk_.path + " is no longer tracked");

  const auto [base, why] = choose(files, base_snapshot_id);
  if (base != nullptr) {
    BLKREWIND_TRY(base_snapshot().remove_others(base->name));
  } else if (!is_blank(files)) {
    BLKREWIND_TRY(base_snapshot().forget_all(why));
  }
  BLKREWIND_TRY(flush(*image_));
  BLKREWIND_ASSIGN(now_, make_unnamed(image_->directory.get(), image_->file.get()));
  if (base == nullptr) return std::optional(why);
  base_ = base_snapshot_id;
  comparison_ = std::make_unique<Comparison>(std::move(base->fd), now_.get(), image_->range);
  return std::optional<std::string>{};
}

Result<Extent> ExtentTracker::changed(std::uint64_t offset) {
  if (comparison_ == nullptr) return fail(Errc::kInternal, "changes are not known");
  if (offset >= disk_.device_bytes) return Extent{disk_.device_bytes, 0};
  BLKREWIND_ASSIGN(Extent found, comparison_->diff.next(image_->range.offset + offset));
  found.offset -= image_->range.offset;
  return found;
}

Result<bool> ExtentTracker::others_wrote(int written) const {
  ExtentDiff diff(now_.get(), written, image_->range);
  std::uint64_t moved = 0;
  for (std::uint64_t at = image_->range.offset; moved <= wrote_;) {
    BLKREWIND_ASSIGN(const Extent found, diff.next(at));
    if (found.empty()) return false;
    moved += found.length;
    at = found.end();
  }
  return true;
}

Status ExtentTracker::prepare(const std::string& id, Collected before) {
  if (!now_.valid()) return fail(Errc::kInternal, "prepare() without begin()");
  if (id.empty()) return fail(Errc::kInvalidArgument, "a base without an id");
  prepared_id_ = id;
  before_ = before;
  if (!prepared_.empty()) {
    BLKREWIND_TRY(remove_immutable(image_->directory.get(), std::exchange(prepared_, {})));
  }
  // A change before begin() that was not compared would be in a new clone, but not necessarily in
  // the snapshot that it represents. No clone is therefore created that could survive the process,
  // and the old one can represent no snapshot but its own.
  if (before == Collected::kKept) return {};
  if (use_ == TrackUse::kRead) {
    BLKREWIND_ASSIGN(prepared_, base_snapshot().keep(now_.get(), id, use_));
    return {};
  }
  // The clone taken by begin() precedes the operation's own writes; changed() still uses it.
  BLKREWIND_TRY(check_size(*image_));
  BLKREWIND_TRY(flush(*image_));
  BLKREWIND_ASSIGN(const UniqueFd written,
                   make_unnamed(image_->directory.get(), image_->file.get()));
  BLKREWIND_ASSIGN(const bool meddled, others_wrote(written.get()));
  if (meddled) {
    return fail(Errc::kBusy,
                "another process wrote to " + image_->path + " while it was rolled back",
                "stop the process that writes to it; the next operation reads everything");
  }
  BLKREWIND_ASSIGN(prepared_, base_snapshot().keep(written.get(), id, use_));
  return {};
}

Status ExtentTracker::commit() {
  if (prepared_id_.empty() || (before_ == Collected::kDropped && prepared_.empty())) {
    return fail(Errc::kInternal, "commit() without prepare()");
  }
  if (before_ == Collected::kKept) {
    if (base_ == prepared_id_) return abandon();
    Status forgotten = base_snapshot().forget_all(
        "an interrupted rollback ended without comparing the whole device");
    end();
    return forgotten;
  }
  // From here on it is the only clone, and valid.
  Status removed = base_snapshot().remove_others(prepared_);
  end();
  return removed;
}

Status ExtentTracker::abandon() {
  Status removed;
  if (!prepared_.empty()) {
    removed = remove_immutable(image_->directory.get(), prepared_);
    if (removed) removed = sync(image_->directory.get(), "the directory of " + image_->path);
  }
  end();
  return removed;
}

Status ExtentTracker::distrust(const std::string& why) {
  comparison_.reset();
  base_.clear();
  prepared_.clear();
  BLKREWIND_TRY(open());
  return base_snapshot().forget_all(why);
}

Status start_extents(const TrackedDisk& disk) {
  BLKREWIND_ASSIGN(const TrackedImage image, open_image(disk));
  BLKREWIND_TRY(check_size(image));
  BLKREWIND_ASSIGN(const bool unique, places_are_unique(image.file.get()));
  if (!unique) {
    return fail(Errc::kUnsupported,
                "the file system of " + image.path + " does not report which bytes two files share",
                kFileSystemHint);
  }
  const BaseClones base_snapshot(image, disk);
  BLKREWIND_ASSIGN(const std::vector<BaseClone> files, base_snapshot.list());
  if (!files.empty()) {
    return fail(Errc::kAlreadyExists, disk.path + " is already tracked",
                Remedy(Verb::kTrackStatus, "see what is known", {{Parameter::kTarget, disk.path}}));
  }
  // Everything that an operation needs of the file system.
  BLKREWIND_TRY(flush(image));
  BLKREWIND_ASSIGN(const UniqueFd clone, make_unnamed(image.directory.get(), image.file.get()));
  if (!image.range.empty()) {
    auto batch = io::read_extent_map(clone.get(), image.range);
    if (!batch) return tl::unexpected(std::move(batch).error().with_remedy(kFileSystemHint));
  }
  return base_snapshot.forget_all({});
}

Result<bool> stop_extents(const TrackedDisk& disk) {
  BLKREWIND_ASSIGN(const auto image, image_if_any(disk));
  BLKREWIND_ASSIGN(const bool beside, remove_all(image, disk));
  // No process could easily remove an immutable clone of an image that is gone.
  BLKREWIND_ASSIGN(const bool left, remove_all(open_folder(disk), disk));
  return beside || left;
}

Result<std::unique_ptr<Tracker>> find_extents(const TrackedDisk& disk) {
  BLKREWIND_ASSIGN(const auto image, image_if_any(disk));
  if (!image) return std::unique_ptr<Tracker>();
  BLKREWIND_ASSIGN(const std::vector<BaseClone> files, BaseClones(*image, disk).list());
  if (files.empty()) return std::unique_ptr<Tracker>();
  return std::unique_ptr<Tracker>(std::make_unique<ExtentTracker>(disk));
}

Result<std::optional<TrackerState>> extents_state(const TrackedDisk& disk,
                                                  const std::string& base_snapshot) {
  BLKREWIND_ASSIGN(const auto image, image_if_any(disk));
  if (!image) return std::optional<TrackerState>{};
  BLKREWIND_ASSIGN(std::vector<BaseClone> files, BaseClones(*image, disk).list());
  if (files.empty()) return std::optional<TrackerState>{};

  TrackerState state;
  state.name = "extents";
  struct statvfs system = {};
  if (::fstatvfs(image->file.get(), &system) == 0) state.granule_bytes = system.f_bsize;
  const auto [base, why] = choose(files, base_snapshot);
  state.why = why;
  if (const Status whole = check_size(*image); !whole) state.why = whole.error().message;
  if (!state.why.empty()) return std::optional(std::move(state));

  BLKREWIND_TRY(flush(*image));
  ExtentDiff diff(base->fd.get(), image->file.get(), image->range);
  for (std::uint64_t at = 0;;) {
    BLKREWIND_ASSIGN(const Extent found, diff.next(at));
    if (found.empty()) break;
    state.changed_bytes += found.length;
    at = found.end();
  }
  state.valid = true;
  state.base = base_snapshot;
  // The space held only by the clone: at most the amount that changed.
  struct stat status = {};
  if (::fstat(base->fd.get(), &status) == 0) {
    state.memory_bytes =
        std::min(state.changed_bytes, static_cast<std::uint64_t>(status.st_blocks) * 512);
  }
  return std::optional(std::move(state));
}

}  // namespace blkrewind::track
