// The fuzz targets, as plain functions: called by libFuzzer with its own bytes, and by the ordinary
// suite with the files of corpus/ (corpus_test.cc).
//
// A checksum would reject almost all fuzzed input. Every target therefore reads its bytes twice: as
// they are, and with corrected checksums, under a constant secret; signatures likewise.
//
// A violated property prints a message to stderr and aborts.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace blkrewind::fuzz {

using Bytes = std::span<const std::byte>;

struct Target {
  std::string_view name;
  void (*run)(Bytes input);
};

[[nodiscard]] std::span<const Target> targets();
// Null if there is none of that name.
[[nodiscard]] const Target* find_target(std::string_view name);

// One block each; shorter input is padded with zeroes, longer input is truncated.
void store_header(Bytes input);
void segment_header(Bytes input);
void node(Bytes input);
void journal_header(Bytes input);
void journal_tail(Bytes input);
// A record, padded to whole blocks.
void journal_record(Bytes input);
// Entries, one after another.
void entry(Bytes input);
// A journal in the packed form that replay.cc describes, opened as a store.
void journal_replay(Bytes input);
// A request to the HTTP endpoint, packed as requests.cc describes.
void http_request(Bytes input);
// Bytes of a connection: requests, one behind the other.
void http_framing(Bytes input);
// A line that is a query; what follows is a form.
void http_parameters(Bytes input);

}  // namespace blkrewind::fuzz
