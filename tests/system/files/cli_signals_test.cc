// How the built program ends when it gets a signal.
#ifdef BLKREWIND_PROGRAM

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <optional>
#include <vector>

#include "base/fd.h"
#include "system/cli_fixture.h"

namespace blkrewind::test {
namespace {

// An export into a pipe without a reader cannot finish: signals certainly interrupt it half-way.
class CliSignals : public Cli {
 protected:
  void SetUp() override {
    Cli::SetUp();
    snapshot("before");
    start();
  }

  void start() {
    int ends[2] = {-1, -1};
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_ = UniqueFd(ends[0]);
    UniqueFd write_end(ends[1]);
    process_.emplace(std::vector<std::string>{},
                     std::vector<std::string>{"--store", program_.store(), "export", "before", "-"},
                     write_end.get(), null_.get());
    write_end.reset();
    char first = 0;
    ASSERT_EQ(read(read_end_.get(), &first, 1), 1);  // it is running
    ASSERT_EQ(first, 'a');
  }

  std::uint64_t drain() {
    std::vector<char> buffer(kChunk);
    std::uint64_t total = 0;
    ssize_t count = 0;
    while ((count = read(read_end_.get(), buffer.data(), buffer.size())) > 0) {
      total += static_cast<std::uint64_t>(count);
    }
    return total;
  }

  const UniqueFd null_{open("/dev/null", O_WRONLY | O_CLOEXEC)};
  UniqueFd read_end_;
  std::optional<CliProcess> process_;
};

TEST_F(CliSignals, OneStopsTheCommandAtTheNextSafePlace) {
  process_->kill(SIGTERM);
  EXPECT_LT(drain(), kDeviceBytes - 1);
  EXPECT_EQ(process_->wait(), 128 + SIGTERM);
}

TEST_F(CliSignals, OneStopsItThoughTheReaderOfThePipeDoesNotRead) {
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) {
    if (!process_) start();
    process_->kill(signal);
    int status = -1;
    bool ended = false;
    for (int attempt = 0; attempt < 3000 && !ended; ++attempt) {
      usleep(10000);
      ended = process_->ended(status);
    }
    ASSERT_TRUE(ended) << "it still waits for the reader after signal " << signal;
    EXPECT_EQ(status, 128 + signal);
    process_.reset();
  }
}

// What is printed, and not exported, waits for its reader.
TEST_F(CliSignals, ASecondInterruptEndsItAtOnce) {
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd full(ends[1]);
  ASSERT_EQ(fcntl(full.get(), F_SETFL, O_NONBLOCK), 0);
  const std::string page(4096, 'x');
  while (write(full.get(), page.data(), page.size()) > 0) {
  }
  ASSERT_EQ(fcntl(full.get(), F_SETFL, 0), 0);
  process_.emplace(std::vector<std::string>{},
                   std::vector<std::string>{"--store", program_.store(), "list"}, full.get(),
                   null_.get());
  int status = -1;
  for (int attempt = 0; attempt < 3000 && !process_->waits_in_write(); ++attempt) usleep(10000);
  ASSERT_TRUE(process_->waits_in_write());
  bool ended = false;
  for (int attempt = 0; attempt < 3000 && !ended; ++attempt) {
    process_->kill(SIGINT);  // pending ones merge, so two may not be enough
    usleep(10000);
    ended = process_->ended(status);
  }
  EXPECT_TRUE(ended) << "it still waits for the reader";
  EXPECT_EQ(status, 128 + SIGINT);
}

TEST_F(CliSignals, AReaderThatGoesAwayIsAFailureAndNoSignal) {
  read_end_.reset();
  EXPECT_EQ(process_->wait(), 4);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
