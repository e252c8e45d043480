// Encoding and decoding of tree nodes, with all checks.
#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>

#include "bench/fake_entries.h"
#include "format/node.h"

namespace blkrewind::bench {
namespace {

void encode_leaf(benchmark::State& state) {
  const DigestSecret secret = fake_secret();
  Random random(1);
  const format::Node node = fake_leaf(random, 42);
  std::array<std::byte, format::kNodeBytes> bytes;
  for (auto _ : state) {
    format::encode_node(secret, node, bytes);
    benchmark::DoNotOptimize(bytes.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(format::kNodeBytes));
}
BENCHMARK(encode_leaf);

void decode_leaf(benchmark::State& state) {
  const DigestSecret secret = fake_secret();
  Random random(1);
  const format::Node node = fake_leaf(random, 42);
  const Digest digest = format::node_digest(secret, node);
  std::array<std::byte, format::kNodeBytes> bytes;
  format::encode_node(secret, node, bytes);
  for (auto _ : state) {
    const auto decoded = format::decode_node(secret, bytes, 0, 42, digest);
    if (!decoded) {
      state.SkipWithError(decoded.error().to_string().c_str());
      break;
    }
    benchmark::DoNotOptimize(&*decoded);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(format::kNodeBytes));
}
BENCHMARK(decode_leaf);

void digest_leaf(benchmark::State& state) {
  const DigestSecret secret = fake_secret();
  Random random(1);
  const format::Node node = fake_leaf(random, 42);
  for (auto _ : state) benchmark::DoNotOptimize(format::node_digest(secret, node));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(digest_leaf);

}  // namespace
}  // namespace blkrewind::bench
