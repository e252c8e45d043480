#!/usr/bin/env python3
"""Reads a store of format version 1 or 2 by docs/FORMAT.md alone: none of the program's code is in it.

  tests/golden/read_store.py check STORE     checks every checksum and digest; says what the store holds
  tests/golden/read_store.py example STORE   the annotated pieces that docs/FORMAT.md shows
  tests/golden/read_store.py clones STORE    those of its clones

Python 3 and the shared library of xxHash (Debian: libxxhash0).
"""
import ctypes
import os
import struct
import sys

BLOCK = 4096
FANOUT = 128
CHUNK, NODE, ROOT = 1, 2, 3  # digest domains

xxhash = ctypes.CDLL("libxxhash.so.0")


class Hash128(ctypes.Structure):
    _fields_ = [("low", ctypes.c_uint64), ("high", ctypes.c_uint64)]


xxhash.XXH3_64bits.restype = ctypes.c_uint64
xxhash.XXH3_64bits_withSecret.restype = ctypes.c_uint64
xxhash.XXH3_128bits_withSecret.restype = Hash128


def xxh64_plain(data):
    return xxhash.XXH3_64bits(data, ctypes.c_size_t(len(data)))


def xxh64(secret, data):
    return xxhash.XXH3_64bits_withSecret(data, ctypes.c_size_t(len(data)), secret,
                                         ctypes.c_size_t(len(secret)))


def xxh128(secret, data):
    value = xxhash.XXH3_128bits_withSecret(data, ctypes.c_size_t(len(data)), secret,
                                           ctypes.c_size_t(len(secret)))
    return value.low, value.high


def digest_of(secret, data, domain, level, position):
    low, high = xxh128(secret, data)
    binding = struct.pack("<QQQQII", low, high, position, len(data), domain, level)
    low, high = xxh128(secret, binding)
    return struct.pack("<QQ", low or (1 if high == 0 else 0), high)


def digest_hex(digest):
    low, high = struct.unpack("<QQ", digest)
    return "%016x%016x" % (high, low)


def without(data, offset, size=8):
    """The bytes with a field of zeroes: what a checksum is taken over."""
    return data[:offset] + bytes(size) + data[offset + size:]


def need(condition, what):
    if not condition:
        sys.exit("damaged: " + what)


# ---- Fields -----------------------------------------------------------------------------------------
# A walk over bytes that takes fields by type and remembers where they stood.
class Walk:
    def __init__(self, data, at=0):
        self.data, self.at, self.fields = data, at, []

    def take(self, kind, name):
        start = self.at
        if kind == "string":
            (length,) = struct.unpack_from("<I", self.data, start)
            self.at = start + 4 + length
            need(self.at <= len(self.data), name)
            value = self.data[start + 4:self.at].decode()
        elif kind == "u64[]":
            (count,) = struct.unpack_from("<I", self.data, start)
            self.at = start + 4 + 8 * count
            need(self.at <= len(self.data), name)
            value = list(struct.unpack_from("<%dQ" % count, self.data, start + 4))
        elif kind == "u32[]":
            (count,) = struct.unpack_from("<I", self.data, start)
            self.at = start + 4 + 4 * count
            need(self.at <= len(self.data), name)
            value = list(struct.unpack_from("<%dI" % count, self.data, start + 4))
        elif kind == "shares":  # of an origin: (disk, below) for each
            (count,) = struct.unpack_from("<I", self.data, start)
            self.at = start + 4 + 8 * count
            need(self.at <= len(self.data), name)
            numbers = struct.unpack_from("<%dI" % (2 * count), self.data, start + 4)
            value = list(zip(numbers[::2], numbers[1::2]))
        elif kind == "bytes":
            (length,) = struct.unpack_from("<I", self.data, start)
            self.at = start + 4 + length
            need(self.at <= len(self.data), name)
            value = self.data[start + 4:self.at]
        elif kind == "tags":
            (count,) = struct.unpack_from("<I", self.data, start)
            self.at = start + 4
            value = [(self.take("string", "key"), self.take("string", "value"))
                     for _ in range(count)]
            del self.fields[len(self.fields) - 2 * count:]
        elif kind.isdigit():
            self.at = start + int(kind)
            value = self.data[start:self.at]
        else:
            code = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i64": "q"}[kind]
            (value,) = struct.unpack_from("<" + code, self.data, start)
            self.at = start + struct.calcsize(code)
        self.fields.append((start, self.at, kind, name, value))
        return value

    def all(self, layout):
        return {name: self.take(kind, name) for kind, name in layout}


STORE_HEADER = [("8", "magic"), ("u32", "version"), ("u32", "reserved"), ("u64", "compatible"),
                ("u64", "read_only_compatible"), ("u64", "incompatible"), ("u64", "checksum"),
                ("16", "uuid"), ("i64", "created_at"), ("u64", "reserved"), ("192", "secret")]
LOG_HEADER = [("8", "magic"), ("u32", "version"), ("u32", "disk"), ("16", "store"),
              ("u64", "generation"), ("u64", "first_sequence"), ("u64", "checksum")]
LOG_TAIL = [("4", "magic"), ("u32", "reserved"), ("u64", "generation"), ("u64", "sequence"),
            ("u64", "checksum")]
RECORD_HEADERS = {
    1: [("4", "magic"), ("u32", "payload_bytes"), ("u64", "sequence"),
        ("u32", "entry_count"), ("u32", "reserved"), ("u64", "checksum")],
    2: [("4", "magic"), ("u32", "payload_bytes"), ("u64", "sequence"), ("u64", "epoch"),
        ("u64", "checksum"), ("u32", "disk"), ("u32", "reserved")]}
RECORD_HEADER_BYTES = {1: 32, 2: 40}
RECORD_MAGIC = {1: b"RCRD", 2: b"RCR2"}
INDEX = 0  # in the place of a disk's number
ENTRY_HEADER = [("u16", "type"), ("u16", "reserved"), ("u32", "length_bytes")]
SEGMENT_HEADERS = {
    1: [("8", "magic"), ("u32", "version"), ("u32", "id"), ("16", "store"), ("u64", "checksum")],
    2: [("8", "magic"), ("u32", "version"), ("u32", "id"), ("16", "store"), ("u64", "epoch"),
        ("u32", "disk"), ("u32", "reserved"), ("u64", "checksum")]}
SEGMENT_CHECKSUM_AT = {1: 32, 2: 48}
NODE_HEADER = [("4", "magic"), ("u16", "version"), ("u16", "level"), ("u64", "index"),
               ("u64", "checksum"), ("488", "reserved")]

DISK_HEAD = [
    ("u32", "number"), ("string", "id"), ("string", "path"), ("u8", "kind"),
    ("u64", "device_bytes"), ("u32", "chunk_bytes")]
IDENTITY = [
    ("string", "serial"), ("string", "wwn"), ("string", "dm_uuid"), ("string", "backing_file"),
    ("u64", "backing_device"), ("u64", "backing_inode"), ("u64", "backing_offset"),
    ("u64", "diskseq"), ("string", "boot_id"), ("string", "partition_uuid"),
    ("string", "table_uuid"), ("string", "filesystem_uuid"), ("string", "filesystem_type")]
LAYER = IDENTITY + [
    ("u8", "layer"), ("string", "place"), ("u64", "size_bytes"), ("string", "model"),
    ("string", "unit"), ("string", "md_uuid"), ("string", "attachment"),
    ("u32", "partition_number"), ("u64", "partition_start_bytes"), ("u64", "backing_limit"),
    ("string", "host_filesystem"), ("u64", "generation"), ("i64", "birth_ns"),
    ("u8", "shared_hardware"), ("u8", "vouched"), ("u8", "has_below")]
DISK_TAIL = [
    ("i64", "registered_at"), ("u64", "anchor"),
    ("string", "last.request_id"), ("u64", "last.target"), ("u64", "last.undo"),
    ("u8", "last.reserved"), ("i64", "last.finished_at")]
DISK_IN_LAYERS = 10
LAYERS_MAX = 8

ENTRIES = {
    1: ("disk", DISK_HEAD + IDENTITY + DISK_TAIL),
    2: ("snapshot", [
        ("u64", "number"), ("u32", "disk"), ("string", "id"), ("string", "name"),
        ("string", "description"), ("u8", "kind"), ("u8", "state"), ("u8", "damaged"),
        ("i64", "created_at"), ("u64", "device_bytes"), ("u32", "chunk_bytes"),
        ("u8", "root.state"), ("u8", "root.codec"), ("u32", "root.segment"), ("u32", "root.block"),
        ("u32", "root.length_bytes"), ("16", "root.digest"), ("16", "root_digest"),
        ("u64", "stored_bytes"), ("u64", "zero_bytes"), ("u64[]", "kin"), ("string", "failure")]),
    3: ("intent", [("u32", "disk"), ("string", "request_id"), ("u64", "target"), ("u64", "undo"),
                   ("i64", "started_at")]),
    4: ("segment", [("u32", "id"), ("u64", "live_bytes")]),
    5: ("counters", [("u32", "next_disk"), ("u64", "next_snapshot"), ("u32", "next_segment")]),
    6: ("disk_removed", [("u32", "number")]),
    7: ("snapshot_removed", [("u64", "number")]),
    8: ("intent_removed", [("u32", "disk")]),
    9: ("segment_removed", [("u32", "id")]),
    11: ("reset", [
        ("u32", "disk"), ("string", "request_id"), ("string", "snapshot_id"), ("u8", "undo"),
        ("u8", "state"), ("i64", "accepted.wall"), ("i64", "accepted.boottime"),
        ("string", "accepted.boot_id"), ("i64", "finished_at"), ("string", "error_code"),
        ("string", "error_message")]),
    12: ("clock", [("u32", "disk"), ("i64", "wall"), ("i64", "boottime"), ("string", "boot_id"),
                   ("i64", "counted")]),
    13: ("note", [
        ("u64", "snapshot"), ("u32", "disk"), ("u32", "retention_days"),
        ("i64", "counted_seconds"), ("i64", "owed_seconds"), ("i64", "counted_from"),
        ("tags", "tags")]),
    14: ("token", [("u64", "snapshot"), ("u32", "disk"), ("string", "token"),
                   ("16", "parameters"), ("i64", "counted_from")]),
    15: ("token_removed", [("u64", "snapshot")]),
    16: ("pending", [("u64", "group"), ("bytes", "entries")]),
    17: ("pending_ended", [("u64", "group"), ("u8", "done")]),
    18: ("group", [("u64", "group"), ("u8", "committed"), ("u32[]", "disks")]),
    19: ("group_removed", [("u64", "group")]),
    20: ("origin", [("u32", "disk"), ("u64", "snapshot"), ("string", "snapshot_id"),
                    ("shares", "shares")]),
    21: ("hold", [("u32", "clone"), ("u64", "snapshot")]),
    22: ("hold_removed", [("u32", "clone")]),
    DISK_IN_LAYERS: ("disk", DISK_HEAD),
}


# The top layer is the disk's identity; what it stands on follows as "below".
def take_layers(walk, fields):
    fields.update(walk.all(LAYER))
    layer = fields
    for _ in range(1, LAYERS_MAX):
        if not layer["has_below"]:
            break
        layer["below"] = walk.all(LAYER)
        layer = layer["below"]
    need(not layer["has_below"], "the number of layers")
    fields.update(walk.all(DISK_TAIL))


STATES = ["progressing", "accomplished", "failed", "deleting", "tombstone"]


# ---- A log ----------------------------------------------------------------------------------------
# The index, the log of a disk, or the journal of a store of version 1.
class Log:
    def __init__(self, store, name, version, disk):
        self.name, self.version, self.disk = name, version, disk
        self.records = []  # (offset, bytes, sequence, epoch, [(type name, fields)])
        self.bytes = log = store.read(name)
        secret = store.secret
        header = Walk(log).all(LOG_HEADER)
        need(header["magic"] == b"BLKRJRN\n" and header["version"] == version, name + ": magic")
        need(header["store"] == store.uuid and header["disk"] == disk, name + ": another log")
        need(xxh64(secret, without(log[:BLOCK], 48)) == header["checksum"], name + ": header")
        at, sequence, epoch = 2 * BLOCK, header["first_sequence"], 0
        head = RECORD_HEADER_BYTES[version]
        while at < len(log):
            record = Walk(log, at).all(RECORD_HEADERS[version])
            if record["magic"] != RECORD_MAGIC[version] or record["sequence"] != sequence:
                break
            length = -(-(head + record["payload_bytes"]) // BLOCK) * BLOCK
            data = log[at:at + length]
            if len(data) < length or xxh64(secret, without(data, 24)) != record["checksum"]:
                break
            need(record.get("disk", disk) == disk and record["reserved"] == 0, name + ": a record")
            need(record.get("epoch", 0) >= epoch, name + ": an epoch that was over")
            epoch = record.get("epoch", 0)
            entries = self.entries(data, head, head + record["payload_bytes"])
            need(record.get("entry_count", len(entries)) == len(entries), name + ": a record's count")
            self.records.append((at, data, sequence, epoch, entries))
            at += length
            sequence += 1
        tail_block = log[BLOCK:2 * BLOCK]
        tail = Walk(tail_block).all(LOG_TAIL)
        if tail["magic"] == b"TAIL" and xxh64(secret, without(tail_block, 24)) == tail["checksum"]:
            need(tail["generation"] != header["generation"] or tail["sequence"] < sequence,
                 name + ": a record that was acknowledged is gone")

    @staticmethod
    def entries(data, at, end):
        walk, entries = Walk(data, at), []
        while walk.at < end:
            entry = walk.all(ENTRY_HEADER)
            name, layout = ENTRIES[entry["type"]]
            entry_end = walk.at + entry["length_bytes"]
            fields = walk.all(layout)
            if entry["type"] == DISK_IN_LAYERS:
                take_layers(walk, fields)
            need(walk.at == entry_end and entry["reserved"] == 0, "an entry's length")
            entries.append((name, fields))
        need(walk.at == end, "a record's length")
        return entries

    # The objects that its entries leave: {type: {number: fields}}. `committed`: the groups that are,
    # by the index; their pending entries are true.
    def state(self, committed=()):
        keys = {"disk": "number", "snapshot": "number", "intent": "disk", "segment": "id",
                "reset": "disk", "clock": "disk", "note": "snapshot", "token": "snapshot",
                "pending": "group", "group": "group", "origin": "disk", "hold": "clone"}
        tables = {name: {} for name in keys}

        def apply(name, fields):
            if name == "pending_ended":
                pending = tables["pending"].pop(fields["group"], None)
                if pending and fields["done"]:
                    for entry in self.entries(pending["entries"], 0, len(pending["entries"])):
                        apply(*entry)
            elif name.endswith("_removed"):
                tables[name[:-len("_removed")]].pop(next(iter(fields.values())), None)
            elif name in keys:
                tables[name][fields[keys[name]]] = fields
            if name == "disk_removed":
                tables["reset"].pop(fields["number"], None)
                tables["clock"].pop(fields["number"], None)
                tables["origin"].pop(fields["number"], None)
            if name == "snapshot_removed" or (
                    name == "snapshot" and STATES[fields["state"]] in ("deleting", "tombstone")):
                tables["note"].pop(fields["number"], None)
                tables["token"].pop(fields["number"], None)

        for record in self.records:
            for entry in record[-1]:
                apply(*entry)
        for group in set(committed) & set(tables["pending"]):
            apply("pending_ended", {"group": group, "done": 1})
        return tables


# ---- The store ------------------------------------------------------------------------------------
class Store:
    def __init__(self, path):
        self.path = path
        self.format = self.read("format")
        need(len(self.format) == BLOCK, "the format file's length")
        header = Walk(self.format).all(STORE_HEADER)
        need(header["magic"] == b"BLKRWND\n", "the format file's magic")
        need(xxh64_plain(without(self.format, 40)) == header["checksum"], "the format file")
        self.version = header["version"]
        need(self.version in (1, 2), "the format version")
        need(header["incompatible"] == 0, "an upgrade was interrupted, or a feature is unknown")
        self.secret, self.uuid = header["secret"], header["uuid"]
        self.logs = []
        self.snapshots = {}    # by (disk, number)
        self.origins = {}      # by disk: [(disk, below)] of a clone
        self.segments = set()  # file names
        if self.version == 1:
            self.logs.append(Log(self, "journal", 1, INDEX))
            self.take(self.logs[0].state())
            return
        self.logs.append(Log(self, "index", 2, INDEX))
        index = self.logs[0].state()
        committed = [group for group, fields in index["group"].items() if fields["committed"]]
        for number, disk in index["disk"].items():
            log = Log(self, "disks/%d/log" % number, 2, number)
            state = log.state(committed)
            need(set(state["disk"]) == {number} and state["disk"][number]["id"] == disk["id"],
                 log.name + ": another disk than in the index")
            need(all(s["disk"] == number for s in state["snapshot"].values())
                 and set(state["intent"]) <= {number}, log.name + ": entries of another disk")
            need(state["origin"].get(number) == index["origin"].get(number),
                 log.name + ": another origin than in the index")
            for fields in state["origin"].values():
                self.check_origin(number, fields["shares"], state["segment"])
            self.logs.append(log)
            self.take(state)
        self.check_holds(index, committed)

    def check_origin(self, disk, shares, segments):
        disks, below = [share[0] for share in shares], [share[1] for share in shares]
        need(shares and disks == sorted(set(disks)) and disks[0] > 0 and disks[-1] < disk
             and below == sorted(below) and below[0] > 0, "the origin of disk %d" % disk)
        need(all(id >= below[-1] for id in segments), "a clone's own segments")
        self.origins[disk] = shares

    def check_holds(self, index, committed):
        held = {}  # clone -> (disk, snapshot)
        for log in self.logs[1:]:
            for fields in log.state(committed)["hold"].values():
                held[fields["clone"]] = (log.disk, fields["snapshot"])
        for number, fields in index["origin"].items():
            source = (fields["shares"][-1][0], fields["snapshot"])
            need(held.get(number) == source, "the hold of clone %d" % number)
            need(self.snapshots[source]["id"] == fields["snapshot_id"], "what a clone was made from")

    def take(self, state):
        for number, fields in state["snapshot"].items():
            self.snapshots[fields["disk"], number] = fields
        for disk in state["disk"]:
            self.segments.update(self.segment_name(disk, id) for id in state["segment"])

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()

    def segment_name(self, disk, number):
        return "segments/%d" % number if self.version == 1 else "disks/%d/segments/%d" % (disk, number)

    def owner(self, disk, number):
        """Whose the segment is that trees of the disk name so."""
        return next((share for share, below in self.origins.get(disk, []) if number < below), disk)

    def segment(self, disk, number):
        disk = self.owner(disk, number)
        data = self.read(self.segment_name(disk, number))
        # One that was made in a store of version 1 keeps its header.
        (version,) = struct.unpack_from("<I", data, 8)
        need(version in SEGMENT_HEADERS and version <= self.version, "a segment's version")
        header = Walk(data).all(SEGMENT_HEADERS[version])
        sealed = without(data[:BLOCK], SEGMENT_CHECKSUM_AT[version])
        need(header["magic"] == b"BLKRSEG\n" and header["id"] == number
             and header["store"] == self.uuid and header.get("disk", disk) == disk
             and xxh64(self.secret, sealed) == header["checksum"],
             "the header of segment %d of disk %d" % (number, disk))
        return data

    def node(self, disk, segment, block, level, index, digest):
        """The node's entries: (index, state, segment, block, length, digest)."""
        data = self.segment(disk, segment)[block * BLOCK:(block + 1) * BLOCK]
        head = Walk(data).all(NODE_HEADER)
        need(head["magic"] == b"NODE" and head["version"] == 1
             and (head["level"], head["index"]) == (level, index)
             and xxh64(self.secret, without(data, 16)) == head["checksum"], "a node")
        digests = data[512:512 + 16 * FANOUT]
        need(digest_of(self.secret, digests, NODE, level, index) == digest, "a node's digest")
        entries = []
        for i in range(FANOUT):
            place = struct.unpack_from("<III", data, 2560 + 12 * i)
            entries.append((i, place[2] >> 24 & 15, place[0], place[1], place[2] & 0xffffff,
                            digests[16 * i:16 * i + 16]))
            need(place[2] >> 28 == 0, "a codec")
        return entries

    def chunk_extent(self, snapshot, index):
        offset = index * snapshot["chunk_bytes"]
        return offset, min(snapshot["chunk_bytes"], snapshot["device_bytes"] - offset)

    def chunks(self, snapshot):
        """(index, segment, block, bytes) of every stored chunk, all digests checked."""
        count = -(-snapshot["device_bytes"] // snapshot["chunk_bytes"])
        height, nodes = 1, -(-count // FANOUT)
        while nodes > 1:
            height, nodes = height + 1, -(-nodes // FANOUT)
        root = snapshot["root.digest"]
        content = struct.pack("<QII", snapshot["device_bytes"], snapshot["chunk_bytes"], height) + root
        need(digest_of(self.secret, content, ROOT, 0, 0) == snapshot["root_digest"], "a root digest")
        if snapshot["root.state"] == 0:
            return
        yield from self.below(snapshot, snapshot["root.segment"], snapshot["root.block"],
                              height - 1, 0, root)

    def below(self, snapshot, segment, block, level, index, digest):
        for i, state, child, place, length, want in self.node(
                snapshot["disk"], segment, block, level, index, digest):
            if state == 0:
                continue
            need(state == 1, "an entry's state")
            at = index * FANOUT + i
            if level > 0:
                yield from self.below(snapshot, child, place, level - 1, at, want)
                continue
            need(length == self.chunk_extent(snapshot, at)[1], "a chunk's length")
            data = self.segment(snapshot["disk"], child)[place * BLOCK:place * BLOCK + length]
            need(digest_of(self.secret, data, CHUNK, 0, at) == want, "chunk %d" % at)
            yield at, child, place, data


# ---- What is printed -----------------------------------------------------------------------------
def shown(kind, name, value):
    if name == "magic":
        return repr(value.decode())[1:-1]
    if name in ("digest", "root.digest", "root_digest"):
        return digest_hex(value)
    if name == "state" and kind == "u8":
        return "%d %s" % (value, STATES[value])
    if isinstance(value, bytes):
        return "" if len(value) > 16 else value.hex()
    if name == "checksum":
        return "%016x" % value
    return '"%s"' % value if kind == "string" else str(value)


def dump(fields, base=0):
    for start, end, kind, name, value in fields:
        data = fields_data[start:end]
        for i in range(0, min(len(data), 48), 16):
            label = "%s %s" % (name, shown(kind, name, value)) if i == 0 else ""
            print(("%06x  %-47s  %s" % (base + start + i, data[i:i + 16].hex(" "), label)).rstrip())
        if len(data) > 48:
            print("        ... %d bytes in all" % len(data))


fields_data = b""


def dump_walk(data, layout, at=0, base=0):
    global fields_data
    fields_data = data
    walk = Walk(data, at)
    values = walk.all(layout)
    dump(walk.fields, base)
    return walk, values


def summary(entries):
    names = []
    for name, fields in entries:
        key = next(iter(fields.values()))
        state = " " + STATES[fields["state"]] if name == "snapshot" else ""
        names.append(name if name == "counters" else "%s %s%s" % (name, key, state))
    return ", ".join(names)


def example(store):
    print("STORE/format")
    dump_walk(store.format, STORE_HEADER)
    for log in store.logs:
        print("\nSTORE/%s: header block" % log.name)
        dump_walk(log.bytes, LOG_HEADER)
        print("\nSTORE/%s: tail block" % log.name)
        dump_walk(log.bytes, LOG_TAIL, BLOCK)
        print("\nSTORE/%s: its records (offset, sequence, epoch, entries)" % log.name)
        for offset, _, sequence, epoch, entries in log.records:
            print("%06x  %d  %d  %s" % (offset, sequence, epoch, summary(entries)))
    log, (offset, data, sequence, _, entries) = next(
        (log, r) for log in store.logs for r in log.records if any(n == "intent" for n, _ in r[-1]))
    print("\nSTORE/%s: record %d, an undo snapshot and an intent" % (log.name, sequence))
    dump_walk(data, RECORD_HEADERS[log.version], 0, offset)
    at = RECORD_HEADER_BYTES[log.version]
    for name, _ in entries:
        print("        -- %s" % name)
        walk, head = dump_walk(data, ENTRY_HEADER, at, offset)
        walk, _ = dump_walk(data, dict(ENTRIES.values())[name], walk.at, offset)
        at = walk.at
    snapshot = next(s for s in store.snapshots.values() if s["name"] == "base")
    disk, number, block = snapshot["disk"], snapshot["root.segment"], snapshot["root.block"]
    name = store.segment_name(disk, number)
    print("\nSTORE/%s: header block" % name)
    segment = store.segment(disk, number)
    dump_walk(segment, SEGMENT_HEADERS[struct.unpack_from("<I", segment, 8)[0]])
    print("\nSTORE/%s: the root node of snapshot \"base\" (level 2 of 3)" % name)
    dump_node(store, segment, block)
    index, number, block, data = list(store.chunks(snapshot))[-1]
    print("\nSTORE/%s: chunk %d of that snapshot" % (store.segment_name(disk, number), index))
    for i in range(0, 32, 16):
        print("%06x  %s" % (block * BLOCK + i, data[i:i + 16].hex(" ")))
    print("        ... %d bytes in all; digest %s"
          % (len(data), digest_hex(digest_of(store.secret, data, CHUNK, 0, index))))


def clones(store):
    for log in store.logs:
        for offset, data, sequence, _, entries in log.records:
            at = RECORD_HEADER_BYTES[log.version]
            for name, _ in entries:
                walk = Walk(data, at)
                head = walk.all(ENTRY_HEADER)
                if name in ("origin", "hold"):
                    print("STORE/%s: record %d, %s" % (log.name, sequence, name))
                    dump_walk(data, ENTRY_HEADER, at, offset)
                    dump_walk(data, dict(ENTRIES.values())[name], walk.at, offset)
                at = walk.at + head["length_bytes"]


def dump_node(store, segment, block):
    data = segment[block * BLOCK:(block + 1) * BLOCK]
    dump_walk(data, NODE_HEADER, 0, block * BLOCK)
    for i in range(FANOUT):
        digest = data[512 + 16 * i:528 + 16 * i]
        if any(digest):
            print("%06x  %s  digests[%d] %s"
                  % (block * BLOCK + 512 + 16 * i, digest.hex(" "), i, digest_hex(digest)))
    for i in range(FANOUT):
        place = data[2560 + 12 * i:2572 + 12 * i]
        if any(place):
            number, at, packed = struct.unpack("<III", place)
            print("%06x  %-47s  places[%d] segment %d, block %d, %d bytes, state %d, codec %d"
                  % (block * BLOCK + 2560 + 12 * i, place.hex(" "), i, number, at,
                     packed & 0xffffff, packed >> 24 & 15, packed >> 28))
    print("        (every other digest and place is zero)")


def check(store):
    used = {}
    for snapshot in store.snapshots.values():
        if STATES[snapshot["state"]] != "accomplished":
            continue
        chunks = list(store.chunks(snapshot))
        for _, segment, block, data in chunks:
            used[store.owner(snapshot["disk"], segment), segment, block] = len(data)
        print("snapshot %s %s: %d stored chunks, root digest %s"
              % (snapshot["id"], snapshot["name"] or "-", len(chunks),
                 digest_hex(snapshot["root_digest"])))
    need(all(os.path.exists(os.path.join(store.path, name)) for name in store.segments),
         "a segment is missing")
    print("%d records, %d segments, %d chunks of %d bytes: every checksum and digest is right"
          % (sum(len(log.records) for log in store.logs), len(store.segments), len(used),
             sum(used.values())))


def main():
    actions = {"check": check, "example": example, "clones": clones}
    if len(sys.argv) != 3 or sys.argv[1] not in actions:
        sys.exit(__doc__)
    actions[sys.argv[1]](Store(sys.argv[2]))


main()
