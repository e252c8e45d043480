// Files in memory only: no cache, no faults, no log, and locks that always succeed.
//
// For tests that open a store a million times: a machine is created from a set of files in a few
// microseconds, because copies share their pages until one of them writes. If power cuts, faults or
// exclusion matter, use SimulatedEnv. One thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "io/env.h"
#include "support/sparse_bytes.h"

namespace blkrewind::sim {

// By path. Directories are implied by the files below them.
using MemoryFiles = std::map<std::string, SparseBytes>;

class MemoryEnv final : public io::Env {
 public:
  MemoryEnv() = default;
  explicit MemoryEnv(const MemoryFiles& files);

  // Null if there is no such file. Valid as long as the Env and the name.
  [[nodiscard]] const SparseBytes* find(const std::string& path) const;
  [[nodiscard]] MemoryFiles files() const;

  [[nodiscard]] Result<std::unique_ptr<io::File>> open(const std::string& path,
                                                       const io::OpenOptions& options) override;
  [[nodiscard]] Result<std::unique_ptr<io::Queue>> make_queue(
      const io::QueueOptions& options) override;
  [[nodiscard]] Status make_directory(const std::string& path) override;
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status rename_new(const std::string& from, const std::string& to) override;
  [[nodiscard]] Status remove(const std::string& path) override;
  [[nodiscard]] Status sync_directory(const std::string& path) override;
  [[nodiscard]] Result<std::vector<std::string>> list_directory(const std::string& path) override;
  [[nodiscard]] Result<bool> exists(const std::string& path) override;
  [[nodiscard]] Result<host::FileId> identify(const std::string& path) override;
  [[nodiscard]] Result<std::uint64_t> allocated_bytes(const std::string& path) override;
  // Always the epoch.
  [[nodiscard]] Result<std::int64_t> modified_at(const std::string& path) override;
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> try_lock(const std::string& path,
                                                           std::uint64_t offset,
                                                           io::LockMode mode) override;
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock(const std::string& path,
                                                       std::uint64_t offset,
                                                       io::LockMode mode) override;
  [[nodiscard]] Result<bool> is_locked(const std::string& path, std::uint64_t offset) override;
  // A regular file whose only identity is its path.
  [[nodiscard]] Result<host::DeviceInfo> probe(const std::string& path) override;
  [[nodiscard]] Result<host::DeviceInfo> probe(io::File& file) override;
  [[nodiscard]] Result<bool> lives_on(const std::string& directory,
                                      const host::DeviceInfo& device) override;

  // The file that a name refers to; open files share it, so it outlives the name.
  struct Inode {
    std::uint64_t number = 0;
    SparseBytes bytes;
  };

 private:
  [[nodiscard]] Result<std::shared_ptr<Inode>> named(const std::string& path) const;

  std::map<std::string, std::shared_ptr<Inode>> inodes_;
  std::set<std::string> directories_;
  std::uint64_t next_inode_ = 1;
};

}  // namespace blkrewind::sim
