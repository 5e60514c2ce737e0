"""From `vibed deploy` to a 200 through Caddy: every part of vibed on the real cluster."""

import json
import signal
import statistics
import sys
import time
import unittest

from front import OTHER_KEY, InstallTest, Visitors, need_programs
from world import DOMAIN, label_of, objects, read_app, wait_for

PYTHON_APP = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"python")
    def log_message(self, *_): pass
print("python listens", flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Flow(InstallTest):
    def test_1_apps_of_each_kind_answer_when_deploy_returns(self):
        apps = {"site": ({"index.html": "<p>static</p>"}, "<p>static</p>"),
                "api": ({"requirements.txt": "", "main.py": PYTHON_APP}, "python")}
        for app, (files, text) in apps.items():
            took = []
            for _ in range(3):
                self.install.await_spares()
                began = time.monotonic()
                url = self.install.deploy(app, files).strip().splitlines()[-1]
                self.assertEqual(self.install.ask(app), (200, text), app)
                took.append(time.monotonic() - began)
            self.assertEqual(url, f"http://{label_of(app)}.{DOMAIN}")
            print(f"{app}: vibed deploy and the first answer through Caddy: median "
                  f"{statistics.median(took) * 1000:.0f} ms of {len(took)}", file=sys.stderr)
        self.install.deploy_node("server", "one", "--env", "MORE= and more")
        self.assertEqual(self.install.ask("server"), (200, "node one and more"))
        self.assertEqual(self.install.ask("server", "POST", body="x" * 100_000), (200, "node one and more"))

    def test_2_what_was_written_can_be_read(self):
        self.install.deploy_node("talker", "hello")
        self.assertIn("listening, hello", self.install.vibed("logs", "talker"))
        self.assertIn("talker", self.install.vibed("ls"))
        self.assertNotIn("talker", self.install.vibed("ls", key=OTHER_KEY))
        status, text = self.install.vibed("logs", "talker", key=OTHER_KEY, check=False)
        self.assertEqual(status, 1, text)
        self.assertEqual(self.install.vibed("ls", key="nobody", check=False)[0], 1)

    def test_3_a_redeploy_under_load_fails_no_request_and_serves_nothing_old(self):
        self.install.deploy_node("swap", "old")
        with Visitors(self.install, "swap") as visitors:
            self.install.deploy_node("swap", "new")
            ready = time.monotonic()
            wait_for("more answers", lambda: len([a for a in visitors.answers if a[0] > ready]) > 500)
        self.assertEqual(visitors.failures(), [])
        self.assertEqual({body for sent, _, body in visitors.answers if sent > ready}, {"node new"})
        print(f"redeploy under load: {len(visitors.answers)} requests", file=sys.stderr)
        self.install.vibed("rollback", "swap")
        self.assertEqual(self.install.ask("swap"), (200, "node old"))

    def test_4_a_suspended_app_is_in_the_waiting_room_and_comes_back(self):
        self.install.deploy("sleeper", {"index.html": "awake"})
        self.install.vibed("suspend", "sleeper")
        # The record says so before the sandbox is told.
        wait_for("the end of its answers", lambda: self.install.ask("sleeper") != (200, "awake"))
        status, text = self.install.ask("sleeper")
        self.assertIn("app_suspended", text)
        self.assertEqual((status, json.loads(text)["code"]), (503, "app_suspended"))
        self.assertEqual(json.loads(self.install.ask("nobody")[1])["code"], "not_found")
        self.install.vibed("resume", "sleeper")
        self.assertEqual(self.install.ask("sleeper"), (200, "awake"))

    def test_5_a_failing_redeploy_leaves_the_older_one(self):
        self.install.deploy_node("firm", "firm")
        status, text = self.install.deploy("firm", {"package.json": '{"main": "x.js"}', "x.js": "throw new Error('no luck')"},
                                   check=False)
        self.assertEqual(status, 1)
        self.assertIn("no luck", text)
        self.assertEqual(self.install.ask("firm"), (200, "node firm"))

    def test_6_any_part_may_be_killed_and_apps_answer(self):
        self.install.deploy_node("rock", "solid")
        for part in (self.install.api, self.install.router, *self.install.controllers):
            with Visitors(self.install, "rock", 2) as visitors:
                part.end(signal.SIGKILL)
                count = len(visitors.answers)
                wait_for("answers go on", lambda: len(visitors.answers) > count + 100)
                part.start()
            self.assertEqual(visitors.failures(), [], part.name)
        began = time.monotonic()
        self.install.caddy.end(signal.SIGKILL)
        self.install.caddy.start()
        wait_for("Caddy is configured again", lambda: self.install.ask("rock") == (200, "node solid"))
        print(f"Caddy killed: answering again after {time.monotonic() - began:.1f} s", file=sys.stderr)
        wait_for("the API again", self.install.api_is_ready)
        wait_for("the controller acts", self.install.leader)
        self.install.deploy_node("rock", "again")
        self.assertEqual(self.install.ask("rock"), (200, "node again"))

    def test_7_removal_leaves_nothing(self):
        self.install.deploy("gone", {"index.html": "gone"})
        self.assertEqual(len(self.stored_sources("gone")), 1)
        self.install.vibed("rm", "gone")
        wait_for("nothing is left", lambda: not objects("sandboxclaim", "vibed.dev/app=gone")
                 and not objects("service", "vibed.dev/app=gone"))
        self.assertIsNone(read_app("gone"))
        self.assertEqual(self.install.ask("gone")[0], 404)
        self.assertEqual(self.stored_sources("gone"), [])

    def stored_sources(self, app):
        return self.install.stored_sources(app)


if __name__ == "__main__":
    need_programs()
    unittest.main(verbosity=2)
