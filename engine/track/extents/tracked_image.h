// The file that holds a tracked disk's bytes.
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
  UniqueFd directory;  // the one that holds it
  std::string name;    // in that directory
  UniqueFd device;     // the loop device over it; none for an image file
  Extent range;        // the disk's bytes in the file
  std::uint64_t inode = 0;
  std::uint32_t generation = 0;
};

// The image file itself, or the file below a loop device: the very inode that the driver names, not
// just one of its name. Which loop device shows it does not matter.
// Errors: kUnsupported - the device does not stand on a file that can be looked at.
[[nodiscard]] Result<TrackedImage> open_image(const TrackedDisk& disk);

// The folder that the image was in, also when the file itself is gone; only `directory`, `name` and
// `path` are set. Nothing: there is no such folder.
[[nodiscard]] std::optional<TrackedImage> open_folder(const TrackedDisk& disk);

// The file still holds all of the disk.
[[nodiscard]] Status check_size(const TrackedImage& image);

// What was written to the device into the file, and the file's own to where its file system knows
// their place.
[[nodiscard]] Status flush(const TrackedImage& image);

}  // namespace blkrewind::track
