// The work of a scan for every chunk: the test for zero, and the digest.
#include <benchmark/benchmark.h>

#include <cstring>

#include "base/aligned_buffer.h"
#include "base/digest.h"
#include "bench/fake_entries.h"
#include "blkrewind/units.h"

namespace blkrewind::bench {
namespace {

void digest_chunk(benchmark::State& state) {
  const DigestSecret secret = fake_secret();
  AlignedBuffer chunk(static_cast<std::size_t>(state.range(0)));
  Random random(1);
  for (std::byte& byte : chunk.span()) byte = static_cast<std::byte>(random());
  std::uint64_t index = 0;
  for (auto _ : state) {
    benchmark::DoNotOptimize(digest_of(secret, chunk.span(), DigestDomain::kChunk, 0, index++));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(digest_chunk)->RangeMultiplier(4)->Range(kMinChunkBytes, kMaxChunkBytes);

// The worst case: it has to be read to the end.
void recognize_zero_chunk(benchmark::State& state) {
  AlignedBuffer chunk(static_cast<std::size_t>(state.range(0)));
  std::memset(chunk.data(), 0, chunk.size());
  for (auto _ : state) {
    benchmark::DoNotOptimize(chunk.data());
    benchmark::DoNotOptimize(is_all_zero(chunk.span()));
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(recognize_zero_chunk)->RangeMultiplier(4)->Range(kMinChunkBytes, kMaxChunkBytes);

}  // namespace
}  // namespace blkrewind::bench
