#include "flips/golden.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>

#include "flips/catalog.h"
#include "format/log_codec.h"
#include "store/store.h"
#include "store/tree_reader.h"
#include "store/unique_walk.h"

namespace blkrewind::flips {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.good() && !file.eof()) throw std::runtime_error("cannot read " + path.string());
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

std::vector<Expected> read_expected(const fs::path& path) {
  std::ifstream file(path);
  std::vector<Expected> all;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    Expected one;
    std::string disk;
    std::string kind;
    std::string sha256;
    words >> disk >> one.snapshot_id >> one.name >> kind >> one.device_bytes >> one.xxh3 >>
        sha256 >> one.root_digest;
    if (!words) throw std::runtime_error("not understood: " + line);
    all.push_back(one);
  }
  if (all.empty()) throw std::runtime_error(path.string() + " expects nothing");
  return all;
}

void mark(GoldenFile& file, std::uint64_t offset, std::uint64_t length, Region region) {
  if (offset + length > file.bytes.size()) {
    throw std::runtime_error(file.name + " is shorter than what lies in it");
  }
  std::fill_n(file.regions.begin() + static_cast<std::ptrdiff_t>(offset), length, region);
}

bool is_segment(const std::string& name) { return name.find("segments/") != std::string::npos; }
void mark_log(GoldenFile& journal) {
  mark(journal, 0, format::kLogBlockBytes, Region::kJournalHeader);
  mark(journal, format::kLogTailOffset, format::kLogBlockBytes, Region::kJournalTail);
  const std::span<const std::byte> bytes(journal.bytes);
  for (std::uint64_t at = format::kLogRecordsOffset; at < bytes.size();) {
    const auto header = format::parse_record_header(bytes.subspan(at));
    if (!header) throw std::runtime_error("the journal has something behind its last record");
    const std::uint64_t whole = format::record_bytes(*header);
    mark(journal, at, whole, Region::kRecordPadding);
    mark(journal, at, header->header_bytes, Region::kRecordHeader);
    mark(journal, at + header->header_bytes, header->payload_bytes, Region::kRecordEntries);
    at += whole;
  }
}

// A file of the store by its name in it.
GoldenFile& file_of(std::vector<GoldenFile>& files, const std::string& name) {
  const auto found = std::ranges::find(files, name, &GoldenFile::name);
  if (found == files.end()) throw std::runtime_error(name + " is missing");
  return *found;
}

template <class T>
T or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().to_string());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// The extents that the trees of the snapshots refer to.
void mark_segments(Golden& golden) {
  for (GoldenFile& file : golden.files) {
    if (!is_segment(file.name)) continue;
    for (std::size_t at = 0; at < file.bytes.size(); at += format::kBlockBytes) {
      const bool zero =
          is_all_zero(std::span<const std::byte>(file.bytes).subspan(at, format::kBlockBytes));
      mark(file, at, format::kBlockBytes, zero ? Region::kHole : Region::kUnnamed);
    }
    mark(file, 0, format::kSegmentHeaderBytes, Region::kSegmentHeader);
  }
  sim::MemoryEnv env(golden.memory);
  const auto store = or_throw(store::Store::open(env, kStore));
  const auto queue = or_throw(env.make_queue({.depth = 4}));
  const auto mark_tree = [&](store::History& history, const format::SnapshotRecord& snapshot) {
    store::TreeReader reader(history.files(), *queue, history.secret());
    or_throw(store::for_each_unique(
        reader, store::tree_of(snapshot), {}, {}, [&](const store::UniqueExtent& extent) -> Status {
          const std::string path = history.segment_name(extent.entry.segment);
          GoldenFile& file = file_of(golden.files, path.substr(std::strlen(kStore) + 1));
          const std::uint64_t offset = extent.entry.offset_bytes();
          const std::uint64_t length = extent.entry.length_bytes;
          if (extent.level >= 0) {
            mark(file, offset, length, Region::kNode);
          } else {
            mark(file, offset, align_up(length, format::kBlockBytes), Region::kChunkPadding);
            mark(file, offset, length, Region::kChunk);
          }
          return {};
        }));
  };
  for (const auto held = store->disks(); const auto& [number, disk] : held->disks) {
    const auto history = or_throw(store->history(number));
    for (const auto kept = history->state();
         const auto& [snapshot_number, snapshot] : kept->snapshots) {
      if (snapshot.state == format::SnapshotState::kAccomplished) mark_tree(*history, snapshot);
    }
  }
}

}  // namespace

bool is_log(const std::string& name) {
  return name == "journal" || name == "index" || name.ends_with("/log");
}

RegionText text_of(Region region) {
  switch (region) {
    case Region::kFormat:
      return {"format", nullptr};
    case Region::kJournalHeader:
      return {"journal header", nullptr};
    case Region::kJournalTail:
      return {"tail block", nullptr};
    case Region::kRecordHeader:
      return {"record header", nullptr};
    case Region::kRecordEntries:
      return {"record entries", nullptr};
    case Region::kRecordPadding:
      return {"record padding", nullptr};
    case Region::kSegmentHeader:
      return {"segment header", nullptr};
    case Region::kNode:
      return {"node", nullptr};
    case Region::kChunk:
      return {"chunk", nullptr};
    case Region::kChunkPadding:
      return {"chunk padding", "fills the block after a short chunk; its length is in the entry"};
    case Region::kHole:
      return {"hole", "given back: no entry of any tree names it"};
    case Region::kUnnamed:
      return {"unnamed", "no entry of any tree names it"};
    case Region::kCatalog:
      return {"catalog", "free space, and what SQLite does not need; all rows read as before"};
    case Region::kCatalogOfToday:
      return {"with a digest",
              "free space, and what SQLite does not need; all rows read as before"};
  }
  return {"?", nullptr};
}

Golden load_golden(const std::string& folder) {
  const fs::path top(folder);
  Golden golden;
  golden.expected = read_expected(top / "expected");
  std::vector<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(top / "store")) {
    const std::string name = fs::relative(entry.path(), top / "store");
    if (entry.is_regular_file() && name != kCatalogName) names.push_back(name);
  }
  std::ranges::sort(names);
  names.emplace_back(kCatalogName);
  for (const std::string& name : names) {
    GoldenFile file{name, read_file(top / "store" / name), {}};
    file.regions.assign(file.bytes.size(), name == "format" ? Region::kFormat : Region::kCatalog);
    if (is_log(name)) mark_log(file);
    if (name != kCatalogName) {
      golden.memory[std::string(kStore) + "/" + name].write(0, file.bytes);
    }
    golden.files.push_back(std::move(file));
  }
  mark_segments(golden);
  GoldenFile today{kCatalogOfTodayName, changed_today(golden.files.back().bytes), {}};
  today.regions.assign(today.bytes.size(), Region::kCatalogOfToday);
  golden.files.push_back(std::move(today));
  return golden;
}

}  // namespace blkrewind::flips
