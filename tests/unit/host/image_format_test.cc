#include "host/image_format.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace blkrewind::host {
namespace {

std::string_view format_of(const std::string& head, const std::string& tail = {}) {
  const auto bytes = [](const std::string& text) {
    return std::span(reinterpret_cast<const std::byte*>(text.data()), text.size());
  };
  return image_format(bytes(head), bytes(tail));
}

std::string padded(std::string text, std::size_t size = kImageHeadBytes) {
  text.resize(size, '\0');
  return text;
}

// With the checksum that its document demands: the complement of the sum of all other bytes.
std::string vhd_footer() {
  std::string footer = padded("conectix");
  footer[60] = 2;  // a fixed disk
  std::uint32_t sum = 0;
  for (const char byte : footer) sum += static_cast<unsigned char>(byte);
  sum = ~sum;
  for (int i = 0; i < 4; ++i) footer[64 + i] = static_cast<char>(sum >> (24 - 8 * i));
  return footer;
}

TEST(ImageFormat, EachIsToldByItsMark) {
  EXPECT_EQ(format_of(padded("QFI\xfb")), "qcow2");
  EXPECT_EQ(format_of(padded(std::string("QED\0", 4))), "qed");
  EXPECT_EQ(format_of(padded("KDMV")), "vmdk");
  EXPECT_EQ(format_of(padded("# Disk DescriptorFile\nversion=1\n")), "vmdk");
  EXPECT_EQ(format_of(padded("\n# made by hand\n# Disk DescriptorFile\n")), "vmdk");
  EXPECT_EQ(format_of(padded(std::string(64, 'x') + "\x7f\x10\xda\xbe")), "vdi");
  EXPECT_EQ(format_of(padded("vhdxfile")), "vhdx");
  EXPECT_EQ(format_of(padded("conectix")), "vhd");
  EXPECT_EQ(format_of(padded("WithoutFreeSpace")), "parallels");
  EXPECT_EQ(format_of(padded("WithouFreSpacExt")), "parallels");
  EXPECT_EQ(format_of(padded("Bochs Virtual HD Image")), "bochs");
  EXPECT_EQ(format_of("# Disk DescriptorFile"), "vmdk");  // a file that is no longer than that
}

TEST(ImageFormat, AFixedVhdIsToldByItsFooter) {
  const std::string footer = vhd_footer();
  EXPECT_EQ(format_of(padded(""), footer), "vhd");
  EXPECT_EQ(format_of(padded(""), "x" + footer.substr(0, 511)),
            "vhd");  // as written by old programs
  std::string other = footer;
  other[100] = 1;
  EXPECT_EQ(format_of(padded(""), other), "");
  EXPECT_EQ(format_of(padded(""), padded("conectix")), "");
}

TEST(ImageFormat, RawIsWhateverElse) {
  EXPECT_EQ(format_of(padded("LUKS\xba\xbe")), "");
  EXPECT_EQ(format_of(padded("")), "");
  EXPECT_EQ(format_of("", ""), "");
  EXPECT_EQ(format_of("QF"), "");
  EXPECT_EQ(format_of(padded(" QFI\xfb")), "");  // further in
  EXPECT_EQ(format_of(padded("#!/bin/sh\n# Disk\n")), "");
  EXPECT_EQ(format_of(padded("##\n#")), "");
}

}  // namespace
}  // namespace blkrewind::host
