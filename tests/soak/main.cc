// The driver of scripts/soak, which creates and keeps the directory. Exit status: 0 nothing was
// lost, 1 a promise was violated, 2 usage, 3 it could not be run.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <map>
#include <string>

#include "soak/driver.h"

namespace blkrewind::soak {
namespace {

struct Options {
  std::map<std::string, std::string> values;
  bool image = false;

  [[nodiscard]] std::uint64_t number(const std::string& name) const {
    std::uint64_t number = 0;
    const std::string& text = values.at(name);
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
  }
  [[nodiscard]] std::string text(const std::string& name) const {
    const auto found = values.find(name);
    return found == values.end() ? std::string() : found->second;
  }
};

int usage() {
  std::fputs(
      "soak --folder DIR --seconds N (--seed S --program PATH [--image] | --continue yes)\n"
      "Run it by scripts/soak.\n",
      stderr);
  return 2;
}

void print_result(const Expected& expected) {
  const auto count = [&](const std::string& name) -> unsigned long long {
    const auto found = expected.counts.find(name);
    return found == expected.counts.end() ? 0 : found->second;
  };
  std::printf("steps: %llu\n", static_cast<unsigned long long>(expected.step));
  std::printf("operations: %llu, of them finished: %llu\n", count("operations"), count("finished"));
  std::printf("kills: %llu, of them in", count("kills"));
  for (const Kind kind :
       {Kind::kSnapshot, Kind::kRollback, Kind::kUndo, Kind::kDelete, Kind::kGc, Kind::kResume}) {
    std::printf(" %s %llu%s", name_of(kind), count(std::string("kills ") + name_of(kind)),
                kind == Kind::kResume ? "" : ",");
  }
  std::printf("; while two ran: %llu\n", count("kills of two at once"));
  for (const auto& [name, value] : expected.counts) {
    if (!name.starts_with("phase ")) continue;
    std::printf("  killed %s: %llu\n", name.c_str() + std::strlen("phase "),
                static_cast<unsigned long long>(value));
  }
  std::printf("verified stores: %llu, exported snapshots: %llu, emptied stores: %llu\n",
              count("verified stores"), count("exported snapshots"), count("emptied stores"));
  std::printf("pending rollbacks met: %llu, resumed: %llu, undone: %llu\n", count("pending"),
              count("resumed"), count("undone"));
}

int run(const Options& options) {
  const std::string folder = options.text("--folder");
  const bool goes_on = options.values.contains("--continue");
  if (folder.empty() || !options.values.contains("--seconds") ||
      (!goes_on && (!options.values.contains("--seed") || options.text("--program").empty()))) {
    return usage();
  }
  std::unique_ptr<Driver> driver;
  try {
    driver = goes_on ? Driver::go_on(folder, options.text("--program"))
                     : Driver::begin(folder, options.number("--seed"), options.image,
                                     options.text("--program"));
    driver->run(options.number("--seconds"));
  } catch (const Broken& broken) {
    if (driver) print_result(driver->expected());
    std::printf("BROKEN");
    if (driver)
      std::printf(" in step %llu", static_cast<unsigned long long>(driver->expected().step));
    std::printf(": %s\nlost: 1\n", broken.what());
    return 1;
  }
  print_result(driver->expected());
  std::printf("lost: 0\n");
  return 0;
}

}  // namespace
}  // namespace blkrewind::soak

int main(int argc, char** argv) {
  blkrewind::soak::Options options;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--image") == 0) {
      options.image = true;
    } else if (i + 1 < argc) {
      options.values[argv[i]] = argv[i + 1];
      ++i;
    } else {
      return blkrewind::soak::usage();
    }
  }
  try {
    return blkrewind::soak::run(options);
  } catch (const std::exception& exception) {
    std::fprintf(stderr, "soak: %s\n", exception.what());
    return 3;
  }
}
