// How many lanes work on a device, and with how much memory. Pure.
//
// All buffers of an operation together take at most Means::buffer_bytes, so that the process stays
// below 64 MiB whatever the size of the device.
#pragma once

#include <algorithm>
#include <cstdint>
#include <thread>

#include "blkrewind/units.h"
#include "io/env.h"
#include "pipeline/chunk_list.h"

namespace blkrewind::pipeline {

// What an operation may use of the machine.
struct Means {
  unsigned threads = 0;  // 0: as many as there are cores, at most 4
  // Of all lanes together, but of one slot a lane at least.
  std::uint64_t buffer_bytes = kDefaultBufferBytes;
  std::size_t list_leaves = ChunkList::kLeavesInMemory;  // of what differs, in memory
};

struct Workforce {
  unsigned lanes = 1;
  std::uint32_t slots = 1;  // a lane
  std::uint32_t slot_bytes = 0;

  static constexpr std::uint32_t kSlotBytes = 1 * kMiB;
  static constexpr unsigned kLanesMax = 4;
  // Below this a second thread costs more than it brings.
  static constexpr std::uint64_t kBytesPerLane = 16 * kMiB;

  static constexpr std::uint64_t kUsesPerSlot = 4;
  static constexpr std::uint64_t kSlotsMin = 16;  // of all lanes together, where there is work

  // `work_bytes`: what has to be read.
  [[nodiscard]] static Workforce plan(const Means& means, std::uint64_t work_bytes) {
    Workforce force;
    const unsigned wanted =
        means.threads != 0 ? means.threads
                           : std::min(kLanesMax, std::max(1U, std::thread::hardware_concurrency()));
    const std::uint64_t useful = std::max<std::uint64_t>(1, work_bytes / kBytesPerLane);
    force.lanes = static_cast<unsigned>(std::min<std::uint64_t>(wanted, useful));
    force.slot_bytes = kSlotBytes;
    const std::uint64_t slots = means.buffer_bytes / kSlotBytes / force.lanes;
    // Every slot is used several times, or making it costs more than it brings; but a device that
    // is read in single chunks needs many of them under way.
    const std::uint64_t all = (work_bytes + kSlotBytes - 1) / kSlotBytes;
    const std::uint64_t wanted_slots = std::min(all, std::max(kSlotsMin, all / kUsesPerSlot));
    const std::uint64_t needed = std::max<std::uint64_t>(1, wanted_slots / force.lanes);
    force.slots = static_cast<std::uint32_t>(std::max<std::uint64_t>(1, std::min(slots, needed)));
    return force;
  }

  [[nodiscard]] io::QueueOptions queue_options() const {
    // A slot may take several requests at once: the pieces that it is gathered from.
    return {.depth = std::max(32U, 2 * slots), .slots = slots, .slot_bytes = slot_bytes};
  }
};

}  // namespace blkrewind::pipeline
