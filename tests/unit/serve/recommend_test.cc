// What clients of the endpoint are told to do: nothing that only a shell of its machine could do.
#include "cli/serve/recommend.h"

#include <gtest/gtest.h>

#include <array>
#include <set>

#include "cli/serve/answer.h"
#include "cli/serve/api_status.h"
#include "unit/control/violations.h"

namespace blkrewind::serve {
namespace {

// A word of ours or of a shell's.
void expect_no_command(const std::string& text) {
  constexpr std::array kCommands = {"blkrewind ", "umount",  "swapoff", "lsof",     "fuser",
                                    "losetup",    "lslocks", "partx",   "blockdev", "chmod",
                                    "lsblk",      "mkdir",   "dmsetup", "mdadm",    "mknod",
                                    "chown",      " --",     "ulimit",  "mount -",  "dmesg"};
  for (const char* command : kCommands) {
    EXPECT_EQ(text.find(command), std::string::npos) << command << " in: " << text;
  }
}

TEST(Recommend, NamesActionsOfTheApi) {
  EXPECT_EQ(recommend({Verb::kInstanceStop, "stop it", {{Parameter::kInstance, "i-1"}}}),
            "stop it: StopInstance");
  EXPECT_EQ(recommend({Verb::kList, "see its snapshots", {{Parameter::kTarget, "d-1"}}}),
            "see its snapshots: DescribeSnapshots");
  EXPECT_EQ(recommend({Verb::kList, "see the disks"}),
            "see the disks: DescribeDisks, DescribeSnapshots");
  EXPECT_EQ(recommend("wait until it has ended"), "wait until it has ended");
  EXPECT_EQ(recommend({}), "");
}

TEST(Recommend, LeavesTheMachineToItsOperator) {
  const Remedy remedy =
      run_program("unmount it", "umount", {"/mnt"}).because("/dev/vdb is mounted on /mnt");
  EXPECT_EQ(recommend(remedy),
            "/dev/vdb is mounted on /mnt: ask the operator of this endpoint to unmount it");
  EXPECT_EQ(recommend(Remedy(Verb::kResume, "finish it", {{Parameter::kTarget, "/dev/vdb"}})
                          .or_else({Verb::kUndo, "take it back", {{Parameter::kTarget, "d-1"}}})),
            "finish it: ResetDisk with the same snapshot; or ask the operator of this endpoint to "
            "take it back");
}

TEST(Recommend, HasNoCommandForAnyVerb) {
  for (int verb = 0; verb < kVerbs; ++verb) {
    Remedy remedy(static_cast<Verb>(verb), "do it", {{Parameter::kTarget, "/dev/vdb"}});
    if (static_cast<Verb>(verb) == Verb::kRunProgram) remedy = run_program("do it", "umount -l");
    const std::string words = recommend(remedy);
    expect_no_command(words);
    EXPECT_NE(words.find("do it"), std::string::npos) << words;
  }
}

TEST(Recommend, NoRefusalOfAResetIsSentWithACommand) {
  for (const Format format : {Format::kXml, Format::kJson}) {
    for (const control::Violation& violation : control::violations()) {
      control::ResetFacts facts = control::passing();
      violation.apply(facts);
      const Error error = control::to_error(*control::decide_reset(facts));
      const Answer answer = render_error(format, "ID", "h", error);
      SCOPED_TRACE(violation.name);
      expect_no_command(answer.body);
      EXPECT_EQ(answer.status, http_status(*error.api));
      EXPECT_NE(answer.body.find("Recommend"), std::string::npos) << answer.body;
    }
  }
}

TEST(HttpStatus, IsTheOneOfTheApi) {
  const std::vector<std::pair<ApiCode, int>> expected = {{ApiCode::kMissingParameter, 400},
                                                         {ApiCode::kDiskNotFound, 404},
                                                         {ApiCode::kSnapshotNotFound, 404},
                                                         {ApiCode::kInstanceNotFound, 404},
                                                         {ApiCode::kMismatch, 403},
                                                         {ApiCode::kSnapshotNotReady, 403},
                                                         {ApiCode::kOperationDenied, 403},
                                                         {ApiCode::kSnapshotTooOld, 403},
                                                         {ApiCode::kResetInProgress, 403},
                                                         {ApiCode::kUnfinishedSnapshot, 403},
                                                         {ApiCode::kCreatingSnapshot, 403},
                                                         {ApiCode::kDiskStatus, 403},
                                                         {ApiCode::kInstanceStatus, 403},
                                                         {ApiCode::kLockedForSecurity, 403},
                                                         {ApiCode::kExpiredOrInArrears, 403},
                                                         {ApiCode::kTokenMismatch, 403},
                                                         {ApiCode::kDryRun, 400},
                                                         {ApiCode::kConflict, 403},
                                                         {ApiCode::kUnavailable, 503},
                                                         {ApiCode::kInvalidParameter, 400},
                                                         {ApiCode::kInvalidRequest, 400},
                                                         {ApiCode::kRequestTooLarge, 413},
                                                         {ApiCode::kInternalError, 500},
                                                         {ApiCode::kUnknownAccessKey, 404},
                                                         {ApiCode::kSignatureDoesNotMatch, 400},
                                                         {ApiCode::kIncompleteSignature, 400},
                                                         {ApiCode::kTimestampFormat, 400},
                                                         {ApiCode::kTimestampExpired, 400},
                                                         {ApiCode::kNonceUsed, 400},
                                                         {ApiCode::kInvalidVersion, 400},
                                                         {ApiCode::kUnknownAction, 404},
                                                         {ApiCode::kUnsupportedMethod, 403},
                                                         {ApiCode::kThrottled, 400},
                                                         {ApiCode::kMalformedDiskIds, 403},
                                                         {ApiCode::kMalformedSnapshotIds, 403},
                                                         {ApiCode::kMalformedInstanceIds, 400},
                                                         {ApiCode::kStatusNotFound, 404}};
  std::set<ApiCode> codes;
  for (const auto& [code, status] : expected) {
    EXPECT_EQ(http_status(code), status) << to_string(code);
    codes.insert(code);
  }
  EXPECT_EQ(codes.size(), static_cast<std::size_t>(kApiCodes));
}

}  // namespace
}  // namespace blkrewind::serve
