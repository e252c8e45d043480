// Connections to the catalog's file.
//
// None of them maps a file. Where the file system is full, a write to a mapped file ends the
// process by a signal; a write to a file that is not mapped returns an error. So the catalog has a
// rollback journal: the write-ahead log of SQLite has an index that is mapped. It also works by
// locks and reads of the file alone, which other machines on a network file system see as well.
//
// Catalogs that earlier versions made on a local file system have a write-ahead log.
//
// All of these throw SQLite::Exception.
#pragma once

#include <memory>
#include <string>

#include "blkrewind/error.h"
#include "control/catalog/catalog_schema.h"

namespace blkrewind::control {

[[nodiscard]] std::string folder_of(const std::string& path);
[[nodiscard]] std::string name_of(const std::string& path);

// The catalog has a rollback journal afterwards; nothing is done if it has one. kBusy: it has a
// write-ahead log, and for `wait_ms` other processes had it open.
[[nodiscard]] Status replace_log(const std::string& path, StepLimit& limit, int wait_ms);

// Of a catalog with a rollback journal, or ":memory:". A file that may not be written is opened to
// be read.
[[nodiscard]] std::unique_ptr<SQLite::Database> connect(const std::string& path, StepLimit& limit);

// To read what is there now, write-ahead log included, where it can be neither locked nor written.
// Another process may change it meanwhile: what was read has to be verified.
[[nodiscard]] std::unique_ptr<SQLite::Database> connect_without_locks(const std::string& path,
                                                                      StepLimit& limit);

// Whether a process was interrupted, or is, while it changed the catalog: its journal is needed.
[[nodiscard]] bool has_journal(const std::string& path);

}  // namespace blkrewind::control
