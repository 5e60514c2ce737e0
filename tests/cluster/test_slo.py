"""The published service level: users who deploy one new app each every 30 seconds. Of all deploys more than 99.5 % succeed,
the slowest one in a hundred is Ready within 10 s, and fewer than 5 % find no warm sandbox.

The published run has 100 users and takes 10 minutes. A node of two cores starts about one pod a second and each deploy
needs one, so here it is VIBED_SLO_USERS (10) for VIBED_SLO_SECONDS (120), against a pool of VIBED_SLO_POOL (10) of each
kind. Every user removes the app before the newest.
"""

import collections
import os
import re
import statistics
import threading
import time
import unittest

from front import KEY, OTHER_KEY, InstallTest, need_programs, node_app
from world import say, tar_gz

USERS = int(os.environ.get("VIBED_SLO_USERS", "10"))
SECONDS = int(os.environ.get("VIBED_SLO_SECONDS", "120"))
POOL = int(os.environ.get("VIBED_SLO_POOL", "10"))
PERIOD = 30  # seconds between two deploys of one user
PATIENCE = 60  # seconds after which a deploy that is not Ready has failed
CLAIMS = re.compile(r'^vibed_pool_claims_total\{(.*)\} ([0-9.e+]+)$', re.MULTILINE)


class User:
    """Deploys static sites and Node apps in turn, `start` seconds after the others began."""

    def __init__(self, test, number, began):
        self.install, self.number = test.install, number
        self.key = (KEY, OTHER_KEY)[number % 2]
        self.began = began + number * PERIOD / USERS
        self.took, self.failures, self.older = [], [], None
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        for turn in range(max(1, SECONDS // PERIOD)):
            time.sleep(max(0.0, self.began + turn * PERIOD - time.monotonic()))
            app, text = f"user-{self.number}-{turn}", f"{self.number} {turn}"
            node = (self.number + turn) % 2 == 1
            began = time.monotonic()
            why = self.deploy(app, tar_gz(node_app(text) if node else {"index.html": text}), began)
            if why is None:
                self.took.append(time.monotonic() - began)
                why = self.visit(app, f"node {text}" if node else text)
            if why is not None:
                self.failures.append(f"{app}: {why}")
            if self.older:
                self.install.call("DELETE", f"/v1/apps/{self.older}", key=self.key)
            self.older = app

    def deploy(self, app, packed, began):
        """None when the app is Ready, else why it is not."""
        status, body = self.install.upload(app, packed, self.key)
        while status in (200, 202) and time.monotonic() - began < PATIENCE:
            if status == 200 and body.get("phase", "Ready") == "Ready":
                return None
            time.sleep(0.05)
            status, body = self.install.call("GET", f"/v1/apps/{app}", key=self.key)
            if status == 200 and body.get("phase") == "Failed":
                break
        return f"{status} {body}"

    def visit(self, app, wanted):
        answer = self.install.ask(app)
        return None if answer == (200, wanted) else f"Ready, and a visitor got {answer}"


class Slo(InstallTest):
    sizes = {"static-nginx": POOL, "node-24": POOL}
    options = {"flags": ("--spares", "2", "--spares-most", str(POOL))}

    def claims(self):
        """How many deploys found a warm sandbox, and how many did not."""
        found = collections.Counter()
        for each in self.install.controllers:
            for labels, value in CLAIMS.findall(each.figures()):
                found[re.search('result="(\\w+)"', labels).group(1)] += int(float(value))
        return found

    def test_users_who_deploy_a_new_app_every_thirty_seconds(self):
        before = self.claims()
        began = time.monotonic()
        users = [User(self, number, began) for number in range(USERS)]
        for user in users:
            user.thread.join()
        took = sorted(each for user in users for each in user.took)
        failures = [each for user in users for each in user.failures]
        self.assertTrue(took, failures[:3])
        deploys = len(took) + sum("Ready, and" not in each for each in failures)
        spent = self.claims() - before
        missed = spent["miss"] / max(1, spent["hit"] + spent["miss"])
        success = 1 - len(failures) / deploys
        slowest = took[min(len(took) - 1, int(0.99 * len(took)))]
        say(f"{USERS} users, one new app each every {PERIOD} s for {SECONDS} s: {deploys} deploys, {success:.1%} succeeded, "
            f"deploy to Ready p50 {statistics.median(took):.2f} s, p99 {slowest:.2f} s, at most {took[-1]:.2f} s; "
            f"{spent['miss']} of {spent['hit'] + spent['miss']} claims found no spare ({missed:.1%})")
        for each in failures:
            say(f"  {each[:300]}")
        self.assertGreater(success, 0.995)
        self.assertLess(slowest, 10)
        self.assertLess(missed, 0.05)


if __name__ == "__main__":
    need_programs()
    unittest.main(verbosity=2)
