// The acknowledged content of the store and the devices, and the running operations: written before
// each operation, so that after any kill the next driver can check the result.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace blkrewind::soak {

enum class Kind : std::uint8_t { kSnapshot, kRollback, kUndo, kDelete, kGc, kResume };
[[nodiscard]] const char* name_of(Kind kind);

// An interrupted rollback. Contents are Content::name().
struct Pending {
  std::string target_id;
  std::string target;
  std::string before;
  std::string undo_id;  // empty: started with --no-undo
};

struct Disk {
  std::string image;  // name of its backing file
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::string id;   // "d-..."
  std::string now;  // its content; empty while the driver changes it, or a rollback is pending
  std::map<std::string, std::string> snapshots;  // acknowledged or seen: id -> content
  std::set<std::string> failed;                  // ids of interrupted snapshots
  std::string undo_id;                           // what `undo` would restore; empty: nothing
  std::optional<Pending> pending;
  std::map<std::string, std::string> roots;  // content -> the store's digest of it
};

// A running operation.
struct Attempt {
  Kind kind = Kind::kGc;
  int disk = -1;         // empty: the whole store
  std::string snapshot;  // id of the rollback's target, or of the deleted snapshot
  std::string name;      // of the snapshot being taken
  bool with_undo = true;
  std::string before;  // content of the device
  std::string target;  // its intended content
};

struct Expected {
  std::uint64_t seed = 0;
  bool image = false;
  std::string program;
  std::uint64_t step = 0;
  std::uint64_t empty_journal_bytes = 0;
  std::vector<Disk> disks;
  std::vector<Attempt> attempts;
  std::map<std::string, std::uint64_t> counts;

  [[nodiscard]] static Expected load(const std::string& path);
  void save(const std::string& path) const;  // durable on return
  // Contents that are referred to.
  [[nodiscard]] std::set<std::string> contents() const;
};

}  // namespace blkrewind::soak
