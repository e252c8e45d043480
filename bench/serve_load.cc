// Load for `blkrewind serve`, for scripts/bench-serve. Prints one JSON object.
//
//   serve_load describe PORT KEY SECRET SECONDS CONNECTIONS ACTION EXPECT... [-- KEY=VALUE...]
//   serve_load reset PORT KEY SECRET SECONDS_MAX CLIENTS CALLS SEED DISK SNAPSHOT DEVICE...
//
// describe: as many requests as complete in the time, on that many connections. An answer is
//   correct if its status is 200, its RequestId is new and it contains every EXPECT.
// reset: each client takes a disk that no other client uses, writes random changes to it, lets the
//   server reset it, waits until it is In_use again, and compares every byte with the content of
//   the device when this program started. Until CALLS resets were made, or the time is over.
//
// Exit status: 0 if nothing was lost, wrong or different.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "api_client.h"
#include "scratch_device.h"

namespace {

using bench::AccessKey;
using bench::ApiClient;
using bench::Parameters;
using bench::Reply;
using bench::ScratchDevice;
using Clock = std::chrono::steady_clock;

constexpr auto kPollInterval = std::chrono::milliseconds(5);
constexpr auto kResetTimeout = std::chrono::seconds(60);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The first few errors are printed; the others are counted.
bool to_be_shown() {
  static std::atomic<int> left = 10;
  return left-- > 0;
}

struct Tally {
  std::uint64_t requests = 0;
  std::uint64_t lost = 0;
  std::uint64_t wrong = 0;
  std::uint64_t resets = 0;
  std::uint64_t polls = 0;
  std::uint64_t different = 0;
  std::uint64_t compared_bytes = 0;
  std::uint64_t changed_bytes = 0;
  std::vector<double> latencies_ms;
  std::vector<std::string> request_ids;

  // Counts an answer; true if it is correct.
  bool count(const Reply& reply, const std::vector<std::string>& expected) {
    ++requests;
    if (reply.lost) {
      ++lost;
      if (to_be_shown()) std::fprintf(stderr, "serve_load: an answer was lost\n");
      return false;
    }
    bool right = reply.status == 200 && !reply.request_id.empty();
    for (const std::string& text : expected) {
      right = right && reply.body.find(text) != std::string::npos;
    }
    request_ids.push_back(reply.request_id);
    if (right) return true;
    ++wrong;
    if (to_be_shown()) {
      std::fprintf(stderr, "serve_load: wrong answer: %d %s\n", reply.status, reply.body.c_str());
    }
    return false;
  }

  void add(Tally&& other) {
    requests += other.requests;
    lost += other.lost;
    wrong += other.wrong;
    resets += other.resets;
    polls += other.polls;
    different += other.different;
    compared_bytes += other.compared_bytes;
    changed_bytes += other.changed_bytes;
    latencies_ms.insert(latencies_ms.end(), other.latencies_ms.begin(), other.latencies_ms.end());
    std::move(other.request_ids.begin(), other.request_ids.end(), std::back_inserter(request_ids));
  }

  // A RequestId that occurs twice makes one of the two answers wrong.
  void count_repeated_ids() {
    std::sort(request_ids.begin(), request_ids.end());
    for (std::size_t i = 1; i < request_ids.size(); ++i) {
      if (!request_ids[i].empty() && request_ids[i] == request_ids[i - 1]) ++wrong;
    }
  }

  double percentile_ms(double percent) {
    if (latencies_ms.empty()) return 0;
    const auto last = static_cast<double>(latencies_ms.size() - 1);
    const auto at = static_cast<std::ptrdiff_t>(last * percent / 100);
    std::nth_element(latencies_ms.begin(), latencies_ms.begin() + at, latencies_ms.end());
    return latencies_ms[static_cast<std::size_t>(at)];
  }

  [[nodiscard]] bool clean() const { return lost == 0 && wrong == 0 && different == 0; }
};

[[noreturn]] void usage() {
  std::fprintf(stderr, "serve_load: wrong arguments; see the top of bench/serve_load.cc\n");
  std::exit(2);
}

std::uint64_t number(const std::string& text) {
  char* end = nullptr;
  const std::uint64_t value = std::strtoull(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0') usage();
  return value;
}

int describe(std::uint16_t port, const AccessKey& key, const std::vector<std::string>& arguments) {
  if (arguments.size() < 3) usage();
  const auto seconds = static_cast<double>(number(arguments[0]));
  const std::uint64_t connections = number(arguments[1]);
  const std::string& action = arguments[2];
  const auto dashes = std::find(arguments.begin() + 3, arguments.end(), "--");
  const std::vector<std::string> expected(arguments.begin() + 3, dashes);
  Parameters parameters;
  for (auto at = dashes; at != arguments.end(); ++at) {
    const std::size_t equals = at->find('=');
    if (equals != std::string::npos) parameters[at->substr(0, equals)] = at->substr(equals + 1);
  }

  std::mutex mutex;
  Tally total;
  const auto start = Clock::now();
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < connections; ++i) {
    threads.emplace_back([&] {
      ApiClient client(port, key);
      Tally mine;
      while (seconds_since(start) < seconds) {
        const auto asked = Clock::now();
        const Reply reply = client.call(action, parameters);
        mine.latencies_ms.push_back(1000 * seconds_since(asked));
        mine.count(reply, expected);
      }
      const std::lock_guard lock(mutex);
      total.add(std::move(mine));
    });
  }
  threads.clear();
  const double elapsed = seconds_since(start);
  total.count_repeated_ids();
  std::printf(
      "{\"action\": \"%s\", \"connections\": %llu, \"seconds\": %.3f, \"requests\": %llu, "
      "\"requests_per_second\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"max_ms\": %.3f, "
      "\"lost\": %llu, \"wrong\": %llu}\n",
      action.c_str(), static_cast<unsigned long long>(connections), elapsed,
      static_cast<unsigned long long>(total.requests),
      static_cast<double>(total.requests) / elapsed, total.percentile_ms(50),
      total.percentile_ms(99), total.percentile_ms(100),
      static_cast<unsigned long long>(total.lost), static_cast<unsigned long long>(total.wrong));
  return total.clean() ? 0 : 1;
}

struct Disk {
  std::string id;
  std::string snapshot;
  std::unique_ptr<ScratchDevice> device;
};

// The disks that no client uses.
class Pool {
 public:
  void put(Disk* disk) {
    const std::lock_guard lock(mutex_);
    free_.push_back(disk);
    given_back_.notify_one();
  }
  Disk* take() {
    std::unique_lock lock(mutex_);
    given_back_.wait(lock, [&] { return !free_.empty(); });
    Disk* const disk = free_.front();
    free_.pop_front();
    return disk;
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_back_;
  std::deque<Disk*> free_;
};

void reset_once(ApiClient& client, Disk& disk, std::uint64_t seed, Tally& tally) {
  tally.changed_bytes += disk.device->change(seed);
  const auto asked = Clock::now();
  const Reply accepted =
      client.call("ResetDisk", {{"DiskId", disk.id}, {"SnapshotId", disk.snapshot}});
  ++tally.resets;
  if (!tally.count(accepted, {})) return;
  std::string status;
  while (status != "In_use" && Clock::now() - asked < kResetTimeout) {
    const Reply reply = client.call(
        "DescribeDisks", {{"RegionId", "cn-local"}, {"DiskIds", "[\"" + disk.id + "\"]"}});
    ++tally.polls;
    if (!tally.count(reply, {"\"TotalCount\":1", disk.id})) return;
    status = reply.text_of("Status");
    if (status != "In_use") std::this_thread::sleep_for(kPollInterval);
  }
  tally.latencies_ms.push_back(1000 * seconds_since(asked));
  const auto difference = disk.device->difference();
  tally.compared_bytes += disk.device->size_bytes();
  if (!difference) return;
  ++tally.different;
  std::fprintf(stderr, "serve_load: %s differs from %s at byte %llu (status %s)\n",
               disk.device->path().c_str(), disk.snapshot.c_str(),
               static_cast<unsigned long long>(*difference), status.c_str());
}

int reset(std::uint16_t port, const AccessKey& key, const std::vector<std::string>& arguments) {
  if (arguments.size() < 7 || (arguments.size() - 4) % 3 != 0) usage();
  const auto seconds_max = static_cast<double>(number(arguments[0]));
  const std::uint64_t clients = number(arguments[1]);
  const std::uint64_t calls = number(arguments[2]);
  const std::uint64_t seed = number(arguments[3]);
  std::vector<Disk> disks;
  for (std::size_t i = 4; i < arguments.size(); i += 3) {
    disks.push_back({.id = arguments[i],
                     .snapshot = arguments[i + 1],
                     .device = std::make_unique<ScratchDevice>(arguments[i + 2])});
  }
  Pool pool;
  for (Disk& disk : disks) pool.put(&disk);

  std::mutex mutex;
  Tally total;
  std::atomic<std::uint64_t> next = 0;
  const auto start = Clock::now();
  std::vector<std::jthread> threads;
  for (std::uint64_t i = 0; i < clients; ++i) {
    threads.emplace_back([&] {
      ApiClient client(port, key);
      Tally mine;
      for (;;) {
        const std::uint64_t call = next++;
        if (call >= calls || seconds_since(start) >= seconds_max) break;
        Disk* const disk = pool.take();
        reset_once(client, *disk, seed + call, mine);
        pool.put(disk);
      }
      const std::lock_guard lock(mutex);
      total.add(std::move(mine));
    });
  }
  threads.clear();
  const double elapsed = seconds_since(start);
  total.count_repeated_ids();
  std::printf(
      "{\"clients\": %llu, \"disks\": %zu, \"resets\": %llu, \"seconds\": %.3f, "
      "\"resets_per_second\": %.1f, \"p50_ms\": %.1f, \"p99_ms\": %.1f, \"max_ms\": %.1f, "
      "\"requests\": %llu, \"polls\": %llu, \"changed_bytes\": %llu, \"compared_bytes\": %llu, "
      "\"different\": %llu, \"lost\": %llu, \"wrong\": %llu}\n",
      static_cast<unsigned long long>(clients), disks.size(),
      static_cast<unsigned long long>(total.resets), elapsed,
      static_cast<double>(total.resets) / elapsed, total.percentile_ms(50), total.percentile_ms(99),
      total.percentile_ms(100), static_cast<unsigned long long>(total.requests),
      static_cast<unsigned long long>(total.polls),
      static_cast<unsigned long long>(total.changed_bytes),
      static_cast<unsigned long long>(total.compared_bytes),
      static_cast<unsigned long long>(total.different), static_cast<unsigned long long>(total.lost),
      static_cast<unsigned long long>(total.wrong));
  return total.clean() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6) usage();
  const std::string_view mode = argv[1];
  const auto port = static_cast<std::uint16_t>(number(argv[2]));
  const AccessKey key{.id = argv[3], .secret = argv[4]};
  const std::vector<std::string> arguments(argv + 5, argv + argc);
  if (mode == "describe") return describe(port, key, arguments);
  if (mode == "reset") return reset(port, key, arguments);
  usage();
}
