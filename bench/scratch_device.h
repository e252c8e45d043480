// A device (or image file) whose content is remembered, changed at random, and compared byte for
// byte. All of it is kept in memory: small devices only. Direct I/O where the file takes it, so
// that the device is read and not a cache of it. One thread at a time; trouble ends the program.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <string>

namespace bench {

class ScratchDevice {
 public:
  // Remembers what is on it now. It is open only during a call: the server wants it alone.
  explicit ScratchDevice(std::string path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

  // Overwrites a few stretches, some with zeroes, and flushes; returns how many bytes it wrote. The
  // same seed makes the same changes.
  std::uint64_t change(std::uint64_t seed);

  // The first byte that is not as it was remembered.
  [[nodiscard]] std::optional<std::uint64_t> difference() const;

 private:
  struct Free {
    void operator()(std::byte* data) const;
  };
  using Buffer = std::unique_ptr<std::byte, Free>;
  [[nodiscard]] static Buffer allocate(std::uint64_t size_bytes);
  void read_all(std::byte* into) const;

  std::string path_;
  std::uint64_t size_bytes_ = 0;
  Buffer remembered_;
  Buffer now_;
};

}  // namespace bench
