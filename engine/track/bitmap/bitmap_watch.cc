#include "track/bitmap/bitmap_watch.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <ctime>
#include <utility>

#include "track/bitmap/bitmap_devices.h"
#include "track/bitmap/kernel_program.h"
#include "track/bitmap/mark_sets.h"

namespace blkrewind::track {
namespace {

constexpr std::chrono::seconds kWaitMax{10};
constexpr long kPauseNanoseconds = 2'000'000;

class BitmapWatch final : public Watch {
 public:
  BitmapWatch(std::unique_ptr<KernelProgram> program, std::uint64_t device_bytes)
      : program_(std::move(program)),
        control_(program_->control()),
        sets_(control_, program_->bits(), program_->under_way()),
        device_bytes_(device_bytes) {}

  // False: the device was never seen without a write under way.
  bool wait_until_idle(const TrackedDisk& disk) {
    const auto end = std::chrono::steady_clock::now() + kWaitMax;
    do {
      const std::uint64_t before = excess();
      const bool idle = writes_in_flight(disk) == 0;
      const timespec pause{0, kPauseNanoseconds};
      ::nanosleep(&pause, nullptr);
      if (!idle || writes_in_flight(disk) != 0 || excess() != before) continue;
      // Bios that were under way are not in the table: their ends are not counted.
      if (control_.bios != 0 && before != 0) continue;
      former_ = before;
      return true;
    } while (std::chrono::steady_clock::now() < end);
    return false;
  }

  void flip() override {
    sets_.clear(sets_.other());
    sets_.make_other_active();
  }

  Extent marked(std::uint64_t offset) const override {
    const std::uint32_t shift = control_.granule_shift;
    const Extent run = sets_.first_run(sets_.other(), offset >> shift);
    const std::uint64_t first = std::max(run.offset << shift, offset);
    const std::uint64_t end = std::min(run.end() << shift, device_bytes_);
    return first < end ? Extent{first, end - first} : Extent{};
  }

  std::uint64_t marked_bytes() const override {
    return std::min(sets_.count(sets_.other()) << control_.granule_shift, device_bytes_);
  }

  bool quiet() const override {
    const std::uint64_t now = excess();
    // A write that was under way before the watch has ended: it is marked as one of the set in
    // which it ended.
    if (is_above(now, former_)) former_ = now;
    return now == former_ && sets_.is_empty(sets_.active()) && escaped()[0] == '\0';
  }

  const char* escaped() const override {
    const std::uint32_t how = std::atomic_ref(control_.escaped).load();
    if ((how & BLKREWIND_ESCAPED_PASSTHROUGH) != 0) return "a raw command to the device's driver";
    if ((how & BLKREWIND_ESCAPED_ZONE) != 0) return "a zone of the device was reset or appended to";
    if ((how & BLKREWIND_ESCAPED_OVERFLOW) != 0) return "too many writes were under way at once";
    if (how != 0) return "a request could not be followed";
    if (program_->skipped_events() != 0) return "the kernel skipped an event";
    return "";
  }

 private:
  // Both are small, and wrap around.
  [[nodiscard]] static bool is_above(std::uint64_t one, std::uint64_t other) {
    return static_cast<std::int64_t>(one - other) > 0;
  }
  // What has ended beyond what has begun. Never too large: see the header.
  [[nodiscard]] std::uint64_t excess() const {
    const std::uint64_t ended = std::atomic_ref(control_.ended).load();
    return ended - std::atomic_ref(control_.begun).load();
  }

  const std::unique_ptr<KernelProgram> program_;
  blkrewind_control& control_;
  MarkSets sets_;
  const std::uint64_t device_bytes_;
  mutable std::uint64_t former_ = 0;  // the most that excess() was when it was asked
};

}  // namespace

Result<std::unique_ptr<Watch>> start_bitmap_watch(const TrackedDisk& disk) {
  BLKREWIND_ASSIGN(const blkrewind_control epoch, epoch_of(disk));
  BLKREWIND_TRY(check_trackable(disk));
  BLKREWIND_ASSIGN(auto program, KernelProgram::start_unpinned(epoch));
  auto watch = std::make_unique<BitmapWatch>(std::move(program), disk.device_bytes);
  if (!watch->wait_until_idle(disk)) {
    return fail(Errc::kBusy, disk.path + " was never without a write under way",
                "try again when less is written to it");
  }
  return watch;
}

}  // namespace blkrewind::track
