#include "cli/serve/text.h"

#include <gtest/gtest.h>

namespace blkrewind::serve {
namespace {

TEST(PlainText, TakesUtf8) {
  for (const char* text : {"", "a", "~", "\xc2\xa0", "caf\xc3\xa9", "\xe4\xb8\xad\xe6\x96\x87",
                           "\xf0\x9f\x98\x80", "\xf4\x8f\xbf\xbf", "\xed\x9f\xbf"}) {
    EXPECT_TRUE(is_plain_text(text)) << text;
  }
}

TEST(PlainText, RefusesControlCharacters) {
  for (const char* text : {"\t", "a\nb", "\r", "\x1b[0m", "\x7f", "\xc2\x80", "\xc2\x9f"}) {
    EXPECT_FALSE(is_plain_text(text));
  }
  EXPECT_FALSE(is_plain_text(std::string_view("a\0b", 3)));
}

TEST(PlainText, RefusesWhatIsNoUtf8) {
  for (const char* text :
       {"\x80", "\xff", "\xc0\xaf", "\xc1\xbf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xc3", "\xe4\xb8", "\xf0\x9f\x98",
        "\xc3(", "\xe4(\xad", "a\xbf"}) {
    EXPECT_FALSE(is_plain_text(text));
  }
}

TEST(XmlText, ReplacesWhatXmlCannotHold) {
  EXPECT_EQ(xml_text("a\tb\nc\rd"), "a\tb\nc\rd");
  EXPECT_EQ(xml_text(std::string_view("a\0b", 3)),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_EQ(xml_text("\x1b["), "\xef\xbf\xbd[");
  EXPECT_EQ(xml_text("\xef\xbf\xbe\xef\xbf\xbf"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(xml_text("\xc3(\xe4\xb8"), "\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(xml_text("\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
}

TEST(Cut, NeverCutsACharacter) {
  EXPECT_EQ(cut("abc", 3), "abc");
  EXPECT_EQ(cut("abc", 2), "ab");
  EXPECT_EQ(cut("a\xe4\xb8\xad", 4), "a\xe4\xb8\xad");
  EXPECT_EQ(cut("a\xe4\xb8\xad", 3), "a");
  EXPECT_EQ(cut("a\xe4\xb8\xad", 2), "a");
}

TEST(EqualIgnoringCase, KnowsAsciiLettersOnly) {
  EXPECT_TRUE(equal_ignoring_case("JsOn", "json"));
  EXPECT_FALSE(equal_ignoring_case("jso", "json"));
  EXPECT_FALSE(equal_ignoring_case("[", "{"));
  EXPECT_FALSE(equal_ignoring_case("\xc3\x84", "\xc3\xa4"));
}

}  // namespace
}  // namespace blkrewind::serve
