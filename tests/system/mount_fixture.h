// `blkrewind mount` on a folder; taken down when the test ends, however it ends.
#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "system/cli_fixture.h"

namespace blkrewind::test {

// Waits for what another process or the kernel does soon after; false after a minute.
template <class Condition>
[[nodiscard]] bool soon(const Condition& condition) {
  for (int i = 0; i < 6000; ++i) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

// The lines of /proc/self/mountinfo whose mount point is `path`.
[[nodiscard]] inline int mounts_on(const std::string& path) {
  std::ifstream list("/proc/self/mountinfo");
  int found = 0;
  for (std::string line; std::getline(list, line);) {
    std::istringstream fields(line);
    std::string point;
    for (int i = 0; i < 5; ++i) fields >> point;
    if (point == path) ++found;
  }
  return found;
}

struct Piece {
  int error = 0;
  std::string bytes;
};

// What read(2) gives: the error, or as many bytes as there are up to `length`.
[[nodiscard]] inline Piece read_piece(int fd, std::uint64_t offset, std::size_t length) {
  Piece piece;
  piece.bytes.resize(length);
  for (std::size_t done = 0; done < length;) {
    const ssize_t got =
        ::pread(fd, piece.bytes.data() + done, length - done, static_cast<off_t>(offset + done));
    if (got < 0) return {errno, {}};
    if (got == 0) {
      piece.bytes.resize(done);
      break;
    }
    done += static_cast<std::size_t>(got);
  }
  return piece;
}

[[nodiscard]] inline Piece read_piece(const std::string& path, std::uint64_t offset,
                                      std::size_t length) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd.valid() ? read_piece(fd.get(), offset, length) : Piece{errno, {}};
}

class Mounted : public Cli {
 protected:
  void SetUp() override {
    if (!have_root_and_loop()) GTEST_SKIP() << "needs root";
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
    Cli::SetUp();
    std::filesystem::create_directory(point_);
  }

  void TearDown() override {
    while (::umount2(point_.c_str(), MNT_DETACH) == 0) {
    }
  }

  // In the background, as users do.
  void mount() { ask({"mount", point_}); }

  void unmount() {
    // A file that was closed a moment ago may still be on its way.
    EXPECT_TRUE(soon([&] { return ::umount2(point_.c_str(), 0) == 0 || errno != EBUSY; }));
    EXPECT_EQ(mounts_on(point_), 0);
  }

  [[nodiscard]] std::string shown(const std::string& name) const {
    return point_ + "/disk.img/" + name + ".img";
  }

  [[nodiscard]] std::string exported(const std::string& snapshot) {
    const std::string file = program_.file("exported.img");
    std::filesystem::remove(file);
    ask({"export", snapshot, file});
    return read_file(file);
  }

  [[nodiscard]] static std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  const std::string point_ = program_.file("mounted");
};

// In the foreground, so that it can be killed and what it writes can be read.
class ForegroundMount {
 public:
  ForegroundMount(const CliProgram& program, const std::string& point,
                  const std::vector<std::string>& options = {})
      : out_(program.file("mount.out")), err_(program.file("mount.err")) {
    std::vector<std::string> words = {"--store", program.store(), "mount", "--foreground", point};
    words.insert(words.end(), options.begin(), options.end());
    process_ = std::make_unique<CliProcess>(std::vector<std::string>{}, words, opened(out_).get(),
                                            opened(err_).get());
    int status = 0;
    if (!soon([&] { return !read_file(out_).empty() || process_->ended(status); }) ||
        read_file(out_).empty()) {
      throw std::runtime_error("not mounted: " + read_file(err_));
    }
  }

  void kill(int signal) const { process_->kill(signal); }
  [[nodiscard]] int wait() { return process_->wait(); }
  [[nodiscard]] std::string log() const { return read_file(err_); }

 private:
  static UniqueFd opened(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  }

  std::string out_;
  std::string err_;
  std::unique_ptr<CliProcess> process_;
};

// Changes a byte of a stored chunk that holds `letter` alone; `skip`: so many bytes behind the
// first.
inline void corrupt_chunk_of(const std::string& store, char letter, std::size_t skip = 0) {
  const std::string wanted(kChunk + skip, letter);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(store)) {
    if (!entry.is_regular_file()) continue;
    const std::string bytes = read_file(entry.path());
    const std::size_t at = bytes.find(wanted);
    if (at == std::string::npos) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at + skip + 4711));
    file.put(static_cast<char>(letter + 1));
    if (!file.flush().good()) throw std::runtime_error("cannot write " + entry.path().string());
    return;
  }
  throw std::runtime_error("no chunk of this content is stored");
}

}  // namespace blkrewind::test
