"""What tests end on the cluster, by process id or by container, and what they see of it at that moment."""

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

from world import SPACE, label_of, wait_for


# ---- parts of the cluster -------------------------------------------------------------------------------------------


def pids_of(program):
    """Processes of the cluster with that name: in its network, which is ours, and in its pid namespace, which is not."""
    found = []
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.stat(f"/proc/{entry}/ns/net").st_ino != os.stat("/proc/self/ns/net").st_ino:
                continue
            if os.stat(f"/proc/{entry}/ns/pid").st_ino == os.stat("/proc/self/ns/pid").st_ino:
                continue
            with open(f"/proc/{entry}/cmdline", "rb") as line:
                if os.path.basename(line.read().split(b"\0")[0].decode()) == program:
                    found.append(int(entry))
        except OSError:
            continue  # it has ended
    return found


def kill_program(program):
    """SIGKILL; the cluster's first process starts it again after half a second."""
    before = pids_of(program)
    if not before:
        raise AssertionError(f"{program} does not run")
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    wait_for(f"{program} runs again", lambda: set(pids_of(program)) - set(before))


def ctr(*arguments):
    home = os.environ["CLUSTER_HOME"]
    done = subprocess.run([f"{home}/bin/ctr", "-a", f"{home}/run/containerd.sock", "-n", "k8s.io", *arguments],
                          capture_output=True, text=True, check=True)
    return done.stdout


def container_of(pod, kind="container"):
    """The id of a pod's one container, or of its "sandbox": the pause process that holds its network."""
    found = ctr("containers", "list", "-q", f'labels."io.kubernetes.pod.name"=="{pod}",'
                                            f'labels."io.cri-containerd.kind"=="{kind}"').split()
    if len(found) != 1:
        raise AssertionError(f"{kind}s of pod {pod}: {found}")
    return found[0]


def kill_container(pod, kind="container"):
    """Ends the processes of a pod's container from outside, as a kernel short of memory would."""
    ctr("tasks", "kill", "--all", "-s", "SIGKILL", container_of(pod, kind))


def host_pid(container):
    """The first process of a container, as this pid namespace knows it: containerd tells the cluster's."""
    inside = next(line.split()[1] for line in ctr("tasks", "list").splitlines() if line.startswith(container))
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/status") as status:
                line = next(line for line in status if line.startswith("NSpid:"))
        except (OSError, StopIteration):
            continue
        # Ours, the cluster's, the container's own.
        if line.split()[2:] == [inside, "1"]:
            return int(entry)
    raise AssertionError(f"no process {inside} of the cluster")


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children") as children:
        return [int(child) for child in children.read().split()]


# ---- the API server, watched ----------------------------------------------------------------------------------------


class Api:
    """An administrator's connection to the API server, quicker than kubectl."""

    def __init__(self):
        with open(os.environ["KUBECONFIG"]) as file:
            config = json.load(file)
        user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        self.context = ssl.create_default_context(cadata=authority)
        with tempfile.NamedTemporaryFile() as pem:
            pem.write(base64.b64decode(user["client-certificate-data"]) + base64.b64decode(user["client-key-data"]))
            pem.flush()
            self.context.load_cert_chain(pem.name)
        self.host = urllib.parse.urlparse(cluster["server"])

    def connect(self, timeout=5):
        return http.client.HTTPSConnection(self.host.hostname, self.host.port, context=self.context, timeout=timeout)

    def get(self, path):
        """The object or list at that path; None when nobody answers."""
        connection = self.connect()
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            return json.loads(body) if answer.status == 200 else None
        except (OSError, ValueError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def apps(self, space=SPACE):
        """Records by their names; None when nobody answers."""
        found = self.get(f"/apis/vibed.dev/v1alpha1/namespaces/{space}/vibedapps")
        return found and {each["metadata"]["name"]: each for each in found["items"]}


def is_ready(record):
    status = record.get("status", {})
    return (status.get("phase") == "Ready"
            and status.get("observedGeneration") == record["metadata"]["generation"])


class Step:
    """A point of an app's next deploy that can be seen from outside, waited for by a watch that is open already."""

    NAMES = ("record written", "claimed", "injected", "exposed")

    def __init__(self, api, name, app, space=SPACE):
        self.api, self.name, self.app, self.space = api, name, app, space
        record = (api.apps(space) or {}).get(app)
        self.generation = record["metadata"]["generation"] if record else 0
        self.selector = None
        self.reached = threading.Event()
        path = {"record written": "apis/vibed.dev/v1alpha1/namespaces/{}/vibedapps",
                "claimed": "apis/extensions.agents.x-k8s.io/v1beta1/namespaces/{}/sandboxclaims",
                "injected": "apis/vibed.dev/v1alpha1/namespaces/{}/vibedapps",
                "exposed": "api/v1/namespaces/{}/services"}[name].format(space)
        found = api.get(f"/{path}")
        version = found["metadata"]["resourceVersion"]
        for each in found["items"]:
            if name == "exposed" and each["metadata"]["name"] == self.service():
                self.selector = each["spec"].get("selector")
        self.connection = api.connect(timeout=60)
        self.connection.request("GET", f"/{path}?watch=1&resourceVersion={version}")
        self.answer = self.connection.getresponse()
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def service(self):
        return f"vibed-app-{label_of(self.app, self.space)}"

    def follow(self):
        try:
            for line in self.answer:
                if self.is_it(json.loads(line)["object"]):
                    self.reached.set()
                    return
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            pass  # the API server was what was killed, or close() was called

    def is_it(self, one):
        about, labels = one["metadata"], one["metadata"].get("labels", {})
        if self.name == "claimed":
            return labels.get("vibed.dev/app") == self.app and int(labels["vibed.dev/generation"]) > self.generation
        if self.name == "exposed":
            selector = one["spec"].get("selector") or {}
            nobody = any("nobody" in key for key in selector)
            return about["name"] == self.service() and not nobody and selector != self.selector
        if about["name"] != self.app or about["generation"] <= self.generation:
            return False
        if self.name == "record written":
            return True
        return any(each["type"] == "Progressing" and each["reason"] in ("Injecting", "Starting")
                   and each.get("observedGeneration", 0) > self.generation
                   for each in one.get("status", {}).get("conditions", []))

    def wait(self):
        if not self.reached.wait(60):
            raise AssertionError(f"{self.app} was never {self.name}")

    def close(self):
        self.connection.close()


# ---- what is true of apps meanwhile ---------------------------------------------------------------------------------


class Truth:
    """Asks every app and reads every record again and again, until the end of the block."""

    def __init__(self, api, install, texts):
        self.api, self.install = api, install
        self.texts = texts  # of apps: what they answer; changed by the test while this runs
        self.samples = {app: [] for app in texts}  # (when, record is there or None, says Ready, answered, body)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(app,)) for app in texts]

    def run(self, app):
        while not self.stop.is_set():
            began = time.monotonic()
            status, body = self.install.ask(app, timeout=3)
            records = self.api.apps(self.install.space)
            there = None if records is None else app in records
            self.samples[app].append((began, there, bool(there) and is_ready(records[app]), status == 200, body))
            self.stop.wait(0.2)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def is_well(self, since):
        """Whether each app was asked twice since then, and answered as it should, and its record said Ready."""
        for app, text in self.texts.items():
            newest = [sample for sample in self.samples[app] if sample[0] > since][-2:]
            if len(newest) < 2 or not all(ready and body == text for _, _, ready, _, body in newest):
                return False
        return True

    def longest(self, is_bad, since):
        """Seconds of the longest row of samples that are bad, of any app."""
        longest = 0.0
        for samples in self.samples.values():
            began = None
            for sample in [sample for sample in samples if sample[0] >= since]:
                bad = is_bad(sample)
                if bad and began is None:
                    began = sample[0]
                if not bad and began is not None:
                    longest, began = max(longest, sample[0] - began), None
            if began is not None:
                longest = max(longest, samples[-1][0] - began)
        return longest

    def lost(self):
        return sorted(app for app, samples in self.samples.items() if any(there is False for _, there, *_ in samples))
