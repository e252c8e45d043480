// The driver's checks of the store besides the operations that it kills.
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>

#include "soak/driver.h"

namespace blkrewind::soak {

using nlohmann::json;

namespace {

void need(bool holds, const std::string& what) {
  if (!holds) throw Broken(what);
}

}  // namespace

Process Driver::start(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& variables) const {
  std::vector<std::string> words = {"--store", folder_ + "/store", "--json"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return {expected_.program, words, variables};
}

json Driver::ask(const std::vector<std::string>& arguments, int status) {
  const Ended ended = start(arguments).wait();
  std::string line;
  for (const std::string& word : arguments) line += " " + word;
  const json answer = json::parse(status == 0 ? ended.out : ended.err, nullptr, false);
  if (ended.status != status || !answer.is_object()) {
    throw Broken("'blkrewind" + line + "' must end with status " + std::to_string(status) + ": " +
                 ended.text() + " " + ended.err);
  }
  return answer;
}

void Driver::verify_all() {
  const json answer = ask({"verify"});
  std::size_t snapshots = 0;
  for (const Disk& disk : expected_.disks) snapshots += disk.snapshots.size();
  need(answer.at("damaged").empty() && answer.at("findings").empty() &&
           answer.at("snapshot_count") == snapshots,
       "verify: " + answer.dump());
  ++expected_.counts["verified stores"];
}

void Driver::export_one(std::size_t index, sim::Random& random) {
  const Disk& disk = expected_.disks[index];
  const std::string file = folder_ + "/export.img";
  std::filesystem::remove(file);
  if (!disk.failed.empty()) {
    ask({"export", *disk.failed.begin(), file}, 3);
    if (!disk.pending) ask({"rollback", devices_[index].path(), *disk.failed.begin()}, 3);
    need(!std::filesystem::exists(file), "half a snapshot was exported");
  }
  if (disk.snapshots.empty()) return;
  const auto chosen = std::next(disk.snapshots.begin(),
                                static_cast<std::ptrdiff_t>(random.below(disk.snapshots.size())));
  ask({"export", chosen->first, file});
  need(Content::of_file(file).name() == chosen->second,
       "the snapshot " + chosen->first + " exports other bytes than it was taken of");
  std::filesystem::remove(file);
  ++expected_.counts["exported snapshots"];
}

// All operations that would make an interrupted rollback worse.
void Driver::expect_refusals(const Disk& disk, const Device& device) {
  ask({"snapshot", device.path()}, 3);
  ask({"rollback", device.path(), disk.pending->target_id}, 3);
  ask({"delete", disk.pending->target_id}, 3);
  if (disk.pending->undo_id.empty()) {
    ask({"undo", device.path()}, 3);
  } else {
    ask({"delete", disk.pending->undo_id}, 3);
  }
  judge_.compare(ask({"list"}));
}

void Driver::finish_pending(std::size_t index) {
  if (!expected_.disks[index].pending) return;
  sim::Random random(expected_.seed + expected_.step);
  Attempt back = choose_pending(expected_.disks[index], random);
  back.disk = static_cast<int>(index);
  attempt({back}, nullptr);
}

void Driver::empty_the_store() {
  for (std::size_t i = 0; i < devices_.size(); ++i) {
    finish_pending(i);
    const Disk before = expected_.disks[i];
    std::vector<std::string> ids(before.failed.begin(), before.failed.end());
    for (const auto& [id, content] : before.snapshots) ids.push_back(id);
    for (const std::string& id : ids) {
      Attempt one;
      one.kind = Kind::kDelete;
      one.disk = static_cast<int>(i);
      one.snapshot = id;
      attempt({one}, nullptr);
    }
  }
  attempt({Attempt{}}, nullptr);  // gc
  const json info = ask({"store", "info"});
  need(info.at("snapshot_count") == 0 && info.at("segment_count") == 0 &&
           info.at("live_bytes") == 0 && info.at("allocated_bytes") == 0 &&
           info.at("journal_bytes").get<std::uint64_t>() <= expected_.empty_journal_bytes,
       "all snapshots were deleted, but the store holds: " + info.dump());
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_ + "/store")) {
    static const std::regex kOfEmptyStore(
        "format|index|disks(/[0-9]+(/(log|segments))?)?|catalog\\.db[^/]*");
    const std::string name = std::filesystem::relative(entry.path(), folder_ + "/store");
    need(std::regex_match(name, kOfEmptyStore),
         "left in the empty store: " + entry.path().string());
  }
  ++expected_.counts["emptied stores"];
}

// No other process works on the store.
void Driver::expect_no_process_left() const {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (pid.find_first_not_of("0123456789") != std::string::npos) continue;
    std::ifstream file(entry.path() / "cmdline", std::ios::binary);
    const std::string line{std::istreambuf_iterator<char>(file), {}};
    need(line.find(folder_ + "/store") == std::string::npos, "left running: process " + pid);
  }
}

void Driver::log(const std::string& line) { std::fprintf(log_, "%s\n", line.c_str()); }

void Driver::report_progress(std::uint64_t seconds) {
  constexpr std::uint64_t kEverySeconds = 60;
  const auto passed = static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::steady_clock::now() - started_)
          .count());
  if (passed < reported_ + kEverySeconds) return;
  reported_ = passed;
  std::printf("%4llu of %llu s: %llu operations, %llu kills, %llu rollbacks pending\n",
              static_cast<unsigned long long>(passed), static_cast<unsigned long long>(seconds),
              static_cast<unsigned long long>(expected_.counts["operations"]),
              static_cast<unsigned long long>(expected_.counts["kills"]),
              static_cast<unsigned long long>(expected_.counts["pending"]));
  std::fflush(stdout);
}

}  // namespace blkrewind::soak
