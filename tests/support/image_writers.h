// Every way in which the kernel lets a process change an image file, or a loop device over one.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind::test {

struct ImageUnderTest {
  std::string path;         // of the image file
  std::uint64_t bytes = 0;  // its size, which does not change
  std::string device;       // of a loop device over all of it; empty: none
  std::string scratch;      // another file on the same file system, for sharing extents with
  std::string clone;        // the trusted clone; for sharing extents with it; may be empty
};

// The action of a writer, or that the kernel did not allow it; either is fine.
struct ImageWriter {
  const char* name;
  void (*write)(const ImageUnderTest& image, std::mt19937_64& random);
  bool changes_size = false;  // changed for a moment, so not while a device uses it
};

[[nodiscard]] const std::vector<ImageWriter>& image_writers();

}  // namespace blkrewind::test
