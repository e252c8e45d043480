"""Which snapshots are exports, under which names; and what is refused."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import time

import nbd

from cases import MIB, PLUGIN, PROGRAM, Case, read_file, run, wait_for_pid


class Exports(Case):
    def two_disks(self):
        """Two disks, each with a snapshot "same"; the first also with "one" and one without a name."""
        self.first, self.second = self.image("first.img"), self.image("second.img")
        self.content = {}
        for name, image, words in (
            ("same", self.first, ["--name", "same"]),
            ("one", self.first, ["--name", "one", "--description", "before the upgrade"]),
            ("nameless", self.first, []),
            ("other", self.second, ["--name", "same"]),
        ):
            with open(image, "r+b") as file:
                file.seek(self.random.randrange(4 * MIB - 100))
                file.write(self.random.randbytes(100))
            snapshot, disk = self.snapshot(image, *words)
            self.content[name] = read_file(image)
            setattr(self, name, snapshot)
            if name == "other":
                self.other_disk = disk
            else:
                self.disk = disk

    def listed(self, server):
        """Name to description."""
        handle = nbd.NBD()
        handle.set_opt_mode(True)
        handle.connect_unix(server.socket)
        found = {}

        def add(name, description):
            self.assertNotIn(name, found)
            found[name] = description

        handle.opt_list(add)
        handle.opt_abort()
        return found

    def read_all(self, server, export=""):
        with server.client(export) as client:
            return client.pread(client.get_size(), 0)

    def test_every_snapshot_is_listed(self):
        self.two_disks()
        with self.serve() as server:
            found = self.listed(server)
            names = [f"{self.disk}/same", f"{self.disk}/one", self.nameless]
            names.append(f"{self.other_disk}/same")
            self.assertEqual(sorted(found), sorted(names))
            self.assertRegex(
                found[f"{self.disk}/one"],
                rf"^snapshot {self.one} of {self.disk}, 4 MiB, "
                r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC: before the upgrade$",
            )
            for name, content in (
                (f"{self.disk}/same", "same"),
                (f"{self.disk}/one", "one"),
                (self.nameless, "nameless"),
                (f"{self.other_disk}/same", "other"),
            ):
                self.assertEqual(self.read_all(server, name), self.content[content])
            # What is taken later is there.
            later, _ = self.snapshot(self.second)
            self.assertEqual(sorted(self.listed(server)), sorted([*names, later]))
            shown = json.loads(run("nbdinfo", "--list", "--json", server.uri()).out)["exports"]
            self.assertEqual(sorted(e["export-name"] for e in shown), sorted([*names, later]))
            for export in shown:
                self.assertTrue(export["is_read_only"])
                self.assertTrue(export["can_multi_conn"])
                self.assertEqual(export["export-size"], 4 * MIB)

    def test_one_disk(self):
        self.two_disks()
        for disk in (self.disk, self.first):
            with self.serve(f"disk={disk}") as server:
                self.assertEqual(
                    sorted(self.listed(server)),
                    sorted([f"{self.disk}/same", f"{self.disk}/one", self.nameless]),
                )
                self.assertEqual(self.read_all(server, "same"), self.content["same"])
                self.assertEqual(self.read_all(server, self.one), self.content["one"])
                self.assertEqual(self.read_all(server, "latest"), self.content["nameless"])
                self.assertIn("serves snapshots of", server.refusal(f"{self.other_disk}/same"))
                self.assertIn("error", server.refusal(self.other))

    def test_one_snapshot(self):
        self.two_disks()
        for words in ([f"snapshot={self.one}"], ["one"], ["snapshot=one", f"disk={self.first}"]):
            with self.serve(*words) as server:
                self.assertEqual(list(self.listed(server)), [f"{self.disk}/one"])
                for export in ("", "one" if "one" in words else self.one, f"{self.disk}/one"):
                    self.assertEqual(self.read_all(server, export), self.content["one"])
                for export in (self.same, "same", f"{self.disk}/same", "latest", "nothing"):
                    self.assertIn("only", server.refusal(export))
                info = json.loads(run("nbdinfo", "--json", server.uri()).out)["exports"][0]
                self.assertIn("before the upgrade", info["description"])

    def test_names_are_resolved_as_by_the_program(self):
        self.two_disks()
        with self.serve() as server:
            self.assertEqual(self.read_all(server, "one"), self.content["one"])
            self.assertEqual(self.read_all(server, self.other), self.content["other"])
            self.assertEqual(
                self.read_all(server, f"{self.other_disk}/latest"), self.content["other"]
            )
            self.assertIn("ambiguous", server.refusal("same"))
            self.assertIn("error", server.refusal("latest"))
            self.assertIn("not permitted", server.refusal(""))

    def test_latest_moves(self):
        self.two_disks()
        disk = f"disk={self.first}"
        with self.serve(disk) as moving, self.serve("latest", disk) as fixed:
            with moving.client("latest") as client:
                self.assertFalse(client.can_multi_conn())
                self.snapshot(self.first)
                changed = bytearray(self.content["nameless"])
                changed[0] ^= 1
                self.first.write_bytes(changed)
                self.snapshot(self.first)
                # Not for a connection that is open.
                self.assertEqual(client.pread(512, 0), self.content["nameless"][:512])
            self.assertEqual(self.read_all(moving, "latest"), changed)
            with fixed.client() as client:
                self.assertTrue(client.can_multi_conn())
                self.assertEqual(client.pread(4 * MIB, 0), self.content["nameless"])
            self.assertEqual(self.read_all(fixed, "latest"), self.content["nameless"])

    def test_hostile_names(self):
        self.two_disks()
        secret = self.folder / "same"
        secret.write_bytes(bytes(1 * MIB))
        before = self.store_content()
        with self.serve() as server:
            for export in (
                "../same",
                "/",
                "//",
                f"{self.disk}/",
                f"{self.disk}/../{self.other_disk}/same",
                f"{self.disk}//same",
                str(secret),
                f"{self.first}/same",
                f"{self.store}/disks/1/log",
                "s-",
                "d-",
                self.disk,
                f"{self.one}/one",
                f"{self.disk}/same ",
                " same",
                "SAME",
                "%s%n%p",
                "same\n",
                "\x1b[2Jsame",
                "\u009b1msame",
                "\u007f",
                "\u202esame",
                "x" * 4096,
                "d-" + "x" * 4094,
                "\U0010ffff" * 1024,
            ):
                log = server.refusal(export)
                self.assertIn("error", log)
                self.assertTrue(log.replace("\n", "").isprintable(), log)
            self.assertEqual(self.read_all(server, self.one), self.content["one"])
        self.assertEqual(self.store_content(), before)

    def refused(self, *words, env=None):
        """The message of a server that does not start."""
        ended = run("nbdkit", "-U", "-", PLUGIN, *words, "--run", "true", status=None, env=env)
        self.assertEqual(ended.returncode, 1)
        return ended.err

    def test_wrong_parameters(self):
        self.two_disks()
        store = f"store={self.store}"
        for words, message in (
            (["store="], "store= is empty"),
            ([store, store], "store= is given twice"),
            ([store, "snapshot="], "snapshot= is empty"),
            ([store, "one", "same"], "snapshot= is given twice"),
            ([store, "disk="], "disk= is empty"),
            ([store, "size=5"], "unknown parameter 'size'"),
            ([f"store={self.folder}/none"], "there is no store in"),
            ([f"store={self.first}"], "error"),
            ([store, "nothing"], "looking for snapshot=nothing"),
            ([store, "same"], "ambiguous"),
            ([store, "latest"], "error"),
            ([store, "d-123"], "error"),
            ([store, f"{self.disk}/one"], "looking for snapshot="),
            ([store, "disk=d-123"], "looking for disk=d-123"),
            ([store, f"disk={self.folder}/none"], "looking for disk="),
            ([store, f"disk={self.second}", self.one], "looking for snapshot="),
        ):
            with self.subTest(words):
                self.assertIn(message, self.refused(*words))

    def test_the_variable_names_the_store(self):
        self.two_disks()
        env = {"PATH": "/usr/bin:/bin", "BLKREWIND_STORE": str(self.store)}
        out = self.folder / "out.img"
        run("nbdkit", "-U", "-", PLUGIN, "one", "--run", f'nbdcopy "$uri" {out}', env=env)
        self.assertEqual(read_file(out), self.content["one"])
        env["BLKREWIND_STORE"] = str(self.folder / "none")
        self.assertIn("there is no store in", self.refused("one", env=env))
        env["BLKREWIND_STORE"] = ""
        self.assertIn("$BLKREWIND_STORE is empty", self.refused("one", env=env))
        env["BLKREWIND_NO_IO_URING"] = "perhaps"
        self.assertIn("perhaps", self.refused("one", f"store={self.store}", env=env))

    def kill_all(self, argument):
        """Processes in the background that have this argument, which names a file of this test."""
        for command in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if argument in command.read_bytes().split(b"\0"):
                    os.kill(int(command.parent.name), signal.SIGKILL)

    def test_a_relative_store_is_found_after_the_fork(self):
        self.two_disks()
        socket, pid_file = self.folder / "daemon.socket", self.folder / "daemon.pid"
        words = ["nbdkit", "-U", socket, "-P", pid_file, PLUGIN, "store=store", "disk=first.img"]
        self.addCleanup(self.kill_all, os.fsencode(socket))
        subprocess.run(words, cwd=self.folder, check=True, stdin=subprocess.DEVNULL)
        # The process in the background writes it, when it listens.
        wait_for_pid(pid_file)
        pid = int(pid_file.read_text())
        command = pathlib.Path(f"/proc/{pid}/cmdline")
        run("nbdinfo", f"nbd+unix:///{self.disk}/one?socket={socket}")
        handle = nbd.NBD()
        handle.set_export_name("same")
        handle.connect_unix(str(socket))
        self.assertEqual(handle.pread(4 * MIB, 0), self.content["same"])
        handle.shutdown()
        run("kill", "-TERM", pid)
        while command.exists() and command.read_bytes():
            time.sleep(0.01)
        # Nothing is held.
        self.blkrewind("delete", self.same)

    def test_an_undo_snapshot_is_one_too(self):
        self.two_disks()
        done = json.loads(self.blkrewind("--json", "rollback", self.first, "same").out)
        undo = done["undo_snapshot_id"]
        with self.serve() as server:
            self.assertRegex(self.listed(server)[undo], "^undo snapshot ")
            self.assertEqual(self.read_all(server, undo), self.content["nameless"])

    def in_progress(self):
        """A process that was stopped while it takes a snapshot of the second disk, and the id."""
        for attempt in range(100):
            self.second.write_bytes(self.random.randbytes(32 * MIB))
            words = [PROGRAM, "--store", str(self.store), "snapshot", str(self.second)]
            process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            while process.poll() is None:
                process.send_signal(signal.SIGSTOP)
                disk = json.loads(self.blkrewind("--json", "list", self.other_disk).out)["disks"][0]
                for snapshot in disk["snapshots"]:
                    if snapshot["status"] == "progressing":
                        return process, snapshot["snapshot_id"]
                process.send_signal(signal.SIGCONT)
                time.sleep(0.001 * attempt)
        self.fail("it was always done before it could be stopped")

    def test_a_snapshot_in_progress_is_none(self):
        self.second = self.image("second.img", 32 * MIB)
        _, self.other_disk = self.snapshot(self.second)
        with self.serve() as server:
            process, snapshot = self.in_progress()
            before = self.listed(server)
            self.assertGreater(len(before), 0)
            self.assertNotIn(snapshot, before)
            self.assertIn("error", server.refusal(snapshot))
            process.send_signal(signal.SIGCONT)
            self.assertEqual(process.wait(), 0)
            self.assertIn(snapshot, self.listed(server))
            self.assertEqual(self.read_all(server, snapshot), read_file(self.second))

    def test_the_plugin_describes_itself(self):
        dump = run("nbdkit", PLUGIN, "--dump-plugin").out.splitlines()
        self.assertIn("name=blkrewind", dump)
        self.assertIn("api_version=2", dump)
        self.assertIn("thread_model=parallel", dump)
        version = run(PROGRAM, "--version").out.split()[-1]
        self.assertIn(f"version={version}", dump)
        shown = run("nbdkit", "--help", PLUGIN).out
        for parameter in ("store=DIR", "disk=TARGET", "[snapshot=]NAME"):
            self.assertIn(parameter, shown)
