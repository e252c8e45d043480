#include "flips/catalog.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <utility>

#include "control/catalog/catalog.h"
#include "control/engine_internal.h"
#include "support/errors.h"

namespace blkrewind::flips {
namespace {

namespace fs = std::filesystem;

void write_file(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

std::vector<std::byte> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

Result<std::string> rows_of(control::Catalog& catalog) {
  std::ostringstream text;
  BLKREWIND_ASSIGN(const auto instances, catalog.instances());
  for (const auto& row : instances) {
    text << row.id << '|' << row.name << '|' << row.status << '|' << row.expires_at << '|'
         << row.in_arrears << '|' << row.created_at;
    for (const std::string& lock : row.locks) text << '|' << lock;
    text << '\n';
  }
  BLKREWIND_ASSIGN(const auto attachments, catalog.attachments());
  for (const auto& row : attachments) {
    text << row.disk_id << '|' << row.instance_id << '|' << row.attached_at << '|'
         << row.first_detached_at << '|' << row.detached_at << '\n';
  }
  return text.str();
}

Result<std::string> snapshots_of(const Golden& golden, const std::string& catalog) {
  sim::MemoryEnv env(golden.memory);
  BLKREWIND_ASSIGN(auto engine, EngineAccess::open(env, {.store = kStore, .threads = 1}, catalog));
  BLKREWIND_ASSIGN(const auto snapshots, engine.snapshots());
  std::ostringstream text;
  for (const SnapshotInfo& one : snapshots) {
    text << one.id << '|' << one.name << '|' << one.disk_id << '|' << one.created_at << '|'
         << one.device_bytes << '|' << one.root_digest << '|' << one.damaged << '\n';
  }
  return text.str();
}

// The error must have a code and a hint; the exact SQLite error does not matter.
bool is_clear(const Error& error) {
  return (error.code == Errc::kIntegrity || error.code == Errc::kUnsupported) &&
         !words_of(error).empty();
}

}  // namespace

std::string quick_folder() { return fs::is_directory("/dev/shm") ? "/dev/shm" : ""; }

std::vector<std::byte> changed_today(const std::vector<std::byte>& catalog) {
  const test::TempDir directory(quick_folder());
  const std::string path = directory.file(kCatalogName);
  write_file(path, catalog);
  {
    auto opened = control::Catalog::open(path);
    if (!opened) throw std::runtime_error(opened.error().to_string());
    const Status locked = (*opened)->lock_instance("i-web", "maintenance");
    if (!locked) throw std::runtime_error(locked.error().to_string());
    const Status unlocked = (*opened)->unlock_instance("i-web", "maintenance");
    if (!unlocked) throw std::runtime_error(unlocked.error().to_string());
  }
  if (fs::exists(path + "-wal")) throw std::runtime_error("the change is not in the file yet");
  return read_file(path);
}

CatalogJudge::CatalogJudge(const Golden& golden, const std::string& file, const std::string& folder)
    : golden_(golden), directory_(folder) {
  const auto found = std::ranges::find(golden.files, file, &GoldenFile::name);
  if (found == golden.files.end()) throw std::runtime_error("there is no " + file);
  const std::string path = directory_.file(kCatalogName);
  write_file(path, found->bytes);
  auto catalog = control::Catalog::open(path);
  if (!catalog) throw std::runtime_error(catalog.error().to_string());
  rows_ = rows_of(**catalog).value_or(std::string());
  catalog->reset();
  snapshots_ = snapshots_of(golden, path).value_or(std::string());
  if (rows_.empty() || snapshots_.empty()) throw std::runtime_error("the catalog cannot be read");
  const Verdict whole = judge_bytes(found->bytes);
  if (whole.outcome != Outcome::kHarmless) throw std::runtime_error("not flipped: " + whole.why);
}

Verdict CatalogJudge::judge(const Flip& flip) const {
  std::vector<std::byte> bytes = golden_.files[flip.file].bytes;
  bytes[flip.byte] ^= std::byte{1} << flip.bit;
  return judge_bytes(bytes);
}

Verdict CatalogJudge::judge_bytes(const std::vector<std::byte>& bytes) const {
  const std::string path = directory_.file(kCatalogName);
  for (const char* suffix : {"-wal", "-shm", "-journal"}) fs::remove(path + suffix);
  write_file(path, bytes);
  std::string rows;
  {
    auto catalog = control::Catalog::open(path);
    Result<std::string> read = catalog ? rows_of(**catalog) : fail(catalog.error());
    if (!read) {
      const Error& error = read.error();
      return {is_clear(error) ? Outcome::kRefused : Outcome::kHarmful,
              std::string(to_string(error.code)) + ": " + error.to_string()};
    }
    rows = std::move(*read);
  }
  const auto snapshots = snapshots_of(golden_, path);
  if (!snapshots)
    return {Outcome::kHarmful, "read once and not again: " + snapshots.error().to_string()};
  if (*snapshots != snapshots_) return {Outcome::kHarmful, "the snapshots are other ones"};
  if (rows != rows_) return {Outcome::kOtherAnswer, "instances and disks read as\n" + rows};
  return {Outcome::kHarmless, "everything reads as before"};
}

}  // namespace blkrewind::flips
