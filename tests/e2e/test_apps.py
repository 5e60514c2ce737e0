"""Every kind of source tree that vibed runs, from upload to the first answer."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import APPS, E2E, EXAMPLES, from_folder, main, tar_gz


def app(name, **files):
    return from_folder(os.path.join(APPS, name), files)


class Static(E2E):
    disabled = ("go-123", "python-313", "node-24", "base-al2023")

    def test_a_folder_of_pages(self):
        url = self.vibed.deploy("site", from_folder(os.path.join(EXAMPLES, "static")))
        page = self.get(url)
        self.assertEqual(page.status, 200)
        self.assertIn("Hello from vibed", page.text)
        self.assertTrue(page.headers["content-type"].startswith("text/html"), page.headers)
        self.assertTrue(self.get(url, "/style.css").headers["content-type"].startswith("text/css"))
        # As in the system whose URLs vibed keeps: what is not a file is the application's to show.
        self.assertEqual(self.get(url, "/no/such/page").text, page.text)
        self.assertEqual(self.vibed.app("site")["runtime"]["template"], "static-nginx")

    def test_a_browser_bundle_that_is_built_already(self):
        url = self.vibed.deploy("spa", app("spa"))
        self.assertIn("/assets/index-4f1c2a9d.js", self.get(url).text)
        script = self.get(url, "/assets/index-4f1c2a9d.js")
        self.assertEqual(script.status, 200)
        self.assertIn("javascript", script.headers["content-type"])
        self.assertTrue(self.get(url, "/favicon.svg").headers["content-type"].startswith("image/svg"))

    def test_a_url_works_as_printed_in_a_browser_like_client(self):
        url = self.vibed.deploy("printed", tar_gz({"index.html": "<h1>as printed</h1>"}))
        self.assertRegex(url, r"^http://[0-9a-v]{12}\.localhost:\d+$")
        page = subprocess.run(["curl", "-sS", "--max-time", "10", url], capture_output=True,
                              text=True, check=True)
        self.assertEqual(page.stdout, "<h1>as printed</h1>")

    def test_an_archive_of_git_with_one_folder_around_everything(self):
        with tempfile.TemporaryDirectory() as folder:
            git = ["git", "-C", folder, "-c", "user.name=x", "-c", "user.email=x@example.com"]
            with open(os.path.join(folder, "index.html"), "w", encoding="utf-8") as file:
                file.write("from git")
            subprocess.run([*git, "init", "-q"], check=True)
            subprocess.run([*git, "add", "."], check=True)
            subprocess.run([*git, "commit", "-qm", "one"], check=True)
            packed = subprocess.run([*git, "archive", "--format=tar.gz", "--prefix=site-1.0/", "HEAD"],
                                    capture_output=True, check=True).stdout
        self.assertEqual(self.get(self.vibed.deploy("git", packed)).text, "from git")

    def test_a_bundle_that_is_not_built_is_refused_and_nothing_is_kept(self):
        answer = self.vibed.post_deploy("unbuilt", tar_gz({
            "package.json": '{"scripts":{"build":"vite build"},"devDependencies":{"vite":"5"}}',
            "index.html": "<div id=root></div>", "src/main.js": "1"}))
        self.assertEqual((answer.status, answer.json["code"]), (422, "build_required"), answer)
        self.assertNotIn("unbuilt", self.vibed.names())


class Languages(E2E):
    def both_methods(self, url, runtime):
        got = self.get(url, "/a/b?c=d").json
        self.assertEqual((got["method"], got["url"]), ("GET", "/a/b?c=d"))
        self.assertTrue(got["runtime"].startswith(runtime), got)
        sent = self.post(url, "/", b"x" * 100_000).json
        self.assertEqual((sent["method"], sent["bytes"]), ("POST", 100_000))

    def test_plain_node(self):
        url = self.vibed.deploy("node", app("node"), env=[{"name": "GREETING", "value": "hi = there"}])
        self.both_methods(url, "node v")
        answer = self.get(url).json
        self.assertEqual(answer["greeting"], "hi = there")
        self.assertEqual(answer["cwd"], "/workspace")
        self.assertEqual(answer["host"], url.removeprefix("http://"))
        state = self.vibed.app("node")
        self.assertEqual(state["runtime"]["template"], "node-24")
        self.assertIn("server.js", state["start_command"])
        self.assertIn(answer["runtime"].removeprefix("node "), state["runtime"]["version"])

    def test_node_with_vendored_modules(self):
        url = self.vibed.deploy("node-vendored", app("node-vendored"))
        self.assertEqual(self.get(url).text, "the front page")
        self.assertEqual(self.get(url, "/hello/world").text, "hello world")

    def test_plain_python(self):
        url = self.vibed.deploy("python", app("python"), env=[{"name": "GREETING", "value": "hi"}])
        self.both_methods(url, "python 3.")
        self.assertEqual(self.get(url).json["greeting"], "hi")
        self.assertEqual(self.vibed.app("python")["runtime"]["template"], "python-313")

    def test_python_asgi_with_vendored_modules(self):
        url = self.vibed.deploy("asgi", app("python-asgi"))
        self.assertEqual(self.get(url, "/x").text, "GET /x 0 by tinyasgi")
        self.assertEqual(self.post(url, "/y", b"123").text, "POST /y 3 by tinyasgi")

    def test_python_asgi_with_modules_vendored_by_pip(self):
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
        with tempfile.TemporaryDirectory() as folder:
            copy = os.path.join(folder, "app")
            shutil.copytree(os.path.join(APPS, "python-starlette"), copy)
            installed = subprocess.run(
                [*pip, "install", "--target", os.path.join(copy, "vendor"),
                 "-r", os.path.join(copy, "requirements.txt")],
                capture_output=True, text=True, timeout=120, check=False)
            if installed.returncode != 0:
                self.skipTest("pip cannot install them here: " + installed.stderr[-200:])
            packed = from_folder(copy)
        self.assertEqual(self.get(self.vibed.deploy("starlette", packed)).text, "served by Starlette")

    def test_a_procfile(self):
        url = self.vibed.deploy("procfile", app("procfile"))
        self.assertEqual(self.get(url).text, "from the Procfile")
        self.assertEqual(self.vibed.app("procfile")["runtime"]["template"], "base-al2023")

    def test_the_command_of_a_dockerfile(self):
        url = self.vibed.deploy("dockerfile", app("dockerfile"))
        self.assertEqual(self.get(url).text, "started by the Dockerfile's CMD")

    def test_an_entrypoint_of_the_request_wins(self):
        url = self.vibed.deploy("entrypoint", tar_gz({
            "package.json": '{"main":"wrong.js"}', "wrong.js": "process.exit(1)",
            "right.js": "require('http').createServer((q,r)=>r.end('right')).listen(process.env.PORT)",
        }), runtime={"entrypoint": "node right.js"})
        self.assertEqual(self.get(url).text, "right")

    def test_a_missing_dependency_is_named(self):
        answer = self.vibed.post_deploy("missing", app("missing-module"))
        self.assertEqual(answer.status, 202, answer)
        self.assertEqual(answer.json["phase"], "Failed", answer)
        self.assertIn("express", answer.json["message"].splitlines()[0])

    def test_no_start_command_says_what_was_looked_for(self):
        answer = self.vibed.post_deploy("nothing", tar_gz({"data.bin": b"\0\1", "notes.xyz": "?"}),
                                        runtime={"template": "base-al2023", "lane": "general"})
        self.assertEqual((answer.status, answer.json["phase"]), (202, "Failed"), answer)
        self.assertEqual(answer.json["reason"], "NoStartCommand")
        self.assertIn("Procfile", answer.json["message"])


class Go(E2E):
    disabled = ("node-24", "python-313", "base-al2023")

    def test_a_go_module(self):
        if shutil.which("go") is None:
            self.skipTest("go is not installed")
        answer = self.vibed.post_deploy("go", from_folder(os.path.join(EXAMPLES, "hello-go")))
        self.assertIn(answer.status, (200, 202), answer)
        url = self.wait_for_phase("go", "Ready", 300)["url"]  # a cold cache of Go's library
        self.assertRegex(self.get(url, "/x").text, r"^Hello from go1\.\d+.*: GET /x\n$")


if __name__ == "__main__":
    main()
