// Errors on their way from the process that serves a mount to the command that started it.
#pragma once

#include <optional>
#include <string>

#include "blkrewind/error.h"
#include "cli/owned_fd.h"

namespace blkrewind::cli {

// What a reader needs of it, in one line; and back: nullopt, if it is no such line.
[[nodiscard]] std::string pack_error(const Error& error);
[[nodiscard]] std::optional<Error> unpack_error(const std::string& text);

// The last error of another process: memory that both have since a fork. To the reader of a file
// the kernel passes on a number alone, after the error was put here. Thread-safe.
class ErrorNote {
 public:
  ErrorNote() = default;  // holds none, ever
  [[nodiscard]] static Result<ErrorNote> make();

  [[nodiscard]] int descriptor() const { return memory_.get(); }
  void put(const Error& error) const;
  [[nodiscard]] std::optional<Error> get() const;

 private:
  OwnedFd memory_;
};

}  // namespace blkrewind::cli
