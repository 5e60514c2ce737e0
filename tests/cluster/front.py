"""The rest of vibed on the real cluster: the API server, Caddy with its router, visitors and the command line."""

import http.client
import json
import os
import signal
import subprocess
import threading
import time

from world import ADDRESS, BUILD, SECRET, SPACE, get, label_of, wait_for

VIBED = os.path.join(BUILD, "apps", "vibed", "vibed")
ROUTER = os.path.join(BUILD, "apps", "vibed-router", "vibed-router")
CACHE = os.environ.get("VIBED_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or
                                                      os.path.expanduser("~/.cache"), "vibed")
CADDY = os.environ.get("VIBED_CADDY_211") or os.path.join(CACHE, "bin", "caddy-2.11")
DOMAIN = "apps.test"
API_PORT = 8380
ROOM_PORT = 8390
FRONT_PORT = 8300
KEY = "key-of-the-tests"


class Part:
    """A program that is started, ended, and started again."""

    def __init__(self, name, folder, *argv, **environment):
        self.name = name
        self.argv = argv
        self.environment = environment
        self.log_file = os.path.join(folder, f"{name}.log")
        self.process = None

    def start(self):
        with open(self.log_file, "a") as log:
            self.process = subprocess.Popen(self.argv, env={**os.environ, **self.environment}, stdout=log, stderr=log)
        return self

    def end(self, number=signal.SIGTERM):
        if self.process is None:
            return None
        self.process.send_signal(number)
        try:
            return self.process.wait(30)
        finally:
            self.process = None

    def log(self):
        with open(self.log_file) as log:
            return log.read()


def api_server(folder, *flags, config):
    file = os.path.join(folder, "vibed.json")  # JSON is YAML
    with open(file, "w") as text:
        json.dump({"auth": {"enabled": True, "apiKeys": [{"key": KEY, "name": "tests"}, {"key": "other", "name": "other"}]},
                   "deployment": {"appsNamespace": SPACE}, **config}, text)
    return Part("vibed", folder, VIBED, "serve", "--config", file, "--api", f"{ADDRESS}:{API_PORT}", "--waiting-room",
                f"{ADDRESS}:{ROOM_PORT}", "--data", os.path.join(folder, "data"), *flags, VIBED_INSTALL_SECRET=SECRET)


def router(folder):
    run = os.path.join(folder, "run")
    return Part("router", folder, ROUTER, "--caddy-run", run, "--listen", f"{ADDRESS}:{FRONT_PORT}", "--vibed-domain",
                DOMAIN, "--pool-namespace", SPACE, "--waiting-room", f"{ADDRESS}:{ROOM_PORT}",
                "--health-probe-bind-address", "127.0.0.1:8384", "--metrics-bind-address", "127.0.0.1:8383")


def caddy(folder):
    run = os.path.join(folder, "run")
    os.makedirs(run, exist_ok=True)
    file = os.path.join(folder, "caddy.json")
    with open(file, "w") as text:
        subprocess.run([ROUTER, "bootstrap", "--caddy-run", run], check=True, stdout=text)
    return Part("caddy", folder, CADDY, "run", "--config", file, HOME=folder, XDG_DATA_HOME=folder, XDG_CONFIG_HOME=folder)


def front_is_ready():
    return get("http://127.0.0.1:8384/readyz")[0] == 200


def vibed(*arguments, key=KEY, check=True):
    """The command line against the API; its output."""
    done = subprocess.run([VIBED, *arguments, "--api", f"http://{ADDRESS}:{API_PORT}"], capture_output=True, text=True,
                          env={**os.environ, "VIBED_TOKEN": key})
    if check and done.returncode != 0:
        raise AssertionError(f"vibed {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.stdout if check else (done.returncode, done.stdout + done.stderr)


def ask(app, method="GET", path="/", body=None, connection=None, timeout=10):
    """Status and body of a request through Caddy, as a visitor makes it; (0, why) when nobody answered."""
    one = connection or http.client.HTTPConnection(ADDRESS, FRONT_PORT, timeout=timeout)
    try:
        one.request(method, path, body=body, headers={"Host": f"{label_of(app)}.{DOMAIN}"})
        answer = one.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        one.close()
        return 0, repr(error)
    finally:
        if connection is None:
            one.close()


class Visitors:
    """Keep-alive clients that never pause, GET and POST in turn, until the end of the block."""

    def __init__(self, app, clients=8):
        self.app = app
        self.answers = []  # (when it was sent, status, body)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(clients)]

    def run(self, number):
        connection = http.client.HTTPConnection(ADDRESS, FRONT_PORT, timeout=10)
        while not self.stop.is_set():
            method, number = ("POST" if number % 2 else "GET"), number + 1
            sent = time.monotonic()
            answer = ask(self.app, method, body="x" * 100 if method == "POST" else None, connection=connection)
            self.answers.append((sent, *answer))
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for("visitors are answered", lambda: len(self.answers) > 50)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def failures(self):
        return [answer for answer in self.answers if answer[1] != 200]
