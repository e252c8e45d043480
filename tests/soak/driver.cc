#include "soak/driver.h"

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <iterator>
#include <optional>
#include <thread>
#include <utility>

#include "blkrewind/units.h"
#include "soak/durable.h"

namespace blkrewind::soak {

using nlohmann::json;
using Seconds = std::chrono::duration<double>;

namespace {

constexpr std::size_t kSnapshotsMax = 6;
// Neither is a multiple of its chunk size.
constexpr std::uint64_t kLargeChunksBytes = 28 * kMiB + 8 * kKiB;
constexpr std::uint64_t kSmallChunksBytes = 24 * kMiB + 1536;

std::string key_of(const Attempt& attempt) {
  return name_of(attempt.kind) + std::to_string(attempt.disk);
}

std::vector<std::string> whole_and_failed(const Disk& disk) {
  std::vector<std::string> ids(disk.failed.begin(), disk.failed.end());
  for (const auto& [id, content] : disk.snapshots) ids.push_back(id);
  return ids;
}

}  // namespace

std::unique_ptr<Driver> Driver::begin(const std::string& folder, std::uint64_t seed, bool image,
                                      const std::string& program) {
  Expected expected;
  expected.seed = seed;
  expected.image = image;
  expected.program = program;
  for (const auto& [bytes, chunk_bytes] :
       {std::pair{kLargeChunksBytes, 64 * kKiB}, std::pair{kSmallChunksBytes, 4 * kKiB}}) {
    Disk disk;
    disk.image = "disk" + std::to_string(expected.disks.size()) + ".img";
    disk.device_bytes = bytes;
    disk.chunk_bytes = static_cast<std::uint32_t>(chunk_bytes);
    expected.disks.push_back(disk);
  }
  std::unique_ptr<Driver> driver(new Driver(folder, std::move(expected)));
  std::filesystem::create_directory(folder + "/contents");
  driver->open_devices();
  driver->make_store();
  return driver;
}

std::unique_ptr<Driver> Driver::go_on(const std::string& folder, const std::string& program) {
  Expected expected = Expected::load(folder + "/state.json");
  if (!program.empty()) expected.program = program;
  std::unique_ptr<Driver> driver(new Driver(folder, std::move(expected)));
  driver->open_devices();
  driver->take_up();
  return driver;
}

Driver::Driver(std::string folder, Expected expected)
    : folder_(std::move(folder)),
      expected_(std::move(expected)),
      judge_(expected_, devices_, folder_ + "/contents"),
      log_(std::fopen((folder_ + "/log").c_str(), "ae")),
      started_(std::chrono::steady_clock::now()) {
  if (log_ == nullptr) fail_with_errno("open " + folder_ + "/log");
  std::setvbuf(log_, nullptr, _IOLBF, 0);
}

void Driver::open_devices() {
  for (const Disk& disk : expected_.disks) {
    devices_.emplace_back(folder_ + "/" + disk.image, disk.device_bytes, expected_.image);
  }
}

void Driver::make_store() {
  ask({"store", "init"});
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    Disk& disk = expected_.disks[i];
    disk.id = ask({"disk", "register", devices_[i].path(), "--chunk-size",
                   std::to_string(disk.chunk_bytes)})
                  .at("disk_id");
    const Content content = Content::of_file(devices_[i].backing());
    content.save(folder_ + "/contents");
    disk.now = content.name();
  }
  ask({"store", "gc"});
  expected_.empty_journal_bytes = ask({"store", "info"}).at("journal_bytes");
  save();
}

void Driver::take_up() {
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    Disk& disk = expected_.disks[i];
    devices_[i].wait_until_free();
    if (!disk.now.empty() || disk.pending) continue;
    const Content content = Content::of_file(devices_[i].backing());
    content.save(folder_ + "/contents");
    disk.now = content.name();
  }
  // Running operations died with the driver.
  Ended killed;
  killed.killed = true;
  judge_.settle(ask({"list"}), std::vector<Ended>(expected_.attempts.size(), killed));
  save();
}

void Driver::save() {
  const std::set<std::string> used = expected_.contents();
  for (Disk& disk : expected_.disks) {
    std::erase_if(disk.roots, [&](const auto& root) { return !used.contains(root.first); });
  }
  expected_.save(folder_ + "/state.json");
  for (const auto& entry : std::filesystem::directory_iterator(folder_ + "/contents")) {
    if (!used.contains(entry.path().filename())) std::filesystem::remove(entry.path());
  }
}

void Driver::run(std::uint64_t seconds) {
  if (seconds == 0) {
    judge_.compare(ask({"list"}));
    return verify_all();
  }
  const auto end = started_ + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < end) {
    step();
    report_progress(seconds);
  }
  empty_the_store();
  expect_no_process_left();
}

void Driver::step() {
  ++expected_.step;
  // A separate generator for each step, so that its choices do not depend on how earlier steps
  // ended.
  sim::Random random(expected_.seed * 0x9e3779b97f4a7c15U + expected_.step);
  if (random.below(80) == 0) return empty_the_store();

  const std::size_t first = random.below(devices_.size());
  std::vector<Attempt> attempts;
  const std::uint64_t how = random.below(100);
  if (how < 12) attempts.emplace_back();  // gc
  if (how >= 6) attempts.push_back(choose(first, random));
  if (how >= 75) attempts.push_back(choose((first + 1) % devices_.size(), random));
  attempt(std::move(attempts), &random);

  if (random.percent(40)) verify_all();
  if (random.percent(15)) export_one(random.below(devices_.size()), random);
}

Attempt Driver::choose(std::size_t index, sim::Random& random) {
  Attempt attempt;
  if (expected_.disks[index].pending) {
    if (random.percent(10)) expect_refusals(expected_.disks[index], devices_[index]);
    attempt = choose_pending(expected_.disks[index], random);
    attempt.disk = static_cast<int>(index);
    return attempt;
  }
  if (random.percent(70)) change(index, random);
  const Disk& disk = expected_.disks[index];
  attempt.disk = static_cast<int>(index);
  attempt.before = disk.now;
  attempt.target = disk.now;
  const std::uint64_t what = random.below(100);
  const bool full = disk.snapshots.size() + disk.failed.size() >= kSnapshotsMax;
  if (full ? what < 40 : (what < 10 && !disk.snapshots.empty())) {
    attempt.kind = Kind::kDelete;
    const std::vector<std::string> ids = whole_and_failed(disk);
    attempt.snapshot = ids[random.below(ids.size())];
  } else if (disk.snapshots.empty() || (!full && what < 30)) {
    attempt.kind = Kind::kSnapshot;
    attempt.name = "n" + std::to_string(expected_.step);
  } else if (what < 55 && disk.snapshots.contains(disk.undo_id)) {
    attempt.kind = Kind::kUndo;
    attempt.snapshot = disk.undo_id;
    attempt.target = disk.snapshots.at(disk.undo_id);
  } else {
    attempt.kind = Kind::kRollback;
    attempt.with_undo = random.percent(75);
    const auto chosen = std::next(disk.snapshots.begin(),
                                  static_cast<std::ptrdiff_t>(random.below(disk.snapshots.size())));
    attempt.snapshot = chosen->first;
    attempt.target = chosen->second;
  }
  return attempt;
}

Attempt Driver::choose_pending(const Disk& disk, sim::Random& random) const {
  Attempt attempt;
  const bool backwards = !disk.pending->undo_id.empty() && random.percent(50);
  attempt.kind = backwards ? Kind::kUndo : Kind::kResume;
  attempt.before = disk.pending->before;
  attempt.target = disk.pending->target;
  return attempt;
}

void Driver::change(std::size_t index, sim::Random& random) {
  Disk& disk = expected_.disks[index];
  disk.now.clear();
  save();
  devices_[index].change(random);
  const Content content = Content::of_file(devices_[index].backing());
  content.save(folder_ + "/contents");
  disk.now = content.name();
  save();
}

std::vector<std::string> Driver::arguments_of(const Attempt& attempt) const {
  if (attempt.kind == Kind::kGc) return {"store", "gc"};
  if (attempt.kind == Kind::kDelete) return {"delete", attempt.snapshot};
  std::vector<std::string> words = {name_of(attempt.kind),
                                    devices_[static_cast<std::size_t>(attempt.disk)].path()};
  if (attempt.kind == Kind::kSnapshot) words.insert(words.end(), {"--name", attempt.name});
  if (attempt.kind == Kind::kRollback) {
    words.push_back(attempt.snapshot);
    if (!attempt.with_undo) words.emplace_back("--no-undo");
  }
  return words;
}

void Driver::attempt(std::vector<Attempt> attempts, sim::Random* random) {
  expected_.attempts = std::move(attempts);
  save();
  std::vector<std::string> variables;
  std::vector<Shot> shots;
  if (random != nullptr) {
    if (random->percent(25)) variables.emplace_back("BLKREWIND_NO_IO_URING=1");
    if (const auto threads = random->below(3); threads > 0) {
      variables.push_back("BLKREWIND_THREADS=" + std::to_string(threads));
    }
    shots = aim(*random);
  }
  const Trace before = trace();
  std::vector<Process> processes;
  processes.reserve(expected_.attempts.size());
  for (const Attempt& one : expected_.attempts) {
    std::string line;
    for (const std::string& word : arguments_of(one)) line += " " + word;
    log(std::to_string(expected_.step) + line);
    processes.push_back(start(arguments_of(one), variables));
  }
  shoot(std::move(shots), processes, before);
  std::vector<Ended> ended;
  ended.reserve(processes.size());
  for (Process& process : processes) ended.push_back(process.wait());
  check_ended(ended);
  for (const Attempt& one : expected_.attempts) {
    if (one.disk >= 0) devices_[static_cast<std::size_t>(one.disk)].wait_until_free();
  }
  judge_.settle(ask({"list"}), ended);
  save();
}

std::vector<Driver::Shot> Driver::aim(sim::Random& random) const {
  std::vector<Shot> shots;
  const std::vector<Attempt>& attempts = expected_.attempts;
  for (std::size_t i = 0; i < attempts.size(); ++i) {
    const std::uint64_t how = random.below(100);
    const std::uint64_t from = random.below(10);
    double part = static_cast<double>(random.below(1000)) / 1000;
    if (how < 15) continue;  // allowed to finish
    const auto known = durations_.find(key_of(attempts[i]));
    const double duration = known == durations_.end() ? 0.03 : known->second;
    Shot shot;
    shot.process = i;
    // An operation spends much of its time before it writes: most kills wait for a sign of writing.
    shot.mark = from < 3 ? Mark::kStart : from < 8 ? Mark::kLog : Mark::kStore;
    // After its intent a rollback does not run for long.
    const Kind kind = attempts[i].kind;
    const bool is_long = kind == Kind::kSnapshot || kind == Kind::kDelete;
    if (shot.mark != Mark::kStart && !is_long) part = part * part * part;
    shot.after = part * duration * (shot.mark == Mark::kStart ? 1.1 : 0.6);
    shot.stop_first = how < 30;
    shot.signal = how < 20 ? SIGCONT : SIGKILL;
    shots.push_back(shot);
  }
  return shots;
}

Driver::Trace Driver::trace() const {
  Trace trace;
  std::error_code ignored;
  for (const auto& disk : std::filesystem::directory_iterator(folder_ + "/store/disks", ignored)) {
    const std::string log = disk.path().string() + "/log";
    struct stat status = {};
    if (::stat(log.c_str(), &status) == 0) {
      trace.logs[log] = {status.st_ino, static_cast<std::uint64_t>(status.st_size)};
    }
    for (const auto& segment :
         std::filesystem::directory_iterator(disk.path() / "segments", ignored)) {
      static_cast<void>(segment);
      ++trace.segments;
    }
  }
  return trace;
}

void Driver::shoot(std::vector<Shot> shots, const std::vector<Process>& processes,
                   const Trace& before) {
  using Clock = std::chrono::steady_clock;
  const auto begun = Clock::now();
  std::vector<std::optional<Clock::time_point>> due(shots.size());
  while (!shots.empty()) {
    const Trace now = trace();
    const bool recorded = now.logs != before.logs;
    const bool store = recorded || now.segments != before.segments;
    for (std::size_t i = 0; i < shots.size();) {
      const Shot& shot = shots[i];
      const Process& process = processes[shot.process];
      if (!due[i] && (shot.mark == Mark::kStart || (shot.mark == Mark::kLog && recorded) ||
                      (shot.mark == Mark::kStore && store))) {
        due[i] = (shot.mark == Mark::kStart ? begun : Clock::now()) +
                 std::chrono::duration_cast<Clock::duration>(Seconds(shot.after));
      }
      const bool fires = due[i] && Clock::now() >= *due[i];
      if (!fires && !process.has_ended()) {
        ++i;
        continue;
      }
      if (fires) {
        if (shot.stop_first) {
          process.signal(SIGSTOP);
          ask({"list"});  // readers never wait
        }
        process.signal(shot.signal);
      }
      shots.erase(shots.begin() + static_cast<std::ptrdiff_t>(i));
      due.erase(due.begin() + static_cast<std::ptrdiff_t>(i));
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
}

void Driver::check_ended(const std::vector<Ended>& ended) {
  const std::vector<Attempt>& attempts = expected_.attempts;
  const bool with_gc = std::any_of(attempts.begin(), attempts.end(),
                                   [](const Attempt& one) { return one.kind == Kind::kGc; });
  for (std::size_t i = 0; i < ended.size(); ++i) {
    ++expected_.counts["operations"];
    log("  " + std::string(name_of(attempts[i].kind)) + " " + ended[i].text());
    if (ended[i].killed) {
      ++expected_.counts["kills"];
      ++expected_.counts["kills " + std::string(name_of(attempts[i].kind))];
      if (attempts.size() > 1) ++expected_.counts["kills of two at once"];
      continue;
    }
    // gc locks the disks one after the other: concurrent operations are refused.
    const bool refused = with_gc && attempts[i].disk >= 0 && attempts.size() > 1 &&
                         (ended[i].status == 6 || ended[i].status == 3);
    if (ended[i].status != 0 && !refused) {
      throw Broken(std::string(name_of(attempts[i].kind)) + " failed: " + ended[i].text() + " " +
                   ended[i].err);
    }
    if (ended[i].status != 0) continue;
    ++expected_.counts["finished"];
    auto [duration, first] = durations_.emplace(key_of(attempts[i]), ended[i].seconds);
    if (!first) duration->second = 0.7 * duration->second + 0.3 * ended[i].seconds;
  }
}

}  // namespace blkrewind::soak
