#include "soak/durable.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "base/fd.h"

namespace blkrewind::soak {

void fail_with_errno(const std::string& what) {
  throw std::runtime_error(what + ": " + std::strerror(errno));
}

void replace_file(const std::string& path, const std::string& content) {
  const std::string unnamed = path + ".new";
  const UniqueFd fd(::open(unnamed.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
  if (!fd.valid()) fail_with_errno("open " + unnamed);
  for (std::size_t at = 0; at < content.size();) {
    const ssize_t written = ::write(fd.get(), content.data() + at, content.size() - at);
    if (written < 0) fail_with_errno("write " + unnamed);
    at += static_cast<std::size_t>(written);
  }
  const UniqueFd folder(
      ::open(path.substr(0, path.rfind('/')).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (::fsync(fd.get()) != 0 || std::rename(unnamed.c_str(), path.c_str()) != 0 ||
      ::fsync(folder.get()) != 0) {
    fail_with_errno("keep " + path);
  }
}

std::string content_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail_with_errno("open " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace blkrewind::soak
