"""One `vibed up` on a data folder of its own."""

import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from . import http
from .processes import Processes

HERE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
ROOT = os.path.dirname(os.path.dirname(HERE))
APPS = os.path.join(HERE, "apps")
EXAMPLES = os.path.join(ROOT, "examples")
BINARY = os.environ.get("VIBED_BIN", os.path.join(ROOT, "build/dev/apps/vibed/vibed"))
START_SECONDS = 180  # Go's standard library is compiled when the cache is cold


def wait_for(condition, what, seconds=20.0):
    """Asks until condition() is true, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.02)


def free_of(data):
    """What a vibed that has ended must not have left: mounts and sockets of its data folder."""
    left = []
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        left += [line.strip() for line in file if data in line]
    with open("/proc/net/unix", encoding="utf-8") as file:
        left += [line.strip() for line in file if data in line]
    return left


class Vibed:
    """Starts in start(), ends in stop() or, whatever happens, in discard()."""

    def __init__(self, config="", data=None):
        self.data = data or tempfile.mkdtemp(prefix="vb-", dir="/tmp")
        os.chmod(self.data, 0o755)
        self.logs = tempfile.mkdtemp(prefix="vbl-", dir="/tmp")
        self.config = config
        self.process = None
        self.seen = {}  # every process that was ever ours
        self.api = self.apps = None
        self.runs = 0

    # The program.

    def command(self, *more):
        command = [BINARY, "up", "--data", self.data, "--json"]
        if self.config:
            path = os.path.join(self.logs, "vibed.yaml")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config)
            command += ["--config", path]
        return command + list(more)

    def start(self, *more, api="127.0.0.1:0", apps="127.0.0.1:0"):
        self.runs += 1
        if self.process is not None:
            self.process.stdout.close()
        log = open(os.path.join(self.logs, f"vibed-{self.runs}.log"), "wb")
        command = self.command("--api", api, "--apps", apps, *more)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log,
                                        stdin=subprocess.DEVNULL, start_new_session=True)
        log.close()
        lines = queue.Queue()

        def read(stream):
            for line in stream:
                lines.put(line)
            lines.put(b"")

        threading.Thread(target=read, args=(self.process.stdout,), daemon=True).start()
        try:
            first = lines.get(timeout=START_SECONDS)
        except queue.Empty:
            first = b""
        if not first:
            raise AssertionError(f"vibed up did not become ready\n{self.log()}")
        ready = json.loads(first)
        self.api, self.apps = ready["api"], ready["apps"]
        return self

    @property
    def processes(self):
        return Processes(self.data, self.process.pid)

    def remember(self):
        self.seen.update(self.processes.all())

    def stop(self, how=signal.SIGINT, seconds=10):
        """Ends it and returns its exit status."""
        self.remember()
        self.process.send_signal(how)
        return self.process.wait(timeout=seconds + 5)

    def kill(self):
        """As if the machine's owner had lost patience: nothing is cleaned up."""
        self.remember()
        self.process.kill()
        self.process.wait()

    def discard(self):
        """Leaves nothing behind, whatever state it is in."""
        if self.process is not None:
            if self.process.poll() is None:
                try:
                    self.stop()
                except subprocess.TimeoutExpired:
                    self.kill()
            self.remember()
            Processes.end(self.seen)
            self.process.stdout.close()
        if os.environ.get("VIBED_E2E_KEEP") != "1":
            shutil.rmtree(self.data, ignore_errors=True)
            shutil.rmtree(self.logs, ignore_errors=True)

    def log(self, lines=60):
        """The end of everything that was logged; a test that fails shows it."""
        text = ""
        for name in sorted(os.listdir(self.logs)):
            with open(os.path.join(self.logs, name), encoding="utf-8", errors="replace") as file:
                text += f"--- {name}\n" + "".join(file.readlines()[-lines:])
        return text

    # Its API.

    def call(self, method, path, body=None, headers=(), timeout=60):
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        return http.request(method, self.api + path, data, headers, timeout=timeout)

    @staticmethod
    def multipart(metadata, archive, boundary="vibed-e2e-boundary"):
        """(body, headers) of a deploy; either part may be None."""
        body = b""
        if metadata is not None:
            text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
            body += (f"--{boundary}\r\nContent-Disposition: form-data; "
                     f'name="metadata"\r\n\r\n').encode() + text + b"\r\n"
        if archive is not None:
            body += (f"--{boundary}\r\nContent-Disposition: form-data; name=\"source\"; "
                     f'filename="source.tgz"\r\nContent-Type: application/gzip\r\n\r\n').encode()
            body += archive + b"\r\n"
        body += f"--{boundary}--\r\n".encode()
        return body, {"Content-Type": f"multipart/form-data; boundary={boundary}"}

    def post_deploy(self, name, archive, **metadata):
        body, headers = self.multipart({"name": name, **metadata}, archive)
        return self.call("POST", "/v1/deploy", body, headers)

    def deploy(self, name, archive, **metadata):
        """Deploys, insists on 200, and returns the URL."""
        answer = self.post_deploy(name, archive, **metadata)
        if answer.status != 200:
            state = self.call("GET", f"/v1/apps/{name}").text
            raise AssertionError(f"deploy of {name}: {answer}\n{state}\n{self.log()}")
        return answer.json["url"]

    def app(self, name):
        return self.call("GET", f"/v1/apps/{name}").json

    def names(self):
        return sorted(app["app_id"] for app in self.call("GET", "/v1/apps").json["items"])

    def remove(self, name):
        return self.call("DELETE", f"/v1/apps/{name}")

    def sources(self):
        """The archives that are kept, by file name."""
        folder = os.path.join(self.data, "sources")
        found = []
        for _, _, names in os.walk(folder) if os.path.isdir(folder) else []:
            found += names
        return sorted(found)

    def claimed(self):
        """The apps that have sandboxes, one entry a sandbox."""
        return sorted(record["app"] for record in self.processes.records() if record.get("app"))

    # Its command line.

    def run(self, *arguments, timeout=60, **more):
        """`vibed ARGUMENTS` against this one's API."""
        environment = {**os.environ, "VIBED_API": self.api}
        return subprocess.run([BINARY, *arguments, "--api", self.api], capture_output=True,
                              text=True, timeout=timeout, env=environment, check=False, **more)
