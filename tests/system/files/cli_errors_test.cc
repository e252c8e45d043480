// Errors of the program as a user sees them: the hints, and the result of the operation.
#ifdef BLKREWIND_PROGRAM

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "system/cli_fixture.h"

namespace blkrewind::test {
namespace {

// For a shell; of paths without an apostrophe.
std::string quoted(const std::string& path) { return "'" + path + "'"; }

class CliErrors : public Cli {
 protected:
  // Run by a shell, after "--store STORE"; standard error is stored in `said_`.
  int shell(const std::string& before, const std::string& arguments) {
    const std::string err = program_.file("said");
    const std::string line = before + quoted(BLKREWIND_PROGRAM) + " --store " +
                             quoted(program_.store()) + " " + arguments + " 2>" + quoted(err);
    const int raw = std::system(line.c_str());
    said_ = read_file(err);
    return WIFEXITED(raw) ? WEXITSTATUS(raw) : 1000 + WTERMSIG(raw);
  }

  std::string said_;
};

TEST_F(CliErrors, AdviceNamesTheStore) {
  snapshot("before");
  const std::string with_store = "blkrewind --store " + program_.store();
  const auto hint = [&](const std::vector<std::string>& line, int status) {
    return ask(line, status).value("hint", "");
  };
  EXPECT_NE(hint({"rollback", image_, "other"}, 3).find(with_store + " list " + image_),
            std::string::npos);
  EXPECT_NE(hint({"delete", "other"}, 3).find(with_store + " list"), std::string::npos);
  const CliOutcome text = program_.run({"disk", "forget", image_});
  EXPECT_NE(text.err.find(with_store + " disk forget d-"), std::string::npos) << text.err;
  const std::string missing = program_.file("another store");
  const CliOutcome none = program_.run_with({"BLKREWIND_STORE=" + missing}, {"list"});
  EXPECT_NE(none.err.find("blkrewind --store '" + missing + "' store init"), std::string::npos)
      << none.err;
}

TEST_F(CliErrors, ALostReceiptIsNoReasonToRepeatTheCommand) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  snapshot("before");
  fill(1, 'x');
  const CliOutcome lost = program_.run({"rollback", image_, "before"}, "/dev/full");
  EXPECT_EQ(lost.status, 4);
  EXPECT_NE(lost.err.find("the command succeeded"), std::string::npos) << lost.err;
  EXPECT_EQ(lost.err.find("try again"), std::string::npos) << lost.err;
  EXPECT_NE(lost.err.find("do not run it again"), std::string::npos) << lost.err;
  EXPECT_EQ(content()[kChunk], 'b');
}

// A closed standard stream's descriptor number must not be reused for the device or the journal.
TEST_F(CliErrors, DescriptorsOfClosedStandardStreamsAreNotReused) {
  snapshot("before");
  const std::string was = content();
  fill(1, 'x');
  EXPECT_EQ(shell("", "export before - >&-"), 4);
  EXPECT_NE(said_.find("errno 9"), std::string::npos) << said_;
  EXPECT_EQ(shell("", "rollback " + image_ + " before <&- >&-"), 4);
  EXPECT_NE(said_.find("errno 9"), std::string::npos) << said_;
  EXPECT_EQ(content(), was);
  EXPECT_EQ(program_.run({"verify"}).status, 0);
}

TEST_F(CliErrors, ALimitOnTheSizeOfFilesIsAnError) {
  snapshot("before");
  EXPECT_EQ(shell("ulimit -f 8; ", "export before " + program_.file("export.img")), 4);
  EXPECT_NE(said_.find("errno 27"), std::string::npos) << said_;
  EXPECT_FALSE(std::filesystem::exists(program_.file("export.img")));
}

TEST_F(CliErrors, AFolderInPlaceOfAFileOfTheStoreIsDamage) {
  snapshot("before");
  const std::vector<std::pair<std::string, std::vector<std::string>>> cases = {
      {"format", {"list"}}, {"index", {"list"}}, {"disks/1/segments/1", {"export", "before", "-"}}};
  for (const auto& [name, line] : cases) {
    const std::string file = program_.store() + "/" + name;
    ASSERT_TRUE(std::filesystem::exists(file)) << name;
    std::filesystem::rename(file, program_.file("away"));
    std::filesystem::create_directory(file);
    const json error = ask(line, 5);
    EXPECT_EQ(error.at("code"), "Integrity");
    EXPECT_NE(error.dump().find(file), std::string::npos) << error;
    std::filesystem::remove(file);
    std::filesystem::rename(program_.file("away"), file);
  }
  EXPECT_EQ(program_.run({"verify"}).status, 0);
}

TEST_F(CliErrors, AMissingTargetMakesNoStore) {
  for (const std::string& target : {program_.file("nothing"), program_.file(""), std::string()}) {
    ASSERT_EQ(program_.run({"snapshot", target}).status == 0, false) << target;
    EXPECT_NE(program_.run({"disk", "register", target}).status, 0);
    EXPECT_FALSE(std::filesystem::exists(program_.store())) << target;
  }
}

TEST_F(CliErrors, TimesAreSaidInTheProgramsWords) {
  ask({"instance", "create", "i-web"});
  for (const char* time : {"1960-01-01", "@0"}) {
    const json error = ask({"instance", "set", "i-web", "--expires-at", time}, 2);
    EXPECT_NE(error.value("hint", "").find("never"), std::string::npos) << error;
  }
  ask({"instance", "set", "i-web", "--expires-at", "@253402300800"}, 2);
  const std::string id =
      ask({"import", image_, image_, "--created-at", "@0"}).value("snapshot_id", "");
  const json snapshot = ask({"list"})["disks"][0]["snapshots"][0];
  EXPECT_EQ(snapshot.at("snapshot_id"), id);
  EXPECT_EQ(snapshot.at("created_at"), 0);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
