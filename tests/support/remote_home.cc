#include "support/remote_home.h"

#include <cerrno>
#include <optional>
#include <utility>

namespace blkrewind::sim {
namespace {

using store::Appended;
using store::NotAppended;

// How often a client asks what became of a change that was not answered.
constexpr int kQuestions = 3;

class RemoteLog final : public MemoryLog {
 public:
  RemoteLog(std::shared_ptr<MemoryProcess> process, format::DiskNumber disk,
            std::shared_ptr<RemoteNetwork> network)
      : MemoryLog(std::move(process), disk), network_(std::move(network)) {}

 protected:
  [[nodiscard]] Appended send(const LogChange& change) override {
    if (in_doubt_) return not_appended(NotAppended::kInDoubt, timed_out());
    network_->pass_time();
    Appended answer = transmit(change);
    // These refusals name the version that a read asks for.
    must_see_all_ = !answer && (answer.error().why == NotAppended::kStale ||
                                answer.error().why == NotAppended::kFenced);
    in_doubt_ = !answer && answer.error().why == NotAppended::kInDoubt;
    return answer;
  }

  [[nodiscard]] std::uint64_t withheld() override {
    network_->pass_time();
    if (std::exchange(must_see_all_, false)) return 0;
    return pool().holds_any_of(disk(), process().id) ? 0 : network_->withheld();
  }

 private:
  [[nodiscard]] Error timed_out() const {
    return system_error(ETIMEDOUT, "cannot append to the " + name());
  }

  [[nodiscard]] Appended transmit(const LogChange& change) {
    switch (network_->next_change()) {
      case Delivery::kAnswered:
        return pool().carry_out(change);
      case Delivery::kUnanswered:
        (void)pool().carry_out(change);
        break;
      case Delivery::kLate:
        network_->postpone([change](MemoryPool& pool) { (void)pool.carry_out(change); });
        break;
      case Delivery::kLost:
        break;
    }
    return find_out(change);
  }

  [[nodiscard]] Appended find_out(const LogChange& change) {
    for (int i = 0; i < kQuestions; ++i) {
      network_->pass_time();
      if (network_->next_settle_is_lost()) continue;
      if (auto answer = pool().settle(change)) return *std::move(answer);
      return not_appended(NotAppended::kRefused, timed_out());
    }
    return not_appended(NotAppended::kInDoubt, timed_out());
  }

  const std::shared_ptr<RemoteNetwork> network_;
  bool must_see_all_ = false;
  bool in_doubt_ = false;
};

}  // namespace

RemoteHome::RemoteHome(std::shared_ptr<RemoteNetwork> network)
    : MemoryHome(network->pool()), network_(std::move(network)), env_(network_) {}

Result<std::unique_ptr<store::HomeLog>> RemoteHome::open_log(format::DiskNumber disk,
                                                             const store::LogKey& /*key*/) {
  BLKREWIND_TRY(check_log(disk));
  return std::make_unique<RemoteLog>(process(), disk, network_);
}

Result<std::unique_ptr<store::HomeLease>> RemoteHome::take_lease(format::DiskNumber disk,
                                                                 io::LockMode mode) {
  network_->pass_time();
  if (pool().has_owner(disk) && network_->lease_expires()) pool().expire(disk);
  return MemoryHome::take_lease(disk, mode);
}

Result<std::unique_ptr<io::File>> RemoteHome::create_segment(format::DiskNumber disk,
                                                             format::SegmentId id) {
  BLKREWIND_ASSIGN(auto file, MemoryHome::create_segment(disk, id));
  BLKREWIND_TRY(sync_segments(disk));
  return file;
}

}  // namespace blkrewind::sim
