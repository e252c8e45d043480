// Loads, pins and finds the program in the kernel that records changes.
//
// Program, links and maps are pinned below /sys/fs/bpf/blkrewind/DISK_ID, so it runs until its pins
// are removed or the machine shuts down. The rest of the engine sees two pieces of shared memory.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

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
  // The number of events that the kernel has skipped since the program was loaded: one that occurs
  // in an interrupt while the program handles another on the same processor. UINT64_MAX: unknown.
  [[nodiscard]] std::uint64_t skipped_events() const;
  [[nodiscard]] std::uint64_t memory_bytes() const { return control_bytes_ + bits_bytes_; }

 private:
  KernelProgram() = default;
  [[nodiscard]] Status map(int control_fd, int bits_fd);

  std::vector<std::uint32_t> programs_;  // their ids
  blkrewind_control* control_ = nullptr;
  std::size_t control_bytes_ = 0;
  std::span<std::uint64_t> bits_;
  std::size_t bits_bytes_ = 0;
};

}  // namespace blkrewind::track
