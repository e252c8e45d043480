// Sweeps one direct write over the flip of a watch, in steps of a microsecond.
//
// `direct`: a loop device that does many operations at once, which needs a DIR on a file system
// with direct I/O. Open defect, seen with it on 6.18 in about one of 2,000 rounds: the end of a
// write is not counted, nor does the kernel report an event as skipped; the watch is then never
// quiet again.
//
//   flip_race --folder DIR [--seed S] [--count N] [--on loop|zram|direct]
//
// Each round flips at a fixed time and writes at a time that moves from 200 microseconds before it
// to 200 after it. It reads what the former set marks, asks quiet(), and keeps a copy as a snapshot
// of a device in use does. When the answer is yes, the copy must hold the write wholly or not at
// all: wholly if it was marked, or if it had returned before the question.
//
// Exit status: 0 nothing was torn or missed, 1 it was, 2 usage, 77 it cannot be run here.
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/fd.h"
#include "support/loop_device.h"
#include "support/simulated_random.h"
#include "support/zram_device.h"
#include "track/bitmap/bitmap_watch.h"

namespace blkrewind::tracking {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::microseconds;

constexpr std::uint64_t kBytes = 2 * kMiB;
constexpr std::uint32_t kChunk = 64 * kKiB;
constexpr std::uint64_t kWrite = 4 * kChunk;
constexpr std::uint64_t kSweep = 400;  // microseconds

void spin_until(Clock::time_point time) {
  while (Clock::now() < time) {
  }
}

// The writer, in a thread of its own: one write a round.
struct Writer {
  int fd = -1;
  AlignedBuffer bytes{kWrite};
  std::uint64_t offset = 0;
  Clock::time_point when;
  std::atomic<std::uint64_t> round{0};  // given
  std::atomic<std::uint64_t> ended{0};  // this one has
  std::atomic<bool> stop{false};
  bool failed = false;

  void run() {
    for (std::uint64_t next = 1;; ++next) {
      while (round.load() < next) {
        if (stop) return;
      }
      spin_until(when);
      failed |= ::pwrite(fd, bytes.data(), kWrite, static_cast<off_t>(offset)) !=
                static_cast<ssize_t>(kWrite);
      ended = next;
    }
  }
};

struct Counts {
  std::uint64_t before = 0;  // quiet, and the copy is without the write
  std::uint64_t after = 0;   // quiet, and it has it
  std::uint64_t not_quiet = 0;
};

class Race {
 public:
  Race(const std::string& device, track::Watch& watch, std::uint64_t seed)
      : watch_(watch),
        random_(seed),
        copy_(kBytes),
        again_(kBytes),
        fd_(::open(device.c_str(), O_RDWR | O_DIRECT | O_CLOEXEC)) {
    std::memset(copy_.data(), 0, kBytes);
    writer_.fd = fd_.get();
  }

  // Empty: nothing was torn or missed.
  std::string run(std::uint64_t seed, std::uint64_t count, Counts& counts) {
    std::thread thread([this] { writer_.run(); });
    std::string broken;
    for (std::uint64_t i = 1; i <= count && broken.empty(); ++i) {
      const std::uint64_t first = random_.below(kBytes / kChunk - kWrite / kChunk) * kChunk;
      broken = round(i, first, (seed + i) % kSweep, counts);
      if (!broken.empty()) broken = "round " + std::to_string(i) + ": " + broken;
    }
    writer_.stop = true;
    thread.join();
    return writer_.failed ? "a write failed" : broken;
  }

 private:
  bool read(std::byte* into, Extent extent) const {
    return ::pread(fd_.get(), into + extent.offset, extent.length,
                   static_cast<off_t>(extent.offset)) == static_cast<ssize_t>(extent.length);
  }

  // Returns whether one of the marks is of the write.
  bool pass(std::uint64_t first) {
    bool marked = false;
    watch_.flip();
    for (Extent run = watch_.marked(0); !run.empty(); run = watch_.marked(run.end())) {
      marked |= run.offset < first + kWrite && run.end() > first;
      if (!read(copy_.data(), run)) throw std::runtime_error("read");
    }
    return marked;
  }

  std::string round(std::uint64_t number, std::uint64_t first, std::uint64_t delay_us,
                    Counts& counts) {
    std::memcpy(before_.data(), copy_.data() + first, kWrite);
    // Noise takes zram longer to write than to read, so that a read can overtake the write.
    for (std::uint64_t at = 0; at < kWrite; at += 8) {
      const std::uint64_t word = random_.next();
      std::memcpy(writer_.bytes.data() + at, &word, sizeof word);
    }
    const auto start = Clock::now() + microseconds(20);
    writer_.offset = first;
    writer_.when = start + microseconds(delay_us);
    writer_.round = number;
    spin_until(start + microseconds(kSweep / 2));
    const bool marked = pass(first);
    const bool returned = writer_.ended == number;
    const bool quiet = watch_.quiet();
    std::string broken;
    if (quiet) {
      const bool has = std::memcmp(copy_.data() + first, writer_.bytes.data(), kWrite) == 0;
      const bool has_not = std::memcmp(copy_.data() + first, before_.data(), kWrite) == 0;
      if (!has && !has_not) broken = "the write is torn";
      if (!has && marked) broken = "the write was marked and is not there";
      if (!has && returned) broken = "the write was missed";
      ++(has ? counts.after : counts.before);
    } else {
      ++counts.not_quiet;
    }
    while (writer_.ended != number) std::this_thread::yield();
    pass(first);
    if (!watch_.quiet()) return std::string("not quiet after the write ended: ") + watch_.escaped();
    if (!read(again_.data(), {0, kBytes})) throw std::runtime_error("read");
    if (std::memcmp(copy_.data(), again_.data(), kBytes) != 0) broken += " and the copy differs";
    return broken;
  }

  track::Watch& watch_;
  sim::Random random_;
  AlignedBuffer copy_;
  AlignedBuffer again_;
  AlignedBuffer before_{kWrite};
  const UniqueFd fd_;
  Writer writer_;
};

int skip(const std::string& why) {
  std::printf("skipped: %s\n", why.c_str());
  return 77;
}

int run(const std::string& folder, std::uint64_t seed, std::uint64_t count, bool on_zram,
        bool direct) {
  if (!test::have_root_and_loop()) return skip("it needs root and loop devices");
  std::unique_ptr<test::ZramDevice> zram;
  std::unique_ptr<test::LoopDevice> loop;
  if (on_zram) {
    zram = test::ZramDevice::make(kBytes);
    if (!zram) return skip("there is no zram");
  } else {
    const std::string file = folder + "/flip_race." + std::to_string(::getpid());
    loop = std::make_unique<test::LoopDevice>(
        test::LoopDevice::make(file, kBytes, 512, {.read_only = false, .direct_io = direct}));
    std::filesystem::remove(file);  // the device keeps it
  }
  track::TrackedDisk disk;
  disk.path = on_zram ? zram->path() : loop->path();
  disk.device_bytes = kBytes;
  disk.chunk_bytes = kChunk;
  auto watch = track::start_bitmap_watch(disk);
  if (!watch && watch.error().code == Errc::kUnsupported) return skip(watch.error().to_string());
  if (!watch) throw std::runtime_error(watch.error().to_string());
  Counts counts;
  const std::string broken = Race(disk.path, **watch, seed).run(seed, count, counts);
  std::printf("%s: quiet without the write %llu, with it %llu, not quiet %llu%s%s\n",
              on_zram ? "zram" : "loop", static_cast<unsigned long long>(counts.before),
              static_cast<unsigned long long>(counts.after),
              static_cast<unsigned long long>(counts.not_quiet),
              broken.empty() ? "" : "\nBROKEN in ", broken.c_str());
  return broken.empty() ? 0 : 1;
}

}  // namespace
}  // namespace blkrewind::tracking

int main(int argc, char** argv) {
  std::map<std::string, std::string> values = {
      {"--seed", "1"}, {"--count", "20000"}, {"--on", "loop"}};
  for (int i = 1; i + 1 < argc; i += 2) values[argv[i]] = argv[i + 1];
  const auto number = [&](const char* name) {
    std::uint64_t value = 0;
    const std::string& text = values[name];
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
  };
  if (argc % 2 == 0 || values["--folder"].empty() || number("--count") == 0) {
    std::fputs("flip_race --folder DIR [--seed S] [--count N] [--on loop|zram|direct]\n", stderr);
    return 2;
  }
  try {
    return blkrewind::tracking::run(values["--folder"], number("--seed"), number("--count"),
                                    values["--on"] == "zram", values["--on"] == "direct");
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "flip_race: %s\n", exception.what());
    return 3;
  }
}
