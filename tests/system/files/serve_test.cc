// The HTTP endpoint as a process: its answers, its refusals, its shutdown and restart.
#ifdef BLKREWIND_PROGRAM
#include <sys/stat.h>

#include "system/serve_fixture.h"
#include "unit/serve/malformed_table.h"

namespace blkrewind::test {
namespace {

using namespace std::chrono_literals;

TEST_F(ServeTest, ResetsADisk) {
  start();
  const std::string before = content();
  fill(1, 'x');
  const std::string changed = content();
  const json answer = call("ResetDisk", {{"DiskId", disk_}, {"SnapshotId", snapshot_}});
  EXPECT_EQ(answer.size(), 1U) << answer;
  const json disk = wait_for_reset();
  EXPECT_EQ(disk["Status"], "In_use");
  EXPECT_EQ(disk["LastReset"]["RequestId"], answer["RequestId"]);
  EXPECT_EQ(disk["LastReset"]["Status"], "done");
  EXPECT_EQ(content(), before);
  EXPECT_EQ(stop(), 0);
  ask({"undo", image_});
  EXPECT_EQ(content(), changed);
}

TEST_F(ServeTest, LogsOneLineARequestWithItsIdAndNoSecret) {
  start();
  const json described = call("DescribeSnapshots", {{"RegionId", "cn-local"}});
  const json refused = call("ResetDisk", {{"DiskId", "d-none"}, {"SnapshotId", snapshot_}}, 404);
  EXPECT_EQ(stop(), 0);
  const std::string log = read_file(log_);
  for (const auto& [answer, code] :
       {std::pair(described, "OK"), std::pair(refused, "InvalidDiskId.NotFound")}) {
    const std::string id = answer["RequestId"];
    const std::size_t at = log.find("request_id=" + id);
    ASSERT_NE(at, std::string::npos) << log;
    EXPECT_EQ(log.find("request_id=" + id, at + 1), std::string::npos) << "once";
    const std::string line = log.substr(at, log.find('\n', at) - at);
    EXPECT_NE(line.find(std::string(" code=") + code + " "), std::string::npos) << line;
  }
  EXPECT_EQ(log.find("testsecret"), std::string::npos);
}

TEST_F(ServeTest, EachMalformedRequestIsRefusedAndItGoesOn) {
  start();
  serve::Surroundings around;
  around.host = host();
  around.now = std::time(nullptr);
  int rows = 0;
  for (const serve::Malformed& row : serve::malformed_requests()) {
    if (row.reach == serve::Reach::kGateway) continue;
    ++rows;
    const HttpAnswer answer = send(serve::expand(row.raw, around));
    if (row.reach == serve::Reach::kWire) {
      // Refused or disconnected; never executed.
      EXPECT_TRUE(answer.status == 0 || answer.status >= 400) << row.name << ": " << answer.head;
      continue;
    }
    EXPECT_EQ(answer.status, row.status) << row.name << ": " << answer.head << answer.body;
    EXPECT_NE(answer.body.find(row.code), std::string::npos) << row.name << ": " << answer.body;
  }
  EXPECT_GE(rows, 60);
  EXPECT_EQ(disk_now()["DiskId"], disk_) << "it still serves";
}

TEST_F(ServeTest, NoRequestNamesADevice) {
  start();
  ask({"instance", "create", "i-vm"});
  for (const std::string& path : {image_, std::string("/dev/null"), std::string("../disk.img")}) {
    call("ResetDisk", {{"DiskId", path}, {"SnapshotId", snapshot_}}, 404);
    call("CreateSnapshot", {{"DiskId", path}}, 404);
    call("AttachDisk", {{"DiskId", path}, {"InstanceId", "i-vm"}}, 404);
    call("DetachDisk", {{"DiskId", path}, {"InstanceId", "i-local"}}, 404);
    call("ResetDisk", {{"DiskId", disk_}, {"SnapshotId", path}}, 404);
    call("DeleteSnapshot", {{"SnapshotId", path}}, 404);
  }
  call("ResetDisk", {{"DiskId", disk_}, {"SnapshotId", "before"}}, 404);
}

TEST_F(ServeTest, ATagWithoutAKeyIsNotIgnored) {
  start();
  for (const std::string action : {"CreateSnapshot", "DescribeSnapshots"}) {
    const json answer =
        call(action, {{"RegionId", "r"}, {"DiskId", disk_}, {"Tag.1.Value", "x"}}, 400);
    EXPECT_NE(answer["Message"].get<std::string>().find("Tag.1.Key"), std::string::npos) << answer;
  }
}

TEST_F(ServeTest, AnInterruptedResetIsResumedAtTheNextStart) {
  const std::string before = content();
  for (int round = 0; round < 10; ++round) {
    start();
    for (std::uint64_t chunk = 0; chunk < kChunks; ++chunk) fill(chunk, 'z');
    call("ResetDisk", {{"DiskId", disk_}, {"SnapshotId", snapshot_}});
    std::this_thread::sleep_for(std::chrono::milliseconds(round));
    server_->kill(SIGKILL);
    static_cast<void>(server_->wait());
    server_.reset();
    start();
    const json disk = wait_for_reset();
    EXPECT_EQ(disk["LastReset"]["Status"], "done") << disk;
    ASSERT_EQ(content(), before) << "killed after " << round << " ms";
    EXPECT_EQ(stop(), 0);
  }
}

TEST_F(ServeTest, ASlowClientIsDisconnectedAndHoldsUpNoOther) {
  start({"--max-connections", "2"});
  const Wire silent(port_);
  const Wire slow(port_);
  slow.send("GET / HTTP/1.1\r\nHost: ");
  std::this_thread::sleep_for(200ms);  // until both have their threads
  const HttpAnswer refused = parsed(Wire(port_).receive(5s));
  EXPECT_EQ(refused.status, 503) << "two is all there may be";
  EXPECT_NE(refused.body.find("ServiceUnavailable"), std::string::npos) << refused.body;
  // Single bytes at intervals do not keep a connection open forever.
  int sent = 0;
  while (sent < 300 && slow.send("x") && !slow.has_ended(100ms)) ++sent;
  EXPECT_LT(sent, 300);
  EXPECT_TRUE(silent.has_ended(30s));
  EXPECT_EQ(get("/healthz").status, 200);
}

TEST_F(ServeTest, TwoHundredSlowClientsHoldUpNoOther) {
  start();
  std::vector<std::unique_ptr<Wire>> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(std::make_unique<Wire>(port_));
    slow.back()->send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\na");
  }
  for (int i = 0; i < 10; ++i) EXPECT_EQ(get("/healthz").status, 200);
  EXPECT_EQ(disk_now()["DiskId"], disk_);
  EXPECT_EQ(stop(), 0);
}

// The wall clock is set, from 2000 to today, while CLOCK_BOOTTIME advances normally.
TEST_F(ServeTest, RetentionIsNotOverBecauseTheClockWasSet) {
#ifdef __SANITIZE_ADDRESS__
  GTEST_SKIP() << "the address sanitizer's library must be loaded before faketime's";
#endif
  const std::string library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";
  if (access(library.c_str(), R_OK) != 0) GTEST_SKIP() << "there is no faketime";
  const std::string clock = program_.file("clock");
  std::ofstream(clock) << "@2000-01-01 00:00:00\n";
  environment_ = {"TZ=UTC", "LD_PRELOAD=" + library, "FAKETIME_TIMESTAMP_FILE=" + clock,
                  "FAKETIME_NO_CACHE=1", "FAKETIME_DONT_FAKE_MONOTONIC=1"};
  start();
  constexpr std::int64_t kThen = 946'684'800;
  now_ = [] { return kThen + 1; };
  call("CreateSnapshot", {{"DiskId", disk_}, {"RetentionDays", "30"}});
  const auto count = [&] {
    return call("DescribeSnapshots", {{"RegionId", "cn-local"}})["TotalCount"].get<int>();
  };
  EXPECT_EQ(count(), 2);
  std::ofstream(clock) << "+0\n";
  now_ = [] { return static_cast<std::int64_t>(std::time(nullptr)); };
  EXPECT_EQ(stop(), 0);
  start();  // checks at once
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(stop(), 0);
  // Ahead at the start.
  std::ofstream(clock) << "+400d\n";
  start();
  now_ = [] { return static_cast<std::int64_t>(std::time(nullptr)) + 400 * 86'400; };
  std::this_thread::sleep_for(500ms);
  EXPECT_EQ(count(), 2);
  EXPECT_EQ(stop(), 0);  // the library removes its shared memory only at an orderly end
}

TEST_F(ServeTest, TooMuchIsRefused) {
  start();
  const std::string huge(100'000, 'a');
  EXPECT_GE(send("GET /?a=" + huge + " HTTP/1.1\r\nHost: h\r\n\r\n").status, 400);
  EXPECT_GE(send("GET / HTTP/1.1\r\nHost: h\r\nX: " + huge + "\r\n\r\n").status, 400);
  EXPECT_GE(send("POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n" + huge).status,
            400);
  std::string many = "GET / HTTP/1.1\r\nHost: h\r\n";
  for (int i = 0; i < 100; ++i) many += "X-" + std::to_string(i) + ": 1\r\n";
  EXPECT_EQ(send(many + "\r\n").status, 400);
  EXPECT_EQ(get("/healthz").body, "ok\n");
}

TEST_F(ServeTest, CountsForPrometheus) {
  start();
  fill(1, 'x');
  call("ResetDisk", {{"DiskId", disk_}, {"SnapshotId", snapshot_}});
  wait_for_reset();
  call("ResetDisk", {{"DiskId", "d-none"}, {"SnapshotId", snapshot_}}, 404);
  const HttpAnswer answer = get("/metrics");
  EXPECT_NE(answer.head.find("text/plain; version=0.0.4"), std::string::npos) << answer.head;
  for (const std::string line :
       {"blkrewind_requests_total{action=\"ResetDisk\",code=\"OK\"} 1\n",
        "blkrewind_requests_total{action=\"ResetDisk\",code=\"InvalidDiskId.NotFound\"} 1\n",
        "blkrewind_rollbacks_running 0\n", "blkrewind_rollbacks_total{result=\"done\"} 1\n",
        "blkrewind_restored_bytes_total 65536\n", "blkrewind_scan_seconds_count 1\n",
        "blkrewind_restore_seconds_bucket{le=\"+Inf\"} 1\n"}) {
    EXPECT_NE(answer.body.find(line), std::string::npos) << line << answer.body;
  }
}

TEST_F(ServeTest, StartsOnlyWhenItIsSafe) {
  const auto refused = [&](const std::vector<std::string>& more, const std::string& what) {
    std::vector<std::string> words = {"serve", "--access-key-file", keys_};
    words.insert(words.end(), more.begin(), more.end());
    const CliOutcome outcome = program_.run(words);
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(what), std::string::npos) << outcome.err;
  };
  refused({"--listen", "0.0.0.0:0"}, "TLS");
  refused({"--listen", "[::]:0"}, "TLS");
  refused({"--listen", "8470"}, "address");
  refused({"--listen", "127.0.0.1:99999"}, "address");
  // 2^64 - 1: plus one, the number of places would be zero.
  refused({"--max-waiting", "-1"}, "--max-waiting must be");
  refused({"--grace", "-1"}, "--grace must be");
  refused({"--tls-cert", keys_}, "--tls-key");
  refused({"--tls-cert", keys_, "--tls-key", keys_}, "certificate");
  chmod(keys_.c_str(), 0640);
  const CliOutcome outcome = program_.run({"serve", "--access-key-file", keys_});
  EXPECT_EQ(outcome.status, 3) << outcome.err;
  EXPECT_NE(outcome.err.find("chmod 600"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.err.find("testsecret"), std::string::npos);
}

TEST_F(ServeTest, SpeaksTls) {
  const std::string key = program_.file("key.pem");
  const std::string certificate = program_.file("cert.pem");
  const std::string make =
      "openssl req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost "
      "-keyout " +
      key + " -out " + certificate + " 2>/dev/null";
  if (std::system(make.c_str()) != 0) GTEST_SKIP() << "no openssl(1) to make a certificate with";
  start({"--tls-cert", certificate, "--tls-key", key}, "0.0.0.0:0");
  const std::string ask_health =
      "printf 'GET /healthz HTTP/1.1\\r\\nHost: h\\r\\nConnection: "
      "close\\r\\n\\r\\n' | openssl s_client -quiet -connect 127.0.0.1:" +
      std::to_string(port_) + " 2>/dev/null > " + program_.file("answer");
  static_cast<void>(std::system(ask_health.c_str()));
  EXPECT_EQ(parsed(read_file(program_.file("answer"))).body, "ok\n");
  // Plain HTTP on that port gets no answer.
  const Wire wire(port_);
  wire.send("GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n");
  EXPECT_EQ(parsed(wire.receive(5s)).status, 0);
}

}  // namespace
}  // namespace blkrewind::test

#endif  // BLKREWIND_PROGRAM
