"""vibed as its chart installs it, with its NetworkPolicies in force: what sandboxes reach, and how sources get into them."""

import json
import shutil
import sys
import tempfile
import time
import unittest
import urllib.parse

import charted
from bucket import VERSITYGW, Bucket
from charted import HELM, SYSTEM, ChartTest, ask, deploy, roll_out, sources_in, vibed
from front import need_programs, node_app
from outside import METADATA, PUBLIC, RESOLVER, addresses, serve_names, serve_web
from policies import Enforcer, inside, network_of
from world import ADDRESS, apply, kubectl, need, objects, read_app, ready_condition, wait_for

PAGE = {"index.html": "<p>one</p>"}
WEB = 8099

# Answers, for each "protocol address port" that it is asked for, "open" or what it met.
PROBER = """
const net = require("net"), dgram = require("dgram"), dns = require("dns"), http = require("http");
const labels = "kubernetes.default.svc.cluster.local".split(".");
const question = Buffer.concat([Buffer.from("123401000001000000000000", "hex"),
  ...labels.map((each) => Buffer.from(String.fromCharCode(each.length) + each)), Buffer.from("0000010001", "hex")]);
const probes = {
  tcp(host, port, done) {
    const socket = net.connect({host, port, timeout: 2000});
    socket.on("connect", () => { done("open"); socket.destroy(); });
    socket.on("timeout", () => { done("timeout"); socket.destroy(); });
    socket.on("error", (error) => done(error.code));
  },
  udp(host, port, done) {
    const socket = dgram.createSocket("udp4");
    const end = (text) => { clearTimeout(timer); done(text); socket.close(); };
    const timer = setTimeout(end, 2000, "timeout");
    socket.on("message", () => end("open"));
    socket.send(question, port, host, (error) => error && end(error.code));
  },
  name(host, _, done) { dns.lookup(host, (error) => done(error ? error.code : "open")); }};
http.createServer((request, answer) => {
  const wanted = JSON.parse(new URL(request.url, "http://x").searchParams.get("to") || "[]");
  Promise.all(wanted.map((each) => new Promise((done) => {
    const [kind, host, port] = each.split(" ");
    probes[kind](host, +port, done);
  }))).then((said) => answer.end(JSON.stringify(said)));
}).listen(process.env.PORT);
"""


class LockedDown(ChartTest):
    @classmethod
    def setUpClass(cls):
        charted.make_images()
        there = addresses(PUBLIC, RESOLVER, METADATA)
        there.__enter__()
        cls.addClassCleanup(there.__exit__, None, None, None)
        for end in (serve_web(PUBLIC, WEB), serve_web(METADATA, 80), serve_names(RESOLVER)):
            cls.addClassCleanup(end)
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM}})
        cls.addClassCleanup(charted.remove_all)
        charted.make_disk()
        cls.enforcer = Enforcer()
        cls.enforcer.__enter__()  # the control plane comes up under its policies too
        cls.addClassCleanup(cls.enforcer.__exit__, None, None, None)
        roll_out("install")

    def after_failure(self, result):
        super().after_failure(result)
        print(self.enforcer.troubles[-5:], file=sys.stderr)

    def await_spares(self):
        charted.await_spares()
        self.enforcer.settle()

    def upgrade(self, **values):
        roll_out("upgrade", **values)
        self.await_spares()

    def pod_of(self, app):
        claim = next(each for each in objects("sandboxclaim", f"vibed.dev/app={app}"))
        return next(each for each in objects("pod")
                    if each["metadata"]["labels"].get("agents.x-k8s.io/claim-uid") == claim["metadata"]["uid"])

    def probe(self, targets):
        """What the app `prober` meets at each of them, from inside its sandbox."""
        status, text = ask("prober", timeout=30, path="/?to=" + urllib.parse.quote(json.dumps(targets)))
        self.assertEqual(status, 200, text)
        return dict(zip(targets, json.loads(text)))

    def test_1_sources_are_pushed(self):
        self.await_spares()
        deploy("prober", node_app(program=PROBER))
        deploy("neighbour", node_app("one"))
        self.assertEqual(ask("neighbour"), (200, "node one"))
        deploy("neighbour", node_app("two"))
        self.assertEqual(ask("neighbour"), (200, "node two"))
        self.assertIn("listening, two", vibed("logs", "neighbour"))
        vibed("rollback", "neighbour")
        self.assertEqual(ask("neighbour"), (200, "node one"))
        vibed("suspend", "neighbour")
        self.assertEqual(ask("neighbour")[0], 503)
        vibed("resume", "neighbour")
        self.assertEqual(ask("neighbour"), (200, "node one"))

    def forbidden(self):
        """Addresses of the cluster that somebody listens at."""
        neighbour = self.pod_of("neighbour")["status"]["podIP"]
        service = objects("service", "vibed.dev/app=neighbour")[0]["spec"]["clusterIP"]
        api = objects("service", space=SYSTEM)
        addresses_of = {each["metadata"]["name"]: each["spec"]["clusterIP"] for each in api}
        pods = {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["status"]["podIP"]
                for each in objects("pod", space=SYSTEM)}
        return [f"tcp {ADDRESS} 6443", "tcp 10.96.0.1 443", f"tcp {ADDRESS} 10250",  # API server, kubelet
                "tcp 10.96.0.10 53", "udp 10.96.0.10 53",                            # the cluster's DNS
                f"tcp {METADATA} 80",
                f"tcp {neighbour} 9000", f"tcp {neighbour} 9080", f"tcp {neighbour} 8080", f"tcp {service} 80",
                f"tcp {addresses_of['vibed']} 8080", f"tcp {addresses_of['vibed-caddy']} 80",
                f"tcp {pods['api']} 8090", f"tcp {pods['controller']} 8082", f"tcp {pods['caddy']} 8080"]

    def test_2_a_sandbox_reaches_the_internet_and_nothing_near(self):
        forbidden = self.forbidden()
        allowed = [f"tcp {PUBLIC} {WEB}", f"udp {RESOLVER} 53"]
        names = ["name kubernetes.default.svc.cluster.local -", "name vibed.vibed-system.svc.cluster.local -"]
        with self.enforcer.lift():
            time.sleep(0.2)
            seen = self.probe(forbidden + allowed)
            self.assertEqual(set(seen.values()), {"open"}, seen)  # so that what follows is the policies' doing
        seen = self.probe(forbidden + names)
        print(f"from a sandbox: {sorted(set(seen.values()))} at {len(seen)} places", file=sys.stderr)
        self.assertNotIn("open", seen.values(), seen)
        self.assertEqual([seen[each] for each in names], ["ENOTFOUND", "ENOTFOUND"], "a public resolver does not know them")
        self.assertEqual(set(self.probe(allowed).values()), {"open"})

    def test_3_who_reaches_a_sandbox(self):
        apply({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "namespace": "default"},
               "spec": {"terminationGracePeriodSeconds": 0, "containers": [
                   {"name": "one", "image": "localhost/pause:1", "imagePullPolicy": "Never"}]}})
        self.addCleanup(kubectl, "delete", "pod", "stranger", "--ignore-not-found")
        kubectl("wait", "--for=condition=Ready", "pod/stranger", "--timeout=60s")
        parts = {each["metadata"]["labels"]["app.kubernetes.io/component"]: each["metadata"]["name"]
                 for each in objects("pod", space=SYSTEM)}
        networks = {name: network_of(pod) for name, pod in {**parts, "stranger": "stranger"}.items()}
        target = self.pod_of("neighbour")["status"]["podIP"]

        def reached():
            return {(name, port) for name, network in networks.items() for port in (9000, 9080, 8080)
                    if inside(network, "curl", "--noproxy", "*", "-s", "-o", "/dev/null", "--connect-timeout", "2",
                              f"http://{target}:{port}/healthz").returncode == 0}

        everything = {(name, port) for name in networks for port in (9000, 9080, 8080)}
        with self.enforcer.lift():
            self.assertEqual(reached(), everything)
        self.assertEqual(reached(), {("api", 9000), ("controller", 9000), ("caddy", 9080)})

    def test_4_sources_are_pulled_from_a_bucket_on_the_internet(self):
        folder = tempfile.mkdtemp(prefix="vibed-s3-")
        self.addClassCleanup(shutil.rmtree, folder)
        bucket = Bucket(folder, PUBLIC).open()
        self.addClassCleanup(bucket.end)
        self.upgrade(**sources_in(bucket, delivery="pull"))
        deploy("site", PAGE)
        self.assertEqual(ask("site"), (200, "<p>one</p>"))
        self.assertEqual(len(bucket.stored_sources("site")), 1)
        deploy("site", {"index.html": "<p>two</p>"})
        self.assertEqual(ask("site"), (200, "<p>two</p>"))
        vibed("rollback", "site")
        self.assertEqual(ask("site"), (200, "<p>one</p>"))
        vibed("suspend", "site")
        vibed("resume", "site")
        self.assertEqual(ask("site"), (200, "<p>one</p>"))
        deploy("server", node_app("pulled"))
        self.assertEqual(ask("server"), (200, "node pulled"))

    def test_5_sources_that_the_api_serves_cannot_be_pulled_and_the_app_says_why(self):
        self.upgrade(config={"storage": {"tarball": {"delivery": "pull"}}})
        deploy("late", PAGE, check=False)
        wait_for("the failure", lambda: (read_app("late") or {}).get("status", {}).get("phase") == "Failed", 60)
        status = ready_condition(read_app("late"))
        print(f"served, pulled: {status['reason']}: {status['message']}", file=sys.stderr)
        self.assertEqual(status["reason"], "InjectFailed")
        for word in (f"cannot reach vibed.{SYSTEM}.svc.cluster.local:8080", "networkPolicy.extraEgress",
                     "storage.tarball.delivery: push"):
            self.assertIn(word, status["message"])
        self.assertNotIn("/internal/sources/", status["message"])
        # The app that serves goes on, and its record says why the newer one does not.
        deploy("neighbour", node_app("three"), check=False)
        wait_for("the failure of the redeploy", lambda: "networkPolicy.extraEgress" in json.dumps(read_app("neighbour")["status"]))
        self.assertEqual(read_app("neighbour")["status"]["phase"], "Ready")
        self.assertEqual(ask("neighbour"), (200, "node one"))
        # What it says to do is what helps.
        self.upgrade()
        deploy("neighbour", node_app("three"))
        self.assertEqual(ask("neighbour"), (200, "node three"))


if __name__ == "__main__":
    need_programs()
    need(HELM, "chart")
    need(VERSITYGW, "s3")
    unittest.main(verbosity=2)
