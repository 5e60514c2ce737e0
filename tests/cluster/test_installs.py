"""Two installations on one cluster, and what a namespace's limits do to one of them."""

import concurrent.futures
import json
import sys
import unittest

from front import OTHER_KEY, InstallTest, need_programs
from world import DOMAIN, apply, await_app, kubectl, label_of, objects, read_app, ready_condition, wait_for

LONGEST = "a" + "-long-name" * 6 + "-x"  # 63 characters, which is what a DNS label and a label's value may have
SECOND = "vibed-apps-of-another"


class Installs(InstallTest):
    sizes = {"static-nginx": 2}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = cls.open("two", SECOND, port=8400)

    def serves(self, install, app, text):
        wait_for(f"{app} answers", lambda: install.ask(app) == (200, text), 10)

    def test_1_they_do_not_see_each_other(self):
        self.install.deploy("twin", {"index.html": "one"})
        self.second.deploy("twin", {"index.html": "two"})
        self.second.deploy("only", {"index.html": "only two"})
        self.assertNotEqual(label_of("twin"), label_of("twin", SECOND))
        self.serves(self.install, "twin", "one")
        self.serves(self.second, "twin", "two")
        self.assertIn("only", self.second.vibed("ls"))
        self.assertNotIn("only", self.install.vibed("ls"))
        self.assertEqual(json.loads(self.install.ask("only")[1])["code"], "not_found")
        # Nor by the other's label: a front door knows the Services of its own namespace.
        connection = self.install.connect()
        connection.request("GET", "/", headers={"Host": f"{label_of('only', SECOND)}.{DOMAIN}"})
        self.assertEqual(connection.getresponse().status, 404)
        connection.close()
        # What one does leaves the other's alone.
        before = [each["metadata"]["uid"] for each in objects("sandboxclaim", "vibed.dev/app", SECOND)]
        self.install.vibed("suspend", "twin")
        self.install.vibed("rm", "twin")
        wait_for("it is gone", lambda: read_app("twin") is None)
        self.serves(self.second, "twin", "two")
        self.assertEqual([each["metadata"]["uid"] for each in objects("sandboxclaim", "vibed.dev/app", SECOND)], before)
        leases = {space: [each["spec"]["holderIdentity"] for each in objects("lease", space=space)]
                  for space in (self.install.space, SECOND)}
        self.assertEqual([len(each) for each in leases.values()], [1, 1], leases)

    def test_2_a_name_of_63_characters(self):
        self.assertEqual(len(LONGEST), 63)
        self.install.await_spares()
        self.install.deploy(LONGEST, {"index.html": "one"})
        self.serves(self.install, LONGEST, "one")
        kubectl("-n", self.install.space, "scale", "sandboxwarmpool/static-nginx", "--replicas=0")  # no spare: a claim
        wait_for("no spares", lambda: not objects("sandboxclaim", "vibed.dev/spare"))              # of its own
        kubectl("-n", self.install.space, "scale", "sandboxwarmpool/static-nginx", "--replicas=2")
        self.install.deploy(LONGEST, {"index.html": "two"})
        self.serves(self.install, LONGEST, "two")
        self.install.vibed("logs", LONGEST)
        self.install.vibed("rollback", LONGEST)
        self.serves(self.install, LONGEST, "one")
        self.assertIn("Deployed", kubectl("-n", self.install.space, "describe", "vibedapp", LONGEST))
        self.install.vibed("rm", LONGEST)
        wait_for("nothing is left", lambda: not objects("sandboxclaim", f"vibed.dev/app={LONGEST}"))
        status, text = self.install.deploy(LONGEST + "y", {"index.html": "x"}, check=False)
        self.assertEqual(status, 1)
        self.assertIn("63", text)

    def test_3_a_quota_of_the_namespace_is_a_reason_and_heals(self):
        claims = "count/sandboxclaims.extensions.agents.x-k8s.io"
        for limit in (claims, "pods"):
            with self.subTest(limit):
                app = f"crowded-{limit[:4]}"
                counted = "sandboxclaim" if limit == claims else "pod"
                spares = objects("sandboxclaim", "vibed.dev/spare", SECOND)
                apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "full", "namespace": SECOND},
                       "spec": {"hard": {limit: str(len(objects(counted, space=SECOND)))}}})
                wait_for("the quota counts", lambda: objects("resourcequota", space=SECOND)[0].get("status", {}).get("used"))
                apps = [f"{app}-{number}" for number in range(len(spares) + 5)]
                with concurrent.futures.ThreadPoolExecutor(8) as clients:
                    list(clients.map(lambda each: self.second.deploy(each, {"index.html": each}, "--timeout", "5",
                                                                     check=False, key=OTHER_KEY), apps))
                waiting = [each for each in map(lambda each: read_app(each, SECOND), apps)
                           if each["status"]["phase"] != "Ready"]
                self.assertTrue(waiting, "the quota was not full")
                ready = ready_condition(waiting[-1])
                print(f"{limit} full: {waiting[-1]['status']['phase']}: {ready['reason']}: {ready['message']}",
                      file=sys.stderr)
                self.assertIn("quota", ready["message"])
                told = kubectl("-n", SECOND, "describe", "vibedapp", waiting[-1]["metadata"]["name"])
                self.assertIn("Warning", told)
                kubectl("-n", SECOND, "delete", "resourcequota", "full")
                for each in apps:
                    await_app(each, space=SECOND, seconds=120)
                    self.serves(self.second, each, each)


if __name__ == "__main__":
    need_programs()
    unittest.main(verbosity=2)
