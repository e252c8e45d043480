#include "cli/output.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>

namespace blkrewind::cli {
namespace {

// Approximate number of columns of a UTF-8 string: its code points.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  }));
}

std::string padded(const std::string& text, std::size_t width, Table::Align align) {
  const std::size_t own = width_of(text);
  const std::string blanks(width > own ? width - own : 0, ' ');
  return align == Table::Align::kLeft ? text + blanks : blanks + text;
}

void trim_end(std::string& line) {
  while (!line.empty() && line.back() == ' ') line.pop_back();
}

}  // namespace

std::string printable(std::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7F) c = '?';
  }
  return clean;
}

std::string counted(std::uint64_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) {
  if (cells.size() != columns_.size()) std::abort();
  for (std::string& cell : cells) cell = cell.empty() ? "-" : printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::text(const std::string& indent) const {
  std::vector<std::size_t> widths;
  for (std::size_t i = 0; i < columns_.size(); ++i) {
    std::size_t width = width_of(columns_[i].title);
    for (const auto& row : rows_) width = std::max(width, width_of(row[i]));
    widths.push_back(width);
  }
  std::string text;
  const auto add_line = [&](const auto& cell_at) {
    std::string line = indent;
    for (std::size_t i = 0; i < columns_.size(); ++i) {
      if (i != 0) line += "  ";
      line += padded(cell_at(i), widths[i], columns_[i].align);
    }
    trim_end(line);
    text += line + "\n";
  };
  add_line([&](std::size_t i) -> const std::string& { return columns_[i].title; });
  for (const auto& row : rows_) {
    add_line([&](std::size_t i) -> const std::string& { return row[i]; });
  }
  return text;
}

Facts& Facts::add(std::string label, std::string value) {
  if (!value.empty()) entries_.push_back({std::move(label), std::move(value)});
  return *this;
}

std::string Facts::text() const {
  std::size_t width = 0;
  for (const Entry& entry : entries_) width = std::max(width, width_of(entry.label));
  std::string text;
  for (const Entry& entry : entries_) {
    text += "  " + padded(entry.label, width, Table::Align::kLeft) + "  " + printable(entry.value) +
            "\n";
  }
  return text;
}

Status Writer::write(std::string_view text) {
  errno = 0;
  if (std::fwrite(text.data(), 1, text.size(), stream_) == text.size()) return {};
  return fail(system_error(errno != 0 ? errno : EIO, "cannot write to " + name_));
}

Status Writer::flush() {
  errno = 0;
  if (std::fflush(stream_) == 0) return {};
  return fail(system_error(errno != 0 ? errno : EIO, "cannot write to " + name_));
}

bool Writer::is_terminal() const {
  const int fd = fileno(stream_);
  return fd >= 0 && isatty(fd) == 1;
}

}  // namespace blkrewind::cli
