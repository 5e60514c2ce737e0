"""The command line by itself: help, exit statuses and the shapes of --json, against a server of the test's own."""

import http.server
import json
import os
import subprocess
import tempfile
import threading
import unittest

VIBED = os.environ["VIBED_BIN"]
NOBODY = "http://127.0.0.1:1"
APP = {"app_id": "hello", "name": "hello", "phase": "Ready", "reason": "Running", "message": "",
       "url": "http://hello.localhost:18080", "lane": "general", "template": "node-24",
       "generation": 1, "observed_generation": 1, "created_at": "2026-01-01T00:00:00Z"}


class FakeApi(http.server.BaseHTTPRequestHandler):
    answers = {}  # "METHOD /path" → (status, JSON)

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, body = self.answers.get(
            f"{self.command} {self.path.partition('?')[0]}",
            (404, {"code": "not_found", "message": "there is no app of that name"}))
        text = json.dumps(body).encode() if body is not None else b""
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_DELETE = do_PUT = answer

    def log_message(self, *_):
        pass


def run(*arguments, **environment):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("VIBED_")}
    return subprocess.run([VIBED, *arguments], capture_output=True, text=True, timeout=120, check=False,
                          env={**plain, **environment})


def commands():
    """Those that `vibed --help` names."""
    listed = run("--help").stdout.partition("Subcommands:\n")[2]
    return [line.split()[0] for line in listed.splitlines() if line.strip()]


class Help(unittest.TestCase):
    def test_every_command_explains_itself_and_is_documented(self):
        found = commands()
        self.assertGreater(len(found), 12)
        with open(os.path.join(os.path.dirname(__file__), "../../docs/cli.md"), encoding="utf-8") as file:
            manual = file.read()
        for name in found:
            with self.subTest(name):
                done = run(name, "--help")
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"Usage: vibed {name}", done.stdout)
                self.assertIn("--help", done.stdout)
                self.assertIn(name, manual)

    def test_without_a_command_help_is_shown(self):
        done = run()
        self.assertIn("Subcommands:", done.stdout + done.stderr)

    def test_version_is_one_number_everywhere(self):
        number = run("--version").stdout.split()[-1]
        self.assertRegex(number, r"^\d+\.\d+\.\d+$")
        self.assertIn(number, run("version").stdout)


class ExitStatus(unittest.TestCase):
    def test_a_wrong_command_line_is_2_with_a_word_about_it(self):
        for arguments in (["no-such-command"], ["deploy", "--no-such-option"], ["rm"], ["logs", "a", "b"],
                          ["rollback", "x", "not-a-number"], ["up", "--config", "/no/such/file"],
                          ["deploy", "--env", "no-equals-sign"]):
            with self.subTest(arguments):
                done = run(*arguments)
                expected = {"--config": (1, 2), "--env": (1, 2)}.get(arguments[1] if len(arguments) > 1 else "", (2,))
                self.assertIn(done.returncode, expected, done)
                self.assertTrue(done.stderr.startswith("vibed"), done.stderr)
                self.assertEqual(done.stdout, "")

    def test_nobody_there_is_3_in_words_and_as_json(self):
        for arguments in (["ls"], ["logs", "x"], ["rm", "x"], ["suspend", "x"], ["resume", "x"],
                          ["versions", "x"], ["rollback", "x", "1"], ["open", "x"], ["template", "ls"]):
            with self.subTest(arguments):
                done = run(*arguments, "--api", NOBODY)
                self.assertEqual(done.returncode, 3, done)
                self.assertEqual(done.stderr, f"vibed: no vibed answers at {NOBODY}\n")
                self.assertEqual(run(*arguments, VIBED_API=NOBODY).returncode, 3)
        done = run("ls", "--json", "--api", NOBODY)
        error = json.loads(done.stdout + done.stderr)
        self.assertEqual((done.returncode, error["code"]), (3, "unreachable"))


class Json(unittest.TestCase):
    def test_classify(self):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"index.html": "<p>", "server.py": "", ".vibedignore": "server.py\n"}.items():
                with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                    file.write(text)
            found = json.loads(run("classify", folder, "--json").stdout)
            self.assertEqual(found["template"], "static-nginx", "what is ignored does not count")
            self.assertTrue({"lane", "rule", "reason", "evidence"} <= found.keys(), found)
            self.assertIn("static-nginx", run("classify", folder).stdout)
        done = run("classify", folder)
        self.assertEqual(done.returncode, 1, "the folder is gone")
        self.assertTrue(done.stderr.startswith("vibed: "), done.stderr)

    def test_version(self):
        self.assertRegex(json.loads(run("version", "--json").stdout)["version"], r"^\d+\.\d+\.\d+$")

    def test_doctor(self):
        with tempfile.TemporaryDirectory() as folder:
            done = run("doctor", "--json", "--data", folder)
        report = json.loads(done.stdout)
        self.assertEqual(done.returncode, 0 if report["fit"] else 1)
        names = [finding["what"] for finding in report["findings"]]
        for name in ("user namespaces", "bubblewrap", "caddy", "vibed-agent", "limit of memory", "data folder",
                     "port of the API", "*.localhost"):
            self.assertIn(name, names)
        for finding in report["findings"]:
            self.assertEqual(finding.keys(), {"what", "good", "required", "detail", "fix"})
            if finding["required"] and not finding["good"]:
                self.assertTrue(finding["fix"], finding)

    def test_doctor_finds_what_is_wrong_with_a_data_folder(self):
        done = run("doctor", "--json", "--data", "/" + "x" * 70)
        self.assertEqual(done.returncode, 1)
        report = json.loads(done.stdout)
        self.assertFalse(report["fit"])
        [finding] = [finding for finding in report["findings"] if finding["what"] == "data folder"]
        self.assertFalse(finding["good"])


class Remote(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), FakeApi)
        cls.api = f"http://127.0.0.1:{cls.server.server_port}"
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.server.shutdown()
        cls.server.server_close()

    def setUp(self):
        FakeApi.answers = {}

    def vibed(self, *arguments):
        return run(*arguments, "--api", self.api)

    def test_ls_gives_the_page_as_the_api_has_it(self):
        FakeApi.answers["GET /v1/apps"] = (200, {"items": [APP], "total": 1})
        self.assertEqual(json.loads(self.vibed("ls", "--json").stdout)["items"][0]["app_id"], "hello")
        shown = self.vibed("ls")
        self.assertEqual(shown.returncode, 0, shown)
        self.assertIn("http://hello.localhost:18080", shown.stdout)

    def test_what_the_server_refuses_is_1_with_its_words(self):
        for arguments in (["rm", "x"], ["suspend", "x"], ["versions", "x"]):
            with self.subTest(arguments):
                done = self.vibed(*arguments)
                self.assertEqual(done.returncode, 1, done)
                self.assertIn("there is no app of that name", done.stderr)
                done = self.vibed(*arguments, "--json")
                error = json.loads(done.stdout + done.stderr)
                self.assertEqual((done.returncode, error["code"]), (1, "not_found"))

    def test_rm_says_what_it_removed(self):
        FakeApi.answers["DELETE /v1/apps/x"] = (204, None)
        self.assertEqual(self.vibed("rm", "x").stdout, "x is removed\n")
        self.assertEqual(json.loads(self.vibed("rm", "x", "--json").stdout), {"app_id": "x", "removed": True})

    def test_an_answer_that_is_none_is_no_crash(self):
        for answer in ((500, {"code": "internal", "message": "it broke"}), (200, None), (200, []), (204, None)):
            with self.subTest(answer):
                FakeApi.answers["GET /v1/apps"] = answer
                done = self.vibed("ls")
                self.assertIn(done.returncode, (0, 1), done)
                if answer[0] == 500:
                    self.assertEqual((done.returncode, done.stderr), (1, "vibed: it broke\n"))


if __name__ == "__main__":
    unittest.main()
