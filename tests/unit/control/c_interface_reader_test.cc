// Snapshots that are read through the C interface.
#include <atomic>
#include <filesystem>
#include <thread>

#include "unit/control/c_interface_fixture.h"

namespace blkrewind::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using CReader = Owned<blkrewind_reader, blkrewind_reader_close>;

struct Range {
  std::uint64_t offset;
  std::uint64_t length;
  int data;
  bool operator==(const Range&) const = default;
  friend void PrintTo(const Range& range, std::ostream* to) {
    *to << range.offset << "+" << range.length << (range.data == 1 ? " data" : " zero");
  }
};

constexpr std::uint64_t kChunk = 65536;

// "one": 'a' but for zeroes in chunks 2 and 3. "two": 'b' in chunk 5 since then.
class CSnapshotReader : public CInterface {
 protected:
  void SetUp() override {
    CInterface::SetUp();
    fill(image_, 2 * kChunk, 2 * kChunk, '\0');
    ASSERT_TRUE(ok(take("one")));
    one_ = read_file(image_);
    fill(image_, 5 * kChunk + 7, 3, 'b');
    ASSERT_TRUE(ok(take("two")));
    two_ = read_file(image_);
  }

  void open_snapshot(CReader& reader, const char* name) {
    ASSERT_TRUE(ok(
        blkrewind_open_snapshot(engine_.get(), name, image_.c_str(), reader.out(), error_.out())));
  }
  std::string read(const CReader& reader, std::uint64_t offset, std::size_t length) {
    std::string bytes(length, '?');
    EXPECT_TRUE(
        ok(blkrewind_reader_read(reader.get(), bytes.data(), length, offset, error_.out())));
    return bytes;
  }

  std::string one_;
  std::string two_;
};

TEST_F(CSnapshotReader, ReadsWhatTheSnapshotHolds) {
  CReader one;
  CReader two;
  open_snapshot(one, "one");
  open_snapshot(two, "two");
  const blkrewind_snapshot_info* const info = blkrewind_reader_info(one.get());
  EXPECT_STREQ(info->name, "one");
  EXPECT_EQ(info->device_bytes, kImageBytes);
  EXPECT_EQ(info->chunk_bytes, kChunk);
  EXPECT_EQ(read(one, 0, kImageBytes), one_);
  EXPECT_EQ(read(two, 0, kImageBytes), two_);
  EXPECT_EQ(read(two, 5 * kChunk + 6, 5), "abbba");
  EXPECT_EQ(read(one, kImageBytes, 0), "");
  EXPECT_TRUE(ok(blkrewind_reader_read(one.get(), nullptr, 0, 0, error_.out())));
  char byte = 0;
  EXPECT_TRUE(failed(blkrewind_reader_read(one.get(), &byte, 1, kImageBytes, error_.out()),
                     BLKREWIND_INVALID_ARGUMENT));
  EXPECT_TRUE(failed(blkrewind_reader_read(one.get(), &byte, 1, ~std::uint64_t{0}, error_.out()),
                     BLKREWIND_INVALID_ARGUMENT));
}

TEST_F(CSnapshotReader, TellsWhereThereIsData) {
  CReader one;
  open_snapshot(one, "one");
  std::vector<Range> found;
  const auto keep = [](void* user, const blkrewind_extent* extent, int data) {
    static_cast<std::vector<Range>*>(user)->push_back(
        {extent->offset_bytes, extent->length_bytes, data});
    return 0;
  };
  ASSERT_TRUE(ok(blkrewind_reader_extents(one.get(), nullptr, keep, &found, error_.out())));
  EXPECT_THAT(found, ElementsAre(Range{0, 2 * kChunk, 1}, Range{2 * kChunk, 2 * kChunk, 0},
                                 Range{4 * kChunk, 12 * kChunk, 1}));
  found.clear();
  const blkrewind_extent within = {3 * kChunk, kChunk + 1};
  ASSERT_TRUE(ok(blkrewind_reader_extents(one.get(), &within, keep, &found, error_.out())));
  EXPECT_THAT(found, ElementsAre(Range{3 * kChunk, kChunk, 0}, Range{4 * kChunk, 1, 1}));

  const auto end = [](void* user, const blkrewind_extent* extent, int data) {
    static_cast<std::vector<Range>*>(user)->push_back(
        {extent->offset_bytes, extent->length_bytes, data});
    return 1;
  };
  found.clear();
  ASSERT_TRUE(ok(blkrewind_reader_extents(one.get(), nullptr, end, &found, error_.out())));
  EXPECT_EQ(found.size(), 1U);
  const blkrewind_extent beyond = {1, kImageBytes};
  EXPECT_TRUE(failed(blkrewind_reader_extents(one.get(), &beyond, keep, &found, error_.out()),
                     BLKREWIND_INVALID_ARGUMENT));
}

TEST_F(CSnapshotReader, TellsWhatChanged) {
  CReader one;
  CReader two;
  open_snapshot(one, "one");
  open_snapshot(two, "two");
  std::vector<Range> found;
  const auto keep = [](void* user, const blkrewind_extent* extent) {
    static_cast<std::vector<Range>*>(user)->push_back(
        {extent->offset_bytes, extent->length_bytes, 1});
    return 0;
  };
  ASSERT_TRUE(ok(
      blkrewind_reader_changed_since(two.get(), one.get(), nullptr, keep, &found, error_.out())));
  EXPECT_THAT(found, ElementsAre(Range{5 * kChunk, kChunk, 1}));
  const blkrewind_extent within = {0, kChunk};
  found.clear();
  ASSERT_TRUE(ok(
      blkrewind_reader_changed_since(two.get(), one.get(), &within, keep, &found, error_.out())));
  EXPECT_TRUE(found.empty());

  image_ = make_image("other.img", 'c');
  ASSERT_TRUE(ok(take("three")));
  CReader three;
  open_snapshot(three, "three");
  EXPECT_TRUE(failed(
      blkrewind_reader_changed_since(two.get(), three.get(), nullptr, keep, &found, error_.out()),
      BLKREWIND_INVALID_ARGUMENT));
}

TEST_F(CSnapshotReader, AVisitMayRead) {
  struct Copy {
    blkrewind_reader* reader;
    std::string bytes;
  };
  CReader two;
  open_snapshot(two, "two");
  Copy copy{two.get(), std::string(kImageBytes, '\0')};
  const auto visit = [](void* user, const blkrewind_extent* extent, int data) {
    auto& to = *static_cast<Copy*>(user);
    return data == 0 ? 0
                     : blkrewind_reader_read(to.reader, to.bytes.data() + extent->offset_bytes,
                                             extent->length_bytes, extent->offset_bytes, nullptr);
  };
  ASSERT_TRUE(ok(blkrewind_reader_extents(two.get(), nullptr, visit, &copy, error_.out())));
  EXPECT_EQ(copy.bytes, two_);
}

TEST_F(CSnapshotReader, OutlivesTheHandleOfItsEngine) {
  CReader one;
  open_snapshot(one, "one");
  engine_.reset();
  EXPECT_EQ(read(one, 0, kImageBytes), one_);
  CEngine other;
  open_store(other);
  EXPECT_TRUE(
      failed(blkrewind_delete(other.get(), "one", nullptr, nullptr, error_.out()), BLKREWIND_BUSY))
      << "it is still open";
  one.reset();
  EXPECT_TRUE(ok(blkrewind_delete(other.get(), "one", nullptr, nullptr, error_.out())));
}

TEST_F(CSnapshotReader, KeepsItsSnapshotFromBeingDeleted) {
  CReader one;
  open_snapshot(one, "one");
  EXPECT_TRUE(failed(blkrewind_delete(engine_.get(), "one", nullptr, nullptr, error_.out()),
                     BLKREWIND_BUSY));
  EXPECT_TRUE(ok(blkrewind_delete(engine_.get(), "two", nullptr, nullptr, error_.out())));
  one.reset();
  EXPECT_TRUE(ok(blkrewind_delete(engine_.get(), "one", nullptr, nullptr, error_.out())));
}

TEST_F(CSnapshotReader, ADamagedChunkIsAnErrorThatNamesIt) {
  engine_.reset();
  // Every byte of the segments but for their trees: "one" has 14 chunks of 'a', stored as such.
  for (const auto& entry :
       std::filesystem::directory_iterator(directory_.file("store/disks/1/segments"))) {
    const std::string content = read_file(entry.path());
    const std::size_t at = content.find(std::string(kChunk, 'a'));
    if (at != std::string::npos) fill(entry.path(), at + 100, 1, 'x');
  }
  open_store(engine_);
  CReader one;
  open_snapshot(one, "one");
  std::string bytes(kImageBytes, '?');
  ASSERT_TRUE(failed(blkrewind_reader_read(one.get(), bytes.data(), bytes.size(), 0, error_.out()),
                     BLKREWIND_INTEGRITY));
  blkrewind_extent extent = {1, 1};
  ASSERT_EQ(blkrewind_error_extent(error_.get(), &extent), 1);
  EXPECT_EQ(extent.offset_bytes % kChunk, 0U);
  EXPECT_EQ(extent.length_bytes, kChunk);
  EXPECT_THAT(blkrewind_error_message(error_.get()),
              HasSubstr(blkrewind_reader_info(one.get())->id));
  // The others stay readable.
  std::size_t bad = 0;
  for (std::uint64_t at = 0; at < kImageBytes; at += kChunk) {
    const int code = blkrewind_reader_read(one.get(), bytes.data(), kChunk, at, error_.out());
    if (code == BLKREWIND_OK) continue;
    ++bad;
    EXPECT_EQ(code, BLKREWIND_INTEGRITY);
    EXPECT_EQ(at, extent.offset_bytes);
  }
  EXPECT_EQ(bad, 1U);
}

TEST_F(CSnapshotReader, IsReadBySeveralThreads) {
  CReader two;
  open_snapshot(two, "two");
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      std::string bytes(30000, '?');
      bool all = true;
      for (std::uint64_t at = 1000U * static_cast<unsigned>(i); at + bytes.size() < kImageBytes;
           at += 20000) {
        all = blkrewind_reader_read(two.get(), bytes.data(), bytes.size(), at, nullptr) ==
                  BLKREWIND_OK &&
              bytes == two_.substr(at, bytes.size()) && all;
      }
      if (all) ++right;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 4);
}

TEST_F(CSnapshotReader, ANameIsLookedUpWhereItIsSaid) {
  CReader reader;
  ASSERT_TRUE(
      ok(blkrewind_open_snapshot(engine_.get(), "two", nullptr, reader.out(), error_.out())));
  EXPECT_STREQ(blkrewind_reader_info(reader.get())->name, "two");
  EXPECT_TRUE(failed(
      blkrewind_open_snapshot(engine_.get(), "three", image_.c_str(), reader.out(), error_.out()),
      BLKREWIND_NOT_FOUND));
  EXPECT_TRUE(reader.is_null());
}

TEST_F(CSnapshotReader, ANullIsAnErrorWhereItIsNotAllowed) {
  CReader reader;
  open_snapshot(reader, "one");
  blkrewind_reader* const one = reader.get();
  CReader none;
  const auto visit = [](void*, const blkrewind_extent*, int) { return 0; };
  const auto change = [](void*, const blkrewind_extent*) { return 0; };
  char byte = 0;
  blkrewind_error** const e = error_.out();
  blkrewind_engine* const engine = engine_.get();
  const std::vector<std::function<int()>> calls = {
      [&] { return blkrewind_open_snapshot(nullptr, "one", nullptr, none.out(), e); },
      [&] { return blkrewind_open_snapshot(engine, nullptr, nullptr, none.out(), e); },
      [&] { return blkrewind_open_snapshot(engine, "one", nullptr, nullptr, e); },
      [&] { return blkrewind_reader_read(nullptr, &byte, 1, 0, e); },
      [&] { return blkrewind_reader_read(one, nullptr, 1, 0, e); },
      [&] { return blkrewind_reader_extents(nullptr, nullptr, visit, nullptr, e); },
      [&] { return blkrewind_reader_extents(one, nullptr, nullptr, nullptr, e); },
      [&] { return blkrewind_reader_changed_since(nullptr, one, nullptr, change, nullptr, e); },
      [&] { return blkrewind_reader_changed_since(one, nullptr, nullptr, change, nullptr, e); },
      [&] { return blkrewind_reader_changed_since(one, one, nullptr, nullptr, nullptr, e); },
  };
  for (std::size_t i = 0; i < calls.size(); ++i) {
    EXPECT_TRUE(failed(calls[i](), BLKREWIND_INVALID_ARGUMENT)) << i;
    EXPECT_THAT(blkrewind_error_message(error_.get()), HasSubstr("NULL")) << i;
    error_.reset();
  }
  EXPECT_EQ(blkrewind_reader_info(nullptr), nullptr);
  blkrewind_reader_close(nullptr);
}

}  // namespace
}  // namespace blkrewind::test
