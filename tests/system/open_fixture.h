// Disks with file systems, snapshots of them, and `blkrewind open` on these.
#pragma once

#include <sys/utsname.h>

#include <optional>
#include <set>

#include "system/device_fixture.h"
#include "system/mount_fixture.h"

namespace blkrewind::test {

inline bool kernel_has(const std::string& file_system) {
  std::ifstream list("/proc/filesystems");
  for (std::string line; std::getline(list, line);) {
    if (line.substr(line.find('\t') + 1) == file_system) return true;
  }
  return false;
}

inline bool kernel_is_at_least(int first, int second) {
  utsname name = {};
  int here_first = 0;
  int here_second = 0;
  return ::uname(&name) == 0 &&
         std::sscanf(name.release, "%d.%d", &here_first, &here_second) == 2 &&
         std::pair(here_first, here_second) >= std::pair(first, second);
}

inline bool has_program(const std::string& name) {
  return std::system(("command -v " + name + " >/dev/null").c_str()) == 0;
}

// How a file system is made. Why it cannot be on this machine: skip().
struct FileSystemKind {
  std::string name;
  std::vector<std::string> make;
  // What `mount -o ro,loop` needs where its journal is dirty; empty: it has none.
  std::string unreplayed;

  [[nodiscard]] std::string skip() const {
    if (!kernel_has(name)) return "this kernel has no " + name;
    if (!has_program(make.front())) return "needs " + make.front();
    return {};
  }
};

inline const std::vector<FileSystemKind>& file_system_kinds() {
  static const std::vector<FileSystemKind> kinds = {
      {"ext4", {"mkfs.ext4", "-q", "-F"}, "noload"},
      {"xfs", {"mkfs.xfs", "-q", "-f"}, "norecovery,nouuid"},
      {"btrfs", {"mkfs.btrfs", "-q", "-f"}, "rescue=nologreplay"},
      {"vfat", {"mkfs.vfat"}, ""},
  };
  return kinds;
}

class Opening : public DeviceSystem {
 protected:
  void SetUp() override {
    DeviceSystem::SetUp();
    if (IsSkipped()) return;
    if (::access("/dev/fuse", R_OK | W_OK) != 0) GTEST_SKIP() << "needs /dev/fuse";
  }

  void TearDown() override {
    // What a failed test has left: of its own snapshots, and no others.
    for (const std::string& id : ids_) {
      for (const std::string& folder : folders_of(id)) ::umount2(folder.c_str(), MNT_DETACH);
      ::rmdir(("/run/blkrewind/open/" + id).c_str());
    }
    EXPECT_TRUE(soon([&] { return loops() == 0; }));
  }

  // Loop devices of this test's snapshots.
  [[nodiscard]] int loops() const {
    int found = 0;
    for (const std::string& id : ids_) found += static_cast<int>(loops_of(id).size());
    return found;
  }

  [[nodiscard]] static std::vector<std::string> loops_of(const std::string& id) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator("/sys/block")) {
      std::ifstream backing(entry.path() / "loop/backing_file");
      std::string path;
      if (std::getline(backing, path) && path.ends_with("/" + id + ".img")) {
        found.push_back("/dev/" + entry.path().filename().string());
      }
    }
    return found;
  }

  [[nodiscard]] static std::vector<std::string> folders_of(const std::string& id) {
    std::vector<std::string> found;
    for (const std::string& loop : loops_of(id)) {
      std::ifstream list("/proc/self/mountinfo");
      for (std::string line; std::getline(list, line);) {
        if (line.find(" " + loop + " ") == std::string::npos) continue;
        std::istringstream fields(line);
        std::string point;
        for (int i = 0; i < 5; ++i) fields >> point;
        found.push_back(point);
      }
    }
    return found;
  }

  // The processes that serve snapshots of this test's store.
  [[nodiscard]] std::vector<pid_t> servers() const {
    std::vector<pid_t> found;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      std::ifstream file(entry.path() / "cmdline", std::ios::binary);
      const std::string words{std::istreambuf_iterator<char>(file), {}};
      if (words.starts_with(BLKREWIND_PROGRAM) && words.find(store_) != std::string::npos) {
        found.push_back(std::stoi(name));
      }
    }
    return found;
  }

  // That nothing is left of what was open.
  void expect_closed(const std::string& id) const {
    EXPECT_TRUE(soon([&] { return loops_of(id).empty(); }));
    EXPECT_TRUE(soon([&] { return servers().empty(); }));
    EXPECT_FALSE(std::filesystem::exists("/run/blkrewind/open/" + id));
  }

  std::string snapshot(const std::string& target, const std::string& name) {
    const std::string id = ask({"snapshot", target, "--name", name}).value("snapshot_id", "");
    ids_.insert(id);
    return id;
  }

  // A file system with some files on these bytes of the image (length 0: all of it).
  void make_file_system(const FileSystemKind& kind, const std::string& image,
                        const Extent& where = {}) const {
    const LoopDevice loop = LoopDevice::make(
        image, 0, 512, {.offset_bytes = where.offset, .size_limit_bytes = where.length});
    std::vector<std::string> make = kind.make;
    make.push_back(loop.path());
    shell(make);
    const std::string folder = make_new_directory();
    const Mount mount(loop.path(), folder, kind.name);
    std::filesystem::create_directories(folder + "/etc/deep");
    write_noise(folder + "/etc/noise", 0, 300000, 5);
    std::ofstream(folder + "/etc/fstab") << "/dev/vdb / " << kind.name << "\n";
    std::ofstream(folder + "/etc/deep/empty");
    if (kind.name != "vfat") std::filesystem::create_symlink("/etc/fstab", folder + "/link");
  }

  // Words of a shell's line.
  static void shell(const std::vector<std::string>& words) {
    std::string line;
    for (const std::string& word : words) line += word + " ";
    if (std::system((line + ">/dev/null 2>&1").c_str()) != 0) {
      throw std::runtime_error("failed: " + line);
    }
  }

  [[nodiscard]] std::string make_new_directory() const {
    static int number = 0;
    return make_directory("folder" + std::to_string(++number));
  }

  // The digest of the files on these bytes of an image, by an ordinary mount.
  [[nodiscard]] std::string digest_of_files(const std::string& image,
                                            const Extent& where = {}) const {
    const LoopDevice loop = LoopDevice::make(
        image, 0, 512,
        {.read_only = true, .offset_bytes = where.offset, .size_limit_bytes = where.length});
    const std::string folder = make_new_directory();
    shell({"mount", "-o", "ro", loop.path(), folder});
    std::string digest = digest_of_tree(folder);
    ::umount2(folder.c_str(), 0);
    return digest;
  }

  const std::string image_ = file("disk.img");
  std::set<std::string> ids_;
};

}  // namespace blkrewind::test
