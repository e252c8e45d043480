// Every way of changing an image file, or a loop device over one, that the kernel offers.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "blkrewind/units.h"

namespace blkrewind::test {

struct ImageUnderTest {
  std::string path;         // of the image file
  std::uint64_t bytes = 0;  // its size, which is the same afterwards
  std::string device;       // of a loop device over all of it; empty: none
  std::string scratch;      // another file on the same file system, for sharing extents with
  std::string clone;        // the trusted clone; for sharing extents with it; may be empty
};

// What a writer did, or that the kernel did not let it; either is fine.
struct ImageWriter {
  const char* name;
  void (*write)(const ImageUnderTest& image, std::mt19937_64& random);
  bool changes_size = false;  // for a moment, and so not while a device stands on it
};

[[nodiscard]] const std::vector<ImageWriter>& image_writers();

}  // namespace blkrewind::test
