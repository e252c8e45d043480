// Replaces kernel_program.cc in a build without libbpf, clang or bpftool.
#include "track/bitmap/kernel_program.h"

namespace blkrewind::track {

Status KernelProgram::start(const std::string&, const blkrewind_control&, const std::string&) {
  return fail(Errc::kUnsupported, "this blkrewind was built without the tracking program",
              "build it with libbpf-dev, clang and bpftool installed, or let operations scan");
}

Result<std::unique_ptr<KernelProgram>> KernelProgram::start_unpinned(const blkrewind_control&) {
  return fail(Errc::kUnsupported, "this blkrewind was built without the tracking program",
              "build it with libbpf-dev, clang and bpftool installed");
}

bool kernel_writes_pages_past_queue() { return true; }

Result<std::unique_ptr<KernelProgram>> KernelProgram::find(const std::string&) {
  return std::unique_ptr<KernelProgram>();
}

Result<std::vector<std::string>> KernelProgram::pinned_disks() {
  return fail(Errc::kUnsupported, "this blkrewind was built without the tracking program",
              "build it with libbpf-dev, clang and bpftool installed");
}

std::string KernelProgram::store_of(const std::string&) { return {}; }

Result<bool> KernelProgram::stop(const std::string&) { return false; }

std::uint64_t KernelProgram::skipped_events() const { return UINT64_MAX; }

KernelProgram::~KernelProgram() = default;

}  // namespace blkrewind::track
