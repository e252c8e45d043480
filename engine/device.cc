#include "device.h"

#include <utility>

#include "io/identity.h"

namespace blkrewind {
namespace {

tl::unexpected<Error> refuse(std::string message, std::string hint) {
  return fail(Errc::kPrecondition, std::move(message), std::move(hint));
}

// Whether an image file lies in the store's folder: it would be part of what it is kept in. A
// folder that cannot be looked at is not the store's, which is open.
bool is_in_store(io::Env& env, const std::string& store_path, const io::DeviceInfo& info) {
  if (info.kind != io::DeviceKind::kFile) return false;
  const auto store = env.identify(store_path);
  if (!store) return false;
  std::string folder = info.real_path;
  for (std::size_t slash = folder.rfind('/'); slash != std::string::npos && slash != 0;
       slash = folder.rfind('/')) {
    folder.resize(slash);
    const auto id = env.identify(folder);
    if (id && *id == *store) return true;
  }
  return false;
}

}  // namespace

Status check_device(io::Env& env, const std::string& store_path, const format::DiskRecord& disk,
                    const io::DeviceInfo& info, DeviceUse use) {
  const io::IdentityCheck identity = io::compare_identity(info, disk.kind, disk.identity);
  if (!identity.same) {
    return refuse(info.path + " is not the device that was registered as " + disk.id + ": " +
                      identity.difference,
                  identity.hint.empty() ? "if this is the same disk, run: blkrewind disk adopt " +
                                              disk.id + " " + info.path
                                        : identity.hint);
  }
  if (!info.used_by.empty()) {
    const io::UsedBy& first = info.used_by.front();
    return refuse(info.path + " is in use: " + first.what, first.hint);
  }
  if (is_in_store(env, store_path, info)) {
    return refuse(info.path + " is a file of the store " + store_path,
                  "name a device or an image file outside of the store");
  }
  if (use == DeviceUse::kRead) return {};
  if (info.read_only) {
    return refuse(info.path + " is read-only",
                  info.kind == io::DeviceKind::kBlock
                      ? "make it writable: blockdev --setrw " + info.path
                      : "give write permission on the file, or remount its file system");
  }
  BLKREWIND_ASSIGN(const bool own, env.lives_on(store_path, info));
  if (own) {
    return refuse("the store " + store_path + " lives on " + info.path,
                  "move the store to another device: rolling this one back would destroy it");
  }
  return {};
}

Result<OpenedDevice> open_device(io::Env& env, const std::string& store_path,
                                 const format::DiskRecord& disk, const std::string& path,
                                 DeviceUse use) {
  OpenedDevice device;
  BLKREWIND_ASSIGN(device.info, env.probe(path));
  BLKREWIND_TRY(check_device(env, store_path, disk, device.info, use));
  auto file =
      env.open(device.info.real_path,
               {.access = use == DeviceUse::kWrite ? io::Access::kReadWrite : io::Access::kReadOnly,
                .exclusive_device = true});
  if (!file) {
    Error error = std::move(file).error();
    if (error.code != Errc::kBusy) return fail(std::move(error));
    // Somebody was quicker.
    return refuse(path + " is in use: another program has just opened it exclusively",
                  "wait for that program to end, then try again");
  }
  device.file = std::move(*file);
  BLKREWIND_ASSIGN(device.info.size_bytes, device.file->size_bytes());
  return device;
}

}  // namespace blkrewind
