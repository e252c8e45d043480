// Little-endian integers and length-prefixed strings, to and from bytes, with bounds.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace blkrewind::format {

static_assert(std::endian::native == std::endian::little,
              "the on-disk structures are little-endian and copied as they are");

// Appends to a growing buffer.
class ByteWriter {
 public:
  template <class T>
  requires std::is_integral_v<T>
  void put(T value) {
    const std::size_t at = bytes_.size();
    bytes_.resize(at + sizeof value);
    std::memcpy(bytes_.data() + at, &value, sizeof value);
  }
  void put_string(std::string_view text) {
    put(static_cast<std::uint32_t>(text.size()));
    const auto* begin = reinterpret_cast<const std::byte*>(text.data());
    bytes_.insert(bytes_.end(), begin, begin + text.size());
  }
  void put_raw(std::span<const std::byte> bytes) {
    bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  }
  [[nodiscard]] const std::vector<std::byte>& bytes() const { return bytes_; }
  [[nodiscard]] std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::vector<std::byte> bytes_;
};

// Reads within bounds. After the first read past the end every value is zero and ok() is false, so
// that a decoder needs to check only once, at its end.
class ByteReader {
 public:
  explicit ByteReader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <class T>
  requires std::is_integral_v<T>
  [[nodiscard]] T get() {
    T value{};
    if (!take(sizeof value)) return value;
    std::memcpy(&value, bytes_.data() + at_ - sizeof value, sizeof value);
    return value;
  }
  [[nodiscard]] std::string get_string() {
    const auto length = get<std::uint32_t>();
    if (!take(length)) return {};
    return {reinterpret_cast<const char*>(bytes_.data() + at_ - length), length};
  }
  [[nodiscard]] std::span<const std::byte> get_bytes(std::size_t length) {
    if (!take(length)) return {};
    return bytes_.subspan(at_ - length, length);
  }
  [[nodiscard]] bool ok() const { return ok_; }
  void invalidate() { ok_ = false; }
  [[nodiscard]] std::size_t remaining() const { return ok_ ? bytes_.size() - at_ : 0; }

 private:
  bool take(std::size_t length) {
    if (!ok_ || length > bytes_.size() - at_) {
      ok_ = false;
      return false;
    }
    at_ += length;
    return true;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

}  // namespace blkrewind::format
