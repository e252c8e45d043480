// nbdkit-blkrewind-plugin: snapshots as read-only disks; see nbdkit-blkrewind-plugin(1).
//
// The life of a server, in the order in which nbdkit calls:
//
//   config...     the parameters
//   get_ready     opens the store, finds the disk and the snapshot that were named, and closes it
//                 again: errors are seen by the caller, and nothing crosses the fork
//   after_fork    opens the store for good
//   open          a connection: a reader of its own, which holds the snapshot against deletion.
//                 Chunks in memory are shared by all readers of the Engine
//   pread, extents, cache    any number of threads
//   close         the hold ends
//   cleanup       closes the store
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "blkrewind/engine.h"
#include "cli/nbdkit/exports.h"

#define NBDKIT_API_VERSION 2
#include <nbdkit-plugin.h>
#define THREAD_MODEL NBDKIT_THREAD_MODEL_PARALLEL

namespace blkrewind::nbd {
namespace {

struct Parameters {
  std::optional<std::string> store;
  std::optional<std::string> snapshot;
  std::optional<std::string> disk;
};

struct Served {
  OpenOptions options;
  std::string disk_id;                   // empty: all disks
  std::optional<SnapshotInfo> snapshot;  // nullopt: all snapshots
};

struct Connection {
  Connection(SnapshotReader opened, bool may_move) : reader(std::move(opened)), moves(may_move) {}

  SnapshotReader reader;
  bool moves;  // the next connection may find another snapshot
};

Parameters parameters;
Served served;
std::optional<Engine> engine;

Connection& connection_of(void* handle) { return *static_cast<Connection*>(handle); }

// Runs a callback of C, which no exception may leave.
template <class Value, class Body>
Value guarded(Value failed, const Body& body) noexcept {
  try {
    return body();
  } catch (const std::exception& error) {
    nbdkit_error("blkrewind: %s", error.what());
  } catch (...) {
    nbdkit_error("blkrewind: an unknown exception");
  }
  nbdkit_set_error(EIO);
  return failed;
}

int refuse(const Error& error, int with_errno) {
  nbdkit_error("%s", line_of(error).c_str());
  nbdkit_set_error(with_errno);
  return -1;
}

int answer(const Status& done) {
  return done ? 0 : refuse(done.error(), errno_of_read(done.error()));
}

void load() { set_log_level(LogLevel::kWarning); }

int config(const char* key, const char* value) {
  return guarded(-1, [&] {
    const std::string name = key;
    std::optional<std::string>* const parameter = name == "store"      ? &parameters.store
                                                  : name == "snapshot" ? &parameters.snapshot
                                                  : name == "disk"     ? &parameters.disk
                                                                       : nullptr;
    if (parameter == nullptr) {
      nbdkit_error("unknown parameter '%s'", key);
      return -1;
    }
    if (parameter->has_value() || *value == '\0') {
      nbdkit_error("%s= %s", key, *value == '\0' ? "is empty" : "is given twice");
      return -1;
    }
    *parameter = value;
    return 0;
  });
}

int config_complete() {
  return guarded(-1, [] {
    // The variables are those that the program reads as well.
    const char* const variable = std::getenv("BLKREWIND_STORE");
    const std::string store =
        parameters.store.value_or(variable != nullptr ? variable : served.options.store);
    if (store.empty()) {
      nbdkit_error("$BLKREWIND_STORE is empty");
      return -1;
    }
    // The server leaves this directory.
    const std::unique_ptr<char, decltype(&std::free)> path(nbdkit_absolute_path(store.c_str()),
                                                           &std::free);
    if (!path) return -1;
    served.options.store = path.get();
    const char* const no_rings = std::getenv("BLKREWIND_NO_IO_URING");
    if (no_rings != nullptr && *no_rings != '\0') {
      const int no_io_uring = nbdkit_parse_bool(no_rings);
      if (no_io_uring < 0) return -1;
      served.options.allow_io_uring = no_io_uring == 0;
    }
    return 0;
  });
}

// A path may name another device later, and "latest" another snapshot: both are looked up once.
Status look_up() {
  BLKREWIND_ASSIGN(Engine found, Engine::open(served.options));
  if (parameters.disk) {
    auto disk = found.disk(*parameters.disk);
    if (!disk) {
      return fail(std::move(disk).error().while_doing("looking for disk=" + *parameters.disk));
    }
    served.disk_id = disk->id;
  }
  if (parameters.snapshot) {
    auto reader = found.open_snapshot(*parameters.snapshot, served.disk_id);
    if (!reader) {
      return fail(
          std::move(reader).error().while_doing("looking for snapshot=" + *parameters.snapshot));
    }
    served.snapshot = reader->info();
  }
  return {};
}

int get_ready() {
  return guarded(-1, [] {
    const Status found = look_up();
    return found ? 0 : refuse(found.error(), errno_of_open(found.error()));
  });
}

int after_fork() {
  return guarded(-1, [] {
    auto opened = Engine::open(served.options);
    if (!opened) return refuse(opened.error(), errno_of_open(opened.error()));
    engine.emplace(std::move(*opened));
    return 0;
  });
}

void cleanup() { engine.reset(); }

void dump_plugin() { std::printf("blkrewind_default_store=%s\n", OpenOptions().store.c_str()); }

Status list_all(nbdkit_exports* exports) {
  return engine->list(
      served.disk_id,
      [&](const DiskInfo& disk, const std::vector<SnapshotInfo>& snapshots) -> Status {
        // The others are listed.
        if (disk.trouble) nbdkit_error("%s: %s", disk.id.c_str(), line_of(*disk.trouble).c_str());
        for (const SnapshotInfo& snapshot : snapshots) {
          if (snapshot.status != SnapshotStatus::kAccomplished) continue;
          if (nbdkit_add_export(exports, export_name(snapshot).c_str(),
                                description(snapshot).c_str()) != 0) {
            return fail(Errc::kUnsupported, "nbdkit does not list more exports",
                        "name a disk by disk=");
          }
        }
        return {};
      });
}

int list_exports(int /*readonly*/, int /*is_tls*/, nbdkit_exports* exports) {
  return guarded(-1, [&] {
    if (served.snapshot) {
      return nbdkit_add_export(exports, export_name(*served.snapshot).c_str(),
                               description(*served.snapshot).c_str());
    }
    return answer(list_all(exports));
  });
}

// Null: a client has to name one.
const char* default_export(int /*readonly*/, int /*is_tls*/) {
  return guarded<const char*>(nullptr, [] {
    return served.snapshot ? nbdkit_strdup_intern(export_name(*served.snapshot).c_str()) : nullptr;
  });
}

// What to open for the name that the client has sent.
Result<Wanted> wanted_by_client(const std::string& name) {
  if (!served.snapshot) return wanted(name, served.disk_id);
  const SnapshotInfo& only = *served.snapshot;
  if (name == export_name(only) || name == only.id || name == *parameters.snapshot) {
    return Wanted{only.id, only.disk_id};
  }
  return fail(Errc::kNotFound, "this server serves " + export_name(only) + " only",
              "name no other export");
}

Result<std::unique_ptr<Connection>> connect(const std::string& name) {
  BLKREWIND_ASSIGN(const Wanted wanted, wanted_by_client(name));
  auto reader = engine->open_snapshot(wanted.snapshot, wanted.disk_id);
  // Printable, or it would not be wanted.
  if (!reader) return fail(std::move(reader).error().while_doing("opening export " + name));
  return std::make_unique<Connection>(std::move(*reader), wanted.may_move());
}

void* open(int /*readonly*/) {
  return guarded<void*>(nullptr, []() -> void* {
    const char* const name = nbdkit_export_name();
    if (name == nullptr) return nullptr;
    auto connection = connect(name);
    if (connection) return connection->release();
    (void)refuse(connection.error(), errno_of_open(connection.error()));
    return nullptr;
  });
}

void close(void* handle) { delete static_cast<Connection*>(handle); }

std::int64_t get_size(void* handle) {
  return static_cast<std::int64_t>(connection_of(handle).reader.size_bytes());
}

const char* export_description(void* handle) {
  return guarded<const char*>(nullptr, [&] {
    return nbdkit_strdup_intern(description(connection_of(handle).reader.info()).c_str());
  });
}

int block_size(void* handle, std::uint32_t* minimum, std::uint32_t* preferred,
               std::uint32_t* maximum) {
  *minimum = 1;
  *preferred = connection_of(handle).reader.chunk_bytes();
  *maximum = UINT32_MAX;  // nbdkit's own limit counts
  return 0;
}

// The connections of one client must see the same bytes.
int can_multi_conn(void* handle) { return connection_of(handle).moves ? 0 : 1; }

int pread(void* handle, void* buffer, std::uint32_t count, std::uint64_t offset,
          std::uint32_t /*flags*/) {
  return guarded(-1, [&] {
    return answer(
        connection_of(handle).reader.read(offset, {static_cast<std::byte*>(buffer), count}));
  });
}

int extents(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t flags,
            nbdkit_extents* found) {
  return guarded(-1, [&] {
    const bool one = (flags & NBDKIT_FLAG_REQ_ONE) != 0;
    bool added = true;
    const Status done =
        connection_of(handle).reader.extents({offset, count}, [&](Extent extent, bool data) {
          const std::uint32_t type = data ? 0 : NBDKIT_EXTENT_HOLE | NBDKIT_EXTENT_ZERO;
          added = nbdkit_add_extent(found, extent.offset, extent.length, type) == 0;
          return added && !one;
        });
    return added ? answer(done) : -1;
  });
}

// A chunk that is wanted in part stays in memory: one byte of each brings it there. What does not
// fit there is left out.
Status prefetch(SnapshotReader& reader, Extent within) {
  const std::uint64_t chunk_bytes = reader.chunk_bytes();
  std::uint64_t room = served.options.cache_bytes / chunk_bytes;
  Status read;
  BLKREWIND_TRY(reader.extents(within, [&](Extent extent, bool data) {
    for (std::uint64_t at = extent.offset; data && read && at < extent.end() && room > 0;
         at = align_down(at, chunk_bytes) + chunk_bytes) {
      std::byte byte{};
      read = reader.read(at, {&byte, 1});
      --room;
    }
    return read && room > 0;
  }));
  return read;
}

int cache(void* handle, std::uint32_t count, std::uint64_t offset, std::uint32_t /*flags*/) {
  return guarded(-1, [&] {
    return answer(prefetch(connection_of(handle).reader, {offset, count}));
  });
}

nbdkit_plugin make_plugin() {
  nbdkit_plugin made{};
  made.name = "blkrewind";
  made.longname = "blkrewind snapshots";
  made.version = version();
  made.description = "Snapshots of block devices, as read-only disks";
  made.load = load;
  made.config = config;
  made.config_complete = config_complete;
  made.config_help =
      "store=DIR         The store (default: $BLKREWIND_STORE, or /var/lib/blkrewind).\n"
      "disk=TARGET       Serve snapshots of this device, image file or disk id only.\n"
      "[snapshot=]NAME   Serve this snapshot only: an id, a name, or latest.\n"
      "                  Without it every snapshot is an export.";
  made.magic_config_key = "snapshot";
  made.get_ready = get_ready;
  made.after_fork = after_fork;
  made.cleanup = cleanup;
  made.dump_plugin = dump_plugin;
  made.list_exports = list_exports;
  made.default_export = default_export;
  made.open = open;
  made.close = close;
  made.get_size = get_size;
  made.export_description = export_description;
  made.block_size = block_size;
  made.can_multi_conn = can_multi_conn;
  made.pread = pread;
  made.extents = extents;
  made.cache = cache;
  return made;
}

nbdkit_plugin plugin = make_plugin();

}  // namespace
}  // namespace blkrewind::nbd

using blkrewind::nbd::plugin;
NBDKIT_REGISTER_PLUGIN(plugin)
