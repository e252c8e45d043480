// An image file with some content, and the program with a store of its own.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "support/loop_device.h"
#include "system/cli_program.h"

namespace blkrewind::test {

using nlohmann::json;

inline constexpr std::uint64_t kChunk = 65536;
inline constexpr std::uint64_t kChunks = 64;
inline constexpr std::uint64_t kDeviceBytes = kChunk * kChunks;

class Cli : public ::testing::Test {
 protected:
  void SetUp() override {
    make_sparse_file(image_, kDeviceBytes);
    fill(0, 'a');
    fill(1, 'b');
    fill(10, 'c');
  }

  // Fills chunk `index` of the image with `letter`.
  void fill(std::uint64_t index, char letter) {
    std::fstream file(image_, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(index * kChunk));
    file << std::string(kChunk, letter);
    ASSERT_TRUE(file.flush().good());
  }

  [[nodiscard]] std::string content() const { return read_file(image_); }

  // Runs with --json; the status must be `status`. Returns the object on standard output, or the
  // one on standard error if the status is not 0.
  json ask(std::vector<std::string> arguments, int status = 0) {
    std::string line;
    for (const std::string& word : arguments) line += word + " ";
    arguments.insert(arguments.begin(), "--json");
    const CliOutcome outcome = program_.run(arguments);
    EXPECT_EQ(outcome.status, status) << line << outcome.out << outcome.err;
    const std::string& text = status == 0 ? outcome.out : outcome.err;
    if (status == 0) {
      EXPECT_EQ(outcome.err, "") << line;
    }
    const json answer = json::parse(text, nullptr, false);
    EXPECT_TRUE(answer.is_object()) << line << text;
    return answer;
  }

  std::string snapshot(const std::string& name) {
    return ask({"snapshot", image_, "--name", name}).value("snapshot_id", "");
  }

  CliProgram program_;
  const std::string image_ = program_.file("disk.img");
};

}  // namespace blkrewind::test
