// Loop devices, digests of their content, and the program with a store of its own.
//
// A device's content is read through its backing file, which contains what a reader would find
// after the loop device is detached, whatever is cached for the device's own nodes.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/fd.h"
#include "blkrewind/units.h"
#include "support/loop_device.h"
#include "support/temp_dir.h"
#include "system/cli_program.h"

namespace blkrewind::test {

// The reasons for which `track start` may be refused on a machine without support; any other
// refusal is a failure.
[[nodiscard]] inline bool lacks_kernel_tracking(const std::string& error) {
  return error.find("was built without the tracking program") != std::string::npos ||
         error.find("does not provide BTF type information") != std::string::npos;
}

using nlohmann::json;

// Streams, so that a test program needs little memory beside the program it measures.
class Digester {
 public:
  Digester() : state_(XXH3_createState()) { XXH3_128bits_reset(state_); }
  ~Digester() { XXH3_freeState(state_); }
  Digester(const Digester&) = delete;
  Digester& operator=(const Digester&) = delete;

  void add(const std::string& text) { XXH3_128bits_update(state_, text.data(), text.size() + 1); }

  // Up to `length` bytes from `offset`.
  void add_file(const std::string& path, std::uint64_t offset = 0,
                std::uint64_t length = UINT64_MAX) {
    const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd.valid()) throw std::runtime_error("open " + path + ": " + std::strerror(errno));
    std::vector<char> buffer(kMiB);
    while (length > 0) {
      const std::size_t want = std::min<std::uint64_t>(buffer.size(), length);
      const ssize_t got = ::pread(fd.get(), buffer.data(), want, static_cast<off_t>(offset));
      if (got < 0) throw std::runtime_error("read " + path + ": " + std::strerror(errno));
      if (got == 0) break;
      XXH3_128bits_update(state_, buffer.data(), static_cast<std::size_t>(got));
      offset += static_cast<std::uint64_t>(got);
      length -= static_cast<std::uint64_t>(got);
    }
  }

  [[nodiscard]] std::string hex() const {
    const XXH128_hash_t hash = XXH3_128bits_digest(state_);
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%016llx%016llx",
                  static_cast<unsigned long long>(hash.high64),
                  static_cast<unsigned long long>(hash.low64));
    return text.data();
  }

 private:
  XXH3_state_t* state_;
};

[[nodiscard]] inline std::string digest_of_file(const std::string& path, std::uint64_t offset = 0,
                                                std::uint64_t length = UINT64_MAX) {
  Digester digester;
  digester.add_file(path, offset, length);
  return digester.hex();
}

// Of names, types, permissions and contents below `directory`, in order. Names that contain `skip`
// are left out, unless it is empty.
[[nodiscard]] inline std::string digest_of_tree(const std::string& directory,
                                                const std::string& skip = {}) {
  namespace fs = std::filesystem;
  std::vector<fs::path> paths;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    const std::string name = entry.path().filename();
    if (name == "lost+found" || (!skip.empty() && name.find(skip) != std::string::npos)) continue;
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  Digester digester;
  for (const fs::path& path : paths) {
    const fs::file_status status = fs::symlink_status(path);
    digester.add(path.lexically_relative(directory));
    digester.add(std::to_string(static_cast<int>(status.type())) + " " +
                 std::to_string(static_cast<unsigned>(status.permissions())));
    if (fs::is_symlink(status)) digester.add(fs::read_symlink(path));
    if (fs::is_regular_file(status)) digester.add_file(path);
  }
  return digester.hex();
}

// Writes `length` bytes that depend only on `seed` into a file or device, and flushes them.
inline void write_noise(const std::string& path, std::uint64_t offset, std::uint64_t length,
                        std::uint64_t seed) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  if (!fd.valid()) throw std::runtime_error("open " + path + ": " + std::strerror(errno));
  std::vector<std::uint64_t> block(8192);
  std::uint64_t state = seed * 0x9e3779b97f4a7c15U + 1;
  while (length > 0) {
    for (std::uint64_t& word : block) {  // xorshift64: fast, and no two blocks are equal
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      word = state;
    }
    const std::size_t count = std::min<std::uint64_t>(block.size() * sizeof block[0], length);
    if (::pwrite(fd.get(), block.data(), count, static_cast<off_t>(offset)) !=
        static_cast<ssize_t>(count)) {
      throw std::runtime_error("write " + path + ": " + std::strerror(errno));
    }
    offset += count;
    length -= count;
  }
  if (::fsync(fd.get()) != 0) throw std::runtime_error("flush " + path);
}

class DeviceSystem : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!have_root_and_loop()) GTEST_SKIP() << "needs root and loop devices";
  }

  [[nodiscard]] std::string file(const std::string& name) const { return directory_.file(name); }

  [[nodiscard]] LoopDevice make_disk(const std::string& name, std::uint64_t size_bytes,
                                     std::uint32_t sector_bytes = 512) const {
    return LoopDevice::make(file(name), size_bytes, sector_bytes);
  }

  [[nodiscard]] std::string make_directory(const std::string& name) const {
    std::filesystem::create_directory(file(name));
    return file(name);
  }

  [[nodiscard]] std::vector<std::string> line_of(const std::vector<std::string>& arguments) const {
    std::vector<std::string> line = {"--store", store_, "--json"};
    line.insert(line.end(), arguments.begin(), arguments.end());
    return line;
  }

  [[nodiscard]] CliOutcome run(const std::vector<std::string>& arguments) const {
    return program_.run_with(variables_, line_of(arguments));
  }

  // The output of a command that must end with `status`: its object on standard output, or the one
  // on standard error.
  json ask(const std::vector<std::string>& arguments, int status = 0) const {
    std::string words;
    for (const std::string& word : arguments) words += word + " ";
    const CliOutcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, status) << words << outcome.out << outcome.err;
    const std::string& text = outcome.status == 0 ? outcome.out : outcome.err;
    json answer = json::parse(text, nullptr, false);
    EXPECT_TRUE(answer.is_object()) << words << ": " << text;
    return answer.is_object() ? answer : json::object();
  }

  // The only disk, as "list" shows it.
  json only_disk() const {
    const json disks = ask({"list"}).value("disks", json::array());
    EXPECT_EQ(disks.size(), 1U);
    return disks.empty() ? json::object() : disks.at(0);
  }

  // The relevant content of the store: all but the catalog, which reading may write to.
  [[nodiscard]] std::string store_digest() const { return digest_of_tree(store_, "catalog"); }

  // Device and store must be unchanged, and the error must name the device and have a hint. Returns
  // the error.
  json expect_refused(const LoopDevice& disk, const std::vector<std::string>& arguments,
                      const std::string& part, int status = 3) const {
    const std::string device_before = digest_of_file(disk.backing());
    const std::string store_before = store_digest();
    json error = ask(arguments, status);
    const std::string text = error.dump();
    EXPECT_NE(text.find(arguments.at(1)), std::string::npos) << text;
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_TRUE(error.contains("hint") && error.at("hint").is_string()) << text;
    EXPECT_EQ(digest_of_file(disk.backing()), device_before);
    EXPECT_EQ(store_digest(), store_before);
    return error;
  }

  // A disk in memory: fast, without waiting for flushes.
  TempDir directory_{std::filesystem::is_directory("/dev/shm") ? "/dev/shm" : ""};
  CliProgram program_;
  std::string store_ = directory_.file("store");
  std::vector<std::string> variables_;
};

}  // namespace blkrewind::test
