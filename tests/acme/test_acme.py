"""Certificates by DNS-01, from the values of the chart to a visitor's https: what the operator and the visitor see.

The tests are one story, in the order of their names. Without the parts it needs (scripts/parts acme and chart,
scripts/setup acme) it is skipped, and says so.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import acme_world as world
except ImportError:
    print("skipped: there is no PyYAML; scripts/setup test installs it", file=sys.stderr)
    sys.exit(77)
from acme_world import CHALLENGE, DOMAIN, LABEL, Domain, FrontDoor, Records, Seen, wait_for

HOST = f"{LABEL}.{DOMAIN}"
PROVIDER = {"name": "nsupdate", "server": "127.0.0.1:53", "key_name": "vibed-acme", "key": "{env.ACME_TSIG_KEY}"}
VALUES = {"controller": {"domain": DOMAIN},
          "caddy": {"tls": {"dns01": {
              "enabled": True, "names": [DOMAIN], "email": f"operations@{DOMAIN}", "ca": "https://127.0.0.1:14000/dir",
              "caSecret": "authority", "provider": PROVIDER, "tokenSecret": "dns-key"}},
              "storage": {"existingClaim": "certificates"}}}


# Of a pod that runs while the first does: they have one network here.
BESIDE = ("--listen=:9443", "--redirect=:9080", "--health-probe-bind-address=:9084", "--metrics-bind-address=0")


def changed(tree, **more):
    """`tree` with values laid over it."""
    result = dict(tree)
    for key, value in more.items():
        result[key] = changed(result.get(key, {}), **value) if isinstance(value, dict) else value
    return result


class Certificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vibed-acme-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        world.own_network(cls.folder)
        cls.domain = Domain(cls.folder)
        cls.addClassCleanup(cls.domain.end)
        cls.data = os.path.join(cls.folder, "data")
        os.mkdir(cls.data)
        cls.door = None
        cls.addClassCleanup(lambda: cls.door and cls.door.end())

    def open_door(self, name, values=VALUES, flags=(), key=None):
        """A pod in the place of the one before, on the same volume."""
        kind = type(self)
        if kind.door:
            kind.door.end()
        kind.door = FrontDoor(self.folder, name, [values], self.data, flags, ACME_TSIG_KEY=key or self.domain.key)
        return kind.door

    def https(self, host=HOST, path="/", port=8443):
        return Seen(f"https://{host}{path}", "--cacert", self.domain.root, "--connect-to", f"::127.0.0.1:{port}")

    def http(self, host=HOST, path="/", *flags):
        return Seen(f"http://{host}{path}", "--connect-to", f"{host}:80:127.0.0.1:8080", *flags)

    def check_served(self, port=8443):
        seen = self.https(path="/a?b=c", port=port)
        self.assertEqual((seen.exit, seen.status, seen.version), (0, 200, "2"), seen.text)
        self.assertEqual(seen.body, {"says": "app", "app": None, "host": HOST, "proto": "https", "path": "/a?b=c"})

    def test_0_the_key_may_write_the_challenge_and_nothing_else(self):
        for name, kind, value, code in ((CHALLENGE, "TXT", "x", 0), (f"x.{DOMAIN}", "TXT", "x", 2), (CHALLENGE, "CNAME", "x.test.", 2)):
            for verb in ("add", "delete"):
                lines = f"server 127.0.0.1\nzone {DOMAIN}\nupdate {verb} {name} 5 {kind} {value}\nsend\n"
                done = subprocess.run(["nsupdate", "-y", f"hmac-sha256:vibed-acme:{self.domain.key}"], input=lines, text=True,
                                      capture_output=True)
                self.assertEqual(done.returncode, code, f"{verb} {name} {kind}: {done.stderr}")

    def test_1_a_wrong_key_is_said_where_one_looks(self):
        before = self.domain.records_added()
        door = self.open_door("wrong", key="d3Jvbmc=")
        wait_for(lambda: f"{door.ready()} {door.caddy.log()}", lambda: "127.0.0.1:53 refuses" in door.ready()[1], 30)
        status, text = door.ready()
        self.assertEqual(status, 503)
        self.assertIn("certificate", text)
        self.assertRegex(text, rf"127\.0\.0\.1:53 refuses to update {DOMAIN}\.: (NOTAUTH|BADSIG)")
        self.assertRegex(door.router.log(), r"no certificate.*refuses to update")
        self.assertNotIn("d3Jvbmc=", text + door.router.log() + door.caddy.log())
        self.assertEqual(self.https().exit, 35, "no handshake without a certificate")
        self.assertEqual((self.domain.issued(), self.domain.records_added()), (0, before))
        print("an operator reads:", text.strip())

    def test_2_the_domain_and_its_wildcard_are_issued_and_served_once_for_two_pods(self):
        before = self.domain.records_added()
        door = self.open_door("first")
        twin = FrontDoor(self.folder, "twin", [VALUES], self.data, BESIDE, ACME_TSIG_KEY=self.domain.key)
        self.addCleanup(twin.end)
        print(f"ready {door.await_ready():.1f} s after the start; the other one {twin.await_ready():.1f} s later")
        self.check_served()
        self.check_served(9443)
        wait_for("a certificate of the domain itself", lambda: self.https(DOMAIN).exit == 0, 20)
        apex = self.https(DOMAIN)
        self.assertEqual((apex.status, apex.version), (421, "2"))
        self.assertEqual((self.domain.issued(), self.domain.records_added()), (2, before + 2))
        stranger = Seen(f"https://{HOST}/", "--connect-to", "::127.0.0.1:8443")
        self.assertEqual(stranger.exit, 60, "it is Pebble's, which nobody else knows")
        self.assertEqual(self.https("a.b." + DOMAIN).exit, 35, "a wildcard is for one label")

    def test_3_the_records_are_gone(self):
        wait_for("the records are removed", lambda: self.domain.resolve(CHALLENGE, "TXT") == [], 10)

    def test_4_what_nobody_answers_for_goes_to_the_waiting_room(self):
        seen = self.https("000000000000." + DOMAIN)
        self.assertEqual((seen.exit, seen.status, seen.version), (0, 404, "2"), seen.text)
        self.assertEqual((seen.body["says"], seen.body["app"], seen.body["proto"]),
                         ("no such app", "000000000000", "https"))

    def test_5_http_leads_to_https(self):
        seen = self.http(HOST, "/a%2fb?c=d")
        self.assertEqual((seen.status, seen.redirect), (308, f"https://{HOST}/a%2fb?c=d"))
        followed = self.http(HOST, "/x", "-L", "--cacert", self.domain.root, "--connect-to",
                             f"{HOST}:443:127.0.0.1:8443")
        self.assertEqual((followed.status, followed.version, followed.body["path"]), (200, "2", "/x"))
        old = Seen(f"https://{HOST}/", "--http1.1", "--cacert", self.domain.root, "--connect-to", "::127.0.0.1:8443")
        self.assertEqual((old.status, old.version), (200, "1.1"))

    def test_6_a_restarted_caddy_has_it_still(self):
        before = self.domain.issued()
        self.door.caddy.kill()
        wait_for("the router notices", lambda: self.door.ready()[0] == 503, 10)
        self.door.start_caddy()
        print(f"ready {self.door.await_ready(20):.1f} s after Caddy's restart")
        self.check_served()
        self.assertEqual(self.door.router.log().count("caddy configured"), 2)
        self.assertEqual(self.domain.issued(), before)

    def test_7_another_pod_takes_the_certificates_of_the_first(self):
        """By the chart's word for a storage, which here is the folder that the first has as a volume."""
        place = os.path.join(self.data, "caddy")
        own = os.path.join(self.folder, "own")
        os.mkdir(own)
        before = self.domain.issued()
        values = changed(VALUES, caddy={"storage": {"existingClaim": "", "module": {"module": "file_system", "root": place}}},
                         controller={"urlPort": 9443})
        second = FrontDoor(self.folder, "second", [values], own, BESIDE, ACME_TSIG_KEY="d3Jvbmc=")
        self.addCleanup(second.end)
        print(f"ready {second.await_ready(20):.1f} s after the start of another pod")
        self.check_served(9443)
        led = Seen(f"http://{HOST}/", "--connect-to", "::127.0.0.1:9080")
        self.assertEqual(led.redirect, f"https://{HOST}:9443/")
        time.sleep(1)
        self.assertEqual(self.domain.issued(), before)
        self.assertFalse(os.path.exists(os.path.join(own, "caddy", "certificates")), "nothing is in its own folder")
        self.check_served()

    def test_8_with_a_route_for_each_app(self):
        world.serve(("127.0.0.1", 6443), Records)
        before = self.domain.issued()
        access = os.path.join(self.folder, "kubeconfig")
        with open(access, "w") as file:
            file.write('{"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:6443"}}], "contexts": '
                       '[{"name": "c", "context": {"cluster": "c", "user": "u"}}], "current-context": "c", '
                       '"users": [{"name": "u", "user": {}}]}')
        door = self.open_door("per-app", changed(VALUES, router={"layout": "per-app"}), (f"--kubeconfig={access}",))
        door.await_ready(20)
        wait_for(lambda: f"its route: {door.router.log()}", lambda: self.https().status == 200, 10)
        self.check_served()
        self.assertEqual(self.https("000000000000." + DOMAIN).status, 404)
        self.assertEqual(self.http(HOST, "/x").redirect, f"https://{HOST}/x")
        self.assertEqual(self.domain.issued(), before)

    def test_9_on_a_machine_of_ones_own_by_plain_http(self):
        """values-kind.yaml: http://<label>.localhost:18080, which is mapped to Caddy's 8080."""
        kind = type(self)
        self.door.end()
        kind.door = FrontDoor(self.folder, "kind", ["values-kind.yaml"], self.data)
        self.door.await_ready(20)
        self.assertNotIn("--tls", self.door.flags)
        host = f"{LABEL}.localhost:18080"
        seen = Seen(f"http://{host}/a?b=c", "--connect-to", "::127.0.0.1:8080")
        self.assertEqual((seen.status, seen.version, seen.body), (200, "1.1", {
            "says": "app", "app": None, "host": host, "proto": "http", "path": "/a?b=c"}))
        none = Seen("http://000000000000.localhost:18080/", "--connect-to", "::127.0.0.1:8080")
        self.assertEqual((none.status, none.body["says"], none.body["app"]), (404, "no such app", "000000000000"))


if __name__ == "__main__":
    lacking = world.missing()
    if lacking:
        print(f"skipped: {lacking}", file=sys.stderr)
        sys.exit(77)
    if not os.access(world.ROUTER, os.X_OK):
        sys.exit(f"there is no {world.ROUTER}")
    world.enter_namespaces()
    unittest.main(verbosity=2)
