// One libFuzzer program for each target: BLKREWIND_FUZZ_TARGET names it.
#include <cstddef>
#include <cstdint>

#include "fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  blkrewind::fuzz::BLKREWIND_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
  return 0;
}
