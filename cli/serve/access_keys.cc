#include "cli/serve/access_keys.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "blkrewind/shell.h"
#include "cli/serve/text.h"

namespace blkrewind::serve {
namespace {

constexpr std::size_t kIdBytesMax = 128;
constexpr std::size_t kSecretBytesMax = 256;
constexpr std::string_view kBlanks = " \t\r";

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

// The owner and the mode of the file itself, by its descriptor: nobody can put another in its
// place meanwhile.
Status check_file(int fd, const std::string& path, std::size_t& size_bytes) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return fail(system_error(errno, "cannot look at " + path));
  if (!S_ISREG(facts.st_mode)) {
    return fail(Errc::kPrecondition, path + " is not a regular file",
                "name a file of lines \"ACCESS_KEY_ID SECRET\"");
  }
  if (facts.st_uid != 0 && facts.st_uid != ::geteuid()) {
    return fail(Errc::kPrecondition,
                path + " belongs to user " + std::to_string(facts.st_uid) +
                    ", who is neither root nor the caller",
                "make it your own: chown " + std::to_string(::geteuid()) + " " + shell_word(path));
  }
  if ((facts.st_mode & 07777U & ~0600U) != 0) {
    return fail(Errc::kPrecondition, path + " is not for its owner alone",
                "shut the others out: chmod 600 " + shell_word(path));
  }
  if (facts.st_size < 0 || static_cast<std::size_t>(facts.st_size) > kAccessKeyFileBytesMax) {
    return fail(Errc::kInvalidArgument,
                path + " is longer than " + std::to_string(kAccessKeyFileBytesMax) + " bytes");
  }
  size_bytes = static_cast<std::size_t>(facts.st_size);
  return {};
}

std::string_view trimmed(std::string_view text) {
  const std::size_t begin = std::min(text.find_first_not_of(kBlanks), text.size());
  const std::size_t end = text.find_last_not_of(kBlanks) + 1;
  return begin < end ? text.substr(begin, end - begin) : std::string_view{};
}

bool is_id(std::string_view text) {
  return !text.empty() && text.size() <= kIdBytesMax && std::ranges::all_of(text, [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

bool is_secret(std::string_view text) {
  return !text.empty() && text.size() <= kSecretBytesMax && is_visible_ascii(text);
}

}  // namespace

Secret::~Secret() { OPENSSL_cleanse(bytes_.data(), bytes_.size()); }

Result<AccessKeys> AccessKeys::load(const std::string& path) {
  // Not to be kept waiting by a pipe.
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (file.get() < 0) {
    return fail(system_error(errno, "cannot open the access keys in " + path));
  }
  std::size_t size_bytes = 0;
  BLKREWIND_TRY(check_file(file.get(), path, size_bytes));
  Secret text(size_bytes);
  std::size_t read_bytes = 0;
  while (read_bytes < size_bytes) {
    const ssize_t got = ::read(file.get(), text.data() + read_bytes, size_bytes - read_bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error(errno, "cannot read the access keys in " + path));
    if (got == 0) break;
    read_bytes += static_cast<std::size_t>(got);
  }
  return parse(text.view().substr(0, read_bytes), path);
}

Result<AccessKeys> AccessKeys::parse(std::string_view text, const std::string& name) {
  AccessKeys keys;
  std::size_t number = 0;
  while (!text.empty()) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trimmed(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || line.front() == '#') continue;
    const std::string where = "line " + std::to_string(number) + " of " + name;
    const std::size_t blank = std::min(line.find_first_of(kBlanks), line.size());
    const std::string_view id = line.substr(0, blank);
    const std::string_view secret = trimmed(line.substr(blank));
    if (!is_id(id) || !is_secret(secret)) {
      return fail(Errc::kInvalidArgument, where + " is not \"ACCESS_KEY_ID SECRET\"",
                  "an id is letters, digits and \"-._\", a secret visible characters without a "
                  "blank");
    }
    if (!keys.secrets_.try_emplace(std::string(id), secret).second) {
      return fail(Errc::kInvalidArgument, where + " has an access key that came before",
                  "give each access key one secret");
    }
  }
  if (keys.secrets_.empty()) {
    return fail(Errc::kInvalidArgument, "there is no access key in " + name,
                "write a line \"ACCESS_KEY_ID SECRET\" into it");
  }
  return keys;
}

std::optional<std::string_view> AccessKeys::find(std::string_view access_key_id) const {
  const auto found = secrets_.find(access_key_id);
  if (found == secrets_.end()) return std::nullopt;
  return found->second.view();
}

}  // namespace blkrewind::serve
