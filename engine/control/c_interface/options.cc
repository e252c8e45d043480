#include "control/c_interface/options.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

#include "control/c_interface/call.h"

namespace blkrewind::c_interface {
namespace {

// No options will be longer. What is, is not a size.
constexpr std::size_t kMaxOptionsBytes = 4096;

Error not_known(const char* type) {
  Error error;
  error.code = Errc::kUnsupported;
  error.message = std::string(type) + " has members that this version of the library does not know";
  error.remedy = "leave them 0, or use the version of the library that the program was made for";
  return error;
}

}  // namespace

Status copy_known(const void* given, std::size_t known_bytes, std::size_t alignment, void* known,
                  const char* type) {
  std::size_t size = 0;
  std::memcpy(&size, given, sizeof size);
  if (size < sizeof size || size > kMaxOptionsBytes || size % alignment != 0) {
    return fail(Errc::kInvalidArgument,
                std::string(type) + " with the size " + std::to_string(size),
                "initialise it with BLKREWIND_INIT(" + std::string(type) + ")");
  }
  const auto* const bytes = static_cast<const unsigned char*>(given);
  std::memcpy(known, given, std::min(size, known_bytes));
  if (size > known_bytes && std::any_of(bytes + known_bytes, bytes + size,
                                        [](unsigned char byte) { return byte != 0; })) {
    return fail(not_known(type));
  }
  return {};
}

Status unused(std::uint32_t reserved, const char* type) {
  if (reserved == 0) return {};
  return fail(not_known(type));
}

Result<ChangeSource> change_source(std::int64_t given) {
  switch (given) {
    case BLKREWIND_CHANGES_AUTO:
      return ChangeSource::kAuto;
    case BLKREWIND_CHANGES_SCAN:
      return ChangeSource::kScan;
    case BLKREWIND_CHANGES_BITMAP:
      return ChangeSource::kBitmap;
    case BLKREWIND_CHANGES_EXTENTS:
      return ChangeSource::kExtents;
    default:
      return fail(Errc::kInvalidArgument, "no blkrewind_change_source: " + std::to_string(given));
  }
}

Result<VerifyAfter> verify_after(std::uint32_t given) {
  switch (given) {
    case BLKREWIND_VERIFY_AUTO:
      return VerifyAfter::kAuto;
    case BLKREWIND_VERIFY_NONE:
      return VerifyAfter::kNone;
    case BLKREWIND_VERIFY_WRITTEN:
      return VerifyAfter::kWritten;
    case BLKREWIND_VERIFY_ALL:
      return VerifyAfter::kAll;
    default:
      return fail(Errc::kInvalidArgument, "no blkrewind_verify_after: " + std::to_string(given));
  }
}

namespace {

Result<InUse> in_use(std::uint32_t given) {
  switch (given) {
    case BLKREWIND_IN_USE_AUTO:
      return InUse::kAuto;
    case BLKREWIND_IN_USE_ONLINE:
      return InUse::kOnline;
    case BLKREWIND_IN_USE_OFFLINE:
      return InUse::kOffline;
    default:
      return fail(Errc::kInvalidArgument, "no blkrewind_in_use: " + std::to_string(given));
  }
}

}  // namespace

Result<SnapshotOptions> snapshot_options(const blkrewind_snapshot_options* given) {
  BLKREWIND_ASSIGN(const auto known, known_options(given, "blkrewind_snapshot_options"));
  BLKREWIND_TRY(unused(known.reserved, "blkrewind_snapshot_options"));
  SnapshotOptions options;
  options.name = text(known.name);
  options.description = text(known.description);
  if (known.chunk_bytes != 0) {
    options.chunk_bytes = known.chunk_bytes;
    options.chunk_bytes_given = true;
  }
  options.raw = known.raw != 0;
  BLKREWIND_ASSIGN(options.change_source, change_source(known.change_source));
  BLKREWIND_ASSIGN(options.online.in_use, in_use(known.in_use));
  if (known.freeze_limit_ms != 0) {
    options.online.freeze_limit = std::chrono::milliseconds(known.freeze_limit_ms);
  }
  if (known.deadline_seconds != 0) {
    options.online.deadline = std::chrono::seconds(known.deadline_seconds);
  }
  if (known.max_passes != 0) options.online.max_passes = known.max_passes;
  options.online.hook = text(known.hook);
  return options;
}

}  // namespace blkrewind::c_interface
