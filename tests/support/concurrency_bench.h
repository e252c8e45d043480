// Several concurrent users of one store, on a few image files, and a check of all their results.
// Users are threads on Engines, or processes of the program; the files may be simulated.
//
// In each round the disks get new content while no user is at work; then all users run random
// operations concurrently, on all disks. An operation succeeds, or is refused as documented. The
// results of the successful ones must be explained by some order of them (support/disk_history.h),
// which also determines the content of the device at the end; every snapshot that was acknowledged
// and not deleted exports exactly its bytes. At the very end everything is deleted, and the store
// must be empty.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "support/disk_history.h"
#include "support/simulated_random.h"
#include "support/temp_dir.h"

namespace blkrewind::test {

struct UserAnswer {
  enum class End : std::uint8_t {
    kDone,
    kRefused,    // busy, or by a rule, because of the other users
    kUncertain,  // cancelled or killed
    kFailed,     // anything else: always an error
  };
  End end = End::kFailed;
  bool not_found = false;   // of a refusal: the named object is gone
  std::string text;         // of a refusal or failure
  std::string snapshot_id;  // these from the receipt
  std::string disk_id;
  std::string content;  // digest
  std::string undo_id;
  bool of_plan = false;  // finished or undid an interrupted rollback
};

struct ListedSnapshot {
  std::string id;
  std::string name;
  std::string content;
  bool accomplished = false;
  bool undo = false;
};
struct ListedDisk {
  std::string pending_target;  // snapshot id; empty: no rollback is pending
  std::string undo_id;         // what `undo` would restore
  std::vector<ListedSnapshot> snapshots;
};

// One user: used by one thread at a time. Calls return; they do not throw.
class StoreUser {
 public:
  virtual ~StoreUser() = default;
  [[nodiscard]] virtual UserAnswer snapshot(const std::string& path, const std::string& name,
                                            std::uint32_t chunk_bytes, bool interrupt) = 0;
  [[nodiscard]] virtual UserAnswer rollback(const std::string& path, const std::string& snapshot,
                                            bool with_undo, bool interrupt) = 0;
  [[nodiscard]] virtual UserAnswer undo(const std::string& path, bool interrupt) = 0;
  [[nodiscard]] virtual UserAnswer resume(const std::string& path, bool interrupt) = 0;
  [[nodiscard]] virtual UserAnswer remove(const std::string& snapshot, bool interrupt) = 0;
  [[nodiscard]] virtual UserAnswer export_image(const std::string& snapshot,
                                                const std::string& file) = 0;
  [[nodiscard]] virtual UserAnswer verify() = 0;  // kFailed if there is damage
  [[nodiscard]] virtual UserAnswer collect(bool interrupt) = 0;
  [[nodiscard]] virtual UserAnswer list_all() = 0;
  [[nodiscard]] virtual ListedDisk list(
      const std::string& path) = 0;  // throws if that is not possible
  // Of the store: snapshots, segments and bytes of both, in total.
  [[nodiscard]] virtual std::uint64_t left_over() = 0;
};

struct ConcurrencyPlan {
  std::uint64_t seed = 1;
  int rounds = 3;
  int operations = 25;  // of a user per round
};

// Where the devices of a bench, and the files that it exports, are.
class BenchFiles {
 public:
  virtual ~BenchFiles() = default;
  virtual void make(const std::string& path, const std::string& bytes) = 0;
  [[nodiscard]] virtual std::string read(const std::string& path) = 0;
  virtual void write(const std::string& path, std::uint64_t offset, const std::string& bytes) = 0;
  virtual void remove(const std::string& path) = 0;
};
// Of this machine.
[[nodiscard]] std::unique_ptr<BenchFiles> real_files();

class ConcurrencyBench {
 public:
  // `make_user` is called once for each of them, with the store's path, and for the bench itself.
  using MakeUser = std::function<std::unique_ptr<StoreUser>(const std::string& store)>;
  ConcurrencyBench(const MakeUser& make_user, std::size_t users,
                   std::unique_ptr<BenchFiles> files = real_files());

  // Reports by googletest's assertions.
  void run(const ConcurrencyPlan& plan);

 private:
  struct Disk {
    std::string path;
    std::uint32_t chunk_bytes = 0;
    std::map<std::string, std::string> contents;  // digest -> bytes; all earlier contents
    DiskState state;                              // at the start of the round

    std::mutex mutex;
    std::map<std::string, std::string> snapshots;  // id -> digest; certainly present
    std::set<std::string> deleted;
    std::set<std::string> perhaps_deleted;
    int perhaps_taken = 0;
    std::vector<DiskEvent> events;  // of the round
  };

  void renew(Disk& disk, sim::Random& random);
  void operate(StoreUser& user, sim::Random& random);
  void snapshot(StoreUser& user, Disk& disk, sim::Random& random);
  void restore(StoreUser& user, Disk& disk, sim::Random& random, DiskEvent::Kind kind);
  void remove(StoreUser& user, Disk& disk, sim::Random& random);
  void look(StoreUser& user, Disk& disk, sim::Random& random);
  void expect_export(StoreUser& user, Disk& disk, const std::string& id, const std::string& content,
                     bool may_go);
  void judge(Disk& disk);
  void judge_snapshots(Disk& disk, const ListedDisk& listed);
  [[nodiscard]] static bool agrees(const Disk& disk, const ListedDisk& listed,
                                   const DiskState& state);
  void empty();
  [[nodiscard]] bool saw_all();
  // False: it was refused, or worse.
  bool settled(const UserAnswer& answer, const std::string& kind);
  void record(Disk& disk, DiskEvent event);
  void count(const std::string& kind);
  static std::pair<std::string, std::string> any_snapshot(Disk& disk, sim::Random& random);

  TempDir directory_;
  std::unique_ptr<BenchFiles> files_;
  std::array<Disk, 3> disks_;
  std::vector<std::unique_ptr<StoreUser>> users_;
  std::unique_ptr<StoreUser> own_;
  std::atomic<std::uint64_t> clock_{0};
  std::mutex mutex_;
  std::map<std::string, int> done_;
};

}  // namespace blkrewind::test
