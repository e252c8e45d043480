// Programs that were compiled against an earlier or a later header.
#include <cstring>
#include <vector>

#include "control/c_interface/options.h"
#include "unit/control/c_interface_fixture.h"

namespace blkrewind::test {
namespace {

template <class Options>
class COptions : public testing::Test {
 protected:
  // `size` bytes of memory and not one more, of which the first say so; the rest are `fill`.
  static Result<Options> read(std::size_t size, unsigned char fill, std::size_t filled_from) {
    std::vector<std::size_t> memory(size / sizeof(std::size_t));
    auto* const bytes = reinterpret_cast<unsigned char*>(memory.data());
    std::memcpy(bytes, &size, sizeof size);
    for (std::size_t i = filled_from; i < size; ++i) bytes[i] = fill;
    return c_interface::known_options(reinterpret_cast<const Options*>(bytes), "options");
  }
  static std::vector<unsigned char> bytes_of(const Options& options) {
    const auto* const first = reinterpret_cast<const unsigned char*>(&options) + sizeof(size_t);
    return {first, first + sizeof(Options) - sizeof(size_t)};
  }
};

using AllOptions =
    testing::Types<blkrewind_open_options, blkrewind_snapshot_options, blkrewind_rollback_options,
                   blkrewind_undo_options, blkrewind_monitor>;
TYPED_TEST_SUITE(COptions, AllOptions);

TYPED_TEST(COptions, OfAnEarlierVersionAreCompletedByDefaults) {
  for (std::size_t size = sizeof(std::size_t); size <= sizeof(TypeParam); size += sizeof(size_t)) {
    const auto known = this->read(size, 0xff, sizeof(std::size_t));
    ASSERT_TRUE(ok(known)) << size;
    std::vector<unsigned char> expected(sizeof(TypeParam) - sizeof(std::size_t), 0);
    std::fill_n(expected.begin(), size - sizeof(std::size_t), 0xff);
    EXPECT_EQ(this->bytes_of(*known), expected) << size;
  }
}

TYPED_TEST(COptions, OfALaterVersionAreAcceptedWhereTheyAreDefaults) {
  const std::size_t size = sizeof(TypeParam) + 4 * sizeof(std::size_t);
  EXPECT_TRUE(ok(this->read(size, 0, sizeof(TypeParam))));
  for (std::size_t at = sizeof(TypeParam); at < size; ++at) {
    EXPECT_TRUE(failed(this->read(size, 1, at), Errc::kUnsupported)) << at;
  }
}

TYPED_TEST(COptions, WithAnImpossibleSizeAreRefused) {
  TypeParam options{};
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{4}, sizeof(TypeParam) - 1,
        sizeof(TypeParam) + 1, std::size_t{1} << 20, ~std::size_t{0}, ~std::size_t{7}}) {
    options.size = size;
    EXPECT_TRUE(failed(c_interface::known_options(&options, "options"), Errc::kInvalidArgument))
        << size;
  }
}

TYPED_TEST(COptions, AreAllDefaultsWhereTheyAreNull) {
  const auto known = c_interface::known_options<TypeParam>(nullptr, "options");
  ASSERT_TRUE(ok(known));
  EXPECT_EQ(this->bytes_of(*known), this->bytes_of(TypeParam{}));
}

TEST_F(CInterface, OptionsThatThisVersionDoesNotKnowChangeNothing) {
  struct Later {
    blkrewind_snapshot_options known;
    std::uint64_t unknown;
  } later = {BLKREWIND_INIT(blkrewind_snapshot_options), 1};
  later.known.size = sizeof later;
  later.known.name = "later";
  EXPECT_TRUE(failed(blkrewind_snapshot(engine_.get(), image_.c_str(), &later.known, nullptr,
                                        nullptr, error_.out()),
                     BLKREWIND_UNSUPPORTED));
  EXPECT_THAT(listed(), testing::IsEmpty());
  later.unknown = 0;
  EXPECT_TRUE(ok(blkrewind_snapshot(engine_.get(), image_.c_str(), &later.known, nullptr, nullptr,
                                    error_.out())));
  EXPECT_THAT(listed(), testing::ElementsAre(image_, "later"));

  blkrewind_snapshot_options reserved = BLKREWIND_INIT(blkrewind_snapshot_options);
  reserved.reserved = 1;
  EXPECT_TRUE(failed(
      blkrewind_snapshot(engine_.get(), image_.c_str(), &reserved, nullptr, nullptr, error_.out()),
      BLKREWIND_UNSUPPORTED));
  blkrewind_undo_options undo = BLKREWIND_INIT(blkrewind_undo_options);
  undo.reserved = 1;
  EXPECT_TRUE(
      failed(blkrewind_undo(engine_.get(), image_.c_str(), &undo, nullptr, nullptr, error_.out()),
             BLKREWIND_UNSUPPORTED));
}

}  // namespace
}  // namespace blkrewind::test
