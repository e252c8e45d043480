#include "support/version1_store.h"

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>

#include "format/bytes.h"
#include "format/log_codec.h"
#include "support/golden_store.h"
#include "support/version1.h"

namespace blkrewind::test {
namespace {

namespace fs = std::filesystem;

std::vector<std::byte> read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) throw std::runtime_error("cannot read " + path.string());
  const auto* begin = reinterpret_cast<const std::byte*>(bytes.data());
  return {begin, begin + bytes.size()};
}

}  // namespace

Version1Store::Version1Store() {
  env_->add_directory(std::string(kPath) + "/segments");
  const fs::path top = fs::path(golden_folder(1)) / "store";
  for (const auto& entry : fs::recursive_directory_iterator(top)) {
    const std::string name = fs::relative(entry.path(), top).string();
    if (entry.is_directory() || name.starts_with("catalog")) continue;
    env_->add_device(std::string(kPath) + "/" + name, 0);
    write(name, 0, read_file(entry.path()));
  }
  const auto format = env_->contents(std::string(kPath) + "/format");
  header_ = *format::decode_store_header(
      std::span<const std::byte, format::kStoreHeaderBytes>(format.data(), format.size()));
  const auto journal = env_->contents(std::string(kPath) + "/journal");
  const std::span<const std::byte> bytes(journal);
  end_bytes_ = format::kLogRecordsOffset;
  while (const auto record = format::parse_record_header(bytes.subspan(end_bytes_))) {
    const auto entries = format::decode_record(*record, bytes.subspan(end_bytes_));
    journal_.apply(entries.value());
    next_sequence_ = record->sequence + 1;
    end_bytes_ += format::record_bytes(*record);
    if (end_bytes_ >= journal.size()) break;
  }
}

void Version1Store::append(const format::Transaction& transaction) {
  const auto bytes = format::version1_record(header_.secret, next_sequence_++, transaction);
  write("journal", end_bytes_, bytes);
  end_bytes_ += bytes.size();
  journal_.apply(transaction);
}

void Version1Store::add_segment(format::SegmentId id) {
  format::ByteWriter header;
  header.put_raw(std::as_bytes(std::span("BLKRSEG\n", 8)));
  header.put(std::uint32_t{1});
  header.put(id);
  header.put_raw(header_.uuid);
  header.put(std::uint64_t{0});
  std::vector<std::byte> bytes = header.take();
  bytes.resize(4096);
  const std::uint64_t checksum = checksum_of(header_.secret, bytes);
  std::memcpy(bytes.data() + 32, &checksum, sizeof checksum);
  const std::string name = "segments/" + std::to_string(id);
  env_->add_device(std::string(kPath) + "/" + name, 0);
  write(name, 0, bytes);
}

void Version1Store::write(const std::string& name, std::uint64_t offset,
                          const std::vector<std::byte>& bytes) {
  env_->poke(std::string(kPath) + "/" + name, offset, bytes);
}

}  // namespace blkrewind::test
