"""What tests on the real cluster use: kubectl, images made of this machine's files, sources, controllers.

Run inside the cluster's network (`./in python3 test_controller.py`): pods and Services are reached directly, and pods
and controllers reach servers of the test at 10.77.0.1.
"""

import gzip
import hashlib
import http.server
import io
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
BUILD = os.environ.get("VIBED_BUILD", os.path.join(ROOT, "build", "release"))
AGENT = os.path.join(BUILD, "apps", "vibed-agent", "vibed-agent")
CONTROLLER = os.path.join(BUILD, "apps", "vibed-controller", "vibed-controller")
SPACE = "vibed-apps"
DOMAIN = "apps.test"
ADDRESS = "10.77.0.1"
SOURCE_PORT = 8280
SECRET = "an install secret of the tests, which is long enough"
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def say(text):
    print(text, file=sys.stderr, flush=True)


def need(program, part=None):
    """`part` is what scripts/parts builds it by."""
    if not os.access(program, os.X_OK):
        sys.exit(f"there is no {program}" + (f": scripts/parts {part} builds it" if part else ""))


def kubectl(*arguments, text=None, check=True):
    done = subprocess.run(["kubectl", *arguments], input=text, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def apply(*objects):
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-",
            text="".join("---\n" + json.dumps(each) + "\n" for each in objects))


def objects(kind, selector="", space=SPACE):
    arguments = ["-l", selector] if selector else []
    return json.loads(kubectl("-n", space, "get", kind, "-o", "json", *arguments))["items"]


def install_crds():
    subprocess.run([CONTROLLER, "install-crds", "--crds", f"{ROOT}/chart/crd"], check=True, stdout=subprocess.DEVNULL)


def release_apps(space):
    """So that they can be removed when no controller is there any more."""
    for app in kubectl("-n", space, "get", "vibedapp", "-o", "name", check=False).split():
        kubectl("-n", space, "patch", app, "--type=merge", "-p", '{"metadata":{"finalizers":null}}', check=False)


def remove_namespace(space):
    release_apps(space)
    kubectl("delete", "namespace", space, "--timeout=60s", check=False)


def wait_for(what, true_now, seconds=60):
    end = time.monotonic() + seconds
    while True:
        value = true_now()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


def get(url, timeout=5):
    """Status and body; (0, why) when nobody answered."""
    try:
        request = urllib.request.Request(url, headers={"Connection": "close"})
        with NO_PROXY.open(request, timeout=timeout) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")
    except OSError as error:
        return 0, str(error)


def visit(url, timeout=5, patience=1.0):
    """get() as the front door does it: a refused connection is tried again for a second, nothing else is."""
    end = time.monotonic() + patience
    while True:
        answer = get(url, timeout)
        if answer[0] != 0 or "refused" not in answer[1] or time.monotonic() > end:
            return answer
        time.sleep(0.05)


def label_of(app, space=SPACE):
    """As DESIGN says: base32hex of the first 8 bytes of a hash of namespace and name."""
    digest = hashlib.sha256(f"{space}/{app}".encode()).digest()[:8]
    bits = int.from_bytes(digest, "big") << 1  # 65 bits: 13 digits of 5
    return "".join("0123456789abcdefghijklmnopqrstuv"[(bits >> (60 - 5 * i)) & 31] for i in range(12))


# ---- images ---------------------------------------------------------------------------------------------------------


def libraries_of(program):
    done = subprocess.run(["ldd", program], capture_output=True, text=True)
    words = [word for line in done.stdout.splitlines() for word in line.split()]
    return sorted({word for word in words if word.startswith("/")})


def copy_into(root, path, to=None):
    target = root + (to or path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copy(os.path.realpath(path), target)


def make_image(name, programs=(), folders=(), files=()):
    """An image localhost/NAME: the agent, and programs of this machine with their libraries."""
    root = tempfile.mkdtemp(prefix="vibed-image-")
    try:
        for folder in ("bin", "tmp", "workspace", "etc/vibed", "proc", "sys", "dev", "var/log/nginx", "var/lib/nginx"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        for folder in ("tmp", "workspace"):
            os.chmod(os.path.join(root, folder), 0o1777)
        copy_into(root, AGENT, "/usr/libexec/vibed/vibed-agent")
        for program in ("/bin/sh", *programs):
            copy_into(root, program)
            for library in libraries_of(program):
                copy_into(root, library)
        for folder in folders:
            shutil.copytree(folder, root + folder, ignore=shutil.ignore_patterns("__pycache__", "test"))
        for source, target in files:
            copy_into(root, source, target)
        with open(os.path.join(root, "etc/passwd"), "w") as passwd:
            passwd.write("root:x:0:0::/root:/bin/sh\napp:x:65532:65532::/workspace:/bin/sh\n")
        subprocess.run([os.path.join(HERE, "image"), f"localhost/{name}", root, "/usr/libexec/vibed/vibed-agent"],
                       check=True, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(root)


def pool(name, image, size, language, probe, parked=None, lane="general", space=SPACE, runtime=None):
    """A SandboxTemplate and a SandboxWarmPool of that name; `runtime` is a RuntimeClass."""
    environment = {"VIBED_AGENT_RELAY_ADDR": ":9080", "VIBED_TEMPLATE_NAME": name,
                   "VIBED_TEMPLATE_LANGUAGE": language, "VIBED_RUNTIME_PROBE": probe}
    if parked:
        environment["VIBED_AGENT_PARKED"] = json.dumps(parked)
    container = {
        "name": "sandbox", "image": f"localhost/{image}", "imagePullPolicy": "Never",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "ports": [{"containerPort": 9000, "name": "control"}, {"containerPort": 9080, "name": "relay"}],
        "readinessProbe": {"httpGet": {"path": "/healthz", "port": 9000}, "periodSeconds": 1},
        "resources": {"limits": {"memory": "256Mi"}, "requests": {"memory": "32Mi", "cpu": "5m"}},
        "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                            "runAsNonRoot": True, "runAsUser": 65532, "runAsGroup": 65532,
                            "capabilities": {"drop": ["ALL"]}},
        "volumeMounts": [{"name": "workspace", "mountPath": "/workspace"}, {"name": "tmp", "mountPath": "/tmp"}]}
    pod = {"terminationGracePeriodSeconds": 1, "automountServiceAccountToken": False,
           "enableServiceLinks": False, "containers": [container], "securityContext": {"fsGroup": 65532},
           "volumes": [{"name": "workspace", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]}
    if runtime:
        pod["runtimeClassName"] = runtime
    group = "extensions.agents.x-k8s.io/v1beta1"
    labels = {"vibed.dev/template": name, "vibed.dev/lane": lane}
    return [
        {"apiVersion": group, "kind": "SandboxTemplate", "metadata": {"name": name, "namespace": space},
         "spec": {"networkPolicyManagement": "Unmanaged",
                  "podTemplate": {"metadata": {"labels": {"vibed.dev/template": name}}, "spec": pod}}},
        {"apiVersion": group, "kind": "SandboxWarmPool",
         "metadata": {"name": name, "namespace": space, "labels": labels},
         "spec": {"replicas": size, "sandboxTemplateRef": {"name": name}}}]


# ---- sources --------------------------------------------------------------------------------------------------------


def tar_gz(files):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return gzip.compress(packed.getvalue())


class Sources:
    """What the API would serve: sources by their keys."""

    def __init__(self):
        kept = self.kept = {}

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                body = kept.get(self.path)
                self.send_response(404 if body is None else 200)
                self.send_header("Content-Length", str(len(body or b"")))
                self.end_headers()
                self.wfile.write(body or b"")

        self.server = http.server.ThreadingHTTPServer((ADDRESS, SOURCE_PORT), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def put(self, app, files):
        key = f"{app}.v1.{secrets.token_hex(16)}"
        self.kept[f"/internal/sources/{key}.tar.gz"] = tar_gz(files)
        return key

    def close(self):
        self.server.shutdown()
        self.server.server_close()


# ---- apps -----------------------------------------------------------------------------------------------------------


def write_app(app, source, template, lane="general", **spec):
    apply({"apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp", "metadata": {"name": app, "namespace": SPACE},
           "spec": {"owner": "somebody", "source": {"tarballRef": source},
                    "runtime": {"lane": lane, "template": template}, **spec}})


def read_app(app, space=SPACE):
    text = kubectl("-n", space, "get", "vibedapp", app, "-o", "json", check=False)
    return json.loads(text) if text else None


def is_in(app, phase, space=SPACE):
    now = read_app(app, space)
    status = (now or {}).get("status", {})
    newest = status.get("observedGeneration") == (now or {}).get("metadata", {}).get("generation")
    return now if status.get("phase") == phase and (newest or phase != "Ready") else None


def await_app(app, phase="Ready", seconds=60, space=SPACE):
    try:
        return wait_for(f"{app} {phase}", lambda: is_in(app, phase, space), seconds)
    except AssertionError as error:
        raise AssertionError(f"{error}: {json.dumps((read_app(app, space) or {}).get('status'))}") from None


def ready_condition(one):
    """The condition of type Ready of an object; {} when it has none."""
    return next((each for each in one.get("status", {}).get("conditions", []) if each["type"] == "Ready"), {})


def says_ready(one):
    """Whether that condition is True."""
    return ready_condition(one).get("status") == "True"


def spares(space=SPACE):
    """The templates of which there is a ready spare."""
    return {each["spec"]["warmPoolRef"]["name"] for each in objects("sandboxclaim", "vibed.dev/spare", space)
            if says_ready(each)}


def url_of(app):
    return f"http://vibed-app-{label_of(app)}.{SPACE}.svc.cluster.local/"


class Load:
    """One request after another until the end of the block: `ask` makes one and returns status and body."""

    def __init__(self, ask, pause=0):
        self.ask, self.pause = ask, pause
        self.answers = []  # (when it was sent, status, body)
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)

    def run(self):
        while not self.stop.is_set():
            sent = time.monotonic()
            self.answers.append((sent, *self.ask()))
            time.sleep(self.pause)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()

    def failures(self):
        return [answer for answer in self.answers if answer[1] != 200]


# ---- controllers ----------------------------------------------------------------------------------------------------


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


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


class Controller(Part):
    def __init__(self, name, folder, *flags, space=SPACE, source_url=f"http://{ADDRESS}:{SOURCE_PORT}"):
        self.probes = free_port()
        self.metrics = free_port()
        super().__init__(name, folder, CONTROLLER, "--leader-elect", "--leader-elect-namespace", space,
                         "--leader-elect-lease-duration", "5", "--leader-elect-renew-deadline", "3",
                         "--leader-elect-retry-period", "1", "--pool-namespace", space,
                         "--vibed-domain", DOMAIN, "--app-url-scheme", "http",
                         "--source-url", source_url, "--log-format", "json",
                         "--health-probe-bind-address", f"127.0.0.1:{self.probes}",
                         "--metrics-bind-address", f"127.0.0.1:{self.metrics}", *flags,
                         VIBED_INSTALL_SECRET=SECRET, POD_NAME=name)

    def ready(self):
        return get(f"http://127.0.0.1:{self.probes}/readyz")

    def leads(self):
        status, text = self.ready()
        return status == 200 and "leading" in text

    def figures(self):
        return get(f"http://127.0.0.1:{self.metrics}/metrics")[1]


# ---- tests ----------------------------------------------------------------------------------------------------------


class ClusterTest(unittest.TestCase):
    """Tests of which each that fails is followed by after_failure()."""

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            self.after_failure(result)

    def after_failure(self, result):
        """Says what the failure is to be judged by; may end the tests of the class."""
