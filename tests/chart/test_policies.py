"""Who reaches whom under the policies of the chart. The cluster of the tests enforces none, so they are read here."""

import sys
import unittest

import helm
from helm import APPS, SYSTEM, Pod, component, may, objects_of

try:
    import yaml  # noqa: F401
except ImportError:
    yaml = None

API, CONTROLLER, CADDY = component("api", "10.78.0.2"), component("controller", "10.78.0.3"), component("caddy", "10.78.0.4")
ONE, OTHER = Pod(APPS, "10.78.1.1", template="node-24"), Pod(APPS, "10.78.1.2", template="node-24")
PUBLIC = Pod(APPS, "203.0.113.7")  # a sandbox in a cluster whose pods have public addresses
STRANGER = Pod("elsewhere", "10.78.2.1")
IMPOSTOR = component("caddy", "10.78.2.2", space="elsewhere")
SCRAPER = Pod("monitoring", "10.78.2.3")
DNS = Pod("kube-system", "10.78.3.1")
VISITOR = "198.51.100.9"
METADATA = "169.254.169.254"


def policies(*values):
    return [each for each in objects_of(*values) if each["kind"] == "NetworkPolicy"]


@unittest.skipUnless(yaml, "needs PyYAML")
class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.default = policies()
        cls.production = policies("values-production.yaml")

    def check(self, rules, wanted, *what):
        for source, target, port, *protocol in what:
            text = [getattr(each, "labels", None) or getattr(each, "address", each) for each in (source, target)]
            self.assertEqual(may(rules, source, target, port, *protocol), wanted, f"{text} {port} {protocol}")

    def test_a_sandbox_reaches_the_internet_and_nothing_near(self):
        for rules in (self.default, self.production):
            self.check(rules, True, (ONE, VISITOR, 443), (ONE, "8.8.8.8", 53, "UDP"), (ONE, "2606:4700::1111", 443))
            self.check(rules, False, (ONE, METADATA, 80), (ONE, "10.96.0.1", 443), (ONE, "10.96.0.10", 53, "UDP"),
                       (ONE, DNS, 53, "UDP"), (ONE, "192.168.1.1", 22), (ONE, "172.20.0.1", 6443), (ONE, "100.64.0.1", 80),
                       (ONE, "127.0.0.1", 80), (ONE, "fd00:ec2::254", 80), (ONE, "fe80::1", 80), (ONE, "::1", 80), (ONE, "64:ff9b::a9fe:a9fe", 80),
                       (ONE, "::ffff:169.254.169.254", 80), (ONE, "2002:a9fe:a9fe::1", 80))

    def test_a_sandbox_reaches_no_pod(self):
        everybody = (OTHER, PUBLIC, API, CONTROLLER, CADDY, STRANGER, DNS)
        for port in (53, 80, 443, 8080, 8081, 8083, 8090, 9000, 9080):
            self.check(self.default, False, *((ONE, each, port) for each in everybody))
        # Its own side does not know that the address is a pod's, the other side does not let it in.
        self.check(self.default, False, (PUBLIC, ONE, 9080), (ONE, PUBLIC, 9000))

    def test_only_vibed_and_caddy_reach_a_sandbox(self):
        self.check(self.default, True, (CADDY, ONE, 9080), (API, ONE, 9000), (CONTROLLER, ONE, 9000))
        self.check(self.default, False, (CADDY, ONE, 9000), (CADDY, ONE, 8080), (API, ONE, 9080), (CONTROLLER, ONE, 8080),
                   (STRANGER, ONE, 9080), (IMPOSTOR, ONE, 9080), (VISITOR, ONE, 9080), (OTHER, ONE, 9000),
                   (component("caddy", "10.78.0.9", instance="another"), ONE, 9080))

    def test_the_control_plane_is_reached_where_it_is_served(self):
        self.check(self.default, True, (VISITOR, CADDY, 8080), (STRANGER, CADDY, 8080), (STRANGER, API, 8080),
                   (CONTROLLER, API, 8080), (CADDY, API, 8090))
        self.check(self.default, False, (STRANGER, API, 8090), (VISITOR, API, 8090), (STRANGER, CONTROLLER, 8081),
                   (STRANGER, CADDY, 8083), (SCRAPER, CONTROLLER, 8081), (CADDY, API, 8080),
                   (STRANGER, CONTROLLER, 8082), (VISITOR, CADDY, 2019))

    def test_the_control_plane_reaches_what_it_needs(self):
        for pod in (API, CONTROLLER):
            self.check(self.default, True, (pod, "10.0.0.1", 6443), (pod, "10.96.0.1", 443), (pod, DNS, 53, "UDP"))
            self.check(self.default, False, (pod, METADATA, 80), (pod, VISITOR, 80), (pod, STRANGER, 8080))
            self.check(self.production, True, (pod, METADATA, 80), (pod, "169.254.170.23", 80), (pod, VISITOR, 443))
        self.check(self.default, False, (CADDY, "10.0.0.1", 6443), (CADDY, VISITOR, 443), (CADDY, METADATA, 80),
                   (CADDY, STRANGER, 80))
        # 53: of the name servers of the domain, which must have the record before the authority looks.
        self.check(self.production, True, (CADDY, VISITOR, 443), (CADDY, VISITOR, 53, "UDP"), (CADDY, VISITOR, 53),
                   (VISITOR, CADDY, 8443), (VISITOR, CADDY, 8080))
        self.check(self.production, False, (CADDY, METADATA, 80), (CADDY, VISITOR, 80))
        self.check(self.default, False, (VISITOR, CADDY, 8443))
        self.check(policies({"caddy": {"tls": {"existingSecret": "there", "redirect": False}}}), False,
                   (VISITOR, CADDY, 8080), (CADDY, VISITOR, 443))
        self.check(self.production, True, (SCRAPER, CONTROLLER, 8081), (SCRAPER, CADDY, 8083), (SCRAPER, API, 8080))

    def test_values_of_policies(self):
        closed = policies({"networkPolicy": {"sandboxEgress": "none"}})
        self.check(closed, False, (ONE, VISITOR, 443), (ONE, "8.8.8.8", 53, "UDP"))
        self.check(closed, True, (CADDY, ONE, 9080))
        proxied = policies({"networkPolicy": {"sandboxEgress": "none", "extraEgress": [
            {"to": [{"ipBlock": {"cidr": "10.1.2.3/32"}}], "ports": [{"port": 3128}]}]}})
        self.check(proxied, True, (ONE, "10.1.2.3", 3128))
        self.check(proxied, False, (ONE, "10.1.2.3", 80), (ONE, VISITOR, 443))
        excepted = policies({"networkPolicy": {"sandboxExcept": ["203.0.113.0/24", "2001:db8::/32", "fd00::/8"]}})
        self.check(excepted, False, (ONE, PUBLIC, 443), (ONE, "203.0.113.9", 443), (ONE, "2001:db8::1", 443))
        only = policies({"networkPolicy": {"apiFrom": [{"namespaceSelector": {"matchLabels": {
            "kubernetes.io/metadata.name": "elsewhere"}}}]}})
        self.check(only, True, (STRANGER, API, 8080), (CONTROLLER, API, 8080))
        self.check(only, False, (VISITOR, API, 8080), (SCRAPER, API, 8080))
        bucket = {"storage": {"tarball": {"backend": "s3", "s3": {"bucket": "b", "endpoint": "http://minio.test:9001"}}}}
        self.check(policies({"config": bucket}), True, (API, STRANGER, 9001), (CONTROLLER, STRANGER, 9001))
        reads = policies({"router": {"layout": "per-app"}})
        self.check(reads, True, (CADDY, "10.0.0.1", 6443))


if __name__ == "__main__":
    helm.need_helm()
    unittest.main(verbosity=2)
