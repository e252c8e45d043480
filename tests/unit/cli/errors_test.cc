#include "cli/errors.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>

namespace blkrewind::cli {
namespace {

Error refusal() {
  Error error;
  error.code = Errc::kPrecondition;
  error.api = ApiCode::kMismatch;
  error.message = "The specified snapshot is not created from the specified disk.";
  error.remedy = {Verb::kList, "see its snapshots", {{Parameter::kTarget, "/dev/vdb"}}};
  return error;
}

TEST(ExitStatus, IsTheDesignsForEveryCode) {
  const std::map<Errc, int> wanted = {{Errc::kInvalidArgument, 2},
                                      {Errc::kNotFound, 3},
                                      {Errc::kAlreadyExists, 3},
                                      {Errc::kPrecondition, 3},
                                      {Errc::kIo, 4},
                                      {Errc::kNoSpace, 4},
                                      {Errc::kUnsupported, 4},
                                      {Errc::kInternal, 4},
                                      {Errc::kIntegrity, 5},
                                      {Errc::kBusy, 6}};
  for (const auto& [code, status] : wanted) {
    Error error;
    error.code = code;
    EXPECT_EQ(exit_status(error, 0), status) << to_string(code);
  }
}

TEST(ExitStatus, OfACancelledCommandNamesTheSignal) {
  Error error;
  error.code = Errc::kCancelled;
  EXPECT_EQ(exit_status(error, SIGINT), 130);
  EXPECT_EQ(exit_status(error, SIGTERM), 143);
  EXPECT_EQ(exit_status(error, SIGHUP), 129);
  EXPECT_EQ(exit_status(error, 0), 130);
}

TEST(ErrorText, LeavesTheMessageOfAnApiRefusalToTheLetter) {
  EXPECT_EQ(error_text(refusal()),
            "blkrewind: InvalidParameter.Mismatch: The specified snapshot is not created from the "
            "specified disk.\n"
            "  hint: see its snapshots: blkrewind list /dev/vdb\n");
  Error with_detail = refusal();
  with_detail.sys_errno = EBUSY;
  const std::string plain = error_text(refusal());
  const std::size_t first_line = plain.find('\n') + 1;
  EXPECT_EQ(error_text(with_detail).substr(0, first_line), plain.substr(0, first_line));
  EXPECT_NE(error_text(with_detail).find("errno 16"), std::string::npos);
}

TEST(ErrorText, NamesExtentErrnoContextAndHint) {
  Error error = system_error(EIO, "cannot read /dev/loop0");
  error.extent = Extent{65536, 4096};
  error.context = {"reading a chunk", "while taking a snapshot"};
  error.remedy = "look at dmesg";
  EXPECT_EQ(error_text(error),
            "blkrewind: Io: cannot read /dev/loop0 [offset 65536, length 4096]: Input/output error "
            "(errno 5)\n"
            "  while reading a chunk\n"
            "  while taking a snapshot\n"
            "  hint: look at dmesg\n");
}

TEST(ErrorText, CannotCommandTheTerminal) {
  Error error;
  error.code = Errc::kNotFound;
  error.message = "no \x1b[2J\n such";
  EXPECT_EQ(error_text(error), "blkrewind: NotFound: no ?[2J? such\n");
}

TEST(ErrorText, NamesTheStoreInItsCommands) {
  EXPECT_EQ(error_text(refusal(), "--store '/my store'"),
            "blkrewind: InvalidParameter.Mismatch: The specified snapshot is not created from the "
            "specified disk.\n"
            "  hint: see its snapshots: blkrewind --store '/my store' list /dev/vdb\n");
}

TEST(ErrorJson, HasEveryKeyAndNullWhereThereIsNone) {
  const auto json = nlohmann::json::parse(error_json(refusal()));
  EXPECT_EQ(json.size(), 8U);
  EXPECT_EQ(json.at("code"), "InvalidParameter.Mismatch");
  EXPECT_EQ(json.at("message"), "The specified snapshot is not created from the specified disk.");
  EXPECT_EQ(json.at("http_status"), 403);
  EXPECT_EQ(json.at("hint"), "see its snapshots: blkrewind list /dev/vdb");
  EXPECT_EQ(json.at("remedy"), nlohmann::json::parse(R"({"reason": null, "steps": [
      {"verb": "list", "text": "see its snapshots",
       "arguments": {"target": "/dev/vdb"}}]})"));
  EXPECT_TRUE(json.at("errno").is_null());
  EXPECT_TRUE(json.at("extent").is_null());
  EXPECT_TRUE(json.at("context").is_array());
}

TEST(ErrorJson, HasNumbersForErrnoAndExtent) {
  Error error;
  error.code = Errc::kIo;
  error.sys_errno = EIO;
  error.extent = Extent{1, 2};
  error.message = "bytes that are not UTF-8: \xff";
  error.context = {"a", "b"};
  const auto json = nlohmann::json::parse(error_json(error));
  EXPECT_EQ(json.at("code"), "Io");
  EXPECT_EQ(json.at("errno"), EIO);
  EXPECT_EQ(json.at("extent"), (nlohmann::json{{"offset", 1}, {"length", 2}}));
  EXPECT_EQ(json.at("context"), (nlohmann::json{"a", "b"}));
  EXPECT_TRUE(json.at("hint").is_null());
  EXPECT_TRUE(json.at("remedy").is_null());
  EXPECT_TRUE(json.at("http_status").is_null());
}

}  // namespace
}  // namespace blkrewind::cli
