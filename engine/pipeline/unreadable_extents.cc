#include "pipeline/unreadable_extents.h"

#include <charconv>
#include <utility>

namespace blkrewind::pipeline {

void UnreadableExtents::add(const Extent& extent) {
  const bool goes_on = extents_ != 0 && last_end_ == extent.offset;
  bytes_ += extent.length;
  last_end_ = extent.end();
  if (goes_on) {
    if (named_.size() == extents_) named_.back().length += extent.length;
    return;
  }
  ++extents_;
  if (extents_ <= kNamedMax) named_.push_back(extent);
}

std::string UnreadableExtents::note() const {
  std::string text = std::to_string(bytes_) + " bytes could not be read:";
  for (const Extent& extent : named_) text += " " + to_string(extent);
  if (extents_ > named_.size()) {
    text += " and " + std::to_string(extents_ - named_.size()) + " extents more";
  }
  return text;
}

Error UnreadableExtents::error(const io::File& file) const {
  Error error = system_error(sys_errno_, "cannot read all of " + file.path());
  error.code = Errc::kIo;
  if (extents_ == 1) {
    error.extent = named_.front();  // printed after the message
  } else {
    error.message += ", at least " + note();
  }
  error.remedy = run_program("look for the cause in the kernel log", "dmesg")
                     .or_else(
                         "roll back to an earlier snapshot, which writes these sectors again and "
                         "heals a medium that can be healed");
  return error;
}

std::uint64_t unreadable_bytes_of(const format::SnapshotRecord& snapshot) {
  if (snapshot.state != format::SnapshotState::kAccomplished) return 0;
  const std::string& note = snapshot.failure;
  std::uint64_t bytes = 0;
  const auto [end, error] = std::from_chars(note.data(), note.data() + note.size(), bytes);
  return error == std::errc{} && end != note.data() ? bytes : 0;
}

}  // namespace blkrewind::pipeline
