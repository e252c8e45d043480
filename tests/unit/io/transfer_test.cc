// One request step by step: the reaction to each result of the kernel.
#include "io/transfer.h"

#include <gtest/gtest.h>

#include <array>
#include <cerrno>

#include "support/loop_device.h"
#include "support/temp_dir.h"

namespace blkrewind::io {
namespace {

class TransferTest : public testing::Test {
 protected:
  TransferTest() {
    test::make_sparse_file(directory_.file("f"), 64 * kKiB);
    auto opened = LocalFile::open(directory_.file("f"), {.access = Access::kReadWrite});
    if (!opened) throw std::runtime_error(opened.error().to_string());
    file_ = std::move(*opened);
  }
  LocalFile& file() { return static_cast<LocalFile&>(*file_); }
  Transfer start(Op op, Extent extent) {
    return Transfer({op, file_.get(), extent, bytes_.data(), 9}, file());
  }

  test::TempDir directory_;
  std::unique_ptr<File> file_;
  alignas(4096) std::array<std::byte, 64 * kKiB> bytes_ = {};
};

TEST_F(TransferTest, AShortTransferGoesOnWhereItStopped) {
  for (const Op op : {Op::kRead, Op::kWrite}) {
    Transfer transfer = start(op, {4096, 16384});
    EXPECT_EQ(transfer.step().extent, (Extent{4096, 16384}));
    transfer.advance(4096);
    ASSERT_FALSE(transfer.finished());
    EXPECT_EQ(transfer.step().extent, (Extent{8192, 12288}));
    EXPECT_EQ(transfer.step().data, bytes_.data() + 4096);
    transfer.advance(1);
    ASSERT_FALSE(transfer.finished());
    EXPECT_EQ(transfer.step().extent, (Extent{8193, 12287}));
    transfer.advance(12287);
    EXPECT_TRUE(transfer.finished());
    EXPECT_EQ(transfer.completion().error, 0);
    EXPECT_EQ(transfer.completion().user_data, 9U);
  }
}

TEST_F(TransferTest, TheEndOfAFileReadsAsZeroes) {
  bytes_.fill(std::byte{0xff});
  Transfer transfer = start(Op::kRead, {0, 16384});
  transfer.advance(4096);
  transfer.advance(0);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, 0);
  EXPECT_EQ(transfer.completion().missing_bytes, 12288U) << "they are no content of the file";
  EXPECT_EQ(bytes_[4095], std::byte{0xff});
  EXPECT_EQ(bytes_[4096], std::byte{0});
  EXPECT_EQ(bytes_[16383], std::byte{0});
  EXPECT_EQ(bytes_[16384], std::byte{0xff});
}

TEST_F(TransferTest, AWriteThatMovesNothingFails) {
  Transfer transfer = start(Op::kWrite, {0, 16384});
  transfer.advance(0);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, EIO);
}

TEST_F(TransferTest, InterruptedCallsAreMadeAgainForever) {
  Transfer transfer = start(Op::kRead, {0, 4096});
  for (int i = 0; i < 10000; ++i) transfer.advance(-EINTR);
  EXPECT_FALSE(transfer.finished());
}

TEST_F(TransferTest, CallsThatWouldBlockAreMadeAgainButNotForever) {
  Transfer transfer = start(Op::kRead, {0, 4096});
  EXPECT_FALSE(transfer.step().must_block);
  int calls = 0;
  for (; calls < 100000 && !transfer.finished(); ++calls) {
    transfer.advance(-EAGAIN);
    if (!transfer.finished()) {
      EXPECT_TRUE(transfer.step().must_block);
    }
  }
  EXPECT_GT(calls, 1);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, EAGAIN);
}

TEST_F(TransferTest, AFailedFlushIsNeverTriedAgain) {
  for (const int error : {EIO, EINTR, EAGAIN, ENOSPC}) {
    Transfer transfer = start(Op::kFlush, {});
    EXPECT_EQ(transfer.step().kind, Step::Kind::kSync);
    transfer.advance(-error);
    ASSERT_TRUE(transfer.finished());
    EXPECT_EQ(transfer.completion().error, error);
  }
}

TEST_F(TransferTest, AnAlignmentTheFileSystemRefusesGoesThroughTheCache) {
  if (file().alignment_bytes() == 1) GTEST_SKIP() << "no direct I/O in the temporary directory";
  Transfer transfer = start(Op::kWrite, {0, 8192});
  EXPECT_EQ(transfer.step().fd, file().fd());
  transfer.advance(-EINVAL);
  ASSERT_FALSE(transfer.finished());
  EXPECT_NE(transfer.step().fd, file().fd());
  transfer.advance(-EINVAL);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, EINVAL);
}

TEST_F(TransferTest, UnalignedRequestsTakeTheBufferedDescriptor) {
  if (file().alignment_bytes() == 1) GTEST_SKIP() << "no direct I/O in the temporary directory";
  EXPECT_EQ(start(Op::kRead, {0, 8192}).step().fd, file().fd());
  EXPECT_NE(start(Op::kRead, {1, 8192}).step().fd, file().fd());
  EXPECT_NE(start(Op::kRead, {0, 100}).step().fd, file().fd());
  const Transfer odd({Op::kRead, file_.get(), {0, 4096}, bytes_.data() + 1, 0}, file());
  EXPECT_NE(odd.step().fd, file().fd());
}

TEST_F(TransferTest, ZeroingFallsFromMethodToMethodAndTheFileRemembers) {
  Transfer transfer = start(Op::kWriteZeroes, {0, 8192});
  ASSERT_EQ(transfer.step().kind, Step::Kind::kFallocate);
  EXPECT_EQ(transfer.step().mode, fallocate_mode(ZeroMethod::kPunch));
  transfer.advance(-EOPNOTSUPP);
  ASSERT_EQ(transfer.step().kind, Step::Kind::kFallocate);
  EXPECT_EQ(transfer.step().mode, fallocate_mode(ZeroMethod::kZeroRange));
  transfer.advance(-EOPNOTSUPP);
  ASSERT_EQ(transfer.step().kind, Step::Kind::kWrite);
  EXPECT_EQ(transfer.step().extent, (Extent{0, 8192}));
  EXPECT_EQ(transfer.step().data[0], std::byte{0});
  transfer.advance(8192);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, 0);
  EXPECT_EQ(start(Op::kWriteZeroes, {0, 8192}).step().kind, Step::Kind::kWrite);
}

TEST_F(TransferTest, AnErrorWhileZeroingIsNoReasonToUseAnotherMethod) {
  Transfer transfer = start(Op::kWriteZeroes, {0, 8192});
  transfer.advance(-EIO);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, EIO);
  EXPECT_EQ(file().zero_method(), ZeroMethod::kPunch);
}

TEST_F(TransferTest, ADiscardThatIsNotSupportedIsTold) {
  Transfer transfer = start(Op::kDiscard, {0, 8192});
  transfer.advance(-EOPNOTSUPP);
  ASSERT_TRUE(transfer.finished());
  EXPECT_EQ(transfer.completion().error, EOPNOTSUPP);
  EXPECT_EQ(file().zero_method(), ZeroMethod::kPunch);
}

TEST(ZeroPieceTest, WhatSticksOutOfTheSectorsIsWritten) {
  const auto piece = [](std::uint64_t offset, std::uint64_t length) {
    return first_zero_piece({offset, length}, ZeroMethod::kPunch, 512, kMiB);
  };
  EXPECT_EQ(piece(0, 512).method, ZeroMethod::kPunch);
  EXPECT_EQ(piece(0, 1000).extent, (Extent{0, 512}));
  EXPECT_EQ(piece(512, 488).method, ZeroMethod::kWrite);
  EXPECT_EQ(piece(512, 488).extent, (Extent{512, 488}));
  EXPECT_EQ(piece(10, 5000).method, ZeroMethod::kWrite);
  EXPECT_EQ(piece(10, 5000).extent, (Extent{10, 502}));
  EXPECT_EQ(piece(10, 20).extent, (Extent{10, 20}));
}

TEST(ZeroPieceTest, PiecesAreBounded) {
  const Extent huge{0, 8 * kTiB};
  EXPECT_EQ(first_zero_piece(huge, ZeroMethod::kPunch, 4096, kMiB).extent.length,
            kMaxZeroPieceBytes);
  EXPECT_EQ(first_zero_piece(huge, ZeroMethod::kWrite, 4096, kMiB).extent.length, kMiB);
}

}  // namespace
}  // namespace blkrewind::io
