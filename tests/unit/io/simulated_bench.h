// Shared by the tests of the simulation: short calls that must succeed.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "io/queue.h"
#include "support/simulated_env.h"

namespace blkrewind::sim {

inline constexpr std::uint64_t kPage = 4096;
inline constexpr io::OpenOptions kCreate{io::Access::kReadWrite, true, true, false};
inline constexpr io::OpenOptions kWrite{io::Access::kReadWrite, true, false, false};

inline std::vector<std::byte> filled(std::size_t length, int value) {
  return std::vector<std::byte>(length, static_cast<std::byte>(value));
}

// An Env with one queue, and calls that must succeed.
class Bench {
 public:
  explicit Bench(SimulatedEnv& env) : env_(env), queue_(std::move(*env.make_queue({}))) {}

  std::unique_ptr<io::File> open(const std::string& path, const io::OpenOptions& how = kWrite) {
    auto file = env_.open(path, how);
    EXPECT_TRUE(file.has_value()) << path;
    return file ? std::move(*file) : nullptr;
  }
  Status write(io::File& file, std::uint64_t offset, const std::vector<std::byte>& bytes) {
    return io::write_now(*queue_, file, {offset, bytes.size()}, bytes.data());
  }
  Result<std::vector<std::byte>> read(io::File& file, Extent extent) {
    std::vector<std::byte> bytes(extent.length);
    BLKREWIND_TRY(io::read_now(*queue_, file, extent, bytes.data()));
    return bytes;
  }
  Status flush(io::File& file) { return io::flush_now(*queue_, file); }
  int run(io::Op op, io::File& file, Extent extent) {
    const io::Request request{op, &file, extent, nullptr, 0};
    EXPECT_TRUE(queue_->submit({&request, 1}));
    std::vector<io::Completion> done;
    EXPECT_TRUE(queue_->wait(1, done));
    return done.at(0).error;
  }
  io::Queue& queue() { return *queue_; }

 private:
  SimulatedEnv& env_;
  std::unique_ptr<io::Queue> queue_;
};

}  // namespace blkrewind::sim
