#include "cli/serve/secret_file.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace blkrewind::serve {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// Owner and mode of the opened file, by its descriptor: another user cannot replace it meanwhile.
Result<std::size_t> check_file(int fd, const std::string& path, const SecretFileRules& rules) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return fail(system_error(errno, "cannot inspect " + path));
  if (!S_ISREG(facts.st_mode)) {
    return fail(Errc::kPrecondition, path + " is not a regular file", "name " + rules.kind);
  }
  if (facts.st_uid != 0 && facts.st_uid != ::geteuid()) {
    return fail(
        Errc::kPrecondition,
        path + " belongs to user " + std::to_string(facts.st_uid) +
            ", which is neither root nor the user of this command",
        blkrewind::run_program("make it your own", "chown", {std::to_string(::geteuid()), path}));
  }
  if (rules.others_may_read && (facts.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Errc::kPrecondition, path + " can be written by other users",
                Remedy("make a new key and certificate")
                    .and_then(blkrewind::run_program("make it writable by its owner only",
                                                     "chmod go-w", {path})));
  }
  if (!rules.others_may_read && (facts.st_mode & 07777U & ~0600U) != 0) {
    return fail(Errc::kPrecondition,
                path + " must have mode 0600 or 0400, which lets only its owner read it",
                blkrewind::run_program("make it readable by its owner only", "chmod 600", {path}));
  }
  if (facts.st_size < 0 || static_cast<std::size_t>(facts.st_size) > rules.bytes_max) {
    return fail(Errc::kInvalidArgument,
                path + " is longer than " + std::to_string(rules.bytes_max) + " bytes");
  }
  return static_cast<std::size_t>(facts.st_size);
}

}  // namespace

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Result<std::unique_ptr<Secret>> read_secret_file(const std::string& path,
                                                 const SecretFileRules& rules) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    return fail(system_error(errno, "cannot open " + rules.what + " in " + path));
  }
  BLKREWIND_ASSIGN(const std::size_t size_bytes, check_file(file.get(), path, rules));
  auto secret = std::make_unique<Secret>(size_bytes);
  std::size_t read_bytes = 0;
  while (read_bytes < size_bytes) {
    const ssize_t got = ::read(file.get(), secret->data() + read_bytes, size_bytes - read_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, "cannot read " + rules.what + " in " + path));
    // The file has become shorter: it ends here.
    if (got == 0) return std::make_unique<Secret>(secret->view().substr(0, read_bytes));
    read_bytes += static_cast<std::size_t>(got);
  }
  return secret;
}

}  // namespace blkrewind::serve
