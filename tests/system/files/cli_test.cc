// The built program on image files: every command, its exit statuses and its JSON.
#ifdef BLKREWIND_PROGRAM

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>

#include "system/cli_fixture.h"

namespace blkrewind::test {
namespace {

TEST_F(Cli, SnapshotMakesTheStoreAndTellsWhatItStored) {
  const json first = ask({"snapshot", image_, "--name", "before", "--description", "a note"});
  EXPECT_EQ(first.at("name"), "before");
  EXPECT_EQ(first.at("disk_registered"), true);
  EXPECT_EQ(first.at("device_bytes"), kDeviceBytes);
  EXPECT_EQ(first.at("stored_bytes"), 3 * kChunk);
  EXPECT_EQ(first.at("zero_bytes"), (kChunks - 3) * kChunk);
  EXPECT_EQ(first.at("root_digest").get<std::string>().size(), 32U);
  fill(2, 'd');
  const json second = ask({"snapshot", image_});
  EXPECT_EQ(second.at("disk_registered"), false);
  EXPECT_EQ(second.at("disk_id"), first.at("disk_id"));
  EXPECT_EQ(second.at("stored_bytes"), kChunk);
  EXPECT_TRUE(second.at("name").is_null());
  EXPECT_NE(second.at("root_digest"), first.at("root_digest"));
}

// In a script, "the last snapshot of this disk" is of that disk however many there are.
TEST_F(Cli, OfADiskIsSaidWhereATargetIsNotNamed) {
  const std::string other = program_.file("other.img");
  make_sparse_file(other, kDeviceBytes);
  const std::string mine = snapshot("same");
  const std::string theirs = ask({"snapshot", other, "--name", "same"}).value("snapshot_id", "");
  const std::string copy = program_.file("copy.img");
  const std::string clone = program_.file("clone.img");
  for (const std::string name : {"latest", "same"}) {
    for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{
             {"export", name, copy}, {"clone", name, clone}, {"verify", name}, {"delete", name}}) {
      const std::string hint = ask(line, 2).value("hint", "");
      EXPECT_NE(hint.find("--of TARGET"), std::string::npos) << line.front() << ": " << hint;
    }
    ask({"export", name, copy, "--of", image_});
    EXPECT_EQ(read_file(copy), content());
    std::filesystem::remove(copy);
  }
  const json made = ask({"clone", "latest", clone, "--of", other});
  EXPECT_EQ(made.at("origin_snapshot_id"), theirs);
  ask({"disk", "forget", clone, "--with-snapshots"});
  EXPECT_EQ(ask({"verify", "same", "--of", image_}).at("snapshot_count"), 1);
  snapshot("newer");
  EXPECT_EQ(ask({"verify", "--of", image_}).at("snapshot_count"), 2);
  ask({"delete", "newer", "--of", other}, 3);
  EXPECT_EQ(ask({"delete", "same", "--of", image_}).at("snapshot_id"), mine);
  EXPECT_EQ(ask({"delete", "latest", "--of", other}).at("snapshot_id"), theirs);
  ask({"verify", "--of", other}, 3);
}

TEST_F(Cli, RollbackUndoAndUndoOfTheUndo) {
  const std::string id = snapshot("before");
  const std::string before = content();
  fill(1, 'x');
  fill(30, 'y');
  const std::string after = content();

  const json plan = ask({"rollback", image_, "before", "--dry-run"});
  EXPECT_EQ(plan.at("dry_run"), true);
  EXPECT_EQ(plan.at("changed_bytes"), 2 * kChunk);
  EXPECT_TRUE(plan.at("undo_snapshot_id").is_null());
  EXPECT_EQ(content(), after);

  const json done = ask({"rollback", image_, "before"});
  EXPECT_EQ(done.at("snapshot_id"), id);
  EXPECT_EQ(done.at("changed_bytes"), 2 * kChunk);
  EXPECT_EQ(done.at("restored_bytes"), kChunk);
  EXPECT_EQ(done.at("zeroed_bytes"), kChunk);
  EXPECT_TRUE(done.at("undo_snapshot_id").is_string());
  EXPECT_FALSE(done.at("request_id").get<std::string>().empty());
  EXPECT_FALSE(done.at("change_source").get<std::string>().empty());
  EXPECT_TRUE(done.at("elapsed_seconds").is_number());
  EXPECT_EQ(content(), before);

  EXPECT_EQ(ask({"undo", image_}).at("snapshot_id"), done.at("undo_snapshot_id"));
  EXPECT_EQ(content(), after);
  ask({"undo", image_});
  EXPECT_EQ(content(), before);
}

TEST_F(Cli, RollbackWithoutUndoCannotBeTakenBack) {
  snapshot("before");
  fill(1, 'x');
  EXPECT_TRUE(ask({"rollback", image_, "latest", "--no-undo"}).at("undo_snapshot_id").is_null());
  ask({"undo", image_}, 3);
  ask({"resume", image_}, 3);
}

TEST_F(Cli, DiffListsExtentsOfDeviceAndOfSnapshots) {
  snapshot("one");
  const json same = ask({"diff", image_, "one"});
  EXPECT_EQ(same.at("changed_bytes"), 0);
  EXPECT_TRUE(same.at("extents").empty());
  EXPECT_TRUE(same.at("from").is_null());
  EXPECT_EQ(same.at("complete"), true);
  fill(1, 'x');
  fill(2, 'y');
  fill(20, 'z');
  const json expected = {{{"offset", kChunk}, {"length", 2 * kChunk}},
                         {{"offset", 20 * kChunk}, {"length", kChunk}}};
  const json differs = ask({"diff", image_, "one"});
  EXPECT_EQ(differs.at("extents"), expected);
  EXPECT_EQ(differs.at("changed_bytes"), 3 * kChunk);
  snapshot("two");
  EXPECT_EQ(ask({"diff", image_, "one", "two"}).at("extents"), expected);

  const CliOutcome quiet = program_.run({"-q", "diff", image_, "one"});
  EXPECT_EQ(quiet.status, 0) << "differences are no failure";
  std::istringstream lines(quiet.out);
  std::vector<std::uint64_t> numbers{std::istream_iterator<std::uint64_t>(lines), {}};
  EXPECT_EQ(numbers, (std::vector<std::uint64_t>{kChunk, 2 * kChunk, 20 * kChunk, kChunk}));
}

TEST_F(Cli, ListShowsDisksWithTheirSnapshots) {
  const std::string id = snapshot("before");
  const json list = ask({"list"});
  ASSERT_EQ(list.at("disks").size(), 1U);
  const json disk = list.at("disks").at(0);
  EXPECT_EQ(disk.at("instance_id"), "i-local");
  EXPECT_EQ(disk.at("status"), "In_use");
  EXPECT_TRUE(disk.at("pending_rollback").is_null());
  ASSERT_EQ(disk.at("snapshots").size(), 1U);
  EXPECT_EQ(disk.at("snapshots").at(0).at("snapshot_id"), id);
  EXPECT_EQ(disk.at("snapshots").at(0).at("status"), "accomplished");
  EXPECT_EQ(disk.at("snapshots").at(0).at("kind"), "user");
  EXPECT_EQ(ask({"list", image_}), list);
  EXPECT_EQ(ask({"list", disk.at("disk_id").get<std::string>()}), list);
  const CliOutcome text = program_.run({"list"});
  EXPECT_NE(text.out.find(id), std::string::npos) << text.out;
  ask({"list", "d-nosuchdisk"}, 3);
}

// It is written disk by disk, and is one object in one line all the same.
TEST_F(Cli, AListOfSeveralDisksIsOneObject) {
  using Ordered = nlohmann::ordered_json;
  EXPECT_EQ(program_.run({"store", "init"}).status, 0);
  EXPECT_EQ(program_.run({"--json", "list"}).out, "{\"disks\":[]}\n");
  EXPECT_EQ(program_.run({"list"}).out, "no disks in " + program_.store() + "\n");
  snapshot("one");
  const std::string other = program_.file("other.img");
  std::ofstream(other, std::ios::binary) << std::string(1 << 20, 'x');
  ask({"snapshot", other, "--name", "two"});
  const CliOutcome list = program_.run({"--json", "list"});
  const Ordered object = Ordered::parse(list.out, nullptr, false);
  ASSERT_TRUE(object.is_object()) << list.out;
  EXPECT_EQ(object.dump() + "\n", list.out);
  ASSERT_EQ(object.size(), 1U);
  ASSERT_EQ(object.at("disks").size(), 2U);
  Ordered one = object;
  one.at("disks").erase(0);
  EXPECT_EQ(program_.run({"--json", "list", other}).out, one.dump() + "\n");
  const std::string text = program_.run({"list"}).out;
  EXPECT_EQ(text, program_.run({"list", image_}).out + "\n" + program_.run({"list", other}).out);
}

TEST_F(Cli, ExportWritesTheImageAndImportTakesIt) {
  snapshot("before");
  const std::string before = content();
  const std::string copy = program_.file("copy.img");
  const json done = ask({"export", "before", copy});
  EXPECT_EQ(done.at("file"), copy);
  EXPECT_EQ(done.at("device_bytes"), kDeviceBytes);
  EXPECT_EQ(read_file(copy), before);
  struct stat info = {};
  ASSERT_EQ(stat(copy.c_str(), &info), 0);
  EXPECT_LT(static_cast<std::uint64_t>(info.st_blocks) * 512, kDeviceBytes) << "not sparse";
  ask({"export", "before", copy}, 3);  // it exists

  const std::string piped = program_.file("piped.img");
  const CliOutcome to_stdout = program_.run({"export", "before", "-"}, piped);
  EXPECT_EQ(to_stdout.status, 0) << to_stdout.err;
  EXPECT_EQ(read_file(piped), before);
  EXPECT_NE(to_stdout.err.find("exported"), std::string::npos);
  EXPECT_EQ(program_.run({"-q", "export", "before", "-"}, piped).err, "");

  fill(0, 'x');
  const json imported =
      ask({"import", image_, copy, "--name", "golden", "--created-at", "2020-02-02T02:02:02Z"});
  EXPECT_EQ(imported.at("name"), "golden");
  const json snapshots = ask({"list"}).at("disks").at(0).at("snapshots");
  bool seen = false;
  for (const json& one : snapshots) {
    if (one.at("name") != "golden") continue;
    seen = true;
    EXPECT_EQ(one.at("created_at"), 1580608922);
    EXPECT_EQ(one.at("kind"), "import");
  }
  EXPECT_TRUE(seen);
  ask({"rollback", image_, "golden"});
  EXPECT_EQ(content(), before);

  const std::string small = program_.file("small.img");
  make_sparse_file(small, kDeviceBytes / 2);
  const CliOutcome refused = program_.run({"import", image_, small});
  EXPECT_NE(refused.status, 0);
  EXPECT_NE(refused.err.find("blkrewind: "), std::string::npos);
}

TEST_F(Cli, DeleteGivesBackAndForgets) {
  snapshot("before");
  const json done = ask({"delete", "before"});
  EXPECT_TRUE(done.at("reclaimed_bytes").is_number());
  EXPECT_EQ(ask({"delete", "before"}, 3).at("code"), "InvalidSnapshotId.NotFound");
  EXPECT_TRUE(ask({"list"}).at("disks").at(0).at("snapshots").empty());
}

// One bit in the run of 'b', in the segment that contains it.
void damage_b(const std::string& store) {
  bool flipped = false;
  const std::string segments = store + "/disks/1/segments";
  for (const auto& entry : std::filesystem::recursive_directory_iterator(segments)) {
    if (!entry.is_regular_file()) continue;
    const std::size_t at = read_file(entry.path()).find(std::string(4096, 'b'));
    if (at == std::string::npos) continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(at + 100));
    file.put('B');
    flipped = file.flush().good();
  }
  ASSERT_TRUE(flipped);
}

TEST_F(Cli, VerifyFindsDamageAndExitsWith5) {
  snapshot("before");
  const json good = ask({"verify"});
  EXPECT_EQ(good.at("snapshot_count"), 1);
  EXPECT_EQ(good.at("chunk_count"), 3);
  EXPECT_TRUE(good.at("damaged").empty());
  EXPECT_EQ(ask({"verify", "before"}).at("damaged"), json::array());

  damage_b(program_.store());
  const CliOutcome outcome = program_.run({"--json", "verify"});
  EXPECT_EQ(outcome.status, 5);
  EXPECT_EQ(json::parse(outcome.out).at("damaged").size(), 1U);
  EXPECT_FALSE(json::parse(outcome.out).at("findings").empty());
  EXPECT_EQ(json::parse(outcome.err).at("code"), "Integrity");
  const CliOutcome quiet = program_.run({"-q", "verify"});
  EXPECT_EQ(quiet.status, 5);
  EXPECT_NE(quiet.out.find("DAMAGED"), std::string::npos) << "damage is not for -q to hide";
}

// Those that share what is damaged are damaged, too, though they were not verified.
TEST_F(Cli, VerifyOfOneNamesAllThatAreDamaged) {
  snapshot("before");
  snapshot("same");
  damage_b(program_.store());
  const CliOutcome outcome = program_.run({"--json", "verify", "before"});
  EXPECT_EQ(outcome.status, 5);
  const json damaged = json::parse(outcome.out).at("damaged");
  ASSERT_EQ(damaged.size(), 2U);
  EXPECT_EQ(json::parse(outcome.err).at("message"),
            "damage was found by verifying 1 snapshot in " + program_.store() + "; damaged: " +
                damaged.at(0).get<std::string>() + ", " + damaged.at(1).get<std::string>());
}

TEST_F(Cli, RefusesWithTheCodesOfTheApi) {
  snapshot("before");
  const std::string other = program_.file("other.img");
  make_sparse_file(other, kDeviceBytes);
  ask({"snapshot", other, "--name", "elsewhere"});
  const CliOutcome text = program_.run({"rollback", image_, "elsewhere"});
  EXPECT_EQ(text.status, 3);
  EXPECT_EQ(text.err.substr(0, text.err.find('\n')),
            "blkrewind: InvalidParameter.Mismatch: The specified snapshot is not created from the "
            "specified disk.");
  EXPECT_NE(text.err.find("\n  hint: "), std::string::npos) << text.err;
  const json refusal = ask({"rollback", image_, "elsewhere"}, 3);
  EXPECT_EQ(refusal.at("code"), "InvalidParameter.Mismatch");
  EXPECT_EQ(refusal.at("http_status"), 403);
  EXPECT_EQ(ask({"rollback", image_, "s-nosuch"}, 3).at("code"), "InvalidSnapshotId.NotFound");
  EXPECT_EQ(ask({"rollback", "d-nosuch", "before"}, 3).at("code"), "InvalidDiskId.NotFound");
}

TEST_F(Cli, InstancesDecideAboutTheirDisks) {
  snapshot("before");
  fill(1, 'x');
  const json made = ask({"instance", "create", "i-web", "--name", "web"});
  EXPECT_EQ(made.at("status"), "Stopped");
  EXPECT_EQ(made.at("name"), "web");
  ask({"instance", "create", "i-web"}, 3);
  ask({"disk", "detach", image_});
  EXPECT_EQ(ask({"rollback", image_, "before"}, 3).at("code"), "IncorrectDiskStatus");
  EXPECT_EQ(ask({"disk", "attach", image_, "--instance", "i-web"}).at("instance_id"), "i-web");
  EXPECT_EQ(ask({"instance", "show", "i-web"}).at("disk_ids").size(), 1U);

  EXPECT_EQ(ask({"instance", "start", "i-web"}).at("status"), "Running");
  EXPECT_EQ(ask({"rollback", image_, "before"}, 3).at("code"), "IncorrectInstanceStatus");
  EXPECT_EQ(ask({"instance", "stop", "i-web"}).at("status"), "Stopped");

  EXPECT_EQ(ask({"instance", "lock", "i-web"}).at("locks"), json{"security"});
  EXPECT_EQ(ask({"rollback", image_, "before"}, 3).at("code"), "InstanceLockedForSecurity");
  EXPECT_TRUE(ask({"instance", "unlock", "i-web", "--reason", "security"}).at("locks").empty());

  ask({"instance", "set", "i-web", "--expires-at", "2020-01-01", "--arrears", "no"});
  EXPECT_EQ(ask({"rollback", image_, "before"}, 3).at("code"), "InstanceExpiredOrInArrears");
  EXPECT_TRUE(
      ask({"instance", "set", "i-web", "--expires-at", "never"}).at("expires_at").is_null());
  EXPECT_EQ(ask({"instance", "set", "i-web", "--arrears", "yes"}).at("in_arrears"), true);
  EXPECT_EQ(ask({"rollback", image_, "before"}, 3).at("code"), "InstanceExpiredOrInArrears");
  ask({"instance", "set", "i-web", "--arrears", "no"});
  ask({"rollback", image_, "before"});

  bool listed = false;
  const json instances = ask({"instance", "show"}).at("instances");
  for (const json& one : instances) {
    listed = listed || one.at("instance_id") == "i-web";
  }
  EXPECT_TRUE(listed);
  ask({"disk", "detach", image_});
  EXPECT_EQ(ask({"instance", "delete", "i-web"}).at("deleted"), true);
  ask({"instance", "show", "i-web"}, 3);
}

TEST_F(Cli, AvailableDisksAreAcceptedWhenTheSettingSaysSo) {
  snapshot("before");
  fill(1, 'x');
  ask({"disk", "detach", image_});
  const std::vector<std::string> line = {"--store", program_.store(), "rollback", image_, "before"};
  EXPECT_EQ(program_.run_with({"BLKREWIND_ACCEPT_AVAILABLE=0"}, line).status, 3);
  EXPECT_EQ(program_.run_with({"BLKREWIND_ACCEPT_AVAILABLE=1"}, line).status, 0);
}

TEST_F(Cli, DisksAreRegisteredShownAdoptedAndForgotten) {
  const json made = ask({"disk", "register", image_, "--chunk-size", "16KiB"});
  const std::string id = made.at("disk_id");
  EXPECT_EQ(made.at("chunk_bytes"), 16384);
  EXPECT_EQ(ask({"disk", "show", image_}).at("disk_id"), id);
  ask({"snapshot", image_});
  ask({"snapshot", image_, "--chunk-size", "64KiB"}, 2);
  const std::string moved = program_.file("moved.img");
  std::filesystem::copy_file(image_, moved);
  EXPECT_EQ(ask({"disk", "adopt", id, moved}).at("path"), moved);
  ask({"disk", "forget", id}, 3);
  EXPECT_EQ(ask({"disk", "forget", id, "--with-snapshots"}).at("forgotten"), true);
  EXPECT_EQ(ask({"disk", "show", id}, 3).at("code"), "InvalidDiskId.NotFound");
}

TEST_F(Cli, StoreIsMadeDescribedAndTidied) {
  EXPECT_EQ(ask({"store", "info"}, 3).at("code"), "NotFound");
  const json made = ask({"store", "init"});
  EXPECT_EQ(made.at("created"), true);
  EXPECT_EQ(ask({"store", "init"}).at("created"), false);
  snapshot("before");
  const json info = ask({"store", "info"});
  EXPECT_EQ(info.at("uuid"), made.at("uuid"));
  EXPECT_EQ(info.at("disk_count"), 1);
  EXPECT_EQ(info.at("snapshot_count"), 1);
  EXPECT_GE(info.at("live_bytes"), 3 * kChunk);
  EXPECT_TRUE(ask({"store", "gc"}).at("reclaimed_bytes").is_number());
}

TEST_F(Cli, FindsTheStoreByItsVariableAndObeysTheOthers) {
  const std::string store = "BLKREWIND_STORE=" + program_.store();
  EXPECT_EQ(program_
                .run_with({store, "BLKREWIND_THREADS=1", "BLKREWIND_NO_IO_URING=1"},
                          {"snapshot", image_, "--name", "before"})
                .status,
            0);
  EXPECT_EQ(program_.run_with({store}, {"diff", image_, "before"}).status, 0);
  EXPECT_EQ(program_.run_with({store, "BLKREWIND_THREADS=many"}, {"list"}).status, 2);
  EXPECT_EQ(program_.run_with({store, "BLKREWIND_NO_IO_URING=perhaps"}, {"list"}).status, 2);
}

TEST_F(Cli, IsSilentWithQAndDrawsNoBarWhenPiped) {
  const CliOutcome loud = program_.run({"snapshot", image_, "--name", "before"});
  EXPECT_EQ(loud.status, 0);
  EXPECT_EQ(loud.err, "") << "a progress bar, or a warning";
  EXPECT_NE(loud.out.find("(before)"), std::string::npos);
  const CliOutcome quiet = program_.run({"-q", "snapshot", image_});
  EXPECT_EQ(quiet.status, 0);
  EXPECT_EQ(quiet.out + quiet.err, "");
}

TEST_F(Cli, AFullStandardOutputIsAFailure) {
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP() << "there is no /dev/full";
  snapshot("before");
  fill(1, 'x');
  for (const auto& line : std::vector<std::vector<std::string>>{
           {"list"}, {"--json", "list"}, {"diff", image_, "before"}, {"--help"}}) {
    EXPECT_EQ(program_.run(line, "/dev/full").status, 4) << line.front();
  }
}

TEST_F(Cli, MissingAndUnusableTargetsAreErrorsWithAHint) {
  ask({"snapshot", program_.file("nothing")}, 3);
  EXPECT_NE(program_.run({"snapshot", program_.store()}).status, 0);  // a directory, or nothing
  ask({"snapshot", image_, "--name", "twice"});
  EXPECT_EQ(ask({"snapshot", image_, "--name", "twice"}, 3).at("code"), "AlreadyExists");
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
