// Values that a script may pass by accident, and files of unexpected types.
#ifdef BLKREWIND_PROGRAM

#include <fcntl.h>
#include <sys/stat.h>

#include <climits>

#include "blkrewind/error.h"
#include "io/preallocation.h"
#include "support/errors.h"
#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

class CliValues : public DeviceSystem {
 protected:
  void SetUp() override { write_noise(image_, 0, kMiB, 1); }

  [[nodiscard]] static CliOutcome run_in(const std::vector<std::string>& variables,
                                         const std::vector<std::string>& arguments) {
    return CliProgram().run_with(variables, arguments);
  }

  [[nodiscard]] static std::uint64_t blocks_of(const std::string& path) {
    struct stat status = {};
    EXPECT_EQ(::stat(path.c_str(), &status), 0);
    return static_cast<std::uint64_t>(status.st_blocks) * 512;
  }

  const std::string image_ = file("disk.img");
};

TEST_F(CliValues, EmptyValuesAreUsageErrors) {
  const std::vector<std::vector<std::string>> lines = {
      {"--store", "", "list"},
      {"list", "--store", ""},
      {"--store=", "list"},
      {"--store=", "snapshot", "snapshot", image_},
      {"--store", store_, "snapshot", image_, "--name", ""},
      {"--store", store_, "snapshot", image_, "--description", ""},
      {"--store", store_, "snapshot", image_, "--chunk-size", ""},
      {"--store", store_, "import", image_, image_, "--created-at", ""},
      {"--store", store_, "rollback", image_, "latest", "--change-source", ""},
      {"--store", store_, "instance", "create", "i-1", "--name", ""},
      {"--store", store_, "instance", "create", ""},
      {"--store", store_, "instance", "show", ""},
      {"--store", store_, "list", ""},
      {"--store", store_, "verify", ""},
      {"--store", store_, "delete", ""},
      {"--store", store_, "diff", image_, "latest", ""},
      {"--store", store_, "rollback", image_, ""},
      {"--store", store_, "snapshot", ""},
  };
  for (const auto& line : lines) {
    const CliOutcome outcome = run_in({}, line);
    EXPECT_EQ(outcome.status, 2) << ::testing::PrintToString(line) << outcome.out << outcome.err;
  }
  EXPECT_EQ(run_in({"BLKREWIND_STORE="}, {"list"}).status, 2);
  EXPECT_NE(run_in({"BLKREWIND_STORE="}, {"list"}).err.find("BLKREWIND_STORE"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(store_));
  EXPECT_EQ(run_in({"BLKREWIND_STORE="}, {"--store", store_, "store", "init"}).status, 0);
}

TEST_F(CliValues, ExportTakesTheLongestName) {
  ask({"snapshot", image_, "--name", "s"});
  for (const std::size_t length : {1, 228, 229, NAME_MAX}) {
    const std::string name = file(std::string(length, 'n'));
    ask({"export", "s", name});
    EXPECT_EQ(digest_of_file(name), digest_of_file(image_));
  }
}

TEST_F(CliValues, AnImageThatMayNotBeRewrittenIsRefused) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root to set attributes";
  ask({"snapshot", image_, "--name", "s"});
  write_noise(image_, 0, 4096, 2);
  for (const std::string attribute : {"a", "i"}) {
    run_program({"chattr", "+" + attribute, image_});
    const json error = ask({"rollback", image_, "s"}, 3);
    run_program({"chattr", "-" + attribute, image_});
    EXPECT_NE(error.value("hint", "").find("chattr -" + attribute), std::string::npos)
        << error.dump();
  }
  ask({"rollback", image_, "s"});
}

TEST_F(CliValues, APreallocatedImageKeepsItsBlocks) {
  constexpr std::uint64_t kSize = 8 * kMiB;
  const std::string full = file("full.img");
  const std::string sparse = file("sparse.img");
  run_program({"fallocate", "-l", std::to_string(kSize), full});
  run_program({"truncate", "-s", std::to_string(kSize), sparse});
  for (const std::string& path : {full, sparse}) {
    const std::string name = path == full ? "full" : "sparse";
    const std::string before = digest_of_file(path);
    const std::uint64_t blocks = blocks_of(path);
    ask({"snapshot", path, "--name", name});
    write_noise(path, kMiB, 2 * kMiB, 3);
    ask({"rollback", path, name});
    EXPECT_EQ(digest_of_file(path), before);
    EXPECT_EQ(blocks_of(path), blocks) << path;
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(io::is_fully_allocated(fd.get(), {0, kSize}), path == full);
  }
}

TEST_F(CliValues, WhatIsInTheWayOfAStoreIsNamed) {
  const std::string plain = file("plain");
  const std::string link = file("link");
  write_noise(plain, 0, 4096, 1);
  std::filesystem::create_symlink(file("nothing"), link);
  const auto expect = [&](const std::string& store, int status, const std::string& part) {
    const CliOutcome outcome = run_in({}, {"--store", store, "--json", "store", "init"});
    EXPECT_EQ(outcome.status, status) << store << outcome.err;
    const json error = json::parse(outcome.err, nullptr, false);
    ASSERT_TRUE(error.is_object()) << outcome.err;
    EXPECT_NE(error.value("message", "").find(part), std::string::npos) << outcome.err;
    EXPECT_TRUE(error.at("hint").is_string()) << outcome.err;
  };
  expect(file("missing/too/store"), 3, "there is no directory " + file("missing"));
  expect(plain, 3, plain + " is a file");
  expect(plain + "/store", 3, plain + " is a file");
  expect(link, 3, link + " is a dangling symbolic link");
  expect(link + "/store", 3, link + " is a dangling symbolic link");
  EXPECT_FALSE(std::filesystem::exists(file("missing")));
}

TEST_F(CliValues, RootIsNotToldToBeRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  EXPECT_EQ(words_of(system_error(EACCES, "x")).find("run it as root"), std::string::npos);
  EXPECT_EQ(words_of(system_error(EPERM, "x")).find("run it as root"), std::string::npos);
  EXPECT_FALSE(words_of(system_error(EPERM, "x")).empty());
}

class NotRaw : public CliValues {
 protected:
  void SetUp() override {
    CliValues::SetUp();
    make(image_, "QFI\xfb");
  }
  static void make(const std::string& path, const std::string& mark) {
    write_noise(path, 0, kMiB, 7);
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(::pwrite(fd.get(), mark.data(), mark.size(), 0), static_cast<ssize_t>(mark.size()));
  }
};

TEST_F(NotRaw, IsRefusedWhereItIsRegistered) {
  for (const auto& line : std::vector<std::vector<std::string>>{
           {"snapshot", image_}, {"disk", "register", image_}, {"track", "start", image_}}) {
    const json error = ask(line, 3);
    EXPECT_NE(error.value("message", "").find("qcow2"), std::string::npos) << error.dump();
    EXPECT_NE(error.value("hint", "").find("--raw"), std::string::npos) << error.dump();
  }
  EXPECT_TRUE(ask({"list"}).value("disks", json::array()).empty());
}

TEST_F(NotRaw, IsAskedOnce) {
  ask({"snapshot", image_, "--raw", "--name", "qcow"});
  ask({"snapshot", image_, "--name", "again"});
  make(image_, "KDMV");
  ask({"rollback", image_, "qcow"});
  ask({"undo", image_});
}

TEST_F(NotRaw, IsAskedOfEachFileThatIsImported) {
  const std::string raw = file("raw.img");
  write_noise(raw, 0, kMiB, 8);
  ask({"snapshot", raw, "--name", "s"});
  EXPECT_NE(ask({"import", raw, image_}, 3).dump().find("qcow2"), std::string::npos);
  ask({"import", raw, image_, "--raw", "--name", "golden"});
  // The content of a snapshot is restored, whatever it looks like; and is then still the disk's.
  ask({"rollback", raw, "golden"});
  EXPECT_EQ(digest_of_file(raw), digest_of_file(image_));
  ask({"undo", raw});
}

}  // namespace
}  // namespace blkrewind::test

#endif
