#include "operations/online/still_image.h"

#include <chrono>
#include <utility>

#include "operations/online/hook.h"

namespace blkrewind {
namespace {

using WindowClock = std::chrono::steady_clock;

constexpr unsigned kImageWriteBacks = 5;
constexpr unsigned kTriesMax = 3;

tl::unexpected<Error> cannot_clone(const std::string& image, Error error) {
  error.code = Errc::kUnsupported;
  error.message = image + " is in use, and its file system cannot keep it as it is for a moment" +
                  (error.message.empty() ? "" : ": " + error.message);
  return fail(std::move(error).with_remedy(
      Remedy("end what uses it, or take a snapshot of the loop device that shows it")
          .or_else("keep the image on XFS or btrfs")));
}

std::string folder_of_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

}  // namespace

bool can_clone(io::Env& env, io::File& image) {
  const auto size_bytes = image.size_bytes();
  const auto clone =
      env.open(folder_of_file(image.path()), {.access = io::Access::kReadWrite, .unnamed = true});
  return size_bytes && clone && (*clone)->share(image, {0, *size_bytes}, 0);
}

Result<StillImage> clone_in_use(io::Env& env, io::File& image, freeze::Freezer& freezer,
                                const std::function<Result<Still>()>& look,
                                const OnlineOptions& options) {
  BLKREWIND_ASSIGN(const std::uint64_t size_bytes, image.size_bytes());
  auto clone =
      env.open(folder_of_file(image.path()), {.access = io::Access::kReadWrite, .unnamed = true});
  if (!clone) return cannot_clone(image.path(), std::move(clone).error());
  // Once while nothing is frozen: it tells whether it can be done, and writes back what is dirty.
  const Extent all{0, size_bytes};
  if (!(*clone)->share(image, all, 0)) return cannot_clone(image.path(), {});
  for (unsigned tries = 1;; ++tries) {
    BLKREWIND_ASSIGN(Still still, look());
    StillImage result;
    result.outcome.frozen = still.mount_points();
    const bool all_freeze = still.others.empty() && !still.file_systems.empty();
    result.outcome.capture.from = all_freeze ? TakenFrom::kFrozen : TakenFrom::kQuiet;
    Hook hook(options.hook);
    BLKREWIND_TRY(hook.freeze());
    bool shared = false;
    Status thawed;
    if (still.file_systems.empty()) {
      shared = (*clone)->share(image, all, 0);
    } else {
      freezer.write_back(still.file_systems, kImageWriteBacks);
      BLKREWIND_ASSIGN(const auto freeze,
                       freezer.prepare(std::move(still.file_systems), options.freeze_limit));
      const WindowClock::time_point begin = WindowClock::now();
      Status frozen = freeze->freeze();
      if (frozen) shared = (*clone)->share(image, all, 0);
      const bool held = freeze->is_held();
      thawed = freeze->thaw();
      result.outcome.capture.frozen_us = static_cast<std::uint64_t>(
          std::chrono::duration_cast<std::chrono::microseconds>(WindowClock::now() - begin)
              .count());
      if (!frozen) return fail(std::move(frozen).error());
      if (thawed && !held) thawed = fail(Errc::kBusy, "the limit has passed");
    }
    hook.thaw();
    if (!shared) return cannot_clone(image.path(), {});
    if (thawed) {
      BLKREWIND_ASSIGN(const std::uint64_t now, image.size_bytes());
      if (now != size_bytes) {
        return fail(Errc::kPrecondition,
                    image.path() + " has become longer or shorter while it was read",
                    "take the snapshot again");
      }
      result.file = std::move(*clone);
      return result;
    }
    if (tries == kTriesMax) {
      return fail(std::move(thawed).error().with_remedy(
          Remedy("try again when less is written to it")
              .or_else({Verb::kRepeat, "allow more time", {{Parameter::kFreezeLimit, {}}}})));
    }
  }
}

}  // namespace blkrewind
