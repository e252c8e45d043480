#include "freeze/freeze.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/log.h"
#include "base/remedies.h"
#include "freeze/guard.h"
#include "freeze/shared_state.h"
#include "freeze/state_file.h"
#include "freeze/super_block.h"

namespace blkrewind::freeze {
namespace {

constexpr std::int64_t kNsInMs = 1'000'000;
// So much longer than the limit the guard may take before the operation thaws in its place.
constexpr int kGuardThawsMs = 5'000;
constexpr auto kWriteBackGoal = std::chrono::milliseconds(50);

class LocalFreeze final : public Freeze {
 public:
  LocalFreeze(std::vector<Held> held, std::chrono::milliseconds limit, UniqueFd folder,
              StateFile file, SharedMapping mapping, Guard guard)
      : held_(std::move(held)),
        limit_(limit),
        folder_(std::move(folder)),
        file_(std::move(file)),
        mapping_(std::move(mapping)),
        guard_(std::move(guard)) {}

  ~LocalFreeze() override {
    if (::getpid() != owner_) return;  // a copy in a forked child: the operation is the parent's
    if (const Status thawed = thaw(); !thawed) log::warning(thawed.error().to_string());
  }

  LocalFreeze(const LocalFreeze&) = delete;
  LocalFreeze& operator=(const LocalFreeze&) = delete;

  Status freeze() override;
  bool is_held() const override;
  Status thaw() override;

 private:
  [[nodiscard]] bool begin() noexcept;
  [[nodiscard]] bool freeze_slot(Slot& slot) noexcept;
  void thaw_now() noexcept;
  [[nodiscard]] Error refusal(std::size_t index) const;
  [[nodiscard]] Status outcome_of_thaw() const;
  [[nodiscard]] Error limit_passed() const;
  [[nodiscard]] SharedState& state() const { return mapping_.state(); }

  const pid_t owner_ = ::getpid();
  std::vector<Held> held_;
  std::chrono::milliseconds limit_;
  UniqueFd folder_;
  StateFile file_;
  SharedMapping mapping_;
  Guard guard_;
  bool begun_ = false;
  bool frozen_ = false;
  bool ended_ = false;
};

// The guard must know of the limit before anything is frozen.
bool LocalFreeze::begin() noexcept {
  state().deadline_ns = monotonic_ns() + limit_.count() * kNsInMs;
  return guard_.wake();
}

// False: nothing more is frozen.
bool LocalFreeze::freeze_slot(Slot& slot) noexcept {
  // Noted first, then asked: the guard does it the other way round, so that one of them sees the
  // other.
  slot.phase = Phase::kFreezing;
  if (state().thawer != Thawer::kNobody) {
    slot.phase = Phase::kUntouched;
    return false;
  }
  if (::ioctl(slot.root, FIFREEZE, 0) != 0) {
    slot.error = errno;
    slot.phase = Phase::kRefused;
    return false;
  }
  // Unless the guard has thawed it already.
  Phase noted = Phase::kFreezing;
  slot.phase.compare_exchange_strong(noted, Phase::kFrozen);
  return state().thawer == Thawer::kNobody;
}

Status LocalFreeze::freeze() {
  if (begun_) return fail(Errc::kInternal, "file systems are frozen once by one object");
  begun_ = true;
  bool going_on = begin();
  for (Slot& slot : state().slots()) {
    if (!going_on) break;
    going_on = freeze_slot(slot);
  }
  frozen_ = going_on;
  if (frozen_ && is_held()) return {};

  const bool guard_lived = guard_.lives() || state().guard_finished != 0;
  std::optional<std::size_t> refused;
  for (std::size_t i = 0; i < held_.size(); ++i) {
    if (state().slots()[i].phase == Phase::kRefused) refused = i;
  }
  const bool in_time = monotonic_ns() < state().deadline_ns;
  const Status thawed = thaw();
  if (refused) return fail(refusal(*refused));
  if (!guard_lived && in_time) {
    return fail(Errc::kIo, "the guard process of the freeze was killed", "try again");
  }
  if (!thawed && thawed.error().code != Errc::kBusy) return fail(thawed.error());
  return fail(limit_passed());
}

bool LocalFreeze::is_held() const {
  return frozen_ && !ended_ && state().thawer == Thawer::kNobody &&
         monotonic_ns() < state().deadline_ns && guard_.lives();
}

void LocalFreeze::thaw_now() noexcept {
  Thawer nobody = Thawer::kNobody;
  if (!state().thawer.compare_exchange_strong(nobody, Thawer::kOperation) &&
      nobody == Thawer::kGuard) {
    static_cast<void>(guard_.wait_for_end(kGuardThawsMs));
  }
  thaw_all(state(), nullptr, nullptr);
  // With something left frozen the file stays, for the next who tries.
  if (!anything_left(state())) ::unlinkat(folder_.get(), file_.name.c_str(), 0);
  guard_.dismiss(state());
}

Status LocalFreeze::thaw() {
  if (ended_) return {};
  ended_ = true;
  thaw_now();
  file_.file.reset();
  return outcome_of_thaw();
}

Status LocalFreeze::outcome_of_thaw() const {
  const auto slots = state().slots();
  for (std::size_t i = 0; i < held_.size(); ++i) {
    if (slots[i].phase != Phase::kStuck) continue;
    const std::string& point = held_[i].super.mount_point;
    return fail(system_error(slots[i].error, "cannot thaw " + point)
                    .with_remedy(run_program("thaw it", "fsfreeze --unfreeze " + point)));
  }
  if (state().thawer == Thawer::kGuard) return fail(limit_passed());
  for (std::size_t i = 0; i < held_.size(); ++i) {
    if (slots[i].phase != Phase::kNotFrozen) continue;
    return fail(Errc::kBusy, held_[i].super.mount_point + " was thawed by another process",
                "try again while no other program freezes or thaws it");
  }
  return {};
}

Error LocalFreeze::limit_passed() const {
  Error error;
  error.code = Errc::kBusy;
  error.message = "file systems were frozen for longer than " + std::to_string(limit_.count()) +
                  " ms, and were thawed";
  error.remedy = "try again when less is written, or with a higher limit";
  return error;
}

Error LocalFreeze::refusal(std::size_t index) const {
  const host::MountedSuper& super = held_[index].super;
  const int answer = state().slots()[index].error;
  Error error = system_error(answer, "cannot freeze " + super.mount_point);
  if (answer == EBUSY) {
    error.message = super.mount_point + " is frozen by another program";
    error.remedy = "try again when that program has thawed it";
  } else if (answer == EOPNOTSUPP) {
    error.code = Errc::kUnsupported;
    error.message += ": " + super.type + " does not support it";
    error.remedy = "unmount it, or stop what writes to it";
  } else if (answer == EPERM) {
    error.code = Errc::kPrecondition;
    error.remedy = permission_remedy("run it as root");
  }
  return error;
}

}  // namespace

void write_back(const std::vector<Held>& held, unsigned tries) {
  for (const Held& each : held) {
    for (unsigned i = 0; i < tries; ++i) {
      const std::int64_t start = monotonic_ns();
      if (::syncfs(each.root.get()) != 0) break;
      if (std::chrono::nanoseconds(monotonic_ns() - start) < kWriteBackGoal) break;
    }
  }
}

Result<std::unique_ptr<Freeze>> prepare(std::vector<Held> held, std::chrono::milliseconds limit) {
  if (held.empty() || limit <= std::chrono::milliseconds::zero()) {
    return fail(Errc::kInvalidArgument, "a freeze needs a file system and a limit");
  }
  FreezeRecord record;
  record.boot_id = moment_now().boot_id;
  record.pid = ::getpid();
  for (const Held& each : held) {
    const auto is_same = [&](const FrozenSuper& other) { return other.super.id == each.super.id; };
    if (std::ranges::any_of(record.supers, is_same)) {
      return fail(Errc::kInvalidArgument, each.super.mount_point + " is named twice");
    }
    BLKREWIND_ASSIGN(std::string id, file_system_id(each.root.get()));
    record.supers.push_back({each.super, std::move(id)});
  }
  BLKREWIND_ASSIGN(UniqueFd folder, open_state_folder());
  BLKREWIND_ASSIGN(SharedMapping mapping, SharedMapping::make(held.size()));
  BLKREWIND_ASSIGN(StateFile file, write_state_file(folder.get(), record));
  SharedState& state = mapping.state();
  state.folder = folder.get();
  file.name.copy(state.file_name.data(), state.file_name.size() - 1);
  for (std::size_t i = 0; i < held.size(); ++i) state.slots()[i].root = held[i].root.get();
  auto guard = Guard::start(mapping, {file.file.get()});
  if (!guard) {
    ::unlinkat(folder.get(), file.name.c_str(), 0);
    return fail(std::move(guard).error());
  }
  return std::make_unique<LocalFreeze>(std::move(held), limit, std::move(folder), std::move(file),
                                       std::move(mapping), std::move(*guard));
}

}  // namespace blkrewind::freeze
