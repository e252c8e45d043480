// The meaning of the catalog's rows, and which changes are allowed.
#include "control/catalog/catalog.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <algorithm>
#include <utility>

#include "base/ids.h"
#include "base/log.h"
#include "control/catalog/catalog_seals.h"
#include "control/rules/reset_rules.h"

namespace blkrewind::control {
namespace {

InstanceRow local_row() {
  InstanceRow row;
  row.id = kLocalInstance;
  return row;
}

InstanceRow instance_of(SQLite::Statement& query) {
  InstanceRow row;
  row.id = query.getColumn(0).getString();
  row.name = query.getColumn(1).getString();
  row.status = query.getColumn(2).getString();
  row.expires_at = query.getColumn(3).getInt64();
  row.in_arrears = query.getColumn(4).getInt() != 0;
  row.created_at = query.getColumn(5).getInt64();
  return row;
}

Attachment attachment_of(SQLite::Statement& query) {
  Attachment row;
  row.disk_id = query.getColumn(0).getString();
  row.instance_id = query.getColumn(1).getString();
  row.attached_at = query.getColumn(2).getInt64();
  row.first_detached_at = query.getColumn(3).getInt64();
  row.detached_at = query.getColumn(4).getInt64();
  row.detached_before = static_cast<std::uint64_t>(query.getColumn(5).getInt64());
  return row;
}

constexpr const char* kInstanceColumns =
    "SELECT id, name, status, expires_at, in_arrears, created_at FROM instances ";
bool knows_last_detach(SQLite::Database& database) {
  return database.execAndGet("PRAGMA user_version").getInt() >= 3;
}
std::string disk_columns(SQLite::Database& database) {
  return std::string("SELECT disk_id, instance_id, attached_at, first_detached_at, detached_at, ") +
         (knows_last_detach(database) ? "detached_before" : "0") + " FROM disks ";
}

std::vector<std::string> locks_of(SQLite::Database& database, const std::string& id) {
  SQLite::Statement query(
      database, "SELECT reason FROM instance_locks WHERE instance_id = ? ORDER BY reason");
  query.bind(1, id);
  std::vector<std::string> locks;
  while (query.executeStep()) locks.push_back(query.getColumn(0).getString());
  return locks;
}

std::optional<InstanceRow> find_instance(SQLite::Database& database, Seals& seals,
                                         const std::string& id) {
  seals.check("instances", id);
  seals.check("instance_locks", id);
  SQLite::Statement query(database, std::string(kInstanceColumns) + "WHERE id = ?");
  query.bind(1, id);
  if (!query.executeStep()) return std::nullopt;
  InstanceRow row = instance_of(query);
  row.locks = locks_of(database, id);
  return row;
}

std::optional<Attachment> find_disk(SQLite::Database& database, Seals& seals,
                                    const std::string& disk_id) {
  seals.check("disks", disk_id);
  SQLite::Statement query(database, disk_columns(database) + "WHERE disk_id = ?");
  query.bind(1, disk_id);
  if (!query.executeStep()) return std::nullopt;
  return attachment_of(query);
}

void put_disk(SQLite::Database& database, const Attachment& row) {
  SQLite::Statement put(database, "INSERT OR REPLACE INTO disks VALUES(?, ?, ?, ?, ?, ?)");
  put.bind(1, row.disk_id);
  put.bind(2, row.instance_id);
  put.bind(3, row.attached_at);
  put.bind(4, row.first_detached_at);
  put.bind(5, row.detached_at);
  put.bind(6, static_cast<std::int64_t>(row.detached_before));
  put.exec();
}

// The instance, or the error if there is no such instance.
Result<InstanceRow> need_instance(SQLite::Database& database, Seals& seals, const std::string& id) {
  auto row = find_instance(database, seals, id);
  if (!row) return fail(no_such_instance(id));
  return *row;
}

Remedy unlock(const std::string& instance, const std::string& reason) {
  return {Verb::kInstanceUnlock,
          "unlock it",
          {{Parameter::kInstance, instance}, {Parameter::kReason, reason}}};
}

Status refuse_if_locked(const InstanceRow& row) {
  if (!row.has_lock(kSecurityLock)) return {};
  return fail(refused(ResetRule::kLockedForSecurity, unlock(row.id, std::string(kSecurityLock))));
}

}  // namespace

bool InstanceRow::has_lock(std::string_view reason) const {
  return std::find(locks.begin(), locks.end(), reason) != locks.end();
}

Status tolerate_leftover_row(Status removed, const std::string& id) {
  if (removed) return removed;
  const Errc code = removed.error().code;
  if (code != Errc::kNoSpace && code != Errc::kIo && code != Errc::kBusy) return removed;
  log::warning("the catalog still has a row for " + id +
               ", which the next \"store gc\" removes: " + removed.error().to_string());
  return {};
}

Error no_such_instance(const std::string& id) {
  Error error;
  error.code = Errc::kNotFound;
  error.api = ApiCode::kInstanceNotFound;
  error.message = "The specified InstanceId does not exist.";
  error.remedy = Remedy(Verb::kInstanceShow, "see the instances")
                     .or_else({Verb::kInstanceCreate,
                               "create it",
                               {{Parameter::kInstance, is_valid_id("i-", id) ? id : ""}}});
  return error;
}

Result<std::vector<InstanceRow>> Catalog::instances() {
  std::vector<InstanceRow> rows;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    seals_->check_all_of("instances");
    seals_->check_all_of("instance_locks");
    SQLite::Statement query(database,
                            std::string(kInstanceColumns) + "ORDER BY id <> 'i-local', rowid");
    while (query.executeStep()) rows.push_back(instance_of(query));
    for (InstanceRow& row : rows) row.locks = locks_of(database, row.id);
  }));
  if (rows.empty() || !rows.front().is_local()) rows.insert(rows.begin(), local_row());
  return rows;
}

Result<std::optional<InstanceRow>> Catalog::instance(const std::string& id) {
  std::optional<InstanceRow> row;
  BLKREWIND_TRY(
      read([&](SQLite::Database& database) { row = find_instance(database, *seals_, id); }));
  if (!row && id == kLocalInstance) row = local_row();
  return row;
}

Result<std::optional<Attachment>> Catalog::attachment(const std::string& disk_id) {
  std::optional<Attachment> row;
  BLKREWIND_TRY(
      read([&](SQLite::Database& database) { row = find_disk(database, *seals_, disk_id); }));
  return row;
}

Result<std::vector<Attachment>> Catalog::attachments() {
  std::vector<Attachment> rows;
  BLKREWIND_TRY(read([&](SQLite::Database& database) {
    seals_->check_all_of("disks");
    SQLite::Statement query(database, disk_columns(database) + "ORDER BY disk_id");
    while (query.executeStep()) rows.push_back(attachment_of(query));
  }));
  return rows;
}

Status Catalog::create_instance(const std::string& id, const std::string& name, std::int64_t now) {
  return change([&](SQLite::Database& database) -> Status {
    if (find_instance(database, *seals_, id)) {
      return fail(
          Errc::kAlreadyExists, "there is already an instance " + id,
          Remedy("choose another id")
              .or_else({Verb::kInstanceShow, "see that instance", {{Parameter::kInstance, id}}}));
    }
    SQLite::Statement insert(database, "INSERT INTO instances VALUES(?, ?, 'Stopped', 0, 0, ?)");
    insert.bind(1, id);
    insert.bind(2, name);
    insert.bind(3, now);
    insert.exec();
    return {};
  });
}

Status Catalog::set_status(const std::string& id, std::string_view status, bool dry_run) {
  return change([&](SQLite::Database& database) -> Status {
    BLKREWIND_ASSIGN(const InstanceRow row, need_instance(database, *seals_, id));
    if (row.is_local()) {
      return fail(
          refused(ResetRule::kInstanceStatus,
                  Remedy().because("the status of i-local is observed: it is Running while one of "
                                   "its devices is in use")));
    }
    BLKREWIND_TRY(refuse_if_locked(row));
    if (row.status == status) {
      return fail(
          refused(ResetRule::kInstanceStatus, Remedy().because(id + " is already " + row.status)));
    }
    if (dry_run) {
      return fail(refused(ResetRule::kDryRun, "send the request without DryRun to carry it out"));
    }
    SQLite::Statement update(database, "UPDATE instances SET status = ? WHERE id = ?");
    update.bind(1, std::string(status));
    update.bind(2, id);
    update.exec();
    return {};
  });
}

Status Catalog::lock_instance(const std::string& id, const std::string& reason) {
  return change([&](SQLite::Database& database) -> Status {
    BLKREWIND_TRY(need_instance(database, *seals_, id));
    SQLite::Statement insert(database, "INSERT OR IGNORE INTO instance_locks VALUES(?, ?)");
    insert.bind(1, id);
    insert.bind(2, reason);
    insert.exec();
    return {};
  });
}

Status Catalog::unlock_instance(const std::string& id, const std::string& reason) {
  return change([&](SQLite::Database& database) -> Status {
    BLKREWIND_ASSIGN(const InstanceRow row, need_instance(database, *seals_, id));
    SQLite::Statement remove(database,
                             "DELETE FROM instance_locks WHERE instance_id = ? AND reason = ?");
    remove.bind(1, id);
    remove.bind(2, reason);
    if (remove.exec() == 0) {
      std::string held;
      for (const std::string& lock : row.locks) held += (held.empty() ? "" : ", ") + lock;
      return fail(Errc::kNotFound, id + " is not locked for the reason \"" + reason + "\"",
                  Remedy().because(held.empty() ? "it has no lock" : "its locks are: " + held));
    }
    return {};
  });
}

Status Catalog::change_instance(const std::string& id, const InstanceChange& wanted) {
  return change([&](SQLite::Database& database) -> Status {
    BLKREWIND_ASSIGN(const InstanceRow row, need_instance(database, *seals_, id));
    SQLite::Statement update(
        database, "UPDATE instances SET name = ?, expires_at = ?, in_arrears = ? WHERE id = ?");
    update.bind(1, wanted.name.value_or(row.name));
    update.bind(2, wanted.expires_at.value_or(row.expires_at));
    update.bind(3, wanted.in_arrears.value_or(row.in_arrears) ? 1 : 0);
    update.bind(4, id);
    update.exec();
    return {};
  });
}

Status Catalog::delete_instance(const std::string& id, std::span<const std::string> known_disks) {
  return change([&](SQLite::Database& database) -> Status {
    BLKREWIND_ASSIGN(const InstanceRow row, need_instance(database, *seals_, id));
    if (row.is_local()) {
      return fail(
          refused(ResetRule::kInstanceStatus,
                  Remedy(Verb::kDiskDetach, "detach its disks instead", {{Parameter::kTarget, {}}})
                      .because("i-local is this machine and cannot be deleted")));
    }
    BLKREWIND_TRY(refuse_if_locked(row));
    if (row.status != kStopped) {
      return fail(refused(ResetRule::kInstanceStatus, Remedy(Verb::kInstanceStop, "stop it",
                                                             {{Parameter::kInstance, row.id}})));
    }
    seals_->check_all_of("disks");
    SQLite::Statement query(database, disk_columns(database) + "WHERE instance_id = ?");
    query.bind(1, id);
    while (query.executeStep()) {
      const std::string disk_id = attachment_of(query).disk_id;
      if (std::find(known_disks.begin(), known_disks.end(), disk_id) != known_disks.end()) {
        return fail(refused(
            ResetRule::kInstanceStatus,
            Remedy(Verb::kDiskDetach, "detach its disks first", {{Parameter::kTarget, disk_id}})));
      }
    }
    query.reset();
    // Disks that the store no longer has may still be listed here.
    for (const char* text : {"DELETE FROM disks WHERE instance_id = ?",
                             "DELETE FROM instance_locks WHERE instance_id = ?",
                             "DELETE FROM instances WHERE id = ?"}) {
      SQLite::Statement remove(database, text);
      remove.bind(1, id);
      remove.exec();
    }
    return {};
  });
}

Status Catalog::attach(const std::string& disk_id, const std::string& instance_id,
                       std::int64_t now) {
  return change([&](SQLite::Database& database) -> Status {
    BLKREWIND_ASSIGN(const InstanceRow instance, need_instance(database, *seals_, instance_id));
    auto row = find_disk(database, *seals_, disk_id);
    if (!row || !row->instance_id.empty()) {
      return fail(
          refused(ResetRule::kDiskStatus,
                  Remedy(Verb::kDiskDetach, "detach it first", {{Parameter::kTarget, disk_id}})
                      .because("it is attached to " +
                               (row ? row->instance_id : std::string(kLocalInstance)))));
    }
    BLKREWIND_TRY(refuse_if_locked(instance));
    row->instance_id = instance_id;
    row->attached_at = now;
    put_disk(database, *row);
    return {};
  });
}

Status Catalog::detach(const std::string& disk_id, std::int64_t registered_at, std::int64_t now,
                       std::uint64_t next_snapshot) {
  return change([&](SQLite::Database& database) -> Status {
    Attachment row;
    if (auto found = find_disk(database, *seals_, disk_id)) {
      row = *found;
    } else {
      row.disk_id = disk_id;
      row.instance_id = kLocalInstance;
      row.attached_at = registered_at;
    }
    if (row.instance_id.empty()) {
      return fail(refused(ResetRule::kDiskStatus, Remedy().because("it is already Available")));
    }
    if (const auto instance = find_instance(database, *seals_, row.instance_id)) {
      BLKREWIND_TRY(refuse_if_locked(*instance));
    }
    row.instance_id.clear();
    row.detached_at = now;
    row.detached_before = next_snapshot;
    if (row.first_detached_at == 0) row.first_detached_at = now;
    put_disk(database, row);
    return {};
  });
}

Status Catalog::forget_disk(const std::string& disk_id) {
  // If there is nothing to remove, no catalog must be created.
  BLKREWIND_ASSIGN(const auto row, attachment(disk_id));
  if (!row) return {};
  return change([&](SQLite::Database& database) -> Status {
    SQLite::Statement remove(database, "DELETE FROM disks WHERE disk_id = ?");
    remove.bind(1, disk_id);
    remove.exec();
    return {};
  });
}

}  // namespace blkrewind::control
