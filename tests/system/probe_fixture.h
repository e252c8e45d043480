// Shared by the tests of the probe: real loop devices, partitions and swap, removed automatically.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/swap.h>

#include <string>

#include "host/probe.h"
#include "support/errors.h"
#include "support/loop_device.h"
#include "support/temp_dir.h"

namespace blkrewind::test {

class ProbeSystem : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_root_and_loop()) {
      GTEST_SKIP() << "needs root and loop devices";
    }
  }

  // The result, or a failed test and an empty one.
  static host::DeviceInfo probe(const std::string& path) {
    auto info = host::probe_device(path);
    if (!info) {
      ADD_FAILURE() << path << ": " << info.error().to_string();
      return {};
    }
    return std::move(*info);
  }

  LoopDevice make_loop(const std::string& name, std::uint64_t size_bytes = 64 * kMiB) {
    return LoopDevice::make(directory_.file(name), size_bytes);
  }

  std::string make_directory(const std::string& name) {
    const std::string path = directory_.file(name);
    run_program({"mkdir", path});
    return path;
  }

  TempDir directory_;
};

// Two GPT partitions on a disk, added by partx (works without a partition parser in the kernel).
class TwoPartitions {
 public:
  explicit TwoPartitions(const std::string& disk) : disk_(disk) {
    run_program({"sh", "-c",
                 "printf 'label: gpt\\nsize=24M\\nsize=24M\\n' | sfdisk --quiet --no-reread "
                 "--no-tell-kernel " +
                     disk});
    run_program({"partx", "--add", disk});
  }
  ~TwoPartitions() {
    try {
      run_program({"partx", "--delete", disk_});
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
  }
  TwoPartitions(const TwoPartitions&) = delete;
  TwoPartitions& operator=(const TwoPartitions&) = delete;
  [[nodiscard]] std::string path(int number) const { return disk_ + "p" + std::to_string(number); }

 private:
  std::string disk_;
};

class SwappedOn {
 public:
  explicit SwappedOn(const std::string& path) : path_(path) {
    run_program({"mkswap", path});
    run_program({"swapon", path});
  }
  ~SwappedOn() { ::swapoff(path_.c_str()); }
  SwappedOn(const SwappedOn&) = delete;
  SwappedOn& operator=(const SwappedOn&) = delete;

 private:
  std::string path_;
};

// Whether it is in use in this way, by the exact text.
MATCHER_P(IsUsed, what, "") {
  *result_listener << "used by:";
  for (const host::UsedBy& use : arg.used_by) {
    *result_listener << " [" << use.what << " | " << words_of(use.remedy) << "]";
  }
  for (const host::UsedBy& use : arg.used_by) {
    if (use.what == what) {
      return !words_of(use.remedy).empty();
    }
  }
  return false;
}

MATCHER(IsFree, "") {
  for (const host::UsedBy& use : arg.used_by) {
    *result_listener << " [" << use.what << " | " << words_of(use.remedy) << "]";
  }
  return arg.used_by.empty();
}

}  // namespace blkrewind::test
