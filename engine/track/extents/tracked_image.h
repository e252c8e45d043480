// The file that contains the bytes of a tracked disk.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "blkrewind/units.h"
#include "track/tracker.h"

namespace blkrewind::track {

struct TrackedImage {
  std::string path;    // of the file
  UniqueFd file;       // read only
  UniqueFd directory;  // the directory that contains it
  std::string name;    // in that directory
  UniqueFd device;     // the loop device over it; none for an image file
  Extent range;        // the range of the disk in the file
  std::uint64_t inode = 0;
  std::uint32_t generation = 0;
};

// The image file itself, or the file below a loop device, identified by the inode that the driver
// reports, not only by its name. Any loop device over it will do. Errors: kUnsupported - the device
// is not backed by an accessible file.
[[nodiscard]] Result<TrackedImage> open_image(const TrackedDisk& disk);

// The directory that contained the image, also if the file itself is gone; only `directory`, `name`
// and `path` are set. Empty: there is no such directory.
[[nodiscard]] std::optional<TrackedImage> open_folder(const TrackedDisk& disk);

// The file still contains the whole disk.
[[nodiscard]] Status check_size(const TrackedImage& image);

// Writes back the device's data to the file, and the file's own, so that its file system knows
// their location.
[[nodiscard]] Status flush(const TrackedImage& image);

}  // namespace blkrewind::track
