// Flips bits of the golden store one at a time, and checks that each flip is detected.
//
//   flip_bits [--all] [--seed N] [--jobs N] [--golden FOLDER]
//   flip_bits --only FILE:BYTE:BIT        repeats one flip, as printed by a failure
//
// Without --all: every bit of `format` and the logs, one bit of each byte of the segments and of
// one byte in eight of the catalogs, selected by the seed. Exit status 0: every flip was detected,
// or is harmless for a known reason.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "flips/catalog.h"
#include "flips/judge.h"
#include "flips/tally.h"
#include "support/simulated_random.h"

namespace {

using namespace blkrewind::flips;

// If a flip makes the engine loop, its process is ended by SIGALRM after this many seconds.
constexpr unsigned kPatienceSeconds = 60;
constexpr unsigned kComplaintsMax = 20;  // per process

struct Settings {
  bool all = false;
  std::uint64_t seed = 1;
  unsigned jobs = std::max(1U, std::thread::hardware_concurrency());
  std::string only;
  std::string golden = BLKREWIND_GOLDEN;
  std::string
      folder;  // created by this process for all of them: removed even if one of them is killed
};

[[noreturn]] void usage(const std::string& why) {
  std::cerr << why << "\nusage: flip_bits [--all] [--seed N] [--jobs N] [--golden FOLDER] "
            << "[--only FILE:BYTE:BIT]\n";
  std::exit(2);
}

Settings parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--all") {
      settings.all = true;
      continue;
    }
    if (i + 1 == argc) usage(std::string(name) + " wants a value");
    const std::string value = argv[++i];
    try {
      if (name == "--seed") {
        settings.seed = std::stoull(value);
      } else if (name == "--jobs") {
        settings.jobs = std::max(1U, static_cast<unsigned>(std::stoul(value)));
      } else if (name == "--only") {
        settings.only = value;
      } else if (name == "--golden") {
        settings.golden = value;
      } else {
        usage("unknown argument " + std::string(name));
      }
    } catch (const std::exception&) {
      usage(std::string(name) + " " + value + " is not a number");
    }
  }
  return settings;
}

struct Judges {
  Judge store;
  CatalogJudge catalog;
  CatalogJudge catalog_of_today;

  Judges(const Golden& golden, const std::string& folder)
      : store(golden),
        catalog(golden, kCatalogName, folder),
        catalog_of_today(golden, kCatalogOfTodayName, folder) {}

  [[nodiscard]] Verdict judge(const Golden& golden, const Flip& flip) const {
    const std::string& name = golden.files[flip.file].name;
    if (name == kCatalogName) return catalog.judge(flip);
    return name == kCatalogOfTodayName ? catalog_of_today.judge(flip) : store.judge(flip);
  }
};

// The bits of that byte to flip, as a mask.
unsigned bits_to_flip(const Golden& golden, const Settings& settings, std::uint64_t byte) {
  const Flip at = place_of(golden, byte);
  const std::string& name = golden.files[at.file].name;
  if (settings.all || name == "format" || is_log(name)) return 0xff;
  blkrewind::sim::Random random(settings.seed * 0x9e3779b97f4a7c15 + byte);
  if (name.starts_with(kCatalogName) && random.below(8) != 0) return 0;
  return 1U << random.below(8);
}

// Memory shared by the processes.
struct Board {
  std::atomic<std::uint64_t> next;
  Position positions[256];
  ByteResult results[];
};

Board* make_board(std::uint64_t bytes) {
  void* memory = mmap(nullptr, sizeof(Board) + bytes * sizeof(ByteResult), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) {
    std::cerr << "no memory\n";
    std::exit(2);
  }
  return static_cast<Board*>(memory);
}

std::string repeat(const Golden& golden, const Flip& flip) {
  return "scripts/flip-bits --only " + name_of(golden, flip);
}

void work(const Golden& golden, const Settings& settings, Board& board, Position& here,
          std::uint64_t bytes) {
  const Judges judges(golden, settings.folder);
  unsigned complaints = 0;
  for (std::uint64_t byte = 0; (byte = board.next++) < bytes;) {
    const unsigned mask = bits_to_flip(golden, settings, byte);
    Flip flip = place_of(golden, byte);
    for (unsigned bit = 0; bit < 8; ++bit) {
      if ((mask >> bit & 1) == 0) continue;
      here.byte = byte;
      here.bit = bit;
      flip.bit = bit;
      alarm(kPatienceSeconds);
      const Verdict verdict = judges.judge(golden, flip);
      board.results[byte].bits[static_cast<std::size_t>(verdict.outcome)] |=
          static_cast<std::uint8_t>(1U << bit);
      const Region region = golden.files[flip.file].regions[flip.byte];
      if (!is_right(region, verdict.outcome) && complaints++ < kComplaintsMax) {
        std::cerr << "WRONG (" << text_of(region).name << "): " << verdict.why
                  << "\n  again: " << repeat(golden, flip) << std::endl;
      }
    }
  }
}

int flip_one(const Golden& golden, const Settings& settings) {
  const std::string& name = settings.only;
  const std::size_t second = name.rfind(':');
  const std::size_t first = name.rfind(':', second - 1);
  if (first == std::string::npos || second == std::string::npos) usage(name + " is not a flip");
  const auto file = std::ranges::find(golden.files, name.substr(0, first), &GoldenFile::name);
  if (file == golden.files.end()) usage("there is no file " + name.substr(0, first));
  Flip flip;
  flip.file = static_cast<std::size_t>(file - golden.files.begin());
  try {
    flip.byte = std::stoull(name.substr(first + 1, second - first - 1));
    flip.bit = static_cast<unsigned>(std::stoul(name.substr(second + 1)));
  } catch (const std::exception&) {
    usage(name + " is not a flip");
  }
  if (flip.byte >= file->bytes.size() || flip.bit > 7) usage(name + " is beyond the end");
  const Judges judges(golden, settings.folder);
  const Verdict verdict = judges.judge(golden, flip);
  const Region region = file->regions[flip.byte];
  static constexpr const char* kNames[kOutcomes] = {"refused", "found by verify", "harmless",
                                                    "another answer", "HARMFUL"};
  std::cout << name << " (" << text_of(region).name
            << "): " << kNames[static_cast<std::size_t>(verdict.outcome)] << ": " << verdict.why
            << '\n';
  return is_right(region, verdict.outcome) ? 0 : 1;
}

// The running processes; a signal that ends this process ends them, and discards their results.
std::vector<pid_t> children;

extern "C" void stop_children(int signal) {
  for (const pid_t child : children) kill(child, signal);
}

void handle_stop(void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

// Returns whether every process ended normally.
bool run_all(const Golden& golden, const Settings& settings, Board& board, std::uint64_t bytes) {
  const unsigned jobs = std::min(settings.jobs, 256U);
  children.reserve(jobs);
  handle_stop(stop_children);
  for (unsigned i = 0; i < jobs; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      handle_stop(SIG_DFL);
      work(golden, settings, board, board.positions[i], bytes);
      std::exit(0);
    }
    if (child > 0) children.push_back(child);
  }
  bool good = children.size() == jobs;
  for (std::size_t i = 0; i < children.size(); ++i) {
    int status = 0;
    while (waitpid(children[i], &status, 0) < 0 && errno == EINTR) continue;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) continue;
    good = false;
    Flip flip = place_of(golden, board.positions[i].byte);
    flip.bit = board.positions[i].bit;
    std::cerr << "ENDED BY " << (WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "an exit")
              << "\n  again: " << repeat(golden, flip) << std::endl;
  }
  return good;
}

}  // namespace

int main(int argc, char** argv) try {
  Settings settings = parse(argc, argv);
  const blkrewind::test::TempDir folder(quick_folder());
  settings.folder = folder.path();
  const Golden golden = load_golden(settings.golden);
  if (!settings.only.empty()) return flip_one(golden, settings);
  const std::uint64_t bytes = count_bytes(golden);
  Board& board = *make_board(bytes);
  const bool ended = run_all(golden, settings, board, bytes);
  const std::vector<ByteResult> results(board.results, board.results + bytes);
  const bool good = print_results(golden, results, std::cout);
  return ended && good ? 0 : 1;
} catch (const std::exception& error) {
  std::cerr << "flip_bits: " << error.what() << '\n';
  return 2;
}
