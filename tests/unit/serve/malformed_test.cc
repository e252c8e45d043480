// The table of malformed requests, without a connection.
#include <gtest/gtest.h>

#include <pugixml.hpp>
#include <set>

#include "cli/serve/answer.h"
#include "cli/serve/api_status.h"
#include "support/errors.h"
#include "unit/serve/gateway_fixture.h"
#include "unit/serve/malformed_table.h"

namespace blkrewind::serve {
namespace {

class MalformedTest : public GatewayTest {
 protected:
  RawRequest request_of(const std::string& raw) {
    Surroundings around;
    around.now = kNow;
    return parse_raw(expand(raw, around));
  }
};

TEST_F(MalformedTest, WhatTheRowsAreMadeOfIsRight) {
  EXPECT_EQ(code_of(request_of(v1())), "");
  EXPECT_EQ(code_of(request_of(v1("&a=%E4%B8%AD"))), "");
  EXPECT_EQ(code_of(request_of(v1_form())), "");
  EXPECT_EQ(code_of(request_of(v3())), "");
}

TEST_F(MalformedTest, EachIsRefusedForWhatItSays) {
  std::set<std::string> names;
  int rows = 0;
  for (const Malformed& row : malformed_requests()) {
    EXPECT_TRUE(names.insert(row.name).second) << row.name << " is there twice";
    if (row.reach == Reach::kWire) continue;
    ++rows;
    const Admission admission = gateway_.admit(request_of(row.raw));
    ASSERT_FALSE(admission.call) << row.name;
    const Error& error = admission.call.error();
    EXPECT_EQ(api_of(error), row.code) << row.name << ": " << error.to_string();
    EXPECT_EQ(http_status(*error.api), row.status) << row.name;
    EXPECT_FALSE(error.message.empty()) << row.name;
    const Answer xml = render_error(Format::kXml, "ID", "host", error);
    pugi::xml_document document;
    ASSERT_TRUE(document.load_string(xml.body.c_str())) << row.name << xml.body;
    EXPECT_EQ(document.child("Error").child_value("Code"), row.code);
    EXPECT_EQ(xml.status, row.status);
    const Answer json = render_error(Format::kJson, "ID", "host", error);
    EXPECT_EQ(Json::parse(json.body)["Code"], row.code);
  }
  EXPECT_GE(rows, 60);
}

// Refusals have no side effects: a valid request is accepted after all of them.
TEST_F(MalformedTest, NoneOfThemIsRemembered) {
  Gateway small = make_gateway(now_, 1);
  for (const Malformed& row : malformed_requests()) {
    if (row.reach == Reach::kWire || row.status == 404 || row.code == "InvalidVersion") continue;
    EXPECT_FALSE(small.admit(request_of(row.raw)).call);
  }
  EXPECT_TRUE(small.admit(request_of(v3())).call);
}

}  // namespace
}  // namespace blkrewind::serve
