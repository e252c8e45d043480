// Loads, pins and finds the program in the kernel that records changes.
//
// Program, links and maps are pinned below /sys/fs/bpf/blkrewind/DISK_ID, so it runs until its pins
// are removed or the machine shuts down. One that serves a watch is not pinned: it runs until it is
// destroyed, or its process is. The rest of the engine sees three pieces of shared memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/error.h"
#include "track/bitmap/kernel/changes_abi.h"

namespace blkrewind::track {

// Of a field of blkrewind_control, which ends with a zero byte where it is shorter than the field.
[[nodiscard]] inline std::string text_of_field(const char* field, std::size_t size) {
  return {field, ::strnlen(field, size)};
}

// Its maps, mapped into this process; unmapped by the destructor.
class KernelProgram {
 public:
  // Loads a program for the device that `control` describes, pins it, and attaches it.
  // kUnsupported, with a remedy: built without it, no BTF, no BPF file system, no privilege.
  // `store_path`: recorded beside the pins.
  [[nodiscard]] static Status start(const std::string& disk_id, const blkrewind_control& control,
                                    const std::string& store_path);
  // The same, without pins; it counts what begins and what ends (`begun`, `ended` of the control).
  [[nodiscard]] static Result<std::unique_ptr<KernelProgram>> start_unpinned(
      const blkrewind_control& control);
  // Null: there is none. kIntegrity: it is incomplete or not running, so changes may be missing.
  [[nodiscard]] static Result<std::unique_ptr<KernelProgram>> find(const std::string& disk_id);
  // Those of every store, sorted.
  [[nodiscard]] static Result<std::vector<std::string>> pinned_disks();
  // The path recorded by start(); empty: none.
  [[nodiscard]] static std::string store_of(const std::string& disk_id);
  // Returns whether there was one.
  [[nodiscard]] static Result<bool> stop(const std::string& disk_id);

  ~KernelProgram();
  KernelProgram(const KernelProgram&) = delete;
  KernelProgram& operator=(const KernelProgram&) = delete;

  [[nodiscard]] blkrewind_control& control() const { return *control_; }
  [[nodiscard]] std::span<std::uint64_t> bits() const { return bits_; }
  // Empty for a device with a request queue.
  [[nodiscard]] std::span<blkrewind_bucket> under_way() const { return under_way_; }
  // The number of events that the kernel has skipped since the program was loaded: one that occurs
  // in an interrupt while the program handles another on the same processor. UINT64_MAX: unknown.
  // Does not allocate.
  [[nodiscard]] std::uint64_t skipped_events() const;
  [[nodiscard]] std::uint64_t memory_bytes() const {
    return control_bytes_ + bits_bytes_ + under_way_bytes_;
  }

 private:
  KernelProgram() = default;
  [[nodiscard]] Status map_control(int fd);  // the first one
  [[nodiscard]] Status map_others(int bits_fd, int under_way_fd);

  std::vector<std::uint32_t> programs_;  // pinned ones: their ids, because a pin may be removed
  std::vector<UniqueFd> running_;        // of those that are not pinned
  std::vector<UniqueFd> held_;           // their links
  blkrewind_control* control_ = nullptr;
  std::size_t control_bytes_ = 0;
  std::span<std::uint64_t> bits_;
  std::size_t bits_bytes_ = 0;
  std::span<blkrewind_bucket> under_way_;
  std::size_t under_way_bytes_ = 0;
};

// The running kernel lets the drivers of zram and brd write single pages past the queue, where no
// event is seen (`rw_page`, until 6.2). True also where it cannot be told.
[[nodiscard]] bool kernel_writes_pages_past_queue();

}  // namespace blkrewind::track
