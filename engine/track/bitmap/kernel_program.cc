#include "track/bitmap/kernel_program.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/fd.h"
#include "base/ids.h"
#include "base/log.h"
#include "changes.skel.h"

namespace blkrewind::track {
namespace {

constexpr const char* kBpffs = "/sys/fs/bpf";
constexpr const char* kRoot = "/sys/fs/bpf/blkrewind";
constexpr long kBpffsMagic = 0xcafe4a11;
// First the maps. `on_complete` is the program that sees the ends of this kind of device.
constexpr std::array kPins = {"control", "bits", "under_way", "on_queue", "on_complete"};
constexpr std::size_t kMaps = 3;
// A symbolic link to the store's directory: the file system supports no other file that holds text.
constexpr const char* kStoreLink = "store";

std::string folder_of(const std::string& disk_id) { return std::string(kRoot) + "/" + disk_id; }

Error bpf_error(int sys_errno, const std::string& message) {
  Error error = system_error(sys_errno, message);
  if (sys_errno == EPERM || sys_errno == EACCES) {
    error.remedy =
        "tracking in the kernel needs CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN, which root has "
        "outside of containers, and a kernel that is not locked down";
  }
  return error;
}

int print_to_log(libbpf_print_level level, const char* format, va_list arguments) {
  const LogLevel wanted = level == LIBBPF_WARN ? LogLevel::kWarning : LogLevel::kDebug;
  if (level == LIBBPF_DEBUG || !log::enabled(wanted)) return 0;
  std::array<char, 1024> line{};
  const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
  std::string_view text(line.data(), std::min<std::size_t>(std::max(length, 0), line.size() - 1));
  while (text.ends_with('\n')) text.remove_suffix(1);
  if (level == LIBBPF_WARN) {
    log::warning(text);
  } else {
    log::debug(text);
  }
  return length;
}

void quiet_libbpf() {
  static std::once_flag once;
  std::call_once(once, [] {
    libbpf_set_print(print_to_log);
    libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
  });
}

bool is_bpffs(const char* path) {
  struct statfs status {};
  return ::statfs(path, &status) == 0 && status.f_type == kBpffsMagic;
}

// bpftool would mount it at the same place where systemd does not.
Status need_bpffs() {
  if (is_bpffs(kBpffs)) return {};
  if (::mount("bpf", kBpffs, "bpf", 0, "mode=0700") != 0) {
    return fail(
        bpf_error(errno, std::string("there is no BPF file system at ") + kBpffs)
            .with_remedy(run_program("mount it", std::string("mount -t bpf bpf ") + kBpffs)));
  }
  return {};
}

Status remove_pins(const std::string& folder) {
  for (const char* name : kPins) {
    if (::unlink((folder + "/" + name).c_str()) != 0 && errno != ENOENT) {
      return fail(bpf_error(errno, "cannot remove " + folder + "/" + name));
    }
  }
  (void)::unlink((folder + "/" + kStoreLink).c_str());
  if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) {
    return fail(bpf_error(errno, "cannot remove " + folder));
  }
  (void)::rmdir(kRoot);  // the directory of the last one
  return {};
}

std::string absolute(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(path.c_str(), nullptr),
                                                         &std::free);
  return real == nullptr ? std::string() : std::string(real.get());
}

struct Skeleton {
  changes* object = nullptr;
  Skeleton() : object(changes::open()) {}
  ~Skeleton() { changes::destroy(object); }
  Skeleton(const Skeleton&) = delete;
  Skeleton& operator=(const Skeleton&) = delete;
};

Status need_type_information() {
  if (::access("/sys/kernel/btf/vmlinux", R_OK) == 0) return {};
  return fail(Errc::kUnsupported, "this kernel does not provide BTF type information",
              "it needs CONFIG_DEBUG_INFO_BTF; without it every operation scans");
}

// Programs whose events do not occur, or are not needed, for this device are left out.
Status load_and_attach(Skeleton& skeleton, const blkrewind_control& control, bool counts) {
  if (skeleton.object == nullptr) {
    return fail(bpf_error(errno, "cannot open the tracking program"));
  }
  changes& object = *skeleton.object;
  const bool bios = control.bios != 0;
  object.rodata->disk_major = control.major;
  object.rodata->disk_minor = control.minor;
  object.rodata->first_sector = control.first_sector;
  object.rodata->end_sector = control.first_sector + control.sectors;
  object.rodata->granule_shift = control.granule_shift - 9;
  object.rodata->words = control.words;
  object.rodata->bios = bios ? 1 : 0;
  object.rodata->counts = counts ? 1 : 0;
  bpf_program__set_autoload(object.progs.on_complete, !bios);
  bpf_program__set_autoload(object.progs.on_bio_complete, bios || counts);
  int error = bpf_map__set_max_entries(object.maps.bits,
                                       static_cast<__u32>(control.words * BLKREWIND_GENERATIONS));
  if (error == 0 && !bios) error = bpf_map__set_max_entries(object.maps.under_way, 1);
  if (error != 0) return fail(bpf_error(-error, "cannot size the dirty bitmap"));
  if (error = changes::load(&object); error != 0) {
    return fail(bpf_error(-error, "the kernel rejects the tracking program"));
  }
  const __u32 zero = 0;
  if (bpf_map_update_elem(bpf_map__fd(object.maps.control), &zero, &control, BPF_ANY) != 0) {
    return fail(bpf_error(errno, "cannot write to the map of the tracking program"));
  }
  if (error = changes::attach(&object); error != 0) {
    return fail(bpf_error(-error, "cannot attach the tracking program to the block layer"));
  }
  return {};
}

// The id of the program that `link` runs, if it is loaded and sets bits in these maps; otherwise 0.
std::uint32_t sets_bits_in(int link, std::uint32_t control_id, std::uint32_t bits_id) {
  bpf_link_info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(link, &info, &length) != 0 ||
      (info.type != BPF_LINK_TYPE_RAW_TRACEPOINT && info.type != BPF_LINK_TYPE_TRACING)) {
    return 0;
  }
  const UniqueFd program(bpf_prog_get_fd_by_id(info.prog_id));
  std::array<__u32, 16> maps{};
  bpf_prog_info program_info{};
  program_info.nr_map_ids = maps.size();
  program_info.map_ids = reinterpret_cast<std::uintptr_t>(maps.data());
  length = sizeof program_info;
  if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &program_info, &length) != 0) {
    return 0;
  }
  const auto end = maps.begin() + std::min<std::size_t>(program_info.nr_map_ids, maps.size());
  const bool both = std::find(maps.begin(), end, control_id) != end &&
                    std::find(maps.begin(), end, bits_id) != end;
  return both ? info.prog_id : 0;
}

void* map_shared(int fd, std::size_t bytes) {
  return ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

Status other_version() {
  return fail(Errc::kIntegrity, "the tracking program is of another version of blkrewind");
}

std::uint64_t page_aligned(std::uint64_t bytes) {
  return align_up(bytes, static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)));
}

}  // namespace

Status KernelProgram::start(const std::string& disk_id, const blkrewind_control& control,
                            const std::string& store_path) {
  quiet_libbpf();
  BLKREWIND_TRY(need_type_information());
  BLKREWIND_TRY(need_bpffs());
  Skeleton skeleton;
  BLKREWIND_TRY(load_and_attach(skeleton, control, false));
  changes& object = *skeleton.object;

  const std::string folder = folder_of(disk_id);
  BLKREWIND_TRY(remove_pins(folder));
  if ((::mkdir(kRoot, 0700) != 0 && errno != EEXIST) || ::mkdir(folder.c_str(), 0700) != 0) {
    return fail(bpf_error(errno, "cannot make " + folder));
  }
  const auto pin = [&](int error, const char* name) -> Status {
    if (error == 0) return {};
    (void)remove_pins(folder);
    return fail(bpf_error(-error, "cannot pin " + folder + "/" + name));
  };
  const auto path = [&](const char* name) { return folder + "/" + name; };
  BLKREWIND_TRY(pin(bpf_map__pin(object.maps.control, path("control").c_str()), "control"));
  BLKREWIND_TRY(pin(bpf_map__pin(object.maps.bits, path("bits").c_str()), "bits"));
  BLKREWIND_TRY(pin(bpf_map__pin(object.maps.under_way, path("under_way").c_str()), "under_way"));
  BLKREWIND_TRY(pin(bpf_link__pin(object.links.on_queue, path("on_queue").c_str()), "on_queue"));
  bpf_link* const ends =
      control.bios != 0 ? object.links.on_bio_complete : object.links.on_complete;
  BLKREWIND_TRY(pin(bpf_link__pin(ends, path("on_complete").c_str()), "on_complete"));
  // Only for display: if it cannot be created, tracking works without it.
  if (const std::string store = absolute(store_path); !store.empty()) {
    (void)::symlink(store.c_str(), path(kStoreLink).c_str());
  }
  return {};
}

Result<std::vector<std::string>> KernelProgram::pinned_disks() {
  // Without the file system, or without a pin, there is none.
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir(kRoot), ::closedir);
  std::vector<std::string> disks;
  if (!folder) {
    if (errno == ENOENT) return disks;
    return fail(bpf_error(errno, std::string("cannot list ") + kRoot));
  }
  while (const dirent* entry = ::readdir(folder.get())) {
    if (is_valid_id("d-", entry->d_name)) disks.emplace_back(entry->d_name);
  }
  std::sort(disks.begin(), disks.end());
  return disks;
}

std::string KernelProgram::store_of(const std::string& disk_id) {
  std::array<char, PATH_MAX> target{};
  const std::string link = folder_of(disk_id) + "/" + kStoreLink;
  const ssize_t length = ::readlink(link.c_str(), target.data(), target.size());
  return length <= 0 ? std::string() : std::string(target.data(), static_cast<std::size_t>(length));
}

Result<std::unique_ptr<KernelProgram>> KernelProgram::find(const std::string& disk_id) {
  const std::string folder = folder_of(disk_id);
  if (::access(folder.c_str(), F_OK) != 0) return std::unique_ptr<KernelProgram>();
  quiet_libbpf();
  std::unique_ptr<KernelProgram> program(new KernelProgram());
  std::array<UniqueFd, kPins.size()> pins;
  for (std::size_t i = 0; i < pins.size(); ++i) {
    pins[i].reset(bpf_obj_get((folder + "/" + kPins[i]).c_str()));
    if (!pins[i].valid()) {
      if (errno == EPERM || errno == EACCES) {
        return fail(bpf_error(errno, "cannot open " + folder + "/" + kPins[i]));
      }
      return fail(Errc::kIntegrity,
                  std::string("the tracking program's pin ") + kPins[i] + " is gone");
    }
    // Other versions have other pins.
    if (i == 0) BLKREWIND_TRY(program->map_control(pins[i].get()));
  }
  std::array<__u32, kMaps> map_ids{};
  for (std::size_t i = 0; i < map_ids.size(); ++i) {
    bpf_map_info info{};
    __u32 length = sizeof info;
    if (bpf_obj_get_info_by_fd(pins[i].get(), &info, &length) != 0) {
      return fail(Errc::kIntegrity, "a map of the tracking program cannot be read");
    }
    map_ids[i] = info.id;
  }
  for (std::size_t i = kMaps; i < pins.size(); ++i) {
    const std::uint32_t id = sets_bits_in(pins[i].get(), map_ids[0], map_ids[1]);
    if (id == 0) return fail(Errc::kIntegrity, "the tracking program is no longer running");
    program->programs_.push_back(id);
  }
  BLKREWIND_TRY(program->map_others(pins[1].get(), pins[2].get()));
  return program;
}

Result<std::unique_ptr<KernelProgram>> KernelProgram::start_unpinned(
    const blkrewind_control& control) {
  quiet_libbpf();
  BLKREWIND_TRY(need_type_information());
  Skeleton skeleton;
  BLKREWIND_TRY(load_and_attach(skeleton, control, true));
  changes& object = *skeleton.object;
  std::unique_ptr<KernelProgram> program(new KernelProgram());
  // The links end with the skeleton unless they are held.
  for (const bpf_link* link :
       {object.links.on_queue, object.links.on_complete, object.links.on_bio_complete}) {
    if (link == nullptr) continue;
    bpf_link_info info{};
    __u32 length = sizeof info;
    UniqueFd held(::fcntl(bpf_link__fd(link), F_DUPFD_CLOEXEC, 3));
    if (!held.valid() || bpf_obj_get_info_by_fd(held.get(), &info, &length) != 0) {
      return fail(bpf_error(errno, "cannot hold the tracking program"));
    }
    program->held_.push_back(std::move(held));
    UniqueFd running(bpf_prog_get_fd_by_id(info.prog_id));
    if (!running.valid()) return fail(bpf_error(errno, "cannot hold the tracking program"));
    program->running_.push_back(std::move(running));
  }
  BLKREWIND_TRY(program->map_control(bpf_map__fd(object.maps.control)));
  BLKREWIND_TRY(
      program->map_others(bpf_map__fd(object.maps.bits), bpf_map__fd(object.maps.under_way)));
  return program;
}

bool kernel_writes_pages_past_queue() {
  quiet_libbpf();
  const std::unique_ptr<btf, decltype(&btf__free)> types(btf__load_vmlinux_btf(), &btf__free);
  if (libbpf_get_error(types.get()) != 0 || types == nullptr) return true;
  const __s32 id = btf__find_by_name_kind(types.get(), "block_device_operations", BTF_KIND_STRUCT);
  if (id < 0) return true;
  const btf_type* const type = btf__type_by_id(types.get(), static_cast<__u32>(id));
  const btf_member* const members = btf_members(type);
  return std::any_of(members, members + btf_vlen(type), [&](const btf_member& member) {
    return std::string_view(btf__name_by_offset(types.get(), member.name_off)) == "rw_page";
  });
}

Status KernelProgram::map_control(int fd) {
  const std::size_t bytes = page_aligned(sizeof(blkrewind_control));
  void* const memory = map_shared(fd, bytes);
  if (memory == MAP_FAILED) return fail(system_error(errno, "cannot map the tracking state"));
  control_ = static_cast<blkrewind_control*>(memory);
  control_bytes_ = bytes;
  if (control_->version == BLKREWIND_CHANGES_VERSION) return {};
  return other_version();
}

Status KernelProgram::map_others(int bits_fd, int under_way_fd) {
  bpf_map_info info{};
  __u32 length = sizeof info;
  if (bpf_obj_get_info_by_fd(bits_fd, &info, &length) != 0 ||
      info.max_entries != control_->words * BLKREWIND_GENERATIONS || info.value_size != 8) {
    return other_version();
  }
  const std::size_t bits = info.max_entries;
  std::size_t bytes = page_aligned(std::uint64_t{bits} * 8);
  void* memory = map_shared(bits_fd, bytes);
  if (memory == MAP_FAILED) return fail(system_error(errno, "cannot map the dirty bitmap"));
  bits_bytes_ = bytes;
  bits_ = {static_cast<std::uint64_t*>(memory), bits};
  if (control_->bios == 0) return {};
  length = sizeof info;
  if (bpf_obj_get_info_by_fd(under_way_fd, &info, &length) != 0 ||
      info.max_entries != BLKREWIND_BUCKETS || info.value_size != sizeof(blkrewind_bucket)) {
    return other_version();
  }
  bytes = page_aligned(std::uint64_t{BLKREWIND_BUCKETS} * sizeof(blkrewind_bucket));
  memory = map_shared(under_way_fd, bytes);
  if (memory == MAP_FAILED) return fail(system_error(errno, "cannot map the writes under way"));
  under_way_bytes_ = bytes;
  under_way_ = {static_cast<blkrewind_bucket*>(memory), BLKREWIND_BUCKETS};
  return {};
}

std::uint64_t KernelProgram::skipped_events() const {
  std::uint64_t skipped = 0;
  const auto add = [&skipped](const UniqueFd& program) {
    bpf_prog_info info{};
    __u32 length = sizeof info;
    if (!program.valid() || bpf_obj_get_info_by_fd(program.get(), &info, &length) != 0) {
      return false;
    }
    skipped += info.recursion_misses;
    return true;
  };
  for (const UniqueFd& program : running_) {
    if (!add(program)) return UINT64_MAX;
  }
  for (const std::uint32_t id : programs_) {
    if (!add(UniqueFd(bpf_prog_get_fd_by_id(id)))) return UINT64_MAX;
  }
  return skipped;
}

KernelProgram::~KernelProgram() {
  if (control_ != nullptr) ::munmap(control_, control_bytes_);
  if (!bits_.empty()) ::munmap(bits_.data(), bits_bytes_);
  if (!under_way_.empty()) ::munmap(under_way_.data(), under_way_bytes_);
}

Result<bool> KernelProgram::stop(const std::string& disk_id) {
  const std::string folder = folder_of(disk_id);
  if (::access(folder.c_str(), F_OK) != 0) return false;
  BLKREWIND_TRY(remove_pins(folder));
  return true;
}

}  // namespace blkrewind::track
