"""Looks inside of a snapshot, in Python: what look_inside.c does, and more.

    look_inside.py FOLDER        FOLDER is made, and must not be there yet
"""

import io
import os
import sys

import blkrewind

OFFSET = 512_000
IMAGE_BYTES = 64 << 20


def write_at(image, offset, data):
    with open(image, "r+b") as file:
        file.seek(offset)
        file.write(data)


def read_at(image, offset, length):
    with open(image, "rb") as file:
        file.seek(offset)
        return file.read(length)


def look_into(store, image):
    with store.open("before", target=image) as before, store.open("after") as after:
        before.seek(OFFSET)
        print("the snapshot holds", before.read(8))
        assert before.tell() == OFFSET + 8
        assert before.pread(8, OFFSET) == b"precious"
        assert after.pread(8, OFFSET) == b"trampled"
        for offset, length, data in before.extents():
            print("  data" if data else "  zeroes", "at", offset, length, "bytes")
        changed = after.changed_since(before)
        assert changed == [(OFFSET - OFFSET % 65536, 65536)], changed
        # As any file of Python: by a buffer, to the end.
        buffered = io.BufferedReader(before)
        buffered.seek(-3, io.SEEK_END)
        assert buffered.read() == bytes(3)
        assert sum(length for _, length, _ in before.extents()) == before.size == IMAGE_BYTES
        try:
            store.delete("before")
            raise AssertionError("a snapshot that is open was deleted")
        except blkrewind.Error as error:
            print("not deleted:", error)
            assert error.code == "Busy" and error.remedy


def cancel_and_resume(store, image):
    try:
        store.rollback(image, "before", progress=lambda phase, done, total: phase == "restore")
        raise AssertionError("it was not cancelled")
    except blkrewind.Error as error:
        print("cancelled:", error.message)
        assert error.code == "Cancelled"
    assert store.list(image)[0].pending_snapshot_id
    receipt = store.resume(image)
    assert receipt.ended_interrupted and read_at(image, OFFSET, 8) == b"precious"
    # What the callback raises comes out of the call.
    try:
        store.snapshot(image, progress=lambda *progress: 1 / 0)
        raise AssertionError("it was not cancelled")
    except ZeroDivisionError:
        pass


def main(folder):
    os.mkdir(folder)
    image = folder + "/disk.img"
    with open(image, "wb") as file:
        file.truncate(IMAGE_BYTES)
    write_at(image, OFFSET, b"precious")
    log = []
    blkrewind.set_log(lambda level, text: log.append(text))
    print("blkrewind", blkrewind.version())

    with blkrewind.Store(folder + "/store", create=True) as store:
        before = store.snapshot(image, name="before")
        write_at(image, OFFSET, b"trampled")
        store.snapshot(image, name="after")
        for disk in store.list():
            print(disk.id, disk.path)
            for snapshot in disk.snapshots:
                print(" ", snapshot.id, snapshot.name)
        assert [snapshot.name for snapshot in store.list()[0].snapshots] == ["before", "after"]
        look_into(store, image)

        reports = []
        done = store.rollback(image, "before", progress=lambda *report: reports.append(report))
        print("rolled back:", done.restored_bytes, "bytes restored by", reports[-1])
        assert read_at(image, OFFSET, 8) == b"precious"
        assert done.snapshot_id == before.snapshot_id and done.root_digest == before.root_digest
        store.undo(image)
        assert read_at(image, OFFSET, 8) == b"trampled"
        cancel_and_resume(store, image)
        assert store.tracking(image).trackers == []

        try:
            store.rollback(image, "missing")
            raise AssertionError("there is no such snapshot")
        except blkrewind.Error as error:
            assert error.code == "Precondition" or error.code == "NotFound", error
            assert error.api_code == "InvalidSnapshotId.NotFound", error.api_code
        kept = store.open("before")
    assert kept.pread(8, OFFSET) == b"precious", "it outlives the store"
    kept.close()
    with blkrewind.Store(folder + "/store") as store:
        deleted = store.delete("before")
        assert deleted.snapshot_id == before.snapshot_id
    blkrewind.set_log(None)
    print("logged", len(log), "messages")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
