#include "cli/serve/gateway.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "cli/serve/answer.h"
#include "cli/serve/api_errors.h"
#include "support/errors.h"
#include "unit/serve/gateway_fixture.h"

namespace blkrewind::serve {
namespace {

using test::Pairs;
using testing::HasSubstr;
using testing::Not;

const Pairs kReset = {{"DiskId", "d-1"}, {"SnapshotId", "s-1"}};

TEST_F(GatewayTest, AdmitsWhatClientsSend) {
  Pairs empty = kReset;
  empty.emplace_back("SignatureType", "");
  for (const RawRequest& request : {
           signer_.v1("GET", "ResetDisk", kReset),
           signer_.v1("POST", "ResetDisk", {}, kReset),
           signer_.v1("POST", "ResetDisk", kReset),
           signer_.v1("GET", "ResetDisk", empty),
           signer_.v1("POST", "ResetDisk", {{"DiskId", "d-1"}}, {{"SnapshotId", "s-1"}}),
           signer_.v3("POST", "ResetDisk", kReset),
           signer_.v3("GET", "ResetDisk", kReset),
           signer_.v3("POST", "ResetDisk", {}, kReset),
           signer_.v3("POST", "ResetDisk", empty),
           signer_.v3("POST", "ResetDisk", kReset, {}, {{"content-type", "application/json"}}),
       }) {
    const Admission admission = gateway_.admit(request);
    ASSERT_TRUE(admission.call) << request.target << admission.call.error().to_string();
    EXPECT_EQ(admission.action, "ResetDisk");
    EXPECT_EQ(admission.format, Format::kJson);
    EXPECT_EQ(admission.call->action, "ResetDisk");
    EXPECT_EQ(admission.call->format, Format::kJson);
    EXPECT_EQ(admission.call->access_key_id, "testid");
    EXPECT_EQ(admission.call->parameters.need("DiskId").value(), "d-1");
    EXPECT_EQ(admission.call->parameters.need("SnapshotId").value(), "s-1");
  }
}

TEST_F(GatewayTest, AdmitsV1BesideHeadersOfV3) {
  RawRequest request = signer_.v1("GET", "ResetDisk", kReset);
  request.headers.emplace_back("x-acs-action", "DescribeDisks");
  request.headers.emplace_back("x-acs-version", "2014-05-26");
  EXPECT_EQ(gateway_.admit(request).action, "ResetDisk");
}

TEST_F(GatewayTest, ReadsAPlusAsABlank) {
  RawRequest request = signer_.v1("GET", "ResetDisk", {{"Description", "a b+c"}});
  const std::size_t at = request.target.find("a%20b");
  request.target.replace(at, 5, "a+b");
  const Admission admission = gateway_.admit(request);
  ASSERT_TRUE(admission.call);
  EXPECT_EQ(admission.call->parameters.find("Description"), "a b+c");
}

TEST_F(GatewayTest, AnswersInTheFormatThatIsAskedFor) {
  const auto format = [&](const Pairs& query) {
    const Admission admission = gateway_.admit(signer_.v1("GET", "ResetDisk", query));
    EXPECT_TRUE(admission.call);
    return admission.format;
  };
  EXPECT_EQ(format({{"Format", ""}}), Format::kXml);
  EXPECT_EQ(format({{"Format", "XML"}}), Format::kXml);
  EXPECT_EQ(format({{"Format", "xml"}}), Format::kXml);
  EXPECT_EQ(format({{"Format", "json"}}), Format::kJson);
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk", {{"Format", "YAML"}})), "InvalidParameter");
}

TEST_F(GatewayTest, AnswersErrorsInTheFormatToo) {
  // Not decodable: by what is visible.
  const auto format = [&](const RawRequest& request) {
    const Admission admission = gateway_.admit(request);
    EXPECT_FALSE(admission.call);
    return admission.format;
  };
  EXPECT_EQ(format({"GET", "/?a=%", {}, ""}), Format::kXml);
  EXPECT_EQ(format({"GET", "/?a=%&Format=JSON", {}, ""}), Format::kJson);
  EXPECT_EQ(format({"GET", "/?a=%&Format=XML&Format=json", {}, ""}), Format::kXml);
  EXPECT_EQ(format({"POST", "/?a=%", {}, "Format=Json"}), Format::kJson);
  EXPECT_EQ(format({"PUT", "/", {{"Authorization", "ACS3-"}}, ""}), Format::kJson);
}

TEST_F(GatewayTest, NamesOnlyKnownActions) {
  const Admission known = gateway_.admit({"GET", "/?Action=ResetDisk", {}, ""});
  EXPECT_EQ(known.action, "");  // it is not complete
  EXPECT_EQ(gateway_.admit(signer_.v1("GET", "Evil\xe2\x80\xae")).action, "");
  signer_.secret = "wrong";
  const Admission forged = gateway_.admit(signer_.v1("GET", "ResetDisk"));
  EXPECT_FALSE(forged.call);
  EXPECT_EQ(forged.action, "ResetDisk");
}

TEST_F(GatewayTest, NeedsEachParameterOfV1) {
  for (const char* key : {"AccessKeyId", "SignatureMethod", "SignatureVersion", "SignatureNonce",
                          "Timestamp", "Version", "Action"}) {
    const Admission admission = gateway_.admit(signer_.v1("GET", "ResetDisk", {{key, ""}}));
    ASSERT_FALSE(admission.call);
    EXPECT_EQ(admission.call.error().message, missing_parameter(key).message);
  }
  RawRequest request = signer_.v1("GET", "ResetDisk");
  request.target.resize(request.target.find("&Signature="));
  EXPECT_EQ(gateway_.admit(request).call.error().message, missing_parameter("Signature").message);
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk", {{"SignatureMethod", "HMAC-SHA256"}})),
            "IncompleteSignature");
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk", {{"SignatureVersion", "2.0"}})),
            "IncompleteSignature");
}

TEST_F(GatewayTest, HearsATimestampFor15Minutes) {
  for (const bool v3 : {false, true}) {
    for (const auto& [shift, code] :
         std::vector<std::pair<int, std::string>>{{-900, ""},
                                                  {900, ""},
                                                  {-901, "InvalidTimeStamp.Expired"},
                                                  {901, "InvalidTimeStamp.Expired"}}) {
      signer_.now = kNow + shift;
      EXPECT_EQ(code_of(v3 ? signer_.v3("POST", "ResetDisk") : signer_.v1("GET", "ResetDisk")),
                code)
          << shift;
    }
  }
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk", {{"Timestamp", "2016-02-23 12:46:24"}})),
            "InvalidTimeStamp.Format");
  RawRequest request = signer_.v3("POST", "ResetDisk");
  set_header(request, "x-acs-date", "Tue, 23 Feb 2016 12:46:24 GMT");
  EXPECT_EQ(code_of(request), "InvalidTimeStamp.Format");
}

TEST_F(GatewayTest, KnowsItsKeys) {
  signer_.access_key_id = "unknown";
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk")), "InvalidAccessKeyId.NotFound");
  EXPECT_EQ(code_of(signer_.v3("GET", "ResetDisk")), "InvalidAccessKeyId.NotFound");
  signer_.access_key_id = "other";
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk")), "SignatureDoesNotMatch");
  EXPECT_EQ(code_of(signer_.v3("GET", "ResetDisk")), "SignatureDoesNotMatch");
  signer_.secret = "othersecret";
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk")), "");
  EXPECT_EQ(code_of(signer_.v3("GET", "ResetDisk")), "");
}

TEST_F(GatewayTest, ShowsTheStringToSignAndNoSecret) {
  signer_.secret = "wrong";
  for (const RawRequest& request :
       {signer_.v1("GET", "ResetDisk", kReset), signer_.v3("POST", "ResetDisk", kReset)}) {
    const Admission admission = gateway_.admit(request);
    ASSERT_FALSE(admission.call);
    const std::string& message = admission.call.error().message;
    EXPECT_THAT(message, testing::StartsWith(
                             "Specified signature is not matched with our calculation. server "
                             "string to sign is:"));
    EXPECT_THAT(message, HasSubstr("DiskId"));
    EXPECT_THAT(message, Not(HasSubstr("testsecret")));
  }
  const Admission admission =
      gateway_.admit(signer_.v1("GET", "ResetDisk", {{"Long", std::string(4000, '/')}}));
  EXPECT_LE(admission.call.error().message.size(),
            kSignatureDoesNotMatch.message.size() + kShownBytesMax);
}

TEST_F(GatewayTest, UsesUpANonceOnlyForAnAuthenticRequest) {
  const RawRequest good = signer_.v1("GET", "ResetDisk", {{"SignatureNonce", "once"}});
  RawRequest forged = good;
  forged.target.replace(forged.target.find("&Signature=") + 11, 1, "%00");
  test::Signer stranger = signer_;
  stranger.secret = "wrong";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(code_of(forged), "InvalidParameter");
    EXPECT_EQ(code_of(stranger.v1("GET", "ResetDisk", {{"SignatureNonce", "once"}})),
              "SignatureDoesNotMatch");
  }
  EXPECT_EQ(code_of(good), "");
  EXPECT_EQ(code_of(good), "SignatureNonceUsed");
  // For every scheme and action; but another key has its own nonces.
  EXPECT_EQ(code_of(signer_.v1("GET", "DescribeDisks", {{"SignatureNonce", "once"}})),
            "SignatureNonceUsed");
  test::Signer other = signer_;
  other.access_key_id = "other";
  other.secret = "othersecret";
  EXPECT_EQ(code_of(other.v1("GET", "ResetDisk", {{"SignatureNonce", "once"}})), "");
}

TEST_F(GatewayTest, ARequestIsHeardOnceUntilItExpires) {
  const RawRequest request = signer_.v3("POST", "ResetDisk");
  ASSERT_EQ(code_of(request), "");
  now_ = kNow + 900;
  EXPECT_EQ(code_of(request), "SignatureNonceUsed");
  now_ = kNow + 901;
  EXPECT_EQ(code_of(request), "InvalidTimeStamp.Expired");
  // A nonce of another time makes space; then the clock is set back.
  signer_.now = kNow + 901;
  ASSERT_EQ(code_of(signer_.v3("POST", "ResetDisk")), "");
  now_ = kNow;
  EXPECT_EQ(code_of(request), "InvalidTimeStamp.Expired");
}

TEST_F(GatewayTest, ThrottlesRatherThanForgets) {
  Gateway small = make_gateway(now_, 2);
  const RawRequest first = signer_.v1("GET", "ResetDisk");
  EXPECT_TRUE(small.admit(first).call);
  EXPECT_TRUE(small.admit(signer_.v1("GET", "ResetDisk")).call);
  const auto refused = small.admit(signer_.v1("GET", "ResetDisk"));
  ASSERT_FALSE(refused.call);
  EXPECT_EQ(api_of(refused.call.error()), "Throttling.User");
  EXPECT_EQ(api_of(small.admit(first).call.error()), "SignatureNonceUsed");
}

TEST_F(GatewayTest, KnowsOneVersionAndItsActions) {
  signer_.version = "2015-01-01";
  EXPECT_EQ(code_of(signer_.v1("GET", "ResetDisk")), "InvalidVersion");
  EXPECT_EQ(code_of(signer_.v3("GET", "NoAction")), "InvalidVersion");
  signer_.version = "2014-05-26";
  for (const char* action : {"NoAction", "resetdisk", "ResetDisk "}) {
    EXPECT_EQ(code_of(signer_.v1("GET", action)), "InvalidAction.NotFound");
  }
  EXPECT_EQ(code_of(signer_.v3("GET", "NoAction")), "InvalidAction.NotFound");
}

TEST_F(GatewayTest, TakesNoContentButForms) {
  RawRequest request = signer_.v1("POST", "ResetDisk", kReset);
  request.body = "DiskId=d-2";
  EXPECT_EQ(code_of(request), "InvalidRequest");
  request.headers.emplace_back("Content-Type", "application/json");
  EXPECT_EQ(code_of(request), "InvalidRequest");
  request = signer_.v1("POST", "ResetDisk", {}, kReset);
  set_header(request, "Content-Type", "Application/X-WWW-form-urlencoded ; charset=UTF-8");
  EXPECT_EQ(code_of(request), "");
}

TEST_F(GatewayTest, EachErrorHasItsStatus) {
  const auto status = [&](const RawRequest& request) {
    return shown(gateway_.admit(request).call.error()).status;
  };
  EXPECT_EQ(status({"DELETE", "/", {}, ""}), 403);
  EXPECT_EQ(status({"GET", "/other", {}, ""}), 404);
  EXPECT_EQ(status({"GET", "/", {}, ""}), 400);
  EXPECT_EQ(status(signer_.v1("GET", "NoAction")), 404);
  signer_.secret = "wrong";
  EXPECT_EQ(status(signer_.v1("GET", "ResetDisk")), 400);
  signer_.access_key_id = "unknown";
  EXPECT_EQ(status(signer_.v1("GET", "ResetDisk")), 404);
}

TEST_F(GatewayTest, ThreadsAreHeardSideBySide) {
  constexpr int kThreads = 4;
  constexpr int kRequests = 50;
  std::vector<RawRequest> requests;
  for (int i = 0; i < kRequests; ++i) {
    requests.push_back(i % 2 == 0 ? signer_.v1("GET", "ResetDisk")
                                  : signer_.v3("POST", "ResetDisk"));
  }
  std::atomic<int> admitted = 0;
  std::atomic<int> used = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (const RawRequest& request : requests) {
        const std::string code = code_of(request);
        if (code.empty()) ++admitted;
        if (code == "SignatureNonceUsed") ++used;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, kRequests);
  EXPECT_EQ(used, kRequests * (kThreads - 1));
}

}  // namespace
}  // namespace blkrewind::serve
