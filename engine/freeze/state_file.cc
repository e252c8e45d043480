#include "freeze/state_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <optional>

namespace blkrewind::freeze {
namespace {

constexpr std::string_view kFirstLine = "blkrewind-freeze 1";
constexpr std::string_view kPrefix = "freeze-";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > ' ' && byte != '\\' && byte != 0x7f) {
      out += c;
      continue;
    }
    std::array<char, 5> octal{};
    std::snprintf(octal.data(), octal.size(), "\\%03o", byte);
    out += octal.data();
  }
  return out;
}

std::optional<std::string> unescaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      out += text[i];
      continue;
    }
    unsigned value = 0;
    if (i + 4 > text.size()) return std::nullopt;
    const char* begin = text.data() + i + 1;
    const auto [end, error] = std::from_chars(begin, begin + 3, value, 8);
    if (error != std::errc() || end != begin + 3 || value > 0xff) return std::nullopt;
    out += static_cast<char>(value);
    i += 3;
  }
  return out;
}

// Up to the next `separator`, which is taken off as well; all of it without one.
std::string_view take_field(std::string_view& text, char separator) {
  const std::size_t end = text.find(separator);
  const std::string_view field = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return field;
}

template <class Number>
bool read_whole_number(std::string_view text, Number& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

std::optional<FrozenSuper> parse_super(std::string_view line) {
  FrozenSuper frozen;
  unsigned major_number = 0;
  unsigned minor_number = 0;
  std::string_view device = take_field(line, ' ');
  const std::string_view first = take_field(device, ':');
  if (!read_whole_number(first, major_number) || !read_whole_number(device, minor_number)) {
    return std::nullopt;
  }
  frozen.super.id = makedev(major_number, minor_number);
  const auto type = unescaped(take_field(line, ' '));
  const auto id = unescaped(take_field(line, ' '));
  const bool has_pid = read_whole_number(take_field(line, ' '), frozen.super.seen_by);
  const auto point = unescaped(line);
  if (!type || type->empty() || !id || id->empty() || !has_pid || !point || point->empty()) {
    return std::nullopt;
  }
  frozen.super.type = *type;
  frozen.id = *id;
  frozen.super.mount_point = *point;
  return frozen;
}

Error cannot_write(int error, const std::string& what) {
  Error failed = system_error(error, what);
  failed.code = error == ENOSPC || error == EDQUOT ? Errc::kNoSpace : Errc::kPrecondition;
  return std::move(failed).with_remedy(
      "let this user write to /run, where what is frozen is noted: run it as root; in a container, "
      "mount a tmpfs on /run");
}

}  // namespace

std::string to_text(const FreezeRecord& record) {
  std::string text(kFirstLine);
  text += "\nboot " + escaped(record.boot_id) + "\npid " + std::to_string(record.pid) + "\n";
  for (const FrozenSuper& frozen : record.supers) {
    text += "super " + std::to_string(major(frozen.super.id)) + ":" +
            std::to_string(minor(frozen.super.id)) + " " + escaped(frozen.super.type) + " " +
            escaped(frozen.id) + " " + std::to_string(frozen.super.seen_by) + " " +
            escaped(frozen.super.mount_point) + "\n";
  }
  return text + "end\n";
}

Result<FreezeRecord> parse_record(std::string_view text) {
  const auto damaged = [] {
    return fail(Errc::kIntegrity, "a file that says what was frozen is damaged");
  };
  FreezeRecord record;
  if (take_field(text, '\n') != kFirstLine) return damaged();
  while (!text.empty()) {
    std::string_view line = take_field(text, '\n');
    const std::string_view word = take_field(line, ' ');
    if (word == "end") {
      if (!text.empty() || record.boot_id.empty()) return damaged();
      return record;
    }
    if (word == "boot") {
      record.boot_id = unescaped(line).value_or(std::string());
    } else if (word == "pid") {
      if (!read_whole_number(line, record.pid)) return damaged();
    } else if (word == "super") {
      auto frozen = parse_super(line);
      if (!frozen) return damaged();
      record.supers.push_back(std::move(*frozen));
    } else {
      return damaged();
    }
  }
  return damaged();
}

Result<UniqueFd> open_state_folder(const std::string& folder) {
  for (std::size_t end = folder.find('/', 1); end != std::string::npos;
       end = folder.find('/', end + 1)) {
    static_cast<void>(::mkdir(folder.substr(0, end).c_str(), 0755));
  }
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) {
    return fail(cannot_write(errno, "cannot create " + folder));
  }
  UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status {};
  if (!fd.valid() || ::fstat(fd.get(), &status) != 0) {
    return fail(cannot_write(errno, "cannot open " + folder));
  }
  if (status.st_uid != ::geteuid() || (status.st_mode & 077) != 0) {
    return fail(Errc::kPrecondition, folder + " is not this user's alone",
                run_program("remove it", "rm -r " + folder));
  }
  return fd;
}

Result<StateFile> write_state_file(int folder, const FreezeRecord& record) {
  static std::atomic<unsigned> count = 0;
  const std::string number = std::to_string(record.pid) + "-" + std::to_string(++count);
  const std::string draft = "new-" + number;
  StateFile state;
  state.name = std::string(kPrefix) + number;
  const std::string text = to_text(record);
  state.file = UniqueFd(
      ::openat(folder, draft.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!state.file.valid()) return fail(cannot_write(errno, "cannot note what will be frozen"));
  const ssize_t written = ::write(state.file.get(), text.data(), text.size());
  int error = written == static_cast<ssize_t>(text.size()) ? 0 : written < 0 ? errno : ENOSPC;
  if (error == 0 && ::flock(state.file.get(), LOCK_SH | LOCK_NB) != 0) error = errno;
  if (error == 0 && ::renameat(folder, draft.c_str(), folder, state.name.c_str()) != 0)
    error = errno;
  if (error == 0) return state;
  ::unlinkat(folder, draft.c_str(), 0);
  return fail(cannot_write(error, "cannot note what will be frozen"));
}

bool is_state_file_name(std::string_view name) { return name.starts_with(kPrefix); }

}  // namespace blkrewind::freeze
