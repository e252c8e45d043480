// Several processes of the program on one store and the same disks, some of them killed.
#ifdef BLKREWIND_PROGRAM

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/fd.h"
#include "support/concurrency_bench.h"
#include "support/simulated_random.h"
#include "system/cli_program.h"

namespace blkrewind::test {
namespace {

using nlohmann::json;
using End = UserAnswer::End;

class ProgramUser : public StoreUser {
 public:
  ProgramUser(std::string store, std::uint64_t seed) : store_(std::move(store)), random_(seed) {}

  UserAnswer snapshot(const std::string& path, const std::string& name, std::uint32_t chunk_bytes,
                      bool interrupt) override {
    std::vector<std::string> words = {"snapshot", path, "--chunk-size",
                                      std::to_string(chunk_bytes)};
    if (!name.empty()) words.insert(words.end(), {"--name", name});
    return run(words, interrupt);
  }
  UserAnswer rollback(const std::string& path, const std::string& snapshot, bool with_undo,
                      bool interrupt) override {
    std::vector<std::string> words = {"rollback", path, snapshot};
    if (!with_undo) words.emplace_back("--no-undo");
    return run(words, interrupt);
  }
  UserAnswer undo(const std::string& path, bool interrupt) override {
    return run({"undo", path}, interrupt);
  }
  UserAnswer resume(const std::string& path, bool interrupt) override {
    return run({"resume", path}, interrupt);
  }
  UserAnswer remove(const std::string& snapshot, bool interrupt) override {
    return run({"delete", snapshot}, interrupt);
  }
  UserAnswer export_image(const std::string& snapshot, const std::string& file) override {
    return run({"export", snapshot, file}, false);
  }
  UserAnswer verify() override { return run({"verify"}, false); }
  UserAnswer collect(bool interrupt) override { return run({"store", "gc"}, interrupt); }
  UserAnswer list_all() override { return run({"list"}, false); }

  ListedDisk list(const std::string& path) override {
    const json disk = answer_of({"list", path}).at("disks").at(0);
    ListedDisk listed;
    const json& pending = disk.at("pending_rollback");
    if (!pending.is_null()) listed.pending_target = pending.at("snapshot_id");
    listed.undo_id = text_in(disk, "undo_snapshot_id");
    for (const json& snapshot : disk.at("snapshots")) {
      listed.snapshots.push_back(
          {snapshot.at("snapshot_id"), text_in(snapshot, "name"), text_in(snapshot, "root_digest"),
           snapshot.at("status") == "accomplished", snapshot.at("kind") == "undo"});
    }
    return listed;
  }
  std::uint64_t left_over() override {
    const json info = answer_of({"store", "info"});
    std::uint64_t sum = 0;
    for (const char* key : {"snapshot_count", "segment_count", "live_bytes", "allocated_bytes"}) {
      sum += info.at(key).get<std::uint64_t>();
    }
    return sum;
  }

 private:
  static std::string text_in(const json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  }
  static std::string read_all(const UniqueFd& fd) {
    std::string text(static_cast<std::size_t>(::lseek(fd.get(), 0, SEEK_END)), '\0');
    const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
    return got == static_cast<ssize_t>(text.size()) ? text : "unreadable";
  }

  // `kill`: possibly before it has ended.
  int finish(const std::vector<std::string>& arguments, bool kill, std::string& out,
             std::string& err) {
    const UniqueFd out_file(::memfd_create("out", MFD_CLOEXEC));
    const UniqueFd err_file(::memfd_create("err", MFD_CLOEXEC));
    std::vector<std::string> words = {"--store", store_, "--json"};
    words.insert(words.end(), arguments.begin(), arguments.end());
    CliProcess process({}, words, out_file.get(), err_file.get());
    if (kill) {
      // Every other time soon after a write to the store, which may be its intent.
      if (++kills_ % 2 == 0) {
        ::usleep(static_cast<unsigned>(random_.below(40000)));
      } else {
        const auto before = logs();
        int ended = 0;
        while (logs() == before) {
          if (process.ended(ended)) return told(ended, out_file, err_file, out, err);
          ::usleep(50);
        }
        ::usleep(static_cast<unsigned>(random_.below(2000)));
      }
      process.kill(SIGKILL);
    }
    return told(process.wait(), out_file, err_file, out, err);
  }

  static int told(int status, const UniqueFd& out_file, const UniqueFd& err_file, std::string& out,
                  std::string& err) {
    out = read_all(out_file);
    err = read_all(err_file);
    return status;
  }

  // Of the logs of all disks.
  [[nodiscard]] std::vector<std::pair<ino_t, off_t>> logs() const {
    std::vector<std::pair<ino_t, off_t>> all;
    struct stat status = {};
    for (int disk = 1;; ++disk) {
      const std::string log = store_ + "/disks/" + std::to_string(disk) + "/log";
      if (::stat(log.c_str(), &status) != 0) return all;
      all.emplace_back(status.st_ino, status.st_size);
    }
  }

  UserAnswer run(const std::vector<std::string>& arguments, bool interrupt) {
    std::string out;
    const int status = finish(arguments, interrupt, out, answer_text_);
    UserAnswer answer;
    answer.text = "status " + std::to_string(status) + " " + out + answer_text_;
    if (status == 1000 + SIGKILL) {
      answer.end = End::kUncertain;
    } else if (status == 0) {
      const json receipt = json::parse(out, nullptr, false);
      answer.end = receipt.is_object() ? End::kDone : End::kFailed;
      answer.snapshot_id = text_in(receipt, "snapshot_id");
      answer.content = text_in(receipt, "root_digest");
      answer.undo_id = text_in(receipt, "undo_snapshot_id");
      answer.of_plan = receipt.value("ended_interrupted", false);
    } else if (status == 6) {
      answer.end = End::kRefused;
    } else if (status == 3) {
      static const std::set<std::string> kRules = {"NotFound",
                                                   "InvalidSnapshotId.NotFound",
                                                   "Precondition",  // nothing to undo or to resume
                                                   "AlreadyExists",
                                                   "InvalidOperation.DiskResetInProgress",
                                                   "IncorrectDiskStatus.HasUnfinishedSnapshot",
                                                   "InvalidSnapshotId.NotReady"};
      const std::string code = text_in(json::parse(answer_text_, nullptr, false), "code");
      answer.not_found = code == "InvalidSnapshotId.NotFound" || code == "NotFound";
      if (kRules.contains(code)) answer.end = End::kRefused;
    }
    return answer;
  }

  json answer_of(const std::vector<std::string>& arguments) {
    std::string out;
    if (finish(arguments, false, out, answer_text_) != 0) throw std::runtime_error(answer_text_);
    return json::parse(out);
  }

  std::string store_;
  sim::Random random_;
  int kills_ = 0;
  std::string answer_text_;  // of standard error
};

TEST(ConcurrentProcesses, OnOneStoreAndTheSameDisks) {
  std::uint64_t seed = 0;
  ConcurrencyBench bench(
      [&](const std::string& store) { return std::make_unique<ProgramUser>(store, ++seed); }, 4);
  bench.run({.seed = 4, .rounds = 3, .operations = 40});
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
