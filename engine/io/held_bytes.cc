#include "io/held_bytes.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace blkrewind::io {
namespace {

// The least that is held as a part of its own: a chunk.
constexpr std::size_t kPartBytesMin = 4 * kKiB;

}  // namespace

HeldBytes::HeldBytes(std::string path, std::uint64_t size_bytes, std::size_t room_bytes)
    : path_(std::move(path)), size_bytes_(size_bytes), memory_(room_bytes) {
  std::memset(memory_.data(), 0, memory_.size());
  parts_.reserve(room_bytes / kPartBytesMin + 1);
}

Result<std::unique_ptr<HeldBytes>> HeldBytes::make(std::string path, std::uint64_t size_bytes,
                                                   std::size_t room_bytes) {
  std::unique_ptr<HeldBytes> held(new HeldBytes(std::move(path), size_bytes, room_bytes));
  held->locked_ = ::mlock(held->memory_.data(), held->memory_.size()) == 0;
  if (held->locked_) return held;
  Error error = system_error(errno, "cannot lock " + format_bytes(room_bytes) + " of memory");
  error.code = Errc::kNoSpace;
  return fail(
      std::move(error).with_remedy("raise the limit of locked memory (ulimit -l), or run "
                                   "it as root"));
}

HeldBytes::~HeldBytes() {
  if (locked_) (void)::munlock(memory_.data(), memory_.size());
}

std::byte* HeldBytes::add(const Extent& extent) {
  if (extent.length > memory_.size() - used_) return nullptr;
  std::byte* const place = memory_.data() + used_;
  if (!parts_.empty() && parts_.back().extent.end() == extent.offset) {
    parts_.back().extent.length += extent.length;
  } else {
    if (parts_.size() == parts_.capacity()) return nullptr;
    parts_.push_back({extent, used_});
  }
  used_ += extent.length;
  return place;
}

void HeldBytes::clear() {
  parts_.clear();
  used_ = 0;
}

std::vector<HeldBytes::Part>::const_iterator HeldBytes::find(std::uint64_t offset) const {
  return std::ranges::upper_bound(parts_, offset, {},
                                  [](const Part& part) { return part.extent.end(); });
}

Extent HeldBytes::held(std::uint64_t offset) const {
  const auto part = find(offset);
  if (part == parts_.end()) return {};
  const std::uint64_t first = std::max(offset, part->extent.offset);
  return {first, part->extent.end() - first};
}

Completion HeldBytes::serve(const Request& request) {
  Completion done{.user_data = request.user_data};
  const Extent& wanted = request.extent;
  const auto part = find(wanted.offset);
  if (request.op != Op::kRead || part == parts_.end() || part->extent.offset > wanted.offset ||
      part->extent.end() < wanted.end()) {
    done.error = EINVAL;
    return done;
  }
  std::memcpy(request.data, memory_.data() + part->at + (wanted.offset - part->extent.offset),
              wanted.length);
  return done;
}

Status HeldBytes::truncate(std::uint64_t /*size_bytes*/) {
  return fail(Errc::kInternal, "what was read of " + path_ + " has no length to set");
}

}  // namespace blkrewind::io
