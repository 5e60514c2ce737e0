"""The helper that enforces NetworkPolicies, itself: peers that it must let through, and peers that it must not."""

import concurrent.futures
import functools
import sys
import unittest

from outside import PUBLIC, addresses, serve_web
from policies import Enforcer, Pod, inside, may, network_of
from world import apply, kubectl, make_image, objects

PYTHON = "/usr/bin/python3"
SPACE, OTHER = "peers", "elsewhere"
# Says "open" of what can be connected to.
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1.5).close()
    print("open")
except OSError as error:
    print(type(error).__name__)
"""
LISTEN = """
import http.server, threading
for port in (8080, 8081):
    server = http.server.ThreadingHTTPServer(("", port), http.server.BaseHTTPRequestHandler)
    threading.Thread(target=server.serve_forever).start()
"""


def pod(space, name, role):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": space, "labels": {"role": role}},
            "spec": {"terminationGracePeriodSeconds": 0, "automountServiceAccountToken": False, "containers": [
                {"name": "one", "image": "localhost/peers-test:1", "imagePullPolicy": "Never",
                 "command": [PYTHON, "-c", LISTEN],
                 "readinessProbe": {"tcpSocket": {"port": 8081}, "periodSeconds": 1}}]}}


def policy(name, selects, **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": SPACE},
            "spec": {"podSelector": {"matchLabels": {"role": selects}},
                     "policyTypes": [each.capitalize() for each in spec], **spec}}


def named(role, **more):
    return {"podSelector": {"matchLabels": {"role": role}}, **more}


network_once = functools.cache(network_of)  # pods live as long as the class of tests

POLICIES = [
    policy("into-servers", "server", ingress=[
        {"from": [named("friend")], "ports": [{"port": 8080}]},
        {"from": [named("friend", namespaceSelector={"matchLabels": {"kubernetes.io/metadata.name": OTHER}})],
         "ports": [{"port": 8081}]}]),
    policy("out-of-captives", "captive", egress=[
        {"to": [named("server")], "ports": [{"port": 8081}]},
        {"to": [{"ipBlock": {"cidr": "203.0.113.0/24", "except": ["203.0.113.128/25"]}}], "ports": [{"port": 8099}]}]),
    policy("into-captives", "captive", ingress=[])]


class TheHelper(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        make_image("peers-test:1", [PYTHON], folders=["/usr/lib/python3.11"])
        for space in (SPACE, OTHER):
            kubectl("create", "namespace", space)
            cls.addClassCleanup(kubectl, "delete", "namespace", space, "--timeout=60s", check=False)
        there = [(SPACE, "server", "server"), (SPACE, "friend", "friend"), (SPACE, "stranger", "stranger"),
                 (SPACE, "captive", "captive"), (OTHER, "friend-of-others", "friend")]
        apply(*(pod(*each) for each in there),
              {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "server", "namespace": SPACE},
               "spec": {"selector": {"role": "server"}, "ports": [{"port": 80, "targetPort": 8081}]}})
        for space, name, _ in there:
            kubectl("-n", space, "wait", "--for=condition=Ready", f"pod/{name}", "--timeout=60s")
        cls.pods = {each["metadata"]["name"]: Pod(space, each["status"]["podIP"], **each["metadata"]["labels"])
                    for space in (SPACE, OTHER) for each in objects("pod", space=space)}
        cls.service = objects("service", space=SPACE)[0]["spec"]["clusterIP"]
        outside = addresses(PUBLIC, "203.0.113.200")
        outside.__enter__()
        cls.addClassCleanup(outside.__exit__, None, None, None)
        for address in (PUBLIC, "203.0.113.200"):
            cls.addClassCleanup(serve_web(address, 8099))

    def reaches(self, source, address, port):
        done = inside(network_once(source), sys.executable, "-c", CONNECT, address, str(port), check=True)
        return done.stdout.strip() == "open"

    def matrix(self):
        """Every pod to every other, and to the internet: whether it gets there."""
        ways = [(source, target, port) for source in self.pods for target in self.pods if source != target
                for port in (8080, 8081)]
        ways += [(source, address, 8099) for source in ("captive", "stranger") for address in (PUBLIC, "203.0.113.200")]

        def go(way):
            source, target, port = way
            return self.reaches(source, self.pods[target].address if target in self.pods else target, port)

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return dict(zip(ways, pool.map(go, ways)))

    def test_what_it_lets_through_and_what_not(self):
        with Enforcer() as enforcer:
            self.assertEqual({where for where, open_ in self.matrix().items() if not open_}, set(), "without policies")
            apply(*POLICIES)
            enforcer.settle()
            seen = self.matrix()
            # The allowed peers and the denied ones, in words.
            for where, wanted in {("friend", "server", 8080): True, ("friend", "server", 8081): False,
                                  ("stranger", "server", 8080): False, ("friend-of-others", "server", 8081): True,
                                  ("friend-of-others", "server", 8080): False, ("captive", "server", 8081): False,
                                  ("captive", "friend", 8080): False, ("stranger", "captive", 8080): False,
                                  ("server", "friend", 8080): True, ("captive", PUBLIC, 8099): True,
                                  ("captive", "203.0.113.200", 8099): False}.items():
                self.assertEqual(seen[where], wanted, where)
            # And all of them, as the tests of the chart read policies.
            for (source, target, port), open_ in seen.items():
                self.assertEqual(open_, may(POLICIES, self.pods[source], self.pods.get(target, target), port),
                                 (source, target, port))
            self.through_a_service(enforcer)
            with enforcer.lift():
                self.assertTrue(self.reaches("stranger", self.pods["server"].address, 8080), "lifted")
            self.assertFalse(self.reaches("stranger", self.pods["server"].address, 8080), "and in force again")
            self.a_pod_that_comes_later(enforcer)
        self.assertTrue(self.reaches("stranger", self.pods["server"].address, 8080), "it leaves nothing")

    def through_a_service(self, enforcer):
        """Which the captive may use once the server lets it in; a Service is judged by what is behind it."""
        self.assertFalse(self.reaches("captive", self.service, 80))
        apply(policy("captives-too", "server", ingress=[{"from": [named("captive")], "ports": [{"port": 8081}]}]))
        enforcer.settle()
        self.assertTrue(self.reaches("captive", self.service, 80))
        kubectl("-n", SPACE, "delete", "networkpolicy", "out-of-captives")
        apply(policy("out-of-captives", "captive", egress=[]))
        enforcer.settle()
        self.assertFalse(self.reaches("captive", self.service, 80))

    def a_pod_that_comes_later(self, enforcer):
        apply(pod(SPACE, "late", "captive"))
        kubectl("-n", SPACE, "wait", "--for=condition=Ready", "pod/late", "--timeout=60s")
        enforcer.settle()
        self.assertFalse(self.reaches("late", self.pods["friend"].address, 8080))
        self.assertTrue(self.reaches("friend", self.pods["friend-of-others"].address, 8080))


if __name__ == "__main__":
    unittest.main(verbosity=2)
