#include "operations/missed_extents.h"

#include "blkrewind/shell.h"

namespace blkrewind {

void MissedExtents::add(const pipeline::ScanResult& leaf) {
  for (std::uint64_t i = 0; i < format::kFanout; ++i) {
    if (leaf.entries[i].digest == leaf.reference[i].digest) continue;
    const Extent chunk = geometry_.chunk_extent(leaf.leaf * format::kFanout + i);
    bytes_ += chunk.length;
    const bool goes_on = extents_ != 0 && last_end_ == chunk.offset;
    last_end_ = chunk.end();
    if (goes_on && named_.size() == extents_) named_.back().length += chunk.length;
    if (goes_on) continue;
    ++extents_;
    if (extents_ <= kNamedMax) named_.push_back(chunk);
  }
}

void MissedExtents::name_extents(Error& error) const {
  if (extents_ == 1) {
    error.extent = named_.front();  // printed after the message
  } else {
    error.message += ":";
    for (const Extent& extent : named_) error.message += " " + to_string(extent);
  }
  if (extents_ > named_.size()) {
    error.message += " and " + std::to_string(extents_ - named_.size()) + " extents more";
  }
}

Error MissedExtents::lost_error(const Rollback& rollback) const {
  Error error;
  error.code = Errc::kIo;
  error.message = std::to_string(bytes_) + " bytes were written to " + rollback.device.info.path +
                  " and flushed, and read back otherwise: the device, or what lies below it, lost "
                  "them";
  name_extents(error);
  return error;
}

Error MissedExtents::error(const Rollback& rollback, const std::string& source) const {
  Error error;
  error.code = Errc::kIntegrity;
  error.message = "after the rollback by " + source + ", " + std::to_string(bytes_) + " bytes of " +
                  rollback.device.info.path + " are not what snapshot " + rollback.target.id +
                  " holds";
  name_extents(error);
  const std::string path = shell_word(rollback.locked.disk.path);
  error.hint = "roll back once more and read everything: blkrewind rollback " + path + " " +
               rollback.target.id +
               " --change-source scan; and report this: a change source must miss nothing";
  return error;
}

}  // namespace blkrewind
