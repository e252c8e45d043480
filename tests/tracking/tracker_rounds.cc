#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <new>
#include <utility>

#include "support/simulated_random.h"
#include "track/bitmap/bitmap_tracker.h"
#include "tracking/rounds.h"
#include "tracking/writers.h"

namespace blkrewind::tracking {
namespace {

constexpr std::uint64_t kGolden = 1;  // the number of the rollbacks' target

// Exit statuses of operations.
enum { kMoved = 10, kGaveUp, kBroken, kFailed };

enum class Kind : std::uint8_t { kSnapshot, kRollback, kResume, kGiveUp };

const char* name_of(Kind kind) {
  switch (kind) {
    case Kind::kSnapshot:
      return "snapshot";
    case Kind::kRollback:
      return "rollback";
    case Kind::kResume:
      return "resume";
    case Kind::kGiveUp:
      return "gave up";
  }
  return "";
}

// Memory shared by an operation and the process that kills it. It represents the store: the journal
// changes by one store of a word, and the contents of snapshots before that.
class SharedStore {
 public:
  explicit SharedStore(std::uint64_t bytes) : bytes_(bytes) {
    void* const memory = ::mmap(nullptr, kHeadBytes + 3 * padded(), PROT_READ | PROT_WRITE,
                                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) fail_with_errno("mmap");
    head_ = new (memory) std::atomic<std::uint64_t>(0);
    images_ = static_cast<std::byte*>(memory) + kHeadBytes;
  }
  ~SharedStore() { ::munmap(head_, kHeadBytes + 3 * padded()); }
  SharedStore(const SharedStore&) = delete;
  SharedStore& operator=(const SharedStore&) = delete;

  [[nodiscard]] std::uint64_t base_snapshot() const { return *head_ >> 1; }
  [[nodiscard]] const std::byte* content() const { return image(*head_ & 1); }
  // The content of the next base snapshot.
  [[nodiscard]] std::byte* next() const { return image(1 - (*head_ & 1)); }
  [[nodiscard]] std::byte* golden() const { return image(2); }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }
  void set_base_snapshot(std::uint64_t number) { *head_ = number << 1 | (1 - (*head_ & 1)); }

 private:
  static constexpr std::uint64_t kHeadBytes = 4096;

  [[nodiscard]] std::uint64_t padded() const { return align_up(bytes_, 4096); }
  [[nodiscard]] std::byte* image(std::uint64_t index) const { return images_ + index * padded(); }

  const std::uint64_t bytes_;
  std::atomic<std::uint64_t>* head_;
  std::byte* images_;
};

std::string id_of(std::uint64_t number) { return "s-" + std::to_string(number); }

class Operation {
 public:
  Operation(const Stage& stage, const track::TrackedDisk& disk, SharedStore& store)
      : stage_(stage), disk_(disk), store_(store) {}

  // Returns why it is not possible; empty: it was done.
  std::string run(Kind kind, std::uint64_t number, bool scans) {
    auto found = track::find_bitmap(disk_);
    if (!found || !*found) return "the tracker is gone";
    track::Tracker& tracker = **found;
    const bool writes = kind == Kind::kRollback || kind == Kind::kResume;
    // Before begin(): writes in flight then are read as soon as possible.
    std::memcpy(store_.next(), store_.content(), store_.bytes());
    const auto why = tracker.begin(id_of(store_.base_snapshot()),
                                   writes ? track::TrackUse::kWrite : track::TrackUse::kRead);
    if (!why && why.error().code == Errc::kIo) return {};  // see writers.cc
    if (!why) return why.error().to_string();
    if (*why && !scans) return "the tracker is not valid: " + **why;
    if (kind == Kind::kRollback) number = kGolden;
    if (kind == Kind::kResume) number = store_.base_snapshot();
    if (kind == Kind::kSnapshot || kind == Kind::kGiveUp) read(tracker, scans);
    if (kind == Kind::kRollback && !write(tracker)) return {};
    if (kind == Kind::kGiveUp) return {};
    const bool kept = kind == Kind::kResume;
    if (!tracker.prepare(id_of(number),
                         kept ? track::Collected::kKept : track::Collected::kDropped)) {
      return "prepare";
    }
    store_.set_base_snapshot(number);
    if (!tracker.commit()) return "commit";
    moved_ = true;
    return {};
  }
  [[nodiscard]] bool moved() const { return moved_; }

 private:
  void read(track::Tracker& tracker, bool all) {
    if (all) return stage_.read(store_.next());
    const UniqueFd fd = open_node(stage_.tracked(), O_RDONLY | O_DIRECT);
    for (Extent extent = next_of(tracker, 0); !extent.empty();
         extent = next_of(tracker, extent.end())) {
      if (::pread(fd.get(), store_.next() + extent.offset, extent.length,
                  static_cast<off_t>(extent.offset)) != static_cast<ssize_t>(extent.length)) {
        fail_with_errno("read");
      }
    }
  }

  // False: it may not be durable.
  bool write(track::Tracker& tracker) {
    const UniqueFd fd = open_node(stage_.tracked(), O_RDWR | O_DIRECT);
    std::uint64_t wrote = 0;
    Extent changed = next_of(tracker, 0);
    for (std::uint64_t at = 0; at < store_.bytes(); at += kChunkBytes) {
      const std::uint64_t length = std::min(kChunkBytes, store_.bytes() - at);
      while (!changed.empty() && changed.end() <= at) changed = next_of(tracker, changed.end());
      const bool marked = !changed.empty() && changed.offset < at + length;
      if (!marked && std::memcmp(store_.content() + at, store_.golden() + at, length) == 0) {
        continue;
      }
      if (::pwrite(fd.get(), store_.golden() + at, length, static_cast<off_t>(at)) !=
          static_cast<ssize_t>(length)) {
        fail_with_errno("write");
      }
      wrote += length;
    }
    tracker.wrote(wrote);
    if (::fdatasync(fd.get()) != 0) return false;
    std::memcpy(store_.next(), store_.golden(), store_.bytes());
    return true;
  }

  static Extent next_of(track::Tracker& tracker, std::uint64_t at) {
    const auto extent = tracker.changed(at);
    if (!extent) throw std::runtime_error(extent.error().to_string());
    return *extent;
  }

  const Stage& stage_;
  const track::TrackedDisk& disk_;
  SharedStore& store_;
  bool moved_ = false;
};

class TrackerRounds {
 public:
  TrackerRounds(const Case& chosen, Tally& tally)
      : chosen_(chosen),
        tally_(tally),
        random_(chosen.seed),
        stage_(chosen.folder, chosen.where, chosen.direct_io),
        disk_(tracked_disk(stage_, "stress", "d-stress-" + std::to_string(::getpid()))),
        store_(stage_.bytes()),
        judge_(stage_, disk_) {
    note_pins(chosen_, disk_.disk_id);
    if (const auto started = track::start_bitmap(disk_); !started) {
      throw std::runtime_error(started.error().to_string());
    }
  }
  ~TrackerRounds() { static_cast<void>(track::stop_bitmap(disk_)); }
  TrackerRounds(const TrackerRounds&) = delete;
  TrackerRounds& operator=(const TrackerRounds&) = delete;

  void run() {
    Writers writers(stage_, chosen_.seed, 3);
    // The first one reads everything, and is the target of rollbacks.
    lately_ = "first";
    if (operate(Kind::kSnapshot, kGolden, true, false)) throw Broken("the first one was killed");
    std::memcpy(store_.golden(), store_.content(), store_.bytes());
    std::uint64_t number = kGolden;
    while (chosen_.goes_on()) {
      writers.set_idle_microseconds(idle_of(random_.next()));
      writers.go_on();
      lately_ = "since the last barrier:";
      for (std::uint64_t left = 1 + random_.below(4); left > 0; --left) {
        ::usleep(static_cast<unsigned>(random_.below(4000)));
        const std::uint64_t chance = random_.below(100);
        const Kind kind = chance < 45   ? Kind::kSnapshot
                          : chance < 80 ? Kind::kRollback
                          : chance < 90 ? Kind::kResume
                                        : Kind::kGiveUp;
        operate(kind, ++number, false, random_.percent(40));
        ++tally_.rounds;
      }
      writers.pause();
      judge_.look(id_of(store_.base_snapshot()), store_.content(), lately_, tally_);
    }
    tally_.bytes += writers.bytes();
    tally_.writes += writers.writes();
  }

 private:
  // Whether it was killed.
  bool operate(Kind kind, std::uint64_t number, bool scans, bool kill) {
    std::fflush(nullptr);
    const pid_t child = ::fork();
    if (child < 0) fail_with_errno("fork");
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      int status = kFailed;
      try {
        Operation operation(stage_, disk_, store_);
        const std::string why = operation.run(kind, number, scans);
        if (!why.empty()) std::fprintf(stderr, "%s: %s\n", name_of(kind), why.c_str());
        status = !why.empty() ? kBroken : operation.moved() ? kMoved : kGaveUp;
      } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: %s\n", name_of(kind), error.what());
      }
      ::_exit(status);
    }
    if (kill) {
      ::usleep(static_cast<unsigned>(random_.below(random_.percent(50) ? 4000 : 30000)));
      ::kill(child, SIGKILL);
    }
    int status = 0;
    if (::waitpid(child, &status, 0) != child) fail_with_errno("wait");
    const bool killed = WIFSIGNALED(status);
    const int end = killed ? 0 : WEXITSTATUS(status);
    lately_ += std::string(" ") + name_of(kind) +
               (killed           ? " (killed)"
                : end == kGaveUp ? " (not done)"
                                 : "");
    if (end == kBroken) throw Broken("an operation failed; " + lately_);
    if (end == kFailed) throw std::runtime_error("an operation failed");
    tally_.deaths += killed ? 1 : 0;
    tally_.abandoned += end == kGaveUp ? 1 : 0;
    if (end == kMoved) ++(kind == Kind::kSnapshot ? tally_.snapshots : tally_.rollbacks);
    return killed;
  }

  const Case& chosen_;
  Tally& tally_;
  sim::Random random_;
  Stage stage_;
  const track::TrackedDisk disk_;
  SharedStore store_;
  Judge judge_;
  std::string lately_;
};

}  // namespace

void run_tracker_rounds(const Case& chosen, Tally& tally) { TrackerRounds(chosen, tally).run(); }

}  // namespace blkrewind::tracking
