"""From `vibed deploy` to a 200 through Caddy: every part of vibed on the real cluster."""

import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import unittest

import front
from front import ask, front_is_ready, vibed
from world import (CONTROLLER, Controller, ROOT, SPACE, apply, get, kubectl, make_image, objects, pool, read_app,
                   wait_for)

NGINX, NODE, PYTHON = "/usr/sbin/nginx", "/usr/bin/node", "/usr/bin/python3"
NODE_APP = """
const text = "TEXT" + (process.env.MORE || "");
require("http").createServer((request, answer) => {
  request.resume();
  request.on("end", () => answer.end(`node ${text}`));
}).listen(process.env.PORT, () => console.log(`listening, ${text}`));
"""
PYTHON_APP = """
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b"python")
    def log_message(self, *_): pass
print("python listens", flush=True)
http.server.ThreadingHTTPServer(("", int(os.environ["PORT"])), Handler).serve_forever()
"""


class Flow(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vibed-flow-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        make_image("vibed-static-test:1", [NGINX],
                   files=[(f"{ROOT}/templates/static-nginx/nginx.conf", "/etc/vibed/nginx.conf")])
        make_image("vibed-node-test:1", [NODE])
        make_image("vibed-python-test:1", [PYTHON], folders=["/usr/lib/python3.11"])
        kubectl("create", "namespace", SPACE)
        cls.addClassCleanup(kubectl, "delete", "namespace", SPACE, "--timeout=60s", check=False)
        subprocess.run([CONTROLLER, "install-crds", "--crds", f"{ROOT}/chart/crd"], check=True)
        apply(*pool("static-nginx", "vibed-static-test:1", 3, "static", "nginx -v",
                    ["nginx", "-e", "stderr", "-c", "/etc/vibed/nginx.conf"], "fast"),
              *pool("node-24", "vibed-node-test:1", 3, "node", "node --version"),
              *pool("python-313", "vibed-python-test:1", 2, "python", "python3 --version"))
        cls.parts = {"vibed": front.api_server(cls.folder, config={}), "caddy": front.caddy(cls.folder),
                     "router": front.router(cls.folder)}
        cls.controller = Controller("controller", cls.folder)
        cls.addClassCleanup(cls.end_all)
        for part in cls.parts.values():
            part.start()
        cls.controller.start("--source-url", f"http://{front.ADDRESS}:{front.API_PORT}")
        wait_for("the API", lambda: get(f"http://{front.ADDRESS}:{front.API_PORT}/readyz")[0] == 200)
        wait_for("the front door", front_is_ready)
        wait_for("spares of every template", lambda: len(cls.spares()) >= 3, 120)

    @classmethod
    def end_all(cls):
        for part in (cls.controller, *cls.parts.values()):
            part.end()

    @staticmethod
    def spares():
        return {each["spec"]["warmPoolRef"]["name"] for each in objects("sandboxclaim", "vibed.dev/spare")
                if any(c["type"] == "Ready" and c["status"] == "True"
                       for c in each.get("status", {}).get("conditions", []))}

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            for part in (self.controller, *self.parts.values()):
                print(f"--- {part.name}\n{part.log()[-3000:]}", file=sys.stderr)

    def deploy(self, app, files, *flags, **options):
        folder = tempfile.mkdtemp(dir=self.folder)
        for name, text in files.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        return vibed("deploy", folder, "--name", app, *flags, **options)

    def deploy_node(self, app, text, *flags):
        files = {"package.json": json.dumps({"main": "server.js"}), "server.js": NODE_APP.replace("TEXT", text)}
        return self.deploy(app, files, *flags)

    def test_1_apps_of_each_kind_answer_when_deploy_returns(self):
        apps = {"site": ({"index.html": "<p>static</p>"}, "<p>static</p>"),
                "api": ({"requirements.txt": "", "main.py": PYTHON_APP}, "python")}
        for app, (files, text) in apps.items():
            took = []
            for _ in range(3):
                wait_for("spares", lambda: len(self.spares()) >= 3, 120)
                began = time.monotonic()
                url = self.deploy(app, files).strip().splitlines()[-1]
                self.assertEqual(ask(app), (200, text), app)
                took.append(time.monotonic() - began)
            self.assertEqual(url, f"http://{front.label_of(app)}.{front.DOMAIN}")
            print(f"{app}: vibed deploy and the first answer through Caddy: median "
                  f"{statistics.median(took) * 1000:.0f} ms of {len(took)}", file=sys.stderr)
        self.deploy_node("server", "one", "--env", "MORE= and more")
        self.assertEqual(ask("server"), (200, "node one and more"))
        self.assertEqual(ask("server", "POST", body="x" * 100_000), (200, "node one and more"))

    def test_2_what_was_written_can_be_read(self):
        self.deploy_node("talker", "hello")
        self.assertIn("listening, hello", vibed("logs", "talker"))
        self.assertIn("talker", vibed("ls"))
        self.assertNotIn("talker", vibed("ls", key="other"))
        status, text = vibed("logs", "talker", key="other", check=False)
        self.assertEqual(status, 1, text)
        self.assertEqual(vibed("ls", key="nobody", check=False)[0], 1)

    def test_3_a_redeploy_under_load_fails_no_request_and_serves_nothing_old(self):
        self.deploy_node("swap", "old")
        with front.Visitors("swap") as visitors:
            self.deploy_node("swap", "new")
            ready = time.monotonic()
            wait_for("more answers", lambda: len([a for a in visitors.answers if a[0] > ready]) > 500)
        self.assertEqual(visitors.failures(), [])
        self.assertEqual({body for sent, _, body in visitors.answers if sent > ready}, {"node new"})
        print(f"redeploy under load: {len(visitors.answers)} requests", file=sys.stderr)
        vibed("rollback", "swap")
        self.assertEqual(ask("swap"), (200, "node old"))

    def test_4_a_suspended_app_is_in_the_waiting_room_and_comes_back(self):
        self.deploy("sleeper", {"index.html": "awake"})
        vibed("suspend", "sleeper")
        status, text = ask("sleeper")
        self.assertEqual((status, json.loads(text)["code"]), (503, "app_suspended"))
        self.assertEqual(json.loads(ask("nobody")[1])["code"], "not_found")
        vibed("resume", "sleeper")
        self.assertEqual(ask("sleeper"), (200, "awake"))

    def test_5_a_failing_redeploy_leaves_the_older_one(self):
        self.deploy_node("firm", "firm")
        status, text = self.deploy("firm", {"package.json": '{"main": "x.js"}', "x.js": "throw new Error('no luck')"},
                                   check=False)
        self.assertEqual(status, 1)
        self.assertIn("no luck", text)
        self.assertEqual(ask("firm"), (200, "node firm"))

    def test_6_any_part_may_be_killed_and_apps_answer(self):
        self.deploy_node("rock", "solid")
        for name in ("vibed", "router", "controller"):
            part = self.controller if name == "controller" else self.parts[name]
            with front.Visitors("rock", 2) as visitors:
                part.end(signal.SIGKILL)
                count = len(visitors.answers)
                wait_for("answers go on", lambda: len(visitors.answers) > count + 100)
                part.start(*(["--source-url", f"http://{front.ADDRESS}:{front.API_PORT}"] if name == "controller" else []))
            self.assertEqual(visitors.failures(), [], name)
        began = time.monotonic()
        self.parts["caddy"].end(signal.SIGKILL)
        self.parts["caddy"].start()
        wait_for("Caddy is configured again", lambda: ask("rock") == (200, "node solid"))
        print(f"Caddy killed: answering again after {time.monotonic() - began:.1f} s", file=sys.stderr)
        wait_for("the API again", lambda: get(f"http://{front.ADDRESS}:{front.API_PORT}/readyz")[0] == 200)
        wait_for("the controller acts", lambda: "lifecycle" in self.controller.ready()[1])
        self.deploy_node("rock", "again")
        self.assertEqual(ask("rock"), (200, "node again"))

    def test_7_removal_leaves_nothing(self):
        self.deploy("gone", {"index.html": "gone"})
        vibed("rm", "gone")
        wait_for("nothing is left", lambda: not objects("sandboxclaim", "vibed.dev/app=gone")
                 and not objects("service", "vibed.dev/app=gone"))
        self.assertIsNone(read_app("gone"))
        self.assertEqual(ask("gone")[0], 404)
        self.assertEqual([name for name in os.listdir(os.path.join(self.folder, "data", "sources")) if "gone" in name], [])


if __name__ == "__main__":
    for program in (front.VIBED, front.ROUTER, CONTROLLER, NGINX, NODE, PYTHON):
        if not os.access(program, os.X_OK):
            sys.exit(f"there is no {program}")
    if not os.access(front.CADDY, os.X_OK):
        sys.exit(f"there is no {front.CADDY}: scripts/parts caddy builds it")
    unittest.main(verbosity=2)
