// Runs the fuzzers' corpora as ordinary tests: inputs found by a fuzzer stay tested without one.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <string>
#include <vector>

#include "fuzz/targets.h"
#include "support/read_file.h"

namespace blkrewind::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> corpus_of(std::string_view target) {
  std::vector<fs::path> files;
  for (const auto& file : fs::directory_iterator(fs::path(BLKREWIND_CORPUS) / target)) {
    files.push_back(file.path());
  }
  std::ranges::sort(files);
  return files;
}

class Corpus : public testing::TestWithParam<Target> {};

// A violated property aborts the program: the last file named is the cause.
TEST_P(Corpus, RunsWithoutAFinding) {
  const auto files = corpus_of(GetParam().name);
  ASSERT_FALSE(files.empty()) << "tests/fuzz/make-corpus.py makes them";
  for (const fs::path& path : files) {
    std::cout << path.string() << std::endl;
    const std::string input = test::read_file(path);
    GetParam().run(std::as_bytes(std::span(input)));
    // Truncated, and with one bit of each byte flipped: the first things a fuzzer would try.
    for (std::size_t length = 0; length < std::min<std::size_t>(input.size(), 600); length += 7) {
      GetParam().run(std::as_bytes(std::span(input)).first(length));
    }
    std::string flipped = input;
    for (std::size_t i = 0; i < std::min<std::size_t>(input.size(), 600); ++i) {
      flipped[i] = static_cast<char>(flipped[i] ^ 1 << i % 8);
      GetParam().run(std::as_bytes(std::span(flipped)));
      flipped[i] = input[i];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Corpus, testing::ValuesIn(targets().begin(), targets().end()),
                         [](const auto& one) { return std::string(one.param.name); });

TEST(CorpusFolders, AreThoseOfTheTargets) {
  std::vector<std::string> folders;
  for (const auto& folder : fs::directory_iterator(BLKREWIND_CORPUS)) {
    folders.push_back(folder.path().filename());
  }
  for (const std::string& folder : folders) EXPECT_NE(find_target(folder), nullptr) << folder;
  EXPECT_EQ(folders.size(), targets().size());
}

}  // namespace
}  // namespace blkrewind::fuzz
