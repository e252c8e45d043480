// A device (or image file) whose content is saved, changed at random, and compared byte for byte.
// The content is kept in memory: small devices only. Direct I/O if the file supports it, so that
// the device is read and not its cache. One thread at a time; an error ends the program.
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
  // Saves the current content. The device is open only during a call, because the server needs
  // exclusive access.
  explicit ScratchDevice(std::string path);

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::uint64_t size_bytes() const { return size_bytes_; }

  // Overwrites a few ranges, some with zeroes, and flushes; returns the number of bytes written.
  // The same seed makes the same changes.
  std::uint64_t change(std::uint64_t seed);

  // The first byte that differs from the saved content.
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
