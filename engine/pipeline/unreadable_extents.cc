#include "pipeline/unreadable_extents.h"

#include <charconv>

namespace blkrewind::pipeline {

std::string UnreadableExtents::note() const {
  return std::to_string(bytes()) + " bytes could not be read:" + tally_.text();
}

Error UnreadableExtents::error(const io::File& file) const {
  Error error = system_error(sys_errno_, "cannot read all of " + file.path());
  error.code = Errc::kIo;
  if (tally_.count() == 1) {
    error.extent = named().front();  // printed after the message
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
