// A user and root alternately use the user's store.
#ifdef BLKREWIND_PROGRAM
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "support/read_file.h"
#include "support/temp_dir.h"

namespace blkrewind::test {
namespace {

constexpr uid_t kUser = 65534;
constexpr uid_t kThird = 65533;

class StoreOwnerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root, which can act as another user";
    // The program's own directory may be inaccessible to other users.
    std::filesystem::copy_file(BLKREWIND_PROGRAM, program_);
    ASSERT_EQ(::chmod(program_.c_str(), 0755), 0);
    ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
    ASSERT_EQ(::mkdir(folder_.c_str(), 0755), 0);
    std::ofstream(image_) << std::string(1 << 20, 'a');
    for (const std::string& path : {folder_, image_}) {
      ASSERT_EQ(::chown(path.c_str(), kUser, kUser), 0);
    }
  }

  void fill(char letter) const {
    std::ofstream file(image_, std::ios::in | std::ios::out);
    file << std::string(1 << 18, letter);
  }

  // The exit status of the command, run by that user in the user's directory.
  [[nodiscard]] int run_as(uid_t user, const std::string& arguments) const {
    const std::string id = std::to_string(user);
    const std::string line = "cd " + folder_ + " && setpriv --reuid=" + id + " --regid=" + id +
                             " --clear-groups " + program_ + " -q --store store " + arguments +
                             " >" + dir_.file("out") + " 2>&1";
    const int raw = std::system(line.c_str());  // NOLINT(cert-env33-c,concurrency-mt-unsafe)
    const int status = WIFEXITED(raw) ? WEXITSTATUS(raw) : -1;
    if (status != 0) said_ = read_file(dir_.file("out"));
    return status;
  }

  TempDir dir_;
  const std::string program_ = dir_.file("blkrewind");
  const std::string folder_ = dir_.file("user");
  const std::string image_ = folder_ + "/a.img";
  mutable std::string said_;
};

TEST_F(StoreOwnerTest, RootLocksTheOwnerOutOfNothing) {
  ASSERT_EQ(run_as(kUser, "snapshot a.img --name one"), 0) << said_;
  int round = 0;
  for (const uid_t user : {uid_t{0}, kUser, uid_t{0}, kUser}) {
    const std::string name = "n" + std::to_string(++round);
    fill(user == 0 ? 'r' : 'u');
    EXPECT_EQ(run_as(user, "snapshot a.img --name " + name), 0) << said_;
    EXPECT_EQ(run_as(user, "instance create i-" + name), 0) << said_;
    fill('x');
    EXPECT_EQ(run_as(user, "rollback a.img one"), 0) << said_;
    EXPECT_EQ(run_as(user, "undo a.img"), 0) << said_;
    EXPECT_EQ(run_as(user, "delete " + name), 0) << said_;
    EXPECT_EQ(run_as(user, "store gc"), 0) << said_;
    EXPECT_EQ(run_as(user, "verify"), 0) << said_;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      struct stat status = {};
      if (::lstat(entry.path().c_str(), &status) != 0) continue;
      EXPECT_EQ(status.st_uid, kUser) << entry.path() << " after user " << user;
      EXPECT_EQ(status.st_gid, kUser) << entry.path() << " after user " << user;
    }
  }
}

TEST_F(StoreOwnerTest, AThirdUserIsToldToRunItAsTheOwner) {
  ASSERT_EQ(run_as(kUser, "snapshot a.img --name one"), 0) << said_;
  ASSERT_EQ(::chmod((folder_ + "/store").c_str(), 0755), 0);
  EXPECT_EQ(run_as(kThird, "list"), 3);
  EXPECT_NE(said_.find("belongs to user 65534"), std::string::npos) << said_;
  EXPECT_NE(said_.find("hint:"), std::string::npos) << said_;
}

// A segment that other users may write to is refused, and is neither damage nor an I/O error.
TEST_F(StoreOwnerTest, ASegmentOfAnotherUserIsRefusedWithWhatToDo) {
  ASSERT_EQ(run_as(kUser, "snapshot a.img --name one"), 0) << said_;
  const std::string segment = folder_ + "/store/disks/1/segments/1";
  ASSERT_EQ(::chmod(segment.c_str(), 0666), 0);
  fill('x');
  for (const char* const command : {"verify", "export one out.img", "rollback a.img one"}) {
    const int status = run_as(kUser, command);
    EXPECT_TRUE(status == 3 || status == 4) << command << ": " << status;
    EXPECT_NE(said_.find("chmod go-w"), std::string::npos) << command << ": " << said_;
    EXPECT_EQ(said_.find("errno 5"), std::string::npos) << command << ": " << said_;
  }
  ASSERT_EQ(::chmod(segment.c_str(), 0600), 0);
  EXPECT_EQ(run_as(kUser, "resume a.img"), 0) << said_;
  EXPECT_EQ(run_as(kUser, "verify"), 0) << said_;
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
