#include "base/shell.h"

namespace blkrewind {

std::string shell_word(std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+:@%,=";
  std::string word = text.starts_with('-') ? "./" : "";
  if (!text.empty() && text.find_first_not_of(kPlain) == std::string_view::npos) {
    return word.append(text);
  }
  for (const char c : text) {
    word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return "'" + word + "'";
}

}  // namespace blkrewind
