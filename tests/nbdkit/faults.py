"""Damage, deletion and death while a snapshot is served."""
import json
import os
import shutil
import signal
import time
import unittest

import nbd

from cases import KIB, MIB, PLUGIN, Case, extents_of, holes_of, merged, read_file, run

CHUNK = 64 * KIB


class Faults(Case):
    def noise(self, name="disk.img", chunks=64):
        """An image without a zero chunk."""
        path = self.folder / name
        path.write_bytes(self.random.randbytes(chunks * CHUNK))
        return path

    def assert_fails(self, client, length, offset):
        with self.assertRaises(nbd.Error) as failed:
            client.pread(length, offset)
        self.assertEqual(failed.exception.errno, "EIO")

    def assert_reads(self, client, content, chunks):
        for chunk in chunks:
            at = chunk * CHUNK
            self.assertEqual(client.pread(CHUNK, at), content[at : at + CHUNK])
            self.assertEqual(client.pread(100, at + 77), content[at + 77 : at + 177])

    def test_a_corrupt_chunk(self):
        image = self.noise()
        content = read_file(image)
        snapshot, _ = self.snapshot(image)
        with self.serve(snapshot) as server, server.client() as client:
            self.assertEqual(client.pread(len(content), 0), content)
            self.damage(content[20 * CHUNK : 21 * CHUNK])
            self.assert_fails(client, CHUNK, 20 * CHUNK)
            self.assert_fails(client, 1, 21 * CHUNK - 1)
            self.assert_fails(client, len(content), 0)
            self.assert_fails(client, 2 * CHUNK, 19 * CHUNK + 1)
            log = server.log()
            self.assertIn("chunk 20 is corrupt", log)
            self.assertIn(snapshot, log)
            # The connection, the other chunks and the extents are not concerned.
            self.assert_reads(client, content, [n for n in range(64) if n != 20])
            self.assertEqual(merged(extents_of(client)), holes_of(content, CHUNK))
            self.assertEqual(client.pread(20 * CHUNK, 0), content[: 20 * CHUNK])
            with server.client() as other:
                self.assert_fails(other, CHUNK, 20 * CHUNK)
                self.assert_reads(other, content, [19, 21])

    def test_each_chunk_corrupt_in_turn(self):
        image = self.noise(chunks=12)
        content = read_file(image)
        snapshot, _ = self.snapshot(image)
        with self.serve(snapshot) as server, server.client() as client:
            for bad in range(12):
                self.damage(content[bad * CHUNK : (bad + 1) * CHUNK])
                self.assert_fails(client, CHUNK, bad * CHUNK)
                self.assert_reads(client, content, range(bad + 1, 12))

    def test_a_segment_that_is_removed(self):
        image = self.noise()
        self.snapshot(image, "--name", "before")
        content = bytearray(read_file(image))
        content[10 * CHUNK : 12 * CHUNK] = self.random.randbytes(2 * CHUNK)
        image.write_bytes(content)
        self.snapshot(image, "--name", "after")
        segment, _ = self.place_of(content[10 * CHUNK : 11 * CHUNK])
        old, _ = self.place_of(content[:CHUNK])
        self.assertNotEqual(segment, old)
        with self.serve(f"disk={image}") as server, server.client("after") as client:
            old.rename(self.folder / "aside")
            for chunk in (0, 9, 12, 63):
                self.assert_fails(client, CHUNK, chunk * CHUNK)
                self.assert_fails(client, 10, chunk * CHUNK)
            self.assert_reads(client, content, [10, 11])
            (self.folder / "aside").rename(old)
            self.assert_reads(client, content, range(64))

    def test_a_segment_that_is_cut(self):
        image = self.noise()
        content = read_file(image)
        snapshot, _ = self.snapshot(image)
        places = [
            self.place_of(content[chunk * CHUNK : (chunk + 1) * CHUNK]) for chunk in range(64)
        ]
        path, cut = places[40]
        # Not in the order of the device.
        gone = [n for n, (file, at) in enumerate(places) if file == path and at >= cut]
        kept = [n for n in range(64) if n not in gone]
        self.assertGreater(len(kept), 1)
        with self.serve(snapshot) as server, server.client() as client:
            self.assert_reads(client, content, kept[:1])
            path.write_bytes(read_file(path)[: cut + 100])
            self.assert_reads(client, content, kept)
            for chunk in gone:
                self.assert_fails(client, CHUNK, chunk * CHUNK)

    def test_a_store_that_is_removed(self):
        image = self.noise()
        content = read_file(image)
        snapshot, _ = self.snapshot(image)
        with self.serve() as server:
            with server.client(snapshot) as client:
                shutil.rmtree(self.store)
                self.assert_fails(client, CHUNK, 0)
                self.assert_fails(client, 1, len(content) - 1)
                self.assertIn("error", server.refusal(snapshot))
            self.assertEqual(server.end(), 0)

    def test_a_delete_is_refused_while_a_client_is_connected(self):
        image = self.noise()
        content = read_file(image)
        snapshot, disk = self.snapshot(image, "--name", "before")
        with self.serve() as server:
            holder = f"nbdkit (process {server.process.pid})"
            with server.client(snapshot) as client:
                with server.client(snapshot) as second:
                    second.pread(1, 0)
                self.assertIn(holder, self.blkrewind("delete", "before", status=6).err)
                self.blkrewind("disk", "forget", disk, "--with-snapshots", status=6)
                self.blkrewind("store", "gc")
                self.assertEqual(client.pread(len(content), 0), content)
            # A moment later the server knows that the client has gone.
            while self.blkrewind("delete", "before", status=None).returncode == 6:
                time.sleep(0.01)
            self.assertIn("error", server.refusal(snapshot))
            self.assertEqual(server.end(), 0)

    def test_a_served_snapshot_without_a_client_is_not_held(self):
        image = self.noise()
        snapshot, _ = self.snapshot(image, "--name", "before")
        with self.serve("before") as server:
            self.blkrewind("delete", "before")
            self.snapshot(image, "--name", "before")
            # Another snapshot of that name is not what was asked for.
            self.assertIn("error", server.refusal(""))

    def test_a_killed_server_holds_nothing(self):
        image = self.noise()
        snapshot, _ = self.snapshot(image)
        with self.serve() as server:
            handle = nbd.NBD()
            handle.set_export_name(snapshot)
            handle.connect_unix(server.socket)
            handle.pread(512, 0)
            self.blkrewind("delete", snapshot, status=6)
            self.assertEqual(server.end(signal.SIGKILL), -signal.SIGKILL)
            self.blkrewind("delete", snapshot)

    def test_nothing_is_written_to_the_store(self):
        image = self.image()
        snapshot, _ = self.snapshot(image)
        before = self.store_content()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with self.serve() as server:
                with server.client(snapshot) as client:
                    self.assertEqual(client.pread(4 * MIB, 0), read_file(image))
                    client.cache(4 * MIB, 0)
                    extents_of(client)
                run("nbdinfo", "--list", server.uri())
                server.refusal("nothing")
                status = server.end(number)
                self.assertEqual(status, 0 if number == signal.SIGTERM else -number)
            self.assertEqual(self.store_content(), before)
        self.blkrewind("verify")

    def test_a_store_that_cannot_be_written(self):
        if os.geteuid() != 0:
            raise unittest.SkipTest("root is needed for a read-only mount")
        image = self.image()
        snapshot, _ = self.snapshot(image)
        out = self.folder / "out.img"
        # The server runs as root: a mount of its own namespace is what it cannot write to.
        script = self.folder / "serve"
        script.write_text(
            f"mount --bind {self.store} {self.store} && mount -o remount,bind,ro {self.store} &&\n"
            f"! touch {self.store}/written &&\n"
            f"nbdkit -U - {PLUGIN} store={self.store} {snapshot} --run 'nbdcopy \"$uri\" {out}'\n"
        )
        run("unshare", "--mount", "sh", script)
        self.assertEqual(read_file(out), read_file(image))

    def test_a_rollback_of_the_disk_meanwhile(self):
        image = self.image()
        content = read_file(image)
        snapshot, _ = self.snapshot(image, "--name", "before")
        with self.serve() as server, server.client(snapshot) as client:
            for _ in range(3):
                changed = bytearray(content)
                at = self.random.randrange(len(content) - 100000)
                changed[at : at + 100000] = self.random.randbytes(100000)
                image.write_bytes(changed)
                done = json.loads(self.blkrewind("--json", "rollback", image, "before").out)
                self.assertEqual(read_file(image), content)
                with server.client(done["undo_snapshot_id"]) as undo:
                    self.assertEqual(undo.pread(len(content), 0), changed)
                self.blkrewind("store", "gc")
                self.assertEqual(client.pread(len(content), 0), content)

    def test_one_disk_that_cannot_be_read(self):
        first, second = self.noise("first.img"), self.noise("second.img")
        one, disk = self.snapshot(first)
        other, _ = self.snapshot(second)
        log = self.store / "disks" / "1" / "log"
        kept = read_file(log)
        log.write_bytes(bytes(len(kept)))
        with self.serve() as server:
            shown = json.loads(run("nbdinfo", "--list", "--json", server.uri()).out)["exports"]
            self.assertEqual([export["export-name"] for export in shown], [other])
            self.assertIn(disk, server.log())
            self.assertIn("error", server.refusal(one))
            with server.client(other) as client:
                self.assertEqual(client.pread(64 * CHUNK, 0), read_file(second))
