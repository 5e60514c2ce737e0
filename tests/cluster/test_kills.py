"""Every part is killed (SIGKILL), while apps serve and at each step of a deploy, alone and with another: no app is lost,
none says Ready that does not answer, and how long it took is printed."""

import os
import signal
import threading
import time
import unittest

from bucket import VERSITYGW, Bucket
from faults import Api, Step, Truth, children_of, container_of, host_pid, kill_container, kill_program
from front import InstallTest, Visitors, need_programs
from world import kubectl, need, objects, say, wait_for

SPARE_LIFETIME = 10  # seconds
SETTLED = 4  # seconds after which everybody has noticed: kubelet looks at its containers once a second
PATIENCE = 90  # seconds for everything to be well again
# A pod that ended is known of when kubelet, agent-sandbox and controller have told each other. Seen: at most 3.3 s.
MOST_UNTRUE = 10


class Kills(InstallTest):
    sizes = {"static-nginx": 4, "node-24": 4}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.api = Api()
        cls.texts = {"site": "site 0", "server": "node 0", "walker": "node 0"}
        cls.count = 0
        cls.down = []  # what is started again later
        cls.install.deploy("site", {"index.html": "site 0"})
        for app in ("server", "walker"):
            cls.install.deploy_node(app, "0")

    @classmethod
    def open(cls, name, **options):
        cls.bucket = Bucket(cls.folder).open()
        cls.addClassCleanup(cls.bucket.end)
        return super().open(name, storage=cls.bucket.storage(), controllers=2,
                            flags=("--spare-lifetime", str(SPARE_LIFETIME)), **options)

    # ---- what is killed: each function does it, and starts again what nobody else would --------------------------

    def restarted(self, *parts):
        for part in parts:
            part.end(signal.SIGKILL)
        time.sleep(0.5)  # as a supervisor does
        for part in parts:
            part.start()

    def leader(self):
        self.restarted(wait_for("a leader", self.install.leader))

    def leader_that_stays_down(self):
        """Started again after the next deploy: the other one has to take over, when the lease is over."""
        leader = wait_for("a leader", self.install.leader)
        leader.end(signal.SIGKILL)
        self.down.append(leader)

    def both_controllers(self):
        self.restarted(*self.install.controllers)

    def vibed_serve(self):
        self.restarted(self.install.api)

    def router(self):
        self.restarted(self.install.router)

    def caddy(self):
        self.restarted(self.install.caddy)

    def s3_server(self):
        self.restarted(self.bucket)

    def agent_sandbox(self):
        kill_program("agent-sandbox-controller")

    def kube_apiserver(self):
        kill_program("kube-apiserver")

    def etcd(self):
        kill_program("etcd")

    def containerd(self):
        kill_program("containerd")

    @staticmethod
    def pod_of(app):
        claims = [each for each in objects("sandboxclaim", f"vibed.dev/app={app}") if each.get("status")]
        newest = max(claims, key=lambda each: int(each["metadata"]["labels"]["vibed.dev/generation"]))
        return newest["status"]["sandbox"]["name"]

    def pod(self):
        kubectl("-n", self.install.space, "delete", "pod", "--wait=false", "--grace-period=0", "--force",
                self.pod_of("server"))

    def pause_process(self):
        kill_container(self.pod_of("server"), "sandbox")

    def container(self):
        kill_container(self.pod_of("server"))

    def agent(self):
        os.kill(host_pid(container_of(self.pod_of("server"))), signal.SIGKILL)

    def app_process(self):
        for child in children_of(host_pid(container_of(self.pod_of("server")))):
            os.kill(child, signal.SIGKILL)

    # ---- what must be true then ---------------------------------------------------------------------------------

    def survives(self, what, *kills, unanswered=True):
        """`unanswered`: whether some requests may go without an answer."""
        with Truth(self.api, self.install, self.texts) as truth:
            wait_for("all is well", lambda: truth.is_well(0), PATIENCE)
            began = time.monotonic()
            for kill in kills:
                kill()
            self.await_well(what, truth, began)
            if not unanswered:
                self.assertEqual(self.silence(truth, began), 0, f"{what}: a request was not answered")
        self.deploys_go_on(what)
        while self.down:
            self.down.pop().start()

    def await_well(self, what, truth, began, most_untrue=MOST_UNTRUE):
        killed = time.monotonic() + SETTLED
        try:
            wait_for(f"{what}: all is well again", lambda: truth.is_well(killed), PATIENCE)
        except AssertionError as error:
            raise AssertionError(f"{error}: {truth.texts} {[s[-2:] for s in truth.samples.values()]}") from None
        untrue = truth.longest(lambda sample: sample[2] and not sample[3], began)
        say(f"{what}: no answer for {self.silence(truth, began):.1f} s, no record said Ready for "
            f"{truth.longest(lambda sample: not sample[2], began):.1f} s, one said Ready without an answer for "
            f"{untrue:.1f} s")
        self.assertEqual(truth.lost(), [], f"{what}: apps were lost")
        self.assertLess(untrue, most_untrue, what)

    @staticmethod
    def silence(truth, began):
        return truth.longest(lambda sample: not sample[3], began)

    def next_text(self):
        type(self).count += 1
        return str(self.count)

    def deploys_go_on(self, what):
        text = self.next_text()
        began = time.monotonic()

        def deployed():
            return self.install.deploy_node("walker", text, check=False)[0] == 0

        wait_for(f"{what}: a deploy succeeds", deployed, PATIENCE)
        self.texts["walker"] = f"node {text}"
        self.assertEqual(self.install.ask("walker"), (200, f"node {text}"), what)
        say(f"{what}: the next deploy answered {time.monotonic() - began:.1f} s later")

    # ---- while apps serve ---------------------------------------------------------------------------------------

    def test_1_each_part_while_apps_serve(self):
        for kill in (self.leader, self.leader_that_stays_down, self.both_controllers, self.vibed_serve, self.router,
                     self.agent_sandbox, self.kube_apiserver, self.etcd, self.containerd, self.s3_server):
            with self.subTest(kill.__name__):
                self.survives(kill.__name__, kill, unanswered=False)
        for kill in (self.caddy, self.pod, self.pause_process, self.container, self.agent, self.app_process):
            with self.subTest(kill.__name__):
                self.survives(kill.__name__, kill)

    def test_2_two_parts_while_apps_serve(self):
        for kills in ((self.both_controllers, self.pod), (self.kube_apiserver, self.leader),
                      (self.etcd, self.kube_apiserver), (self.container, self.containerd),
                      (self.agent_sandbox, self.pod), (self.s3_server, self.pod), (self.router, self.caddy),
                      (self.vibed_serve, self.both_controllers)):
            what = " and ".join(kill.__name__ for kill in kills)
            with self.subTest(what):
                self.survives(what, *kills)

    # ---- at each step of a deploy -------------------------------------------------------------------------------

    def deploy_and_kill(self, app, step_name, what, *kills):
        text = self.next_text()
        step = Step(self.api, step_name, app)
        outcome = []
        old = self.texts.get(app)
        with Truth(self.api, self.install, {**self.texts}) as truth:
            deploy = threading.Thread(target=lambda: outcome.append(self.install.deploy_node(app, text, check=False)))
            deploy.start()
            try:
                step.wait()
                began = time.monotonic()
                for kill in kills:
                    kill()
            finally:
                deploy.join()
                step.close()
            truth.texts[app] = self.texts[app] = f"node {text}"
            if app not in truth.samples:
                truth.texts.pop(app)
                wait_for(f"{what} when {step_name}: it answers",
                         lambda: self.install.ask(app) == (200, f"node {text}"), PATIENCE)
            # kube-proxy and the controller of EndpointSlices come back to an API server after up to a minute. Until then
            # the node sends visitors to the older pod, whatever was written: that is printed, not judged.
            cluster_is_deaf = {self.kube_apiserver, self.etcd} & set(kills)
            self.await_well(f"{what} when {step_name}", truth, began, PATIENCE if cluster_is_deaf else MOST_UNTRUE)
            if old and not cluster_is_deaf:
                self.assertEqual(self.silence(truth, began), 0, f"{what} when {step_name}: a request was not answered")
        if self.vibed_serve in kills:
            self.assertEqual(outcome[0][0], 0, "vibed deploy waits for an API server that is restarted: " + outcome[0][1])
        if outcome[0][0] != 0:
            say(f"  the deploy said: {' '.join(outcome[0][1].split())[:200]}")

    def test_3_each_part_at_each_step_of_a_redeploy(self):
        for kill in (self.leader, self.both_controllers, self.vibed_serve, self.router, self.agent_sandbox,
                     self.kube_apiserver, self.etcd, self.containerd, self.s3_server):
            for step in Step.NAMES:
                with self.subTest(f"{kill.__name__} when {step}"):
                    self.deploy_and_kill("server", step, kill.__name__, kill)

    def test_4_two_parts_at_steps_of_a_redeploy(self):
        for kills in ((self.vibed_serve, self.both_controllers), (self.kube_apiserver, self.both_controllers),
                      (self.agent_sandbox, self.leader)):
            what = " and ".join(kill.__name__ for kill in kills)
            for step in ("record written", "injected"):
                with self.subTest(f"{what} when {step}"):
                    self.deploy_and_kill("server", step, what, *kills)

    def test_5_both_controllers_at_each_step_of_a_first_deploy(self):
        for number, step in enumerate(Step.NAMES):
            with self.subTest(step):
                self.deploy_and_kill(f"fresh-{number}", step, "both_controllers, first deploy", self.both_controllers)
        for number in range(len(Step.NAMES)):
            self.install.vibed("rm", f"fresh-{number}")
            self.texts.pop(f"fresh-{number}", None)

    # ---- for long -----------------------------------------------------------------------------------------------

    def test_6_apps_answer_although_all_of_vibed_is_down_for_three_lifetimes_of_a_spare(self):
        claims = {app: self.pod_of(app) for app in self.texts}
        down = [*self.install.controllers, self.install.api, self.install.router]
        with Visitors(self.install, "server", 2) as visitors, Truth(self.api, self.install, self.texts) as truth:
            began = time.monotonic()
            for part in down:
                part.end(signal.SIGKILL)
            time.sleep(3 * SPARE_LIFETIME)
            self.assertEqual(self.silence(truth, began), 0)
            self.assertEqual(objects("sandboxclaim", "vibed.dev/spare"), [], "spares nobody looks after end")
            for part in down:
                part.start()
            self.await_well("all of vibed down for three lifetimes of a spare", truth, began)
        self.assertEqual(visitors.failures(), [])
        self.assertEqual({app: self.pod_of(app) for app in self.texts}, claims, "an app was given another sandbox")
        say(f"{len(visitors.answers)} requests meanwhile, all answered")
        self.install.await_spares()
        self.deploys_go_on("after that")


if __name__ == "__main__":
    need_programs()
    need(VERSITYGW, "s3")
    unittest.main(verbosity=2)
