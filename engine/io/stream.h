// Bytes that come once, in order: a pipe, a socket, standard input.
//
// As a File it can be scanned by one thread whose requests ascend without gaps, over a queue of
// make_serving_queue().
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/fd.h"
#include "io/env.h"
#include "io/queue.h"

namespace blkrewind::io {

class Stream final : public ServedFile {
 public:
  // `size_bytes`: how many are expected. `path`: for messages.
  Stream(UniqueFd fd, std::string path, std::uint64_t size_bytes)
      : fd_(std::move(fd)), path_(std::move(path)), size_bytes_(size_bytes) {}

  // From now on, while there is nothing to read, and where it ends early, ends with ECANCELED once
  // this is true. May be null.
  void set_cancel(const std::atomic<bool>* cancel) { cancel_ = cancel; }

  // The first bytes, at most `length`, which the first request returns again. Before any request.
  [[nodiscard]] Result<std::span<const std::byte>> peek(std::size_t length);
  // EINVAL: not the next bytes.
  [[nodiscard]] Completion serve(const Request& request) override;

  // kInvalidArgument: it is not of the expected length.
  [[nodiscard]] Error ended_early(std::uint64_t offset) const;
  [[nodiscard]] Error goes_on() const;

  [[nodiscard]] const std::string& path() const override { return path_; }
  [[nodiscard]] std::uint32_t alignment_bytes() const override { return 1; }
  [[nodiscard]] std::uint32_t max_request_bytes() const override { return 1 * kMiB; }
  [[nodiscard]] Result<std::uint64_t> size_bytes() override { return size_bytes_; }
  // Once all expected bytes were read: waits for the end, or for one byte more.
  [[nodiscard]] Result<std::uint64_t> end_bytes() override;
  [[nodiscard]] Result<Extent> next_data(std::uint64_t offset) override {
    return Extent{offset, size_bytes_ - offset};
  }
  [[nodiscard]] Status truncate(std::uint64_t size_bytes) override;

 private:
  // Fewer than wanted: it has ended, or the error says why not.
  [[nodiscard]] std::size_t read_on(std::span<std::byte> into, int& error);

  const UniqueFd fd_;
  const std::string path_;
  const std::uint64_t size_bytes_;
  const std::atomic<bool>* cancel_ = nullptr;
  std::vector<std::byte> ahead_;  // read by peek()
  std::uint64_t position_ = 0;    // of the next read()
};

// Bytes on their way to a pipe, a socket or a file: never more at a time than it takes now, so that
// a reader that does not read keeps no caller from cancelling.
class StreamWriter {
 public:
  // `fd` stays the caller's. `cancel` may be null: then a write waits as long as the reader does.
  StreamWriter(int fd, const std::atomic<bool>* cancel);

  // kCancelled: `cancel` was true before all bytes were taken.
  [[nodiscard]] Status write(std::span<const std::byte> bytes);

 private:
  const int fd_;
  const std::atomic<bool>* const cancel_;
  UniqueFd own_;  // the same pipe, opened once more: its flags are not those of other processes
  std::size_t piece_bytes_;
};

}  // namespace blkrewind::io
