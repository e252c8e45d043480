#include "host/settle_caches.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "host/cache_check.h"
#include "host/device_family.h"

namespace blkrewind::host {
namespace {

struct OpenMember {
  FamilyMember member;
  UniqueFd fd;
};

using Pages = std::vector<std::uint64_t>;

constexpr unsigned kWriteBack =
    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER;

tl::unexpected<Error> cannot_tell(const FamilyMember& member, Error error) {
  error.code = Errc::kPrecondition;
  error.message = "cannot tell whether the page cache of " + member.node +
                  " agrees with the device: " + error.message;
  Remedy close = run_program("see which processes have it open, and close it there", "fuser -v",
                             {member.node});
  error.remedy =
      ::geteuid() == 0 ? std::move(close) : Remedy("run it as root").or_else(std::move(close));
  return fail(std::move(error));
}

// Pages that were cached before and after each of several drops. A page that another process has
// read again meanwhile is not one of them, or not for long.
Result<Pages> undroppable_pages(const OpenMember& open) {
  constexpr int kDrops = 6;
  constexpr useconds_t kPauseMicroseconds = 5000;
  BLKREWIND_ASSIGN(Pages pages, cached_pages(open.fd.get(), open.member.range));
  for (int drops = 1; drops < kDrops && !pages.empty(); ++drops) {
    ::usleep(kPauseMicroseconds);
    drop_cache(open.fd.get());
    BLKREWIND_ASSIGN(const Pages now, cached_pages(open.fd.get(), open.member.range));
    Pages both;
    std::set_intersection(pages.begin(), pages.end(), now.begin(), now.end(),
                          std::back_inserter(both));
    pages = std::move(both);
  }
  return pages;
}

Status prove(const OpenMember& open, CacheUse use) {
  const FamilyMember& member = open.member;
  auto pages = undroppable_pages(open);
  if (!pages) return cannot_tell(member, std::move(pages).error());
  if (pages->empty()) return {};
  const Remedy end = run_program("see which process it is, and end it", "fuser -v", {member.node});
  if (use == CacheUse::kBeforeWriting && member.exact) {
    return fail(Errc::kPrecondition,
                "a process has pages of " + member.node +
                    " mapped, which has the same bytes: they would become stale",
                end);
  }
  auto stale = first_stale_page(open.fd.get(), *pages);
  if (!stale) return cannot_tell(member, std::move(stale).error());
  if (!*stale) return {};
  return fail(Errc::kPrecondition,
              "the page cache of " + member.node + " does not agree with the device at " +
                  to_string(**stale) +
                  ", because a process has those pages mapped: end it before " + member.node +
                  " is used",
              end);
}

}  // namespace

Status settle_caches_of(DeviceNumber device, int own_fd, CacheUse use) {
  std::vector<OpenMember> family;
  // First, because its dirty pages may go to the cache of the device below it. Not exact: pages
  // that stay are updated by the write, and only need to be correct.
  UniqueFd own(::fcntl(own_fd, F_DUPFD_CLOEXEC, 0));
  if (!own.valid()) return fail(system_error(errno, "cannot inspect the page cache of the device"));
  family.push_back(
      {{device, node_path(device), {0, device_size_bytes(device)}, false}, std::move(own)});
  for (FamilyMember& member : device_family(device)) {
    BLKREWIND_ASSIGN(UniqueFd fd, open_member(member));
    family.push_back({std::move(member), std::move(fd)});
  }
  // A failure to write back its own pages may be an old one of a writer that is gone; pages that
  // are still dirty are found below.
  (void)::sync_file_range(family.front().fd.get(), 0, 0, kWriteBack);
  for (std::size_t i = 1; i < family.size(); ++i) {
    const OpenMember& open = family[i];
    // Without a flush of the device: only reads have to see the pages, and a failed path of a
    // multipath device cannot write.
    if (::sync_file_range(open.fd.get(), 0, 0, kWriteBack) == 0) continue;
    return fail(system_error(errno, "cannot write back what is cached for " + open.member.node));
  }
  for (const OpenMember& open : family) drop_cache(open.fd.get());
  // Direct reads bypass its own pages, and the kernel writes back dirty ones before. A user with
  // read permission only, to whom the kernel does not report the cache, is therefore not made to
  // wait.
  const std::size_t first = use == CacheUse::kBeforeReading ? 1 : 0;
  for (std::size_t i = first; i < family.size(); ++i) BLKREWIND_TRY(prove(family[i], use));
  return {};
}

}  // namespace blkrewind::host
