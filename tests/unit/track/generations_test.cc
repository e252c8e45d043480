#include "track/bitmap/generations.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstring>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "support/simulated_random.h"

namespace blkrewind::track {
namespace {

constexpr std::uint64_t kGranules = 200;
constexpr std::uint64_t kWords = kGranules / 64 + 1;

// Sets dirty bits as the program in the kernel does: kernel/changes.bpf.c, mark() and its callers.
class Program {
 public:
  Program(blkrewind_control& control, std::span<std::uint64_t> bits)
      : control_(control), bits_(bits) {}

  void mark(std::uint64_t granule, bool own, bool completes) {
    const std::uint32_t before = std::atomic_ref(control_.active).load();
    if (std::atomic_ref(control_.self).load() != 0) {
      auto& counter = completes ? control_.completed_sectors
                      : own     ? control_.own_sectors
                                : control_.foreign_sectors;
      std::atomic_ref(counter).fetch_add(1);
    }
    set(before, granule);
    for (std::uint32_t last = before;;) {
      const std::uint32_t now = std::atomic_ref(control_.active).load();
      if (now == last) break;
      std::atomic_ref(control_.foreign_sectors).fetch_add(1);
      set(now, granule);
      last = now;
    }
  }
  void queue(std::uint64_t granule, bool own) { mark(granule, own, false); }
  void complete(std::uint64_t granule) { mark(granule, false, true); }

 private:
  void set(std::uint32_t generation, std::uint64_t granule) {
    std::atomic_ref(bits_[(generation & 1) * control_.words + granule / 64])
        .fetch_or(std::uint64_t{1} << granule % 64);
  }

  blkrewind_control& control_;
  std::span<std::uint64_t> bits_;
};

struct Memory {
  blkrewind_control control;
  std::array<std::uint64_t, kWords * BLKREWIND_GENERATIONS> bits;
  std::array<blkrewind_bucket, 1> under_way;
};

class GenerationsTest : public testing::Test {
 protected:
  GenerationsTest() { memory_.control.words = kWords; }
  Generations open() { return Generations(memory_.control, memory_.bits); }
  static std::vector<std::uint64_t> marks(const Generations& generations) {
    std::vector<std::uint64_t> found;
    for (Extent run = generations.marked(0); !run.empty(); run = generations.marked(run.end())) {
      for (std::uint64_t at = run.offset; at < run.end(); ++at) found.push_back(at);
    }
    return found;
  }
  // Starts and ends an operation that makes `id` the base snapshot.
  void move_to(const std::string& base_snapshot, const std::string& id) {
    Generations generations = open();
    (void)generations.begin(base_snapshot, false);
    generations.prepare(id, false);
    generations.commit();
  }
  void write(std::uint64_t granule, bool own = false) {
    Program program(memory_.control, memory_.bits);
    program.queue(granule, own);
    program.complete(granule);
  }

  Memory memory_{};
};

TEST_F(GenerationsTest, KnowsNothingBeforeTheFirstCommit) {
  Generations generations = open();
  write(5);
  EXPECT_TRUE(generations.why_not("s-1"));
  EXPECT_EQ(generations.begin("s-1", false), "the next snapshot or rollback reads everything once");
  generations.abandon();
  EXPECT_TRUE(generations.why_not("s-1"));
}

TEST_F(GenerationsTest, CollectsFromTheCommitOn) {
  write(5);
  move_to("", "s-1");
  write(7);
  write(63);
  write(64);
  Generations generations = open();
  EXPECT_FALSE(generations.why_not("s-1"));
  EXPECT_TRUE(generations.why_not("s-2"));
  EXPECT_EQ(generations.count_dirty(), 3U);
  EXPECT_FALSE(generations.begin("s-1", false));
  write(9);
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{7, 63, 64})) << "9 came too late";
  generations.prepare("s-2", false);
  generations.commit();
  EXPECT_FALSE(generations.why_not("s-2"));
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{9}));
}

TEST_F(GenerationsTest, AbandonPutsBothTogether) {
  move_to("", "s-1");
  write(1);
  Generations generations = open();
  ASSERT_FALSE(generations.begin("s-1", true));
  write(2, true);
  generations.abandon();
  EXPECT_FALSE(generations.why_not("s-1"));
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(GenerationsTest, OwnWritesAreDroppedAndForeignOnesKeptWithThem) {
  move_to("", "s-1");
  write(1);
  Generations generations = open();
  ASSERT_FALSE(generations.begin("s-1", true));
  write(1, true);
  generations.wrote(512);
  generations.prepare("s-1", false);
  generations.commit();
  EXPECT_EQ(marks(generations), std::vector<std::uint64_t>{});

  ASSERT_FALSE(generations.begin("s-1", true));
  write(2, true);
  generations.wrote(512);
  write(3);
  generations.prepare("s-1", false);
  generations.commit();
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{2, 3}));
}

// As if this process flushed data that another one had left in the device's cache.
TEST_F(GenerationsTest, WritesOfOursThatWeDoNotKnowOfAreKept) {
  move_to("", "s-1");
  Generations generations = open();
  ASSERT_FALSE(generations.begin("s-1", true));
  write(1, true);
  write(2, true);
  generations.wrote(512);
  generations.prepare("s-1", false);
  generations.commit();
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{1, 2}));
}

// It was queued before the operation started, so it was not counted then.
TEST_F(GenerationsTest, WhatCompletesMeanwhileIsForeign) {
  move_to("", "s-1");
  Program program(memory_.control, memory_.bits);
  program.queue(4, false);
  Generations generations = open();
  ASSERT_FALSE(generations.begin("s-1", true));
  program.complete(4);
  generations.prepare("s-2", false);
  generations.commit();
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{4}));
}

TEST_F(GenerationsTest, WhatCompletesLaterIsMarkedLater) {
  move_to("", "s-1");
  Program program(memory_.control, memory_.bits);
  program.queue(4, false);
  move_to("s-1", "s-2");
  EXPECT_EQ(marks(open()), std::vector<std::uint64_t>{});
  program.complete(4);
  EXPECT_EQ(marks(open()), (std::vector<std::uint64_t>{4}));
}

TEST_F(GenerationsTest, WhatEscapesVoidsUntilTheNextCommit) {
  move_to("", "s-1");
  memory_.control.escaped = BLKREWIND_ESCAPED_PASSTHROUGH;
  Generations generations = open();
  EXPECT_TRUE(generations.why_not("s-1"));
  EXPECT_TRUE(generations.begin("s-1", false));
  generations.abandon();
  EXPECT_TRUE(generations.why_not("s-1")) << "for good: it is not known what it changed";
  move_to("s-1", "s-1");
  EXPECT_FALSE(generations.why_not("s-1"));
}

TEST_F(GenerationsTest, KeepsEverythingWhenAsked) {
  move_to("", "s-1");
  write(1);
  Generations generations = open();
  ASSERT_FALSE(generations.begin("s-1", true));
  write(2, true);
  generations.prepare("s-2", true);
  generations.commit();
  EXPECT_FALSE(generations.why_not("s-2"));
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(GenerationsTest, KeepsNothingHalfWhenTheProcessDiesBeforeCommit) {
  move_to("", "s-1");
  write(1);
  {
    Generations generations = open();
    ASSERT_FALSE(generations.begin("s-1", true));
    write(2, true);
    generations.prepare("s-2", true);
  }
  EXPECT_TRUE(open().why_not("s-2")) << "1 was not looked at, and may differ";
  EXPECT_FALSE(open().why_not("s-1")) << "the journal did not take the record";
  EXPECT_TRUE(open().begin("s-2", false));
}

// A rollback to the base snapshot itself: the base that it leaves and the one it would set are one,
// so it cannot be told whether the journal took its record.
TEST_F(GenerationsTest, AnOperationThatDiedAtItsOwnBaseDropsNothing) {
  move_to("", "s-1");
  write(1);
  {
    Generations generations = open();
    ASSERT_FALSE(generations.begin("s-1", false));
    write(2);
    generations.prepare("s-1", false);
  }
  Generations generations = open();
  ASSERT_FALSE(generations.begin("s-1", false));
  EXPECT_EQ(marks(generations), (std::vector<std::uint64_t>{1, 2}));
}

TEST_F(GenerationsTest, ForgetsAndSaysWhy) {
  move_to("", "s-1");
  Generations generations = open();
  generations.forget("it lied");
  EXPECT_EQ(generations.why_not("s-1"), "it lied");
  move_to("s-1", "s-1");
  EXPECT_FALSE(generations.why_not("s-1"));
}

TEST_F(GenerationsTest, RunsCrossWords) {
  move_to("", "s-1");
  for (std::uint64_t granule = 60; granule < 193; ++granule) write(granule);
  Generations generations = open();
  EXPECT_EQ(generations.marked(0), (Extent{60, 133}));
  EXPECT_EQ(generations.marked(100), (Extent{100, 93}));
  EXPECT_EQ(generations.marked(193), (Extent{}));
  EXPECT_EQ(generations.marked(100'000), (Extent{}));
}

#if defined(__x86_64__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

// The process is killed after every single store to the shared memory: each store faults, is
// executed alone, and counted.
namespace killing {

void* page = nullptr;
std::size_t page_bytes = 0;
int stores_left = 0;

void on_fault(int, siginfo_t*, void* context) {
  if (stores_left-- == 0) ::_exit(42);
  ::mprotect(page, page_bytes, PROT_READ | PROT_WRITE);
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] |= 0x100;  // trap after one step
}
void on_step(int, siginfo_t*, void* context) {
  static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_EFL] &= ~0x100;
  ::mprotect(page, page_bytes, PROT_READ);
}

void arm(int stores) {
  stores_left = stores;
  struct sigaction action {};
  action.sa_flags = SA_SIGINFO;
  action.sa_sigaction = on_fault;
  ::sigaction(SIGSEGV, &action, nullptr);
  action.sa_sigaction = on_step;
  ::sigaction(SIGTRAP, &action, nullptr);
  ::mprotect(page, page_bytes, PROT_READ);
}

}  // namespace killing

// What survives the process: the dirty bits, the base snapshot in the journal, the device and the
// snapshots.
struct World {
  Memory memory;
  std::array<char, 16> base_snapshot;
  std::array<std::uint8_t, kGranules> device;
};

class KilledTest : public testing::TestWithParam<int> {
 protected:
  static constexpr int kKinds = 5;
  static constexpr std::uint64_t kUnderWay = 77;  // granule

  KilledTest() {
    bytes_ = (sizeof(World) + 4095) / 4096 * 4096;
    world_ = static_cast<World*>(
        ::mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    blkrewind_control& control = world_->memory.control;
    control.words = kWords;
    control.granule_shift = 12;
    control.sectors = kGranules * 8;
  }
  ~KilledTest() override { ::munmap(world_, bytes_); }

  static void set_base_snapshot(World& world, const std::string& id) {
    world.base_snapshot = {};
    id.copy(world.base_snapshot.data(), id.size());
  }
  static void write(World& world, std::uint64_t granule, std::uint8_t value, bool own) {
    Program program(world.memory.control, world.memory.bits);
    program.queue(granule, own);
    world.device[granule] = value;
    program.complete(granule);
  }

  // Snapshots s-1 (all 1) and s-2; the device differs from s-1 in a few places.
  void set_the_scene() {
    snapshots_["s-1"].fill(1);
    snapshots_["s-2"].fill(1);
    snapshots_["s-2"][10] = snapshots_["s-2"][150] = 2;
    world_->device = snapshots_["s-1"];
    Generations generations(world_->memory.control, world_->memory.bits, world_->memory.under_way);
    (void)generations.begin("", false);
    generations.prepare("s-1", false);
    generations.commit();
    set_base_snapshot(*world_, "s-1");
    write(*world_, 20, 9, false);
    write(*world_, 199, 9, false);
    if (bios()) begin_a_bio();
  }

  [[nodiscard]] static bool bios() { return GetParam() >= kKinds; }
  // Of a device without a request queue: it begins before the operation. Its bytes arrive after the
  // operation, and its end is never announced.
  void begin_a_bio() {
    Memory& memory = world_->memory;
    Program(memory.control, memory.bits).queue(kUnderWay, false);
    memory.under_way[0].bio[3] = 0x1000;
    memory.under_way[0].sector[3] = kUnderWay * 8;
    memory.under_way[0].sectors[3] = 8;
  }
  void bytes_of_the_bio_arrive() {
    if (bios()) world_->device[kUnderWay] = 5;
  }

  // One operation, as a rollback or a snapshot does it; `keeps`: like the end of an interrupted
  // rollback, which compares only the chunks in which the two snapshots differ.
  void operation(const std::string& target, bool writes, bool finishes, bool keeps) {
    Generations generations(world_->memory.control, world_->memory.bits, world_->memory.under_way);
    const std::string base_snapshot = world_->base_snapshot.data();
    const bool knows = !generations.begin(base_snapshot, writes);
    std::array<std::uint8_t, kGranules> wanted =
        writes ? snapshots_.at(target) : std::array<std::uint8_t, kGranules>{};
    if (writes) {
      for (std::uint64_t at = 0; at < kGranules; ++at) {
        const bool looked = (!keeps && (!knows || generations.marked(at).offset == at)) ||
                            snapshots_.at(target)[at] != snapshots_.at(base_snapshot)[at];
        if (!looked || world_->device[at] == wanted[at]) continue;
        write(*world_, at, wanted[at], true);
        generations.wrote(512);
      }
    }
    if (!finishes) {
      generations.abandon();
      return;
    }
    generations.prepare(target, keeps);
    set_base_snapshot(*world_, target);
    generations.commit();
  }

  void expect_promise(const std::string& when) {
    Generations generations(world_->memory.control, world_->memory.bits, world_->memory.under_way);
    const std::string base_snapshot = world_->base_snapshot.data();
    const bool claimed = !generations.why_not(base_snapshot);
    const bool knows = !generations.begin(base_snapshot, false);
    EXPECT_EQ(claimed, knows) << when << ": status and operations disagree";
    if (!knows || !snapshots_.contains(base_snapshot)) return;
    for (std::uint64_t at = 0; at < kGranules; ++at) {
      if (world_->device[at] == snapshots_.at(base_snapshot)[at]) continue;
      EXPECT_EQ(generations.marked(at).offset, at)
          << when << ": granule " << at << " differs from " << base_snapshot;
    }
    ++promises_;
    generations.abandon();
  }

  World* world_ = nullptr;
  std::size_t bytes_ = 0;
  std::map<std::string, std::array<std::uint8_t, kGranules>> snapshots_;
  int promises_ = 0;
};

TEST_P(KilledTest, AfterEveryStoreThePromiseHolds) {
  const int kind = GetParam() % kKinds;
  const std::string target = kind == 1 || kind == 4 ? "s-2" : "s-1";
  const bool finishes = kind != 2;
  const bool keeps = kind >= 3;
  set_the_scene();
  const World scene = *world_;
  int stores = 0;
  for (;; ++stores) {
    *world_ = scene;
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      killing::page = world_;
      killing::page_bytes = bytes_;
      killing::arm(stores);
      operation(target, true, finishes, keeps);
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status)) << "after " << stores << " stores: signal " << WTERMSIG(status);
    const std::string when = "killed after " + std::to_string(stores) + " stores";
    bytes_of_the_bio_arrive();
    // The next operation finds it, and so does the one after another write.
    expect_promise(when);
    write(*world_, 42, 7, false);
    expect_promise(when + ", then a write");
    if (WEXITSTATUS(status) == 0) break;
    ASSERT_EQ(WEXITSTATUS(status), 42);
    if (HasFailure()) break;
  }
  EXPECT_GT(stores, 50) << "the stores were not counted";
  EXPECT_GT(promises_, stores) << "mostly, the marks still hold";
}

// To the base snapshot itself, to another snapshot, one that fails and is abandoned; and the first
// two with the earlier changes kept. Then the same with a bio under way.
INSTANTIATE_TEST_SUITE_P(Operations, KilledTest, testing::Range(0, 10));

#endif

// Writers at full speed, in threads, while the base snapshot moves.
TEST(GenerationsUnderFire, NothingIsLostBetweenTwoGenerations) {
  Memory memory{};
  memory.control.words = kWords;
  std::vector<std::atomic<std::uint32_t>> device(kGranules);
  std::atomic<bool> stop = false;
  std::atomic<int> parked = 0;
  std::atomic<int> round = 0;
  constexpr int kWriters = 3;
  std::vector<std::thread> writers;
  for (int writer = 0; writer < kWriters; ++writer) {
    writers.emplace_back([&, writer] {
      sim::Random random(static_cast<std::uint64_t>(writer) + 1);
      Program program(memory.control, memory.bits);
      int seen = 0;
      while (!stop) {
        if (const int now = round; now != seen) {
          seen = now;
          ++parked;
          while (round == now && !stop) std::this_thread::yield();
          seen = round;
          --parked;
          continue;
        }
        const std::uint64_t granule = random.below(kGranules);
        program.queue(granule, false);
        device[granule].fetch_add(1);
        program.complete(granule);
      }
    });
  }
  std::vector<std::uint32_t> base(kGranules);
  std::string base_snapshot;
  int valid = 0;
  for (int move = 0; move < 400; ++move) {
    Generations generations(memory.control, memory.bits);
    const bool knows = !generations.begin(base_snapshot, move % 2 == 0);
    if (knows) ++valid;
    for (std::uint64_t at = 0; at < kGranules; ++at) {
      // Only dirty chunks are read: the others must be unchanged.
      if (!knows || generations.marked(at).offset == at) base[at] = device[at];
    }
    base_snapshot = "s-" + std::to_string(move);
    generations.prepare(base_snapshot, false);
    generations.commit();
    if (move % 4 != 3) continue;
    // All writers pause between two writes: now the promise can be checked.
    ++round;
    while (parked != kWriters) std::this_thread::yield();
    ASSERT_FALSE(generations.why_not(base_snapshot));
    for (std::uint64_t at = 0; at < kGranules; ++at) {
      if (device[at] == base[at]) continue;
      ASSERT_EQ(generations.marked(at).offset, at) << "move " << move << ": a write was lost";
    }
    ++round;
    while (parked != 0) std::this_thread::yield();
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_GT(valid, 390);
}

}  // namespace
}  // namespace blkrewind::track
