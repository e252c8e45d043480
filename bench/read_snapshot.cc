// Reads a snapshot through the library, in this process, and prints one JSON object:
//
//   read_snapshot STORE SNAPSHOT sequential BLOCK           all of it, by one thread
//   read_snapshot STORE SNAPSHOT random BLOCK THREADS SECONDS
//
// {"bytes", "reads", "seconds"}: of the reads alone. For scripts/bench-read; public headers only.
#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "blkrewind/engine.h"

namespace blkrewind::bench {
namespace {

using Clock = std::chrono::steady_clock;

std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

struct Done {
  std::uint64_t reads = 0;
  std::uint64_t bytes = 0;
};

Result<Done> read_all(SnapshotReader& reader, std::uint64_t block) {
  std::vector<std::byte> bytes(block);
  Done done;
  while (done.bytes < reader.size_bytes()) {
    const std::uint64_t length = std::min(block, reader.size_bytes() - done.bytes);
    BLKREWIND_TRY(reader.read(done.bytes, std::span(bytes).first(length)));
    done.bytes += length;
    ++done.reads;
  }
  return done;
}

// At multiples of the block, from a generator of its own for each thread (SplitMix64).
Result<Done> read_anywhere(SnapshotReader& reader, std::uint64_t block, std::uint64_t threads,
                           std::uint64_t seconds) {
  const std::uint64_t blocks = reader.size_bytes() / block;
  if (blocks == 0) return fail(Errc::kInvalidArgument, "the snapshot is shorter than a block");
  const auto end = Clock::now() + std::chrono::seconds(seconds);
  std::atomic<std::uint64_t> reads = 0;
  std::atomic<bool> failed = false;
  const auto work = [&](std::uint64_t state) {
    std::vector<std::byte> bytes(block);
    while (Clock::now() < end && !failed) {
      std::uint64_t mixed = state += 0x9e3779b97f4a7c15;
      mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
      mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
      if (!reader.read((mixed ^ (mixed >> 31)) % blocks * block, bytes)) failed = true;
      ++reads;
    }
  };
  std::vector<std::thread> pool;
  for (std::uint64_t i = 0; i < threads; ++i) pool.emplace_back(work, i << 32);
  for (std::thread& thread : pool) thread.join();
  if (failed) return fail(Errc::kIo, "a read failed");
  return Done{reads, reads * block};
}

Result<Done> run(const std::vector<std::string>& words) {
  BLKREWIND_ASSIGN(Engine engine, Engine::open({.store = words[1]}));
  BLKREWIND_ASSIGN(SnapshotReader reader, engine.open_snapshot(words[2]));
  const auto start = Clock::now();
  const std::uint64_t block = number(words[4]);
  auto done = words[3] == "sequential"
                  ? read_all(reader, block)
                  : read_anywhere(reader, block, number(words[5]), number(words[6]));
  const std::chrono::duration<double> seconds = Clock::now() - start;
  if (done) {
    std::printf("{\"bytes\": %llu, \"reads\": %llu, \"seconds\": %.6f}\n",
                static_cast<unsigned long long>(done->bytes),
                static_cast<unsigned long long>(done->reads), seconds.count());
  }
  return done;
}

}  // namespace
}  // namespace blkrewind::bench

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv, argv + argc);
  const bool sequential = words.size() == 5 && words[3] == "sequential";
  const bool random = words.size() == 7 && words[3] == "random";
  if (!sequential && !random) {
    std::fprintf(stderr,
                 "usage: read_snapshot STORE SNAPSHOT sequential BLOCK\n"
                 "       read_snapshot STORE SNAPSHOT random BLOCK THREADS SECONDS\n");
    return 2;
  }
  const auto done = blkrewind::bench::run(words);
  if (done) return 0;
  std::fprintf(stderr, "read_snapshot: %s\n", done.error().to_string().c_str());
  return 1;
}
