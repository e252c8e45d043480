// The published vectors, and differences between clients.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/serve/api_errors.h"
#include "cli/serve/claim.h"
#include "cli/serve/digests.h"
#include "cli/serve/signature_v1.h"
#include "cli/serve/signature_v3.h"
#include "support/errors.h"
#include "support/request_signer.h"
#include "unit/serve/gateway_fixture.h"

namespace blkrewind::serve {
namespace {

using testing::HasSubstr;

constexpr const char* kEmptyHash =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

Parameters query(std::string_view text) { return Parameters::parse(text, "").value(); }

TEST(Digests, AreThoseOfTheirStandards) {
  EXPECT_EQ(hex(sha256("")), kEmptyHash);
  // RFC 2202 and RFC 4231, test case 2 of both.
  const std::string text = "what do ya want for nothing?";
  EXPECT_EQ(hex(hmac_sha1("Jefe", text)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
  EXPECT_EQ(hex(hmac_sha256("Jefe", text)),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  const std::vector<std::uint8_t> bytes = {'f', 'o', 'o', 'b'};
  EXPECT_EQ(base64(bytes), "Zm9vYg==");
  EXPECT_EQ(base64({}), "");
}

TEST(Digests, AreComparedWhole) {
  EXPECT_TRUE(equal_in_constant_time("", ""));
  EXPECT_TRUE(equal_in_constant_time("abc", "abc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "abd"));
  EXPECT_FALSE(equal_in_constant_time("abc", "bbc"));
  EXPECT_FALSE(equal_in_constant_time("abc", "ab"));
}

TEST(SignatureV1, IsThePublishedOne) {
  const auto parameters = query(
      "Timestamp=2016-02-23T12%3A46%3A24Z&Format=XML&AccessKeyId=testid&Action=DescribeRegions&"
      "SignatureMethod=HMAC-SHA1&SignatureNonce=3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf&"
      "Version=2014-05-26&SignatureVersion=1.0&Signature=OLeaidS1JvxuMvnyHOwuJ%2BuX5qY%3D");
  const Claim claim = read_v1("GET", parameters).value();
  EXPECT_EQ(claim.strings_to_sign.at(0),
            "GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions%26Format%3DXML%26"
            "SignatureMethod%3DHMAC-SHA1%26SignatureNonce%3D3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf%26"
            "SignatureVersion%3D1.0%26Timestamp%3D2016-02-23T12%253A46%253A24Z%26"
            "Version%3D2014-05-26");
  EXPECT_EQ(signature_of(Scheme::kV1, "testsecret", claim.strings_to_sign.at(0)),
            "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
  EXPECT_TRUE(is_signed_with(claim, "testsecret"));
  EXPECT_FALSE(is_signed_with(claim, "testsecre"));
  EXPECT_FALSE(is_signed_with(claim, "testsecret&"));
  EXPECT_EQ(claim.access_key_id, "testid");
  EXPECT_EQ(claim.action, "DescribeRegions");
}

TEST(SignatureV1, CoversQueryAndFormAlike) {
  const auto apart = Parameters::parse("b=2&Signature=x", "a=1&c=").value();
  EXPECT_EQ(string_to_sign_v1("POST", apart), "POST&%2F&a%3D1%26b%3D2%26c%3D");
  EXPECT_EQ(string_to_sign_v1("POST", query("c&a=1&b=2")), string_to_sign_v1("POST", apart));
  EXPECT_EQ(string_to_sign_v1("GET", query("a=%20*~%2F&a%20b=+")),
            "GET&%2F&a%3D%2520%252A~%252F%26a%2520b%3D%2520");
}

// Of the published request.
RawRequest published_v3() {
  return {"POST",
          "/?RegionId=cn-shanghai&ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd",
          {{"x-acs-version", "2014-05-26"},
           {"X-Acs-Action", "RunInstances"},
           {"x-acs-date", "2023-10-26T10:22:32Z"},
           {"x-acs-content-sha256", kEmptyHash},
           {"x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"},
           {"Host", "  ecs.cn-shanghai.aliyuncs.com\t"},
           {"Accept", "application/json"},
           {"Authorization",
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;"
            "x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature="
            "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"}},
          ""};
}

Result<Claim> read(const RawRequest& request) {
  const std::size_t mark = request.target.find('?');
  return read_v3(request, query(std::string_view(request.target).substr(mark + 1)));
}

TEST(SignatureV3, IsThePublishedOne) {
  const Claim claim = read(published_v3()).value();
  EXPECT_TRUE(is_signed_with(claim, "YourAccessKeySecret"));
  EXPECT_FALSE(is_signed_with(claim, "YourAccessKeySecret&"));
  EXPECT_EQ(claim.access_key_id, "YourAccessKeyId");
  EXPECT_EQ(claim.action, "RunInstances");
  EXPECT_EQ(claim.version, "2014-05-26");
  EXPECT_EQ(claim.timestamp, "2023-10-26T10:22:32Z");
  EXPECT_EQ(claim.nonce, "3156853299f313e23d1673dc12e1703d");
  EXPECT_THAT(claim.shown, HasSubstr("\nhost:ecs.cn-shanghai.aliyuncs.com\n"));
}

TEST(SignatureV3, MayHaveBlanksAfterItsCommas) {
  RawRequest request = published_v3();
  std::string& authorization = request.headers.back().second;
  for (std::size_t at = 0; (at = authorization.find(',', at)) != std::string::npos; ++at) {
    authorization.insert(at + 1, " ");
  }
  EXPECT_TRUE(is_signed_with(read(request).value(), "YourAccessKeySecret"));
}

TEST(SignatureV3, IsChosenByAuthorizationAlone) {
  RawRequest request = published_v3();
  EXPECT_TRUE(is_v3(request));
  request.headers.back().first = "authorization";
  EXPECT_TRUE(is_v3(request));
  for (const char* other : {"", "acs testid:c2ln", "Basic ACS3-", "acs3-HMAC-SHA256 x"}) {
    request.headers.back().second = other;
    EXPECT_FALSE(is_v3(request)) << other;
  }
  request.headers.pop_back();
  EXPECT_FALSE(is_v3(request));
}

std::string hint_of(const RawRequest& request) {
  const auto claim = read(request);
  if (claim) return words_of(claim->remedy);
  EXPECT_EQ(api_of(claim.error()), "IncompleteSignature");
  EXPECT_EQ(claim.error().message, kIncompleteSignature.message);
  return words_of(claim.error());
}

TEST(SignatureV3, IsReadStrictly) {
  const std::string right = published_v3().headers.back().second;
  const auto with = [&](const std::string& from, const std::string& to) {
    RawRequest request = published_v3();
    request.headers.back().second.replace(right.find(from), from.size(), to);
    return hint_of(request);
  };
  EXPECT_EQ(with("host", "host"), "");
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"HMAC-SHA256", "RSA-SHA256"},
           {"HMAC-SHA256", "HMAC-SM3"},
           {"HMAC-SHA256 ", "HMAC-SHA256"},
           {"Credential=YourAccessKeyId", "Credential="},
           {"Credential", "credential"},
           {",Signature=", ",Sign="},
           {"Credential=YourAccessKeyId,", ""},
           {"Signature=06", "Signature=,06"},
           {",SignedHeaders", ",Extra=1,SignedHeaders"},
           {right.substr(right.find("Signature=")), "Signature="}}) {
    EXPECT_THAT(with(from, to), HasSubstr("send one header Authorization")) << to;
  }
  for (const auto& [from, to] : std::vector<std::pair<std::string, std::string>>{
           {"=host;", "=;host;"},
           {"=host;", "=Host;"},
           {"=host;", "=host;host;"},
           {"=host;x-acs-action;", "=x-acs-action;host;"},
           {"x-acs-version,", "x-acs-version;,"},
           {"=host;", "=ho:st;"}}) {
    EXPECT_THAT(with(from, to), HasSubstr("write SignedHeaders in lower case")) << to;
  }
  for (const char* header :
       {"host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce"}) {
    EXPECT_EQ(with(std::string(header) + ";", ""),
              "sign the header " + std::string(header) + " as well");
  }
  EXPECT_EQ(with("=host;", "=a;host;"), "the signed header a is not in the request");
}

TEST(SignatureV3, TakesEachSignedHeaderOnce) {
  RawRequest request = published_v3();
  request.headers.emplace_back("X-ACS-Date", "2023-10-26T10:22:32Z");
  EXPECT_EQ(hint_of(request), "the signed header x-acs-date is there twice");
  request = published_v3();
  request.headers.push_back(request.headers.back());
  EXPECT_THAT(hint_of(request), HasSubstr("send one header Authorization"));
  request = published_v3();
  request.headers.emplace_back("accept", "text/xml");
  EXPECT_EQ(hint_of(request), "");
}

TEST(SignatureV3, NeedsItsHeaders) {
  for (const char* name : {"Host", "X-Acs-Action", "x-acs-content-sha256", "x-acs-date",
                           "x-acs-signature-nonce", "x-acs-version"}) {
    for (const bool removed : {true, false}) {
      RawRequest request = published_v3();
      if (removed) remove_header(request, name);
      set_header(request, name, " ");
      const auto claim = read(request);
      ASSERT_FALSE(claim) << name;
      EXPECT_EQ(api_of(claim.error()), "MissingParameter");
    }
  }
}

TEST(SignatureV3, IsOfTheBodyThatArrived) {
  test::Signer signer;
  signer.now = kNow;
  RawRequest request = signer.v3("POST", "ResetDisk", {}, {{"DiskId", "d-1"}});
  Claim claim = read(request).value();
  EXPECT_TRUE(is_signed_with(claim, "testsecret"));
  request.body = "DiskId=d-2";
  claim = read(request).value();
  EXPECT_FALSE(is_signed_with(claim, "testsecret"));
  EXPECT_THAT(words_of(claim.remedy), HasSubstr("not the SHA-256 of the body"));
}

TEST(SignatureV3, AnEmptyValueIsWrittenInTwoWays) {
  for (const bool bare : {false, true}) {
    test::Signer signer;
    signer.now = kNow;
    signer.bare_empty_values = bare;
    const RawRequest request = signer.v3("POST", "ResetDisk", {{"a", ""}, {"b", "1"}, {"c", ""}});
    EXPECT_TRUE(is_signed_with(read(request).value(), "testsecret")) << bare;
  }
}

}  // namespace
}  // namespace blkrewind::serve
