#include "cli/serve/parameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/serve/api_errors.h"
#include "cli/serve/api_status.h"
#include "cli/serve/request.h"
#include "support/errors.h"

namespace blkrewind::serve {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string refusal(std::string_view query, std::string_view form = {}) {
  const auto parameters = Parameters::parse(query, form);
  if (parameters) return "";
  EXPECT_EQ(api_of(parameters.error()), "InvalidParameter");
  EXPECT_EQ(http_status(*parameters.error().api), 400);
  return parameters.error().message;
}

template <class T>
std::string message_of(const Result<T>& result) {
  return result ? "" : api_of(result.error()) + ": " + result.error().message;
}

TEST(Parameters, AreDecodedAndSortedByBytes) {
  const auto parameters =
      Parameters::parse("b=2&a=%E4%B8%AD+x&B=1&&empty=&bare&a.10=&a.2=x=y", "form=%2B&A=").value();
  std::vector<std::string> seen;
  for (const Parameter& one : parameters.sorted()) {
    seen.push_back(one.key + "=" + one.value + (one.in_query ? "" : "!"));
  }
  EXPECT_THAT(seen, ElementsAre("A=!", "B=1", "a=\xe4\xb8\xad x", "a.10=", "a.2=x=y", "b=2",
                                "bare=", "empty=", "form=+!"));
}

TEST(Parameters, AreRefusedWhenTheyAreNoText) {
  EXPECT_THAT(refusal("a=%"), HasSubstr("hexadecimal"));
  EXPECT_THAT(refusal("a=%4"), HasSubstr("hexadecimal"));
  EXPECT_THAT(refusal("", "%zz=1"), HasSubstr("The form"));
  EXPECT_THAT(refusal("=1"), HasSubstr("without a name"));
  EXPECT_THAT(refusal("a=%00"), HasSubstr("\"a\" is not UTF-8, or has control characters"));
  EXPECT_THAT(refusal("a=%0A"), HasSubstr("control characters"));
  EXPECT_THAT(refusal("a%00=1"), HasSubstr("name is not UTF-8"));
  EXPECT_THAT(refusal("a=%C0%AF"), HasSubstr("UTF-8"));
  EXPECT_THAT(refusal("a=%ED%A0%80"), HasSubstr("UTF-8"));
  for (const char* raw : {"a=b c", "a=\xc3\xa9", "a=1#b", "a=1\r\n", "a=\x01"}) {
    EXPECT_THAT(refusal(raw), HasSubstr("must be percent-encoded"));
    EXPECT_THAT(refusal("", raw), HasSubstr("must be percent-encoded"));
  }
}

TEST(Parameters, ComeOnce) {
  for (const auto& [query, form] : std::vector<std::pair<const char*, const char*>>{
           {"a=1&a=2", ""}, {"a=1&%61=1", ""}, {"", "a=1&b=2&a=1"}, {"a=1", "a=1"}, {"a&a", ""}}) {
    EXPECT_THAT(refusal(query, form), HasSubstr("\"a\" is supplied twice")) << query << form;
  }
}

TEST(Parameters, HaveLimits) {
  const std::string key(kKeyBytesMax, 'k');
  const std::string value(kValueBytesMax, 'v');
  EXPECT_EQ(refusal(key + "=" + value), "");
  EXPECT_THAT(refusal(key + "k=1"), HasSubstr("longer than 128 bytes"));
  EXPECT_THAT(refusal("a=" + value + "v"), HasSubstr("\"a\" is longer than 4096 bytes"));
  std::string many;
  for (std::size_t i = 1; i <= kParametersMax; ++i) many += "p" + std::to_string(i) + "=1&";
  EXPECT_EQ(refusal(many), "");
  EXPECT_THAT(refusal(many + "one=more"), HasSubstr("more than 200 parameters"));
  EXPECT_THAT(refusal(many, "one=more"), HasSubstr("more than 200 parameters"));
}

TEST(Parameters, ThatAreEmptyCountAsLeftOut) {
  const auto parameters = Parameters::parse("DiskId=d-1&Empty=", "").value();
  EXPECT_EQ(parameters.find("DiskId"), "d-1");
  EXPECT_EQ(parameters.find("Empty"), std::nullopt);
  EXPECT_EQ(parameters.find("Disk"), std::nullopt);
  EXPECT_EQ(parameters.find("zzz"), std::nullopt);
  EXPECT_EQ(parameters.need("DiskId").value(), "d-1");
  for (const char* key : {"Empty", "SnapshotId"}) {
    const auto missing = parameters.need(key);
    ASSERT_FALSE(missing);
    EXPECT_EQ(api_of(missing.error()), "MissingParameter");
    EXPECT_EQ(http_status(*missing.error().api), 400);
    EXPECT_EQ(missing.error().message,
              "The input parameter \"" + std::string(key) +
                  "\" that is mandatory for processing this request is not supplied.");
  }
}

TEST(Parameters, HoldBooleansAndNumbers) {
  const auto parameters =
      Parameters::parse("yes=true&no=False&odd=1&n=10&zero=010&minus=-1&big=18446744073709551616",
                        "")
          .value();
  EXPECT_TRUE(parameters.boolean("yes").value());
  EXPECT_FALSE(parameters.boolean("no", true).value());
  EXPECT_TRUE(parameters.boolean("none", true).value());
  EXPECT_THAT(message_of(parameters.boolean("odd")), HasSubstr("neither true nor false"));
  EXPECT_EQ(parameters.number("n", 1, 10, 5).value(), 10U);
  EXPECT_EQ(parameters.number("none", 1, 10, 5).value(), 5U);
  EXPECT_THAT(message_of(parameters.number("n", 1, 9, 5)), HasSubstr("a number from 1 to 9"));
  for (const char* key : {"zero", "minus", "big", "yes"}) {
    EXPECT_THAT(message_of(parameters.number(key, 0, 100, 5)), HasSubstr("InvalidParameter"))
        << key;
  }
}

TEST(ParameterLists, AreInTheOrderOfTheirNumbers) {
  std::string query = "Disk.1.SnapshotId=s-1&Other=1&Disk.10.DiskId=d-10";
  for (int i = 1; i < 10; ++i) {
    query += "&Disk." + std::to_string(i) + ".DiskId=d-" + std::to_string(i);
  }
  const auto parameters = Parameters::parse(query, "InstanceId.2=i-2&InstanceId.1=i-1").value();
  EXPECT_THAT(parameters.list("Disk", "DiskId", 10).value(),
              ElementsAre("d-1", "d-2", "d-3", "d-4", "d-5", "d-6", "d-7", "d-8", "d-9", "d-10"));
  EXPECT_THAT(parameters.list("Disk", "SnapshotId", 10).value(), ElementsAre("s-1"));
  EXPECT_THAT(parameters.list("InstanceId", "", 100).value(), ElementsAre("i-1", "i-2"));
  EXPECT_THAT(parameters.list("Tag", "Key", 20).value(), IsEmpty());
  EXPECT_THAT(parameters.list("Disk", "", 10).value(), IsEmpty());
}

TEST(ParameterLists, HaveNoGapsAndPlainNumbers) {
  const auto list = [](std::string_view query) {
    return message_of(Parameters::parse(query, "").value().list("Disk", "DiskId", 10));
  };
  EXPECT_THAT(list("Disk.2.DiskId=d"), HasSubstr("MissingParameter: The input parameter "
                                                 "\"Disk.1.DiskId\""));
  EXPECT_THAT(list("Disk.1.DiskId=d&Disk.3.DiskId=d"), HasSubstr("\"Disk.2.DiskId\""));
  EXPECT_THAT(list("Disk.1.DiskId="), HasSubstr("\"Disk.1.DiskId\""));
  for (const char* index :
       {"0", "11", "01", "+1", "-1", "x", "", "1x", "99999999999999999999999"}) {
    EXPECT_THAT(list("Disk." + std::string(index) + ".DiskId=d"),
                HasSubstr("is not numbered from 1 to 10"))
        << index;
  }
}

TEST(JsonIds, AreAnArrayOfStrings) {
  const ApiText malformed{"InvalidDiskIds.Malformed", 403, "no"};
  const auto ids = [&](const std::string& value) {
    return Parameters::parse("", "DiskIds=" + value)
        .value()
        .json_ids("DiskIds", 2, api_error(malformed));
  };
  EXPECT_THAT(**ids("[\"d-1\",%20\"d-2\"]"), ElementsAre("d-1", "d-2"));
  EXPECT_THAT(**ids("[]"), IsEmpty());
  EXPECT_EQ(*ids(""), std::nullopt);
  for (const char* value :
       {"d-1", "\"d-1\"", "{}", "[\"d-1\"", "[\"d-1\"]x", "[1]", "[null]", "[[\"d-1\"]]", "[\"\"]",
        "[\"a\",\"b\",\"c\"]", "[\"a\\u0000b\"]", "[\"a\\nb\"]", "[\"d-1\",]", "['d-1']"}) {
    const auto refused = ids(value);
    ASSERT_FALSE(refused) << value;
    EXPECT_EQ(api_of(refused.error()), "InvalidDiskIds.Malformed");
    EXPECT_EQ(http_status(*refused.error().api), 403);
    EXPECT_THAT(words_of(refused.error()), HasSubstr("at most 2 strings"));
  }
  EXPECT_FALSE(ids(std::string(4000, '[')));
}

}  // namespace
}  // namespace blkrewind::serve
