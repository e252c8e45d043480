#include "operations/raw_image.h"

#include <algorithm>
#include <utility>

#include "base/aligned_buffer.h"
#include "host/image_format.h"

namespace blkrewind {

namespace {

Status check_format(const std::string& path, std::span<const std::byte> head,
                    std::span<const std::byte> tail, Remedy conversion) {
  const std::string format(host::image_format(head, tail));
  if (format.empty()) return {};
  return fail(Errc::kPrecondition,
              path + " is not a raw image but one of the format " + format +
                  ": its bytes are not those of the disk that it contains",
              std::move(conversion)
                  .or_else({Verb::kRepeat, "take its own bytes", {{Parameter::kRaw, {}}}}));
}

}  // namespace

Status check_raw(io::Env& env, const host::DeviceInfo& info) {
  if (info.kind != host::DeviceKind::kFile) return {};
  BLKREWIND_ASSIGN(const auto file,
                   env.open(info.real_path, {.access = io::Access::kReadOnly, .direct = false}));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
  AlignedBuffer head(host::kImageHeadBytes);
  AlignedBuffer tail(host::kImageTailBytes);
  const auto head_bytes = std::min<std::uint64_t>(size, head.size());
  const auto tail_bytes = std::min<std::uint64_t>(size, tail.size());
  if (size == 0) return {};
  BLKREWIND_TRY(io::read_now(*queue, *file, {0, head_bytes}, head.data()));
  BLKREWIND_TRY(io::read_now(*queue, *file, {size - tail_bytes, tail_bytes}, tail.data()));
  return check_format(info.path, head.span().first(head_bytes), tail.span().first(tail_bytes),
                      run_program("convert it", "qemu-img convert -O raw", {info.path, "RAW"})
                          .or_else(run_program("attach it as a device", "qemu-nbd", {info.path})));
}

Status check_raw(io::Stream& stream) {
  BLKREWIND_ASSIGN(const auto head, stream.peek(host::kImageHeadBytes));
  // No converter reads a pipe: their formats are not read from the beginning to the end.
  return check_format(stream.path(), head, {},
                      run_program("write it to a file and convert that", "qemu-img convert -O raw",
                                  {"FILE", "RAW"}));
}

}  // namespace blkrewind
