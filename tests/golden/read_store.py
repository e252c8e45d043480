#!/usr/bin/env python3
"""Reads a store of format version 1 by docs/FORMAT.md alone: none of the program's code is in it.

  tests/golden/read_store.py check STORE     checks every checksum and digest; says what the store holds
  tests/golden/read_store.py example STORE   the annotated pieces that docs/FORMAT.md shows

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
JOURNAL_HEADER = [("8", "magic"), ("u32", "version"), ("u32", "reserved"), ("16", "store"),
                  ("u64", "generation"), ("u64", "first_sequence"), ("u64", "checksum")]
JOURNAL_TAIL = [("4", "magic"), ("u32", "reserved"), ("u64", "generation"), ("u64", "sequence"),
                ("u64", "checksum")]
RECORD_HEADER = [("4", "magic"), ("u32", "payload_bytes"), ("u64", "sequence"),
                 ("u32", "entry_count"), ("u32", "reserved"), ("u64", "checksum")]
ENTRY_HEADER = [("u16", "type"), ("u16", "reserved"), ("u32", "length_bytes")]
SEGMENT_HEADER = [("8", "magic"), ("u32", "version"), ("u32", "id"), ("16", "store"),
                  ("u64", "checksum")]
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


# ---- The store ------------------------------------------------------------------------------------
class Store:
    def __init__(self, path):
        self.path = path
        self.format = self.read("format")
        need(len(self.format) == BLOCK, "the format file's length")
        header = Walk(self.format).all(STORE_HEADER)
        need(header["magic"] == b"BLKRWND\n", "the format file's magic")
        need(header["version"] == 1, "the format version")
        need(xxh64_plain(without(self.format, 40)) == header["checksum"], "the format file")
        self.secret, self.uuid = header["secret"], header["uuid"]
        self.records = []  # (offset, bytes, sequence, [(type name, fields)])
        self.disks, self.snapshots, self.intents, self.segments = {}, {}, {}, {}
        self.resets, self.clocks, self.notes, self.tokens = {}, {}, {}, {}
        self.read_journal()

    def read(self, name):
        with open(os.path.join(self.path, name), "rb") as file:
            return file.read()

    def read_journal(self):
        self.journal = journal = self.read("journal")
        header = Walk(journal).all(JOURNAL_HEADER)
        need(header["magic"] == b"BLKRJRN\n" and header["version"] == 1, "the journal's magic")
        need(header["store"] == self.uuid, "the journal's store")
        need(xxh64(self.secret, without(journal[:BLOCK], 48)) == header["checksum"],
             "the journal's header")
        at, sequence = 2 * BLOCK, header["first_sequence"]
        while at < len(journal):
            record = Walk(journal, at).all(RECORD_HEADER)
            if record["magic"] != b"RCRD" or record["sequence"] != sequence:
                break
            length = -(-(32 + record["payload_bytes"]) // BLOCK) * BLOCK
            data = journal[at:at + length]
            if len(data) < length or xxh64(self.secret, without(data, 24)) != record["checksum"]:
                break
            walk, entries = Walk(data, 32), []
            for _ in range(record["entry_count"]):
                entry = walk.all(ENTRY_HEADER)
                name, layout = ENTRIES[entry["type"]]
                end = walk.at + entry["length_bytes"]
                fields = walk.all(layout)
                if entry["type"] == DISK_IN_LAYERS:
                    take_layers(walk, fields)
                need(walk.at == end and entry["reserved"] == 0, "an entry's length")
                entries.append((name, fields))
                self.apply(name, fields)
            need(walk.at == 32 + record["payload_bytes"], "a record's length")
            self.records.append((at, data, sequence, entries))
            at += length
            sequence += 1
        tail_block = journal[BLOCK:2 * BLOCK]
        tail = Walk(tail_block).all(JOURNAL_TAIL)
        if tail["magic"] == b"TAIL" and xxh64(self.secret, without(tail_block, 24)) == tail["checksum"]:
            need(tail["generation"] != header["generation"] or tail["sequence"] < sequence,
                 "a record that was acknowledged is gone")

    def apply(self, name, fields):
        tables = {"disk": (self.disks, "number"), "snapshot": (self.snapshots, "number"),
                  "intent": (self.intents, "disk"), "segment": (self.segments, "id"),
                  "reset": (self.resets, "disk"), "clock": (self.clocks, "disk"),
                  "note": (self.notes, "snapshot"), "token": (self.tokens, "snapshot")}
        if name.endswith("_removed"):
            table, _ = tables[name[:-len("_removed")]]
            table.pop(next(iter(fields.values())), None)
        elif name in tables:
            table, key = tables[name]
            table[fields[key]] = fields
        if name == "disk_removed":
            self.resets.pop(fields["number"], None)
            self.clocks.pop(fields["number"], None)
        if name == "snapshot_removed" or (
                name == "snapshot" and STATES[fields["state"]] in ("deleting", "tombstone")):
            self.notes.pop(fields["number"], None)
            self.tokens.pop(fields["number"], None)

    def segment(self, number):
        data = self.read("segments/%d" % number)
        header = Walk(data).all(SEGMENT_HEADER)
        need(header["magic"] == b"BLKRSEG\n" and header["id"] == number
             and header["store"] == self.uuid
             and xxh64(self.secret, without(data[:BLOCK], 32)) == header["checksum"],
             "the header of segment %d" % number)
        return data

    def node(self, segment, block, level, index, digest):
        """The node's entries: (index, state, segment, block, length, digest)."""
        data = self.segment(segment)[block * BLOCK:(block + 1) * BLOCK]
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
        for i, state, child, place, length, want in self.node(segment, block, level, index, digest):
            if state == 0:
                continue
            need(state == 1, "an entry's state")
            at = index * FANOUT + i
            if level > 0:
                yield from self.below(snapshot, child, place, level - 1, at, want)
                continue
            need(length == self.chunk_extent(snapshot, at)[1], "a chunk's length")
            data = self.segment(child)[place * BLOCK:place * BLOCK + length]
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


def example(store):
    print("STORE/format")
    dump_walk(store.format, STORE_HEADER)
    print("\nSTORE/journal: header block")
    dump_walk(store.journal, JOURNAL_HEADER)
    print("\nSTORE/journal: tail block")
    dump_walk(store.journal, JOURNAL_TAIL, BLOCK)
    print("\nSTORE/journal: its records")
    for offset, data, sequence, entries in store.records:
        names = []
        for name, fields in entries:
            key = next(iter(fields.values()))
            state = " " + STATES[fields["state"]] if name == "snapshot" else ""
            names.append(name if name == "counters" else "%s %s%s" % (name, key, state))
        print("%06x  %d  %s" % (offset, sequence, ", ".join(names)))
    offset, data, sequence, entries = next(
        r for r in store.records if any(n == "intent" for n, _ in r[3]))
    print("\nSTORE/journal: record %d, an undo snapshot and an intent" % sequence)
    dump_walk(data, RECORD_HEADER, 0, offset)
    at = 32
    for name, _ in entries:
        print("        -- %s" % name)
        walk, head = dump_walk(data, ENTRY_HEADER, at, offset)
        walk, _ = dump_walk(data, dict(ENTRIES.values())[name], walk.at, offset)
        at = walk.at
    snapshot = next(s for s in store.snapshots.values() if s["name"] == "base")
    number, block = snapshot["root.segment"], snapshot["root.block"]
    print("\nSTORE/segments/%d: header block" % number)
    segment = store.segment(number)
    dump_walk(segment, SEGMENT_HEADER)
    print("\nSTORE/segments/%d: the root node of snapshot \"base\" (level 2 of 3)" % number)
    dump_node(store, segment, block)
    index, number, block, data = list(store.chunks(snapshot))[-1]
    print("\nSTORE/segments/%d: chunk %d of that snapshot" % (number, index))
    for i in range(0, 32, 16):
        print("%06x  %s" % (block * BLOCK + i, data[i:i + 16].hex(" ")))
    print("        ... %d bytes in all; digest %s"
          % (len(data), digest_hex(digest_of(store.secret, data, CHUNK, 0, index))))


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
            used[segment, block] = len(data)
        print("snapshot %s %s: %d stored chunks, root digest %s"
              % (snapshot["id"], snapshot["name"] or "-", len(chunks),
                 digest_hex(snapshot["root_digest"])))
    files = set(os.listdir(os.path.join(store.path, "segments")))
    need({str(number) for number in store.segments} <= files, "a segment is missing")
    print("%d records, %d segments, %d chunks of %d bytes: every checksum and digest is right"
          % (len(store.records), len(store.segments), len(used), sum(used.values())))


def main():
    if len(sys.argv) != 3 or sys.argv[1] not in ("check", "example"):
        sys.exit(__doc__)
    store = Store(sys.argv[2])
    check(store) if sys.argv[1] == "check" else example(store)


main()
