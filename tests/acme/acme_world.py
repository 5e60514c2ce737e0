"""A domain, its name server, an authority that issues certificates, and a front door as the chart describes it.

All real: bind9, Pebble, Caddy with the DNS module of this folder, vibed-router. Everything runs in a network namespace of
its own, where port 53 is free, the resolver is ours and nothing leads outside.
"""

import base64
import fcntl
import glob
import http.server
import json
import os
import re
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import yaml

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "chart"))
import helm  # noqa: E402  (it is in the folder of the chart's tests)

BUILD = os.path.abspath(os.environ.get("VIBED_BUILD", os.path.join(ROOT, "build", "release")))
ROUTER = os.path.join(BUILD, "apps", "vibed-router", "vibed-router")
CADDY = os.path.join(helm.CACHE, "bin", "caddy-acme")
PEBBLE = (sorted(glob.glob(os.path.join(helm.CACHE, "bin", "pebble-[0-9]*"))) or [""])[-1]
NAMED = "/usr/sbin/named"
DOMAIN, LABEL = "apps.test", "abcdef012345"
APP, ROOM = "127.0.0.2", "127.0.0.3"
CHALLENGE = f"_acme-challenge.{DOMAIN}"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def missing():
    """What this machine lacks, or nothing."""
    for program, how in ((CADDY, "scripts/parts acme builds it"), (PEBBLE, "scripts/parts acme builds it"),
                         (helm.HELM, "scripts/parts chart builds it"), (NAMED, "scripts/setup acme installs it"),
                         ("/usr/bin/dig", "scripts/setup acme installs it")):
        if not program or not os.access(program, os.X_OK):
            return f"there is no {program or 'program of the cache'}; {how}"
    return ""


def enter_namespaces():
    """Runs this program again with a network, mounts and processes of its own, which end with it; any user may."""
    if os.environ.get("VIBED_ACME_INSIDE"):
        return
    os.environ["VIBED_ACME_INSIDE"] = "1"
    for who in (["--user", "--map-root-user"], []):  # root needs none of users
        unshare = ["unshare", *who, "--net", "--mount", "--pid", "--fork", "--kill-child"]
        if subprocess.run([*unshare, "true"], capture_output=True).returncode == 0:
            os.execvp(unshare[0], [*unshare, sys.executable, *sys.argv])
    print("skipped: no namespaces here (unshare --user --net --mount --pid)", file=sys.stderr)
    sys.exit(helm.SKIPPED)


def wait_for(what, true_now, seconds=60):
    """What it returned and after how many seconds."""
    begin = time.monotonic()
    while True:
        value = true_now()
        if value:
            return value, time.monotonic() - begin
        if time.monotonic() - begin > seconds:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(0.05)


def get(url):
    try:
        with NO_PROXY.open(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, repr(error)


class Part:
    """A running program whose output is in a file."""

    def __init__(self, folder, name, *command, **variables):
        self.log_file = os.path.join(folder, f"{name}.log")
        with open(self.log_file, "a") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=folder,
                                            env={"PATH": os.environ["PATH"], "HOME": folder, **variables})

    def log(self):
        with open(self.log_file, errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()


class Answering(http.server.BaseHTTPRequestHandler):
    """An app or the waiting room: says its name and what it was told."""

    protocol_version = "HTTP/1.1"
    status, text = 200, "app"

    def do_GET(self):
        body = json.dumps({"says": self.text, "app": self.headers.get("X-Vibed-App"), "host": self.headers["Host"],
                           "proto": self.headers.get("X-Forwarded-Proto"), "path": self.path}).encode()
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Nobody(Answering):
    status, text = 404, "no such app"


class Records(http.server.BaseHTTPRequestHandler):
    """As much of a Kubernetes API server as is needed to read one record and then wait for news."""

    url = "/apis/vibed.dev/v1alpha1/namespaces/vibed-apps/vibedapps"
    record = {"apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp",
              "metadata": {"name": "one", "namespace": "vibed-apps", "uid": "u1", "resourceVersion": "7", "generation": 1},
              "spec": {"owner": "anna", "source": {"tarballRef": "https://s.test/a"},
                       "runtime": {"lane": "fast", "template": "static-nginx"}},
              "status": {"phase": "Ready", "url": f"https://{LABEL}.{DOMAIN}", "observedGeneration": 1,
                         "routeTarget": f"vibed-app-{LABEL}.vibed-apps.svc.cluster.local:80"}}

    def do_GET(self):
        path, _, query = self.path.partition("?")
        if path != self.url:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        if "watch=" in query:
            time.sleep(3600)
        self.wfile.write(json.dumps({"apiVersion": "vibed.dev/v1alpha1", "kind": "VibedAppList", "items": [self.record],
                                     "metadata": {"resourceVersion": "7"}}).encode())

    def log_message(self, *_):
        pass


def serve(address, handler):
    server = http.server.ThreadingHTTPServer(address, handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Domain:
    """The name server of apps.test, which can be a cluster's as well, and the authority that asks it."""

    def __init__(self, folder, address="127.0.0.1", port=53):
        self.folder, self.address, self.port = folder, address, port
        self.key = base64.b64encode(secrets.token_bytes(32)).decode()
        self.named = self.start_named()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=authority", "-addext", f"subjectAltName=IP:{address}",
                        "-keyout", self.path("pebble.key"), "-out", self.path("pebble.crt")], check=True,
                       capture_output=True)
        self.write("pebble.json", json.dumps({"pebble": {
            "listenAddress": f"{address}:14000", "managementListenAddress": f"{address}:15000",
            "certificate": self.path("pebble.crt"), "privateKey": self.path("pebble.key"), "httpPort": 5002,
            "tlsPort": 5001, "retryAfter": {"authz": 1, "order": 1}, "keyAlgorithm": "ecdsa",
            "profiles": {"default": {"description": "the only one", "validityPeriod": 7776000}}}}))
        self.pebble = Part(folder, "pebble", PEBBLE, "-config", self.path("pebble.json"), "-dnsserver",
                           f"{address}:{port}", "-strict", PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT="5")
        self.root = self.path("root.pem")
        wait_for(lambda: f"Pebble: {self.pebble.log()}", self.fetch_root, 20)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w") as file:
            file.write(text)

    def start_named(self):
        head = "$TTL 5\n@ IN SOA ns.{0}. admin.{0}. 1 60 60 60 5\n@ IN NS ns.{0}.\nns IN A {1}\n"
        self.write("apps.zone", head.format(DOMAIN, self.address) + f"@ IN A {self.address}\n* IN A {self.address}\n")
        self.write("cluster.zone", head.format("cluster.local", self.address) + f"vibed-app-{LABEL}.vibed-apps.svc IN A {APP}\n"
                   f"vibed-waiting-room.vibed-system.svc IN A {ROOM}\n")
        self.write("named.conf", f"""
            key vibed-acme {{ algorithm hmac-sha256; secret "{self.key}"; }};
            options {{ directory "{self.folder}"; pid-file none; session-keyfile "{self.path('session.key')}";
              listen-on port {self.port} {{ {self.address}; }}; listen-on-v6 {{ none; }}; recursion no; dnssec-validation no;
              empty-zones-enable no; notify no; }};
            controls {{ }};
            zone "{DOMAIN}" {{ type master; file "apps.zone";
              update-policy {{ grant vibed-acme name {CHALLENGE}. TXT; }}; }};
            zone "cluster.local" {{ type master; file "cluster.zone"; }};""")
        named = Part(self.folder, "named", NAMED, "-4", "-g", "-n", "1", "-c", self.path("named.conf"))
        wait_for(lambda: f"bind9: {named.log()}", lambda: self.resolve(DOMAIN, "A") == [self.address], 20)
        return named

    def resolve(self, name, kind):
        done = subprocess.run(["dig", "+short", "+time=1", "+tries=1", "-p", str(self.port), f"@{self.address}", name, kind],
                              capture_output=True, text=True)
        return done.stdout.split("\n")[:-1] if done.returncode == 0 else []

    def fetch_root(self):
        return subprocess.run(["curl", "-sf", "--cacert", self.path("pebble.crt"), "-o", self.root,
                               f"https://{self.address}:15000/roots/0"]).returncode == 0

    def issued(self):
        """How many certificates the authority has made."""
        return len(re.findall(r"Issued certificate serial", self.pebble.log()))

    def records_added(self):
        return len(re.findall(rf"adding an RR at '{re.escape(CHALLENGE)}' TXT", self.named.log()))

    def end(self):
        self.pebble.kill()
        self.named.kill()


def own_network(folder):
    """What enter_namespaces() has left to do: loopback, a resolver, an app and the waiting room."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))  # SIOCSIFFLAGS: UP and RUNNING
    resolver = os.path.join(folder, "resolv.conf")
    with open(resolver, "w") as file:
        file.write("nameserver 127.0.0.1\noptions timeout:1 attempts:2\n")
    subprocess.run(["mount", "--bind", resolver, os.path.realpath("/etc/resolv.conf")], check=True)
    serve((APP, 80), Answering)
    serve((ROOM, 8090), Nobody)


class FrontDoor:
    """One of Caddy's pods as the chart renders it for `values`; `data` is its volume. Further variables are Caddy's."""

    def __init__(self, folder, name, values, data, flags=(), **variables):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder)
        objects = {(each["kind"], each["metadata"]["name"]): each for each in helm.objects_of(*values)}
        containers = objects["Deployment", "vibed-caddy"]["spec"]["template"]["spec"]["containers"]
        self.container = {each["name"]: each for each in containers}
        self.write(objects["ConfigMap", "vibed-caddy"]["data"])
        self.write({"vibed.yaml": objects["ConfigMap", "vibed"]["data"]["common.yaml"]})
        shutil.copy(os.path.join(folder, "pebble.crt"), os.path.join(self.folder, "ca.crt"))
        self.variables = {each["name"]: each["value"] for each in self.container["caddy"]["env"]}
        self.variables.update(variables, HOME=data, XDG_DATA_HOME=data, XDG_CONFIG_HOME=self.folder)
        self.flags = {}
        for each in [self.here(text) for text in self.container["router"]["args"]] + list(flags):
            self.flags[each.split("=")[0]] = each
        self.probes = self.flags.get("--health-probe-bind-address", "=:8084").split(":")[-1]
        self.start_caddy()
        self.start_router()

    def here(self, text):
        """What is mounted in the pod is in our folder."""
        return re.sub(r"/etc/(vibed/authority|vibed/tls|vibed|caddy-bootstrap)/|/run/vibed(?=\b)/?",
                      lambda found: self.folder + ("/" if found[0].endswith("/") else ""), text)

    def write(self, files):
        for name, text in files.items():
            with open(os.path.join(self.folder, name), "w") as file:
                file.write(self.here(text))

    def start_caddy(self):
        command = self.container["caddy"]["command"]
        self.caddy = Part(self.folder, "caddy", CADDY, *[self.here(each) for each in command[1:]], **self.variables)

    def start_router(self):
        self.router = Part(self.folder, "router", ROUTER, *self.flags.values(), POD_NAMESPACE=helm.SYSTEM)

    def ready(self):
        """Status and text of the pod's readiness."""
        return get(f"http://127.0.0.1:{self.probes}/readyz")

    def await_ready(self, seconds=60):
        return wait_for(lambda: f"ready: {self.ready()}\n{self.router.log()}\n{self.caddy.log()[-3000:]}",
                        lambda: self.ready()[0] == 200, seconds)[1]

    def end(self):
        for part in (self.router, self.caddy):
            part.kill()


class Seen:
    """What curl saw."""

    def __init__(self, url, *flags):
        form = "%{stderr}%{http_code} %{http_version} %{redirect_url}"
        done = subprocess.run(["curl", "-s", "-w", form, "--max-time", "20", *flags, url], capture_output=True, text=True)
        status, version, self.redirect = done.stderr.rpartition("\n")[2].split(" ", 2)
        self.status, self.version, self.exit, self.text = int(status), version, done.returncode, done.stdout
        try:
            self.body = json.loads(done.stdout)
        except ValueError:
            self.body = {}
