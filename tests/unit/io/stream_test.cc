// Bytes that go to a pipe or a socket whose reader is slow, or does not read at all.
#include "io/stream.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <string>
#include <thread>

#include "base/fd.h"

namespace blkrewind::io {
namespace {

struct Kind {
  const char* name;
  int (*make)(int* ends);  // the reading end first
};

class WrittenStream : public testing::TestWithParam<Kind> {
 protected:
  void SetUp() override {
    int ends[2] = {-1, -1};
    ASSERT_EQ(GetParam().make(ends), 0);
    read_end_.reset(ends[0]);
    write_end_.reset(ends[1]);
  }

  void wait_for_bytes() const {
    pollfd arrived{.fd = read_end_.get(), .events = POLLIN, .revents = 0};
    EXPECT_EQ(::poll(&arrived, 1, -1), 1);
  }

  UniqueFd read_end_;
  UniqueFd write_end_;
  std::atomic<bool> cancel_{false};
};

TEST_P(WrittenStream, ArrivesWhole) {
  std::string sent(3 << 20, ' ');
  for (std::size_t i = 0; i < sent.size(); ++i) sent[i] = static_cast<char>(i * 7 + i / 4096);
  std::string got;
  std::thread reader([&] {
    std::array<char, 5000> part{};
    for (ssize_t more = 0; (more = ::read(read_end_.get(), part.data(), part.size())) > 0;) {
      got.append(part.data(), static_cast<std::size_t>(more));
    }
  });
  {
    StreamWriter writer(write_end_.get(), &cancel_);
    const auto bytes = std::as_bytes(std::span(sent));
    EXPECT_TRUE(writer.write(bytes.first(5)).has_value());
    EXPECT_TRUE(writer.write(bytes.subspan(5)).has_value());
  }
  EXPECT_EQ(::fcntl(write_end_.get(), F_GETFL) & O_NONBLOCK, 0) << "it is other processes' as well";
  write_end_.reset();
  reader.join();
  EXPECT_TRUE(got == sent);
}

TEST_P(WrittenStream, IsCancelledWhileItsReaderDoesNotRead) {
  std::thread later([&] {
    wait_for_bytes();
    cancel_ = true;
  });
  StreamWriter writer(write_end_.get(), &cancel_);
  const std::string much(3 << 20, 'x');
  const Status done = writer.write(std::as_bytes(std::span(much)));
  later.join();
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().code, Errc::kCancelled);
}

TEST_P(WrittenStream, AReaderThatGoesAwayIsAnError) {
  const auto ignored = ::signal(SIGPIPE, SIG_IGN);
  read_end_.reset();
  StreamWriter writer(write_end_.get(), &cancel_);
  const Status done = writer.write(std::as_bytes(std::span("x", 1)));
  ::signal(SIGPIPE, ignored);
  ASSERT_FALSE(done.has_value());
  EXPECT_EQ(done.error().sys_errno, EPIPE);
}

INSTANTIATE_TEST_SUITE_P(Kinds, WrittenStream,
                         testing::Values(Kind{"Pipe",
                                              [](int* ends) { return ::pipe2(ends, O_CLOEXEC); }},
                                         Kind{"Socket",
                                              [](int* ends) {
                                                return ::socketpair(
                                                    AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
                                              }}),
                         [](const auto& kind) { return kind.param.name; });

Completion read_all_of(Stream& stream, std::string& into) {
  return stream.serve({.op = Op::kRead,
                       .file = &stream,
                       .extent = {0, into.size()},
                       .data = reinterpret_cast<std::byte*>(into.data())});
}

// As Ctrl-C does to both ends of "producer | import TARGET -": the end comes first.
TEST(ReadStream, ThatEndsWithTheSignalIsCancelled) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd watched(::dup(ends[0]));
  ASSERT_EQ(::write(ends[1], "some", 4), 4);
  ::close(ends[1]);
  std::atomic<bool> cancel{false};
  Stream stream(UniqueFd(ends[0]), "standard input", 8);
  stream.set_cancel(&cancel);
  std::thread later([&] {
    for (int left = 1; left != 0;) ASSERT_EQ(::ioctl(watched.get(), FIONREAD, &left), 0);
    ::usleep(1000);
    cancel = true;
  });
  std::string into(8, ' ');
  EXPECT_EQ(read_all_of(stream, into).error, ECANCELED);
  later.join();
}

TEST(ReadStream, ThatEndsEarlySaysWhere) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(::write(ends[1], "some", 4), 4);
  ::close(ends[1]);
  const std::atomic<bool> cancel{false};
  Stream stream(UniqueFd(ends[0]), "standard input", 8);
  stream.set_cancel(&cancel);
  std::string into(8, ' ');
  const Completion done = read_all_of(stream, into);
  EXPECT_EQ(done.error, 0);
  EXPECT_EQ(done.missing_bytes, 4U);
}

TEST(ReadStream, ThatIsCancelledSaysNothingElse) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd write_end(ends[1]);
  const std::atomic<bool> cancel{true};
  Stream stream(UniqueFd(ends[0]), "standard input", 8);
  stream.set_cancel(&cancel);
  std::vector<Error> errors;
  const auto peeked = stream.peek(4);
  ASSERT_FALSE(peeked.has_value());
  errors.push_back(peeked.error());
  std::string into(8, ' ');
  errors.push_back(
      request_error(Op::kRead, stream, {0, into.size()}, read_all_of(stream, into).error));
  for (const Error& error : errors) {
    EXPECT_EQ(error.code, Errc::kCancelled);
    EXPECT_EQ(error.to_string(), "cancelled");
  }
}

}  // namespace
}  // namespace blkrewind::io
