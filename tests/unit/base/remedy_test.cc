#include "blkrewind/remedy.h"

#include <gtest/gtest.h>

#include <set>

#include "blkrewind/api_code.h"
#include "blkrewind/error.h"

namespace blkrewind {
namespace {

TEST(Verb, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int verb = 0; verb < kVerbs; ++verb) {
    EXPECT_TRUE(names.insert(to_string(static_cast<Verb>(verb))).second) << verb;
  }
  EXPECT_EQ(to_string(Verb::kAdvice), "advice");
  EXPECT_EQ(to_string(Verb::kDiskForget), "disk_forget");
  EXPECT_EQ(to_string(Verb::kTrackStatus), "track_status");
}

TEST(Parameter, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (int parameter = 0; parameter < kParameters; ++parameter) {
    EXPECT_TRUE(names.insert(to_string(static_cast<Parameter>(parameter))).second) << parameter;
  }
  EXPECT_EQ(to_string(Parameter::kChangeSource), "change_source");
  EXPECT_EQ(to_string(Parameter::kOperand), "operand");
  EXPECT_TRUE(is_flag(Parameter::kWithSnapshots));
  EXPECT_FALSE(is_flag(Parameter::kChangeSource));
}

TEST(ApiCode, IsNamedAsInTheApi) {
  std::set<std::string_view> names;
  for (int code = 0; code < kApiCodes; ++code) {
    const std::string_view name = to_string(static_cast<ApiCode>(code));
    // Both are said of a request that cannot be read.
    EXPECT_TRUE(names.insert(name).second || name == "InvalidRequest") << name;
  }
  EXPECT_EQ(to_string(ApiCode::kMissingParameter), "MissingParameter");
  EXPECT_EQ(to_string(ApiCode::kDiskStatus), "IncorrectDiskStatus");
  EXPECT_EQ(to_string(ApiCode::kUnavailable), "ServiceUnavailable");
  EXPECT_EQ(to_string(ApiCode::kRequestTooLarge), "InvalidRequest");
  EXPECT_EQ(to_string(ApiCode::kThrottled), "Throttling.User");
  EXPECT_EQ(to_string(ApiCode::kStatusNotFound), "InvalidStatus.NotFound");
}

TEST(Remedy, IsAListOfStepsThatAnEmbedderSwitchesOn) {
  const Remedy remedy =
      Remedy(Verb::kResume, "finish it", {{Parameter::kTarget, "/dev/vdb"}})
          .or_else({Verb::kUndo, "take it back", {{Parameter::kTarget, "/dev/vdb"}}})
          .because("a rollback of it was interrupted");
  ASSERT_EQ(remedy.steps.size(), 2U);
  EXPECT_EQ(remedy.steps[1].link, Link::kOr);
  ASSERT_NE(remedy.find(Verb::kUndo), nullptr);
  EXPECT_EQ(remedy.find(Verb::kUndo)->arguments,
            (std::vector<Argument>{{Parameter::kTarget, "/dev/vdb"}}));
  EXPECT_EQ(remedy.find(Verb::kDelete), nullptr);
  EXPECT_EQ(remedy.to_string(), "a rollback of it was interrupted: finish it; or take it back");
}

TEST(Remedy, KeepsItsOwnReasonAndTheOrderOfItsSteps) {
  const Remedy remedy = Remedy("free some space")
                            .because("full")
                            .and_then(Remedy("go on").because("not this one"))
                            .or_else(Remedy("stop"));
  EXPECT_EQ(remedy.reason, "full");
  EXPECT_EQ(remedy.steps[1].link, Link::kThen);
  EXPECT_EQ(remedy.to_string(), "full: free some space; then go on; or stop");
  EXPECT_FALSE(remedy.empty());
  EXPECT_TRUE(Remedy().empty());
  EXPECT_EQ(Remedy().or_else(Remedy("stop").because("full")), Remedy("stop").because("full"));
  EXPECT_EQ(Remedy().and_then("stop"), Remedy("stop"));
}

TEST(Remedy, JoinsTheWordsThatTheCallerHasForItsSteps) {
  const Remedy remedy = Remedy(Verb::kResume, "finish it")
                            .or_else({Verb::kUndo, "take it back"})
                            .and_then({Verb::kList, "see it"});
  const auto verb = [](const RemedyStep& step) { return std::string(to_string(step.verb)); };
  EXPECT_EQ(remedy.sentence(verb), "resume; or undo; then list");
  EXPECT_EQ(Remedy(remedy).because("interrupted").sentence(verb),
            "interrupted: resume; or undo; then list");
  EXPECT_EQ(Remedy().sentence(verb), "");
  EXPECT_EQ(Remedy().because("full").sentence(verb), "full");
}

TEST(Remedy, TellsTheWordsOfAnotherProgramApart) {
  const Remedy remedy = run_program("detach it", "losetup -d", {"/dev/loop 0"});
  ASSERT_EQ(remedy.steps.size(), 1U);
  EXPECT_EQ(remedy.steps[0].verb, Verb::kRunProgram);
  EXPECT_EQ(remedy.steps[0].arguments,
            (std::vector<Argument>{{Parameter::kProgram, "losetup"},
                                   {Parameter::kOption, "-d"},
                                   {Parameter::kOperand, "/dev/loop 0"}}));
  EXPECT_EQ(remedy.to_string(), "detach it");
  EXPECT_EQ(run_program("look", "lslocks").steps[0].arguments.size(), 1U);
}

TEST(Fail, CarriesARemedy) {
  const Status failed = fail(Errc::kPrecondition, "in use", run_program("unmount it", "umount"));
  EXPECT_EQ(failed.error().remedy, run_program("unmount it", "umount"));
  Error other;
  EXPECT_EQ(std::move(other).with_remedy(Remedy("wait")).remedy, Remedy("wait"));
}

}  // namespace
}  // namespace blkrewind
