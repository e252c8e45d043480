// The files in a snapshot: `blkrewind open` and `close`.
#ifdef BLKREWIND_PROGRAM

#include <csignal>

#include "system/open_fixture.h"

namespace blkrewind::test {
namespace {

constexpr std::uint64_t kOpenDiskBytes = 400 * kMiB;  // mkfs.xfs makes none below 300 MiB
constexpr Extent kFirstPart{1 * kMiB, 20 * kMiB};
constexpr Extent kSecondPart{32 * kMiB, 360 * kMiB};

struct Layout {
  std::string name;
  std::string table;  // empty: none
};

class OpenedFiles : public Opening,
                    public testing::WithParamInterface<std::tuple<std::size_t, Layout>> {
 protected:
  [[nodiscard]] static const FileSystemKind& kind() {
    return file_system_kinds()[std::get<0>(GetParam())];
  }
  [[nodiscard]] static const std::string& table() { return std::get<1>(GetParam()).table; }
  [[nodiscard]] static Extent where() { return table().empty() ? Extent{} : kSecondPart; }

  void SetUp() override {
    Opening::SetUp();
    if (IsSkipped()) return;
    if (!kind().skip().empty()) GTEST_SKIP() << kind().skip();
    make_sparse_file(image_, kOpenDiskBytes);
    if (!table().empty()) {
      const std::string script = file("script");
      std::ofstream(script) << "label: " << table()
                            << "\nstart=2048, size=40960\nstart=65536, size=737280\n";
      shell({"sfdisk", "-q", image_, "<", script});
    }
    make_file_system(kind(), image_, where());
  }
};

TEST_P(OpenedFiles, AreThoseOfTheDisk) {
  const std::string id = snapshot(image_, "before");
  const std::string wanted = digest_of_files(image_, where());
  const json opened = ask({"open", "before"});
  const std::string folder = opened.value("path", "");
  EXPECT_EQ(folder, "/run/blkrewind/open/" + id);
  EXPECT_EQ(opened.value("file_system", ""), kind().name);
  EXPECT_EQ(opened.at("partition"), table().empty() ? json(nullptr) : json(2));
  EXPECT_EQ(opened.at("table"), table().empty() ? json(nullptr) : json(table()));
  EXPECT_TRUE(opened.value("journal_replayed", false));
  EXPECT_EQ(digest_of_tree(folder), wanted);
  EXPECT_EQ(::open((folder + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), -1);
  EXPECT_EQ(errno, EROFS);
  // What is on the loop device is what was exported.
  const std::string exported = file("exported.img");
  ask({"export", "before", exported});
  EXPECT_EQ(digest_of_file(opened.value("loop", "")),
            digest_of_file(exported, where().offset,
                           where().length == 0 ? kOpenDiskBytes : where().length));
  ask({"close", "before"});
  expect_closed(id);
}

INSTANTIATE_TEST_SUITE_P(, OpenedFiles,
                         testing::Combine(testing::Range<std::size_t>(0,
                                                                      file_system_kinds().size()),
                                          testing::Values(Layout{"Whole", ""}, Layout{"Gpt", "gpt"},
                                                          Layout{"Dos", "dos"})),
                         [](const auto& one) {
                           return file_system_kinds()[std::get<0>(one.param)].name +
                                  std::get<1>(one.param).name;
                         });

class OpenedDirty : public Opening, public testing::WithParamInterface<std::size_t> {};

// The copy of a disk in use: what was flushed is there, and the journal is not replayed.
TEST_P(OpenedDirty, ShowsWhatWasFlushed) {
  const FileSystemKind& kind = file_system_kinds()[GetParam()];
  if (!kind.skip().empty()) GTEST_SKIP() << kind.skip();
  if (kind.unreplayed.empty()) GTEST_SKIP() << "it has no journal";
  make_sparse_file(image_, kOpenDiskBytes);
  make_file_system(kind, image_);
  const std::string copy = file("copy.img");
  {
    const LoopDevice loop = LoopDevice::make(image_, 0);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, kind.name);
    write_noise(folder + "/before-freeze", 0, 200000, 8);
    shell({"fsfreeze", "-f", folder});
    shell({"fsfreeze", "-u", folder});
    // The first may be committed in full.
    for (std::uint64_t i = 0; i < 8; ++i) {
      write_noise(folder + "/in-the-journal" + std::to_string(i), 0, 4096, i);
    }
    std::filesystem::copy_file(image_, copy);
  }
  const std::string id = snapshot(copy, "dirty");
  const json opened = ask({"open", "dirty"});
  const std::string folder = opened.value("path", "");
  EXPECT_FALSE(opened.value("journal_replayed", true));
  EXPECT_NE(opened.value("options", "").find(kind.unreplayed.substr(0, kind.unreplayed.find(','))),
            std::string::npos)
      << opened;
  const std::string wanted = file("wanted");
  write_noise(wanted, 0, 200000, 8);
  EXPECT_EQ(digest_of_file(folder + "/before-freeze"), digest_of_file(wanted));
  EXPECT_EQ(read_file(folder + "/etc/fstab"), "/dev/vdb / " + kind.name + "\n");
  ask({"close", folder});
  expect_closed(id);

  // Files that are copied out are no more complete.
  const auto copy_out = [&](const std::string& path, const std::string& to, bool quiet = false) {
    std::vector<std::string> words = {"--store", store_, "open", "dirty",
                                      "--path",  path,   "--to", to};
    if (quiet) words.insert(words.begin(), "-q");
    return program_.run_with({}, words);
  };
  const std::string said = "not replayed: the last changes before the snapshot may be missing";
  EXPECT_THAT(copy_out("etc/fstab", file("fstab")).out,
              testing::ContainsRegex("journal +" + said + ".*mount the clone"));
  const CliOutcome to_stdout = copy_out("etc/fstab", "-");
  EXPECT_EQ(to_stdout.out, "/dev/vdb / " + kind.name + "\n");
  EXPECT_THAT(to_stdout.err, testing::HasSubstr("the journal of the file system was " + said));
  EXPECT_EQ(copy_out("etc/fstab", "-", true).err, "");
  const json missing = ask({"open", "dirty", "--path", "none", "--to", "-"}, 3);
  EXPECT_THAT(missing.value("hint", ""), testing::HasSubstr("its journal was not replayed"));
  EXPECT_THAT(missing.value("hint", ""), testing::HasSubstr("clone the snapshot"));

  // The way out that these name: what has been mounted read-write has nothing left to replay.
  const std::string clone = file("clone.img");
  ask({"clone", "dirty", clone});
  {
    const LoopDevice loop = LoopDevice::make(clone, 0);
    const Mount mount(loop.path(), make_new_directory(), kind.name);
  }
  const std::string replayed = snapshot(clone, "replayed");
  EXPECT_TRUE(ask({"open", replayed}).value("journal_replayed", false));
  ask({"close", replayed});
  expect_closed(replayed);

  // The same by hand, from the file that is mounted.
  const std::string shown = make_new_directory();
  ask({"mount", shown});
  const std::string by_hand = make_new_directory();
  shell({"mount", "-o", "ro,loop," + kind.unreplayed, shown + "/copy.img/dirty.img", by_hand});
  EXPECT_EQ(digest_of_file(by_hand + "/before-freeze"), digest_of_file(wanted));
  shell({"umount", by_hand});
  EXPECT_TRUE(soon([&] { return loops_of("dirty").empty(); }));
  shell({"umount", shown});
}

INSTANTIATE_TEST_SUITE_P(, OpenedDirty, testing::Range<std::size_t>(0, file_system_kinds().size()),
                         [](const auto& one) { return file_system_kinds()[one.param].name; });

// The disk itself, with the same UUID, may be mounted.
TEST_P(OpenedDirty, BesideItsDisk) {
  const FileSystemKind& kind = file_system_kinds()[GetParam()];
  if (!kind.skip().empty()) GTEST_SKIP() << kind.skip();
  make_sparse_file(image_, kOpenDiskBytes);
  make_file_system(kind, image_);
  const std::string id = snapshot(image_, "before");
  const std::string wanted = digest_of_files(image_);
  const LoopDevice loop = LoopDevice::make(image_, 0);
  const std::string folder = make_new_directory();
  const Mount mount(loop.path(), folder, kind.name);
  std::ofstream(folder + "/changed") << "since";
  if (kind.name == "btrfs" && !kernel_is_at_least(6, 7)) {
    EXPECT_NE(ask({"open", "before"}, 6).value("hint", "").find("unmount"), std::string::npos);
    expect_closed(id);
    return;
  }
  const std::string opened = ask({"open", "before"}).value("path", "");
  EXPECT_EQ(digest_of_tree(opened), wanted);
  EXPECT_NE(digest_of_tree(folder), wanted);
  ask({"close", "before"});
  expect_closed(id);
}

class Open : public Opening {
 protected:
  void SetUp() override {
    Opening::SetUp();
    if (IsSkipped()) return;
    make_sparse_file(image_, 32 * kMiB);
    make_file_system(ext4(), image_);
  }
  [[nodiscard]] static const FileSystemKind& ext4() { return file_system_kinds().front(); }
};

TEST_F(Open, IsClosedByFolderNameIdAndAll) {
  const std::string id = snapshot(image_, "before");
  const std::string folder = make_new_directory();
  EXPECT_EQ(ask({"close", "before"}).at("closed").size(), 0U);
  for (const std::vector<std::string>& how : std::vector<std::vector<std::string>>{
           {"close", folder},
           {"close", folder + "/../" + std::filesystem::path(folder).filename().string() + "/"},
           {"close", "before"},
           {"close", id}}) {
    EXPECT_EQ(ask({"open", "before", folder}).value("path", ""), folder);
    EXPECT_TRUE(std::filesystem::exists(folder + "/etc/fstab"));
    const json closed = ask(how);
    ASSERT_EQ(closed.at("closed").size(), 1U) << closed;
    EXPECT_EQ(closed.at("closed").at(0).value("snapshot_id", ""), id);
    EXPECT_TRUE(std::filesystem::is_empty(folder));
    expect_closed(id);
    EXPECT_EQ(ask(how).at("closed").size(), 0U);
  }
  // Nothing else is unmounted.
  const Mount other("tmpfs", folder, "tmpfs");
  EXPECT_EQ(ask({"close", folder}).at("closed").size(), 0U);
  EXPECT_EQ(mounts_on(folder), 1);
}

TEST_F(Open, ASecondOneOnTheSameFolderIsRefused) {
  const std::string id = snapshot(image_, "before");
  const std::string folder = ask({"open", "before"}).value("path", "");
  EXPECT_EQ(ask({"open", "before"}, 3).value("code", ""), "AlreadyExists");
  EXPECT_TRUE(soon([&] { return loops() == 1; }));
  const std::string other = make_new_directory();
  ask({"open", "before", other});
  EXPECT_EQ(loops(), 2);
  EXPECT_EQ(digest_of_tree(folder), digest_of_tree(other));
  EXPECT_EQ(ask({"close", other}).at("closed").size(), 1U);
  EXPECT_EQ(loops(), 1);
  ask({"close", id});
  expect_closed(id);
}

TEST_F(Open, HoldsTheSnapshotAndNamesTheProcess) {
  const std::string id = snapshot(image_, "before");
  ask({"open", "before"});
  EXPECT_NE(ask({"delete", "before"}, 6).value("message", "").find("blkrewind (process "),
            std::string::npos);
  ask({"close", "before"});
  expect_closed(id);
  ask({"delete", "before"});
}

TEST_F(Open, WhatIsInUseIsNotClosed) {
  const std::string id = snapshot(image_, "before");
  const std::string folder = ask({"open", "before"}).value("path", "");
  {
    const UniqueFd used(::open((folder + "/etc/fstab").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(used.valid());
    EXPECT_NE(ask({"close", "before"}, 6).value("message", "").find(folder + " is in use"),
              std::string::npos);
    EXPECT_TRUE(std::filesystem::exists(folder + "/etc/fstab"));
  }
  ask({"close", "before"});
  expect_closed(id);
}

// Other operations on its disk, and by a store with a relative path.
TEST_F(Open, ARollbackOfTheDiskChangesNothingInIt) {
  const std::string id = snapshot(image_, "before");
  const std::string wanted = digest_of_files(image_);
  write_noise(image_, 8 * kMiB, 8 * kMiB, 4);
  snapshot(image_, "after");
  const std::string folder = make_new_directory();
  const std::string line = "cd " + std::filesystem::path(store_).parent_path().string() + " && " +
                           BLKREWIND_PROGRAM + " --store store open before " + folder;
  ASSERT_EQ(std::system((line + " >/dev/null").c_str()), 0);
  ask({"rollback", image_, "before"});
  ask({"undo", image_});
  ask({"delete", "after"});
  ask({"store", "gc"});
  EXPECT_EQ(digest_of_tree(folder), wanted);
  ask({"close", "before"});
  expect_closed(id);
}

TEST_F(Open, SeveralPartitionsAreListed) {
  std::filesystem::remove(image_);
  make_sparse_file(image_, kOpenDiskBytes);
  const std::string script = file("script");
  std::ofstream(script) << "label: gpt\nstart=2048, size=40960\nstart=65536, size=737280\n";
  shell({"sfdisk", "-q", image_, "<", script});
  make_file_system(ext4(), image_, kFirstPart);
  make_file_system(ext4(), image_, kSecondPart);
  const std::string id = snapshot(image_, "before");
  const json refused = ask({"open", "before"}, 2);
  EXPECT_NE(refused.value("message", "").find("1: 20 MiB, ext4; 2: 360 MiB, ext4"),
            std::string::npos)
      << refused;
  EXPECT_TRUE(soon([&] { return servers().empty(); }));
  const std::string one = ask({"open", "before", "--partition", "1"}).value("path", "");
  const std::string two = ask({"open", "before", "--partition", "2"}).value("path", "");
  EXPECT_EQ(one, "/run/blkrewind/open/" + id + ".p1");
  EXPECT_EQ(digest_of_tree(one), digest_of_files(image_, kFirstPart));
  EXPECT_EQ(digest_of_tree(two), digest_of_files(image_, kSecondPart));
  EXPECT_EQ(ask({"close", id}).at("closed").size(), 2U);
  expect_closed(id);
  EXPECT_EQ(ask({"open", "before", "--partition", "3"}, 3).value("code", ""), "NotFound");
  EXPECT_EQ(ask({"open", "before", "--partition", "0"}, 2).value("code", ""), "InvalidArgument");
}

// A damaged file system, one whose label is not to be printed, and none at all.
TEST_F(Open, AHostileFileSystemIsAnError) {
  const std::string escape = "\x1b[2Jx";
  {
    const LoopDevice loop = LoopDevice::make(image_, 0);
    shell({"e2label", loop.path(), "\"$(printf '\\033[2Jx')\""});
  }
  const std::string id = snapshot(image_, "label");
  const CliOutcome outcome =
      program_.run_with({}, {"--store", store_, "open", "label", make_new_directory()});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out.find('\x1b'), std::string::npos);
  EXPECT_NE(outcome.out.find("?[2Jx"), std::string::npos) << outcome.out;
  ask({"close", "label"});

  // Of the group descriptors, behind the superblock.
  write_noise(image_, 4096, 4096, 3);
  write_noise(image_, 2048, 2048, 3);
  const std::string damaged = snapshot(image_, "damaged");
  EXPECT_NE(ask({"open", "damaged"}, 5).value("message", "").find("ext4"), std::string::npos);
  expect_closed(damaged);

  write_noise(image_, 0, kMiB, 3);
  const std::string nothing = snapshot(image_, "nothing");
  EXPECT_NE(ask({"open", "nothing"}, 3).value("message", "").find("no file system"),
            std::string::npos);
  expect_closed(nothing);
}

TEST_F(Open, ANameOfSeveralIsClosedByFolderOrId) {
  const std::string id = snapshot(image_, "before");
  const std::string other_image = file("other.img");
  std::filesystem::copy_file(image_, other_image);
  const std::string other = snapshot(other_image, "before");
  ask({"open", id});
  const std::string folder = ask({"open", other}).value("path", "");
  const json refused = ask({"close", "before"}, 2);
  EXPECT_THAT(refused.value("message", ""), testing::HasSubstr(folder));
  EXPECT_EQ(ask({"close", folder}).at("closed").size(), 1U);
  EXPECT_EQ(ask({"close", "before"}).at("closed").at(0).value("snapshot_id", ""), id);
  expect_closed(id);
  expect_closed(other);
}

TEST_F(Open, CopiesOutAndLeavesNothing) {
  const std::string id = snapshot(image_, "before");
  const std::string to = file("fstab");
  const json done = ask({"open", "before", "--path", "etc/fstab", "--to", to});
  EXPECT_EQ(done.value("files", 0), 1);
  EXPECT_EQ(read_file(to), "/dev/vdb / ext4\n");
  expect_closed(id);
  EXPECT_EQ(ask({"open", "before", "--path", "link", "--to", to}, 3).value("code", ""),
            "AlreadyExists");
  EXPECT_EQ(ask({"open", "before", "--path", "etc/fstab", "--to", directory_.path() + "/"}, 3)
                .value("code", ""),
            "AlreadyExists");
  const CliOutcome out =
      program_.run_with({}, {"--store", store_, "open", "before", "--path", "link", "--to", "-"});
  EXPECT_EQ(out.status, 0) << out.err;
  EXPECT_EQ(out.out, "/dev/vdb / ext4\n");
  EXPECT_EQ(out.err, "");
  const std::string copy = file("copy");
  EXPECT_EQ(ask({"open", "before", "--path", "/", "--to", copy}).value("files", 0), 3);
  const std::string folder = ask({"open", "before"}).value("path", "");
  EXPECT_EQ(digest_of_tree(copy), digest_of_tree(folder));
  ask({"close", "before"});
  expect_closed(id);
  EXPECT_EQ(ask({"open", "before", "--path", "none", "--to", file("x")}, 3).value("code", ""),
            "NotFound");
  EXPECT_EQ(ask({"open", "before", "--path", "etc"}, 2).value("code", ""), "InvalidArgument");
  expect_closed(id);
}

TEST_F(Open, ACopyTellsTheBytesOfItsPath) {
  const std::string name = "a\xff";
  {
    const LoopDevice loop = LoopDevice::make(image_, 0);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, "ext4");
    std::ofstream(folder + "/" + name) << "x";
  }
  snapshot(image_, "before");
  const json done = ask({"open", "before", "--path", name, "--to", file("copy")});
  EXPECT_EQ(done.value("path_hex", ""), "61ff");
  EXPECT_EQ(read_file(file("copy")), "x");
  EXPECT_FALSE(
      ask({"open", "before", "--path", "etc/fstab", "--to", file("fstab")}).contains("path_hex"));
}

// One file that cannot be read keeps no other from being copied.
TEST_F(Open, CopiesWhatCanBeReadBesideACorruptChunk) {
  {
    const LoopDevice loop = LoopDevice::make(image_, 0);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, "ext4");
    std::ofstream(folder + "/etc/letters") << std::string(16 * kChunk, 'q');
  }
  const std::string id = snapshot(image_, "before");
  corrupt_chunk_of(store_, 'q', kChunk);  // the first chunk may hold more
  const std::string copy = file("copy");
  const json failed = ask({"open", "before", "--path", "etc", "--to", copy}, 5);
  EXPECT_EQ(failed.value("code", ""), "Integrity");
  EXPECT_NE(failed.value("message", "").find("etc/letters"), std::string::npos) << failed;
  EXPECT_THAT(failed.value("message", ""), testing::ContainsRegex("chunk [0-9]+ is corrupt"));
  EXPECT_NE(failed.value("hint", "").find("verify " + id), std::string::npos) << failed;
  EXPECT_EQ(read_file(copy + "/fstab"), "/dev/vdb / ext4\n");
  EXPECT_FALSE(std::filesystem::exists(copy + "/letters"));
  expect_closed(id);
}

// The kernel reads as one what it has read ahead: Linux 6.18 up to 2 MiB.
TEST_F(Open, LosesLittleAroundACorruptChunk) {
  constexpr std::size_t kFileBytes = 8 * kMiB;
  constexpr std::size_t kLettersAt = 5 * kMiB;
  {
    const LoopDevice loop = LoopDevice::make(image_, 0);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, "ext4");
    write_noise(folder + "/large", 0, kFileBytes, 8);
    std::fstream(folder + "/large", std::ios::in | std::ios::out).seekp(kLettersAt)
        << std::string(3 * kChunk, 'q');
  }
  const std::string id = snapshot(image_, "before");
  corrupt_chunk_of(store_, 'q');
  const std::string folder = ask({"open", "before"}).value("path", "");
  std::size_t lost = 0;
  {
    constexpr std::size_t kPage = 4096;
    const UniqueFd large(::open((folder + "/large").c_str(), O_RDONLY | O_CLOEXEC));
    for (std::size_t at = 0; at < kFileBytes; at += kPage) {
      if (read_piece(large.get(), at, kPage).error != 0) lost += kPage;
    }
  }
  EXPECT_GT(lost, 0U) << "the chunk is not corrupt";
  EXPECT_LE(lost, 2 * 256 * kKiB) << "it may be in two that are read as one";
  ask({"close", "before"});
  expect_closed(id);
}

TEST_F(Open, AKilledServerIsAnErrorOfReadersAndIsClosed) {
  const std::string id = snapshot(image_, "before");
  const std::string folder = ask({"open", "before"}).value("path", "");
  ASSERT_EQ(servers().size(), 1U);
  ::kill(servers().front(), SIGKILL);
  EXPECT_TRUE(soon([&] { return servers().empty(); }));
  EXPECT_NE(read_piece(folder + "/etc/noise", 0, 300000).error, 0);
  EXPECT_EQ(ask({"close", folder}).at("closed").size(), 1U);
  expect_closed(id);
  ask({"open", "before"});
  ask({"close", "before"});
  expect_closed(id);
}

TEST_F(Open, AStoreThatIsDeletedIsNoReasonToHang) {
  const std::string id = snapshot(image_, "before");
  const std::string folder = ask({"open", "before"}).value("path", "");
  std::filesystem::rename(store_, store_ + ".gone");
  std::filesystem::remove_all(store_ + ".gone");
  static_cast<void>(read_piece(folder + "/etc/noise", 0, 300000));
  EXPECT_EQ(ask({"close", folder}).at("closed").size(), 1U);
  expect_closed(id);
  EXPECT_FALSE(std::filesystem::exists(store_));
}

TEST_F(Open, AnOrdinaryUserIsToldWhatNeedsRoot) {
  snapshot(image_, "before");
  const std::string line = std::string("setpriv --reuid 65534 --regid 65534 --clear-groups ") +
                           BLKREWIND_PROGRAM + " --store " + store_ + " open before 2>" +
                           file("said");
  EXPECT_NE(std::system(line.c_str()), 0);
  EXPECT_NE(read_file(file("said")).find("only root may attach a loop device"), std::string::npos);
}

// Killed at each of its steps, it leaves nothing that close does not remove, and a copy leaves
// nothing at all.
TEST_F(Open, KilledAtAnyStep) {
  if (!has_program("strace")) GTEST_SKIP() << "needs strace";
  const std::string id = snapshot(image_, "before");
  const std::string copy = file("copy");
  for (const std::string& arguments : std::vector<std::string>{"", " --path / --to " + copy}) {
    int killed = 0;
    for (const std::string call : {"fsopen", "fsconfig", "fsmount", "clone", "clone3", "openat",
                                   "ioctl", "move_mount", "mkdir", "flock", "read", "openat2"}) {
      for (int when = 1; when < 400; when += call == "openat" || call == "read" ? 9 : 1) {
        const std::string line =
            "strace -qq -o /dev/null -E ASAN_OPTIONS=detect_leaks=0 -e trace=" + call +
            " -e inject=" + call + ":signal=KILL:when=" + std::to_string(when) + " " +
            BLKREWIND_PROGRAM + " --store " + store_ + " open before" + arguments +
            " >/dev/null 2>&1";
        const int status = std::system(line.c_str());
        const bool ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!ended) ++killed;
        if (arguments.empty()) static_cast<void>(ask({"close", id}));
        ASSERT_TRUE(soon([&] { return loops() == 0; })) << call << " " << when;
        ASSERT_TRUE(soon([&] { return servers().empty(); })) << call << " " << when;
        ASSERT_FALSE(std::filesystem::exists("/run/blkrewind/open/" + id)) << call << " " << when;
        std::filesystem::remove_all(copy);
        if (ended) break;  // it makes fewer of these calls
      }
    }
    EXPECT_GT(killed, 15);
  }
  ask({"open", "before"});
  ask({"close", "before"});
  expect_closed(id);
}

// Stopped at any of its steps, a copy leaves no file of a final name that is not complete.
class CopyStopped : public Open, public testing::WithParamInterface<std::string> {
 protected:
  void SetUp() override {
    Open::SetUp();
    if (IsSkipped()) return;
    if (!has_program("strace")) GTEST_SKIP() << "needs strace";
    const LoopDevice loop = LoopDevice::make(image_, 0);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, "ext4");
    write_noise(folder + "/etc/large", 0, 3 * kMiB + 5, 6);  // in several pieces
    std::filesystem::last_write_time(folder + "/etc/large", {});
  }

  // All that is in `out` is as in `wanted`; returns how many files of temporary names there are.
  static int expect_complete(const std::string& out, const std::string& wanted,
                             const std::string& when) {
    namespace fs = std::filesystem;
    int partial = 0;
    for (const auto& entry : fs::recursive_directory_iterator(out)) {
      if (!entry.is_regular_file()) continue;
      if (entry.path().filename().string().starts_with(".blkrewind-partial-")) {
        ++partial;
        continue;
      }
      const std::string like = wanted + "/" + fs::relative(entry.path(), out).string();
      EXPECT_EQ(digest_of_file(entry.path()), digest_of_file(like)) << when << ": " << like;
      EXPECT_EQ(entry.last_write_time(), fs::last_write_time(like)) << when << ": " << like;
    }
    return partial;
  }
};

TEST_P(CopyStopped, LeavesOnlyCompleteFiles) {
  const std::string id = snapshot(image_, "before");
  const bool kills = GetParam() == "KILL";
  for (const std::string path : {"etc", "etc/large"}) {
    const std::string wanted = make_new_directory();
    ask({"open", "before", "--path", path, "--to", wanted + "/copy"});
    int stopped = 0;
    int partial = 0;
    for (const std::string call :
         {"pread64", "pwrite64", "ftruncate", "fchmod", "utimensat", "renameat2"}) {
      bool ended = false;
      for (int number = 1; !ended && number < 100; ++number) {
        const std::string when = call + " " + std::to_string(number);
        const std::string out = make_new_directory();
        const std::string line =
            "strace -qq -o /dev/null -E ASAN_OPTIONS=detect_leaks=0 -e trace=" + call +
            " -e inject=" + call + ":signal=" + GetParam() + ":when=" + std::to_string(number) +
            " " + BLKREWIND_PROGRAM + " --store " + store_ + " open before --path " + path +
            " --to " + out + "/copy >/dev/null 2>&1";
        const int status = std::system(line.c_str());
        ended = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        if (!ended) ++stopped;
        const int left = expect_complete(out, wanted, when);
        EXPECT_LE(left, kills ? 1 : 0) << when;
        partial += left;
        if (path == "etc/large" && !kills) {
          EXPECT_EQ(std::filesystem::exists(out + "/copy"), ended) << when;
        }
        std::filesystem::remove_all(out);
      }
    }
    EXPECT_GT(stopped, kills ? 8 : 2) << path;
    EXPECT_EQ(partial > 0, kills) << path;
  }
  expect_closed(id);
}

INSTANTIATE_TEST_SUITE_P(, CopyStopped, testing::Values("KILL", "INT"),
                         [](const auto& one) { return one.param; });

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
