// The file that makes a folder a store.
#include <span>

#include "base/aligned_buffer.h"
#include "store/home/local_home.h"
#include "store/home/store_file.h"

namespace blkrewind::store {
namespace {

std::span<std::byte, format::kStoreHeaderBytes> header_span(AlignedBuffer& buffer) {
  return std::span<std::byte, format::kStoreHeaderBytes>(buffer.data(), buffer.size());
}

}  // namespace

Result<format::StoreHeader> read_format_file(io::Env& env, const LocalLayout& layout) {
  BLKREWIND_ASSIGN(auto file, open_store_file(env, layout.format(), {}));
  BLKREWIND_ASSIGN(const std::uint64_t size, file->size_bytes());
  if (size != format::kStoreHeaderBytes) {
    return fail(Errc::kIntegrity,
                layout.format() + " is not a blkrewind format file: it has " +
                    std::to_string(size) + " bytes instead of " +
                    std::to_string(format::kStoreHeaderBytes),
                "bring the file back from a backup, or name the folder of a store");
  }
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
  AlignedBuffer block(format::kStoreHeaderBytes);
  BLKREWIND_TRY(io::read_now(*queue, *file, {0, block.size()}, block.data()));
  auto header = format::decode_store_header(header_span(block));
  if (!header) {
    return fail(std::move(header).error().while_doing("opening the store " + layout.root()));
  }
  return header;
}

Status write_format_file(io::Env& env, const LocalLayout& layout,
                         const format::StoreHeader& header) {
  BLKREWIND_ASSIGN(auto file, env.open(LocalLayout::temporary(layout.format()),
                                       {.access = io::Access::kReadWrite}));
  BLKREWIND_ASSIGN(auto queue, env.make_queue({.depth = 1}));
  AlignedBuffer block(format::kStoreHeaderBytes);
  format::encode_store_header(header, header_span(block));
  BLKREWIND_TRY(io::write_now(*queue, *file, {0, block.size()}, block.data()));
  return io::flush_now(*queue, *file);
}

}  // namespace blkrewind::store
