// Where a request ends, found before anything else is: RFC 9112, sections 2 to 7, without leniency.
//
// What a proxy before this server reads otherwise would let one client's bytes be answered as
// another client's request. So there is one way to write each thing, and everything else is
// refused, and the connection ends with that: lines end with CRLF, a header is a name that is
// followed by its colon at once, a line is not continued, Content-Length is there once and of
// digits only. Transfer codings are not taken: this API's bodies are small forms of a known length.
//
// Looks at each byte once, however slowly they come. A value; used by one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace blkrewind::serve {

class Framing {
 public:
  enum class State : std::uint8_t { kIncomplete, kComplete, kRefused };

  // `bytes`: all that came since the last request ended. It only grows between two calls.
  [[nodiscard]] State look(std::string_view bytes);

  // Of a complete request: its head and its body.
  [[nodiscard]] std::size_t length_bytes() const { return head_bytes_ + body_bytes_; }
  // Of a complete request: what follows it is not looked at, since its body was not.
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
  std::size_t head_bytes_ = 0;  // 0: its end has not come
  std::size_t body_bytes_ = 0;
  bool is_post_ = false;
  bool is_chunked_ = false;
  bool has_length_ = false;
  bool has_host_ = false;
  bool ends_connection_ = false;
  int status_ = 0;
};

}  // namespace blkrewind::serve
