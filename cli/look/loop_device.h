// Loop devices over snapshots.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "blkrewind/error.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {

struct LoopDevice {
  std::string path;  // "/dev/loop3"
  // The kernel detaches the device when this and what uses the device are closed.
  OwnedFd file;
};

// What the loop devices of this program are known by, in any process: kernel state that ends with
// the device. Of a partition of a disk; 0: all of it.
struct LoopLabel {
  std::string snapshot_id;
  unsigned partition = 0;

  bool operator==(const LoopLabel&) const = default;
};

// Attaches a free loop device to these bytes of `image`, read-only. Needs root.
[[nodiscard]] Result<LoopDevice> attach_loop(int image, Extent bytes, const LoopLabel& label);

struct LabelledLoop {
  LoopLabel label;
  std::string path;
  dev_t device = 0;
};

// Those that are attached now. Those of other programs are left out.
[[nodiscard]] Result<std::vector<LabelledLoop>> labelled_loops();

// Text of at most 63 bytes, and back; false: it is the label of another program.
[[nodiscard]] std::string label_text(const LoopLabel& label);
[[nodiscard]] bool parse_label(const std::string& text, LoopLabel& label);

}  // namespace blkrewind::cli
