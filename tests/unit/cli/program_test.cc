// The parser and the reports of the whole program, without a store.
#include "cli/program.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "blkrewind/engine.h"
#include "cli/errors.h"
#include "unit/cli/capture.h"

namespace blkrewind::cli {
namespace {

struct Outcome {
  int status = -1;
  std::string out;
  std::string err;
};

Outcome run(std::vector<std::string> arguments) {
  test::Capture out;
  test::Capture err;
  Outcome outcome;
  outcome.status = run_program(std::move(arguments), out.stream(), err.stream());
  outcome.out = out.text();
  outcome.err = err.text();
  return outcome;
}

using Words = std::vector<std::string>;

const std::vector<Words>& all_commands() {
  static const std::vector<Words> kCommands = {{"snapshot"},
                                               {"list"},
                                               {"diff"},
                                               {"delete"},
                                               {"rollback"},
                                               {"undo"},
                                               {"resume"},
                                               {"export"},
                                               {"import"},
                                               {"verify"},
                                               {"thaw"},
                                               {"store", "init"},
                                               {"store", "info"},
                                               {"store", "gc"},
                                               {"disk", "register"},
                                               {"disk", "attach"},
                                               {"disk", "detach"},
                                               {"disk", "show"},
                                               {"disk", "forget"},
                                               {"disk", "adopt"},
                                               {"track", "start"},
                                               {"track", "stop"},
                                               {"track", "status"},
                                               {"instance", "create"},
                                               {"instance", "start"},
                                               {"instance", "stop"},
                                               {"instance", "lock"},
                                               {"instance", "unlock"},
                                               {"instance", "set"},
                                               {"instance", "show"},
                                               {"instance", "delete"},
                                               {"store"},
                                               {"disk"},
                                               {"instance"},
                                               {"track"},
                                               {}};
  return kCommands;
}

TEST(Program, HelpsForEveryCommandWithAnExample) {
  for (Words words : all_commands()) {
    std::string command = "blkrewind";
    for (const std::string& word : words) command += " " + word;
    words.push_back("--help");
    const Outcome help = run(words);
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_EQ(help.err, "") << command;
    EXPECT_NE(help.out.find("Usage: " + command), std::string::npos) << help.out;
    EXPECT_NE(help.out.find("Example:\n  blkrewind "), std::string::npos) << help.out;
  }
}

TEST(Program, ShowsItsVersion) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out, std::string("blkrewind ") + version() + "\n");
}

TEST(Program, RefusesWhatItDoesNotUnderstandWithStatus2) {
  const std::vector<Words> lines = {
      {},
      {"snapshoot"},
      {"disk"},
      {"disk", "explode"},
      {"snapshot"},
      {"rollback", "/nowhere"},
      {"rollback", "/nowhere", "s-1", "more"},
      {"list", "--no-such-option"},
      {"-q", "-v", "list"},
      {"snapshot", "/nowhere", "--chunk-size", "5KiB"},
      {"snapshot", "/nowhere", "--change-source", "perhaps"},
      {"snapshot", "/nowhere", "--paranoid"},
      {"rollback", "/nowhere", "s-1", "--change-source"},
      {"rollback", "/nowhere", "s-1", "--change-source", "Bitmap"},
      {"undo", "/nowhere", "--change-source", "scan"},
      {"diff", "/nowhere", "s-1", "--change-source", "scan"},
      {"track"},
      {"track", "begin", "/nowhere"},
      {"track", "start"},
      {"track", "start", "/nowhere", "--source", "scan"},
      {"track", "start", "/nowhere", "--chunk-size", "5KiB"},
      {"track", "stop", "/nowhere", "--source", "bitmap"},
      {"track", "status", "/nowhere", "more"},
      {"import", "/nowhere", "file", "--created-at", "yesterday"},
      {"instance", "set", "i-1"},
      {"instance", "set", "i-1", "--arrears", "perhaps"},
      {"disk", "attach", "/nowhere"},
      {"--store"},
  };
  for (const Words& line : lines) {
    std::string text;
    for (const std::string& word : line) text += word + " ";
    const Outcome outcome = run(line);
    EXPECT_EQ(outcome.status, 2) << text;
    EXPECT_EQ(outcome.out, "") << text;
    EXPECT_EQ(outcome.err.substr(0, 28), "blkrewind: InvalidArgument: ") << text << outcome.err;
    EXPECT_NE(outcome.err.find("\n  hint: "), std::string::npos) << text << outcome.err;
  }
}

TEST(Program, ReportsErrorsOfTheParserAsJsonToo) {
  for (const Words& line : {Words{"--json", "snapshot"}, Words{"disk", "attach", "x", "--json"}}) {
    const Outcome outcome = run(line);
    EXPECT_EQ(outcome.status, 2);
    const auto json = nlohmann::json::parse(outcome.err);
    EXPECT_EQ(json.at("code"), "InvalidArgument");
    EXPECT_FALSE(json.at("message").get<std::string>().empty());
  }
}

TEST(Program, TakesGlobalOptionsAfterTheCommandAsWell) {
  const std::string nowhere = "/nonexistent/blkrewind-store";
  for (const Words& line :
       {Words{"--store", nowhere, "--json", "list"}, Words{"list", "--json", "--store", nowhere},
        Words{"--json", "disk", "--store", nowhere, "show", "d-1"},
        Words{"disk", "show", "d-1", "--store=" + nowhere, "--json"}}) {
    const Outcome outcome = run(line);
    EXPECT_EQ(outcome.status, 3) << outcome.err;
    const auto json = nlohmann::json::parse(outcome.err);
    EXPECT_EQ(json.at("code"), "NotFound");
    EXPECT_NE(json.dump().find(nowhere), std::string::npos) << json;
  }
}

TEST(Program, TakesTargetsThatAreNamedLikeCommands) {
  const Outcome outcome = run({"--store", "/nonexistent/blkrewind-store", "disk", "show", "list"});
  EXPECT_EQ(outcome.status, 3) << outcome.err;
}

}  // namespace
}  // namespace blkrewind::cli
