#include "host/identity_words.h"

#include <utility>

namespace blkrewind::host {
namespace {

std::string shown(const std::string& value) { return value.empty() ? "unknown" : value; }

}  // namespace

std::string then_and_now(std::string_view what, const std::string& then, const std::string& now) {
  return std::string(what) + " was " + shown(then) + " when it was registered and is " +
         shown(now) + " now";
}

std::string backing_name(const DeviceIdentity& identity) {
  if (identity.backing_id == FileId{}) {
    return {};
  }
  const std::string where = identity.backing_id.inode == 0
                                ? "device number " + std::to_string(identity.backing_id.device)
                                : "inode " + std::to_string(identity.backing_id.inode);
  const std::string& path = identity.backing_file.empty() ? identity.place : identity.backing_file;
  return path.empty() ? where : path + " (" + where + ")";
}

const char* name_of(Layer layer) {
  switch (layer) {
    case Layer::kFile:
      return "an image file";
    case Layer::kDisk:
      return "a whole disk";
    case Layer::kPartition:
      return "a partition";
    case Layer::kLoop:
      return "a loop device";
    case Layer::kDm:
      return "a device-mapper volume";
    case Layer::kMd:
      return "a RAID array";
    case Layer::kUnknown:
      break;
  }
  return "of an unknown kind";
}

}  // namespace blkrewind::host
