#include "store/home/log_scan.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/aligned_buffer.h"

namespace blkrewind::store {
namespace {

constexpr std::uint64_t kWindowBytes = 256 * kKiB;

// A window over the file that grows to the size of a record.
class Window {
 public:
  Window(io::Queue& queue, io::File& file, std::uint64_t size_bytes)
      : queue_(queue), file_(file), size_bytes_(size_bytes) {}

  // At least `length` bytes from `offset`, or as many as the file has.
  Result<std::span<const std::byte>> at(std::uint64_t offset, std::uint64_t length) {
    const std::uint64_t end = std::min(align_up(size_bytes_, format::kLogBlockBytes),
                                       offset + std::max(length, kWindowBytes));
    if (offset >= end) return std::span<const std::byte>{};
    if (offset < begin_ || std::min(offset + length, end) > begin_ + buffer_.size()) {
      buffer_ = AlignedBuffer(end - offset);
      BLKREWIND_TRY(io::read_now(queue_, file_, {offset, end - offset}, buffer_.data()));
      begin_ = offset;
    }
    return std::as_const(buffer_).span().subspan(offset - begin_);
  }

 private:
  io::Queue& queue_;
  io::File& file_;
  std::uint64_t size_bytes_;
  std::uint64_t begin_ = 0;
  AlignedBuffer buffer_;
};

// Limits on what is read after the last record, and on how much of it is verified: a torn append
// leaves the bytes of one record, but any number of headers of the longest record could be forged.
constexpr std::uint64_t kEndBytesMax = 512 * kMiB;

// The flush of the second record is that of the tail that names the first one as well.
constexpr std::uint64_t kRecordsWithoutTailMax = 2;

// The intact record at `offset`, if any.
Result<std::optional<format::RecordHeader>> record_at(Window& window, const LogMark& mark,
                                                      std::uint64_t offset) {
  BLKREWIND_ASSIGN(auto bytes, window.at(offset, format::kLogBlockBytes));
  const auto header = format::parse_record_header(bytes);
  if (!header || header->version != mark.version || header->disk != mark.disk) {
    return std::optional<format::RecordHeader>{};
  }
  BLKREWIND_ASSIGN(bytes, window.at(offset, format::record_bytes(*header)));
  if (!format::record_is_intact(mark.secret, *header, bytes)) {
    return std::optional<format::RecordHeader>{};
  }
  return header;
}

tl::unexpected<Error> lost_record(const io::File& file, std::uint64_t offset,
                                  const std::string& why) {
  Error error;
  error.code = Errc::kIntegrity;
  error.message =
      "the log " + file.path() + " is damaged at offset " + std::to_string(offset) + ": " + why;
  error.remedy = Remedy("bring it back from a backup of the store")
                     .or_else("copy the store away and ask for help before anything writes to it")
                     .because("nothing was changed");
  return fail(std::move(error));
}

}  // namespace

Status scan_records(io::Queue& queue, io::File& file, const LogMark& mark, Head& head,
                    std::vector<std::byte>& last, const TakeRecord& take) {
  BLKREWIND_ASSIGN(const std::uint64_t size, file.size_bytes());
  Window window(queue, file, size);
  while (true) {
    BLKREWIND_ASSIGN(const auto header, record_at(window, mark, head.end_bytes));
    if (!header || header->sequence != head.next_sequence) return {};
    const std::uint64_t length = format::record_bytes(*header);
    BLKREWIND_ASSIGN(auto bytes, window.at(head.end_bytes, length));
    bytes = bytes.first(length);
    BLKREWIND_TRY(take(bytes));
    last.assign(bytes.begin(), bytes.end());
    head.end_bytes += length;
    head.epoch = std::max(head.epoch, header->epoch);
    ++head.next_sequence;
    ++head.records;
  }
}

bool tail_is_lost(const LogMark& mark, format::ConstBlock tail, const Head& head) {
  if (format::decode_log_tail(mark.secret, tail)) return false;
  return !is_all_zero(tail) || (head.generation == 1 && head.records > kRecordsWithoutTailMax);
}

Status check_log_end(io::Queue& queue, io::File& file, const LogMark& mark,
                     format::ConstBlock tail_block, const Head& head) {
  const std::uint64_t next = head.next_sequence;
  const auto tail = format::decode_log_tail(mark.secret, tail_block);
  const bool in_doubt = tail_is_lost(mark, tail_block, head);
  if (tail && tail->generation == head.generation && tail->sequence >= next) {
    return lost_record(file, head.end_bytes,
                       "record " + std::to_string(next) + " cannot be read, and " +
                           std::to_string(tail->sequence) + " were written");
  }
  BLKREWIND_ASSIGN(const std::uint64_t size, file.size_bytes());
  Window window(queue, file, size);
  std::uint64_t looked_at = 0;
  Extent data;
  for (std::uint64_t offset = head.end_bytes; offset < size; offset += format::kLogBlockBytes) {
    if (offset >= data.end()) {  // a record never starts in a hole
      BLKREWIND_ASSIGN(data, file.next_data(offset));
      if (data.empty()) break;
      offset = std::max(offset, align_down(data.offset, format::kLogBlockBytes));
    }
    BLKREWIND_ASSIGN(const auto block, window.at(offset, format::kLogBlockBytes));
    if (in_doubt && !is_all_zero(block)) {
      return lost_record(file, format::kLogTailOffset,
                         "the block that says how many records there are cannot be read, and "
                         "neither can what follows record " +
                             std::to_string(next - 1));
    }
    const auto claimed = format::parse_record_header(block);
    looked_at += claimed ? format::record_bytes(*claimed) : format::kLogBlockBytes;
    if (looked_at > kEndBytesMax) {
      return lost_record(
          file, head.end_bytes,
          "there is more data after the last record than an interrupted append leaves");
    }
    if (!claimed || claimed->sequence < next) continue;
    BLKREWIND_ASSIGN(const auto later, record_at(window, mark, offset));
    // There may be a record with an older number, left by a torn append of an earlier generation.
    if (later && later->sequence >= next) {
      return lost_record(file, head.end_bytes,
                         "record " + std::to_string(next) + " cannot be read, but record " +
                             std::to_string(later->sequence) + " after it can");
    }
  }
  return {};
}

}  // namespace blkrewind::store
