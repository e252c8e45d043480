// Which files differ, on folders of this machine's own file systems.
#include "cli/files/compare_trees.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "cli/files/changed_extents.h"
#include "cli/files/file_map.h"
#include "support/deep_folders.h"
#include "support/results.h"
#include "support/temp_dir.h"

namespace blkrewind::cli {
namespace {

using test::failed;
using test::ok;

TEST(ChangedExtents, AnswersAsAMapOfBytesDoes) {
  std::mt19937 random(5);
  ChangedExtents changed;
  std::vector<bool> bytes(10000);
  EXPECT_FALSE(changed.touch({0, 10000}));
  for (std::uint64_t at = random() % 50; at + 40 < bytes.size(); at += 41 + random() % 100) {
    const Extent extent{at, 1 + random() % 40};
    changed.add(extent);
    for (std::uint64_t i = extent.offset; i < extent.end(); ++i) bytes[i] = true;
  }
  for (int round = 0; round < 20000; ++round) {
    const Extent asked{random() % 9000, random() % 60};
    bool expected = false;
    for (std::uint64_t i = asked.offset; i < asked.end(); ++i) expected = expected || bytes[i];
    ASSERT_EQ(changed.touch(asked), expected) << to_string(asked);
  }
}

TEST(ChangedExtents, JoinsNeighboursRatherThanGrow) {
  ChangedExtents changed;
  const std::uint64_t step = 8192;
  const std::uint64_t count = 3 * ChangedExtents::kMost;
  for (std::uint64_t i = 0; i < count; ++i) changed.add({i * step, 4096});
  for (std::uint64_t i = 0; i < count; i += 997) ASSERT_TRUE(changed.touch({i * step + 4095, 1}));
  EXPECT_FALSE(changed.touch({count * step, 1}));
}

class CompareTrees : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* tree : {"before", "after"}) std::filesystem::create_directory(path(tree, ""));
  }

  std::string path(const std::string& tree, const std::string& name) {
    return directory_.file(tree) + "/" + name;
  }
  void both(const std::string& name, const std::string& content) {
    for (const char* tree : {"before", "after"}) write(tree, name, content);
  }
  // At one time, so that it does not differ.
  void write(const std::string& tree, const std::string& name, const std::string& content) {
    std::filesystem::create_directories(std::filesystem::path(path(tree, name)).parent_path());
    std::ofstream(path(tree, name), std::ios::binary) << content;
    set_times(tree, name);
  }
  void set_times(const std::string& tree, const std::string& name) {
    const timespec times[2] = {{1000, 0}, {1000, 0}};
    ASSERT_EQ(utimensat(AT_FDCWD, path(tree, name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }

  // "path": the difference in short.
  std::map<std::string, std::string> differences() {
    for (const char* tree : {"before", "after"}) {
      set_times(tree, "");
      for (const auto& entry : std::filesystem::recursive_directory_iterator(path(tree, ""))) {
        if (entry.is_directory() && !entry.is_symlink()) {
          set_times(tree, std::filesystem::relative(entry.path(), path(tree, "")).string());
        }
      }
    }
    const int before = open(path("before", "").c_str(), O_RDONLY | O_DIRECTORY);
    const int after = open(path("after", "").c_str(), O_RDONLY | O_DIRECTORY);
    std::map<std::string, std::string> found;
    ChangedExtents changed;
    changed.add({0, std::uint64_t{1} << 62});
    auto done = compare_trees(
        {.root = before}, {.root = after}, changed, [&](const FileDifference& one) -> Status {
          std::string text{static_cast<char>(one.before), static_cast<char>(one.after)};
          if (one.content) text += " content";
          if (one.attributes) text += " attributes";
          found[one.path] = text;
          return {};
        });
    EXPECT_TRUE(ok(done));
    if (done) {
      compared_ = *done;
      EXPECT_EQ(compared_.differing, found.size());
    }
    close(before);
    close(after);
    return found;
  }

  test::TempDir directory_;
  ComparedFiles compared_;
};

TEST_F(CompareTrees, FindsNoDifferenceWhereThereIsNone) {
  both("a", "one");
  both("folder/b", std::string(3 << 20, 'x'));
  both("folder/deeper/c", "");
  EXPECT_TRUE(differences().empty());
  EXPECT_EQ(compared_.files, 6U) << "the top folder counts";
}

TEST_F(CompareTrees, FindsWhatWasAddedRemovedAndReplaced) {
  both("same", "same");
  write("before", "gone", "1");
  write("before", "folder-gone/in it", "2");
  write("after", "new", "3");
  write("after", "folder-new/in it", "4");
  write("before", "replaced", "5");
  write("after", "replaced/now a folder", "6");
  const std::map<std::string, std::string> expected = {
      {"gone", "f-"},     {"folder-gone", "d-"},          {"folder-gone/in it", "f-"},
      {"new", "-f"},      {"folder-new", "-d"},           {"folder-new/in it", "-f"},
      {"replaced", "fd"}, {"replaced/now a folder", "-f"}};
  EXPECT_EQ(differences(), expected);
}

TEST_F(CompareTrees, FindsContentOfTheSameLengthAndTimes) {
  std::string large(5 << 20, 'x');
  both("large", large);
  both("small", "abc");
  both("longer", "abc");
  large[4 << 20] = 'y';
  write("after", "large", large);
  write("after", "small", "abd");
  write("after", "longer", "abcd");
  EXPECT_EQ(differences(),
            (std::map<std::string, std::string>{
                {"large", "ff content"}, {"small", "ff content"}, {"longer", "ff content"}}));
}

// One is larger than could be read in a life.
TEST_F(CompareTrees, SkipsWhatIsAHoleInBoth) {
  for (const char* name : {"same", "other", "moved"}) {
    for (const char* tree : {"before", "after"}) {
      write(tree, name, "begin");
      std::error_code error;
      std::filesystem::resize_file(path(tree, name), std::uintmax_t{1} << 43, error);
      if (error) GTEST_SKIP() << "no file may be so large here";
    }
  }
  const auto put = [&](const char* tree, const char* name, off_t offset, char byte) {
    const int fd = open(path(tree, name).c_str(), O_WRONLY);
    ASSERT_EQ(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
  };
  for (const char* tree : {"before", "after"}) put(tree, "same", 0x7fffffffff, 'x');
  put("before", "other", 0x7fffffffff, 'x');
  put("after", "other", 0x7fffffffff, 'y');
  put("before", "moved", 0x7fffff0000, 'x');
  put("after", "moved", 0x7f00000000, 'x');
  for (const char* name : {"same", "other", "moved"}) {
    for (const char* tree : {"before", "after"}) set_times(tree, name);
  }
  EXPECT_EQ(differences(),
            (std::map<std::string, std::string>{{"moved", "ff content"}, {"other", "ff content"}}));
  EXPECT_LT(compared_.read_bytes, std::uint64_t{64} << 20);
}

TEST_F(CompareTrees, FindsLinksAndAttributes) {
  both("mode", "1");
  both("time", "1");
  chmod(path("after", "mode").c_str(), 0711);
  const timespec times[2] = {{1000, 0}, {1000, 1}};
  ASSERT_EQ(utimensat(AT_FDCWD, path("after", "time").c_str(), times, 0), 0);
  for (const char* tree : {"before", "after"}) {
    ASSERT_EQ(symlink("same", path(tree, "link").c_str()), 0);
    ASSERT_EQ(symlink(tree, path(tree, "other link").c_str()), 0);
    set_times(tree, "link");
    set_times(tree, "other link");
    ASSERT_EQ(mkfifo(path(tree, "pipe").c_str(), 0600), 0);
    set_times(tree, "pipe");
  }
  std::map<std::string, std::string> expected = {
      {"mode", "ff attributes"}, {"time", "ff attributes"}, {"other link", "ll content"}};
  both("extended", "1");
  if (setxattr(path("after", "extended").c_str(), "user.colour", "red", 3, 0) == 0) {
    expected["extended"] = "ff attributes";
  }
  EXPECT_EQ(differences(), expected);
}

TEST_F(CompareTrees, FindsTheAttributesOfTheTopFolder) {
  both("same", "1");
  chmod(path("after", "").c_str(), 0711);
  EXPECT_EQ(differences(), (std::map<std::string, std::string>{{".", "dd attributes"}}));
}

TEST_F(CompareTrees, TakesHostileNames) {
  const std::string name = "new\nline \x1b[31m\xff";
  write("after", name, "1");
  EXPECT_EQ(differences(), (std::map<std::string, std::string>{{name, "-f"}}));
}

TEST_F(CompareTrees, FollowsFoldersToAnyDepth) {
  constexpr int kDepth = 600;
  std::filesystem::create_directory(path("before", ""));
  const test::DeepFolders was(path("before", "deep"), kDepth);
  const test::DeepFolders is(path("after", "deep"), kDepth + 1);
  const int before = open(path("before", "").c_str(), O_RDONLY | O_DIRECTORY);
  const int after = open(path("after", "").c_str(), O_RDONLY | O_DIRECTORY);
  const test::FewDescriptors few(150);
  int added = 0;
  const auto done = compare_trees({.root = before}, {.root = after}, {},
                                  [&](const FileDifference& one) -> Status {
                                    if (one.before == FileKind::kNone) ++added;
                                    return {};
                                  });
  close(before);
  close(after);
  ASSERT_TRUE(ok(done));
  EXPECT_EQ(added, 2) << "a folder, and the file in it";
}

TEST_F(CompareTrees, EndsWithTheFirstErrorOfItsCaller) {
  write("after", "a", "1");
  write("after", "b", "1");
  const int before = open(path("before", "").c_str(), O_RDONLY | O_DIRECTORY);
  const int after = open(path("after", "").c_str(), O_RDONLY | O_DIRECTORY);
  int visited = 0;
  EXPECT_TRUE(failed(compare_trees({.root = before}, {.root = after}, {},
                                   [&](const FileDifference&) -> Status {
                                     ++visited;
                                     return fail(Errc::kCancelled, "enough");
                                   }),
                     Errc::kCancelled));
  EXPECT_EQ(visited, 1);
  const std::atomic<bool> cancel = true;
  EXPECT_TRUE(failed(compare_trees(
                         {.root = before}, {.root = after}, {},
                         [](const FileDifference&) -> Status { return {}; }, &cancel),
                     Errc::kCancelled));
  close(before);
  close(after);
}

// Where the file system of the temporary folder has FIEMAP.
TEST(FileMap, LeavesHolesOut) {
  const test::TempDir directory;
  const std::string path = directory.file("sparse");
  const int fd = open(path.c_str(), O_RDWR | O_CREAT, 0600);
  const std::string data(128 << 10, 'x');
  ASSERT_EQ(pwrite(fd, data.data(), data.size(), 1 << 20), static_cast<ssize_t>(data.size()));
  ASSERT_EQ(ftruncate(fd, 4 << 20), 0);
  ASSERT_EQ(fsync(fd), 0);
  struct stat status {};
  ASSERT_EQ(fstat(fd, &status), 0);
  const auto map = map_of(fd, status);
  close(fd);
  if (!map) GTEST_SKIP() << "this file system does not tell where a file is";
  std::uint64_t mapped = 0;
  for (const MappedRange& range : *map) {
    EXPECT_GE(range.file.offset, std::uint64_t{1} << 20);
    EXPECT_LE(range.file.end(), (std::uint64_t{1} << 20) + data.size());
    mapped += range.file.length;
  }
  EXPECT_EQ(mapped, data.size());
}

}  // namespace
}  // namespace blkrewind::cli
