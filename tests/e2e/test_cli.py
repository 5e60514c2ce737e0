"""The command line and the rest of the API, as somebody who deploys uses them."""

import json
import os
import subprocess
import tempfile
import threading

from harness import APPS, E2E, EXAMPLES, from_folder, main, wait_for


class CommandLine(E2E):
    disabled = ("go-123", "base-al2023")

    def ok(self, *arguments, **more):
        done = self.vibed.run(*arguments, **more)
        self.assertEqual(done.returncode, 0, done)
        return done.stdout

    def alone(self, *arguments):
        """`vibed ARGUMENTS`, which needs no server."""
        return subprocess.run([self.vibed.command()[0], *arguments], capture_output=True, text=True,
                              timeout=60, check=False)

    def test_deploy_prints_the_url(self):
        out = self.ok("deploy", os.path.join(EXAMPLES, "static"), "--name", "site")
        url = out.split()[-1]
        self.assertIn("Hello from vibed", self.get(url).text)

    def test_deploy_as_json(self):
        out = self.ok("deploy", os.path.join(EXAMPLES, "hello-node"), "--name", "json", "--json")
        app = json.loads(out.strip().splitlines()[-1])
        self.assertEqual((app["app_id"], app["phase"]), ("json", "Ready"))
        self.assertIn("Hello from Node", self.get(app["url"]).text)

    def test_deploy_is_named_after_its_folder(self):
        self.ok("deploy", os.path.join(EXAMPLES, "hello-python"))
        self.assertIn("hello-python", self.vibed.names())

    def test_deploy_of_an_archive_with_environment(self):
        with tempfile.NamedTemporaryFile(suffix=".tgz") as file:
            file.write(from_folder(os.path.join(APPS, "node")))
            file.flush()
            out = self.ok("deploy", file.name, "--name", "tgz", "--env", "GREETING=a=b c")
        self.assertEqual(self.get(out.split()[-1]).json["greeting"], "a=b c")

    def test_deploy_leaves_out_what_is_ignored(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"index.html": "shown", "secret.html": "s", "notes.html": "n",
                               ".gitignore": "secret.html\n", ".vibedignore": "notes.html\n"}.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(text)
            url = self.ok("deploy", folder, "--name", "ignored").split()[-1]
        # What is not there shows the front page.
        self.assertEqual([self.get(url, f"/{name}.html").text for name in ("index", "secret", "notes")],
                         ["shown"] * 3)

    def test_a_failed_deploy_ends_with_the_reason_and_status_1(self):
        done = self.vibed.run("deploy", os.path.join(APPS, "crash"), "--name", "crash")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("cannot open the cupboard", done.stdout + done.stderr)

    def test_a_refused_deploy_has_status_1_and_its_message(self):
        done = self.vibed.run("deploy", os.path.join(EXAMPLES, "static"), "--name", "Not_A_Name")
        self.assertEqual(done.returncode, 1, done)
        self.assertTrue(done.stderr.strip())

    def test_a_wrong_command_line_has_status_2(self):
        self.assertEqual(self.vibed.run("deploy", "--no-such-flag").returncode, 2)
        self.assertEqual(self.vibed.run("no-such-command").returncode, 2)

    def test_ls_suspend_resume_rollback_and_rm(self):
        self.ok("deploy", os.path.join(EXAMPLES, "static"), "--name", "life")
        self.ok("deploy", os.path.join(EXAMPLES, "static"), "--name", "life")
        self.assertIn("life", self.ok("ls"))
        listed = json.loads(self.ok("ls", "--json"))
        self.assertIn("life", [app["app_id"] for app in listed["items"]])
        self.ok("suspend", "life")
        self.wait_for_phase("life", "Suspended")
        self.ok("resume", "life")
        self.wait_for_phase("life", "Ready")
        self.ok("rollback", "life", "1")
        self.wait_for_phase("life", "Ready")
        self.ok("rm", "life")
        self.assertNotIn("life", self.vibed.names())
        self.assertEqual(self.vibed.run("rm", "life").returncode, 1)

    def test_logs(self):
        url = self.vibed.deploy("logs", from_folder(os.path.join(APPS, "node")))
        self.get(url, "/log")
        wait_for(lambda: "a line on stdout" in self.ok("logs", "logs"), "the line is there")
        self.assertIn("a line on stderr", self.ok("logs", "logs"))

    def test_logs_follow_as_server_sent_events(self):
        url = self.vibed.deploy("follow", from_folder(os.path.join(APPS, "node")))
        curl = subprocess.Popen(["curl", "-sN", "--max-time", "20",
                                 self.vibed.api + "/v1/apps/follow/logs?follow=true"],
                                stdout=subprocess.PIPE, text=True)
        self.addCleanup(curl.wait)
        self.addCleanup(curl.kill)
        seen = threading.Event()

        def read():
            for line in curl.stdout:
                if line.strip() == "data: a line on stderr":
                    seen.set()

        threading.Thread(target=read, daemon=True).start()
        self.get(url, "/log")
        self.assertTrue(seen.wait(10))
        curl.kill()
        curl.stdout.close()

    def test_classify_needs_no_server(self):
        done = self.alone("classify", os.path.join(EXAMPLES, "hello-node"), "--json")
        self.assertEqual(json.loads(done.stdout)["template"], "node-24")

    def test_version_and_help(self):
        self.assertRegex(self.alone("version").stdout, r"\d+\.\d+\.\d+")
        self.assertIn("deploy", self.alone("--help").stdout)

    def test_doctor_names_every_check(self):
        done = self.alone("doctor")
        self.assertIn(done.returncode, (0, 1), done)
        for word in ("bubblewrap", "caddy", "node", "python"):
            self.assertIn(word, done.stdout.lower())


class Api(E2E):
    disabled = ("go-123", "python-313", "base-al2023")

    def test_templates_show_real_sizes_and_versions(self):
        templates = {t["name"]: t for t in self.vibed.call("GET", "/v1/templates").json["items"]}
        version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
        self.assertTrue(templates["node-24"]["available"])
        self.assertRegex(templates["node-24"]["runtime_version"], r"v\d+\.\d+\.\d+")
        self.assertEqual(version.returncode, 0)
        wait_for(lambda: {t["name"]: t for t in self.vibed.call("GET", "/v1/templates").json["items"]}
                 ["node-24"]["ready"] >= 1, "the pool is warm")

    def test_health_readiness_and_metrics(self):
        self.assertEqual(self.vibed.call("GET", "/healthz").status, 200)
        self.assertEqual(self.vibed.call("GET", "/readyz").status, 200)
        self.vibed.deploy("metered", from_folder(os.path.join(EXAMPLES, "static")))
        metrics = self.vibed.call("GET", "/metrics")
        self.assertEqual(metrics.status, 200)
        self.assertIn("vibed_", metrics.text)

    def test_pages_of_a_list(self):
        for name in ("p1", "p2", "p3"):
            self.vibed.deploy(name, from_folder(os.path.join(EXAMPLES, "static")))
        every = self.vibed.names()
        page = self.vibed.call("GET", "/v1/apps?limit=1&offset=1").json
        self.assertEqual(([app["app_id"] for app in page["items"]], page["total"]),
                         (every[1:2], len(every)))
        past = self.vibed.call("GET", "/v1/apps?offset=1000").json
        self.assertEqual((past["items"], past["total"]), ([], len(every)))


if __name__ == "__main__":
    main()
