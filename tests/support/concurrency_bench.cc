#include "support/concurrency_bench.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <thread>
#include <tuple>

#include "blkrewind/units.h"
#include "support/read_file.h"

namespace blkrewind::test {
namespace {

using Kind = DiskEvent::Kind;
using End = UserAnswer::End;

constexpr std::uint64_t kImageBytes = 256 * kKiB + 512;

// Each must have happened at least once: a run in which everything is refused proves nothing.
constexpr std::array<const char*, 12> kKinds = {"snapshot",   "rollback",    "undo",   "resume",
                                                "taken back", "interrupted", "delete", "export",
                                                "verify",     "collect",     "list",   "refused"};

bool test_has_failed() { return testing::Test::HasFailure(); }

class RealFiles final : public BenchFiles {
 public:
  void make(const std::string& path, const std::string& bytes) override {
    std::ofstream(path, std::ios::binary) << bytes;
  }
  std::string read(const std::string& path) override { return read_file(path); }
  void write(const std::string& path, std::uint64_t offset, const std::string& bytes) override {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file << bytes;
  }
  void remove(const std::string& path) override { EXPECT_EQ(std::remove(path.c_str()), 0); }
};

}  // namespace

std::unique_ptr<BenchFiles> real_files() { return std::make_unique<RealFiles>(); }

ConcurrencyBench::ConcurrencyBench(const MakeUser& make_user, std::size_t users,
                                   std::unique_ptr<BenchFiles> files)
    : files_(std::move(files)) {
  for (std::size_t i = 0; i < disks_.size(); ++i) {
    disks_[i].path = directory_.file("disk" + std::to_string(i) + ".img");
    disks_[i].chunk_bytes = static_cast<std::uint32_t>(4 * kKiB << (2 * i));
    files_->make(disks_[i].path, std::string(kImageBytes, 'x'));
  }
  own_ = make_user(directory_.file("store"));
  for (std::size_t i = 0; i < users; ++i) users_.push_back(make_user(directory_.file("store")));
}

void ConcurrencyBench::run(const ConcurrencyPlan& plan) {
  SCOPED_TRACE("seed " + std::to_string(plan.seed));
  sim::Random random(plan.seed);
  // More rounds than planned if something has not succeeded even once, which depends on chance.
  for (int round = 0;
       (round < plan.rounds || (!saw_all() && round < 10 * plan.rounds)) && !test_has_failed();
       ++round) {
    for (Disk& disk : disks_) ASSERT_NO_FATAL_FAILURE(renew(disk, random));
    std::vector<std::thread> threads;
    for (const auto& user : users_) {
      threads.emplace_back([&, seed = random.next()] {
        sim::Random own(seed);
        for (int n = 0; n < plan.operations && !test_has_failed(); ++n) operate(*user, own);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (Disk& disk : disks_) ASSERT_NO_FATAL_FAILURE(judge(disk));
  }
  if (test_has_failed()) return;
  empty();
  for (const char* kind : kKinds) EXPECT_GT(done_[kind], 0) << "never: " << kind;
}

bool ConcurrencyBench::saw_all() {
  return std::ranges::all_of(kKinds, [&](const char* kind) { return done_[kind] > 0; });
}

// No user is at work: writes new bytes to the disk, and takes a snapshot to learn their digest.
void ConcurrencyBench::renew(Disk& disk, sim::Random& random) {
  if (disk.state.pending) {
    const UserAnswer answer = own_->resume(disk.path, false);
    ASSERT_EQ(answer.end, End::kDone) << answer.text;
    disk.state.content = disk.state.pending->target;
    disk.state.undo.reset();
    if (disk.state.pending->with_undo) {
      disk.state.undo = DiskState::Undo{answer.undo_id, disk.state.pending->before};
    }
    disk.state.pending.reset();
    ASSERT_TRUE(files_->read(disk.path) == disk.contents.at(disk.state.content));
  }
  const std::uint64_t ranges = 1 + random.below(12);
  for (std::uint64_t i = 0; i < ranges; ++i) {
    std::string bytes(1 + random.below(48 * kKiB), '\0');
    if (random.percent(80)) {
      for (char& byte : bytes) byte = static_cast<char>(random.next());
    }
    files_->write(disk.path, random.below(kImageBytes - bytes.size()), bytes);
  }
  const UserAnswer answer = own_->snapshot(disk.path, {}, disk.chunk_bytes, false);
  ASSERT_EQ(answer.end, End::kDone) << answer.text;
  disk.contents[answer.content] = files_->read(disk.path);
  disk.snapshots[answer.snapshot_id] = answer.content;
  disk.state.content = answer.content;
  disk.events.clear();
}

// One random operation, whatever the others do.
void ConcurrencyBench::operate(StoreUser& user, sim::Random& random) {
  Disk& disk = disks_[random.below(disks_.size())];
  const std::uint64_t what = random.below(100);
  if (what < 16) {
    snapshot(user, disk, random);
  } else if (what < 44) {
    restore(user, disk, random, Kind::kRollback);
  } else if (what < 56) {
    restore(user, disk, random, Kind::kUndo);
  } else if (what < 66) {
    restore(user, disk, random, Kind::kResume);
  } else if (what < 76) {
    remove(user, disk, random);
  } else {
    look(user, disk, random);
  }
}

// An accomplished snapshot that may be deleted meanwhile; empty: there is none.
std::pair<std::string, std::string> ConcurrencyBench::any_snapshot(Disk& disk,
                                                                   sim::Random& random) {
  const std::lock_guard lock(disk.mutex);
  if (disk.snapshots.empty()) return {};
  return *std::next(disk.snapshots.begin(),
                    static_cast<std::ptrdiff_t>(random.below(disk.snapshots.size())));
}

void ConcurrencyBench::count(const std::string& kind) {
  const std::lock_guard lock(mutex_);
  ++done_[kind];
}

bool ConcurrencyBench::settled(const UserAnswer& answer, const std::string& kind) {
  EXPECT_NE(answer.end, End::kFailed) << kind << ": " << answer.text;
  if (answer.end == End::kRefused) count("refused");
  if (answer.end == End::kUncertain) count("interrupted");
  return answer.end == End::kDone || answer.end == End::kUncertain;
}

void ConcurrencyBench::record(Disk& disk, DiskEvent event) {
  event.returned = ++clock_;
  const std::lock_guard lock(disk.mutex);
  disk.events.push_back(std::move(event));
}

void ConcurrencyBench::snapshot(StoreUser& user, Disk& disk, sim::Random& random) {
  const std::string name = random.percent(20) ? "shared" : "";
  DiskEvent event;
  event.called = ++clock_;
  const UserAnswer answer = user.snapshot(disk.path, name, disk.chunk_bytes, random.percent(20));
  if (!settled(answer, "snapshot")) return;
  if (answer.end == End::kUncertain) {
    const std::lock_guard lock(disk.mutex);
    ++disk.perhaps_taken;
    return;
  }
  EXPECT_TRUE(disk.contents.contains(answer.content)) << "a snapshot of what it never held";
  event.content = answer.content;
  event.snapshot_id = answer.snapshot_id;
  record(disk, event);
  {
    const std::lock_guard lock(disk.mutex);
    disk.snapshots[answer.snapshot_id] = answer.content;
  }
  count("snapshot");
}

void ConcurrencyBench::restore(StoreUser& user, Disk& disk, sim::Random& random, Kind kind) {
  DiskEvent event;
  event.kind = kind;
  const bool interrupt = random.percent(kind == Kind::kRollback ? 40 : 15);
  UserAnswer answer;
  std::string name = "resume";
  if (kind == Kind::kRollback) {
    name = "rollback";
    event.with_undo = random.percent(70);
    std::tie(event.snapshot_id, event.content) = any_snapshot(disk, random);
    if (event.snapshot_id.empty()) return;
  }
  event.called = ++clock_;
  if (kind == Kind::kRollback) {
    answer = user.rollback(disk.path, event.snapshot_id, event.with_undo, interrupt);
  } else if (kind == Kind::kUndo) {
    answer = user.undo(disk.path, interrupt);
    name = answer.of_plan ? "taken back" : "undo";
  } else {
    answer = user.resume(disk.path, interrupt);
  }
  if (!settled(answer, name)) return;
  event.uncertain = answer.end == End::kUncertain;
  if (!event.uncertain) {
    EXPECT_TRUE(event.content.empty() || event.content == answer.content);
    event.content = answer.content;
    event.snapshot_id = answer.snapshot_id;
    event.undo_id = answer.undo_id;
    count(name);
  }
  record(disk, event);
}

void ConcurrencyBench::remove(StoreUser& user, Disk& disk, sim::Random& random) {
  const auto [id, content] = any_snapshot(disk, random);
  if (id.empty()) return;
  const UserAnswer answer = user.remove(id, random.percent(20));
  if (!settled(answer, "delete")) return;
  const std::lock_guard lock(disk.mutex);
  disk.snapshots.erase(id);
  if (answer.end == End::kUncertain) {
    disk.perhaps_deleted.insert(id);
    return;
  }
  EXPECT_TRUE(disk.deleted.insert(id).second) << id << " was deleted twice";
  count("delete");
}

// Operations that change nothing.
void ConcurrencyBench::look(StoreUser& user, Disk& disk, sim::Random& random) {
  const std::uint64_t what = random.below(100);
  if (what < 30) {
    const auto [id, content] = any_snapshot(disk, random);
    if (!id.empty()) expect_export(user, disk, id, content, true);
  } else if (what < 55) {
    if (settled(user.verify(), "verify")) count("verify");
  } else if (what < 80) {
    const UserAnswer answer = user.collect(random.percent(20));
    if (settled(answer, "collect") && answer.end == End::kDone) count("collect");
  } else {
    if (settled(user.list_all(), "list")) count("list");
  }
}

// `may_go`: another user may delete it meanwhile.
void ConcurrencyBench::expect_export(StoreUser& user, Disk& disk, const std::string& id,
                                     const std::string& content, bool may_go) {
  const std::string file = directory_.file("export" + std::to_string(++clock_));
  const UserAnswer answer = user.export_image(id, file);
  if (answer.end != End::kDone) {
    const bool going =
        answer.not_found || answer.text.find("is being deleted") != std::string::npos;
    EXPECT_TRUE(may_go && answer.end == End::kRefused && going) << id << ": " << answer.text;
    return;
  }
  EXPECT_EQ(answer.content, content);
  EXPECT_TRUE(files_->read(file) == disk.contents.at(content)) << id << " exports other bytes";
  files_->remove(file);
  count("export");
}

// No user is at work any more: checks that some order explains the round, and that everything
// agrees with it.
void ConcurrencyBench::judge(Disk& disk) {
  const ListedDisk listed = own_->list(disk.path);
  ASSERT_NO_FATAL_FAILURE(judge_snapshots(disk, listed));
  const std::string now = files_->read(disk.path);
  const auto fits = [&](const DiskState& state) {
    return agrees(disk, listed, state) && (state.pending || disk.contents.at(state.content) == now);
  };
  const auto state = explain(disk.state, disk.events, fits);
  ASSERT_TRUE(state) << disk.path << ": no order explains this, from "
                     << disk.state.content.substr(0, 8)
                     << (disk.state.undo ? " with undo " + disk.state.undo->id : "") << ":\n"
                     << text_of(disk.events);
  disk.state = *state;
}

// The store describes the disk as in that state.
bool ConcurrencyBench::agrees(const Disk& disk, const ListedDisk& listed, const DiskState& state) {
  const auto holds = [&](const std::string& id, const std::string& content) {
    const auto found = disk.snapshots.find(id);
    return found != disk.snapshots.end() && found->second == content;
  };
  if (state.pending) {
    return holds(listed.pending_target, state.pending->target) &&
           state.pending->with_undo != listed.undo_id.empty() &&
           (listed.undo_id.empty() || holds(listed.undo_id, state.pending->before));
  }
  if (!listed.pending_target.empty()) return false;
  if (!listed.undo_id.empty()) {
    return state.undo && holds(listed.undo_id, state.undo->content) &&
           (state.undo->id == "?" || state.undo->id == listed.undo_id);
  }
  return !state.undo || !disk.snapshots.contains(state.undo->id);  // or it was deleted
}

void ConcurrencyBench::judge_snapshots(Disk& disk, const ListedDisk& listed) {
  std::map<std::string, std::string> there;
  int shared = 0;
  for (const ListedSnapshot& snapshot : listed.snapshots) {
    EXPECT_FALSE(disk.deleted.contains(snapshot.id)) << snapshot.id << " was deleted";
    const bool acknowledged = disk.snapshots.contains(snapshot.id);
    if (!acknowledged && !snapshot.undo && !disk.perhaps_deleted.contains(snapshot.id)) {
      EXPECT_GE(--disk.perhaps_taken, 0) << "unexpected snapshot " << snapshot.id;
    }
    if (!snapshot.accomplished) {
      EXPECT_FALSE(acknowledged) << snapshot.id;
      const UserAnswer answer = own_->remove(snapshot.id, false);
      EXPECT_EQ(answer.end, End::kDone) << answer.text;
      continue;
    }
    there[snapshot.id] = snapshot.content;
    shared += snapshot.name == "shared" ? 1 : 0;
  }
  EXPECT_LE(shared, 1) << "a name was given twice";
  for (const auto& [id, content] : disk.snapshots) {
    ASSERT_TRUE(there.contains(id)) << "lost: " << id;
    EXPECT_EQ(there.at(id), content);
  }
  for (const auto& [id, content] : there) {
    ASSERT_TRUE(disk.contents.contains(content)) << id << " holds what the disk never held";
    expect_export(*own_, disk, id, content, false);
  }
  disk.snapshots = there;
  disk.perhaps_deleted.clear();
  disk.perhaps_taken = 0;
}

void ConcurrencyBench::empty() {
  for (Disk& disk : disks_) {
    if (disk.state.pending) {
      const UserAnswer answer = own_->resume(disk.path, false);
      ASSERT_EQ(answer.end, End::kDone) << answer.text;
    }
    for (const auto& [id, content] : disk.snapshots) {
      const UserAnswer answer = own_->remove(id, false);
      ASSERT_EQ(answer.end, End::kDone) << answer.text;
    }
  }
  const UserAnswer answer = own_->collect(false);
  ASSERT_EQ(answer.end, End::kDone) << answer.text;
  EXPECT_EQ(own_->left_over(), 0U);
}

}  // namespace blkrewind::test
