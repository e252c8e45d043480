// Text output: tables, and strings that are safe to print on a terminal.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

#include "blkrewind/error.h"

namespace blkrewind::cli {

// Control characters become '?': a name or a path must not send escape sequences to the terminal.
[[nodiscard]] std::string printable(std::string_view text);

// The text between double quotes, as it is.
[[nodiscard]] inline std::string quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

// "1 snapshot", "2 snapshots".
[[nodiscard]] std::string counted(std::uint64_t count, const std::string& noun);

// Columns are as wide as their widest cell, separated by two blanks, with none after the last.
class Table {
 public:
  enum class Align { kLeft, kRight };
  struct Column {
    std::string title;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Column> columns);
  // As many cells as columns. Cells are made printable; an empty one is shown as "-".
  void add(std::vector<std::string> cells);
  // Every line starts with `indent`.
  [[nodiscard]] std::string text(const std::string& indent = {}) const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// "  label   value" lines with aligned values; entries with an empty value are left out.
class Facts {
 public:
  Facts& add(std::string label, std::string value);
  [[nodiscard]] std::string text() const;

 private:
  struct Entry {
    std::string label;
    std::string value;
  };
  std::vector<Entry> entries_;
};

// A stream whose failures are errors: `blkrewind list > file` on a full disk must not look
// successful. Does not own the stream.
class Writer {
 public:
  Writer(std::FILE* stream, std::string name) : stream_(stream), name_(std::move(name)) {}
  [[nodiscard]] Status write(std::string_view text);
  [[nodiscard]] Status flush();
  [[nodiscard]] bool is_terminal() const;
  [[nodiscard]] std::FILE* stream() const { return stream_; }

 private:
  std::FILE* stream_;
  std::string name_;  // "standard output"
};

}  // namespace blkrewind::cli
