"""What the tests of the nbdkit plugin share: a store with snapshots, a server, clients.

A server ends with the test that started it, however that ends.
"""
import contextlib
import importlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

import nbd

PROGRAM = os.environ["BLKREWIND_PROGRAM"]
PLUGIN = os.environ["BLKREWIND_PLUGIN"]
KIB = 1024
MIB = 1024 * KIB


def run(*command, status=0, **options):
    """Runs a command, and all that it starts ends with it."""
    options.setdefault("stdin", subprocess.DEVNULL)
    process = subprocess.Popen(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    try:
        out, err = process.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    if status is not None and process.returncode != status:
        raise AssertionError(f"{command} ended with {process.returncode}: {out}{err}")
    process.out, process.err = out, err
    return process


def read_file(path):
    return pathlib.Path(path).read_bytes()


def wait_for_pid(pid_file, check=lambda: None):
    """nbdkit writes it when it listens."""
    while not (pid_file.exists() and pid_file.read_text().endswith("\n")):
        check()
        time.sleep(0.01)


class Server:
    """nbdkit in the foreground, on a socket of its own."""

    def __init__(self, folder, *words, env=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.socket = str(self.folder / "socket")
        self.log_file = open(self.folder / "log", "wb")
        pid_file = self.folder / "pid"
        self.process = subprocess.Popen(
            ["nbdkit", "--exit-with-parent", "-f", "-U", self.socket, "-P", pid_file, PLUGIN]
            + [str(word) for word in words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=self.log_file,
            env={**os.environ, **(env or {})},
        )
        wait_for_pid(pid_file, self.check_running)

    def check_running(self):
        if self.process.poll() is not None:
            raise AssertionError(f"nbdkit ended: {self.log()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(signal.SIGKILL)

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        status = self.process.wait()
        self.log_file.close()
        return status

    def log(self):
        return (self.folder / "log").read_text(errors="replace")

    def uri(self, export=""):
        return f"nbd+unix:///{export}?socket={self.socket}"

    @contextlib.contextmanager
    def client(self, export="", context=True):
        handle = nbd.NBD()
        handle.set_export_name(export)
        if context:
            handle.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
        handle.connect_unix(self.socket)
        try:
            yield handle
        finally:
            if handle.aio_is_ready():
                handle.shutdown()

    def refusal(self, export):
        """What the server logs about a client that asks for an export and is refused."""
        before = len(self.log())
        try:
            with self.client(export):
                pass
        except nbd.Error:
            return self.log()[before:]
        raise AssertionError(f"{export!r} is served")


def extents_of(handle, offset=0, length=None, flags=0):
    """As (offset, length, hole), as the server answers."""
    found = []

    def add(_context, at, entries, _error):
        for size, kind in zip(entries[::2], entries[1::2]):
            if kind not in (0, nbd.STATE_HOLE | nbd.STATE_ZERO):
                raise AssertionError(f"{kind} is neither data nor a hole")
            found.append((at, size, kind != 0))
            at += size

    length = handle.get_size() - offset if length is None else length
    handle.block_status(length, offset, add, flags=flags)
    return found


def merged(extents):
    """Neighbours of one kind together."""
    out = []
    for at, size, hole in extents:
        if out and out[-1][2] == hole and out[-1][0] + out[-1][1] == at:
            out[-1] = (out[-1][0], out[-1][1] + size, hole)
        else:
            out.append((at, size, hole))
    return out


def holes_of(content, chunk):
    """The extents that a snapshot of these bytes has."""
    return merged(
        (at, len(content[at : at + chunk]), not any(content[at : at + chunk]))
        for at in range(0, len(content), chunk)
    )


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="blkrewind-nbdkit-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.store = self.folder / "store"
        self.random = random.Random(self.id())

    def serve(self, *words, **options):
        server = Server(self.folder, f"store={self.store}", *words, **options)
        self.addCleanup(server.end, signal.SIGKILL)
        return server

    def blkrewind(self, *words, status=0):
        return run(PROGRAM, "--store", self.store, *words, status=status)

    def image(self, name="disk.img", size=4 * MIB, chunk=64 * KIB):
        """Chunks of data, of zeroes, and of a few bytes among zeroes; never two that are equal."""
        content = bytearray(size)
        for at in range(0, size, chunk):
            kind = self.random.choice("ddz1")
            end = min(at + chunk, size)
            if kind == "d":
                content[at:end] = self.random.randbytes(end - at)
            elif kind == "1":
                content[end - 8 : end] = self.random.randbytes(8)
        content[: 4 * KIB] = self.random.randbytes(4 * KIB)
        path = self.folder / name
        path.write_bytes(content)
        return path

    def snapshot(self, image, *words):
        """Id and disk."""
        done = json.loads(self.blkrewind("--json", "snapshot", image, *words).out)
        return done["snapshot_id"], done["disk_id"]

    def exported(self, snapshot):
        path = self.folder / "exported.img"
        self.blkrewind("export", snapshot, path)
        content = read_file(path)
        path.unlink()
        return content

    def store_content(self):
        return {path: read_file(path) for path in self.store.rglob("*") if path.is_file()}

    def place_of(self, chunk):
        """Segment file and offset of a chunk's bytes."""
        for path in sorted(self.store.glob("disks/*/segments/*")):
            at = read_file(path).find(chunk)
            if at >= 0:
                return path, at
        raise AssertionError("the chunk is in no segment")

    def damage(self, chunk):
        """Inverts a bit of the stored chunk."""
        path, at = self.place_of(chunk)
        with open(path, "r+b") as file:
            file.seek(at)
            file.write(bytes([chunk[0] ^ 1]))
            file.flush()
            os.fsync(file.fileno())


def main():
    """FILE Class.test_case: runs one; exit status 77: skipped."""
    module = importlib.import_module(sys.argv[1])
    suite = unittest.defaultTestLoader.loadTestsFromName(sys.argv[2], module)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    if result.testsRun != 1 or not result.wasSuccessful():
        sys.exit(1)
    sys.exit(77 if result.skipped else 0)
