// Which files differ: `blkrewind diff --files`.
#ifdef BLKREWIND_PROGRAM

#include "system/open_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kFilesDiskBytes = 400 * kMiB;  // mkfs.xfs makes none below 300 MiB
constexpr Extent kFilesPartition{32 * kMiB, 360 * kMiB};
constexpr int kManyFiles = 300;

class DifferingFiles : public Opening,
                       public testing::WithParamInterface<std::tuple<std::size_t, bool>> {
 protected:
  [[nodiscard]] static const FileSystemKind& kind() {
    return file_system_kinds()[std::get<0>(GetParam())];
  }
  [[nodiscard]] static bool partitioned() { return std::get<1>(GetParam()); }
  [[nodiscard]] static Extent where() { return partitioned() ? kFilesPartition : Extent{}; }

  void SetUp() override {
    Opening::SetUp();
    if (IsSkipped()) return;
    if (!kind().skip().empty()) GTEST_SKIP() << kind().skip();
    // Before it a kernel mounts only one of two states of a btrfs.
    if (kind().name == "btrfs" && !kernel_is_at_least(6, 7)) GTEST_SKIP() << "needs Linux 6.7";
    make_sparse_file(image_, kFilesDiskBytes);
    if (partitioned()) {
      const std::string script = file("script");
      std::ofstream(script) << "label: gpt\nstart=65536, size=737280\n";
      shell({"sfdisk", "-q", image_, "<", script});
    }
    make_file_system(kind(), image_, where());
    within([](const std::string& folder) {
      for (int i = 0; i < kManyFiles; ++i) {
        std::ofstream(folder + "/etc/many" + std::to_string(i))
            << std::string(20000, static_cast<char>('a' + i % 26));
      }
      std::ofstream(folder + "/grows") << "short";
      std::ofstream(folder + "/goes") << "gone";
      write_noise(folder + "/large", 0, 8 << 20, 6);
    });
    before_ = snapshot(image_, "before");
    within([](const std::string& folder) {
      std::ofstream(folder + "/grows", std::ios::app) << " and long";
      std::filesystem::remove(folder + "/goes");
      std::filesystem::create_directory(folder + "/new folder");
      std::ofstream(folder + "/new folder/in\nit") << "new";
      write_noise(folder + "/large", 5 << 20, 10, 7);
      // Of the same length and with the same times.
      const std::string same = folder + "/etc/many7";
      struct stat was {};
      ASSERT_EQ(::stat(same.c_str(), &was), 0);
      std::fstream(same, std::ios::in | std::ios::out).seekp(100) << "X";
      const timespec times[2] = {was.st_atim, was.st_mtim};
      ASSERT_EQ(::utimensat(AT_FDCWD, same.c_str(), times, 0), 0);
      if (kind().name != "vfat") ::chmod((folder + "/etc/many8").c_str(), 0700);
    });
  }

  // Mounted for writing while `change` runs.
  void within(const std::function<void(const std::string& folder)>& change) const {
    const LoopDevice loop = LoopDevice::make(
        image_, 0, 512, {.offset_bytes = where().offset, .size_limit_bytes = where().length});
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, kind().name);
    change(folder);
  }

  // path -> "before after content attributes", of those that are no folder that only has another
  // time.
  [[nodiscard]] static std::map<std::string, std::string> differences(const json& answer) {
    std::map<std::string, std::string> found;
    for (const json& one : answer.at("files")) {
      const auto word = [&](const char* key) {
        return one.at(key).is_null() ? std::string("-") : one.at(key).get<std::string>();
      };
      if (word("after") == "directory" && word("before") == "directory") continue;
      found[one.at("path")] =
          word("before") + " " + word("after") + (one.at("content").get<bool>() ? " content" : "");
    }
    return found;
  }

  [[nodiscard]] static std::map<std::string, std::string> expected() {
    std::map<std::string, std::string> files = {
        {"grows", "file file content"}, {"goes", "file -"},
        {"new folder", "- directory"},  {"new folder/in\nit", "- file"},
        {"large", "file file content"}, {"etc/many7", "file file content"}};
    if (kind().name != "vfat") files["etc/many8"] = "file file";
    return files;
  }

  std::string before_;
};

TEST_P(DifferingFiles, AreFoundWithoutReadingTheOthers) {
  const std::string after = snapshot(image_, "after");
  const json answer = ask({"diff", image_, "before", "after", "--files"});
  EXPECT_EQ(differences(answer), expected());
  EXPECT_EQ(answer.value("from", ""), before_);
  EXPECT_EQ(answer.value("to", ""), after);
  EXPECT_EQ(answer.value("type", ""), kind().name);
  EXPECT_EQ(answer.at("partition"), partitioned() ? json(1) : json(nullptr));
  EXPECT_TRUE(answer.value("complete", false));
  EXPECT_EQ(answer.value("differing_count", std::size_t{0}), answer.at("files").size());
  EXPECT_GT(answer.value("file_count", 0), kManyFiles);
  // The 300 files that are as they were have 6 MB, the large one 8.
  EXPECT_LE(answer.value("read_bytes", std::uint64_t{0}), std::uint64_t{9 << 20});
  const json back = ask({"diff", image_, "after", "before", "--files"});
  EXPECT_EQ(differences(back).at("goes"), "- file");
  EXPECT_EQ(differences(back).at("new folder"), "directory -");
  const json none = ask({"diff", image_, "after", "after", "--files"});
  EXPECT_EQ(none.at("files"), json::array());
  EXPECT_LE(none.value("read_bytes", std::uint64_t{1}), std::uint64_t{9 << 20});
  for (const std::string& id : ids_) expect_closed(id);
}

TEST_P(DifferingFiles, OfTheDeviceAreThoseOfASnapshotOfIt) {
  const json answer = ask({"diff", image_, "before", "--files"});
  EXPECT_EQ(differences(answer), expected());
  EXPECT_TRUE(answer.at("to").is_null());
  // The device is as it was.
  const std::string unchanged = snapshot(image_, "unchanged");
  EXPECT_EQ(ask({"diff", image_, "unchanged"}).at("extents"), json::array());
  for (const std::string& id : ids_) expect_closed(id);
}

INSTANTIATE_TEST_SUITE_P(System, DifferingFiles,
                         testing::Combine(testing::Range<std::size_t>(0, 4), testing::Bool()),
                         [](const auto& test) {
                           return file_system_kinds()[std::get<0>(test.param)].name +
                                  (std::get<1>(test.param) ? "InAPartition" : "");
                         });

class DiffFiles : public Opening {};

TEST_F(DiffFiles, NamesTheCorruptChunkThatItMeets) {
  const FileSystemKind& ext4 = file_system_kinds().front();
  if (!ext4.skip().empty()) GTEST_SKIP() << ext4.skip();
  make_sparse_file(image_, 64 * kMiB);
  make_file_system(ext4, image_);
  const auto write_letters = [&](char letter) {
    const LoopDevice loop = LoopDevice::make(image_, 0);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, "ext4");
    std::ofstream(folder + "/letters") << std::string(16 * kChunk, letter);
  };
  write_letters('q');
  snapshot(image_, "before");
  write_letters('r');
  snapshot(image_, "after");
  corrupt_chunk_of(store_, 'q', kChunk);
  const CliOutcome failed =
      program_.run_with({}, {"--store", store_, "diff", image_, "before", "after", "--files"});
  EXPECT_EQ(failed.status, 5) << failed.err;
  EXPECT_THAT(failed.err, testing::HasSubstr("letters"));
  EXPECT_THAT(failed.err, testing::ContainsRegex("chunk [0-9]+ is corrupt"));
}

TEST_F(DiffFiles, SaysWhichOfThemHasNoFileSystem) {
  const FileSystemKind& ext4 = file_system_kinds().front();
  if (!ext4.skip().empty()) GTEST_SKIP() << ext4.skip();
  make_sparse_file(image_, 8 * kMiB);
  const std::string empty = snapshot(image_, "empty");
  make_file_system(ext4, image_);
  snapshot(image_, "before");
  const std::vector<std::string> diff = {"--store", store_, "diff", image_};
  const auto run = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = diff;
    words.insert(words.end(), more.begin(), more.end());
    return program_.run_with({}, words);
  };
  const CliOutcome of_snapshot = run({"empty", "before", "--files"});
  EXPECT_EQ(of_snapshot.status, 3);
  EXPECT_THAT(of_snapshot.err, testing::HasSubstr("while opening snapshot " + empty));
  EXPECT_THAT(of_snapshot.err, testing::HasSubstr("blkrewind mount"));
  write_noise(image_, 0, kMiB, 3);
  const CliOutcome of_device = run({"before", "--files"});
  EXPECT_EQ(of_device.status, 3);
  EXPECT_THAT(of_device.err, testing::HasSubstr("while opening " + image_ + " as it is now"));
  EXPECT_THAT(of_device.err, testing::HasSubstr("leave --files out"));
  EXPECT_THAT(of_device.err, testing::Not(testing::HasSubstr("blkrewind mount")));
}

TEST_F(DiffFiles, ToldAPartitionNamesItsDisk) {
  make_sparse_file(image_, 8 * kMiB);
  const std::string script = file("script");
  std::ofstream(script) << "label: dos\nstart=2048, size=4096\n";
  shell({"sfdisk", "-q", image_, "<", script});
  const LoopDevice loop = LoopDevice::make(image_, 0);
  shell({"partx", "-a", loop.path()});
  const std::string partition = loop.path() + "p1";
  if (!soon([&] { return std::filesystem::exists(partition); })) {
    shell({"partx", "-d", loop.path()});
    GTEST_SKIP() << "needs nodes of partitions";
  }
  const auto compare = [&] {
    return program_.run_with({}, {"--store", store_, "diff", partition, "day0", "--files"});
  };
  make_sparse_file(file("other.img"), kMiB);
  snapshot(file("other.img"), "other");
  EXPECT_THAT(compare().err, testing::Not(testing::HasSubstr("--partition")));
  snapshot(loop.path(), "day0");
  const CliOutcome told = compare();
  shell({"partx", "-d", loop.path()});
  EXPECT_EQ(told.status, 3) << told.err;
  EXPECT_THAT(told.err, testing::HasSubstr(partition + " is partition 1 of " + loop.path() +
                                           ", which is registered: name that, with "
                                           "--partition 1"));
}

TEST_F(DiffFiles, SaysWhatItNeeds) {
  make_sparse_file(image_, 1 * kMiB);
  snapshot(image_, "before");
  const CliOutcome empty =
      program_.run_with({}, {"--store", store_, "diff", image_, "before", "--files"});
  EXPECT_NE(empty.status, 0);
  EXPECT_THAT(empty.err, testing::HasSubstr("file system"));
  const CliOutcome stray =
      program_.run_with({}, {"--store", store_, "diff", image_, "before", "--partition", "1"});
  EXPECT_EQ(stray.status, 2);
  EXPECT_THAT(stray.err, testing::HasSubstr("--files"));
}

}  // namespace
}  // namespace blkrewind::test
#endif  // BLKREWIND_PROGRAM
