// Catalogs with a write-ahead log, which earlier versions made.
#include <fstream>

#include "unit/control/catalog_fixture.h"

namespace blkrewind::control {
namespace {

using testing::HasSubstr;
namespace fs = std::filesystem;

class EarlierLog : public CatalogTest {
 protected:
  void SetUp() override { ASSERT_TRUE(ok(open()->create_instance("i-1", "", 1))); }
  // Of files in the directory of the catalog that this process has mapped.
  [[nodiscard]] std::string mapped() const {
    std::ifstream maps("/proc/self/maps");
    std::string found;
    for (std::string line; std::getline(maps, line);) {
      if (line.find(directory_.path()) != std::string::npos) found += line + "\n";
    }
    return found;
  }
};

TEST_F(EarlierLog, IsReplacedAndItsRowsStay) {
  {
    const EarlierProgram earlier(path_, {"i-2"});
    fs::copy_file(path_, directory_.file("copy.db"));
    for (const char* suffix : {"-wal", "-shm"}) {  // as after a power cut
      fs::copy_file(path_ + suffix, directory_.file("copy.db") + suffix);
    }
  }
  path_ = directory_.file("copy.db");
  auto catalog = open();
  EXPECT_EQ(catalog->instances()->size(), 3U);
  EXPECT_EQ(mapped(), "");
  ASSERT_TRUE(ok(catalog->create_instance("i-3", "", 3)));
  EXPECT_EQ(mapped(), "");
  EXPECT_EQ(journal_mode_of(path_), "delete");
  for (const char* suffix : {"-wal", "-shm", "-journal"}) EXPECT_FALSE(fs::exists(path_ + suffix));
  EXPECT_EQ(open()->instances()->size(), 4U);
}

TEST_F(EarlierLog, WithoutRowsIsReplaced) {
  { const EarlierProgram earlier(path_, {}); }
  ASSERT_EQ(journal_mode_of(path_), "wal");
  EXPECT_EQ(open()->instances()->size(), 2U);
  EXPECT_EQ(journal_mode_of(path_), "delete");
}

// It may go on for months, as `serve` does.
TEST_F(EarlierLog, IsReadWhileAProcessUsesIt) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const EarlierProgram earlier(path_, {"i-2"});
    { const std::ofstream ready(directory_.file("ready")); }
    ::pause();
  }
  while (!fs::exists(directory_.file("ready"))) ::usleep(1000);
  auto catalog = open();
  EXPECT_EQ(catalog->instances()->size(), 3U);
  EXPECT_TRUE(catalog->instance("i-2")->value().has_lock(kSecurityLock));
  EXPECT_EQ(mapped(), "");
  const Status changed = catalog->create_instance("i-3", "", 3);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().code, Errc::kBusy);
  EXPECT_THAT(words_of(changed.error()), HasSubstr("stop what uses the store"));
  ::kill(child, SIGKILL);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  EXPECT_TRUE(ok(catalog->create_instance("i-3", "", 3)));
  EXPECT_EQ(open()->instances()->size(), 4U);
  EXPECT_EQ(journal_mode_of(path_), "delete");
}

// Several processes find it at once.
TEST_F(EarlierLog, IsReplacedByOneOfMany) {
  { const EarlierProgram earlier(path_, {"i-2"}); }
  constexpr int kProcesses = 6;
  for (int process = 0; process < kProcesses; ++process) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child != 0) continue;
    auto catalog = Catalog::open(path_);
    if (!catalog) ::_exit(1);
    const auto rows = (*catalog)->instances();
    if (!rows || rows->size() < 3) ::_exit(2);
    ::_exit((*catalog)->create_instance("i-x" + std::to_string(process), "", 1) ? 0 : 3);
  }
  for (int process = 0; process < kProcesses; ++process) {
    int status = 0;
    ASSERT_GT(::wait(&status), 0);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(open()->instances()->size(), 3U + kProcesses);
}

}  // namespace
}  // namespace blkrewind::control
