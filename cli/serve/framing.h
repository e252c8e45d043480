// Finds the end of a request before anything else is parsed: RFC 9112, sections 2 to 7, strictly.
//
// If a proxy in front of this server parsed a request differently, one client's bytes could be
// answered as another client's request. Only one form of each element is therefore accepted;
// everything else is refused, and the connection is closed: lines end with CRLF, a header name is
// directly followed by its colon, lines are not continued, Content-Length occurs once and consists
// of digits only. The only transfer coding accepted is plain chunks.
//
// Inspects each byte once, however slowly they arrive. A value; used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace blkrewind::serve {

class Framing {
 public:
  enum class State : std::uint8_t { kIncomplete, kComplete, kRefused };

  // `bytes`: everything received since the last request ended. It only grows between two calls.
  [[nodiscard]] State look(std::string_view bytes);

  // Of a complete request: its head and its body.
  [[nodiscard]] std::size_t length_bytes() const { return head_bytes_ + body_bytes_; }
  // Of a complete request: the data after it is not parsed, because its body was not.
  [[nodiscard]] bool ends_connection() const { return ends_connection_; }
  // Of a refused one: the HTTP status.
  [[nodiscard]] int status() const { return status_; }

 private:
  State refuse(int status);
  [[nodiscard]] State find_last_chunk(std::string_view bytes);
  [[nodiscard]] bool find_head(std::string_view bytes);
  State read_head(std::string_view head);
  State read_header(std::string_view line);

  std::size_t looked_ = 0;
  std::size_t head_bytes_ = 0;  // 0: its end has not arrived
  std::size_t body_bytes_ = 0;
  bool is_post_ = false;
  bool is_chunked_ = false;
  bool has_length_ = false;
  bool has_host_ = false;
  bool ends_connection_ = false;
  int status_ = 0;
};

}  // namespace blkrewind::serve
