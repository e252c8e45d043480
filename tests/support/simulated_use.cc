#include "support/simulated_use.h"

#include <iterator>

namespace blkrewind::test {

class SimulatedWatch final : public track::Watch {
 public:
  explicit SimulatedWatch(SimulatedUse& use) : use_(use) {
    use_.now_.clear();
    use_.at_flip_ = use_.env_.contents(use_.path_);
  }

  void flip() override {
    use_.former_ = std::exchange(use_.now_, {});
    use_.at_flip_ = use_.env_.contents(use_.path_);
    use_.act(UseStep::kFlip);
  }
  Extent marked(std::uint64_t offset) const override {
    const std::uint64_t chunk_bytes = use_.chunk_bytes_;
    const auto first = use_.former_.lower_bound(offset / chunk_bytes);
    if (first == use_.former_.end()) return {};
    std::uint64_t end = *first;
    for (auto at = first; at != use_.former_.end() && *at == end; ++at) ++end;
    const std::uint64_t begin = std::max(offset, *first * chunk_bytes);
    return {begin, end * chunk_bytes - begin};
  }
  std::uint64_t marked_bytes() const override { return use_.former_.size() * use_.chunk_bytes_; }
  bool quiet() const override {
    use_.act(UseStep::kQuiet);
    return use_.now_.empty() && use_.under_way_ == 0 && *use_.escaped_ == '\0';
  }
  const char* escaped() const override { return use_.escaped_; }

 private:
  SimulatedUse& use_;
};

class SimulatedFreeze final : public freeze::Freeze {
 public:
  explicit SimulatedFreeze(SimulatedUse& use) : use_(use) {}
  ~SimulatedFreeze() override { (void)thaw(); }

  Status freeze() override {
    use_.act(UseStep::kFreeze);
    ++use_.freezes_;
    if (use_.refusal_) return fail(*use_.refusal_);
    use_.frozen_ = true;
    use_.held_ = true;
    use_.mutations_at_freeze_ = use_.env_.mutations();
    return {};
  }
  bool is_held() const override {
    use_.act(UseStep::kHeldAsked);
    if (!use_.held_) use_.frozen_ = false;
    return use_.frozen_;
  }
  Status thaw() override {
    if (!begun()) return {};
    use_.act(UseStep::kThaw);
    use_.mutations_ += use_.env_.mutations() - use_.mutations_at_freeze_;
    const bool was_held = std::exchange(use_.frozen_, false) && use_.held_;
    ended_ = true;
    if (was_held) return {};
    return fail(Errc::kBusy, "it was thawed by somebody else");
  }

 private:
  [[nodiscard]] bool begun() const { return !ended_ && use_.freezes_ != 0 && !use_.refusal_; }

  SimulatedUse& use_;
  bool ended_ = false;
};

SimulatedUse::SimulatedUse(sim::SimulatedEnv& env, std::string path, std::uint32_t chunk_bytes)
    : env_(env), path_(std::move(path)), chunk_bytes_(chunk_bytes) {
  trackers_.watch(env_, path_);
  trackers_.set_start_watch([this]() -> Result<std::unique_ptr<track::Watch>> {
    if (!marks_) return fail(Errc::kUnsupported, "no marks here");
    return std::make_unique<SimulatedWatch>(*this);
  });
}

SimulatedUse::~SimulatedUse() = default;

void SimulatedUse::mount(const std::string& mount_point, const std::string& type) {
  host::MountedSuper super;
  super.id = 1000 + stack_.mounted.size();
  super.type = type;
  super.mount_point = mount_point;
  stack_.mounted.push_back(std::move(super));
  env_.set_used_by(path_, {{"mounted on " + mount_point, "unmount it"}});
}

void SimulatedUse::add_raw_user(const std::string& what) {
  stack_.raw.push_back({what, "stop it"});
  env_.set_used_by(path_, {{what, "stop it"}});
}

void SimulatedUse::mark(Extent extent) {
  trackers_.foreign_write(extent);
  for (std::uint64_t chunk = extent.offset / chunk_bytes_; chunk * chunk_bytes_ < extent.end();
       ++chunk) {
    now_.insert(chunk);
  }
}

void SimulatedUse::write(std::uint64_t offset, const std::vector<std::byte>& bytes) {
  if (!frozen_) write_raw(offset, bytes);
}

void SimulatedUse::write_raw(std::uint64_t offset, const std::vector<std::byte>& bytes) {
  mark({offset, bytes.size()});
  env_.poke(path_, offset, bytes);
}

void SimulatedUse::begin_write(Extent extent) {
  mark(extent);
  ++under_way_;
}

void SimulatedUse::end_write(std::uint64_t offset, const std::vector<std::byte>& bytes) {
  env_.poke(path_, offset, bytes);
  mark({offset, bytes.size()});
  --under_way_;
}

Result<host::Stack> SimulatedUse::stack_on(const std::vector<host::DeviceInfo>&) {
  act(UseStep::kLook);
  return stack_;
}

Result<std::vector<host::DeviceNumber>> SimulatedUse::supers_below(const std::string&) {
  return store_on_;
}

Result<std::vector<freeze::Held>> SimulatedUse::open(
    const std::vector<host::MountedSuper>& supers) {
  std::vector<freeze::Held> held;
  for (const host::MountedSuper& super : supers) held.push_back({super, UniqueFd()});
  return held;
}

void SimulatedUse::write_back(const std::vector<freeze::Held>&, unsigned) {
  act(UseStep::kWriteBack);
}

Result<std::unique_ptr<freeze::Freeze>> SimulatedUse::prepare(std::vector<freeze::Held>,
                                                              std::chrono::milliseconds) {
  return std::make_unique<SimulatedFreeze>(*this);
}

}  // namespace blkrewind::test
