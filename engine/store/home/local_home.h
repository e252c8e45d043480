// A store in a folder of this machine. Leases are locks of open file descriptions: they end with
// their process and cannot be lost before, so the epoch is raised by the owner's first append.
#pragma once

#include <memory>
#include <string>

#include "store/home/home.h"
#include "store/home/local_layout.h"

namespace blkrewind::store {

class LocalHome final : public Home {
 public:
  // Makes a store in a missing or empty folder. After an interruption there is no format file, and
  // a second create() starts again. kAlreadyExists.
  [[nodiscard]] static Status create(io::Env& machine, const std::string& path,
                                     const format::StoreHeader& header);
  // Whether the folder contains a store.
  [[nodiscard]] static Result<bool> exists(io::Env& env, const std::string& path);
  // kNotFound: it does not. The format file is read by read_header().
  [[nodiscard]] static Result<std::unique_ptr<LocalHome>> open(io::Env& machine,
                                                               const std::string& path);

  // `folder`: Env::beneath() of the path; null: `env` itself is used.
  LocalHome(io::Env& env, std::unique_ptr<io::Env> folder, LocalLayout layout);

  [[nodiscard]] io::Env& env() override { return env_; }
  [[nodiscard]] const std::string& folder() const override { return layout_.root(); }
  [[nodiscard]] const LocalLayout& layout() const { return layout_; }

  [[nodiscard]] Result<format::StoreHeader> read_header() override;
  [[nodiscard]] Result<std::unique_ptr<HomeLog>> open_log(format::DiskNumber disk,
                                                          const LogKey& key) override;
  [[nodiscard]] Status check_own_log(format::DiskNumber disk, const LogKey& key) override;
  [[nodiscard]] Status create_log(format::DiskNumber disk, const LogKey& key) override;
  [[nodiscard]] Status remove_disk(format::DiskNumber disk) override;
  [[nodiscard]] Status for_each_disk(
      const std::function<Status(format::DiskNumber)>& visit) override;
  [[nodiscard]] Result<std::unique_ptr<HomeLease>> take_lease(format::DiskNumber disk,
                                                              io::LockMode mode) override;
  [[nodiscard]] Result<bool> has_owner(format::DiskNumber disk) override;
  [[nodiscard]] Result<std::unique_ptr<io::Lock>> hold_snapshot(format::DiskNumber disk,
                                                                format::SnapshotNumber snapshot,
                                                                io::LockMode mode) override;
  [[nodiscard]] std::string holders(format::DiskNumber disk,
                                    format::SnapshotNumber snapshot) override;
  [[nodiscard]] Result<std::unique_ptr<io::File>> create_segment(format::DiskNumber disk,
                                                                 format::SegmentId id) override;
  [[nodiscard]] Result<std::unique_ptr<io::File>> open_segment(format::DiskNumber disk,
                                                               format::SegmentId id,
                                                               io::Access access) override;
  [[nodiscard]] Status remove_segment(format::DiskNumber disk, format::SegmentId id) override;
  [[nodiscard]] Result<std::uint64_t> segment_bytes(format::DiskNumber disk,
                                                    format::SegmentId id) override;
  [[nodiscard]] Status for_each_segment(
      format::DiskNumber disk, const std::function<Status(format::SegmentId)>& visit) override;
  [[nodiscard]] Status sync_segments(format::DiskNumber disk) override;
  [[nodiscard]] std::string segment_name(format::DiskNumber disk,
                                         format::SegmentId id) const override {
    return layout_.segment(disk, id);
  }

 private:
  std::unique_ptr<io::Env> folder_;
  io::Env& env_;
  const LocalLayout layout_;
};

// The format file of the store whose names `env` resolves.
[[nodiscard]] Result<format::StoreHeader> read_format_file(io::Env& env, const LocalLayout& layout);
// Written under its temporary name, which exists, and flushed.
[[nodiscard]] Status write_format_file(io::Env& env, const LocalLayout& layout,
                                       const format::StoreHeader& header);

// The numbers among the names of a folder; none if it does not exist.
[[nodiscard]] Status for_each_number(io::Env& env, const std::string& folder,
                                     const std::function<Status(std::uint32_t)>& visit);

}  // namespace blkrewind::store
