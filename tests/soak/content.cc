#include "soak/content.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <stdexcept>

#include "base/fd.h"
#include "blkrewind/units.h"
#include "soak/durable.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace blkrewind::soak {
namespace {

BlockHash hash_of(const void* data, std::size_t length) {
  const XXH128_hash_t hash = XXH3_128bits(data, length);
  return {hash.low64, hash.high64};
}

}  // namespace

Content Content::of_file(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status = {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) fail_with_errno("open " + path);
  Content content;
  content.size_bytes_ = static_cast<std::uint64_t>(status.st_size);
  // Read, not mapped: reading a hole of a mapped file may fill it.
  std::vector<char> buffer(kMiB);
  for (std::uint64_t at = 0; at < content.size_bytes_; at += buffer.size()) {
    const std::uint64_t length = std::min<std::uint64_t>(buffer.size(), content.size_bytes_ - at);
    if (::pread(fd.get(), buffer.data(), length, static_cast<off_t>(at)) !=
        static_cast<ssize_t>(length)) {
      fail_with_errno("read " + path);
    }
    for (std::uint64_t i = 0; i < length; i += kBlockBytes) {
      content.blocks_.push_back(hash_of(buffer.data() + i, std::min(kBlockBytes, length - i)));
    }
  }
  content.set_name();
  return content;
}

Content Content::load(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  std::ifstream file(path, std::ios::binary);
  Content content;
  file.read(reinterpret_cast<char*>(&content.size_bytes_), sizeof content.size_bytes_);
  content.blocks_.resize((content.size_bytes_ + kBlockBytes - 1) / kBlockBytes);
  file.read(reinterpret_cast<char*>(content.blocks_.data()),
            static_cast<std::streamsize>(content.blocks_.size() * sizeof(BlockHash)));
  content.set_name();
  if (!file || content.name_ != name) throw std::runtime_error("cannot read " + path);
  return content;
}

void Content::save(const std::string& folder) const {
  std::string bytes(reinterpret_cast<const char*>(&size_bytes_), sizeof size_bytes_);
  bytes.append(reinterpret_cast<const char*>(blocks_.data()), blocks_.size() * sizeof(BlockHash));
  const std::string path = folder + "/" + name_;
  if (::access(path.c_str(), F_OK) != 0) replace_file(path, bytes);
}

void Content::set_name() {
  std::vector<BlockHash> all = blocks_;
  all.push_back({size_bytes_, 0});
  const BlockHash hash = hash_of(all.data(), all.size() * sizeof all[0]);
  std::array<char, 40> text{};
  std::snprintf(text.data(), text.size(), "%016llx%016llx",
                static_cast<unsigned long long>(hash.high),
                static_cast<unsigned long long>(hash.low));
  name_ = text.data();
}

std::uint64_t blocks_of_neither(const Content& now, const Content& a, const Content& b) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < now.blocks().size(); ++i) {
    const BlockHash& block = now.blocks()[i];
    if (block != a.blocks().at(i) && block != b.blocks().at(i)) ++count;
  }
  return count;
}

std::uint64_t differing_bytes(const Content& a, const Content& b, std::uint64_t chunk_bytes,
                              std::uint64_t device_bytes) {
  std::uint64_t bytes = 0;
  const std::size_t step = chunk_bytes / kBlockBytes;
  for (std::size_t from = 0; from < a.blocks().size(); from += step) {
    const std::size_t to = std::min(from + step, a.blocks().size());
    for (std::size_t i = from; i < to; ++i) {
      if (a.blocks()[i] == b.blocks().at(i)) continue;
      bytes += std::min(chunk_bytes, device_bytes - from * kBlockBytes);
      break;
    }
  }
  return bytes;
}

}  // namespace blkrewind::soak
