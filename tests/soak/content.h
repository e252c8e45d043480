// The content of a device: one hash for each 4 KiB of it, so that a device between two contents can
// be checked block by block. (A kill may hit between two pages of a chunk, never within a page.)
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace blkrewind::soak {

inline constexpr std::uint64_t kBlockBytes = 4096;

struct BlockHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const BlockHash&, const BlockHash&) = default;
};

class Content {
 public:
  // Throw std::runtime_error if the file cannot be read or written.
  [[nodiscard]] static Content of_file(const std::string& path);
  [[nodiscard]] static Content load(const std::string& folder, const std::string& name);
  // Saved under its name; durable on return. An existing file is kept.
  void save(const std::string& folder) const;

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::vector<BlockHash>& blocks() const { return blocks_; }
  friend bool operator==(const Content& a, const Content& b) { return a.name_ == b.name_; }

 private:
  void set_name();

  std::uint64_t size_bytes_ = 0;
  std::vector<BlockHash> blocks_;
  std::string name_;  // 32 hexadecimal digits, of the size and all hashes
};

// The number of blocks of `now` that equal neither `a` nor `b`.
[[nodiscard]] std::uint64_t blocks_of_neither(const Content& now, const Content& a,
                                              const Content& b);
// Bytes of the chunks in which the two differ.
[[nodiscard]] std::uint64_t differing_bytes(const Content& a, const Content& b,
                                            std::uint64_t chunk_bytes, std::uint64_t device_bytes);

}  // namespace blkrewind::soak
