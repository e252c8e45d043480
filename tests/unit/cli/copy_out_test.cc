// Copying files out of a folder that may be hostile.
#include "cli/look/copy_out.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "cli/look/folder_chain.h"
#include "cli/look/partial_file.h"
#include "cli/look/path_error.h"
#include "support/deep_folders.h"
#include "support/read_file.h"
#include "support/temp_dir.h"

namespace blkrewind::cli {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::TempDir;

class CopyOut : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(inside("etc"));
    write(inside("etc/fstab"), "/dev/vdb / ext4\n");
    root_.reset(::open(inside("").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    fs::create_directory(outside(""));
    options_.warn = [this](const std::string& text) { warnings_.push_back(text); };
  }

  [[nodiscard]] std::string inside(const std::string& name) const { return image_.file(name); }
  [[nodiscard]] std::string outside(const std::string& name) const {
    return target_.file("out/" + name);
  }

  static void write(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::binary);
    file << text;
    ASSERT_TRUE(file.flush().good());
  }

  Result<CopyReceipt> copy(const std::string& path, const std::string& name) {
    return copy_out(root_.get(), path, outside(name), options_);
  }

  TempDir image_;
  TempDir target_;
  UniqueFd root_;
  CopyOptions options_;
  std::vector<std::string> warnings_;
};

struct stat status_of(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(::lstat(path.c_str(), &status), 0) << path;
  return status;
}

TEST_F(CopyOut, AFileWithItsModeAndTimes) {
  ASSERT_EQ(::chmod(inside("etc/fstab").c_str(), 06751), 0);
  const std::array times = {timespec{1000000001, 5}, timespec{1000000002, 7}};
  ASSERT_EQ(::utimensat(AT_FDCWD, inside("etc/fstab").c_str(), times.data(), 0), 0);
  const auto done = copy("etc/fstab", "fstab");
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  EXPECT_EQ(done->files, 1U);
  EXPECT_EQ(done->bytes, 16U);
  EXPECT_EQ(read_file(outside("fstab")), "/dev/vdb / ext4\n");
  const struct stat made = status_of(outside("fstab"));
  EXPECT_EQ(made.st_mode & 07777, 0751U);  // nothing that runs as another user
  EXPECT_EQ(made.st_mtim.tv_sec, 1000000002);
  EXPECT_EQ(made.st_mtim.tv_nsec, 7);
}

TEST_F(CopyOut, AFolderWithEverythingInIt) {
  const std::string hostile = "a\n\033[2J\xff b";
  fs::create_directories(inside("top/deep/deeper"));
  write(inside("top/deep/" + hostile), "x");
  write(inside("top/deep/deeper/empty"), "");
  fs::create_symlink("/etc/passwd", inside("top/absolute"));
  fs::create_symlink("../../..", inside("top/up"));
  ASSERT_EQ(::mkfifo(inside("top/pipe").c_str(), 0600), 0);
  const std::array times = {timespec{1000000001, 0}, timespec{1000000002, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, inside("top/deep").c_str(), times.data(), 0), 0);
  ASSERT_EQ(::chmod(inside("top/deep").c_str(), 0555), 0);
  const auto done = copy("top", "copy");
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  EXPECT_EQ(done->files, 2U);
  EXPECT_EQ(done->folders, 3U);
  EXPECT_EQ(done->links, 2U);
  EXPECT_EQ(done->left_out, 1U);
  EXPECT_EQ(done->failed, 0U);
  ASSERT_EQ(warnings_.size(), 1U);
  EXPECT_NE(warnings_[0].find("top/pipe"), std::string::npos);
  EXPECT_EQ(read_file(outside("copy/deep/" + hostile)), "x");
  EXPECT_EQ(fs::read_symlink(outside("copy/absolute")), "/etc/passwd");
  EXPECT_EQ(fs::read_symlink(outside("copy/up")), "../../..");
  EXPECT_FALSE(fs::exists(outside("copy/pipe")));
  EXPECT_EQ(status_of(outside("copy/deep")).st_mode & 07777, 0555U);
  EXPECT_EQ(status_of(outside("copy/deep")).st_mtim.tv_sec, 1000000002);
  ASSERT_EQ(::chmod(inside("top/deep").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(outside("copy/deep").c_str(), 0755), 0);
}

TEST_F(CopyOut, NoLinkLeadsOutOfTheRoot) {
  write(target_.file("secret"), "secret");
  fs::create_symlink(target_.file("secret"), inside("absolute"));
  fs::create_symlink("../../../../../../.." + target_.file("secret"), inside("relative"));
  fs::create_symlink(target_.path(), inside("folder"));
  const std::vector<std::string> paths = {"absolute", "relative", "folder/secret",
                                          "../../../../../.." + target_.file("secret")};
  for (const std::string& path : paths) {
    const auto done = copy(path, "taken");
    ASSERT_FALSE(done.has_value()) << path;
    EXPECT_EQ(done.error().code, Errc::kNotFound) << path;
  }
  EXPECT_FALSE(fs::exists(outside("taken")));
  // As it would be there.
  fs::create_symlink("/etc/fstab", inside("link"));
  ASSERT_TRUE(copy("link", "fstab").has_value());
  EXPECT_EQ(read_file(outside("fstab")), "/dev/vdb / ext4\n");
}

TEST_F(CopyOut, NothingIsOverwrittenNorFollowed) {
  write(outside("file"), "mine");
  fs::create_directory(outside("folder"));
  fs::create_symlink(outside("elsewhere"), outside("link"));
  for (const std::string name : {"file", "folder", "link"}) {
    for (const std::string path : {"etc/fstab", "etc"}) {
      const auto done = copy(path, name);
      ASSERT_FALSE(done.has_value()) << name;
      EXPECT_EQ(done.error().code, Errc::kAlreadyExists) << name;
    }
  }
  EXPECT_EQ(read_file(outside("file")), "mine");
  EXPECT_TRUE(fs::is_empty(outside("folder")));
  EXPECT_FALSE(fs::exists(outside("elsewhere")));
}

TEST_F(CopyOut, AFileThatAppearsMeanwhileIsKept) {
  {
    auto partial = PartialFile::create(AT_FDCWD, outside("file"));
    ASSERT_TRUE(partial.has_value());
    EXPECT_FALSE(fs::exists(outside("file")));
    write(outside("file"), "mine");
    const Status done = partial->give_name();
    ASSERT_FALSE(done.has_value());
    EXPECT_EQ(done.error().code, Errc::kAlreadyExists);
  }
  EXPECT_EQ(read_file(outside("file")), "mine");
  EXPECT_EQ(std::distance(fs::directory_iterator(outside("")), {}), 1);
}

TEST_F(CopyOut, ANameMayBeAsLongAsANameCanBe) {
  const std::string longest(255, 'n');
  write(inside("etc/" + longest), "x");
  ASSERT_TRUE(copy("etc", "copy").has_value());
  EXPECT_EQ(read_file(outside("copy/" + longest)), "x");
  EXPECT_EQ(copy("etc/fstab", longest + "n").error().sys_errno, ENAMETOOLONG);
  EXPECT_EQ(copy("etc/fstab", "none/").error().code, Errc::kAlreadyExists);
  EXPECT_EQ(copy("etc/fstab", "none/file").error().code, Errc::kNotFound);
}

TEST_F(CopyOut, HolesStayHoles) {
  constexpr off_t kSize = 1 << 30;
  {
    const UniqueFd file(::open(inside("sparse").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ASSERT_EQ(::pwrite(file.get(), "middle", 6, kSize / 2), 6);
    ASSERT_EQ(::ftruncate(file.get(), kSize), 0);
  }
  const auto done = copy("sparse", "copy");
  ASSERT_TRUE(done.has_value());
  const struct stat made = status_of(outside("copy"));
  EXPECT_EQ(made.st_size, kSize);
  EXPECT_LT(made.st_blocks, 2048);
  const UniqueFd file(::open(outside("copy").c_str(), O_RDONLY | O_CLOEXEC));
  std::string middle(6, ' ');
  EXPECT_EQ(::pread(file.get(), middle.data(), 6, kSize / 2), 6);
  EXPECT_EQ(middle, "middle");
}

TEST_F(CopyOut, WhatIsNoFileIsRefused) {
  ASSERT_EQ(::mkfifo(inside("pipe").c_str(), 0600), 0);
  EXPECT_EQ(copy("pipe", "copy").error().code, Errc::kInvalidArgument);
  EXPECT_EQ(copy("none", "copy").error().code, Errc::kNotFound);
  EXPECT_EQ(write_out(root_.get(), "etc", STDOUT_FILENO).error().code, Errc::kInvalidArgument);
  EXPECT_FALSE(fs::exists(outside("copy")));
}

TEST_F(CopyOut, WhatIsWrongWithThePathIsSaidOfThePath) {
  fs::create_symlink("circle", inside("circle"));
  ASSERT_EQ(::mkfifo(inside("pipe").c_str(), 0600), 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  inside("socket").copy(address.sun_path, sizeof address.sun_path - 1);
  const UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  std::vector<std::string> special = {"pipe", "socket"};
  // A device without a driver, so that opening it would fail.
  if (::mknod(inside("node").c_str(), S_IFBLK | 0600, makedev(0, 0)) == 0) {
    special.emplace_back("node");
  }
  for (const std::string& name : special) {
    const auto refused = copy(name, "copy");
    EXPECT_EQ(refused.error().code, Errc::kInvalidArgument) << name;
    EXPECT_NE(refused.error().message.find("neither a file nor a folder"), std::string::npos)
        << refused.error().to_string();
    EXPECT_EQ(write_out(root_.get(), name, STDOUT_FILENO).error().code, Errc::kInvalidArgument);
  }
  struct Case {
    std::string path;
    Errc code;
  };
  for (const auto& [path, code] : std::vector<Case>{
           {"none", Errc::kNotFound},
           {"etc/none/below", Errc::kNotFound},
           {"etc/fstab/below", Errc::kNotFound},
           {"circle", Errc::kInvalidArgument},
           {std::string(256, 'n'), Errc::kInvalidArgument},
           {std::string(5000, 'n'), Errc::kInvalidArgument},
       }) {
    const auto refused = copy(path, "copy");
    EXPECT_EQ(refused.error().code, code) << refused.error().to_string();
    EXPECT_FALSE(is_of_the_device(refused.error())) << path;
  }
  EXPECT_FALSE(fs::exists(outside("copy")));
}

TEST(PathErrors, AreOfThePathOrOfTheDevice) {
  struct Case {
    int sys_errno;
    Errc code;
    bool of_the_device;
  };
  for (const auto& [number, code, of_the_device] : std::vector<Case>{
           {ENOENT, Errc::kNotFound, false},
           {ENOTDIR, Errc::kNotFound, false},
           {ELOOP, Errc::kInvalidArgument, false},
           {ENAMETOOLONG, Errc::kInvalidArgument, false},
           {EIO, Errc::kIo, true},
           {EUCLEAN, Errc::kIo, true},
           {EBADMSG, Errc::kIo, true},
           {ENODATA, Errc::kIo, true},
           {EPIPE, Errc::kIo, false},
           {EACCES, Errc::kIo, false},
       }) {
    const Error error = path_error(number, "x");
    EXPECT_EQ(error.code, code) << number;
    EXPECT_EQ(error.sys_errno, number);
    EXPECT_EQ(is_of_the_device(error), of_the_device) << number;
  }
}

// Deeper than there are descriptors, and than a path may be long.
TEST_F(CopyOut, FoldersAreFollowedToAnyDepth) {
  constexpr int kDepth = 600;
  const test::DeepFolders source(inside("deep"), kDepth);
  const test::FewDescriptors few(100);
  const auto done = copy("deep", "copy");
  const test::DeepFolders copied(outside("copy"));
  ASSERT_TRUE(done.has_value()) << done.error().to_string();
  EXPECT_EQ(done->failed, 0U);
  EXPECT_EQ(done->folders, kDepth + 1U);
  EXPECT_EQ(done->files, kDepth + 1U) << "one behind each folder in it";
  EXPECT_EQ(copied.depth(), kDepth);
}

TEST(FolderChains, AFolderThatWasMovedIsNotFollowed) {
  const TempDir directory;
  const int depth = static_cast<int>(FolderChain::kMostOpen);
  const test::DeepFolders folders(directory.file("deep"), depth);
  FolderChain chain;
  const auto enter = [&](int from, const char* name) {
    const auto entered =
        chain.enter(OwnedFd(::openat(from, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
    ASSERT_TRUE(entered.has_value());
  };
  enter(AT_FDCWD, directory.file("deep").c_str());
  for (int i = 0; i < depth; ++i) enter(chain.descriptor(), test::DeepFolders::kName);
  fs::create_directory(directory.file("elsewhere"));
  fs::rename(directory.file("deep") + "/" + test::DeepFolders::kName,
             directory.file("elsewhere/d"));
  for (int i = 0; i < depth - 1; ++i) ASSERT_TRUE(chain.leave().has_value());
  EXPECT_FALSE(chain.leave().has_value());
}

TEST_F(CopyOut, ContentGoesToADescriptor) {
  const UniqueFd to(::open(outside("out").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_TRUE(write_out(root_.get(), "/etc/fstab", to.get()).has_value());
  EXPECT_EQ(read_file(outside("out")), "/dev/vdb / ext4\n");
}

TEST_F(CopyOut, IsCancelledWhileAPipeDoesNotMove) {
  write(inside("big"), std::string(1 << 20, 'b'));
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  std::atomic<bool> cancel{false};
  options_.cancel = &cancel;
  std::thread later([&] {
    pollfd arrived{.fd = read_end.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&arrived, 1, -1), 1);
    cancel = true;
  });
  const auto done = write_out(root_.get(), "big", write_end.get(), options_);
  later.join();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Errc::kCancelled);
}

TEST_F(CopyOut, IsCancelled) {
  const std::atomic<bool> cancel{true};
  options_.cancel = &cancel;
  const Error of_a_file = copy("etc/fstab", "copy").error();
  EXPECT_EQ(of_a_file.code, Errc::kCancelled);
  EXPECT_EQ(of_a_file.to_string(), "cancelled");
  EXPECT_FALSE(fs::exists(outside("copy")));
}

}  // namespace
}  // namespace blkrewind::cli
