// What a device holds: one hash for each 4 KiB of it, so that a device between two contents can be
// judged block by block. (A kill may fall between two pages of one chunk, never inside of a page.)
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
  // Throw std::runtime_error when the file cannot be read or written.
  [[nodiscard]] static Content of_file(const std::string& path);
  [[nodiscard]] static Content load(const std::string& folder, const std::string& name);
  // Under its name; durable on return. One that is there already is left alone.
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

// Of the blocks of `now` the number that are neither as in `a` nor as in `b`.
[[nodiscard]] std::uint64_t blocks_of_neither(const Content& now, const Content& a,
                                              const Content& b);
// Bytes of the chunks in which the two differ.
[[nodiscard]] std::uint64_t differing_bytes(const Content& a, const Content& b,
                                            std::uint64_t chunk_bytes, std::uint64_t device_bytes);

}  // namespace blkrewind::soak
