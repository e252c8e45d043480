// Merging differing chunks into long requests. Items are chunks.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <vector>

#include "bench/fake_entries.h"
#include "pipeline/planner.h"

namespace blkrewind::bench {
namespace {

struct Difference {
  std::uint64_t chunk = 0;
  format::Entry source;
};

// Every `stride`th of so many differing chunks.
std::vector<Difference> spread(std::size_t count, std::uint64_t stride, bool zero) {
  Random random(1);
  std::vector<Difference> differences(count);
  for (std::size_t i = 0; i < count; ++i) {
    differences[i].chunk = i * stride;
    if (!zero) differences[i].source = fake_entry(random);
  }
  return differences;
}

void plan(benchmark::State& state, std::uint64_t stride, bool zero) {
  const auto differences = spread(static_cast<std::size_t>(state.range(0)), stride, zero);
  format::Geometry geometry;
  geometry.device_bytes = (differences.back().chunk + 1) * geometry.chunk_bytes;
  std::uint64_t requests = 0;
  for (auto _ : state) {
    pipeline::Planner planner(geometry, kMiB);
    requests = 0;
    for (const Difference& difference : differences) {
      const auto item = planner.add(difference.chunk, difference.source);
      if (item) ++requests;
      benchmark::DoNotOptimize(item);
    }
    if (planner.finish()) ++requests;
  }
  state.SetItemsProcessed(state.iterations() * state.range(0));
  state.counters["requests"] = static_cast<double>(requests);
  state.SetComplexityN(state.range(0));
}

BENCHMARK_CAPTURE(plan, neighbours, 1, false)->Range(1 << 10, 1 << 16)->Complexity(benchmark::oN);
BENCHMARK_CAPTURE(plan, scattered, 100, false)->Range(1 << 10, 1 << 16)->Complexity(benchmark::oN);
BENCHMARK_CAPTURE(plan, zeroes, 1, true)->Range(1 << 10, 1 << 16)->Complexity(benchmark::oN);

}  // namespace
}  // namespace blkrewind::bench
