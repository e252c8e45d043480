// What a write to a folder passes through: supers_below().
#include <utility>

#include "base/fd.h"
#include "host/descent.h"
#include "host/mounts.h"
#include "host/stack.h"

namespace blkrewind::host {

Result<std::vector<DeviceNumber>> supers_below(const std::string& directory) {
  BLKREWIND_ASSIGN(const UniqueFd fd, open_nearest(directory));
  BLKREWIND_ASSIGN(std::vector<Mount> mounts, read_mounts());
  Descent descent({}, std::move(mounts));
  const auto whole_way = [&]() -> Status {
    BLKREWIND_TRY(descent.enter(fd));
    BLKREWIND_TRY(descent.reaches_goal());
    return {};
  }();
  if (whole_way) return descent.supers();
  if (whole_way.error().code != Errc::kUnsupported) return fail(whole_way.error());
  return fail(
      Errc::kPrecondition,
      "cannot tell which file systems " + directory + " is stored on: " + whole_way.error().message,
      whole_way.error().remedy);
}

}  // namespace blkrewind::host
