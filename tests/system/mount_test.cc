// Snapshots as files: `blkrewind mount`.
#ifdef BLKREWIND_PROGRAM

#include <sys/mman.h>

#include <atomic>
#include <cctype>
#include <csignal>

#include "support/errors.h"
#include "system/mount_fixture.h"

namespace blkrewind::test {
namespace {

TEST_F(Mounted, EveryByteIsThatOfTheExport) {
  snapshot("before");
  fill(0, 'x');
  fill(63, 'y');
  snapshot("after");
  mount();
  for (const std::string name : {"before", "after"}) {
    const std::string wanted = exported(name);
    EXPECT_TRUE(read_piece(shown(name), 0, kDeviceBytes + 1).bytes == wanted) << name;

    const UniqueFd fd(::open(shown(name).c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC));
    void* const memory = ::aligned_alloc(4096, kDeviceBytes);
    ASSERT_EQ(::pread(fd.get(), memory, kDeviceBytes, 0), static_cast<ssize_t>(kDeviceBytes));
    EXPECT_EQ(std::memcmp(memory, wanted.data(), kDeviceBytes), 0) << name;
    ::free(memory);

    void* const mapped = ::mmap(nullptr, kDeviceBytes, PROT_READ, MAP_SHARED, fd.get(), 0);
    ASSERT_NE(mapped, MAP_FAILED);
    EXPECT_EQ(std::memcmp(mapped, wanted.data(), kDeviceBytes), 0) << name;
    ::munmap(mapped, kDeviceBytes);
  }
  // Any offset and length.
  const std::string wanted = exported("before");
  for (std::uint64_t at = 0; at < kDeviceBytes; at += 99991) {
    ASSERT_EQ(read_piece(shown("before"), at, 70001).bytes, wanted.substr(at, 70001)) << at;
  }
  unmount();
}

TEST_F(Mounted, ASnapshotIsOneFileUnderItsNameAndItsId) {
  const std::string named = snapshot("before");
  const std::string unnamed = ask({"snapshot", image_}).value("snapshot_id", "");
  const json disk = ask({"list"}).at("disks").at(0);
  mount();
  EXPECT_EQ(names_in(point_), (std::vector<std::string>{"by-id", "disk.img"}));
  EXPECT_EQ(names_in(point_ + "/disk.img"),
            (std::vector<std::string>{"before.img", unnamed + ".img"}));
  const std::string by_id = point_ + "/by-id/" + disk.value("disk_id", "");
  std::vector<std::string> ids = {named + ".img", unnamed + ".img"};
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(names_in(by_id), ids);
  struct stat one = {};
  struct stat other = {};
  ASSERT_EQ(::stat(shown("before").c_str(), &one), 0);
  ASSERT_EQ(::stat((by_id + "/" + named + ".img").c_str(), &other), 0);
  EXPECT_EQ(one.st_ino, other.st_ino);
  EXPECT_EQ(one.st_size, static_cast<off_t>(kDeviceBytes));
  EXPECT_EQ(one.st_mode, static_cast<mode_t>(S_IFREG | 0444));
  EXPECT_EQ(one.st_nlink, 2U);
  EXPECT_EQ(one.st_mtime, disk.at("snapshots").at(0).value("created_at", std::int64_t{0}));
  // Three of 64 chunks hold data.
  EXPECT_EQ(one.st_blocks, static_cast<blkcnt_t>(3 * kChunk / 512));
  ASSERT_EQ(::stat(point_.c_str(), &one), 0);
  EXPECT_EQ(one.st_mode, static_cast<mode_t>(S_IFDIR | 0555));
}

// The process that serves it works in another folder.
TEST_F(Mounted, AStoreWithARelativePath) {
  snapshot("before");
  const std::string folder = std::filesystem::path(program_.store()).parent_path();
  const std::string line = "cd " + folder + " && " BLKREWIND_PROGRAM " --store store mount mounted";
  ASSERT_EQ(std::system((line + " >/dev/null").c_str()), 0);
  fill(0, 'n');
  snapshot("after");
  EXPECT_EQ(names_in(point_ + "/disk.img"), (std::vector<std::string>{"after.img", "before.img"}));
  EXPECT_EQ(read_piece(shown("after"), 0, kDeviceBytes).bytes, content());
}

TEST_F(Mounted, DisksOfOneNameHaveTheirIdBehindIt) {
  snapshot("before");
  const std::string folder = program_.file("other");
  std::filesystem::create_directory(folder);
  make_sparse_file(folder + "/disk.img", kDeviceBytes);
  ask({"snapshot", folder + "/disk.img"});
  std::vector<std::string> wanted = {"by-id"};
  const json list = ask({"list"});
  for (const json& disk : list.at("disks")) {
    wanted.push_back("disk.img." + disk.value("disk_id", ""));
  }
  std::sort(wanted.begin(), wanted.end());
  mount();
  EXPECT_EQ(names_in(point_), wanted);
}

TEST_F(Mounted, NewSnapshotsAppearAndDeletedOnesVanish) {
  snapshot("one");
  mount();
  EXPECT_EQ(read_piece(shown("two"), 0, 1).error, ENOENT);
  fill(5, 'z');
  snapshot("two");
  EXPECT_EQ(names_in(point_ + "/disk.img"), (std::vector<std::string>{"one.img", "two.img"}));
  EXPECT_TRUE(soon([&] { return read_piece(shown("two"), 5 * kChunk, 1).bytes == "z"; }));
  ask({"delete", "one"});
  EXPECT_EQ(names_in(point_ + "/disk.img"), (std::vector<std::string>{"two.img"}));
  EXPECT_TRUE(soon([&] { return read_piece(shown("one"), 0, 1).error == ENOENT; }));
  // The name of another snapshot now: nothing of the former's content may be left.
  fill(0, 'n');
  snapshot("one");
  EXPECT_TRUE(soon([&] { return read_piece(shown("one"), 0, 1).error == 0; }));
  EXPECT_EQ(read_piece(shown("one"), 0, kDeviceBytes).bytes, content());
}

TEST_F(Mounted, ASnapshotIsHeldWhileAFileOfItIsOpen) {
  const std::string id = snapshot("before");
  ForegroundMount mounted(program_, point_);
  {
    const UniqueFd fd(::open(shown("before").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(fd.valid());
    const json refused = ask({"delete", "before"}, 6);
    EXPECT_NE(refused.value("message", "").find("blkrewind (process "), std::string::npos)
        << refused;
    EXPECT_EQ(read_piece(fd.get(), 0, kDeviceBytes).bytes, content());
  }
  // The kernel tells of a close after it.
  EXPECT_TRUE(soon([&] { return program_.run({"delete", id}).status == 0; }));
  EXPECT_EQ(mounted.log(), "");
}

TEST_F(Mounted, NothingCanBeWritten) {
  snapshot("before");
  const auto stored = [&] {
    std::string all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(program_.store())) {
      all += entry.path().string();
      if (entry.is_regular_file()) all += read_file(entry.path());
    }
    return all;
  };
  const std::string before = stored();
  mount();
  EXPECT_EQ(::open(shown("before").c_str(), O_WRONLY | O_CLOEXEC), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::open((point_ + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::unlink(shown("before").c_str()), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(::truncate(shown("before").c_str(), 0), -1);
  EXPECT_EQ(errno, EROFS);
  EXPECT_EQ(read_piece(shown("before"), 0, kDeviceBytes).bytes, content());
  unmount();
  EXPECT_EQ(stored(), before);
}

TEST_F(Mounted, HolesAreFound) {
  fill(63, 'e');
  snapshot("before");
  mount();
  const UniqueFd fd(::open(shown("before").c_str(), O_RDONLY | O_CLOEXEC));
  std::vector<std::uint64_t> ends;
  for (off_t at = 0; at < static_cast<off_t>(kDeviceBytes);) {
    const off_t data = ::lseek(fd.get(), at, SEEK_DATA);
    ASSERT_GE(data, 0);
    at = ::lseek(fd.get(), data, SEEK_HOLE);
    ASSERT_GT(at, data);
    ends.push_back(static_cast<std::uint64_t>(data) / kChunk);
    ends.push_back(static_cast<std::uint64_t>(at) / kChunk);
  }
  EXPECT_EQ(ends, (std::vector<std::uint64_t>{0, 2, 10, 11, 63, 64}));
  EXPECT_EQ(::lseek(fd.get(), 2 * kChunk + 7, SEEK_HOLE), static_cast<off_t>(2 * kChunk + 7));
  EXPECT_EQ(::lseek(fd.get(), kDeviceBytes, SEEK_DATA), -1);
  EXPECT_EQ(errno, ENXIO);
}

TEST_F(Mounted, TenReadersOfOneFile) {
  for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) {
    fill(chunk, static_cast<char>('a' + chunk % 26));
  }
  snapshot("before");
  const std::string wanted = content();
  mount();
  std::atomic<int> right = 0;
  std::vector<std::thread> readers;
  for (unsigned reader = 0; reader < 10; ++reader) {
    readers.emplace_back([&, reader] {
      const UniqueFd fd(::open(shown("before").c_str(), O_RDONLY | O_CLOEXEC));
      // Each begins elsewhere.
      for (std::uint64_t i = 0; i < kChunks; ++i) {
        const std::uint64_t at = (i + reader * 7) % kChunks * kChunk;
        if (read_piece(fd.get(), at, kChunk).bytes != wanted.substr(at, kChunk)) return;
      }
      ++right;
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(right, 10);
}

TEST_F(Mounted, WhatFioWroteIsVerifiedByFio) {
  if (std::system("command -v fio >/dev/null") != 0) GTEST_SKIP() << "needs fio";
  const auto fio = [&](const std::string& file, const std::string& how) {
    return std::system(
        ("fio --name=x --size=4m --bs=16k --verify=crc32c --verify_state_save=0 --filename=" +
         file + " " + how + " >/dev/null 2>&1")
            .c_str());
  };
  ASSERT_EQ(fio(image_, "--rw=write --do_verify=0"), 0);
  snapshot("before");
  fill(3, 'x');
  snapshot("after");
  mount();
  EXPECT_EQ(fio(shown("before"), "--rw=read --readonly"), 0);
  EXPECT_NE(fio(shown("after"), "--rw=read --readonly"), 0);
}

// The page cache must not hide it, so each is a mount of its own.
TEST_F(Mounted, ACorruptChunkIsAnErrorOfItsReadersAndOfNoOther) {
  const std::map<char, std::uint64_t> chunks = {{'a', 0}, {'b', 1}, {'c', 10}};
  snapshot("before");
  const std::string wanted = content();
  const std::string kept = program_.file("kept");
  std::filesystem::copy(program_.store(), kept, std::filesystem::copy_options::recursive);
  for (const auto& [letter, bad] : chunks) {
    std::filesystem::remove_all(program_.store());
    std::filesystem::copy(kept, program_.store(), std::filesystem::copy_options::recursive);
    corrupt_chunk_of(program_.store(), letter);
    ForegroundMount mounted(program_, point_);
    for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) {
      const Piece piece = read_piece(shown("before"), chunk * kChunk, kChunk);
      EXPECT_EQ(piece.error, chunk == bad ? EIO : 0) << letter << ", chunk " << chunk;
      if (chunk == bad) continue;
      EXPECT_EQ(piece.bytes, wanted.substr(chunk * kChunk, kChunk)) << chunk;
    }
    EXPECT_NE(mounted.log().find("chunk " + std::to_string(bad) + " "), std::string::npos)
        << mounted.log();
    unmount();
    EXPECT_EQ(mounted.wait(), 0);
  }
}

TEST_F(Mounted, AMountWhoseProcessWasKilledCanBeTakenDown) {
  snapshot("before");
  ForegroundMount mounted(program_, point_);
  const UniqueFd fd(::open(shown("before").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  mounted.kill(SIGKILL);
  EXPECT_EQ(mounted.wait(), 1000 + SIGKILL);
  EXPECT_NE(read_piece(fd.get(), 0, kDeviceBytes).error, 0);
  // The way out is named, and nothing holds the snapshot any more.
  const json refused = ask({"mount", point_}, 3);
  EXPECT_NE(refused.value("hint", "").find("umount " + point_), std::string::npos) << refused;
  EXPECT_EQ(::umount2(point_.c_str(), MNT_DETACH), 0);
  ask({"delete", "before"});
  mount();
  EXPECT_EQ(names_in(point_ + "/disk.img"), std::vector<std::string>{});
  unmount();
}

TEST_F(Mounted, ASignalTakesTheMountDown) {
  snapshot("before");
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    ForegroundMount mounted(program_, point_);
    mounted.kill(signal);
    EXPECT_EQ(mounted.wait(), 0);
    EXPECT_EQ(mounts_on(point_), 0);
  }
}

TEST_F(Mounted, AStoreThatIsDeletedIsAnErrorAndNoReasonToHang) {
  snapshot("before");
  ForegroundMount mounted(program_, point_);
  const UniqueFd fd(::open(shown("before").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(fd.valid());
  std::filesystem::remove_all(program_.store());
  const UniqueFd folder(::open((point_ + "/disk.img").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(folder.valid());
  EXPECT_NE(read_piece(point_ + "/disk.img/other.img", 0, 1).error, 0);
  const Piece piece = read_piece(fd.get(), 0, kDeviceBytes);
  EXPECT_TRUE(piece.error != 0 || piece.bytes == content());
  EXPECT_NE(mounted.log(), "");
  EXPECT_FALSE(std::filesystem::exists(program_.store()));
  EXPECT_EQ(::umount2(point_.c_str(), MNT_DETACH), 0);
}

TEST_F(Mounted, FoldersThatCannotBeMountedOnAreRefused) {
  snapshot("before");
  const std::string inside = program_.store() + "/inside";
  std::filesystem::create_directory(inside);
  EXPECT_NE(ask({"mount", inside}, 3).value("message", "").find("inside of the store"),
            std::string::npos);
  // A bind mount is another path of it.
  run_program({"mount", "--bind", std::filesystem::path(program_.store()).parent_path(), point_});
  EXPECT_NE(ask({"mount", point_ + "/store/inside"}, 3).value("message", "").find("inside of"),
            std::string::npos);
  run_program({"umount", point_});
  const std::string around = std::filesystem::path(program_.store()).parent_path();
  EXPECT_NE(ask({"mount", around}, 3).value("message", "").find("would hide the store"),
            std::string::npos);
  EXPECT_EQ(ask({"mount", point_ + "/none"}, 3).value("code", ""), "NotFound");
  {
    ForegroundMount mounted(program_, point_);
    const json refused = ask({"mount", point_}, 3);
    EXPECT_NE(refused.value("hint", "").find("umount " + point_), std::string::npos) << refused;
    unmount();
  }
  EXPECT_EQ(ask({"mount", image_}, 2).value("code", ""), "InvalidArgument");
  EXPECT_EQ(mounts_on(inside) + mounts_on(around) + mounts_on(point_), 0);
}

TEST_F(Mounted, OnTheFileSystemOfItsOwnDisk) {
  const std::string backing = program_.file("own.img");
  const LoopDevice disk = LoopDevice::make(backing, 64 * kMiB);
  run_program({"mkfs.ext4", "-q", "-F", disk.path()});
  ask({"snapshot", disk.path(), "--name", "own"});
  const std::string files = program_.file("files");
  std::filesystem::create_directory(files);
  const Mount mounted(disk.path(), files, "ext4");
  const std::string look = files + "/look";
  std::filesystem::create_directory(look);
  ask({"mount", look});
  const std::string name = std::filesystem::path(disk.path()).filename();
  EXPECT_EQ(names_in(look), (std::vector<std::string>{"by-id", name}));
  EXPECT_EQ(read_piece(look + "/" + name + "/own.img", 0, 64 * kMiB).bytes, exported("own"));
  ask({"list"});
  EXPECT_EQ(::umount2(look.c_str(), 0), 0);
}

// Looking for new snapshots looks at the devices, which may be files of this very mount.
TEST_F(Mounted, AFileOfTheMountCanBeADisk) {
  snapshot("before");
  mount();
  ask({"disk", "register", "--new", shown("before")});
  EXPECT_EQ(names_in(point_), (std::vector<std::string>{"before.img", "by-id", "disk.img"}));
  EXPECT_EQ(read_piece(shown("before"), 0, kDeviceBytes).bytes, content());
  unmount();
}

TEST_F(Mounted, AnOrdinaryUserMountsAStoreOfTheirOwn) {
  if (std::system("command -v fusermount3 >/dev/null") != 0) GTEST_SKIP() << "needs fuse3";
  struct stat device = {};
  ASSERT_EQ(::stat("/dev/fuse", &device), 0);
  if ((device.st_mode & 0006) != 0006) GTEST_SKIP() << "only root may open /dev/fuse here";
  const TempDir home;  // of the user
  const auto as_user = [](const std::string& command) {
    return std::system(("setpriv --reuid 65534 --regid 65534 --clear-groups sh -ec '" + command +
                        "' >/dev/null 2>&1")
                           .c_str());
  };
  ASSERT_EQ(::chown(home.path().c_str(), 65534, 65534), 0);
  const std::string program = std::string(BLKREWIND_PROGRAM) + " --store " + home.file("store");
  ASSERT_EQ(as_user("cd " + home.path() + "; head -c 1000000 /dev/urandom >disk.img; mkdir look; " +
                    program + " snapshot disk.img --name before"),
            0);
  ASSERT_EQ(as_user(program + " mount " + home.file("look")), 0);
  EXPECT_EQ(as_user("cd " + home.path() + "; cmp disk.img look/disk.img/before.img"), 0);
  EXPECT_EQ(read_piece(home.file("look/disk.img"), 0, 1).error, EACCES);  // not even root
  EXPECT_NE(as_user(program + " mount /srv"), 0);
  EXPECT_EQ(as_user("fusermount3 -u " + home.file("look")), 0);
  EXPECT_EQ(mounts_on(home.file("look")) + mounts_on("/srv"), 0);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
