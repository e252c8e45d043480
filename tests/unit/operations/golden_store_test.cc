// The golden stores (tests/golden/vN, created once for each version by make-golden.sh) are opened,
// read, written and rolled back from by the current version; one of version 1 is upgraded before it
// is written. The `expected` file of each lists the content of the devices when the snapshots were
// taken.
#include "support/golden_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <span>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "base/digest.h"
#include "blkrewind/engine.h"
#include "format/store_header.h"
#include "support/errors.h"
#include "support/read_file.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind {
namespace {

namespace fs = std::filesystem;
using test::ok;

struct Expected {
  std::string disk_id;
  std::string snapshot_id;
  std::string name;
  std::string kind;
  std::uint64_t device_bytes = 0;
  std::string xxh3;
  std::string sha256;
  std::string root_digest;
};

std::vector<Expected> read_expected(const fs::path& folder) {
  std::ifstream file(folder / "expected");
  std::vector<Expected> all;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with('#')) continue;
    std::istringstream words(line);
    Expected one;
    words >> one.disk_id >> one.snapshot_id >> one.name >> one.kind >> one.device_bytes >>
        one.xxh3 >> one.sha256 >> one.root_digest;
    if (!words) throw std::runtime_error("not understood: " + line);
    all.push_back(one);
  }
  if (all.empty()) throw std::runtime_error(folder.string() + " expects nothing");
  return all;
}

std::string kind_name(SnapshotKind kind) {
  switch (kind) {
    case SnapshotKind::kUser:
      return "user";
    case SnapshotKind::kUndo:
      return "undo";
    case SnapshotKind::kImport:
      return "import";
  }
  return "?";
}

std::string xxh3_of(const std::string& path) {
  std::vector<char> bytes(fs::file_size(path));
  std::ifstream file(path, std::ios::binary);
  if (!file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()))) {
    throw std::runtime_error("cannot read " + path);
  }
  char text[17];
  std::snprintf(
      text, sizeof text, "%016llx",
      static_cast<unsigned long long>(plain_checksum_of(std::as_bytes(std::span(bytes)))));
  return text;
}

struct Golden {
  const char* name;
  unsigned version;
  std::uint64_t chunks;  // stored
  bool upgrade = false;
};

class GoldenStore : public testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    const fs::path folder = test::golden_folder(GetParam().version);
    fs::copy(folder / "store", directory_.file("store"), fs::copy_options::recursive);
    expected_ = read_expected(folder);
    if (GetParam().upgrade) {
      const auto upgraded = Engine::upgrade_store(options());
      ASSERT_TRUE(ok(upgraded));
      EXPECT_TRUE(upgraded->upgraded);
      EXPECT_EQ(upgraded->disks, 2U);
      EXPECT_EQ(upgraded->snapshots, expected_.size());
      EXPECT_EQ(upgraded->moved_segments, 11U);
      EXPECT_THAT(upgraded->warnings, testing::IsEmpty());
    }
    auto engine = open();
    ASSERT_TRUE(ok(engine));
    engine_ = std::make_unique<Engine>(std::move(*engine));
  }

  OpenOptions options() const {
    OpenOptions options;
    options.store = directory_.file("store");
    return options;
  }
  Result<Engine> open() { return Engine::open(options()); }
  unsigned version() const { return GetParam().upgrade ? 2 : GetParam().version; }

  // Values that a later version might write to the format file.
  void change_header(const std::function<void(format::StoreHeader&)>& change) {
    const std::string path = directory_.file("store/format");
    std::array<std::byte, format::kStoreHeaderBytes> block{};
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.read(reinterpret_cast<char*>(block.data()), block.size());
    auto header = format::decode_store_header(block);
    ASSERT_TRUE(ok(header));
    change(*header);
    format::encode_store_header(*header, block);
    file.seekp(0);
    ASSERT_TRUE(file.write(reinterpret_cast<const char*>(block.data()), block.size()).flush());
  }

  const Expected& expected(const std::string& name) const {
    for (const Expected& one : expected_) {
      if (one.name == name) return one;
    }
    throw std::runtime_error("the golden store has no snapshot " + name);
  }

  // A device that holds the snapshot's bytes, and becomes that snapshot's disk.
  std::string device_with(const std::string& name) {
    const Expected& snapshot = expected(name);
    std::string path = directory_.file(name + ".device");
    EXPECT_TRUE(ok(engine_->export_image(snapshot.snapshot_id, path)));
    EXPECT_TRUE(ok(engine_->adopt_disk(snapshot.disk_id, path)));
    return path;
  }

  test::TempDir directory_;
  std::unique_ptr<Engine> engine_;
  std::vector<Expected> expected_;
};

class WrittenGoldenStore : public GoldenStore {};
class GoldenStoreOfVersion1 : public GoldenStore {};
class GoldenStoreOfVersion2 : public GoldenStore {};

TEST_P(GoldenStore, NamesWhatItHolds) {
  const auto snapshots = engine_->snapshots();
  ASSERT_TRUE(ok(snapshots));
  std::vector<std::string> found;
  for (const SnapshotInfo& one : *snapshots) {
    EXPECT_EQ(one.status, SnapshotStatus::kAccomplished);
    EXPECT_FALSE(one.damaged);
    found.push_back(one.disk_id + " " + one.id + " " + kind_name(one.kind) + " " +
                    std::to_string(one.device_bytes) + " " + one.root_digest);
  }
  std::vector<std::string> wanted;
  for (const Expected& one : expected_) {
    wanted.push_back(one.disk_id + " " + one.snapshot_id + " " + one.kind + " " +
                     std::to_string(one.device_bytes) + " " + one.root_digest);
  }
  EXPECT_THAT(found, testing::UnorderedElementsAreArray(wanted));

  const auto info = engine_->store_info();
  ASSERT_TRUE(ok(info));
  EXPECT_EQ(info->format_version, version());
  EXPECT_EQ(info->disks, 2U);
  // The time of the imported image: it cannot have come from the clock.
  for (const SnapshotInfo& one : *snapshots) {
    if (one.name == "old") {
      EXPECT_EQ(one.created_at, 1372636800);  // 2013-07-01T00:00:00Z
    }
    if (one.name == "second") {
      EXPECT_EQ(one.description, "one chunk differs from the first");
    }
  }
}

TEST_P(GoldenStore, KnowsInstancesAndTheInterruptedRollback) {
  const auto disk = engine_->disk(expected("base").disk_id);
  ASSERT_TRUE(ok(disk));
  EXPECT_EQ(disk->instance_id, "i-web");
  EXPECT_EQ(disk->status, "ReIniting");
  ASSERT_TRUE(disk->pending_rollback);
  EXPECT_EQ(disk->pending_rollback->snapshot_id, expected("base").snapshot_id);
  EXPECT_EQ(disk->pending_rollback->undo_snapshot_id, expected("undo-b").snapshot_id);
  EXPECT_FALSE(disk->pending_rollback->running);
  const auto instance = engine_->instance("i-web");
  ASSERT_TRUE(ok(instance));
  EXPECT_EQ(instance->name, "web");
  EXPECT_EQ(instance->status, "Stopped");

  const auto other = engine_->disk(expected("second").disk_id);
  ASSERT_TRUE(ok(other));
  EXPECT_FALSE(other->pending_rollback);
  EXPECT_EQ(other->undo_snapshot_id, expected("undo-a").snapshot_id);
}

TEST_P(GoldenStore, VerifiesWhole) {
  const auto receipt = engine_->verify({});
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->snapshots, expected_.size());
  EXPECT_EQ(receipt->chunks, GetParam().chunks);
  EXPECT_THAT(receipt->findings, testing::IsEmpty());
}

TEST_P(GoldenStore, ExportsTheBytesThatWereOnTheDevices) {
  for (const Expected& one : expected_) {
    SCOPED_TRACE(one.name);
    const std::string path = directory_.file("export-" + one.name);
    ASSERT_TRUE(ok(engine_->export_image(one.snapshot_id, path)));
    EXPECT_EQ(fs::file_size(path), one.device_bytes);
    EXPECT_EQ(xxh3_of(path), one.xxh3);
    fs::remove(path);
  }
}

TEST_P(WrittenGoldenStore, ItsInterruptedRollbackIsFinished) {
  const std::string device = device_with("undo-b");
  const auto receipt = engine_->resume(device);
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->restored_bytes, 4096U);
  EXPECT_EQ(xxh3_of(device), expected("base").xxh3);
  EXPECT_FALSE(engine_->disk(device)->pending_rollback);
}

TEST_P(WrittenGoldenStore, ItsInterruptedRollbackIsTakenBack) {
  const std::string device = device_with("base");
  const auto receipt = engine_->undo(device);
  ASSERT_TRUE(ok(receipt));
  EXPECT_EQ(receipt->restored_bytes, 4096U);
  EXPECT_EQ(xxh3_of(device), expected("undo-b").xxh3);
  EXPECT_FALSE(engine_->disk(device)->pending_rollback);
}

TEST_P(WrittenGoldenStore, TakesSnapshotsAndRollsBack) {
  const std::string device = device_with("old");
  const auto snapshot = engine_->snapshot(device, {});
  ASSERT_TRUE(ok(snapshot));
  EXPECT_EQ(snapshot->disk_id, expected("old").disk_id);
  EXPECT_EQ(snapshot->root_digest, expected("old").root_digest);
  EXPECT_EQ(snapshot->stored_bytes, 0U) << "every chunk is in the store already";

  const auto there = engine_->rollback(device, expected("second").snapshot_id);
  ASSERT_TRUE(ok(there));
  EXPECT_EQ(there->changed_bytes, 4096U);
  EXPECT_EQ(xxh3_of(device), expected("second").xxh3);
  ASSERT_TRUE(ok(engine_->undo(device)));
  EXPECT_EQ(xxh3_of(device), expected("old").xxh3);
  const auto verified = engine_->verify({});
  ASSERT_TRUE(ok(verified));
  EXPECT_THAT(verified->findings, testing::IsEmpty());
}

// The lineage graph, its tombstone and the segments' live bytes are right: nothing remains, and a
// delete removes nothing that others need.
TEST_P(WrittenGoldenStore, GivesBackEverythingSnapshotBySnapshot) {
  ASSERT_TRUE(ok(engine_->resume(device_with("undo-b"))));
  while (!expected_.empty()) {
    SCOPED_TRACE(expected_.back().name);
    ASSERT_TRUE(ok(engine_->remove_snapshot(expected_.back().snapshot_id)));
    expected_.pop_back();
    const auto verified = engine_->verify({});
    ASSERT_TRUE(ok(verified));
    EXPECT_EQ(verified->snapshots, expected_.size());
    EXPECT_THAT(verified->findings, testing::IsEmpty());
  }
  ASSERT_TRUE(ok(engine_->collect()));
  const auto info = engine_->store_info();
  ASSERT_TRUE(ok(info));
  EXPECT_EQ(info->live_bytes, 0U);
  EXPECT_EQ(info->segments, 0U);
  for (const auto& disk : fs::directory_iterator(directory_.file("store/disks"))) {
    EXPECT_TRUE(fs::is_empty(disk.path() / "segments"));
  }
}

TEST_P(WrittenGoldenStore, OfANewerVersionIsRefused) {
  change_header([](format::StoreHeader& header) { header.version = 3; });
  const auto engine = open();
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Errc::kUnsupported);
}

TEST_P(WrittenGoldenStore, WithAnUnknownIncompatibleFeatureIsRefused) {
  change_header([](format::StoreHeader& header) { header.incompatible = 2; });
  const auto engine = open();
  ASSERT_FALSE(engine);
  EXPECT_EQ(engine.error().code, Errc::kUnsupported);
}

TEST_P(WrittenGoldenStore, WithAnUnknownCompatibleFeatureIsWritten) {
  change_header([](format::StoreHeader& header) { header.compatible = 1; });
  auto engine = open();
  ASSERT_TRUE(ok(engine));
  EXPECT_TRUE(ok(engine->collect()));
}

TEST_P(WrittenGoldenStore, WithAnUnknownReadOnlyFeatureIsReadAndNotWritten) {
  change_header([](format::StoreHeader& header) { header.read_only_compatible = 1; });
  const std::string image = directory_.file("other.img");
  std::ofstream(image) << "a device";
  const std::string index = xxh3_of(directory_.file("store/index"));
  auto engine = open();
  ASSERT_TRUE(ok(engine));

  EXPECT_TRUE(ok(engine->verify({})));
  const Expected& one = expected("second");
  EXPECT_TRUE(ok(engine->export_image(one.snapshot_id, directory_.file("export"))));
  const auto refuses = [](const auto& result) {
    return !result && result.error().code == Errc::kUnsupported &&
           !words_of(result.error()).empty();
  };
  EXPECT_TRUE(refuses(engine->register_disk(image)));
  EXPECT_TRUE(refuses(engine->adopt_disk(one.disk_id, directory_.file("export"))));
  EXPECT_TRUE(refuses(engine->remove_snapshot(one.snapshot_id)));
  EXPECT_TRUE(refuses(engine->collect()));
  EXPECT_EQ(xxh3_of(directory_.file("store/index")), index);
}

// A server that is to write would answer from half a store, and refuse every change.
TEST_P(GoldenStoreOfVersion1, IsNotOpenedToBeWritten) {
  OpenOptions writing = options();
  writing.create = true;
  const auto engine = Engine::open(writing);
  ASSERT_TRUE(test::failed(engine, Errc::kUnsupported));
  EXPECT_NE(engine.error().remedy.find(Verb::kStoreUpgrade), nullptr);
}

TEST_P(GoldenStoreOfVersion1, IsReadAndNotWritten) {
  const std::string journal = xxh3_of(directory_.file("store/journal"));
  const auto refused = engine_->collect();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Errc::kUnsupported);
  EXPECT_NE(refused.error().remedy.find(Verb::kStoreUpgrade), nullptr);
  EXPECT_FALSE(engine_->remove_snapshot(expected("second").snapshot_id));
  EXPECT_EQ(xxh3_of(directory_.file("store/journal")), journal);
}

TEST_P(GoldenStoreOfVersion2, KnowsWhatASnapshotWasGivenAndTheAcceptedRollback) {
  const Expected& noted = expected("noted");
  const auto snapshots = engine_->snapshots(noted.disk_id);
  ASSERT_TRUE(ok(snapshots));
  for (const SnapshotInfo& one : *snapshots) {
    const bool is_noted = one.id == noted.snapshot_id;
    EXPECT_EQ(one.retention_days, is_noted ? 30U : 0U);
    EXPECT_EQ(one.tags.size(), is_noted ? 1U : 0U);
    if (!is_noted) continue;
    EXPECT_EQ(one.tags.front().key, "stage");
    EXPECT_EQ(one.tags.front().value, "golden");
  }
  const auto disk = engine_->disk(noted.disk_id);
  ASSERT_TRUE(ok(disk));
  ASSERT_TRUE(disk->last_reset);
  EXPECT_EQ(disk->last_reset->snapshot_id, noted.snapshot_id);
  EXPECT_EQ(disk->last_reset->state, ResetState::kDone);
  EXPECT_FALSE(engine_->disk(expected("base").disk_id)->last_reset);
}

TEST_P(WrittenGoldenStore, HasNothingToUpgrade) {
  const auto again = Engine::upgrade_store(options());
  ASSERT_TRUE(ok(again));
  EXPECT_FALSE(again->upgraded);
}

// `text`, line by line, as make-clone.sh writes it.
void put_lines(std::string& image, std::size_t offset, std::size_t length, const char* text) {
  for (std::size_t at = 0; at < length; ++at) {
    image[offset + at] = at % (std::strlen(text) + 1) < std::strlen(text)
                             ? text[at % (std::strlen(text) + 1)]
                             : '\n';
  }
}

// tests/golden/clone, made by make-clone.sh.
TEST(GoldenClone, GivesBackItsBytesAndKeepsWhatItShares) {
  const test::TempDir directory;
  fs::copy(fs::path(test::golden_folder(2)).parent_path() / "clone" / "store",
           directory.file("store"), fs::copy_options::recursive);
  OpenOptions options;
  options.store = directory.file("store");
  auto engine = Engine::open(options);
  ASSERT_TRUE(ok(engine));
  std::string first(17000, '\0');
  put_lines(first, 0, 4096, "first");
  put_lines(first, 16384, 616, "last");
  std::string cloned = first;
  cloned.resize(40960);
  std::string changed = cloned;
  put_lines(changed, 4096, 4096, "changed");
  const std::pair<const char*, const std::string*> all[] = {
      {"first", &first}, {"cloned", &cloned}, {"changed", &changed}, {"again", &changed}};
  const auto expect_bytes = [&] {
    for (const auto& [name, bytes] : all) {
      const std::string path = directory.file(name);
      ASSERT_TRUE(ok(engine->export_image(name, path)));
      EXPECT_EQ(test::read_file(path), *bytes) << name;
      fs::remove(path);
    }
  };
  expect_bytes();
  const auto verified = engine->verify({});
  ASSERT_TRUE(ok(verified));
  EXPECT_THAT(verified->findings, testing::IsEmpty());

  const auto disks = engine->disks();
  ASSERT_TRUE(ok(disks));
  ASSERT_EQ(disks->size(), 3U);
  EXPECT_FALSE((*disks)[0].origin.has_value());
  EXPECT_EQ((*disks)[2].origin->disk_id, (*disks)[1].id);
  EXPECT_FALSE(engine->remove_snapshot("first"));
  EXPECT_FALSE(engine->remove_snapshot("changed"));
  EXPECT_FALSE(engine->forget_disk((*disks)[1].id, true));
  expect_bytes();
  for (const std::size_t clone : {2, 1}) {
    EXPECT_TRUE(ok(engine->forget_disk((*disks)[clone].id, true)));
  }
  EXPECT_TRUE(ok(engine->remove_snapshot("first")));
}

constexpr Golden kVersion1 = {"Version1", 1, 5};
constexpr Golden kUpgraded = {"Upgraded", 1, 5, true};
constexpr Golden kVersion2 = {"Version2", 2, 6};
const auto name_of = [](const auto& golden) { return golden.param.name; };
INSTANTIATE_TEST_SUITE_P(Of, GoldenStore, testing::Values(kVersion1, kUpgraded, kVersion2),
                         name_of);
INSTANTIATE_TEST_SUITE_P(Of, GoldenStoreOfVersion1, testing::Values(kVersion1), name_of);
INSTANTIATE_TEST_SUITE_P(Of, GoldenStoreOfVersion2, testing::Values(kVersion2), name_of);
INSTANTIATE_TEST_SUITE_P(Of, WrittenGoldenStore, testing::Values(kUpgraded, kVersion2), name_of);

}  // namespace
}  // namespace blkrewind
