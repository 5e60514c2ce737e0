#!/usr/bin/env python3
"""vibed on a real Kubernetes, measured: `make bench-cluster`. Runs inside the network of a cluster that is up:

    VIBED_BUILD=build/release tests/cluster/in python3 benchmarks/cluster.py [--runs 21] [--only NAME ...] [--out FILE]

Every ratio is of pairs timed in turns in the same run. Two installations stand side by side, one with the buffer of
spares and one without (`--spares 0 --spares-most 0`). Nothing else should run meanwhile.
"""
import argparse
import json
import os
import shutil
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "tests", "cluster")]

from faults import Api, container_of, host_pid  # noqa: E402
from front import Install, need_programs, pools  # noqa: E402
from path import APPS, figure, memory_of, pack, row, table  # noqa: E402
from world import apply, install_crds, kubectl, objects, remove_namespace, says_ready, wait_for  # noqa: E402

SIZE = 3  # of each pool
EXTENSIONS = "/apis/extensions.agents.x-k8s.io/v1beta1/namespaces/{}"
TEMPLATES = {"static": "static-nginx", "node": "node-24"}


class Kubernetes(Api):
    """An administrator's connection that stays open, as the controller's does."""

    def __init__(self):
        super().__init__()
        self.kept = self.connect(60)

    def call(self, method, path, body=None, content_type="application/json"):
        self.kept.request(method, path, json.dumps(body) if body else None, {"Content-Type": content_type})
        answer = self.kept.getresponse()
        return answer.status, json.loads(answer.read())

    def must(self, method, path, body=None, content_type="application/json"):
        status, answer = self.call(method, path, body, content_type)
        if status >= 300:
            sys.exit(f"{method} {path}: {status} {answer.get('message')}")
        return answer

    def await_pools(self, space):
        def full():
            found = self.must("GET", EXTENSIONS.format(space) + "/sandboxwarmpools")["items"]
            return all(each.get("status", {}).get("readyReplicas", 0) >= SIZE for each in found)

        wait_for(f"full pools in {space}", full, 120)


def is_bound(claim):
    return says_ready(claim) and bool(claim["status"].get("sandbox", {}).get("podIPs"))


# ---- one claim ------------------------------------------------------------------------------------------------------


class Claims:
    """A pool of its own with nobody else at it: what a spare is taken with, and what a plain claim takes."""

    def __init__(self, api, space):
        self.space, self.api, self.reads = space, api, []
        self.path = EXTENSIONS.format(space) + "/sandboxclaims"
        apply({"apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp", "metadata": {"name": "owner", "namespace": space},
               "spec": {"owner": "somebody", "source": {"tarballRef": "none"},
                        "runtime": {"lane": "fast", "template": "static-nginx"}}})
        about = self.api.apps(space)["owner"]["metadata"]
        self.owner = {"apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp", "name": "owner", "uid": about["uid"],
                      "controller": True, "blockOwnerDeletion": True}
        self.labels = {"vibed.dev/app": "owner", "vibed.dev/app-uid": about["uid"], "vibed.dev/generation": "1",
                       "vibed.dev/label": "abcdefabcdef", "vibed.dev/template": "static-nginx"}

    def object(self, name, labels, **spec):
        return {"apiVersion": "extensions.agents.x-k8s.io/v1beta1", "kind": "SandboxClaim",
                "metadata": {"name": name, "labels": labels},
                "spec": {"warmPoolRef": {"name": "static-nginx"}, **spec}}

    def take_a_spare(self, name):
        """Seconds that the controller waits for a spare: one patch by resourceVersion."""
        spare = {"vibed.dev/spare": "true", "vibed.dev/template": "static-nginx"}
        self.api.must("POST", self.path, self.object(name, spare, lifecycle={
            "shutdownTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600)), "shutdownPolicy": "Delete"}))
        wait_for("the spare is bound", lambda: is_bound(self.api.get(f"{self.path}/{name}")))
        self.settle()
        began = time.perf_counter()
        version = self.api.must("GET", f"{self.path}/{name}")["metadata"]["resourceVersion"]
        self.reads.append((time.perf_counter() - began) * 1000)
        body = {"metadata": {"resourceVersion": version, "labels": {**self.labels, "vibed.dev/spare": None},
                             "ownerReferences": [self.owner]}, "spec": {"lifecycle": None}}
        began = time.perf_counter()
        taken = self.api.must("PATCH", f"{self.path}/{name}", body, "application/merge-patch+json")
        spent = time.perf_counter() - began
        assert is_bound(taken) and "vibed.dev/spare" not in taken["metadata"]["labels"]
        return spent

    def plain(self, name):
        """Seconds from the claim to its pod, which was warm: what is waited for without spares."""
        version = self.api.must("GET", self.path)["metadata"]["resourceVersion"]
        watch = self.api.connect(60)
        watch.request("GET", f"{self.path}?watch=1&fieldSelector=metadata.name%3D{name}&resourceVersion={version}")
        events = watch.getresponse()
        began = time.perf_counter()
        self.api.must("POST", self.path, self.object(name, self.labels))
        for line in events:
            claim = json.loads(line)["object"]
            if is_bound(claim):
                spent = time.perf_counter() - began
                watch.close()
                assert claim["status"]["sandbox"]["name"] != name, "it was not warm"
                return spent
        sys.exit(f"the watch for {name} ended")

    def settle(self):
        self.api.await_pools(self.space)
        time.sleep(0.2)

    def end(self, name):
        self.api.must("DELETE", f"{self.path}/{name}")
        self.settle()

    def measure(self, runs):
        spares, plains = [], []
        for i in range(runs + 2):
            for what, values, name in ((self.take_a_spare, spares, f"spare-{i}"), (self.plain, plains, f"plain-{i}")):
                self.settle()
                spent = what(name)
                if i >= 2:
                    values.append(spent * 1000)
                self.end(name)
        row("spare claim ÷ plain warm claim", "ms", spares, plains, "≤ 0.1")
        row("spare claim ÷ one read of a claim", "ms", spares, self.reads[2:], "–")


# ---- one deploy -----------------------------------------------------------------------------------------------------


def timed_deploy(install, app, packed):
    """Seconds from the upload to the first 200 through Caddy, and to the answer of the API."""
    began = time.perf_counter()
    status, body = install.upload(app, packed)
    if status != 200:
        sys.exit(f"deploy of {app}: {status} {body}")
    ready = time.perf_counter()
    while install.ask(app)[0] != 200:
        if time.perf_counter() - ready > 20:
            sys.exit(f"{app} does not answer: {install.ask(app)}")
        time.sleep(0.002)
    return time.perf_counter() - began, ready - began


def remove(api, install, app):
    install.call("DELETE", f"/v1/apps/{app}")

    def is_gone():
        known = api.apps(install.space)
        return known is not None and app not in known

    wait_for(f"{app} is gone", is_gone)


def deploys(api, kind, buffered, plain, runs):
    packed = pack(APPS[kind])
    whole, answered = {buffered: [], plain: []}, {buffered: [], plain: []}
    for i in range(runs + 2):
        for install in (buffered, plain):
            buffered.await_spares()
            for each in (buffered, plain):
                api.await_pools(each.space)
            time.sleep(0.3)
            spent, ready = timed_deploy(install, f"{kind}-{i}", packed)
            if i >= 2:
                whole[install].append(spent * 1000)
                answered[install].append(ready * 1000)
            remove(api, install, f"{kind}-{i}")
    row(f"deploy → 200, {kind}, with the buffer ÷ without", "ms", whole[buffered], whole[plain], "–")
    row(f"deploy → its answer, {kind}, with the buffer ÷ without", "ms", answered[buffered], answered[plain], "–")


# ---- memory ---------------------------------------------------------------------------------------------------------


def memory(install):
    pods = [each["metadata"]["name"] for each in objects("pod", "vibed.dev/template=static-nginx", install.space)]
    processes = {"vibed serve": install.api.process.pid, "vibed-controller": install.controllers[0].process.pid,
                 "vibed-router": install.router.process.pid, "Caddy": install.caddy.process.pid,
                 "agent of a pooled pod": host_pid(container_of(pods[-1]))}
    for name, pid in processes.items():
        figure(f"RSS of {name}, idle (anonymous)", f"{memory_of(pid):.1f} MiB ({memory_of(pid, 'Anonymous'):.2f} MiB)",
               {"agent of a pooled pod": "≤ 3 MiB (≤ 1 MiB)"}.get(name, "–"))


# ---- all of it ------------------------------------------------------------------------------------------------------


def make_space(space, sizes):
    kubectl("create", "namespace", space)
    apply(*pools(sizes, space))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=21)
    parser.add_argument("--only", nargs="*", default=["claim", "memory", "static", "node"])
    parser.add_argument("--out")
    arguments = parser.parse_args()
    need_programs()
    folder = tempfile.mkdtemp(prefix="vibed-bench-")
    install_crds()
    api, installs, spaces = Kubernetes(), [], []
    try:
        if "claim" in arguments.only:
            spaces.append("bench-claims")
            make_space(spaces[-1], {"static-nginx": SIZE})
            Claims(api, spaces[-1]).measure(arguments.runs)
        kinds = [kind for kind in ("static", "node") if kind in arguments.only]
        if kinds or "memory" in arguments.only:
            for name, port, flags in (("buffered", 8300, ("--spares", "1")),
                                      ("plain", 8500, ("--spares", "0", "--spares-most", "0"))):
                spaces.append(f"bench-{name}")
                make_space(spaces[-1], {template: SIZE for template in TEMPLATES.values()})
                os.mkdir(os.path.join(folder, name))
                installs.append(Install(os.path.join(folder, name), spaces[-1], port, flags=flags))
                installs[-1].start()
            installs[0].await_spares()
            if "memory" in arguments.only:
                time.sleep(3)
                memory(installs[0])
            for kind in kinds:
                deploys(api, kind, *installs, arguments.runs)
    except AssertionError:
        for install in installs:
            install.tell_logs()
        raise
    finally:
        for install in installs:
            install.end()
        for space in spaces:
            remove_namespace(space)
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + table())
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(table())


if __name__ == "__main__":
    main()
