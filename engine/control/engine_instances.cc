// Instances: those of the catalog, and i-local with its observed status.
#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/remedies.h"
#include "control/caught.h"
#include "control/describe.h"
#include "control/engine_impl.h"

namespace blkrewind {

using control::Attachment;
using control::InstanceRow;
using control::kLocalInstance;
using control::no_such_instance;
using control::refused;
using control::ResetRule;

namespace {

const std::string& instance_of(const format::DiskRecord& disk,
                               const std::vector<Attachment>& attachments,
                               const std::string& local) {
  for (const Attachment& attachment : attachments) {
    if (attachment.disk_id == disk.id) return attachment.instance_id;
  }
  return local;
}

// LockReason of the API: security, financial, recycling, dedicatedhostfinancial, ...
Status check_reason(const std::string& reason) {
  const bool plain = std::all_of(reason.begin(), reason.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (plain && !reason.empty() && reason.size() <= 64) return {};
  return fail(Errc::kInvalidArgument, "invalid reason for a lock \"" + reason + "\"",
              "use 1 to 64 small letters, digits and hyphens: security, financial, ...");
}

Status check_instance_name(const std::string& name) {
  if (name.empty() || is_printable_text(name, kMaxNameBytes)) return {};
  return fail(Errc::kInvalidArgument, "invalid instance name",
              "use at most 128 bytes of printable text");
}

}  // namespace

std::vector<host::UsedBy> Engine::Impl::uses_of(const format::DiskRecord& disk) {
  return control::observe_device(*env_, disk, disk.path).used_by;
}

Result<InstanceInfo> Engine::Impl::describe_instance(const InstanceRow& row,
                                                     const std::vector<format::DiskRecord>& disks) {
  InstanceInfo info;
  info.id = row.id;
  info.name = row.name;
  info.status = row.is_local() ? std::string(control::kStopped) : row.status;
  info.locks = row.locks;
  info.expires_at = row.expires_at;
  info.in_arrears = row.in_arrears;
  info.created_at = row.created_at;
  BLKREWIND_ASSIGN(const auto attachments, catalog_->attachments());
  const std::string local(kLocalInstance);
  for (const format::DiskRecord& disk : disks) {
    if (instance_of(disk, attachments, local) != row.id) continue;
    info.disk_ids.push_back(disk.id);
    if (row.is_local() && !uses_of(disk).empty()) info.status = control::kRunning;
  }
  return info;
}

Result<InstanceInfo> Engine::instance(const std::string& id) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  BLKREWIND_ASSIGN(const auto row, impl().catalog_->instance(id));
  if (!row) return fail(no_such_instance(id));
  return impl().describe_instance(*row, impl().operations_->known_disks());
} catch (...) {
  return fail(caught());
}

Result<std::vector<InstanceInfo>> Engine::instances() try {
  BLKREWIND_TRY(impl().operations_->refresh());
  BLKREWIND_ASSIGN(const auto rows, impl().catalog_->instances());
  const auto disks = impl().operations_->known_disks();
  std::vector<InstanceInfo> infos;
  for (const InstanceRow& row : rows) {
    BLKREWIND_ASSIGN(InstanceInfo info, impl().describe_instance(row, disks));
    infos.push_back(std::move(info));
  }
  return infos;
} catch (...) {
  return fail(caught());
}

Result<InstanceInfo> Engine::create_instance(const std::string& id, const std::string& name) try {
  const std::string wanted = id.empty() ? new_id("i-") : id;
  if (wanted == kLocalInstance) {
    return fail(Errc::kAlreadyExists, "i-local is this machine and always exists",
                "choose another id");
  }
  if (!is_valid_id("i-", wanted)) {
    return fail(Errc::kInvalidArgument, "invalid instance id \"" + wanted + "\"",
                "use \"i-\" and letters or digits, at most 30 characters in all");
  }
  BLKREWIND_TRY(check_instance_name(name));
  BLKREWIND_TRY(impl().catalog_->create_instance(wanted, name, impl().now()));
  return instance(wanted);
} catch (...) {
  return fail(caught());
}

Status Engine::start_instance(const std::string& id, bool dry_run) try {
  if (id == kLocalInstance) {
    return fail(
        refused(ResetRule::kInstanceStatus,
                Remedy().because("i-local is observed and cannot be started: it is Running while "
                                 "one of its devices is in use, for instance mounted")));
  }
  // It would write to a disk that is being written to.
  BLKREWIND_ASSIGN(const InstanceInfo info, instance(id));
  for (const std::string& disk_id : info.disk_ids) {
    BLKREWIND_ASSIGN(const DiskInfo one, disk(disk_id));
    if (one.status != "ReIniting") continue;
    return fail(refused(ResetRule::kInstanceStatus,
                        Remedy("wait until it has ended")
                            .or_else(look_into_list("see its state", disk_id))
                            .because("its disk " + disk_id + " is being rolled back")));
  }
  return impl().catalog_->set_status(id, control::kRunning, dry_run);
} catch (...) {
  return fail(caught());
}

Status Engine::stop_instance(const std::string& id, bool dry_run) try {
  if (id != kLocalInstance) return impl().catalog_->set_status(id, control::kStopped, dry_run);
  BLKREWIND_TRY(impl().operations_->refresh());
  BLKREWIND_ASSIGN(const auto attachments, impl().catalog_->attachments());
  const std::string local(kLocalInstance);
  Remedy remedy;
  std::string reason =
      "i-local is observed and cannot be stopped: it is Stopped while none of its devices is in "
      "use";
  for (const format::DiskRecord& disk : impl().operations_->known_disks()) {
    if (instance_of(disk, attachments, local) != local) continue;
    for (const host::UsedBy& use : impl().uses_of(disk)) {
      reason += "; " + disk.path + ": " + use.what;
      remedy = Remedy(remedy).and_then(use.remedy);
    }
  }
  return fail(refused(ResetRule::kInstanceStatus, std::move(remedy).because(std::move(reason))));
} catch (...) {
  return fail(caught());
}

Status Engine::lock_instance(const std::string& id, const std::string& reason) try {
  BLKREWIND_TRY(check_reason(reason));
  return impl().catalog_->lock_instance(id, reason);
} catch (...) {
  return fail(caught());
}

Status Engine::unlock_instance(const std::string& id, const std::string& reason) try {
  BLKREWIND_TRY(check_reason(reason));
  return impl().catalog_->unlock_instance(id, reason);
} catch (...) {
  return fail(caught());
}

Status Engine::change_instance(const std::string& id, const InstanceChange& change) try {
  if (change.name) BLKREWIND_TRY(check_instance_name(*change.name));
  if (change.expires_at && *change.expires_at < 0) {
    return fail(Errc::kInvalidArgument, "invalid time of expiry: before 1970",
                "use 0 for an instance that never expires");
  }
  return impl().catalog_->change_instance(id, change);
} catch (...) {
  return fail(caught());
}

Status Engine::delete_instance(const std::string& id) try {
  BLKREWIND_TRY(impl().operations_->refresh());
  std::vector<std::string> known_disks;
  for (const auto& record : impl().operations_->known_disks()) known_disks.push_back(record.id);
  return impl().catalog_->delete_instance(id, known_disks);
} catch (...) {
  return fail(caught());
}

}  // namespace blkrewind
