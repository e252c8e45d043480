#include "track/bitmap/bitmap_tracker.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <utility>

#include "base/fd.h"
#include "track/bitmap/bitmap_devices.h"
#include "track/bitmap/dirty_bits_tracker.h"
#include "track/bitmap/generations.h"
#include "track/bitmap/kernel_program.h"

namespace blkrewind::track {
namespace {

// Why the dirty bits of `control` are not valid for the current device; empty: they are.
std::optional<std::string> why_other(const blkrewind_control& control,
                                     const blkrewind_control& now) {
  const auto same_text = [](const auto& one, const auto& two) {
    return text_of_field(one, sizeof one) == text_of_field(two, sizeof two);
  };
  if (!same_text(control.boot_id, now.boot_id)) return "the machine was rebooted";
  if (!same_text(control.store_uuid, now.store_uuid) || !same_text(control.disk_id, now.disk_id)) {
    return "it tracks another disk or another store";
  }
  if (control.major != now.major || control.minor != now.minor) {
    return "the disk is a different device now";
  }
  if (control.diskseq != now.diskseq) return "the device was detached and attached again";
  if (control.first_sector != now.first_sector) return "the partition starts elsewhere now";
  if (control.sectors != now.sectors || control.words != now.words) {
    return "the size of the device has changed";
  }
  if (control.granule_shift != now.granule_shift) return "the chunk size of the disk has changed";
  if (control.bios != now.bios) return "the device has another kind of queue now";
  if (control.table != now.table) return "the device has another device-mapper table now";
  if (control.loop_device != now.loop_device || control.loop_inode != now.loop_inode ||
      control.loop_offset != now.loop_offset) {
    return "the loop device has another file now";
  }
  return std::nullopt;
}

// Dirty pages become writes, and so dirty bits. All descriptors of a block device share its cache.
Status flush(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid() || ::fsync(fd.get()) != 0) {
    return fail(system_error(errno, "cannot flush " + path));
  }
  return {};
}

// The bitmaps of a running program, and their memory.
class BitmapTracker final : public Tracker {
 public:
  BitmapTracker(const TrackedDisk& disk, std::unique_ptr<KernelProgram> program)
      : program_(std::move(program)),
        dirty_bits_(program_->control(), program_->bits(), program_->under_way(), disk.device_bytes,
                    [path = disk.path] { return flush(path); }) {}

  const char* name() const override { return dirty_bits_.name(); }
  Result<std::optional<std::string>> begin(const std::string& base_snapshot,
                                           TrackUse use) override {
    blkrewind_control& control = program_->control();
    while (true) {
      const std::uint64_t skipped = program_->skipped_events();
      if (skipped != control.skipped || skipped == UINT64_MAX) {
        std::atomic_ref(control.escaped).fetch_or(BLKREWIND_ESCAPED_SKIPPED);
        control.skipped = skipped;
      }
      auto why = dirty_bits_.begin(base_snapshot, use);
      if (!why || program_->skipped_events() == skipped) return why;
      BLKREWIND_TRY(dirty_bits_.abandon());
    }
  }
  Result<Extent> changed(std::uint64_t offset) override { return dirty_bits_.changed(offset); }
  void wrote(std::uint64_t bytes) override { dirty_bits_.wrote(bytes); }
  Status prepare(const std::string& id, Collected before) override {
    return dirty_bits_.prepare(id, before);
  }
  Status commit() override { return dirty_bits_.commit(); }
  Status abandon() override { return dirty_bits_.abandon(); }
  Status distrust(const std::string& why) override { return dirty_bits_.distrust(why); }

 private:
  const std::unique_ptr<KernelProgram> program_;
  DirtyBitsTracker dirty_bits_;
};

// The epoch has ended: this tracker is invalid for good.
class VoidTracker final : public Tracker {
 public:
  explicit VoidTracker(std::string why) : why_(std::move(why)) {}

  const char* name() const override { return "bitmap"; }
  Result<std::optional<std::string>> begin(const std::string&, TrackUse) override {
    return std::optional(why_ + "; start tracking again");
  }
  Result<Extent> changed(std::uint64_t) override { return Extent{}; }
  Status prepare(const std::string&, Collected) override { return {}; }
  Status commit() override { return {}; }
  Status abandon() override { return {}; }
  Status distrust(const std::string&) override { return {}; }

 private:
  const std::string why_;
};

}  // namespace

Status start_bitmap(const TrackedDisk& disk) {
  BLKREWIND_ASSIGN(const blkrewind_control epoch, epoch_of(disk));
  BLKREWIND_TRY(check_trackable(disk));
  const auto program = KernelProgram::find(disk.disk_id);
  if (program && *program && !why_other((*program)->control(), epoch)) {
    return fail(Errc::kAlreadyExists, disk.path + " is already tracked",
                Remedy(Verb::kTrackStatus, "see what it knows", {{Parameter::kTarget, disk.path}}));
  }
  return KernelProgram::start(disk.disk_id, epoch, disk.store_path);
}

Result<bool> stop_bitmap(const TrackedDisk& disk) { return KernelProgram::stop(disk.disk_id); }

Result<std::unique_ptr<Tracker>> find_bitmap(const TrackedDisk& disk) {
  auto program = KernelProgram::find(disk.disk_id);
  if (!program) {
    if (program.error().code != Errc::kIntegrity) return fail(std::move(program).error());
    return std::make_unique<VoidTracker>(program.error().message);
  }
  if (!*program) return std::unique_ptr<Tracker>();
  const auto now = epoch_of(disk);
  const auto other =
      now ? why_other((*program)->control(), *now) : std::optional(now.error().message);
  if (other) return std::make_unique<VoidTracker>(*other);
  return std::make_unique<BitmapTracker>(disk, std::move(*program));
}

Result<std::optional<TrackerState>> bitmap_state(const TrackedDisk& disk,
                                                 const std::string& base_snapshot) {
  const auto program = KernelProgram::find(disk.disk_id);
  TrackerState state;
  state.name = "bitmap";
  if (!program) {
    if (program.error().code != Errc::kIntegrity) return fail(program.error());
    state.why = program.error().message;
    return state;
  }
  if (!*program) return std::optional<TrackerState>{};
  const blkrewind_control& control = (*program)->control();
  state.granule_bytes = std::uint64_t{1} << control.granule_shift;
  state.memory_bytes = (*program)->memory_bytes();
  const auto now = epoch_of(disk);
  const auto other = now ? why_other(control, *now) : std::optional(now.error().message);
  if (other) {
    state.why = *other;
    return state;
  }
  Generations generations(const_cast<blkrewind_control&>(control), (*program)->bits(),
                          (*program)->under_way());
  auto why = generations.why_not(base_snapshot);
  if (!why && (*program)->skipped_events() != control.skipped) {
    why = "the kernel skipped an event, because it came while the same program was running";
  }
  state.valid = !why.has_value();
  state.why = why.value_or("");
  if (state.valid) {
    state.base = base_snapshot;
    state.changed_bytes =
        std::min(generations.count_dirty() << control.granule_shift, disk.device_bytes);
  }
  return state;
}

}  // namespace blkrewind::track
