// Damaged stores, and things that are no device: a clear error, the documented exit status, and
// nothing lost.
#ifdef BLKREWIND_PROGRAM

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <functional>

#include "format/store_header.h"
#include "system/device_fixture.h"

namespace blkrewind::test {
namespace {

class DamagedStore : public DeviceSystem {
 protected:
  void SetUp() override {
    write_noise(image_, 0, 4 * kMiB, 1);
    ask({"snapshot", image_, "--name", "before"});
    before_ = digest_of_file(image_);
    write_noise(image_, 0, 4 * kMiB, 2);
    ask({"snapshot", image_, "--name", "after"});
    changed_ = digest_of_file(image_);
    whole_ = store_;
  }

  // A copy of the whole store, to be damaged.
  void begin_anew() {
    store_ = file("damaged");
    std::filesystem::remove_all(store_);
    std::filesystem::copy(whole_, store_, std::filesystem::copy_options::recursive);
  }

  // A rollback by this store ends with 4 or 5 and changes neither the image nor the file.
  void expect_clear_failure(const std::string& damaged_file, const std::string& what) {
    SCOPED_TRACE(damaged_file + ": " + what);
    const std::string path = store_ + "/" + damaged_file;
    const std::string left = std::filesystem::exists(path) ? digest_of_file(path) : "";
    for (const bool undo : {true, false}) {
      std::vector<std::string> line = {"rollback", image_, "before"};
      if (!undo) line.push_back("--no-undo");
      const CliOutcome outcome = run(line);
      EXPECT_TRUE(outcome.status == 4 || outcome.status == 5 || (!undo && outcome.status == 3))
          << outcome.status << outcome.out << outcome.err;
      const json error = json::parse(outcome.err, nullptr, false);
      ASSERT_TRUE(error.is_object()) << outcome.err;
      EXPECT_FALSE(error.value("message", "").empty());
      EXPECT_TRUE(error.at("hint").is_string()) << outcome.err;
      EXPECT_EQ(digest_of_file(image_), changed_);
    }
    EXPECT_EQ(std::filesystem::exists(path) ? digest_of_file(path) : "", left)
        << "evidence is not overwritten";
  }

  void flip(const std::string& name, std::uint64_t at) const {
    std::fstream file(store_ + "/" + name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekg(static_cast<std::streamoff>(at));
    const int byte = file.get();
    file.seekp(static_cast<std::streamoff>(at));
    file.put(static_cast<char>(byte ^ 0x10));
    ASSERT_TRUE(file.flush().good());
  }

  [[nodiscard]] std::string first_segment() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(whole_ + "/disks/1/segments")) {
      names.push_back("disks/1/segments/" + entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names.at(0);
  }

  const std::string image_ = file("disk.img");
  std::string whole_;
  std::string before_;
  std::string changed_;
};

TEST_F(DamagedStore, EveryFileOfItInEveryWay) {
  const struct {
    const char* what;
    std::function<void(const std::string&)> damage;
  } ways[] = {
      {"zero-length", [](const std::string& path) { std::filesystem::resize_file(path, 0); }},
      {"truncated",
       [](const std::string& path) {
         std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2 + 100);
       }},
      {"foreign",
       [](const std::string& path) { write_noise(path, 0, std::filesystem::file_size(path), 3); }},
      {"missing", [](const std::string& path) { std::filesystem::remove(path); }},
  };
  for (const std::string& name :
       {std::string("format"), std::string("index"), std::string("disks/1/log"), first_segment()}) {
    for (const auto& way : ways) {
      if (name == "format" && std::string(way.what) == "missing") continue;  // then it is no store
      begin_anew();
      way.damage(store_ + "/" + name);
      expect_clear_failure(name, way.what);
    }
  }
}

TEST_F(DamagedStore, ADiskWhoseLogCannotBeReadIsListedAmongTheOthers) {
  begin_anew();
  const std::string other = file("other.img");
  write_noise(other, 0, kMiB, 4);
  ask({"snapshot", other, "--name", "kept"});
  const json whole = ask({"list"});
  EXPECT_TRUE(whole.at("disks").at(0).at("error").is_null());
  std::filesystem::resize_file(store_ + "/disks/1/log", 100);
  const CliOutcome list = run({"list"});
  EXPECT_EQ(list.status, 5);
  const json shown = json::parse(list.out, nullptr, false);
  ASSERT_TRUE(shown.is_object()) << list.out;
  ASSERT_EQ(shown.at("disks").size(), 2U);
  const json& lost = shown.at("disks").at(0);
  EXPECT_EQ(lost.at("error").at("code"), "Integrity");
  EXPECT_EQ(lost.at("path"), image_);
  EXPECT_TRUE(lost.at("status").is_null());
  EXPECT_TRUE(lost.at("snapshots").is_null());
  EXPECT_EQ(shown.at("disks").at(1), whole.at("disks").at(1)) << "the others are shown in full";
  const json error = json::parse(list.err, nullptr, false);
  ASSERT_TRUE(error.is_object()) << list.err;
  EXPECT_EQ(error.at("message"), lost.at("error").at("message"));
  ask({"list", image_}, 5);
  ask({"list", other});
  ask({"delete", "before"}, 5);
  ask({"disk", "forget", image_, "--with-snapshots"}, 5);
  ask({"store", "gc"}, 5);
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"verify"}, {"store", "info"}}) {
    const CliOutcome outcome = run(line);
    EXPECT_EQ(outcome.status, 5) << outcome.err;
    const json answer = json::parse(outcome.out, nullptr, false);
    ASSERT_TRUE(answer.is_object()) << outcome.out;
    EXPECT_EQ(answer.at("snapshot_count"), 1) << "the others are looked at";
    EXPECT_EQ(answer.at("unreadable_disks").at(0).at("disk_id"), lost.at("disk_id"));
    EXPECT_EQ(answer.at("unreadable_disks").at(0).at("error"), lost.at("error"));
  }
  const CliOutcome counted = program_.run_with({}, {"--store", store_, "store", "info"});
  EXPECT_NE(counted.out.find("not counted"), std::string::npos) << counted.out;
  const CliOutcome verified = program_.run_with({}, {"--store", store_, "-q", "verify"});
  EXPECT_EQ(verified.status, 5);
  EXPECT_NE(verified.out.find("disks that could not be read: 1"), std::string::npos)
      << verified.out << "that is not for -q to hide";
  const CliOutcome text = program_.run_with({}, {"--store", store_, "list"});
  EXPECT_EQ(text.status, 5);
  EXPECT_NE(text.out.find("\n  error"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find("no snapshots"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("kept"), std::string::npos) << text.out;
}

TEST_F(DamagedStore, ADiskThatLostItsLogIsGivenUp) {
  begin_anew();
  const std::string disk = ask({"disk", "show", image_}).at("disk_id");
  std::filesystem::remove(store_ + "/disks/1/log");
  const json error = ask({"snapshot", image_}, 5);
  EXPECT_NE(error.value("hint", "").find("disk forget " + disk + " --with-snapshots"),
            std::string::npos)
      << error;
  ask({"disk", "forget", disk}, 5);
  const json gone = ask({"disk", "forget", disk, "--with-snapshots"});
  EXPECT_EQ(gone.at("disk_id"), disk);
  EXPECT_EQ(gone.at("error").at("code"), "Integrity");
  EXPECT_FALSE(std::filesystem::exists(store_ + "/disks/1"));
  ask({"snapshot", image_});
  ask({"verify"});
}

// A store that has lost its format file must not be taken for a folder to make a new one in.
TEST_F(DamagedStore, WithoutItsFormatFileNothingElseIsLost) {
  begin_anew();
  std::filesystem::rename(store_ + "/format", store_ + ".format");
  const std::string before = store_digest();
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"snapshot", image_}, {"store", "init"}}) {
    ask(line, 5);
    EXPECT_EQ(store_digest(), before);
  }
  ask({"list"}, 5);
  std::filesystem::rename(store_ + ".format", store_ + "/format");
  EXPECT_TRUE(ask({"verify"}).at("damaged").empty());
}

TEST_F(DamagedStore, AnEmptyCatalogIsDamage) {
  begin_anew();
  ask({"instance", "create", "i-1"});
  std::filesystem::resize_file(store_ + "/catalog.db", 0);
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"list"}, {"rollback", image_, "before"}}) {
    ask(line, 5);
  }
}

TEST_F(DamagedStore, OneBitOfEachFile) {
  for (const std::string& name :
       {std::string("format"), std::string("index"), std::string("disks/1/log"), first_segment()}) {
    begin_anew();
    const std::uint64_t size = std::filesystem::file_size(store_ + "/" + name);
    // The format file's checksum is over all of it; of a log, a record in its middle.
    const bool log = name == "index" || name == "disks/1/log";
    const std::uint64_t at = log ? 8192 + 64 : name == "format" ? 100 : size / 2;
    ASSERT_NO_FATAL_FAILURE(flip(name, at));
    expect_clear_failure(name, "flipped");
    if (name == first_segment()) {
      EXPECT_EQ(run({"verify"}).status, 5);
    }
  }
}

TEST_F(DamagedStore, AWholeSnapshotBesideADamagedOneIsRestored) {
  begin_anew();
  const std::string segment = first_segment();
  ASSERT_NO_FATAL_FAILURE(flip(segment, std::filesystem::file_size(store_ + "/" + segment) / 2));
  write_noise(image_, 0, 4 * kMiB, 9);
  ask({"rollback", image_, "after"});
  EXPECT_EQ(digest_of_file(image_), changed_);
}

TEST_F(DamagedStore, ANewerFormatIsNotTouched) {
  begin_anew();
  const std::string path = store_ + "/format";
  std::array<std::byte, format::kStoreHeaderBytes> block{};
  std::ifstream(path, std::ios::binary)
      .read(reinterpret_cast<char*>(block.data()), static_cast<std::streamsize>(block.size()));
  auto header = format::decode_store_header(block);
  ASSERT_TRUE(header) << header.error().to_string();
  ++header->version;
  format::encode_store_header(*header, block);
  std::ofstream(path, std::ios::binary | std::ios::in)
      .write(reinterpret_cast<const char*>(block.data()),
             static_cast<std::streamsize>(block.size()));
  const std::string store_before = store_digest();
  for (const std::vector<std::string>& line : {std::vector<std::string>{"list"},
                                               {"rollback", image_, "before"},
                                               {"snapshot", image_},
                                               {"store", "init"},
                                               {"store", "gc"}}) {
    const json error = ask(line, 4);
    EXPECT_EQ(error.value("code", ""), "Unsupported") << line[0];
    EXPECT_TRUE(error.at("hint").is_string()) << line[0];
  }
  EXPECT_EQ(store_digest(), store_before);
  EXPECT_EQ(digest_of_file(image_), changed_);
}

TEST_F(DamagedStore, AFolderWithOtherFilesIsNoStore) {
  store_ = make_directory("documents");
  std::ofstream(store_ + "/letter") << "Dear reader";
  const std::string before = digest_of_tree(store_);
  EXPECT_NE(run({"snapshot", image_}).status, 0);
  EXPECT_NE(run({"list"}).status, 0);
  EXPECT_NE(run({"store", "init"}).status, 0);
  EXPECT_EQ(digest_of_tree(store_), before);
}

TEST(NoDevice, PathsThatAreNone) {
  const TempDir directory;
  const CliProgram program;
  const std::string fifo = directory.file("fifo");
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  std::ofstream(directory.file("empty"));
  ASSERT_TRUE(program.run({"store", "init"}).status == 0);
  const struct {
    std::string path;
    int status;
    std::string part;
  } cases[] = {
      {directory.path(), 2, "is a directory"},
      {"/dev/null", 2, "is a character device"},
      {fifo, 2, "is a named pipe"},
      {directory.file("empty"), 2, "is empty"},
      {directory.file("missing"), 3, "cannot find"},
      {directory.file("empty") + "/below", 3, "cannot find"},
  };
  for (const auto& one : cases) {
    const CliOutcome outcome = program.run({"--json", "snapshot", one.path});
    EXPECT_EQ(outcome.status, one.status) << outcome.err;
    EXPECT_NE(outcome.err.find(one.path), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(one.part), std::string::npos) << outcome.err;
    for (const char* command : {"rollback", "diff"}) {
      const int status = program.run({command, one.path, "before"}).status;
      EXPECT_TRUE(status == 2 || status == 3) << command << " " << one.path << ": " << status;
    }
  }
  EXPECT_TRUE(json::parse(program.run({"--json", "list"}).out).at("disks").empty());
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
