// The kernel's program and the engine's half of it on the same memory, with long stalls at every
// step of the program: like a processor that is interrupted in the middle of an event.
//
// The device is an array of numbers; every write stores a new one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <set>
#include <thread>
#include <tuple>
#include <vector>

#include "support/simulated_random.h"
#include "track/bitmap/generations.h"
#include "unit/track/program_in_user_space.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kChunks = 200;
constexpr std::uint64_t kFirst = 1000;  // sector
constexpr std::uint32_t kSectors = 8;   // of a chunk
constexpr std::uint32_t kStranger = 4'000'000;

// Of a device with a request queue, and of one without whose driver does not announce every end.
class GenerationsStress : public ::testing::TestWithParam<std::tuple<std::uint64_t, bool>> {
 protected:
  [[nodiscard]] static std::uint64_t seed() { return std::get<0>(GetParam()); }
  [[nodiscard]] static bool bios() { return std::get<1>(GetParam()); }

  // A thread has few bios, so their addresses come up again soon.
  void write_bio(std::uint64_t chunk, std::uint64_t value) {
    thread_local std::vector<std::vector<std::byte>> memory(5, std::vector<std::byte>(bio_bytes()));
    thread_local std::uint64_t next = 0;
    void* const bio = memory[next++ % memory.size()].data();
    bio_is_queued(bio, kFirst + chunk * kSectors, kSectors);
    maybe_stall();
    device_[chunk] = value;
    maybe_stall();
    // Those of the operation itself are, or it would keep what it need not.
    if (processor().process != kStranger || next % 4 != 0) bio_is_complete(bio);
  }

  void write(std::uint64_t chunk, std::uint64_t value) {
    if (bios()) return write_bio(chunk, value);
    write_is_queued(kFirst + chunk * kSectors, kSectors);
    maybe_stall();
    device_[chunk] = value;
    maybe_stall();
    write_is_complete(kFirst + chunk * kSectors, kSectors);
  }

  void write_on(std::uint64_t seed) {
    sim::Random random(seed);
    processor() = {kStranger, random.next(), 100, 60};
    while (true) {
      const std::uint64_t turn = turn_.load();
      if (turn == kEnd) return;
      if (turn % 2 == 1) {
        if (seen_[seed % kWriters].exchange(turn) == turn) std::this_thread::yield();
        continue;
      }
      write(random.below(kChunks), ++next_value_);
      for (std::uint64_t left = random.below(idle_); left > 0 && turn_ % 2 == 0; --left) {
        std::this_thread::yield();
      }
    }
  }

  void pause() {
    ++turn_;
    for (const auto& seen : seen_) {
      while (seen.load() != turn_.load()) std::this_thread::yield();
    }
  }

  [[nodiscard]] std::set<std::uint64_t> marked(const track::Generations& generations) const {
    std::set<std::uint64_t> chunks;
    for (std::uint64_t at = 0;;) {
      const Extent extent = generations.marked(at);
      if (extent.empty()) return chunks;
      for (std::uint64_t i = extent.offset; i < extent.end(); ++i) chunks.insert(i);
      at = extent.end();
    }
  }

  // One operation. `dies`: neither commit() nor abandon(), as after kill -9.
  void operate(sim::Random& random, std::uint64_t number) {
    track::Generations generations(program_control(), program_bits(), program_under_way());
    const bool writes = random.percent(50);
    const auto why = generations.begin(base_snapshot_, writes);
    ASSERT_FALSE(why) << *why;
    const auto chunks = marked(generations);
    std::vector<std::uint64_t> next = base_;
    std::string id = writes ? "golden" : "s-" + std::to_string(number);
    if (writes) {
      for (std::uint64_t i = 0; i < kChunks; ++i) {
        if (!chunks.contains(i) && base_[i] == golden_[i]) continue;
        write(i, golden_[i]);
        generations.wrote(std::uint64_t{kSectors} * 512);
      }
      next = golden_;
    } else {
      for (const std::uint64_t chunk : chunks) next[chunk] = device_[chunk];
    }
    if (random.percent(10)) return generations.abandon();
    if (random.percent(10)) return;
    generations.prepare(id, false);
    if (random.percent(5)) return;
    base_snapshot_ = id;
    base_ = next;
    if (random.percent(10)) return;
    generations.commit();
    dropped_ += writes ? 1 : 0;
  }

  static constexpr std::uint64_t kWriters = 3;
  static constexpr std::uint64_t kEnd = UINT64_MAX;

  std::vector<std::atomic<std::uint64_t>> device_ =
      std::vector<std::atomic<std::uint64_t>>(kChunks);
  std::vector<std::uint64_t> base_ = std::vector<std::uint64_t>(kChunks);
  std::vector<std::uint64_t> golden_ = std::vector<std::uint64_t>(kChunks);
  std::string base_snapshot_;
  std::atomic<std::uint64_t> next_value_ = 1;
  std::atomic<std::uint64_t> turn_ = 0;
  std::atomic<std::uint64_t> seen_[kWriters] = {};
  std::atomic<std::uint64_t> idle_ = 40;
  std::uint64_t dropped_ = 0;
};

TEST_P(GenerationsStress, NothingIsMissedWhateverStalls) {
  load_program(
      {.first_sector = kFirst, .sectors = kChunks * kSectors, .granule_shift = 12, .bios = bios()});
  processor() = {static_cast<std::uint32_t>(::getpid()), seed(), 0, 0};
  {
    track::Generations generations(program_control(), program_bits(), program_under_way());
    ASSERT_TRUE(generations.begin({}, false));
    generations.prepare("golden", false);
    base_snapshot_ = "golden";
    generations.commit();
  }
  std::vector<std::thread> writers;
  for (std::uint64_t i = 0; i < kWriters; ++i) {
    writers.emplace_back([this, i] { write_on(seed() * kWriters + i); });
  }
  sim::Random random(seed());
  std::string missed;
  for (std::uint64_t round = 0; round < 600 && missed.empty() && !HasFatalFailure(); ++round) {
    // With few writes an operation may be the only writer, or seem to be.
    idle_ = std::array<std::uint64_t, 3>{20, 300, 3000}[random.below(3)];
    for (std::uint64_t left = 1 + random.below(4); left > 0; --left) {
      operate(random, round * 10 + left);
      for (std::uint64_t i = random.below(30); i > 0; --i) std::this_thread::yield();
    }
    pause();
    track::Generations generations(program_control(), program_bits(), program_under_way());
    const auto why = generations.begin(base_snapshot_, false);
    if (why) missed += " all (" + *why + ")";
    const auto chunks = marked(generations);
    for (std::uint64_t i = 0; i < kChunks; ++i) {
      if (device_[i] != base_[i] && !chunks.contains(i)) missed += " " + std::to_string(i);
    }
    if (!missed.empty()) missed = "round " + std::to_string(round) + ":" + missed;
    generations.abandon();
    ++turn_;
  }
  turn_ = kEnd;
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(missed, "");
  EXPECT_GT(dropped_, 0U);
  EXPECT_EQ(program_control().escaped, 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GenerationsStress,
                         ::testing::Combine(::testing::Range(std::uint64_t{1}, std::uint64_t{3}),
                                            ::testing::Bool()));

}  // namespace
}  // namespace blkrewind::test
