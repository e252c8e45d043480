"""Every byte and every extent of a snapshot, as each client of NBD gets them."""
import os
import pathlib
import subprocess
import threading
import time
import unittest

import nbd

from cases import KIB, MIB, PLUGIN, Case, extents_of, holes_of, merged, read_file, run

# The last chunk is cut in each.
SIZE = 5 * MIB + 3 * 512
CHUNKS = {4 * KIB: "4KiB", 64 * KIB: "64KiB", 1 * MIB: "1MiB"}


class Reading(Case):
    def each_chunk_size(self, *words, **options):
        """Content, chunk size and a server for a snapshot in each chunk size."""
        for chunk, text in CHUNKS.items():
            image = self.image(f"{text}.img", SIZE, chunk)
            snapshot, _ = self.snapshot(image, "--chunk-size", text)
            content = read_file(image)
            self.assertEqual(self.exported(snapshot), content)
            with self.serve(f"snapshot={snapshot}", *words, **options) as server:
                yield content, chunk, server

    def test_every_byte_by_nbdcopy(self):
        for content, _, server in self.each_chunk_size():
            for connections in (1, 8):
                out = self.folder / "out.img"
                run("nbdcopy", f"--connections={connections}", server.uri(), out)
                self.assertEqual(read_file(out), content)
                out.unlink()
            # Also by reading the holes.
            run("nbdcopy", "--no-extents", "--request-size=8192", server.uri(), out)
            self.assertEqual(read_file(out), content)
            out.unlink()

    def random_reads(self, content, server):
        with server.client() as client:
            self.assertEqual(client.get_size(), len(content))
            for _ in range(400):
                length = self.random.choice((1, 511, 512, 4096, 65536, 300000, 2 * MIB))
                length = self.random.randint(1, length)
                offset = self.random.randrange(len(content) - length + 1)
                self.assertEqual(client.pread(length, offset), content[offset : offset + length])
            for offset in (0, 1, len(content) - 1):
                self.assertEqual(client.pread(1, offset), content[offset : offset + 1])
            self.assertEqual(client.pread(len(content), 0), content)

    def test_random_reads(self):
        for content, _, server in self.each_chunk_size():
            self.random_reads(content, server)

    def test_random_reads_without_io_uring(self):
        for content, _, server in self.each_chunk_size(env={"BLKREWIND_NO_IO_URING": "yes"}):
            self.random_reads(content, server)

    def test_reads_in_flight_on_one_connection(self):
        for content, _, server in self.each_chunk_size():
            with server.client() as client:
                reads = []
                for _ in range(300):
                    length = self.random.randint(1, 200000)
                    offset = self.random.randrange(len(content) - length + 1)
                    buffer = nbd.Buffer(length)
                    reads.append((client.aio_pread(buffer, offset), buffer, offset, length))
                for cookie, buffer, offset, length in reads:
                    while not client.aio_command_completed(cookie):
                        client.poll(-1)
                    self.assertEqual(
                        bytes(buffer.to_bytearray()), content[offset : offset + length]
                    )

    def test_connections_in_parallel(self):
        for content, _, server in self.each_chunk_size():
            wrong = []

            def read_all(number, server=server, content=content, wrong=wrong):
                step = 40000 + 1000 * number
                try:
                    with server.client() as client:
                        for offset in range(0, len(content), step):
                            length = min(step, len(content) - offset)
                            if client.pread(length, offset) != content[offset : offset + length]:
                                wrong.append((number, offset))
                except nbd.Error as error:
                    wrong.append((number, error))

            threads = [threading.Thread(target=read_all, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(wrong, [])

    def test_extents(self):
        for content, chunk, server in self.each_chunk_size():
            expected = holes_of(content, chunk)
            self.assertIn(True, [hole for _, _, hole in expected])
            with server.client() as client:
                self.assertEqual(merged(extents_of(client)), expected)
                for _ in range(50):
                    length = self.random.randint(1, len(content))
                    offset = self.random.randrange(len(content) - length + 1)
                    wanted = [
                        (max(at, offset), min(at + size, offset + length), hole)
                        for at, size, hole in expected
                        if at < offset + length and offset < at + size
                    ]
                    wanted = [(begin, end - begin, hole) for begin, end, hole in wanted]
                    self.assertEqual(merged(extents_of(client, offset, length)), wanted)
                    one = extents_of(client, offset, length, nbd.CMD_FLAG_REQ_ONE)
                    self.assertEqual(one, wanted[:1])

    def test_extents_are_the_holes_of_an_export(self):
        image = self.image(size=8 * MIB)
        snapshot, _ = self.snapshot(image)
        path = self.folder / "exported.img"
        self.blkrewind("export", snapshot, path)
        holes, at, size = [], 0, path.stat().st_size
        with open(path, "rb") as file:
            while at < size:
                try:
                    data = os.lseek(file.fileno(), at, os.SEEK_DATA)
                except OSError:
                    data = size
                if data > at:
                    holes.append((at, data - at, True))
                if data < size:
                    hole = os.lseek(file.fileno(), data, os.SEEK_HOLE)
                    holes.append((data, hole - data, False))
                    at = hole
                else:
                    at = size
        self.assertGreater(len(holes), 2)
        with self.serve(snapshot) as server, server.client() as client:
            self.assertEqual(merged(extents_of(client)), holes)

    def test_more_than_32_bits(self):
        image = self.folder / "large.img"
        size = 6 * 1024 * MIB
        with open(image, "wb") as file:
            file.truncate(size)
            file.seek(5 * 1024 * MIB)
            middle = self.random.randbytes(64 * MIB)
            file.write(middle)
        snapshot, _ = self.snapshot(image)
        with self.serve(snapshot) as server, server.client() as client:
            self.assertEqual(client.get_size(), size)
            self.assertEqual(
                merged(
                    extents_of(client, 0, 0xFFFF0000)
                    + extents_of(client, 0xFFFF0000, size - 0xFFFF0000)
                ),
                [
                    (0, 5 * 1024 * MIB, True),
                    (5 * 1024 * MIB, 64 * MIB, False),
                    (5 * 1024 * MIB + 64 * MIB, size - 5 * 1024 * MIB - 64 * MIB, True),
                ],
            )
            # What nbdkit allows at most, in one request.
            self.assertEqual(client.pread(64 * MIB, 5 * 1024 * MIB), middle)
            self.assertEqual(client.pread(MIB, size - MIB), bytes(MIB))

    def test_what_a_connection_can(self):
        image = self.image()
        snapshot, _ = self.snapshot(image)
        with self.serve(snapshot) as server, server.client() as client:
            self.assertTrue(client.is_read_only())
            self.assertTrue(client.can_multi_conn())
            self.assertTrue(client.can_cache())
            self.assertTrue(client.can_meta_context(nbd.CONTEXT_BASE_ALLOCATION))
            for can in (client.can_trim, client.can_zero, client.can_flush, client.can_fua):
                self.assertFalse(can())
            self.assertEqual(client.get_block_size(nbd.SIZE_MINIMUM), 1)
            self.assertEqual(client.get_block_size(nbd.SIZE_PREFERRED), 64 * KIB)
            # Also when the client does not ask whether it may.
            client.set_strict_mode(0)
            for refused in (
                lambda: client.pwrite(bytes(512), 0),
                lambda: client.trim(512, 0),
                lambda: client.zero(512, 0),
            ):
                with self.assertRaises(nbd.Error) as failed:
                    refused()
                self.assertEqual(failed.exception.errno, "EPERM")
            with self.assertRaises(nbd.Error) as failed:
                client.pread(2, client.get_size() - 1)
            self.assertEqual(failed.exception.errno, "EINVAL")
            self.assertEqual(client.pread(4 * MIB, 0), read_file(image))

    def test_prefetched_chunks_are_in_memory(self):
        image = self.image()
        content = read_file(image)
        snapshot, _ = self.snapshot(image)
        chunk = content[: 64 * KIB]
        with self.serve(snapshot) as server, server.client() as client:
            client.cache(len(content), 0)
            self.damage(chunk)
            self.assertEqual(client.pread(512, 1000), content[1000:1512])
        with self.serve(snapshot) as server, server.client() as client:
            with self.assertRaises(nbd.Error):
                client.cache(len(content), 0)
            with self.assertRaises(nbd.Error):
                client.pread(512, 1000)

    def test_nbdsh(self):
        image = self.image()
        snapshot, _ = self.snapshot(image)
        with self.serve(snapshot) as server:
            script = "import sys; sys.stdout.write(h.pread(4096, 1000).hex())"
            shell = run("nbdsh", "-u", server.uri(), "-c", script)
        self.assertEqual(shell.out, read_file(image)[1000:5096].hex())

    def test_qemu_img(self):
        image = self.image(size=8 * MIB)
        snapshot, _ = self.snapshot(image)
        raw, qcow2 = self.folder / "q.img", self.folder / "q.qcow2"
        with self.serve(snapshot) as server:
            uri = server.uri()
            run("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, raw)
            self.assertEqual(read_file(raw), read_file(image))
            run("qemu-img", "convert", "-f", "raw", "-O", "qcow2", uri, qcow2)
            run("qemu-img", "compare", "-f", "raw", "-F", "qcow2", uri, qcow2)
            with open(raw, "r+b") as file:
                file.seek(5 * MIB)
                file.write(self.random.randbytes(16))
            run("qemu-img", "compare", "-f", "raw", "-F", "raw", uri, raw, status=1)

    def test_captive(self):
        image = self.image()
        snapshot, _ = self.snapshot(image)
        words = ["nbdkit", "-U", "-", PLUGIN, f"store={self.store}", snapshot, "--run"]
        out = self.folder / "out.img"
        run(*words, f'nbdcopy "$uri" {out}')
        self.assertEqual(read_file(out), read_file(image))

    def test_fio_verifies(self):
        image = self.folder / "fio.img"
        words = ["--name=verify", "--rw=write", "--bs=16k", "--size=8M", "--verify=crc32c"]
        words += ["--verify_fatal=1", "--randseed=7", "--iodepth=16", "--minimal"]
        # fio leaves files where it runs.
        here = {"cwd": self.folder}
        run("fio", *words, f"--filename={image}", "--do_verify=0", **here)
        snapshot, _ = self.snapshot(image)
        with open(image, "r+b") as file:
            file.seek(3 * MIB + 100)
            file.write(b"other")
        other, _ = self.snapshot(image)
        words += ["--ioengine=nbd", "--verify_only"]
        with self.serve() as server:
            run("fio", *words, "--uri=" + server.uri(snapshot), **here)
            damaged = run("fio", *words, "--uri=" + server.uri(other), status=None, **here)
            self.assertNotEqual(damaged.returncode, 0)


class Mounted(Case):
    def setUp(self):
        super().setUp()
        self.point = self.folder / "mount"
        self.point.mkdir()
        # First out: the folder is removed afterwards.
        self.addCleanup(subprocess.run, ["umount", "-l", self.point], stderr=subprocess.DEVNULL)

    def test_nbdfuse(self):
        if os.geteuid() != 0 or not os.path.exists("/dev/fuse"):
            raise unittest.SkipTest("root and /dev/fuse are needed to mount")
        image = self.image(size=8 * MIB)
        content = read_file(image)
        snapshot, _ = self.snapshot(image)
        with self.serve(snapshot) as server:
            fuse = subprocess.Popen(
                ["nbdfuse", "-r", self.point / "disk", server.uri()],
                stdin=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
            )
            self.addCleanup(fuse.kill)
            while not os.path.ismount(self.point):
                if fuse.poll() is not None:
                    message = fuse.stderr.read().decode()
                    raise unittest.SkipTest(f"FUSE does not mount here: {message}")
                time.sleep(0.01)
            disk = pathlib.Path(self.point / "disk")
            self.assertEqual(disk.stat().st_size, len(content))
            self.assertEqual(read_file(disk), content)
            words = ["--name=x", f"--filename={disk}", "--rw=randread", "--bs=4k", "--size=8M"]
            run("fio", *words, "--ioengine=psync", "--numjobs=4", cwd=self.folder)
            run("cmp", disk, image)
            with self.assertRaises(OSError):
                open(disk, "r+b").close()
            busy = self.blkrewind("delete", snapshot, status=6)
            self.assertIn(f"nbdkit (process {server.process.pid})", busy.err)
            run("umount", self.point)
            self.assertEqual(fuse.wait(), 0)
            fuse.stderr.close()
