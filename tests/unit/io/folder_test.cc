// Names below a directory: links are not followed, and files that another user could write to are
// refused.
#include "io/folder.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "io/env.h"
#include "support/errors.h"
#include "support/temp_dir.h"

namespace blkrewind::io {
namespace {

constexpr uid_t kOther = 65534;

class FolderTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkdir(path("store").c_str(), 0700), 0);
    ASSERT_EQ(::mkdir(path("store/segments").c_str(), 0700), 0);
    write("store/segments/1");
    write("outside");
  }

  [[nodiscard]] std::string path(const std::string& name) const { return dir_.file(name); }
  void write(const std::string& name) const {
    std::ofstream(path(name)) << "content of " << name;
    ::chmod(path(name).c_str(), 0600);
  }
  [[nodiscard]] Folder folder() const {
    auto opened = Folder::open(path("store"));
    if (!opened) throw std::runtime_error(opened.error().to_string());
    return std::move(*opened);
  }
  // The code of the refusal; empty if it was opened.
  [[nodiscard]] std::optional<Errc> refusal(const std::string& name, int flags = O_RDWR) const {
    const auto fd = folder().open_file(name, flags);
    if (fd) return std::nullopt;
    EXPECT_FALSE(words_of(fd.error()).empty() && fd.error().code != Errc::kNotFound &&
                 fd.error().code != Errc::kInternal)
        << fd.error().to_string();
    return fd.error().code;
  }

  test::TempDir dir_;
};

TEST_F(FolderTest, OpensItsFilesForBlockingIo) {
  const Folder at = folder();
  const auto fd = at.open_file("segments/1", O_RDWR);
  ASSERT_TRUE(fd) << fd.error().to_string();
  EXPECT_EQ(::fcntl(fd->get(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(refusal("segments/2"), Errc::kNotFound);
  EXPECT_EQ(*names_in(*at.open_folder("segments"), ""), std::vector<std::string>{"1"});
  EXPECT_EQ(*names_in(*at.open_folder(""), ""), std::vector<std::string>{"segments"});
}

TEST_F(FolderTest, FollowsNoLink) {
  ASSERT_EQ(::symlink(path("outside").c_str(), path("store/segments/2").c_str()), 0);
  EXPECT_EQ(refusal("segments/2"), Errc::kPrecondition);
  ASSERT_EQ(::link(path("outside").c_str(), path("store/segments/3").c_str()), 0);
  EXPECT_EQ(refusal("segments/3"), Errc::kPrecondition);
  ASSERT_EQ(::mkdir(path("elsewhere").c_str(), 0700), 0);
  write("elsewhere/1");
  ASSERT_EQ(::symlink(path("elsewhere").c_str(), path("store/more").c_str()), 0);
  EXPECT_EQ(refusal("more/1"), Errc::kPrecondition);
  EXPECT_FALSE(folder().open_folder("more"));
  EXPECT_FALSE(folder().make_folder("more/made"));
  EXPECT_FALSE(folder().remove("more/1"));
  EXPECT_FALSE(folder().rename("segments/1", "more/1"));
  EXPECT_EQ(::access(path("elsewhere/1").c_str(), F_OK), 0);
}

TEST_F(FolderTest, KnowsNoWayUp) {
  for (const char* name : {"..", "../outside", "segments/../../outside", "", "segments//1", "/",
                           "./segments/1", "segments/."}) {
    EXPECT_EQ(refusal(name), Errc::kInternal) << name;
    EXPECT_FALSE(folder().remove(name)) << name;
    EXPECT_FALSE(folder().rename("segments/1", name)) << name;
  }
  EXPECT_EQ(::access(path("outside").c_str(), F_OK), 0);
  EXPECT_EQ(::access(path("store/segments/1").c_str(), F_OK), 0);
}

TEST_F(FolderTest, OpensRegularFilesOnly) {
  ASSERT_EQ(::mkfifo(path("store/segments/2").c_str(), 0600), 0);
  EXPECT_EQ(refusal("segments/2", O_RDONLY), Errc::kIntegrity);  // and does not wait for a writer
  ASSERT_EQ(::mkdir(path("store/segments/3").c_str(), 0700), 0);
  EXPECT_EQ(refusal("segments/3", O_RDONLY), Errc::kIntegrity);
  if (::geteuid() == 0) {
    ASSERT_EQ(::mknod(path("store/segments/4").c_str(), S_IFCHR | 0600, 0x0103), 0);
    EXPECT_EQ(refusal("segments/4", O_RDONLY), Errc::kIntegrity);
  }
}

TEST_F(FolderTest, RefusesWhatOthersMayWrite) {
  for (const mode_t mode : {0620, 0602, 0666}) {
    ASSERT_EQ(::chmod(path("store/segments/1").c_str(), mode), 0);
    EXPECT_EQ(refusal("segments/1", O_RDONLY), Errc::kPrecondition) << mode;
  }
  ASSERT_EQ(::chmod(path("store/segments/1").c_str(), 0644), 0);
  EXPECT_EQ(refusal("segments/1"), std::nullopt);
  ASSERT_EQ(::chmod(path("store/segments").c_str(), 0770), 0);
  EXPECT_EQ(refusal("segments/1"), Errc::kPrecondition);
  ASSERT_EQ(::chmod(path("store/segments").c_str(), 0755), 0);
  EXPECT_EQ(refusal("segments/1"), std::nullopt);
  ASSERT_EQ(::chmod(path("store").c_str(), 0777), 0);
  const auto opened = Folder::open(path("store"));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::kPrecondition);
  EXPECT_NE(words_of(opened.error()).find("chmod go-w"), std::string::npos);
}

TEST_F(FolderTest, ThePathOfTheFolderMayBeALink) {
  ASSERT_EQ(::symlink(path("store").c_str(), path("link").c_str()), 0);
  const auto opened = Folder::open(path("link"));
  ASSERT_TRUE(opened);
  EXPECT_TRUE(opened->open_file("segments/1", O_RDONLY));
}

TEST_F(FolderTest, RefusesFilesOfAThirdUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(::chown(path("store/segments/1").c_str(), kOther, kOther), 0);
  EXPECT_EQ(refusal("segments/1", O_RDONLY), Errc::kPrecondition);
  // In a store of that user the same file is accepted, and so is one of root's.
  ASSERT_EQ(::chown(path("store").c_str(), kOther, kOther), 0);
  EXPECT_EQ(refusal("segments/1"), std::nullopt);
  ASSERT_EQ(::chown(path("store/segments/1").c_str(), kOther - 1, kOther), 0);
  EXPECT_EQ(refusal("segments/1"), Errc::kPrecondition);
}

TEST_F(FolderTest, WhatRootMakesBelongsToTheFoldersOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  ASSERT_EQ(::chown(path("store").c_str(), kOther, kOther), 0);
  const Folder at = folder();
  ASSERT_TRUE(at.open_file("journal.new", O_RDWR | O_CREAT | O_EXCL));
  ASSERT_TRUE(at.make_folder("more"));
  for (const char* name : {"journal.new", "more"}) {
    const auto status = at.look(name);
    ASSERT_TRUE(status) << name;
    EXPECT_EQ(status->st_uid, kOther) << name;
    EXPECT_EQ(status->st_gid, kOther) << name;
    EXPECT_EQ(status->st_mode & 0077, 0U) << name;
  }
  EXPECT_EQ(at.open_file("journal.new", O_RDWR | O_CREAT | O_EXCL).error().code,
            Errc::kAlreadyExists);
}

TEST_F(FolderTest, TheEnvBeneathKeepsToItAndHandsOnTheRest) {
  const auto machine = make_local_env();
  const std::string store = path("store");
  const auto env = *machine->beneath(store);
  ASSERT_NE(env, nullptr);
  ASSERT_EQ(::symlink(path("outside").c_str(), path("store/journal").c_str()), 0);
  EXPECT_FALSE(env->open(store + "/journal", {}));
  EXPECT_FALSE(env->lock(store + "/journal", 0, LockMode::kShared));
  EXPECT_FALSE(env->is_locked(store + "/journal", 0));
  EXPECT_TRUE(*env->exists(store + "/journal")) << "a link takes the name, too";
  EXPECT_TRUE(env->open(store + "/segments/1", {.access = Access::kReadWrite}));
  EXPECT_TRUE(env->try_lock(store + "/segments/1", 7, LockMode::kExclusive));
  EXPECT_TRUE(env->sync_directory(store));
  EXPECT_TRUE(env->sync_directory(store + "/segments"));
  EXPECT_EQ(env->list_directory(store)->size(), 2U);
  // Not beneath it, as it is written.
  EXPECT_TRUE(env->open(path("outside"), {}));
  EXPECT_TRUE(env->open(store + "/../outside", {}));
  // The opened directory is the store, whatever its name refers to later.
  ASSERT_EQ(::rename(store.c_str(), path("moved").c_str()), 0);
  ASSERT_EQ(::mkdir(store.c_str(), 0700), 0);
  EXPECT_TRUE(env->open(store + "/segments/1", {}));
}

}  // namespace
}  // namespace blkrewind::io
