"""Killed parts: of vibed, of sandboxes, of Caddy."""

import json
import os
import signal
import sqlite3
import subprocess
import time
import unittest

from harness import (APPS, E2E, Processes, Vibed, free_of, from_folder, main, request, tar_gz,
                     wait_for)
from test_redeploy import Load

LIGHT = "pool: {disabled: [go-123, base-al2023]}\n"


def node(text):
    return from_folder(os.path.join(APPS, "versioned"), {"VERSION": text.encode()})


class KilledVibed(unittest.TestCase):
    def setUp(self):
        self.vibed = Vibed(LIGHT)
        self.addCleanup(self.vibed.discard)

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(self.vibed.log())

    def test_ten_apps_serve_on_and_are_adopted(self):
        vibed = self.vibed.start()
        urls = {}
        for number in range(6):
            urls[f"node-{number}"] = vibed.deploy(f"node-{number}", node(str(number)))
        for number in range(4):
            urls[f"page-{number}"] = vibed.deploy(
                f"page-{number}", tar_gz({"index.html": str(number)}))
        before = {name: vibed.processes.record_of(name) for name in urls}
        api, apps = vibed.api, vibed.apps
        with Load(vibed, urls["node-0"], clients=4) as load:
            load.wait_for_answers(100)
            vibed.kill()
            for _ in range(3):
                for name, url in urls.items():
                    answer = request("GET", url)
                    self.assertEqual(answer.status, 200, (name, answer))
            load.wait_for_answers(len(load.answers) + 200)
            vibed.start(api=api.removeprefix("http://"),
                        apps=apps.replace("http://localhost", "127.0.0.1"))
            load.wait_for_answers(len(load.answers) + 200)
        self.assertEqual(load.failures, [])
        self.assertEqual(vibed.names(), sorted(urls))
        for name, url in urls.items():
            wait_for(lambda name=name: vibed.app(name)["phase"] == "Ready", f"{name} is Ready")
            after = vibed.processes.record_of(name)
            self.assertEqual((after["id"], after["generation"]),
                             (before[name]["id"], before[name]["generation"]), name)
            self.assertEqual(request("GET", url).status, 200)
        # What was adopted can be replaced and removed.
        vibed.deploy("node-0", node("new"))
        self.assertTrue(request("GET", urls["node-0"]).text.startswith("new "))
        self.assertEqual(vibed.remove("node-1").status, 204)
        self.assertEqual(request("GET", urls["node-1"]).status, 404)

    def test_in_the_middle_of_deploys_leaves_nothing_behind(self):
        vibed = self.vibed.start()
        body, headers = vibed.multipart({"name": "cut"}, node("1"))
        deploying = []
        for _ in range(3):
            deploying.append(subprocess.Popen(
                ["curl", "-s", "-o", os.devnull, "--data-binary", "@-", vibed.api + "/v1/deploy",
                 *[part for pair in headers.items() for part in ("-H", ": ".join(pair))]],
                stdin=subprocess.PIPE))
            deploying[-1].stdin.write(body)
            deploying[-1].stdin.close()
        time.sleep(0.05)  # somewhere in the middle, wherever that is
        vibed.kill()
        for process in deploying:
            process.wait(timeout=20)
        vibed.start()
        names = vibed.names()
        self.assertIn(names, ([], ["cut"]))
        if names:
            wait_for(lambda: vibed.app("cut")["phase"] == "Ready", lambda: vibed.app("cut"))
        wait_for(lambda: vibed.claimed() == names, lambda: f"no sandbox too many: {vibed.claimed()}")


class KilledParts(E2E):
    disabled = ("go-123", "base-al2023")

    def comes_back(self, url, kill, name, text):
        """Kills, and returns the seconds until it answers again."""
        start = time.monotonic()
        kill()

        def serves():
            try:
                answer = self.get(url, timeout=5)
            except OSError:
                return False
            return answer.status == 200 and answer.text.startswith(text)

        time.sleep(0.01)
        wait_for(serves, lambda: f"{name} serves again: {self.vibed.app(name)}", 20)
        seconds = time.monotonic() - start
        self.wait_for_phase(name, "Ready")
        print(f"{self.id()}: back after {seconds * 1000:.0f} ms")
        return seconds

    def killed(self, name, key):
        url = self.vibed.deploy(name, node("here"))
        record = self.vibed.processes.record_of(name)
        pid = record[key]
        old = {pid: self.vibed.processes.all()[pid]}
        self.assertLess(self.comes_back(url, lambda: os.kill(pid, signal.SIGKILL), name, "here"), 10)
        if key == "pid":
            self.assertEqual(Processes.alive(old), {})
        wait_for(lambda: self.vibed.claimed().count(name) == 1,
                 lambda: f"one sandbox of {name}: {self.vibed.claimed()}")

    def test_a_sandbox_whose_inner_process_is_killed_comes_back(self):
        # The inner process is PID 1 of the sandbox: the agent.
        self.killed("inner", "pid")

    def test_a_sandbox_whose_outer_process_is_killed_comes_back_or_never_left(self):
        self.killed("outer", "outerPid")

    def test_an_app_that_is_killed_is_restarted_in_place(self):
        url = self.vibed.deploy("restart", node("here"))
        record = self.vibed.processes.record_of("restart")
        path = f"/proc/{record['pid']}/task/{record['pid']}/children"
        with open(path, encoding="utf-8") as file:
            children = file.read().split()
        self.assertTrue(children)
        self.comes_back(url, lambda: [os.kill(int(pid), signal.SIGKILL) for pid in children],
                        "restart", "here")
        self.assertEqual(self.vibed.processes.record_of("restart")["id"], record["id"])

    def test_caddy_comes_back(self):
        url = self.vibed.deploy("caddy", node("here"))
        pid = self.vibed.processes.caddy()
        seconds = self.comes_back(url, lambda: os.kill(pid, signal.SIGKILL), "caddy", "here")
        self.assertLess(seconds, 5)
        self.assertNotEqual(self.vibed.processes.caddy(), pid)

    def test_a_full_disk_during_upload_is_told_and_leaves_nothing(self):
        if os.geteuid() != 0:
            self.skipTest("needs root to mount a small file system")
        vibed = Vibed(LIGHT + "")
        self.addCleanup(vibed.discard)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", vibed.data],
                                 capture_output=True, check=False)
        if mounted.returncode != 0:
            self.skipTest("cannot mount here")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", vibed.data], check=False))
        vibed.start()
        room = os.statvfs(vibed.data)
        with open(os.path.join(vibed.data, "filler"), "wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, room.f_bavail * room.f_frsize - (16 << 20))
        answer = vibed.post_deploy("big", tar_gz({"index.html": "x", "noise.bin": os.urandom(30 << 20)}))
        self.assertEqual((answer.status, answer.json["code"]), (507, "storage_full"), answer)
        self.assertEqual((vibed.names(), vibed.sources(), vibed.claimed()), ([], [], []))
        self.assertEqual(request("GET", vibed.deploy("small", tar_gz({"index.html": "s"}))).text, "s")
        vibed.stop()


class Starting(unittest.TestCase):
    def setUp(self):
        self.vibed = Vibed("pool: {disabled: [go-123, base-al2023, python-313]}\n")
        self.addCleanup(self.vibed.discard)

    def second(self):
        """What a further `vibed up` on the same folder says."""
        return subprocess.run(
            self.vibed.command("--api", "127.0.0.1:0", "--apps", "127.0.0.1:0"),
            capture_output=True, text=True, timeout=60, check=False)

    def test_two_on_one_folder_is_a_clear_error(self):
        self.vibed.start()
        url = self.vibed.deploy("site", tar_gz({"index.html": "first"}))
        second = self.second()
        self.assertEqual(second.returncode, 1, second)
        self.assertEqual(second.stdout, "")
        self.assertIn(self.vibed.data, second.stderr)
        self.assertRegex(second.stderr.lower(), "another vibed|in use|already")
        self.assertEqual(request("GET", url).text, "first")

    def test_a_folder_of_a_newer_vibed_is_a_clear_error(self):
        self.vibed.start()
        self.vibed.deploy("site", tar_gz({"index.html": "x"}))
        self.vibed.stop()
        with sqlite3.connect(os.path.join(self.vibed.data, "vibed.db")) as database:
            database.execute("PRAGMA user_version = 9999")
        database.close()
        newer = self.second()
        self.assertEqual(newer.returncode, 1, newer)
        self.assertIn("newer", newer.stderr)

    def test_a_folder_with_too_long_a_name_is_a_clear_error(self):
        command = self.vibed.command("--api", "127.0.0.1:0", "--apps", "127.0.0.1:0")
        command[command.index("--data") + 1] = "/tmp/" + "x" * 120
        answer = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(answer.returncode, 1, answer)
        self.assertRegex(answer.stderr, "long|short")
        self.assertFalse(os.path.exists("/tmp/" + "x" * 120))

    def ends_clean(self, how):
        self.vibed.start()
        self.vibed.deploy("node", node("1"))
        self.vibed.deploy("page", tar_gz({"index.html": "x"}))
        self.vibed.remember()
        started = time.monotonic()
        self.assertEqual(self.vibed.stop(how), 0)
        self.assertLess(time.monotonic() - started, 10)
        self.assertEqual(Processes.alive(self.vibed.seen), {})
        self.assertEqual(free_of(self.vibed.data), [])
        left = subprocess.run(["find", self.vibed.data, "-type", "s"], capture_output=True,
                              text=True, check=True).stdout
        self.assertEqual(left, "")

    def test_ctrl_c_leaves_no_process_mount_or_socket(self):
        self.ends_clean(signal.SIGINT)
        # And the apps are there again with the next start.
        self.vibed.start()
        wait_for(lambda: [self.vibed.app(name)["phase"] for name in ("node", "page")] == ["Ready"] * 2,
                 lambda: json.dumps([self.vibed.app(name) for name in ("node", "page")]), 30)
        self.assertEqual(request("GET", self.vibed.app("page")["url"]).text, "x")

    def test_sigterm_leaves_no_process_mount_or_socket(self):
        self.ends_clean(signal.SIGTERM)

    def test_keep_apps_leaves_them_running(self):
        self.vibed.start("--keep-apps")
        url = self.vibed.deploy("node", node("1"))
        record = self.vibed.processes.record_of("node")
        self.assertEqual(self.vibed.stop(), 0)
        self.assertEqual(request("GET", url).status, 200)
        self.vibed.start()
        self.assertEqual(self.vibed.processes.record_of("node")["id"], record["id"])


if __name__ == "__main__":
    main()
