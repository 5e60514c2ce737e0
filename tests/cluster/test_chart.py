"""The chart on the real cluster: installed, upgraded, rolled back, uninstalled, installed again; what its accounts may do."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

import charted
from bucket import Bucket
from charted import (CRD, HELM, SYSTEM, VALUES, ChartTest, ask, await_spares, deploy, has_done, helm, may, roll_out, secret,
                     sources_in, vibed)
from front import need_programs, node_app
from world import HERE, Load, SPACE, apply, get, kubectl, need, objects, read_app, url_of, wait_for

PAGE = {"index.html": "<p>one</p>"}

# Permissions that a good day does not need, with what needs them.
ON_A_BAD_DAY = {
    ("vibed-controller", "vibed.dev", "vibedapps", "get"):
        "a record that somebody else writes at the same time is read again",
    ("vibed-controller", "extensions.agents.x-k8s.io", "sandboxclaims", "get"): "so is a spare",
    ("vibed-controller", "events.k8s.io", "events", "patch"): "what happens again is counted in the event that there is",
    ("vibed-install-crds", "apiextensions.k8s.io", "customresourcedefinitions", "create"):
        "server-side apply of what is not there yet is also a create, which the audit log does not name",
}


def visitor(app):
    return Load(lambda: ask(app), pause=0.02)


def condition(kind, name, type_, *arguments):
    path = f'{{.status.conditions[?(@.type=="{type_}")].status}}'
    return kubectl(*arguments, "get", kind, name, "-o", f"jsonpath={path}", check=False)


class ChartOnACluster(ChartTest):
    @classmethod
    def setUpClass(cls):
        charted.make_images()
        # As restricted as namespaces get: the control plane must do with it.
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM, "labels": {
            f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}}})
        cls.addClassCleanup(charted.remove_all)
        charted.make_disk()
        # What an installation of vibeD v0.6 has left.
        kubectl("create", "--field-manager=helm", "-f", os.path.join(HERE, "manifests", "vibedapps-v0.6.yaml"))
        kubectl("wait", "--for=condition=Established", f"crd/{CRD}", "--timeout=30s")
        cls.old = {"apiVersion": "vibed.dev/v1alpha1", "kind": "VibedApp",
                   "metadata": {"name": "old", "namespace": "default"},
                   "spec": {"owner": "somebody@example.com",
                            "source": {"tarballRef": "https://blobs.test/old.tar.gz?signed"},
                            "runtime": {"lane": "general", "template": "node-24"}, "ttl": "30m"}}
        apply(cls.old)

    def test_1_install(self):
        helm("install", "vibed", charted.CHART, "--dry-run=server", values=VALUES)
        self.assertEqual(kubectl("get", "namespace", SPACE, "--ignore-not-found"), "", "a dry run makes nothing")
        roll_out("install")
        # The API server's own judgement of everything that is rendered; a warning of Pod Security is an error.
        rendered = helm("get", "manifest", "vibed").stdout
        kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--warnings-as-errors", "-f", "-",
                text=rendered)
        for kind in ("job", "serviceaccount", "configmap"):
            left = kubectl("-n", SYSTEM, "get", kind, "vibed-install-crds", "--ignore-not-found", "-o", "name")
            self.assertEqual(left, "", "the hook leaves nothing")

    def test_2_the_definition_of_v06_is_brought_up_to_date(self):
        definition = json.loads(kubectl("get", "crd", CRD, "-o", "json", "--show-managed-fields"))
        version = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
        self.assertIn("observedGeneration", version["status"]["properties"])
        self.assertIn("vibed-crds", {each["manager"] for each in definition["metadata"]["managedFields"]})
        self.assertEqual(condition("crd", CRD, "Established"), "True")
        old = json.loads(kubectl("-n", "default", "get", "vibedapp", "old", "-o", "json"))
        self.assertEqual(old["metadata"]["generation"], 1)
        for key, value in self.old["spec"].items():
            self.assertEqual(old["spec"][key], value)

    def test_3_a_deploy_reaches_a_visitor(self):
        await_spares()
        url = deploy("site", PAGE).strip().splitlines()[-1]
        self.assertEqual(url, f"http://{charted.label_of('site')}.{charted.DOMAIN}")
        self.assertEqual(ask("site"), (200, "<p>one</p>"))
        deploy("server", node_app("one"))
        self.assertEqual(ask("server"), (200, "node one"))
        self.assertIn("listening, one", vibed("logs", "server"))
        self.assertEqual(ask("nobody")[0], 404, "the waiting room answers")
        vibed("suspend", "site")
        self.assertEqual(ask("site")[0], 503)
        vibed("resume", "site")
        self.assertEqual(ask("site"), (200, "<p>one</p>"))
        deploy("site", {"index.html": "<p>two</p>"})
        self.assertEqual(ask("site"), (200, "<p>two</p>"))
        deploy("gone", PAGE)
        vibed("rm", "gone")
        wait_for("nothing is left", lambda: not objects("service", "vibed.dev/app=gone") and read_app("gone") is None)

    def test_4_accounts_may_do_what_they_do_and_nothing_else(self):
        # What every account may do, because it is one.
        apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "vibed-nobody", "namespace": SYSTEM}})
        excused = set()
        for account in ("vibed", "vibed-controller", "vibed-caddy"):
            for space in (SPACE, SYSTEM, "default"):
                granted = may(account, space) - may("vibed-nobody", space)
                done, refused = has_done(account, space)
                self.assertEqual(refused, set(), f"{account} was refused in {space}")
                unused = granted - done
                excused |= {(account, *each) for each in unused} & set(ON_A_BAD_DAY)
                self.assertEqual({each for each in unused if (account, *each) not in ON_A_BAD_DAY}, set(),
                                 f"{account} may do in {space} what it does not do")
                self.assertLessEqual(done, granted, f"{account} in {space}")
        self.assertEqual(may("vibed-caddy", SPACE), may("vibed-nobody", SPACE))
        # Of the hook nothing is left to ask: its role is laid out once more, and must not be found elsewhere.
        hooks = helm("get", "hooks", "vibed").stdout.split("\n---\n")
        again = [each for each in hooks
                 if any(f"kind: {kind}\n" in each for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding"))]
        self.assertEqual(len(again), 3)
        for each in again:
            kubectl("apply", "-f", "-", text=each)
        granted = may("vibed-install-crds", SYSTEM) - may("vibed-nobody", SYSTEM)
        for each in again:
            kubectl("delete", "-f", "-", text=each)
        done, refused = has_done("vibed-install-crds", "")
        self.assertEqual(refused, set())
        self.assertTrue(done)
        self.assertLessEqual(done, granted)
        self.assertEqual({each for each in granted - done if ("vibed-install-crds", *each) not in ON_A_BAD_DAY}, set())
        print(f"not needed today: {sorted(each[:1] + each[2:] for each in excused)}", file=sys.stderr)

    def test_5_an_upgrade_rolls_every_part_and_fails_no_visitor(self):
        token, key = secret("vibed-agent", "token"), secret("vibed-keys", "api-key")
        claim = objects("sandboxclaim", "vibed.dev/app=server")[0]["metadata"]["uid"]
        mark = {"podAnnotations": {"a": "b"}}
        with visitor("server") as load:
            roll_out("upgrade", **mark, controller={**VALUES["controller"], "spares": 2, **mark},
                     caddy={**VALUES["caddy"], **mark})
        print(f"upgrade: {len(load.answers)} requests, failed: {load.failures()[:3]}", file=sys.stderr)
        self.assertEqual(load.failures(), [])
        self.assertEqual((secret("vibed-agent", "token"), secret("vibed-keys", "api-key")), (token, key))
        self.assertEqual(objects("sandboxclaim", "vibed.dev/app=server")[0]["metadata"]["uid"], claim)
        await_spares()
        deploy("server", node_app("two"))
        self.assertEqual(ask("server"), (200, "node two"))

    def test_6_a_rollback(self):
        with visitor("server") as load:
            helm("rollback", "vibed", "1", "--wait", "--timeout", "300s")
        self.assertEqual(load.failures(), [])
        arguments = kubectl("-n", SYSTEM, "get", "deployment", "vibed-controller", "-o",
                            "jsonpath={.spec.template.spec.containers[0].args}")
        self.assertIn("--spares=1", arguments)
        await_spares()
        vibed("rollback", "server")
        self.assertEqual(ask("server"), (200, "node one"))

    def test_7_https_routes_for_each_app_and_sources_in_s3(self):
        folder = tempfile.mkdtemp(prefix="vibed-s3-")
        self.addClassCleanup(shutil.rmtree, folder)
        bucket = Bucket(folder).open()
        self.addClassCleanup(bucket.end)
        key, certificate = (os.path.join(folder, name) for name in ("key.pem", "certificate.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=apps", "-addext", f"subjectAltName=DNS:*.{charted.DOMAIN}",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        kubectl("-n", SYSTEM, "create", "secret", "tls", "certificate", f"--cert={certificate}", f"--key={key}")
        roll_out("upgrade", replicaCount=2, **sources_in(bucket), router={**VALUES["router"], "layout": "per-app"},
                 caddy={**VALUES["caddy"], "tls": {"existingSecret": "certificate"}},
                 controller={**VALUES["controller"], "urlScheme": "https"})
        await_spares()
        self.assertEqual(ask("server", authority=certificate), (200, "node one"), "what was there")
        url = deploy("safe", PAGE).strip().splitlines()[-1]
        self.assertEqual(url, f"https://{charted.label_of('safe')}.{charted.DOMAIN}")
        # The route of an app that is new is a reload of Caddy, which coalesces them.
        wait_for("its route", lambda: ask("safe", authority=certificate) == (200, "<p>one</p>"), 10)
        self.assertEqual(len(bucket.stored_sources("safe")), 1)
        vibed("rm", "safe")
        wait_for("no source is left", lambda: not bucket.stored_sources("safe"))
        done, refused = has_done("vibed-caddy", SPACE)
        self.assertEqual((refused, may("vibed-caddy", SPACE) - may("vibed-nobody", SPACE)), (set(), done))
        self.assertEqual({verb for _, _, verb in done}, {"list", "watch"})
        # And back, to the volume that was kept meanwhile.
        roll_out("upgrade")
        self.assertEqual(ask("server"), (200, "node one"))

    def test_8_uninstalling_keeps_the_apps_and_installing_again_adopts_them(self):
        before = read_app("server")
        claim = objects("sandboxclaim", "vibed.dev/app=server")[0]["metadata"]["uid"]
        token = secret("vibed-agent", "token")
        helm("uninstall", "vibed", "--wait", "--timeout", "120s")
        wait_for("no pod of the control plane", lambda: not objects("pod", space=SYSTEM))
        self.assertEqual(condition("crd", CRD, "Established"), "True")
        self.assertEqual(read_app("server")["metadata"]["uid"], before["metadata"]["uid"])
        self.assertEqual(get(url_of("server")), (200, "node one"), "the app runs on")
        self.assertEqual(objects("networkpolicy")[0]["metadata"]["name"], "vibed-sandboxes")
        self.assertEqual(secret("vibed-agent", "token"), token)
        roll_out("install")
        wait_for("the app through Caddy", lambda: ask("server") == (200, "node one"))
        await_spares()
        now = read_app("server")
        for key in ("uid", "generation"):
            self.assertEqual(now["metadata"][key], before["metadata"][key])
        self.assertEqual(now["status"]["phase"], "Ready")
        self.assertEqual(objects("sandboxclaim", "vibed.dev/app=server")[0]["metadata"]["uid"], claim, "it was not started anew")
        vibed("rollback", "server")
        self.assertEqual(ask("server"), (200, "node two"), "sources are there too")


if __name__ == "__main__":
    need_programs()
    need(HELM, "chart")
    unittest.main(verbosity=2)
