#include "cli/serve/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <pugixml.hpp>

#include "cli/serve/api_errors.h"

namespace blkrewind::serve {
namespace {

constexpr const char* kId = "473469C7-AA6F-4DC5-B3DB-A3DC0DE3C83E";

Error error_of(Errc code, const std::string& message) {
  Error error;
  error.code = code;
  error.message = message;
  error.remedy = "look into /secret/place";
  return error;
}

TEST(Render, IsToTheLetter) {
  const Answer xml = render(Format::kXml, "ResetDisk", kId, {});
  EXPECT_EQ(xml.status, 200);
  EXPECT_EQ(xml.content_type, "text/xml;charset=utf-8");
  EXPECT_EQ(xml.body, "<?xml version='1.0' encoding='UTF-8'?><ResetDiskResponse><RequestId>" +
                          std::string(kId) + "</RequestId></ResetDiskResponse>");
  const Answer json = render(Format::kJson, "ResetDisk", kId, {});
  EXPECT_EQ(json.status, 200);
  EXPECT_EQ(json.content_type, "application/json;charset=utf-8");
  EXPECT_EQ(json.body, R"({"RequestId":")" + std::string(kId) + R"("})");
}

TEST(Render, RepeatsTheElementOfAnArray) {
  Json fields;
  fields["TotalCount"] = 2;
  fields["Disks"]["Disk"] = Json::array();
  fields["Disks"]["Disk"].push_back({{"DiskId", "d-1"}, {"Portable", true}, {"Size", 40}});
  fields["Disks"]["Disk"].push_back({{"DiskId", "d-2"}, {"Note", nullptr}});
  fields["Tags"]["Tag"] = Json::array();
  EXPECT_EQ(render(Format::kXml, "DescribeDisks", "ID", fields).body,
            "<?xml version='1.0' encoding='UTF-8'?><DescribeDisksResponse>"
            "<RequestId>ID</RequestId><TotalCount>2</TotalCount><Disks>"
            "<Disk><DiskId>d-1</DiskId><Portable>true</Portable><Size>40</Size></Disk>"
            "<Disk><DiskId>d-2</DiskId><Note/></Disk></Disks><Tags/></DescribeDisksResponse>");
  EXPECT_EQ(render(Format::kJson, "DescribeDisks", "ID", fields).body,
            R"({"RequestId":"ID","TotalCount":2,"Disks":{"Disk":[)"
            R"({"DiskId":"d-1","Portable":true,"Size":40},{"DiskId":"d-2","Note":null}]},)"
            R"("Tags":{"Tag":[]}})");
}

TEST(Render, HoldsAnyText) {
  std::string text = "<a href=\"x\">&amp;]]>\xe4\xb8\xad\n";
  Json fields;
  fields["Name"] = text;
  pugi::xml_document document;
  const std::string xml = render(Format::kXml, "A", "ID", fields).body;
  ASSERT_TRUE(document.load_string(xml.c_str()));
  EXPECT_EQ(document.child("AResponse").child_value("Name"), text);

  for (int c = 1; c < 256; ++c) text += static_cast<char>(c);
  text += '\0';
  fields["Name"] = text;
  const std::string all = render(Format::kXml, "A", "ID", fields).body;
  ASSERT_TRUE(document.load_string(all.c_str()));
  for (const char c : all) EXPECT_TRUE(c < 0 || c >= 0x20 || c == '\t' || c == '\n' || c == '\r');
  EXPECT_EQ(all.find("&#"), std::string::npos);
  const auto json = Json::parse(render(Format::kJson, "A", "ID", fields).body, nullptr, false);
  EXPECT_TRUE(json.is_object());
}

TEST(RenderError, IsToTheLetter) {
  const Error error = api_error({ApiCode::kDiskNotFound, "The specified disk does not exist."});
  const Answer xml = render_error(Format::kXml, kId, "127.0.0.1", error);
  EXPECT_EQ(xml.status, 404);
  EXPECT_EQ(xml.content_type, "text/xml;charset=utf-8");
  EXPECT_EQ(xml.body,
            "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>" + std::string(kId) +
                "</RequestId><HostId>127.0.0.1</HostId><Code>InvalidDiskId.NotFound</Code>"
                "<Message>The specified disk does not exist.</Message></Error>");
  const Answer json = render_error(Format::kJson, kId, "127.0.0.1", error);
  EXPECT_EQ(json.status, 404);
  EXPECT_EQ(json.body, R"({"RequestId":")" + std::string(kId) +
                           R"(","HostId":"127.0.0.1","Code":"InvalidDiskId.NotFound",)"
                           R"("Message":"The specified disk does not exist."})");
}

TEST(RenderError, RecommendsWhatTheRemedySays) {
  const Answer answer =
      render_error(Format::kJson, "ID", "h", api_error(kTimestampExpired, "set the clock right"));
  EXPECT_EQ(Json::parse(answer.body)["Recommend"], "set the clock right");
  EXPECT_EQ(answer.status, 400);
}

TEST(ShownErrors, HaveACodeOfTheApi) {
  const auto seen = [](Errc code) {
    const ShownError what = shown(error_of(code, "ours"));
    return std::to_string(what.status) + " " + what.code + ": " + what.message;
  };
  EXPECT_EQ(seen(Errc::kInvalidArgument), "400 InvalidParameter: ours");
  EXPECT_EQ(seen(Errc::kNotFound), "400 InvalidParameter: ours");
  EXPECT_EQ(seen(Errc::kAlreadyExists), "403 OperationDenied: ours");
  EXPECT_EQ(seen(Errc::kPrecondition), "403 OperationDenied: ours");
  EXPECT_EQ(seen(Errc::kBusy), "403 Operation.Conflict: The operation may conflicts with others.");
  EXPECT_EQ(seen(Errc::kCancelled),
            "503 ServiceUnavailable: The request has failed due to a temporary failure of the "
            "server.");
  for (const Errc code :
       {Errc::kIo, Errc::kNoSpace, Errc::kIntegrity, Errc::kUnsupported, Errc::kInternal}) {
    EXPECT_EQ(seen(code),
              "500 InternalError: The request processing has failed due to some unknown error.");
  }
}

TEST(ShownErrors, TellNothingOfTheInside) {
  for (const Errc code : {Errc::kIo, Errc::kNoSpace, Errc::kIntegrity, Errc::kUnsupported,
                          Errc::kInternal, Errc::kBusy, Errc::kCancelled}) {
    for (const Format format : {Format::kXml, Format::kJson}) {
      const Answer answer =
          render_error(format, "ID", "h", error_of(code, "cannot read /secret/place"));
      EXPECT_THAT(answer.body, testing::Not(testing::HasSubstr("secret")));
    }
  }
}

TEST(ShownErrors, OfTheApiHaveAStatus) {
  Error error = error_of(Errc::kInternal, "m");
  error.api = ApiCode::kDryRun;
  EXPECT_EQ(shown(error).status, 400);
  EXPECT_EQ(shown(error).code, "DryRunOperation");
  error.api = ApiCode::kMismatch;
  EXPECT_EQ(shown(error).status, 403);
  EXPECT_EQ(shown(error).code, "InvalidParameter.Mismatch");
  EXPECT_EQ(shown(error).message, "m");
}

}  // namespace
}  // namespace blkrewind::serve
