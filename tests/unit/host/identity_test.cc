// The table of evidence in host/identity.h, row by row.
#include "host/identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace blkrewind::host {
namespace {

using ::testing::HasSubstr;

constexpr Verdict kSame = Verdict::kSame;
constexpr Verdict kRecognised = Verdict::kRecognised;
constexpr Verdict kWeak = Verdict::kWeak;
constexpr Verdict kContradictory = Verdict::kContradictory;
constexpr Verdict kDifferent = Verdict::kDifferent;

DeviceIdentity nameless(Layer layer = Layer::kDisk) {
  DeviceIdentity identity;
  identity.layer = layer;
  identity.place = "/dev/vdb";
  identity.size_bytes = 1 << 20;
  identity.diskseq = 7;
  identity.boot_id = "boot-a";
  identity.filesystem_uuid = "fs-1";
  identity.table_uuid = "table-1";
  return identity;
}

DeviceIdentity disk() {
  DeviceIdentity identity = nameless();
  identity.place = "/dev/sda";
  identity.serial = "S1";
  identity.model = "M1";
  identity.wwn = "naa.5000";
  return identity;
}

DeviceIdentity partition_of(DeviceIdentity whole) {
  DeviceIdentity identity;
  identity.layer = Layer::kPartition;
  identity.place = whole.place + "1";
  identity.size_bytes = 1 << 19;
  identity.boot_id = whole.boot_id;
  identity.diskseq = whole.diskseq;
  identity.partition_number = 1;
  identity.partition_start_bytes = 1 << 16;
  identity.partition_uuid = "partuuid-1";
  identity.below.push_back(std::move(whole));
  return identity;
}

DeviceIdentity file() {
  DeviceIdentity identity;
  identity.layer = Layer::kFile;
  identity.place = "/images/a.img";
  identity.size_bytes = 1 << 20;
  identity.boot_id = "boot-a";
  identity.backing_id = {.device = 0xfe00, .inode = 12};
  identity.host_filesystem = "fsuuid-1";
  identity.generation = 900;
  identity.birth_ns = 5'000'000'000;
  identity.below.push_back(disk());
  return identity;
}

DeviceIdentity loop() {
  DeviceIdentity identity = file();
  identity.layer = Layer::kLoop;
  identity.place = "/dev/loop0";
  identity.backing_file = "/images/a.img";
  identity.diskseq = 7;
  return identity;
}

DeviceIdentity volume(Layer layer, std::string DeviceIdentity::*uuid) {
  DeviceIdentity identity = nameless(layer);
  identity.*uuid = "UUID-1";
  return identity;
}

DeviceIdentity other_boot(DeviceIdentity identity) {
  identity.boot_id = "boot-b";
  identity.diskseq = 99;
  identity.attachment.clear();
  for (DeviceIdentity& below : identity.below) below = other_boot(below);
  return identity;
}

template <class Change>
DeviceIdentity with(DeviceIdentity identity, Change change) {
  change(identity);
  return identity;
}

DeviceKind kind_of(const DeviceIdentity& identity) {
  return identity.layer == Layer::kFile ? DeviceKind::kFile : DeviceKind::kBlock;
}

Judgement check(const DeviceIdentity& then, const DeviceIdentity& now) {
  DeviceInfo info;
  info.kind = kind_of(now);
  info.path = now.place;
  info.identity = now;
  info.size_bytes = now.size_bytes;
  return judge(info, {kind_of(then), then.place, then.size_bytes, 10, then});
}

void expect(Verdict verdict, const DeviceIdentity& then, const DeviceIdentity& now,
            const std::string& word = {}) {
  const Judgement judgement = check(then, now);
  EXPECT_EQ(judgement.verdict, verdict) << judgement.why;
  EXPECT_THAT(judgement.why, HasSubstr(word));
  EXPECT_FALSE(judgement.why.empty());
}

TEST(Identity, EqualIsTheSameForEveryLayer) {
  for (const DeviceIdentity& identity :
       {disk(), nameless(), partition_of(disk()), partition_of(nameless()), file(), loop(),
        volume(Layer::kDm, &DeviceIdentity::dm_uuid),
        volume(Layer::kMd, &DeviceIdentity::md_uuid)}) {
    expect(kSame, identity, identity);
  }
}

TEST(Identity, ALoopDeviceOverAFileThatIsNotToBeSeenIsToldByItsAttachment) {
  const auto hide = [](DeviceIdentity& i) {
    i.generation = 0;
    i.birth_ns = 0;
    i.host_filesystem.clear();
    i.below.clear();
  };
  const DeviceIdentity hidden = with(loop(), hide);
  for (const DeviceIdentity& then : {loop(), hidden}) {
    expect(kSame, then, hidden, "attachment");
    expect(kWeak, then, with(hidden, [](auto& i) { i.diskseq = 8; }));
    expect(kWeak, then, with(hidden, [](auto& i) { i.diskseq = 0; }));
    expect(kWeak, then, other_boot(hidden));
    expect(kDifferent, then, with(hidden, [](auto& i) { i.backing_id.inode = 13; }));
    expect(kDifferent, then, with(hidden, [](auto& i) { i.backing_offset = 512; }));
    expect(kWeak, then, with(hidden, [](auto& i) { i.backing_id.device = 0xfe01; }));
  }
  // An image file has no attachment.
  expect(kWeak, file(), with(file(), hide));
}

TEST(Identity, AnotherLayerIsAnotherDevice) {
  const DeviceIdentity layers[] = {disk(),
                                   partition_of(disk()),
                                   file(),
                                   loop(),
                                   volume(Layer::kDm, &DeviceIdentity::dm_uuid),
                                   volume(Layer::kMd, &DeviceIdentity::md_uuid)};
  for (const DeviceIdentity& then : layers) {
    for (const DeviceIdentity& now : layers) {
      if (then.layer != now.layer) expect(kDifferent, then, now, "now");
    }
  }
}

TEST(Identity, EachHardwareFactThatDiffersOrIsGoneIsAnotherDisk) {
  for (const auto fact : {&DeviceIdentity::serial, &DeviceIdentity::wwn, &DeviceIdentity::model,
                          &DeviceIdentity::unit}) {
    DeviceIdentity then = disk();
    then.unit = "namespace 1";
    DeviceIdentity now = other_boot(then);
    expect(kSame, then, now);
    now.*fact = "another";
    expect(kDifferent, then, now, "another");
    now.*fact = "";
    expect(kDifferent, then, now, "unknown");
  }
}

TEST(Identity, AModelAloneIsNoProof) {
  const auto then = with(nameless(), [](auto& d) { d.model = "M1"; });
  expect(kDifferent, then, with(then, [](auto& d) { d.diskseq = 8; }), "diskseq");
}

TEST(Identity, TheBootAreaOfAnEmmcIsNotItsMainArea) {
  expect(kDifferent, disk(), with(disk(), [](auto& d) { d.unit = "boot0"; }), "boot0");
}

TEST(Identity, ASizeNeitherProvesNorDisprovesHardware) {
  expect(kSame, disk(), with(other_boot(disk()), [](auto& d) { d.size_bytes = 9; }));
}

TEST(Identity, ContentNeverOverrulesProof) {
  const auto wipe = [](auto& d) {
    d.filesystem_uuid = "fs-2";
    d.table_uuid = "";
  };
  expect(kSame, disk(), with(other_boot(disk()), wipe));
  expect(kSame, nameless(), with(nameless(), wipe));
  expect(kSame, file(), with(file(), wipe));
}

TEST(Identity, ASharedHardwareIdProvesNothing) {
  const auto shared = with(disk(), [](auto& d) { d.shared_hardware = true; });
  expect(kSame, shared, disk(), "attachment");
  expect(kDifferent, shared, with(disk(), [](auto& d) { d.diskseq = 8; }), "diskseq");
  expect(kDifferent, shared, with(disk(), [](auto& d) { d.serial = "S2"; }), "S2");
  expect(kRecognised, shared, other_boot(disk()), "content");
}

TEST(Identity, VolumesGoByTheirUuid) {
  for (const auto& [layer, uuid] : {std::pair{Layer::kDm, &DeviceIdentity::dm_uuid},
                                    std::pair{Layer::kMd, &DeviceIdentity::md_uuid}}) {
    const DeviceIdentity then = volume(layer, uuid);
    DeviceIdentity now = other_boot(then);
    now.place = "elsewhere";
    expect(kSame, then, now, "UUID-1");
    now.*uuid = "UUID-2";  // a snapshot or a clone of the volume
    expect(kDifferent, then, now, "UUID-2");
    now.*uuid = "";
    if (layer == Layer::kDm) expect(kDifferent, then, now, "unknown");
    if (layer == Layer::kMd) expect(kWeak, then, now, "cannot be read");
  }
}

TEST(Identity, ADmDeviceWithoutUuidIsNamelessAndStandsOnWhatItStood) {
  DeviceIdentity then = nameless(Layer::kDm);
  then.place = "scratch";
  then.below.push_back(disk());
  expect(kRecognised, then, other_boot(then), "scratch");
  DeviceIdentity now = other_boot(then);
  now.below.front().serial = "S2";
  expect(kContradictory, then, now, "S2");
}

TEST(Identity, APartitionIsItsDiskAndItsSlot) {
  const DeviceIdentity then = partition_of(disk());
  expect(kSame, then, other_boot(then), "S1");
  const auto moved = with(then, [](auto& p) { p.partition_start_bytes += 512; });
  expect(kContradictory, then, moved, "partuuid-1");
  const auto renumbered = with(then, [](auto& p) { p.partition_number = 2; });
  expect(kContradictory, then, renumbered, "partuuid-1");
  const auto other = with(then, [](auto& p) { p.partition_uuid = "partuuid-2"; });
  expect(kDifferent, then, other, "partuuid-2");
  // The table was copied to another disk.
  const auto copied = with(then, [](auto& p) { p.below.front().serial = "S2"; });
  expect(kDifferent, then, copied, "S2");
}

TEST(Identity, APartitionOfATableWithoutIdGoesByNumberAndStart) {
  const auto then = with(partition_of(disk()), [](auto& p) { p.partition_uuid = ""; });
  expect(kSame, then, other_boot(then));
  expect(kDifferent, then, with(then, [](auto& p) { p.partition_number = 2; }), "2 at byte");
  expect(kDifferent, then, with(then, [](auto& p) { p.partition_start_bytes = 512; }), "512");
}

TEST(Identity, APartitionIsAsCertainAsItsDisk) {
  const DeviceIdentity then = partition_of(nameless());
  expect(kRecognised, then, other_boot(then));
  DeviceIdentity now = other_boot(then);
  now.below.front().table_uuid = "table-2";
  expect(kWeak, then, now, "table-2");
  now = then;
  now.below.front().diskseq = 8;
  expect(kDifferent, then, now, "diskseq");
}

TEST(Identity, ThePartitionIsNotTheDiskOfItsSerial) {
  expect(kDifferent, disk(), partition_of(disk()), "a partition");
  expect(kDifferent, partition_of(disk()), disk(), "a whole disk");
}

TEST(Identity, AnInodeNumberThatIsUsedAgainIsAnotherFile) {
  for (const auto make : {&file, &loop}) {
    const DeviceIdentity then = make();
    expect(kDifferent, then, with(then, [](auto& f) { f.backing_id.inode = 13; }), "inode 13");
    expect(kDifferent, then, with(then, [](auto& f) { f.generation = 901; }), "generation");
    expect(kDifferent, then, with(then, [](auto& f) { f.birth_ns += 1; }), "birth");
    expect(kDifferent, then, with(then, [](auto& f) { f.host_filesystem = "fsuuid-2"; }),
           "fsuuid-2");
  }
}

TEST(Identity, ARenamedFileIsTheSame) {
  expect(kSame, file(), with(other_boot(file()), [](auto& f) {
           f.place = "/elsewhere/b.img";
           f.backing_id.device = 0xfe01;
         }));
  expect(kSame, loop(), with(other_boot(loop()), [](auto& f) {
           f.place = "/dev/loop5";
           f.backing_file = "/elsewhere/b.img";
         }));
}

TEST(Identity, OneOfGenerationAndBirthIsEnough) {
  for (const bool generation : {false, true}) {
    const auto then = with(file(), [&](auto& f) {
      if (generation) f.birth_ns = 0;
      if (!generation) f.generation = 0;
    });
    expect(kSame, then, then);
  }
}

TEST(Identity, AnInodeNumberAloneIsWeakUntilTheCallerVouchesForIt) {
  const auto then = with(file(), [](auto& f) { f.generation = 0, f.birth_ns = 0; });
  expect(kWeak, then, then, "may have been reused");
  const auto vouched = with(then, [](auto& f) { f.vouched = true; });
  expect(kRecognised, vouched, then, "confirmed by disk adopt");
  expect(kWeak, vouched, with(then, [](auto& f) { f.place = "/other.img"; }));
  expect(kDifferent, vouched, with(then, [](auto& f) { f.backing_id.inode = 13; }));
}

TEST(Identity, AClonedMediumContradicts) {
  for (const auto make : {&file, &loop}) {
    const auto now = with(make(), [](auto& f) { f.below.front().serial = "S2"; });
    expect(kContradictory, make(), now, "S2");
  }
}

TEST(Identity, WhatHoldsAFileIsOnlyAgainstItWhenThatIsProven) {
  const auto on_nameless = with(file(), [](auto& f) { f.below = {nameless()}; });
  // Another boot, in which its disk has another name: no evidence against it.
  const auto renamed = with(other_boot(on_nameless), [](auto& f) {
    f.below.front().place = "/dev/vdc";
    f.below.front().filesystem_uuid = "";
  });
  expect(kSame, on_nameless, renamed);
  const auto other = with(on_nameless, [](auto& f) { f.below.front().diskseq = 8; });
  expect(kContradictory, on_nameless, other, "diskseq");
}

TEST(Identity, WithoutAFileSystemUuidThePathOrTheBootCounts) {
  const auto then = with(file(), [](auto& f) { f.host_filesystem = ""; });
  expect(kSame, then, then);
  expect(kSame, then, with(then, [](auto& f) { f.place = "/b.img"; }));  // this boot, this device
  const auto moved = with(other_boot(then), [](auto& f) {
    f.place = "/b.img";
    f.backing_id.device = 0xfe01;
  });
  expect(kWeak, then, moved, "file system is not known");
}

TEST(Identity, ALoopIsItsWindowToo) {
  expect(kDifferent, loop(), with(loop(), [](auto& l) { l.backing_offset = 512; }), "offset");
  expect(kDifferent, loop(), with(loop(), [](auto& l) { l.backing_limit = 512; }), "limit");
  expect(kSame, loop(), with(loop(), [](auto& l) { l.diskseq = 8; }));
}

TEST(Identity, ALoopOverABlockDeviceIsThatDevice) {
  const auto then = with(loop(), [](auto& l) { l.backing_id = {0x800, 0}; });
  expect(kSame, then, with(other_boot(then), [](auto& l) { l.backing_id = {0x810, 0}; }), "S1");
  expect(kDifferent, then, with(then, [](auto& l) { l.below.front().serial = "S2"; }), "S2");
  expect(kDifferent, then, loop(), "backing file");
}

TEST(Identity, NamelessInOneBootGoesByItsAttachment) {
  expect(kSame, nameless(), with(nameless(), [](auto& d) { d.place = "/dev/vdc"; }));
  expect(kDifferent, nameless(), with(nameless(), [](auto& d) { d.diskseq = 8; }), "diskseq");
  const auto served = with(nameless(), [](auto& d) { d.attachment = "100"; });
  expect(kDifferent, served, with(served, [](auto& d) { d.attachment = "200"; }), "200");
}

TEST(Identity, NamelessInAnotherBootGoesByPlaceSizeAndAllContent) {
  const DeviceIdentity now = other_boot(nameless());
  expect(kRecognised, nameless(), now, "/dev/vdb");
  expect(kWeak, nameless(), with(now, [](auto& d) { d.filesystem_uuid = "fs-2"; }), "fs-2");
  expect(kWeak, nameless(), with(now, [](auto& d) { d.table_uuid = ""; }), "without a UUID");
  expect(kWeak, nameless(), with(now, [](auto& d) { d.size_bytes = 9; }), "size");
  // A copy would look the same.
  expect(kWeak, nameless(), with(now, [](auto& d) { d.place = "/dev/vdc"; }), "/dev/vdc");
  expect(kWeak, nameless(), with(now, [](auto& d) { d.serial = "S9"; }), "S9");
}

TEST(Identity, NamelessWithoutAnyContentIsWeakAtItsPlaceAndNothingElsewhere) {
  const auto then = with(nameless(), [](auto& d) {
    d.filesystem_uuid = "";
    d.table_uuid = "";
  });
  expect(kWeak, then, other_boot(then), "nothing else is known");
  expect(kDifferent, then, with(other_boot(then), [](auto& d) { d.place = "/dev/vdc"; }));
  expect(kDifferent, nameless(), with(other_boot(nameless()), [](auto& d) {
           d.place = "/dev/vdc";
           d.filesystem_uuid = "fs-2";
         }));
}

TEST(Identity, WithoutAnAttachmentNumberTheCallerMayVouchForAPlaceInThisBoot) {
  const auto then = with(nameless(), [](auto& d) {
    d.diskseq = 0;
    d.filesystem_uuid = "";
    d.table_uuid = "";
  });
  expect(kWeak, then, then);
  const auto vouched = with(then, [](auto& d) { d.vouched = true; });
  expect(kRecognised, vouched, then, "confirmed by disk adopt");
  expect(kWeak, vouched, other_boot(then));
}

TEST(Identity, ADifferenceNamesThenAndNow) {
  const Judgement judgement = check(disk(), with(disk(), [](auto& d) { d.serial = "S2"; }));
  EXPECT_THAT(judgement.why, HasSubstr("S1"));
  EXPECT_THAT(judgement.why, HasSubstr("S2"));
}

// The record of a version before layers.
DeviceIdentity old_of(const DeviceIdentity& now) {
  DeviceIdentity old;
  const DeviceIdentity& whole = now.layer == Layer::kPartition ? now.below.front() : now;
  old.serial = whole.serial;
  old.wwn = whole.wwn;
  old.dm_uuid = whole.dm_uuid;
  old.backing_file = now.backing_file;
  old.backing_id = now.backing_id;
  old.backing_offset = now.backing_offset;
  old.diskseq = now.diskseq;
  old.boot_id = now.boot_id;
  old.partition_uuid = now.partition_uuid;
  old.table_uuid = now.table_uuid;
  old.filesystem_uuid = now.filesystem_uuid;
  return old;
}

constexpr std::int64_t kRegisteredAt = 2'000'000'000;

// `then` was recorded of a device of this size and path.
void expect_old(Verdict verdict, const DeviceIdentity& recorded, const DeviceIdentity& now,
                std::int64_t registered_at = kRegisteredAt) {
  DeviceInfo info;
  info.kind = kind_of(now);
  info.path = now.place;
  info.identity = now;
  info.size_bytes = now.size_bytes;
  const Judgement judgement = judge(info, {kind_of(recorded), recorded.place, recorded.size_bytes,
                                           registered_at, old_of(recorded)});
  EXPECT_EQ(judgement.verdict, verdict) << judgement.why;
}

TEST(OldIdentity, WhatItRecordedStillCounts) {
  expect_old(kSame, disk(), other_boot(disk()));
  expect_old(kSame, partition_of(disk()), other_boot(partition_of(disk())));
  expect_old(kSame, volume(Layer::kDm, &DeviceIdentity::dm_uuid),
             other_boot(volume(Layer::kDm, &DeviceIdentity::dm_uuid)));
  expect_old(kSame, nameless(), nameless());
  expect_old(kRecognised, nameless(), other_boot(nameless()));
  expect_old(kSame, file(), file());
  expect_old(kSame, loop(), with(loop(), [](auto& l) { l.place = "/dev/loop4"; }));
}

TEST(OldIdentity, APartitionIsNotTakenForItsDisk) {
  expect_old(kDifferent, disk(), partition_of(disk()));
  // In a table without ids, and of the registered size: it may be the same one.
  const auto plain = with(partition_of(disk()), [](auto& p) { p.partition_uuid = ""; });
  expect_old(kWeak, plain, plain);
  expect_old(kDifferent, partition_of(disk()), disk());
}

TEST(OldIdentity, ASizeThatDiffersIsNoProof) {
  expect_old(kWeak, disk(), with(disk(), [](auto& d) { d.size_bytes = 9; }));
  expect_old(kWeak, file(), with(file(), [](auto& f) { f.size_bytes = 9; }));
}

TEST(OldIdentity, AnImageFileNeedsItsPathAndMustBeOlderThanTheRecord) {
  expect_old(kWeak, file(), with(file(), [](auto& f) { f.place = "/b.img"; }));
  expect_old(kWeak, file(), with(file(), [](auto& f) { f.backing_id.device = 1; }));
  expect_old(kWeak, file(), with(file(), [](auto& f) { f.birth_ns = 0; }));
  expect_old(kDifferent, file(),
             with(file(), [](auto& f) { f.birth_ns = (kRegisteredAt + 2) * 1'000'000'000; }));
  expect_old(kDifferent, file(), with(file(), [](auto& f) { f.backing_id.inode = 13; }));
}

TEST(OldIdentity, ARecordOfBeforeTheClockWasSetIsNeitherOlderNorYounger) {
  const auto young = with(file(), [](auto& f) { f.birth_ns = kRegisteredAt * 1'000'000'000; });
  expect_old(kRecognised, young, young, 10);
  expect_old(kWeak, young, with(young, [](auto& f) { f.place = "/b.img"; }), 10);
  expect_old(kWeak, young, with(young, [](auto& f) { f.size_bytes = 9; }), 10);
}

TEST(Identity, OneHardwareIdIsSeenThroughPartitions) {
  EXPECT_TRUE(same_hardware_id(disk(), disk()));
  EXPECT_TRUE(same_hardware_id(partition_of(disk()), partition_of(disk())));
  EXPECT_FALSE(same_hardware_id(disk(), with(disk(), [](auto& d) { d.serial = "S2"; })));
  EXPECT_FALSE(same_hardware_id(nameless(), nameless()));
  EXPECT_FALSE(same_hardware_id(file(), file())) << "what holds a file is not the file";
}

}  // namespace
}  // namespace blkrewind::host
