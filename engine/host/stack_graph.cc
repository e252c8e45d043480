#include "host/stack_graph.h"

#include <algorithm>
#include <set>
#include <utility>

namespace blkrewind::host {
namespace {

bool is_within(const Extent& inner, const Extent& outer) {
  return inner.offset >= outer.offset && inner.end() <= outer.end();
}

Extent overlap_of(const Extent& a, const Extent& b) {
  const std::uint64_t begin = std::max(a.offset, b.offset);
  const std::uint64_t end = std::min(a.end(), b.end());
  return begin < end ? Extent{begin, end - begin} : Extent{};
}

Extent shifted(const Extent& range, std::uint64_t bytes) {
  return {range.offset + bytes, range.length};
}

struct FileRange {
  FileId file;
  Extent range;
};

class StackSearch {
 public:
  explicit StackSearch(const StackMap& map) : map_(map) {}

  [[nodiscard]] StackPlan run(const StackTarget& target) {
    for (const FileId& file : target.files) {
      given_files_.push_back({file, {0, UINT64_MAX}});
    }
    for (const DeviceNumber device : target.devices) give(device, all_of(device));
    rise_from_given();
    list_supers_above();
    StackPlan plan;
    plan.mounted = freeze_order();
    for (const std::size_t super : plan.mounted) {
      if (!is_covered(map_.supers[super])) plan.partial.push_back(super);
    }
    plan.nodes.assign(direct_.begin(), direct_.end());
    for (const FileRange& each : given_files_) {
      if (std::find(plan.files.begin(), plan.files.end(), each.file) == plan.files.end()) {
        plan.files.push_back(each.file);
      }
    }
    return plan;
  }

 private:
  static constexpr int kLayersMax = 64;

  const BlockNode& node(DeviceNumber device) {
    const auto found = nodes_.find(device);
    return found != nodes_.end() ? found->second
                                 : nodes_.emplace(device, map_.node(device)).first->second;
  }

  Extent all_of(DeviceNumber device) { return {0, node(device).size_bytes}; }

  const LoopDevice* loop_of(DeviceNumber device) const {
    for (const LoopDevice& loop : map_.loops) {
      if (loop.device == device) return loop.backing_known ? &loop : nullptr;
    }
    return nullptr;
  }

  // Downwards: the same bytes under other names.
  void give(DeviceNumber device, const Extent& range) {
    auto& ranges = given_[device];
    for (const Extent& each : ranges) {
      if (is_within(range, each)) return;
    }
    ranges.push_back(range);
    const BlockNode& self = node(device);
    if (self.whole != device) {
      give(self.whole, shifted(range, self.start_bytes));
    } else if (const LoopDevice* loop = loop_of(device)) {
      const Extent below = shifted(range, loop->range.offset);
      if (loop->backing_device != 0) {
        give(loop->backing_device, below);
      } else {
        given_files_.push_back({loop->backing, below});
      }
    }
  }

  void rise_from_given() {
    for (const auto& [device, ranges] : given_) {
      for (const Extent& range : ranges) rise(device, range, true);
    }
    for (const FileRange& file : given_files_) {
      for (const LoopDevice& loop : map_.loops) {
        if (!loop.backing_known || loop.backing_device != 0 || loop.backing != file.file) continue;
        const Extent shared = overlap_of(loop.range, file.range);
        if (!shared.empty()) {
          rise(loop.device, {shared.offset - loop.range.offset, shared.length}, true);
        }
      }
    }
  }

  // Upwards: all that maps bytes of `range`.
  void rise(DeviceNumber device, const Extent& range, bool direct) {
    if (direct) direct_.insert(device);
    auto& reached = reached_[device];
    for (const auto& [known, known_direct] : reached) {
      if (is_within(range, known) && known_direct >= direct) return;
    }
    reached.emplace_back(range, direct);
    const BlockNode self = node(device);
    for (const DeviceNumber partition : self.partitions) {
      const BlockNode& part = node(partition);
      const Extent shared = overlap_of(range, {part.start_bytes, part.size_bytes});
      if (!shared.empty()) {
        rise(partition, {shared.offset - part.start_bytes, shared.length}, direct);
      }
    }
    for (const LoopDevice& loop : map_.loops) {
      if (!loop.backing_known || loop.backing_device != device) continue;
      const Extent shared = overlap_of(range, loop.range);
      if (!shared.empty()) {
        rise(loop.device, {shared.offset - loop.range.offset, shared.length}, direct);
      }
    }
    for (const DeviceNumber holder : self.holders) rise(holder, all_of(holder), direct);
  }

  // The super blocks on the reached devices, the loop devices over their files, what is on these,
  // and so on.
  void list_supers_above() {
    bool grows = true;
    while (grows) {
      grows = false;
      for (std::size_t i = 0; i < map_.supers.size(); ++i) {
        const MountedSuper& super = map_.supers[i];
        const bool stands_on =
            std::any_of(super.devices.begin(), super.devices.end(),
                        [&](DeviceNumber device) { return reached_.contains(device); });
        if (stands_on && listed_.insert(i).second) grows = true;
      }
      for (const LoopDevice& loop : map_.loops) {
        const auto host = map_.host_of_loop.find(loop.device);
        if (host == map_.host_of_loop.end() || reached_.contains(loop.device)) continue;
        const bool is_above = std::any_of(listed_.begin(), listed_.end(), [&](std::size_t i) {
          return map_.supers[i].id == host->second;
        });
        if (!is_above && !reached_.contains(host->second)) continue;
        rise(loop.device, all_of(loop.device), false);
        grows = true;
      }
    }
  }

  const MountedSuper* super_with_id(DeviceNumber id) const {
    for (const MountedSuper& super : map_.supers) {
      if (super.id == id) return &super;
    }
    return nullptr;
  }

  bool is_covered(const MountedSuper& super, int layers = 0) {
    return std::all_of(super.devices.begin(), super.devices.end(), [&](DeviceNumber device) {
      return is_covered(device, all_of(device), layers);
    });
  }

  // Whether all these bytes are among the given ones.
  bool is_covered(DeviceNumber device, const Extent& range, int layers) {
    if (layers > kLayersMax) return false;
    if (const auto given = given_.find(device); given != given_.end()) {
      for (const Extent& each : given->second) {
        if (is_within(range, each)) return true;
      }
    }
    const BlockNode self = node(device);
    if (self.whole != device) {
      return is_covered(self.whole, shifted(range, self.start_bytes), layers + 1);
    }
    if (const LoopDevice* loop = loop_of(device)) {
      const Extent below = shifted(range, loop->range.offset);
      if (loop->backing_device != 0) return is_covered(loop->backing_device, below, layers + 1);
      for (const FileRange& each : given_files_) {
        if (each.file == loop->backing && is_within(below, each.range)) return true;
      }
      const auto host = map_.host_of_loop.find(device);
      if (host == map_.host_of_loop.end()) return false;
      if (const MountedSuper* super = super_with_id(host->second)) {
        return is_covered(*super, layers + 1);
      }
      return reached_.contains(host->second) &&
             is_covered(host->second, all_of(host->second), layers + 1);
    }
    return !self.slaves.empty() &&
           std::all_of(self.slaves.begin(), self.slaves.end(), [&](DeviceNumber slave) {
             return is_covered(slave, all_of(slave), layers + 1);
           });
  }

  // The super blocks that hold a file below `device`.
  void add_hosts(DeviceNumber device, std::set<DeviceNumber>& visited,
                 std::set<DeviceNumber>& hosts) {
    if (!visited.insert(device).second) return;
    const BlockNode self = node(device);
    if (self.whole != device) add_hosts(self.whole, visited, hosts);
    for (const DeviceNumber slave : self.slaves) add_hosts(slave, visited, hosts);
    const LoopDevice* loop = loop_of(device);
    if (loop == nullptr) return;
    if (loop->backing_device != 0) {
      add_hosts(loop->backing_device, visited, hosts);
    } else if (const auto host = map_.host_of_loop.find(device); host != map_.host_of_loop.end()) {
      hosts.insert(host->second);
    }
  }

  // Hosts first; turned round, each file system comes before all of its hosts.
  void visit(std::size_t index, std::set<std::size_t>& visited, std::vector<std::size_t>& order) {
    if (!visited.insert(index).second) return;
    std::set<DeviceNumber> devices;
    std::set<DeviceNumber> hosts;
    for (const DeviceNumber device : map_.supers[index].devices) {
      add_hosts(device, devices, hosts);
    }
    for (std::size_t i = 0; i < map_.supers.size(); ++i) {
      if (hosts.contains(map_.supers[i].id)) visit(i, visited, order);
    }
    order.push_back(index);
  }

  std::vector<std::size_t> freeze_order() {
    std::set<std::size_t> visited;
    std::vector<std::size_t> order;
    for (const std::size_t index : listed_) visit(index, visited, order);
    std::reverse(order.begin(), order.end());
    std::erase_if(order, [&](std::size_t index) { return !listed_.contains(index); });
    return order;
  }

  const StackMap& map_;
  std::map<DeviceNumber, BlockNode> nodes_;
  std::map<DeviceNumber, std::vector<Extent>> given_;
  std::vector<FileRange> given_files_;
  std::map<DeviceNumber, std::vector<std::pair<Extent, bool>>> reached_;
  std::set<DeviceNumber> direct_;
  std::set<std::size_t> listed_;
};

}  // namespace

StackPlan plan_stack(const StackMap& map, const StackTarget& target) {
  return StackSearch(map).run(target);
}

}  // namespace blkrewind::host
