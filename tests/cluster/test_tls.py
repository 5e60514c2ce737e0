"""https by the chart on the real cluster: a wildcard certificate by DNS-01 from bind9 and Pebble, which two pods of Caddy share."""

import http.client
import os
import shutil
import sys
import tempfile
import unittest

import charted
from charted import DOMAIN, FRONT, HELM, SYSTEM, VALUES, ask, deploy, helm
from front import need_programs
from world import ADDRESS, ROOT, apply, kubectl, label_of, need, objects, wait_for

sys.path.insert(0, os.path.join(ROOT, "tests", "acme"))
import acme_world  # noqa: E402  (the domain and its authority)

DNS_PORT = 8453  # the cluster's own resolver has 53
PAGE = {"index.html": "<p>safe</p>"}
CADDY = "app.kubernetes.io/component=caddy"
PROVIDER = {"name": "nsupdate", "server": f"{ADDRESS}:{DNS_PORT}", "key_name": "vibed-acme", "key": "{env.ACME_TSIG_KEY}"}
ISSUER = {"challenges": {"dns": {"resolvers": [f"{ADDRESS}:{DNS_PORT}"]}}}
EGRESS = [{"to": [{"ipBlock": {"cidr": f"{ADDRESS}/32"}}]}]


def values(claim):
    """The wildcard by DNS-01, kept in that volume."""
    dns01 = {"enabled": True, "ca": f"https://{ADDRESS}:14000/dir", "caSecret": "authority", "provider": PROVIDER,
             "tokenSecret": "dns-key", "issuer": ISSUER}
    caddy = {"image": {"repository": "localhost/caddy-acme-test", "tag": "1", "pullPolicy": "Never"}, "replicaCount": 2,
             "tls": {"dns01": dns01}, "storage": {"existingClaim": claim}}
    return {**VALUES, "caddy": caddy, "controller": {**VALUES["controller"], "urlScheme": "https"},
            "networkPolicy": {"caddyExtraEgress": EGRESS}}


def make_shared_disk(name):
    """With its claim. It is of one node, which is all nodes here."""
    charted.make_disk(name, "ReadWriteMany")
    apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": SYSTEM},
           "spec": {"accessModes": ["ReadWriteMany"], "storageClassName": "", "volumeName": name,
                    "resources": {"requests": {"storage": "1Gi"}}}})


def pods():
    """Caddy's, by name: whether each is ready."""
    return {each["metadata"]["name"]: all(c["ready"] for c in each["status"].get("containerStatuses", [{"ready": False}]))
            for each in objects("pod", CADDY, space=SYSTEM)
            if not each["metadata"].get("deletionTimestamp")}


class TlsOnACluster(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vibed-tls-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        charted.make_images()
        charted.image("caddy-acme-test", "/usr/bin/caddy", [(acme_world.CADDY, "/usr/bin/caddy")])
        cls.domain = acme_world.Domain(cls.folder, ADDRESS, DNS_PORT)
        cls.addClassCleanup(cls.domain.end)
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": {
            "pod-security.kubernetes.io/enforce": "restricted"}}})
        cls.addClassCleanup(kubectl, "delete", "pv", "certificates", "--ignore-not-found", "--timeout=30s", check=False)
        cls.addClassCleanup(charted.remove_all)
        charted.make_disk()
        make_shared_disk("certificates")
        kubectl("-n", SYSTEM, "create", "secret", "generic", "authority",
                f"--from-file=ca.crt={os.path.join(cls.folder, 'pebble.crt')}")
        kubectl("-n", SYSTEM, "create", "secret", "generic", "dns-key", "--from-literal=ACME_TSIG_KEY=d3Jvbmc=")

    def test_1_a_wrong_key_keeps_caddy_unready_and_is_said(self):
        helm("install", "vibed", charted.CHART, values=values("certificates"))

        def said():
            return kubectl("-n", SYSTEM, "logs", "-l", CADDY, "-c", "router", "--tail=-1", check=False)

        wait_for("the reason in the log", lambda: "refuses to update" in said(), 120)
        self.assertRegex(said(), r"no certificate.*NOTAUTH")
        wait_for("the other one waits", lambda: "another with the same storage" in said(), 20)
        self.assertEqual(set(pods().values()), {False})
        self.assertEqual(self.domain.issued(), 0)

    def test_2_the_right_key_serves_https_from_two_pods_and_is_asked_for_once(self):
        kubectl("-n", SYSTEM, "delete", "secret", "dns-key")
        kubectl("-n", SYSTEM, "create", "secret", "generic", "dns-key", f"--from-literal=ACME_TSIG_KEY={self.domain.key}")
        # Not by a rollout: the older pods would hold the lock of the storage, and the newer ones wait for it.
        kubectl("-n", SYSTEM, "delete", "pod", "-l", CADDY)
        wait_for("both pods", lambda: list(pods().values()) == [True, True], 120)
        self.assertEqual(list(pods().values()), [True, True])
        self.assertEqual(self.domain.issued(), 1)
        wait_for("the record is removed", lambda: self.domain.resolve(acme_world.CHALLENGE, "TXT") == [], 10)
        kubectl("-n", SYSTEM, "rollout", "status", "deployment/vibed", "deployment/vibed-controller", "--timeout=120s")

    def test_3_an_app_is_at_its_https_url(self):
        url = deploy("safe", PAGE).strip().splitlines()[-1]
        self.assertEqual(url, f"https://{label_of('safe')}.{DOMAIN}")
        wait_for("the app by https", lambda: ask("safe", authority=self.domain.root) == (200, PAGE["index.html"]), 10)
        self.assertEqual(ask("nothing", authority=self.domain.root)[0], 404)

    def test_4_http_leads_there(self):
        host = f"{label_of('safe')}.{DOMAIN}"
        connection = http.client.HTTPConnection(FRONT, 80, timeout=10)
        self.addCleanup(connection.close)
        connection.request("GET", "/a?b", headers={"Host": host})
        answer = connection.getresponse()
        self.assertEqual((answer.status, answer.headers["Location"]), (308, f"https://{host}/a?b"))

    def test_5_pods_come_and_go_and_nothing_is_issued_again(self):
        gone = next(iter(pods()))
        kubectl("-n", SYSTEM, "delete", "pod", gone, "--grace-period=0", "--force")
        wait_for("two pods again", lambda: gone not in pods() and list(pods().values()) == [True, True], 60)
        kubectl("-n", SYSTEM, "scale", "deployment/vibed-caddy", "--replicas=3")
        wait_for("a third", lambda: list(pods().values()) == [True, True, True], 60)
        self.assertEqual(ask("safe", authority=self.domain.root), (200, PAGE["index.html"]))
        self.assertEqual(self.domain.issued(), 1)


if __name__ == "__main__":
    lacking = acme_world.missing()
    if lacking:
        sys.exit(lacking)
    need_programs()
    need(HELM, "chart")
    unittest.main(verbosity=2)
