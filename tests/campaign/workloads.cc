#include "campaign/campaign.h"
#include "campaign/random_workload.h"

namespace blkrewind::campaign {

std::vector<test::Workload> all_workloads(std::uint64_t seed, std::uint64_t random) {
  std::vector<test::Workload> all = test::workloads();
  all.push_back(two_disks());
  for (std::uint64_t i = 0; i < random; ++i) all.push_back(random_workload(seed * 10'000 + i));
  return all;
}

std::vector<test::Workload> workload_named(const std::string& name) {
  constexpr std::string_view kRandom = "Random";
  if (name.starts_with(kRandom)) return {random_workload(std::stoull(name.substr(kRandom.size())))};
  std::vector<test::Workload> found = all_workloads(0, 0);
  std::erase_if(found, [&](const test::Workload& workload) { return workload.name != name; });
  return found;
}

}  // namespace blkrewind::campaign
