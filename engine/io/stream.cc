#include "io/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <limits>
#include <utility>

namespace blkrewind::io {

Result<std::unique_ptr<Stream>> Env::open_stream(const std::string& path,
                                                 std::uint64_t size_bytes) {
  (void)path, (void)size_bytes;
  return std::unique_ptr<Stream>();
}

namespace {

constexpr int kLookMilliseconds = 100;

// Until the descriptor is ready for these events: 0. Otherwise an errno: ECANCELED once `cancel`,
// which may be null, is true.
int wait_until_ready(int fd, short events, const std::atomic<bool>* cancel) {
  while (true) {
    if (cancel != nullptr && *cancel) return ECANCELED;
    pollfd waiting{.fd = fd, .events = events, .revents = 0};
    const int ready = ::poll(&waiting, 1, cancel != nullptr ? kLookMilliseconds : -1);
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

}  // namespace

std::size_t Stream::read_on(std::span<std::byte> into, int& error) {
  std::size_t got = 0;
  while (got < into.size()) {
    error = wait_until_ready(fd_.get(), POLLIN, cancel_);
    if (error != 0) break;
    const ssize_t more = ::read(fd_.get(), into.data() + got, into.size() - got);
    if (more < 0 && errno == EINTR) continue;
    error = more < 0 ? errno : 0;
    if (more <= 0) break;
    got += static_cast<std::size_t>(more);
  }
  return got;
}

Result<std::span<const std::byte>> Stream::peek(std::size_t length) {
  int error = 0;
  ahead_.resize(length);
  ahead_.resize(read_on(ahead_, error));
  if (error != 0) return fail(request_error(Op::kRead, *this, {0, length}, error));
  return std::span<const std::byte>(ahead_);
}

Completion Stream::serve(const Request& request) {
  Completion done{.user_data = request.user_data};
  if (request.op != Op::kRead || request.extent.offset != position_) {
    done.error = EINVAL;
    return done;
  }
  std::span<std::byte> into(request.data, request.extent.length);
  const std::size_t known = std::min(ahead_.size(), into.size());
  std::ranges::copy(std::span(ahead_).first(known), into.begin());
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(known));
  into = into.subspan(known);
  const std::size_t got = read_on(into, done.error);
  // A signal that ends the writer as well is that of the reader, too, if a moment later.
  if (done.error == 0 && got < into.size() && cancel_ != nullptr) {
    for (int looks = 0; looks < 3 && !*cancel_; ++looks) ::poll(nullptr, 0, kLookMilliseconds);
    if (*cancel_) done.error = ECANCELED;
  }
  position_ += known + got;
  done.missing_bytes = done.error == 0 ? into.size() - got : 0;
  return done;
}

Error Stream::ended_early(std::uint64_t offset) const {
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message = path_ + " ends after " + std::to_string(offset) + " of " +
                  std::to_string(size_bytes_) + " bytes";
  return std::move(error).with_remedy("give a raw image of exactly the disk's size");
}

Error Stream::goes_on() const {
  Error error;
  error.code = Errc::kInvalidArgument;
  error.message =
      path_ + " goes on after the " + std::to_string(size_bytes_) + " bytes that the disk has";
  return std::move(error).with_remedy("give a raw image of exactly the disk's size");
}

Result<std::uint64_t> Stream::end_bytes() {
  if (position_ < size_bytes_) return position_;
  std::array<std::byte, 1> more{};
  int error = 0;
  const std::size_t got = read_on(more, error);
  if (error != 0) return fail(request_error(Op::kRead, *this, {position_, 1}, error));
  return position_ + got;
}

Status Stream::truncate(std::uint64_t /*size_bytes*/) {
  return fail(Errc::kInternal, path_ + " is a stream, which has no length to set");
}

StreamWriter::StreamWriter(int fd, const std::atomic<bool>* cancel)
    : fd_(fd), cancel_(cancel), piece_bytes_(std::numeric_limits<std::size_t>::max()) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) return;
  if (S_ISFIFO(status.st_mode)) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    own_.reset(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  }
  // A pipe of another user or without a reader, or a socket. What is ready takes this much at once.
  if ((S_ISFIFO(status.st_mode) && !own_.valid()) || S_ISSOCK(status.st_mode)) {
    piece_bytes_ = PIPE_BUF;
  }
}

Status StreamWriter::write(std::span<const std::byte> bytes) {
  const int fd = own_.valid() ? own_.get() : fd_;
  while (!bytes.empty()) {
    int error = wait_until_ready(fd, POLLOUT, cancel_);
    if (error == 0) {
      const std::span piece = bytes.first(std::min(bytes.size(), piece_bytes_));
      const ssize_t written = ::write(fd, piece.data(), piece.size());
      if (written < 0) error = errno;
      bytes = bytes.subspan(static_cast<std::size_t>(std::max<ssize_t>(written, 0)));
    }
    if (error == ECANCELED) return fail(Errc::kCancelled, "cancelled");
    if (error != 0 && error != EINTR && error != EAGAIN) {
      return fail(system_error(error, fd_ == STDOUT_FILENO ? "cannot write to standard output"
                                                           : "cannot write the image"));
    }
  }
  return {};
}

}  // namespace blkrewind::io
