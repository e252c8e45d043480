// Actions of tests on a SimulatedEnv that bypass the engine.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "support/simulated_env.h"

namespace blkrewind::sim {
namespace {

// A test that names a missing path is wrong: fail at once.
InodeId must_find(const State& state, const std::string& path, bool durable = false) {
  const auto id = state.find(path, durable);
  if (!id) {
    std::fprintf(stderr, "simulated environment: no %sfile %s\n", durable ? "durable " : "",
                 path.c_str());
    std::abort();
  }
  return *id;
}

std::vector<std::byte> read_all(const SparseBytes& image, Extent extent) {
  std::vector<std::byte> bytes(extent.length);
  image.read(extent.offset, bytes);
  return bytes;
}

// The inode at `path`; made, with the directories above it, when there is none.
InodeId make_durable(State& state, const std::string& path, InodeType type) {
  if (const auto id = state.find(path)) {
    return *id;
  }
  const std::filesystem::path clean = normalized(path);
  const InodeId parent = make_durable(state, clean.parent_path().string(), InodeType::kDirectory);
  const InodeId id = state.next_inode++;
  state.inodes[id].type = type;
  state.inodes[id].modified_at = state.clock;
  state.at(parent).entries_now[clean.filename().string()] = id;
  state.at(parent).entries_durable[clean.filename().string()] = id;
  return id;
}

}  // namespace

void SimulatedEnv::set_crash_after(std::uint64_t mutations) {
  disk_->with([&](auto& inside) { inside.crash_after = mutations; });
}

void SimulatedEnv::record_moments() {
  disk_->with([](auto& inside) {
    inside.moments.clear();
    inside.records_moments = true;
  });
}

std::vector<State> SimulatedEnv::take_moments() {
  return disk_->with([](auto& inside) {
    inside.records_moments = false;
    inside.moments.push_back(inside.moment());
    return std::exchange(inside.moments, {});
  });
}

std::shared_ptr<const Beside> SimulatedEnv::beside() const {
  return disk_->with([](auto& inside) { return inside.state.beside; });
}

void SimulatedEnv::set_beside(std::function<std::shared_ptr<const Beside>()> look) {
  disk_->with([&](auto& inside) { inside.look_beside = std::move(look); });
}

bool SimulatedEnv::power_is_off() const {
  return disk_->with([](auto& inside) { return inside.power_is_off; });
}

void SimulatedEnv::inject(Fault fault) {
  disk_->with([&](auto& inside) { inside.faults.inject(std::move(fault)); });
}

void SimulatedEnv::clear_faults() {
  disk_->with([](auto& inside) { inside.faults.clear(); });
}

std::uint64_t SimulatedEnv::fault_hits() const {
  return disk_->with([](auto& inside) { return inside.faults.hits(); });
}

void SimulatedEnv::rot_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
  disk_->with([&](auto& inside) {
    auto& bits = inside.state.at(must_find(inside.state, path)).rotten[offset];
    bits = static_cast<std::uint8_t>(bits | (1U << (bit % 8)));
  });
}

void SimulatedEnv::break_sectors(const std::string& path, Extent extent, int error) {
  disk_->with([&](auto& inside) {
    auto& unreadable = inside.state.at(must_find(inside.state, path)).unreadable;
    for (std::uint64_t at = extent.offset; at < extent.end(); at += kSectorBytes) {
      unreadable[at] = error;
    }
  });
}

void SimulatedEnv::heal() {
  disk_->with([](auto& inside) {
    for (auto& [id, inode] : inside.state.inodes) {
      inode.rotten.clear();
      inode.unreadable.clear();
    }
  });
}

std::vector<LoggedOp> SimulatedEnv::log() const {
  return disk_->with([](auto& inside) { return inside.log; });
}

void SimulatedEnv::clear_log() {
  disk_->with([](auto& inside) { inside.log.clear(); });
}

std::uint64_t SimulatedEnv::mutations() const {
  return disk_->with([](auto& inside) { return inside.mutations; });
}

std::uint64_t SimulatedEnv::open_files() const {
  return disk_->with([](auto& inside) { return inside.open_files; });
}

std::uint64_t SimulatedEnv::unaligned_requests() const {
  return disk_->with([](auto& inside) { return inside.unaligned_requests; });
}

void SimulatedEnv::add_device(const std::string& path, std::uint64_t size_bytes,
                              host::DeviceKind kind) {
  disk_->with([&](auto& inside) {
    const InodeType type =
        kind == host::DeviceKind::kBlock ? InodeType::kBlockDevice : InodeType::kFile;
    Inode& inode = inside.state.at(make_durable(inside.state, path, type));
    inode.type = type;
    inode.now.resize(size_bytes);
    inode.durable.resize(size_bytes);
  });
}

void SimulatedEnv::add_directory(const std::string& path) {
  disk_->with([&](auto& inside) { make_durable(inside.state, path, InodeType::kDirectory); });
}

void SimulatedEnv::poke(const std::string& path, std::uint64_t offset,
                        std::span<const std::byte> bytes) {
  disk_->with([&](auto& inside) {
    Inode& inode = inside.state.at(must_find(inside.state, path));
    inode.now.write(offset, bytes);
    inode.durable.write(offset, bytes);
  });
}

void SimulatedEnv::set_on_settle(
    std::function<Status(const std::string& path, host::CacheUse)> on_settle) {
  disk_->with([&](auto& inside) { inside.on_settle = std::move(on_settle); });
}

void SimulatedEnv::set_on_change(std::function<void(const std::string& path, Extent)> on_change) {
  disk_->with([&](auto& inside) { inside.on_change = std::move(on_change); });
}

void SimulatedEnv::set_size(const std::string& path, std::uint64_t size_bytes) {
  disk_->with([&](auto& inside) {
    Inode& inode = inside.state.at(must_find(inside.state, path));
    inode.now.resize(size_bytes);
    inode.durable.resize(size_bytes);
  });
}

void SimulatedEnv::set_modified_at(const std::string& path, std::int64_t seconds) {
  disk_->with(
      [&](auto& inside) { inside.state.at(must_find(inside.state, path)).modified_at = seconds; });
}

void SimulatedEnv::set_free_bytes(const std::string& directory,
                                  std::optional<std::uint64_t> free_bytes) {
  disk_->with([&](auto& inside) {
    inside.state.limited.reset();
    if (!free_bytes) return;
    inside.state.limited = FileSystem{directory, inside.state.used_bytes(directory) + *free_bytes};
  });
}

std::uint64_t SimulatedEnv::used_bytes(const std::string& directory) const {
  return disk_->with([&](auto& inside) { return inside.state.used_bytes(directory); });
}

void SimulatedEnv::set_can_reserve(bool can_reserve) {
  disk_->with([&](auto& inside) { inside.state.can_reserve = can_reserve; });
}

void SimulatedEnv::set_read_only(const std::string& path, bool read_only) {
  disk_->with(
      [&](auto& inside) { inside.state.at(must_find(inside.state, path)).read_only = read_only; });
}

void SimulatedEnv::set_used_by(const std::string& path, std::vector<host::UsedBy> used_by) {
  disk_->with([&](auto& inside) {
    inside.state.at(must_find(inside.state, path)).used_by = std::move(used_by);
  });
}

void SimulatedEnv::set_unknown(const std::string& path, std::vector<host::Unknown> unknown) {
  disk_->with([&](auto& inside) {
    inside.state.at(must_find(inside.state, path)).unknown = std::move(unknown);
  });
}

void SimulatedEnv::set_writer(const std::string& path, std::vector<host::UsedBy> writers) {
  disk_->with([&](auto& inside) {
    inside.state.at(must_find(inside.state, path)).writers = std::move(writers);
  });
}

void SimulatedEnv::set_holds_store(const std::string& path, bool holds_store) {
  disk_->with([&](auto& inside) {
    inside.state.at(must_find(inside.state, path)).holds_store = holds_store;
  });
}

void SimulatedEnv::set_probe(const std::string& path,
                             std::function<void(host::DeviceInfo&)> adjust) {
  disk_->with([&](auto& inside) {
    inside.state.at(must_find(inside.state, path)).adjust_probe = std::move(adjust);
  });
}

std::vector<std::byte> SimulatedEnv::contents(const std::string& path) const {
  return disk_->with([&](auto& inside) {
    const SparseBytes& image = inside.state.at(must_find(inside.state, path)).now;
    return read_all(image, {0, image.size_bytes()});
  });
}

std::vector<std::byte> SimulatedEnv::contents(const std::string& path, Extent extent) const {
  return disk_->with([&](auto& inside) {
    return read_all(inside.state.at(must_find(inside.state, path)).now, extent);
  });
}

std::vector<std::byte> SimulatedEnv::durable_contents(const std::string& path) const {
  return disk_->with([&](auto& inside) {
    const SparseBytes& image = inside.state.at(must_find(inside.state, path, true)).durable;
    return read_all(image, {0, image.size_bytes()});
  });
}

bool SimulatedEnv::durable_exists(const std::string& path) const {
  return disk_->with([&](auto& inside) { return inside.state.find(path, true).has_value(); });
}

}  // namespace blkrewind::sim
