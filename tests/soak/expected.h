// What the store and the devices must hold, as far as it was acknowledged, and what was under way:
// written down before each operation, so that whoever is killed, the next one can judge.
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
  std::string undo_id;  // empty: begun with --no-undo
};

struct Disk {
  std::string image;  // name of its backing file
  std::uint64_t device_bytes = 0;
  std::uint32_t chunk_bytes = 0;
  std::string id;   // "d-..."
  std::string now;  // its content; empty while the driver changes it, or a rollback is pending
  std::map<std::string, std::string> snapshots;  // acknowledged or seen: id -> content
  std::set<std::string> failed;                  // ids of snapshots that were cut off
  std::string undo_id;                           // what `undo` would restore; empty: nothing
  std::optional<Pending> pending;
  std::map<std::string, std::string> roots;  // content -> the store's digest of it
};

// An operation under way.
struct Attempt {
  Kind kind = Kind::kGc;
  int disk = -1;         // none: of the whole store
  std::string snapshot;  // id that is rolled back to or deleted
  std::string name;      // of the snapshot that is taken
  bool with_undo = true;
  std::string before;  // content of the device
  std::string target;  // what it would become
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
  // Contents that something refers to.
  [[nodiscard]] std::set<std::string> contents() const;
};

}  // namespace blkrewind::soak
