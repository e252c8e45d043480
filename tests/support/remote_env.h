// The machine of a pool as a remote home hands it out: writes to files below the pool's folder,
// which are its segments, cross the network and may time out (ETIMEDOUT) and still happen. All else
// is passed on, devices included.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "io/env.h"
#include "support/remote_network.h"

namespace blkrewind::sim {

class RemoteEnv final : public io::Env {
 public:
  explicit RemoteEnv(std::shared_ptr<RemoteNetwork> network);

  [[nodiscard]] Result<std::unique_ptr<io::File>> open(const std::string& path,
                                                       const io::OpenOptions& options) override {
    return machine_.open(path, options);
  }
  [[nodiscard]] Result<std::unique_ptr<io::Queue>> make_queue(
      const io::QueueOptions& options) override;
  [[nodiscard]] Status make_directory(const std::string& path) override {
    return machine_.make_directory(path);
  }
  [[nodiscard]] Status rename(const std::string& from, const std::string& to) override {
    return machine_.rename(from, to);
  }
  [[nodiscard]] Status rename_new(const std::string& from, const std::string& to) override {
    return machine_.rename_new(from, to);
  }
  [[nodiscard]] Status remove(const std::string& path) override { return machine_.remove(path); }
  [[nodiscard]] Status sync_directory(const std::string& path) override {
    return machine_.sync_directory(path);
  }
  [[nodiscard]] Result<std::vector<std::string>> list_directory(const std::string& path) override {
    return machine_.list_directory(path);
  }
  [[nodiscard]] Result<bool> exists(const std::string& path) override {
    return machine_.exists(path);
  }
  [[nodiscard]] Result<host::FileId> identify(const std::string& path) override {
    return machine_.identify(path);
  }
  [[nodiscard]] Result<std::uint64_t> allocated_bytes(const std::string& path) override {
    return machine_.allocated_bytes(path);
  }
  [[nodiscard]] Result<std::int64_t> modified_at(const std::string& path) override {
    return machine_.modified_at(path);
  }
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> try_lock(const std::string& path,
                                                           std::uint64_t offset,
                                                           io::LockMode mode) override {
    return machine_.try_lock(path, offset, mode);
  }
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> lock(const std::string& path,
                                                       std::uint64_t offset,
                                                       io::LockMode mode) override {
    return machine_.lock(path, offset, mode);
  }
  [[nodiscard]] Result<bool> is_locked(const std::string& path, std::uint64_t offset) override {
    return machine_.is_locked(path, offset);
  }
  [[nodiscard]] Result<host::DeviceInfo> probe(const std::string& path) override {
    return machine_.probe(path);
  }
  [[nodiscard]] Result<host::DeviceInfo> probe(io::File& file) override {
    return machine_.probe(file);
  }
  [[nodiscard]] Result<bool> lives_on(const std::string& directory,
                                      const host::DeviceInfo& device) override {
    return machine_.lives_on(directory, device);
  }

 private:
  const std::shared_ptr<RemoteNetwork> network_;
  SimulatedEnv& machine_;
};

}  // namespace blkrewind::sim
