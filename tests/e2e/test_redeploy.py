"""Replacing an app while it is used."""

import os
import threading
import time
import urllib.parse

from harness import APPS, E2E, Connection, from_folder, main, wait_for


def version(number):
    return from_folder(os.path.join(APPS, "versioned"), {"VERSION": str(number).encode()})


class Load:
    """`clients` connections that ask without a pause; remembers every failure and every version."""

    def __init__(self, vibed, url, clients=16):
        self.host = urllib.parse.urlsplit(url).netloc
        self.port = int(vibed.apps.rsplit(":", 1)[1])
        self.stop = threading.Event()
        self.lock = threading.Lock()
        self.answers = []  # (started, version)
        self.failures = []
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(clients)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def run(self, number):
        body = b"x" * 2000 if number % 2 else None
        method = "POST" if body else "GET"
        connection = None
        while not self.stop.is_set():
            started = time.monotonic()
            try:
                if connection is None:
                    connection = Connection(("127.0.0.1", self.port), timeout=20)
                answer = connection.ask(method, "/", self.host, body)
                if answer.status != 200:
                    raise AssertionError(f"{method}: {answer}")
                served, _, size = answer.text.split()
                if int(size) != len(body or b""):
                    raise AssertionError(f"{method}: half a body: {answer}")
                with self.lock:
                    self.answers.append((started, served))
                if answer.headers.get("connection", "").lower() == "close":
                    connection.close()
                    connection = None
            except Exception as error:  # every way to fail is one
                with self.lock:
                    self.failures.append(f"{method} at {started:.3f}: {error!r}")
                if connection is not None:
                    connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def wait_for_answers(self, count):
        deadline = time.monotonic() + 30
        while len(self.answers) < count and time.monotonic() < deadline:
            time.sleep(0.01)


class Redeploy(E2E):
    disabled = ("go-123", "python-313", "base-al2023")

    def test_under_load_without_a_failed_request(self):
        url = self.vibed.deploy("busy", version(1))
        swaps = []  # (when deploy had answered, version)
        with Load(self.vibed, url) as load:
            load.wait_for_answers(200)
            for number in range(2, 7):
                self.vibed.deploy("busy", version(number))
                swaps.append((time.monotonic(), number))
                load.wait_for_answers(len(load.answers) + 200)
        self.assertEqual(load.failures, [])
        self.assertGreater(len(load.answers), 1000)
        self.assertEqual({served for _, served in load.answers}, set("123456"))
        for when, number in swaps:
            stale = [served for started, served in load.answers
                     if started > when and int(served) < number]
            self.assertEqual(stale, [], f"answered by an older generation after the 200 of {number}")

    def test_that_fails_leaves_the_old_version_serving(self):
        url = self.vibed.deploy("steady", version(1))
        with Load(self.vibed, url, clients=4) as load:
            load.wait_for_answers(20)
            answer = self.vibed.post_deploy("steady", from_folder(os.path.join(APPS, "crash")))
            load.wait_for_answers(len(load.answers) + 50)
        self.assertEqual(load.failures, [])
        self.assertEqual({served for _, served in load.answers}, {"1"})
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual((answer.json["phase"], answer.json["reason"]), ("Ready", "AppExited"))
        self.assertIn("cannot open the cupboard", answer.json["message"])
        state = self.vibed.app("steady")
        self.assertEqual((state["phase"], state["observed_generation"]), ("Ready", 1))
        self.assertFalse(state["progressing"]["status"])
        wait_for(lambda: self.vibed.claimed().count("steady") == 1, "the failed one is gone")
        # And the next good one serves.
        self.vibed.deploy("steady", version(2))
        self.assertTrue(self.get(url).text.startswith("2 "))
        self.assertNotIn("progressing", self.vibed.app("steady"))

    def test_rolls_back(self):
        url = self.vibed.deploy("back", version(1))
        self.vibed.deploy("back", version(2))
        answer = self.vibed.call("POST", "/v1/apps/back/rollback", {"version": 1})
        self.assertEqual(answer.status, 200, answer)
        self.assertTrue(self.get(url).text.startswith("1 "))
        versions = self.vibed.call("GET", "/v1/apps/back/versions").json["items"]
        self.assertEqual([(v["version"], v.get("rolled_back_from")) for v in versions],
                         [(3, 1), (2, None), (1, None)])
        answer = self.vibed.call("POST", "/v1/apps/back/rollback", {"version": 99})
        self.assertEqual((answer.status, answer.json["code"]), (400, "rollback_failed"))

    def test_an_old_request_may_finish(self):
        slow = from_folder(os.path.join(APPS, "versioned"), {
            "server.js": "require('http').createServer((q, r) => setTimeout(() => r.end('old'), 1500))"
                         ".listen(process.env.PORT)"})
        url = self.vibed.deploy("slow", slow)
        answers = []
        asking = threading.Thread(target=lambda: answers.append(self.get(url)))
        asking.start()
        time.sleep(0.3)
        self.vibed.deploy("slow", version(2))
        asking.join()
        self.assertEqual([(a.status, a.text) for a in answers], [(200, "old")])

    def test_suspends_and_resumes(self):
        url = self.vibed.deploy("nap", version(1))
        self.assertEqual(self.vibed.call("POST", "/v1/apps/nap/suspend").status, 202)
        self.wait_for_phase("nap", "Suspended")
        wait_for(lambda: "nap" not in self.vibed.claimed(), "its sandbox is gone")
        asleep = self.get(url, headers={"Accept": "application/json"})
        self.assertEqual(asleep.status, 503, asleep)
        self.assertIn("retry-after", asleep.headers)
        self.assertEqual(self.vibed.call("POST", "/v1/apps/nap/resume").status, 202)
        self.wait_for_phase("nap", "Ready")
        self.assertTrue(self.get(url).text.startswith("1 "))

    def test_removes(self):
        url = self.vibed.deploy("short", version(1))
        kept = [name for name in self.vibed.sources() if name.startswith("short.")]
        self.assertEqual(len(kept), 1)
        self.assertEqual(self.vibed.remove("short").status, 204)
        self.assertEqual(self.get(url).status, 404)
        self.assertEqual(self.vibed.call("GET", "/v1/apps/short").status, 404)
        self.assertEqual(self.vibed.remove("short").status, 404)
        wait_for(lambda: "short" not in self.vibed.claimed(), "its sandbox is gone")
        self.assertEqual([name for name in self.vibed.sources() if name.startswith("short.")], [])


if __name__ == "__main__":
    main()
