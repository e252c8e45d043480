#include "control/catalog/catalog_seals.h"

#include <SQLiteCpp/SQLiteCpp.h>
#include <sqlite3.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <iterator>
#include <new>
#include <span>

#include "base/check.h"
#include "control/catalog/catalog_schema.h"

namespace blkrewind::control {

struct Seals::Table {
  int kind;
  std::string_view name;
  std::string_view key;
  std::string_view sub;  // the second column of the key; empty: it has one

  [[nodiscard]] std::string order() const {
    return " ORDER BY " + std::string(key) + (sub.empty() ? "" : ", " + quoted(sub));
  }
  // The second part of the key, of the row that `prefix` names.
  [[nodiscard]] std::string sub_of(const std::string& prefix) const {
    return sub.empty() ? "''" : prefix + quoted(sub);
  }
  [[nodiscard]] std::string key_of(const std::string& prefix) const {
    return "CAST(" + prefix + quoted(key) + " AS TEXT)";
  }

  static std::string quoted(std::string_view column) { return '"' + std::string(column) + '"'; }
};

// The order of the kinds is part of the format. The first three are in every version.
constexpr Seals::Table Seals::kTables[] = {
    {1, "instances", "id", ""},
    {2, "instance_locks", "instance_id", "reason"},
    {3, "disks", "disk_id", ""},
    {4, "resets", "disk_id", ""},
    {5, "snapshot_notes", "snapshot_id", ""},
    {6, "snapshot_tags", "snapshot_id", "key"},
    {7, "client_tokens", "token", ""},
    {8, "clock", "id", ""},
};

namespace {

[[noreturn]] void damage(std::string_view table, const char* what) {
  throw SQLite::Exception(
      "the rows of " + std::string(table) + " do not match their seals: " + what, SQLITE_CORRUPT);
}

// The sum of digests, modulo 2^128.
using Sum = unsigned __int128;
constexpr std::size_t kSumBytes = sizeof(Sum);

void append_number(std::string& bytes, std::uint64_t value, int length) {
  for (int i = 0; i < length; ++i) bytes += static_cast<char>(value >> (8 * i));
}

std::string bytes_of(Sum sum) {
  std::string bytes;
  append_number(bytes, static_cast<std::uint64_t>(sum), 8);
  append_number(bytes, static_cast<std::uint64_t>(sum >> 64), 8);
  return bytes;
}

Sum sum_of(std::string_view bytes) {
  Sum sum = 0;
  for (std::size_t i = kSumBytes; i-- > 0;) sum = sum << 8 | static_cast<std::uint8_t>(bytes[i]);
  return sum;
}

std::string_view value_of(sqlite3_value* value) {
  // The pointer first: it may convert the value, which changes its size.
  const auto* bytes = static_cast<const char*>(sqlite3_value_blob(value));
  return {bytes, bytes == nullptr ? 0 : static_cast<std::size_t>(sqlite3_value_bytes(value))};
}

void return_bytes(sqlite3_context* context, const std::string& bytes) {
  sqlite3_result_blob(context, bytes.data(), static_cast<int>(bytes.size()), SQLITE_TRANSIENT);
}

// The content of a row: the length and the text of each value.
std::string content_of(int count, sqlite3_value** values) {
  std::string content;
  for (int i = 0; i < count; ++i) {
    const std::string_view text = value_of(values[i]);
    append_number(content, text.size(), 4);
    content += text;
  }
  return content;
}

struct Digester {
  const DigestSecret* secret;
  std::uint64_t* digested;
};

// row_seal(kind, column...)
void row_seal(sqlite3_context* context, int count, sqlite3_value** values) noexcept try {
  const auto* digester = static_cast<const Digester*>(sqlite3_user_data(context));
  const std::string content = content_of(count - 1, values + 1);
  const auto kind = static_cast<std::uint32_t>(sqlite3_value_int(values[0]));
  const Digest digest =
      digest_of(*digester->secret, std::as_bytes(std::span(content)), DigestDomain::kRow, kind, 0);
  ++*digester->digested;
  return_bytes(context, bytes_of(Sum{digest.high} << 64 | digest.low));
} catch (const std::bad_alloc&) {
  sqlite3_result_error_nomem(context);
}

// seal_sum(sum, added, removed)
void seal_sum(sqlite3_context* context, int count, sqlite3_value** values) noexcept try {
  Sum result = 0;
  for (int i = 0; i < count; ++i) {
    const std::string_view bytes = value_of(values[i]);
    if (bytes.size() != kSumBytes) {
      sqlite3_result_error_code(context, SQLITE_CORRUPT);
      return;
    }
    result += i == 2 ? Sum{0} - sum_of(bytes) : sum_of(bytes);
  }
  return_bytes(context, bytes_of(result));
} catch (const std::bad_alloc&) {
  sqlite3_result_error_nomem(context);
}

void register_function(SQLite::Database& database, const char* name, int arguments, void* data,
                       void (*function)(sqlite3_context*, int, sqlite3_value**) noexcept,
                       void (*destroy)(void*)) {
  // Not for views and triggers of the file; those of the connection may use it.
  constexpr int kFlags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_DIRECTONLY;
  database.check(sqlite3_create_function_v2(database.getHandle(), name, arguments, kFlags, data,
                                            function, nullptr, nullptr, destroy));
}

int data_version(SQLite::Database& database) {
  return database.execAndGet("PRAGMA main.data_version").getInt();
}

// `prefix` before each column of the table, separated by commas.
std::string columns_of(SQLite::Database& database, std::string_view table,
                       const std::string& prefix) {
  SQLite::Statement query(database, "PRAGMA main.table_info(" + std::string(table) + ")");
  std::string columns;
  while (query.executeStep()) {
    columns += ", " + prefix + '"' + query.getColumn(1).getString() + '"';
  }
  return columns;
}

std::string seal_call(SQLite::Database& database, int kind, std::string_view table,
                      const std::string& prefix = "") {
  return "row_seal(" + std::to_string(kind) + columns_of(database, table, prefix) + ")";
}

constexpr const char* kSelectSeals = "SELECT digest, key, sub FROM seals WHERE kind = ?";
constexpr int kSealColumns = 3;

// The two queries return the same seals in the same order.
void compare_digests(SQLite::Statement& rows, SQLite::Statement& seals, std::string_view table) {
  for (;;) {
    const bool row = rows.executeStep();
    const bool seal = seals.executeStep();
    if (!row && !seal) return;
    if (!row) damage(table, "a row is missing");
    if (!seal) damage(table, "a row is not one that was written");
    for (int i = 0; i < kSealColumns; ++i) {
      if (rows.getColumn(i).getString() != seals.getColumn(i).getString()) {
        damage(table, "a row has changed");
      }
    }
  }
}

void refuse_fault(const std::string& fault) {
  if (!fault.empty()) throw SQLite::Exception(fault, SQLITE_CORRUPT);
}

}  // namespace

// The seals that the rows of the table should have.
std::string Seals::select_seals(const Table& table) {
  return "SELECT " + seal_call(database_, table.kind, table.name) + ", " + table.key_of("") + ", " +
         table.sub_of("") + " FROM " + std::string(table.name);
}

Seals::Seals(SQLite::Database& database) : database_(database) {
  register_function(database, "row_seal", -1, new Digester{&secret_, &digested_}, row_seal,
                    [](void* data) { delete static_cast<Digester*>(data); });
  register_function(database, "seal_sum", 3, nullptr, seal_sum, nullptr);
}

const Seals::Table& Seals::table_named(std::string_view name) {
  const auto* const found = std::ranges::find(kTables, name, &Table::name);
  BLKREWIND_CHECK(found != std::end(kTables));
  return *found;
}

std::span<const Seals::Table> Seals::tables() const {
  constexpr std::size_t kOfVersion5 = 3;
  return std::span(kTables).first(has_old_tables(database_) ? std::size(kTables) : kOfVersion5);
}

void Seals::drop_old_tables() {
  drop_tables_for_version5(database_);
  for (const Table& table : std::span(kTables).subspan(tables().size())) {
    const std::string kind = std::to_string(table.kind);
    database_.exec("DELETE FROM seals WHERE kind = " + kind +
                   "; DELETE FROM seal_sums WHERE kind = " + kind);
    checked_.erase(table.kind);
  }
  database_.exec("PRAGMA user_version=5");
}

void Seals::unload() {
  loaded_ = false;
  checked_.clear();
}

void Seals::read_key() {
  SQLite::Statement query(database_, "SELECT secret FROM seal_secret");
  if (!query.executeStep()) throw SQLite::Exception("its seals have no key", SQLITE_CORRUPT);
  const std::string secret = query.getColumn(0).getString();
  if (secret.size() != secret_.size()) {
    throw SQLite::Exception("the key of its seals has another length", SQLITE_CORRUPT);
  }
  std::memcpy(secret_.data(), secret.data(), secret.size());
}

void Seals::load() {
  unload();
  read_key();
  loaded_ = true;
  std::int64_t rows = 0;
  for (const Table& table : tables()) {
    check_all_of(table.name);
    rows += rows_of(table.name);
  }
  const auto count = [&](const char* text) { return database_.execAndGet(text).getInt64(); };
  if (count("SELECT count(*) FROM seals") != rows ||
      count("SELECT count(*) FROM seal_sums") != static_cast<std::int64_t>(tables().size()) ||
      count("SELECT count(*) FROM content_digest") != 0) {
    throw SQLite::Exception("it has seals of no row", SQLITE_CORRUPT);
  }
}

void Seals::make() {
  unload();
  database_.exec(
      "DELETE FROM seals; DELETE FROM seal_sums; DELETE FROM seal_secret; "
      "INSERT INTO seal_secret VALUES(1, randomblob(192))");
  static_assert(kDigestSecretBytes == 192);
  read_key();
  for (const Table& table : tables()) {
    const std::string kind = std::to_string(table.kind);
    database_.exec("INSERT INTO seals SELECT " + kind + ", " + table.key_of("") + ", " +
                   table.sub_of("") + ", " + seal_call(database_, table.kind, table.name) +
                   " FROM " + std::string(table.name));
    Sum sum = 0;
    std::int64_t number = 0;
    SQLite::Statement digests(database_, "SELECT digest FROM seals WHERE kind = " + kind);
    for (; digests.executeStep(); ++number) sum += sum_of(digests.getColumn(0).getString());
    SQLite::Statement insert(database_, "INSERT INTO seal_sums VALUES(?, ?, ?)");
    const std::string bytes = bytes_of(sum);
    insert.bind(1, table.kind);
    insert.bind(2, number);
    insert.bind(3, bytes.data(), static_cast<int>(bytes.size()));
    insert.exec();
    checked_[table.kind] = data_version(database_);
  }
  loaded_ = true;
}

void Seals::guard() {
  SQLite::Statement query(database_, "SELECT 1 FROM temp.sqlite_master WHERE type = 'trigger'");
  if (query.executeStep()) return;
  // REPLACE fires the triggers of what it deletes only with this.
  database_.exec("PRAGMA recursive_triggers=ON");
  for (const Table& table : tables()) {
    const std::string kind = std::to_string(table.kind);
    const auto name = std::string(table.name);
    const auto which = [&](const std::string& prefix) {
      return "kind = " + kind + " AND key = " + table.key_of(prefix) +
             " AND sub = " + table.sub_of(prefix);
    };
    const auto seal_of = [&](const std::string& prefix) {
      return "(SELECT digest FROM seals WHERE " + which(prefix) + ")";
    };
    const std::string zero = "zeroblob(" + std::to_string(kSumBytes) + ")";
    const std::string removed = "SELECT RAISE(ABORT, 'a row does not match its seal') WHERE " +
                                seal_call(database_, table.kind, name, "OLD.") + " IS NOT " +
                                seal_of("OLD.") +
                                "; UPDATE seal_sums SET number = number - 1, sum = seal_sum(sum, " +
                                zero + ", " + seal_of("OLD.") + ") WHERE kind = " + kind +
                                "; DELETE FROM seals WHERE " + which("OLD.") + "; ";
    const std::string added = "INSERT INTO seals VALUES(" + kind + ", " + table.key_of("NEW.") +
                              ", " + table.sub_of("NEW.") + ", " +
                              seal_call(database_, table.kind, name, "NEW.") +
                              "); UPDATE seal_sums SET number = number + 1, sum = seal_sum(sum, " +
                              seal_of("NEW.") + ", " + zero + ") WHERE kind = " + kind + "; ";
    const auto trigger = [&](const char* event, const std::string& body) {
      database_.exec("CREATE TEMP TRIGGER seal_" + std::string(event) + "_" + name + " AFTER " +
                     event + " ON main." + name + " BEGIN " + body + "END");
    };
    trigger("INSERT", added);
    trigger("UPDATE", removed + added);
    trigger("DELETE", removed);
  }
}

void Seals::check(std::string_view name, const std::string& key) {
  if (!loaded_) return;
  const Table& table = table_named(name);
  const std::string where = " WHERE " + std::string(table.key) + " = ?";
  SQLite::Statement rows(database_, select_seals(table) + where + table.order());
  SQLite::Statement seals(database_, std::string(kSelectSeals) + " AND key = ? ORDER BY key, sub");
  rows.bind(1, key);
  seals.bind(1, table.kind);
  seals.bind(2, key);
  compare_digests(rows, seals, name);
  refuse_fault(row_fault(database_, name, where, key));
}

void Seals::check_all_of(std::string_view name) {
  if (!loaded_) return;
  const Table& table = table_named(name);
  const int version = data_version(database_);
  const auto checked = checked_.find(table.kind);
  if (checked != checked_.end() && checked->second == version) return;
  compare(table);
  refuse_fault(row_fault(database_, name));
  checked_[table.kind] = version;
}

void Seals::compare(const Table& table) {
  const auto name = std::string(table.name);
  SQLite::Statement rows(database_, select_seals(table) + table.order());
  SQLite::Statement seals(database_, std::string(kSelectSeals) + " ORDER BY key, sub");
  seals.bind(1, table.kind);
  compare_digests(rows, seals, name);
  seals.reset();
  Sum sum = 0;
  std::int64_t number = 0;
  for (; seals.executeStep(); ++number) sum += sum_of(seals.getColumn(0).getString());
  SQLite::Statement wanted(database_, "SELECT number, sum FROM seal_sums WHERE kind = ?");
  wanted.bind(1, table.kind);
  if (!wanted.executeStep() || wanted.getColumn(0).getInt64() != number ||
      wanted.getColumn(1).getString() != bytes_of(sum)) {
    damage(name, "their sum is another");
  }
}

std::int64_t Seals::rows_of(std::string_view name) const {
  SQLite::Statement query(database_, "SELECT number FROM seal_sums WHERE kind = ?");
  query.bind(1, table_named(name).kind);
  return query.executeStep() ? query.getColumn(0).getInt64() : 0;
}

}  // namespace blkrewind::control
