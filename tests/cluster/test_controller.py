"""vibed-controller on the real cluster: agent-sandbox, kubelet, kube-proxy and the API server are the real ones."""

import shutil
import signal
import statistics
import sys
import tempfile
import time
import unittest

from faults import kill_container
from front import NGINX, pools
from world import (AGENT, CONTROLLER, ClusterTest, Controller, Load, SPACE, Sources, apply, await_app, get, install_crds,
                   kubectl, need, objects, read_app, ready_condition, remove_namespace, spares, url_of, visit, wait_for,
                   write_app)

STATIC = "static-nginx"
CLAIM = "sandboxclaim"


def page(text):
    return {"index.html": f"<p>{text}</p>"}


def claims_of(app):
    return objects(CLAIM, f"vibed.dev/app={app}")


def load_of(app):
    return Load(lambda: visit(url_of(app)))


class ControllerOnACluster(ClusterTest):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vibed-cluster-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.sources = Sources()
        cls.addClassCleanup(cls.sources.close)
        kubectl("create", "namespace", SPACE)
        cls.addClassCleanup(remove_namespace, SPACE)
        for _ in range(2):  # the second time there is nothing to do
            install_crds()
        apply(*pools({STATIC: 6}))
        cls.first = Controller("first", cls.folder)
        cls.second = Controller("second", cls.folder)
        cls.addClassCleanup(cls.end_all)
        cls.first.start()
        wait_for("the first leads", cls.first.leads)
        cls.second.start()
        wait_for("spares", spares)

    @classmethod
    def end_all(cls):
        for each in (cls.first, cls.second):
            each.end()

    def after_failure(self, result):
        for each in (self.first, self.second):
            print(f"--- {each.name}\n{each.log()[-6000:]}", file=sys.stderr)

    def deploy(self, app, text, **spec):
        write_app(app, self.sources.put(app, page(text)), STATIC, "fast", **spec)

    def serves(self, app, text):
        """A Service that has never had a pod takes kube-proxy a moment longer than one whose pod moves."""
        self.assertEqual(visit(url_of(app), patience=5), (200, f"<p>{text}</p>"), app)

    def leader(self):
        return wait_for("a leader", lambda: next((c for c in (self.first, self.second) if c.process and c.leads()), None))

    def test_1_apps_become_ready_through_spares(self):
        took, served = [], []
        for number in range(5):
            wait_for("a spare", spares)
            app = f"page-{number}"
            began = time.monotonic()
            self.deploy(app, f"page {number}")
            await_app(app)
            took.append(time.monotonic() - began)
            self.serves(app, f"page {number}")
            served.append(time.monotonic() - began)
            claims = claims_of(app)
            self.assertEqual(len(claims), 1)
            self.assertTrue(claims[0]["metadata"]["name"].startswith("spare-"), claims[0]["metadata"])
            self.assertNotIn("lifecycle", claims[0]["spec"])
        print(f"record written to Ready seen by kubectl: median {statistics.median(took) * 1000:.0f} ms, "
              f"most {max(took) * 1000:.0f} ms; to the first answer through the Service: median "
              f"{statistics.median(served) * 1000:.0f} ms, most {max(served) * 1000:.0f} ms", file=sys.stderr)

    def test_2_a_redeploy_under_load_fails_no_request_and_serves_nothing_old(self):
        self.deploy("swap", "old")
        await_app("swap")
        self.serves("swap", "old")
        with load_of("swap") as load:
            wait_for("answers", lambda: len(load.answers) > 50)
            self.deploy("swap", "new")
            await_app("swap")
            ready = time.monotonic()
            wait_for("more answers", lambda: len([a for a in load.answers if a[0] > ready]) > 200)
        self.assertEqual(load.failures(), [])
        self.assertEqual({body for sent, _, body in load.answers if sent > ready}, {"<p>new</p>"})
        wait_for("the older claim is gone", lambda: len(claims_of("swap")) == 1)

    def test_3_a_killed_leader_is_followed_and_its_apps_serve_on(self):
        self.deploy("steady", "steady")
        await_app("steady")
        self.serves("steady", "steady")
        before = claims_of("steady")[0]["metadata"]["uid"]
        leader = self.leader()
        record = read_app("steady")["metadata"]["resourceVersion"]
        with load_of("steady") as load:
            killed = time.monotonic()
            leader.end(signal.SIGKILL)
            self.deploy("after", "after")
            await_app("after")
            print(f"leader killed: the next deploy was Ready after {time.monotonic() - killed:.1f} s", file=sys.stderr)
        self.assertEqual(load.failures(), [])
        self.assertEqual(claims_of("steady")[0]["metadata"]["uid"], before)
        self.assertEqual(read_app("steady")["metadata"]["resourceVersion"], record, "it was said to be something else")
        leader.start()
        wait_for("it is ready again", lambda: leader.ready()[0] == 200)

    def test_4_apps_answer_while_no_controller_runs_and_are_adopted(self):
        self.deploy("alone", "alone")
        await_app("alone")
        self.serves("alone", "alone")
        before = read_app("alone")
        claim = claims_of("alone")[0]["metadata"]["uid"]
        self.assertEqual([self.first.end(), self.second.end()], [0, 0])
        self.assertEqual(get(url_of("alone")), (200, "<p>alone</p>"))
        began = time.monotonic()
        self.first.start()
        wait_for("it leads", self.first.leads)
        self.assertLess(time.monotonic() - began, 5, "the lease was not released")
        self.second.start()
        self.assertEqual(claims_of("alone")[0]["metadata"]["uid"], claim)
        self.deploy("another", "another")
        await_app("another")
        self.assertEqual(read_app("alone")["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"])

    def test_5_a_lost_pod_a_killed_container_and_a_lost_claim_are_replaced(self):
        self.deploy("lost", "lost")
        await_app("lost")

        def heals(what, lose):
            claim = claims_of("lost")[0]
            began = time.monotonic()
            lose(claim)
            wait_for("another claim", lambda: [c for c in claims_of("lost")
                                               if c["metadata"]["uid"] != claim["metadata"]["uid"]])
            await_app("lost")
            wait_for("it answers", lambda: get(url_of("lost")) == (200, "<p>lost</p>"))
            print(f"{what}: serving again after {time.monotonic() - began:.1f} s", file=sys.stderr)

        heals("pod deleted", lambda claim: kubectl(
            "-n", SPACE, "delete", "pod", "--wait=false", "--grace-period=0", "--force",
            claim["status"]["sandbox"]["name"]))
        heals("container killed", lambda claim: kill_container(claim["status"]["sandbox"]["name"]))
        heals("claim deleted", lambda claim: kubectl(
            "-n", SPACE, "delete", CLAIM, "--wait=false", claim["metadata"]["name"]))

    def test_6_suspended_resumed_and_removed(self):
        self.deploy("sleeper", "awake")
        await_app("sleeper")
        kubectl("-n", SPACE, "patch", "vibedapp", "sleeper", "--type=merge", "-p", '{"spec":{"suspended":true}}')
        await_app("sleeper", "Suspended")
        wait_for("no claim", lambda: not claims_of("sleeper"))
        self.assertNotEqual(get(url_of("sleeper"))[0], 200)
        kubectl("-n", SPACE, "patch", "vibedapp", "sleeper", "--type=merge", "-p", '{"spec":{"suspended":false}}')
        await_app("sleeper")
        self.serves("sleeper", "awake")
        kubectl("-n", SPACE, "delete", "vibedapp", "sleeper", "--timeout=30s")
        wait_for("nothing is left", lambda: not claims_of("sleeper") and not objects("service", "vibed.dev/app=sleeper"))

    def test_7_what_cannot_be_says_why(self):
        write_app("nowhere", self.sources.put("nowhere", page("x")), "ruby-4")
        app = await_app("nowhere", "Failed")
        ready = ready_condition(app)
        self.assertEqual(ready["reason"], "TemplateMissing", ready)
        write_app("sourceless", "sourceless.v1." + "0" * 32, STATIC, "fast")
        app = await_app("sourceless", "Failed")
        ready = ready_condition(app)
        self.assertEqual(ready["reason"], "InjectFailed", ready)
        self.assertIn("source", ready["message"])

    def test_8_a_burst_beyond_the_buffer(self):
        apps = [f"burst-{number}" for number in range(8)]
        began = time.monotonic()
        for app in apps:
            self.deploy(app, app)
        for app in apps:
            await_app(app, seconds=120)
        print(f"burst of {len(apps)}, pool of 6: all Ready after {time.monotonic() - began:.1f} s", file=sys.stderr)
        for app in apps:
            self.serves(app, app)
        names = [claim["metadata"]["name"] for app in apps for claim in claims_of(app)]
        self.assertEqual(len(names), len(set(names)))
        self.assertEqual(len(names), len(apps))


if __name__ == "__main__":
    for program in (AGENT, CONTROLLER, NGINX):
        need(program)
    unittest.main(verbosity=2)
