// Remedies in the words of the command line: what is offered can be typed.
#include "cli/remedy_text.h"

#include <gtest/gtest.h>
#include <wordexp.h>

#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/output.h"
#include "cli/program.h"
#include "support/temp_dir.h"
#include "unit/cli/capture.h"

namespace blkrewind::cli {
namespace {

constexpr const char* kTarget = "/dev/it's odd";

// Each operation with every argument that a remedy gives it.
std::vector<Remedy> operations() {
  const Argument target = {Parameter::kTarget, kTarget};
  const Argument snapshot = {Parameter::kSnapshot, "s-1"};
  const Argument file = {Parameter::kFile, {}};
  const Argument disk = {Parameter::kDisk, "d-1"};
  const Argument instance = {Parameter::kInstance, "i-web"};
  return {{Verb::kSnapshot, "take one", {target}},
          {Verb::kSnapshot, "take one", {{Parameter::kRaw, {}}, target}},
          {Verb::kList, "see it", {target}},
          {Verb::kList, "see all"},
          {Verb::kDelete, "delete it", {snapshot}},
          {Verb::kDelete, "delete one", {{Parameter::kSnapshot, {}}}},
          {Verb::kDelete, "delete it", {snapshot, {Parameter::kOfDisk, kTarget}}},
          {Verb::kRollback,
           "read everything",
           {target, snapshot, {Parameter::kChangeSource, "scan"}, {Parameter::kNoUndo, {}}}},
          {Verb::kUndo, "take it back", {target}},
          {Verb::kResume, "finish it", {target}},
          {Verb::kExport, "export it", {snapshot, file}},
          {Verb::kImport, "import it", {target, file}},
          {Verb::kVerify, "check all"},
          {Verb::kVerify, "check it", {snapshot}},
          {Verb::kDiskRegister, "register it", {{Parameter::kNewDisk, {}}, target}},
          {Verb::kDiskRegister, "register it", {{Parameter::kRaw, {}}, target}},
          {Verb::kDiskAdopt, "say where it is", {disk, {Parameter::kPath, {}}}},
          {Verb::kDiskAttach, "attach it", {target, instance}},
          {Verb::kDiskAttach, "attach it", {target, {Parameter::kInstance, {}}}},
          {Verb::kDiskDetach, "detach it", {target}},
          {Verb::kDiskForget, "forget it", {target, {Parameter::kWithSnapshots, {}}}},
          {Verb::kInstanceCreate, "create it", {{Parameter::kInstance, {}}}},
          {Verb::kInstanceShow, "see all"},
          {Verb::kInstanceShow, "see it", {instance}},
          {Verb::kInstanceStop, "stop it", {instance}},
          {Verb::kInstanceUnlock, "unlock it", {instance, {Parameter::kReason, "security"}}},
          {Verb::kInstanceSet, "renew it", {instance, {Parameter::kExpiresAt, "never"}}},
          {Verb::kInstanceSet, "settle it", {instance, {Parameter::kArrears, "no"}}},
          {Verb::kStoreInit, "make one"},
          {Verb::kStoreGc, "clean up"},
          {Verb::kStoreUpgrade, "bring it over"},
          {Verb::kTrackStart, "begin", {target, {Parameter::kSource, "extents"}}},
          {Verb::kTrackStop, "stop", {target}},
          {Verb::kTrackStatus, "see it", {target}}};
}

// The words that a shell makes of it.
std::vector<std::string> words_of_shell(const std::string& line) {
  wordexp_t found = {};
  EXPECT_EQ(wordexp(line.c_str(), &found, WRDE_NOCMD | WRDE_UNDEF), 0) << line;
  std::vector<std::string> words(found.we_wordv, found.we_wordv + found.we_wordc);
  wordfree(&found);
  return words;
}

TEST(RemedyText, EveryCommandIsTakenByTheParser) {
  const test::TempDir directory;
  const std::string option = "--store " + shell_word(directory.file("my store"));
  std::set<Verb> seen = {Verb::kAdvice, Verb::kRunProgram, Verb::kRepeat};
  for (const Remedy& remedy : operations()) {
    const RemedyStep& step = remedy.steps.front();
    seen.insert(step.verb);
    const std::string line = command_of(step, option);
    std::vector<std::string> words = words_of_shell(line);
    ASSERT_GE(words.size(), 4U) << line;
    EXPECT_EQ(words[0], "blkrewind") << line;
    EXPECT_EQ(words[1], "--store") << line;
    EXPECT_EQ(words[2], directory.file("my store")) << line;
    for (const Argument& argument : step.arguments) {
      if (argument.parameter != Parameter::kTarget) continue;
      EXPECT_NE(std::find(words.begin(), words.end(), kTarget), words.end()) << line;
    }
    words.erase(words.begin());
    test::Capture out;
    test::Capture err;
    (void)cli::run_program(words, out.stream(), err.stream());
    // What the parser refuses is answered with the help.
    EXPECT_EQ(err.text().find("--help"), std::string::npos) << line << "\n" << err.text();
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kVerbs)) << "a verb is not tried";
}

TEST(RemedyText, WhatTheParserRefusesIsAnsweredWithTheHelp) {
  test::Capture out;
  test::Capture err;
  EXPECT_EQ(cli::run_program({"undo"}, out.stream(), err.stream()), 2);
  EXPECT_NE(err.text().find("--help"), std::string::npos) << err.text();
}

TEST(RemedyText, JoinsStepsAndNamesTheStoreInOurCommandsOnly) {
  const Remedy remedy =
      Remedy(Verb::kResume, "finish it", {{Parameter::kTarget, "/dev/a"}})
          .or_else(blkrewind::run_program("unmount it", "umount", {"/mnt/x blkrewind list"}))
          .and_then({Verb::kList, "see it"})
          .because("it was interrupted");
  EXPECT_EQ(
      remedy_text(remedy, "--store '/my store'"),
      "it was interrupted: finish it: blkrewind --store '/my store' resume /dev/a; or unmount "
      "it: umount '/mnt/x blkrewind list'; then see it: blkrewind --store '/my store' list");
  EXPECT_EQ(remedy_text({Verb::kList, "see it"}, ""), "see it: blkrewind list");
}

TEST(RemedyText, CommandsStandOneAfterTheOther) {
  const Remedy remedy = blkrewind::run_program("unmount it", "umount", {"/a b"})
                            .and_then({Verb::kResume, "finish it", {{Parameter::kTarget, "/d"}}});
  EXPECT_EQ(commands_of(remedy, ""), "umount '/a b'; blkrewind resume /d");
  EXPECT_EQ(commands_of({}, ""), "");
}

TEST(RemedyText, AdviceHasNoCommand) {
  EXPECT_EQ(remedy_text("wait until it has ended", "--store x"), "wait until it has ended");
  EXPECT_EQ(remedy_text(Remedy().because("it is Available already"), "--store x"),
            "it is Available already");
  EXPECT_EQ(remedy_text({}, "--store x"), "");
}

TEST(RemedyText, RepeatingNamesTheOptionsOnly) {
  EXPECT_EQ(remedy_text({Verb::kRepeat, "read everything", {{Parameter::kChangeSource, "scan"}}},
                        "--store x"),
            "read everything: --change-source scan");
}

TEST(RemedyText, WhatTheCallerChoosesIsNamedInCapitals) {
  EXPECT_EQ(
      command_of(Remedy(Verb::kDiskAdopt, "", {{Parameter::kDisk, "d-1"}, {Parameter::kPath, {}}})
                     .steps.front(),
                 ""),
      "blkrewind disk adopt d-1 PATH");
}

TEST(RemedyText, QuotesOperandsAndLeavesOptionsAlone) {
  EXPECT_EQ(command_of(blkrewind::run_program("", "losetup -d", {"-odd"}).steps.front(), ""),
            "losetup -d ./-odd");
  EXPECT_EQ(command_of(blkrewind::run_program("", "umount", {"/a b"}).steps.front(), ""),
            "umount '/a b'");
}

TEST(RemedyJson, IsTheValue) {
  const Remedy remedy =
      Remedy(Verb::kDiskForget, "forget it",
             {{Parameter::kTarget, "d-1"}, {Parameter::kWithSnapshots, {}}})
          .and_then(blkrewind::run_program("detach it", "losetup -d", {"/dev/loop0"}))
          .or_else({Verb::kDiskAdopt, "adopt it", {{Parameter::kPath, {}}}})
          .because("it is taken");
  EXPECT_EQ(nlohmann::json::parse(remedy_json(remedy).dump()),
            nlohmann::json::parse(R"({"reason": "it is taken", "steps": [
      {"verb": "disk_forget", "text": "forget it",
       "arguments": {"target": "d-1", "with_snapshots": true}},
      {"verb": "run_program", "link": "then", "text": "detach it",
       "command": ["losetup", "-d", "/dev/loop0"]},
      {"verb": "disk_adopt", "link": "or", "text": "adopt it", "arguments": {"path": null}}]})"));
  EXPECT_TRUE(remedy_json({}).is_null());
}

TEST(ShellWord, IsTakenBackByAShell) {
  for (const std::string text : {"/dev/loop0", "a b", "it's", "", "$(x)", "`x`", "a\\b", "*"}) {
    EXPECT_EQ(words_of_shell(shell_word(text)), std::vector<std::string>{text}) << text;
  }
  EXPECT_EQ(shell_word("/dev/loop0"), "/dev/loop0");
}

// What a terminal does not show is spelled, or the command would name another file.
TEST(ShellWord, SpellsControlCharacters) {
  for (const std::string text :
       {"a\nb.img", "\x1b[2J", "tab\there", "\x7f", "it's\n$(x) `x` \\n", "-\n"}) {
    const std::string word = shell_word(text);
    EXPECT_EQ(printable(word), word) << "it is printed as it is";
    const std::string command = "bash -c " + shell_word("printf %s " + word + "; printf x");
    FILE* const shell = ::popen(command.c_str(), "r");
    ASSERT_NE(shell, nullptr);
    std::string got(64, '\0');
    got.resize(std::fread(got.data(), 1, got.size(), shell));
    ::pclose(shell);
    EXPECT_EQ(got, (text.starts_with('-') ? "./" : "") + text + "x") << word;
  }
}

TEST(ShellWord, IsNeverAnOption) {
  EXPECT_EQ(shell_word("-x.img"), "./-x.img");
  EXPECT_EQ(shell_word("--a b"), "'./--a b'");
  EXPECT_EQ(shell_word("a-b"), "a-b");
}

}  // namespace
}  // namespace blkrewind::cli
