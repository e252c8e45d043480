#!/usr/bin/env python3
"""Makes the fuzzers' seed corpora from a golden store, and writes those of requests.

    tests/fuzz/make-corpus.py [STORE [CORPUS]]      tests/golden/v1/store, tests/fuzz/corpus

Seeds are named seed-*; they are replaced, other files (what a fuzzer found) stay. Trailing zeroes are
left out: the targets fill structures up. Checksums are under the store's own secret; the targets put
them right for theirs. docs/FORMAT.md has the offsets.
"""
import os
import struct
import sys

BLOCK = 4096
COMMON = ("AccessKeyId=testid&SignatureMethod=HMAC-SHA1&SignatureVersion=1.0&SignatureNonce=n1"
          "&Timestamp=2016-02-23T12%3A46%3A24Z&Version=2014-05-26&Signature=x")
NAMES = "host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version"
V3 = ("host:127.0.0.1:8080\nx-acs-action:%s\nx-acs-content-sha256:%s\nx-acs-date:2016-02-23T12:46:24Z\n"
      "x-acs-signature-nonce:n2\nx-acs-version:2014-05-26\n"
      "authorization:ACS3-HMAC-SHA256 Credential=testid,SignedHeaders=%s,Signature=x\n")
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
FORM = "content-type:application/x-www-form-urlencoded\n"
RESET = "Action=ResetDisk&DiskId=d-1&SnapshotId=s-1"
REQUESTS = {
    "v1-get": "GET /?%s&%s&Format=JSON\nHost: 127.0.0.1:8080\n\n" % (COMMON, RESET),
    "v1-form": "POST /\n%s\n%s&%s" % (FORM, COMMON, RESET),
    "v1-both": "POST /?%s\n%s\n%s" % (COMMON, FORM, RESET),
    "v1-text": "GET /?%s&Action=DescribeDisks&Name=%%E4%%B8%%AD+x&Empty=&DiskIds=[]\n\n" % COMMON,
    "v3-query": "POST /?DiskId=d-1&SnapshotId=&RegionId=x\n%s\n" % (V3 % ("ResetDisk", EMPTY, NAMES)),
    "v3-form": "POST /\n%s%s\nDiskId=d-1" % (FORM, V3 % (
        "ResetDisk", "2a6f001c37294cd282f5b30b1a51f8ac1503a92ed54681179d3dcb22634e2daf", NAMES)),
    "v3-unknown": "GET /\n%s\n" % (V3 % ("Nothing", EMPTY, "accept;" + NAMES)),
    "nothing": "GET /\n\n",
}
FRAMED = {
    "get": "GET /?a=b HTTP/1.1\r\nHost: h\r\n\r\n",
    "post": "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\na=b",
    "two": "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\na=bGET / HTTP/1.0\r\n\r\n",
    "zeroes": "POST / HTTP/1.1\r\nContent-Length:007\r\n\r\n0123456",
    "other": "PUT / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
    "long": "POST / HTTP/1.1\r\nContent-Length: 9000\r\n\r\n",
    "twice": "POST / HTTP/1.1\r\nContent-Length: 0\r\nContent-Length: 5\r\n\r\nhello",
    "coded": "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "waits": "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
    "bare": "GET / HTTP/1.1\nHost: h\n\n",
    "folded": "GET / HTTP/1.1\r\nX: a\r\n b\r\n\r\n",
}
PARAMETERS = {
    "list": "Disk.1.DiskId=d-1&Disk.2.DiskId=d-2&Disk.1=x\nDisk.1.SnapshotId=s-1",
    "json": "DiskIds=%5B%22d-1%22%2C%20%22d-2%22%5D&DryRun=true&PageSize=100\n",
    "text": "a=%E4%B8%AD&b=+%2B&c=&d\n%F0%9F%98%80=x=y",
    "odd": "Disk.01.DiskId=d&Disk.3.DiskId=d&n=-1\n",
}
HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    store = sys.argv[1] if len(sys.argv) > 1 else os.path.join(HERE, "../golden/v1/store")
    corpus = sys.argv[2] if len(sys.argv) > 2 else os.path.join(HERE, "corpus")
    seeds = {}

    def read(name):
        with open(os.path.join(store, name), "rb") as file:
            return file.read()

    def seed(target, name, data):
        seeds[target, name] = data.rstrip(b"\0") or b"\0"

    header = read("format")
    seed("store_header", "golden", header)
    seed("store_header", "newer", header[:8] + struct.pack("<I", 2) + header[12:])
    seed("store_header", "feature", header[:32] + struct.pack("<Q", 1) + header[40:])

    journal = read("journal")
    seed("journal_header", "golden", journal[:BLOCK])
    seed("journal_tail", "golden", journal[BLOCK:2 * BLOCK])
    records = records_of(journal)
    entries = {}
    for sequence, record in records:
        seed("journal_record", "%02d" % sequence, record)
        for kind, entry in entries_of(record):
            # Of each type the longest and the shortest.
            known = entries.setdefault(kind, [entry, entry])
            known[0] = max(known[0], entry, key=len)
            known[1] = min(known[1], entry, key=len)
    for kind, (longest, shortest) in entries.items():
        # Not seed(): an entry's last byte may well be zero.
        seeds["entry", "%d-long" % kind] = longest
        seeds["entry", "%d-short" % kind] = shortest
    # No store of version 1 that a program made has these types.
    for kind, entry in accepted_entries():
        seeds["entry", "%d" % kind] = entry
        entries[kind] = [entry, entry]
    seeds["entry", "one-of-each"] = b"".join(longest for longest, _ in entries.values())

    nodes = {}
    for name in sorted(os.listdir(os.path.join(store, "segments")), key=int):
        data = read("segments/" + name)
        if int(name) in (1, 11):
            seed("segment_header", name, data[:BLOCK])
        for at in range(BLOCK, len(data), BLOCK):
            if data[at:at + 4] == b"NODE":
                # The fullest node of each level.
                level = struct.unpack_from("<H", data, at + 6)[0]
                node = data[at:at + BLOCK]
                if sum(map(bool, node)) > sum(map(bool, nodes.get(level, b""))):
                    nodes[level] = node
    for level, node in nodes.items():
        seed("node", "level-%d" % level, node)

    blocks = [journal[:BLOCK], journal[BLOCK:2 * BLOCK]] + [record for _, record in records]
    replays = {
        "whole": blocks,
        "empty": [blocks[0], b""],
        "one": blocks[:3],
        "no-tail": [blocks[0], b""] + blocks[2:],
        "lost-end": blocks[:-1],
        "lost-middle": blocks[:5] + blocks[6:],
        "twice": [blocks[0], b""] + blocks[2:6] + blocks[2:6],
    }
    for name, pieces in replays.items():
        seeds["journal_replay", name] = b"".join(map(piece, pieces))
    # Numbered and given a header by the target: what is fuzzed is entries.
    seeds["journal_replay", "entries"] = b"".join(
        [piece(blocks[0]), piece(b"")] + [piece(record, 0xc000) for _, record in records])

    for name, text in FRAMED.items():
        seeds["http_framing", name] = text.encode()
    for name, text in REQUESTS.items():
        seeds["http_request", name] = text.encode()
    for name, text in PARAMETERS.items():
        seeds["http_parameters", name] = text.encode()

    for folder in sorted({target for target, _ in seeds}):
        path = os.path.join(corpus, folder)
        os.makedirs(path, exist_ok=True)
        for name in os.listdir(path):
            if name.startswith("seed-"):
                os.remove(os.path.join(path, name))
    for (target, name), data in seeds.items():
        with open(os.path.join(corpus, target, "seed-" + name), "wb") as file:
            file.write(data)
    print("%d seeds, %d bytes" % (len(seeds), sum(map(len, seeds.values()))))


def records_of(journal):
    records, at = [], 2 * BLOCK
    while journal[at:at + 4] == b"RCRD":
        payload, sequence = struct.unpack_from("<IQ", journal, at + 4)
        end = 32 + payload
        records.append((sequence, journal[at:at + end]))
        at += -(-end // BLOCK) * BLOCK
    return records


def entries_of(record):
    at = 32
    while at < len(record):
        kind, _, length = struct.unpack_from("<HHI", record, at)
        yield kind, record[at:at + 8 + length]
        at += 8 + length


def accepted_entries():
    def text(value):
        return struct.pack("<I", len(value)) + value

    moment = struct.pack("<qq", 1700000000, 1000) + text(b"boot")
    fields = {
        11: struct.pack("<I", 1) + text(b"R-1") + text(b"s-1") + bytes([1, 2]) + moment
        + struct.pack("<q", 1700000100) + text(b"OperationDenied") + text(b"why"),
        12: struct.pack("<I", 1) + moment + struct.pack("<q", 600),
        13: struct.pack("<QIIqqqI", 1, 1, 30, 500, 60, 600, 2)
        + text(b"app") + text(b"") + text(b"zone") + text(b"b"),
        14: struct.pack("<QI", 1, 1) + text(b"token") + bytes(range(16)) + struct.pack("<q", 600),
        15: struct.pack("<Q", 1),
    }
    for kind, data in fields.items():
        yield kind, struct.pack("<HHI", kind, 0, len(data)) + data


def piece(data, control=0):
    """Of a packed journal, as replay.cc reads it."""
    if control & 0x8000 == 0:
        data = data.rstrip(b"\0")
    assert len(data) < 0x2000
    return struct.pack("<H", len(data) | control) + data


main()
