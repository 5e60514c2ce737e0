"""What the chart renders: the same as was looked at, valid, and every value with an effect."""

import difflib
import json
import os
import re
import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

import helm
from helm import CHART, HERE, KUBECONFORM, ROOT, objects_of, render, text_of

try:
    import yaml
except ImportError:
    yaml = None

OVERLAYS = {"default": [], "kind": ["values-kind.yaml"], "production": ["values-production.yaml"],
            "everything": ["everything.yaml"], "nothing": ["nothing.yaml"]}
BINARIES = os.environ.get("VIBED_BUILD", "")
BUILT = all(os.path.exists(os.path.join(BINARIES, "apps", name, name))
            for name in ("vibed", "vibed-controller", "vibed-router"))

# Values that the schema refuses, and a word of why.
REFUSED = [
    ({"replicaCount": "two"}, "replicaCount"),
    ({"replicas": 2}, "replicas"),
    ({"controller": {"replica": 2}}, "replica"),
    ({"controller": {"domain": "https://apps.test"}}, "domain"),
    ({"controller": {"urlScheme": "ftp"}}, "urlScheme"),
    ({"controller": {"urlPort": 70000}}, "urlPort"),
    ({"service": {"type": "External"}}, "type"),
    ({"image": {"pullPolicy": "Sometimes"}}, "pullPolicy"),
    ({"namespaces": {"apps": "Not_A_Name"}}, "apps"),
    ({"namespaces": {"podSecurity": "none"}}, "podSecurity"),
    ({"auth": {"mode": "oidc"}}, "mode"),
    ({"auth": {"keys": [{"name": "x", "role": "root", "secretKey": "k"}]}}, "role"),
    ({"auth": {"keys": [{"name": "x", "role": "user"}]}}, "secretKey"),
    ({"config": {"server": {"logLevel": "loud"}}}, "logLevel"),
    ({"config": {"storage": {"tarball": {"backend": "git"}}}}, "backend"),
    ({"config": {"storage": {"tarball": {"s3": {"prefix": "team"}}}}}, "prefix"),
    ({"config": {"deployment": {"readyTimeout": 60}}}, "readyTimeout"),
    ({"config": {"registry": {}}}, "registry"),
    ({"router": {"layout": "both"}}, "layout"),
    ({"sandbox": {"runAsUser": 0}}, "runAsUser"),
    ({"sandbox": {"nameservers": []}}, "nameservers"),
    ({"sandbox": {"nameservers": ["dns.test"]}}, "nameservers"),
    ({"warmPools": {"node-24": {"replicas": -1}}}, "replicas"),
    ({"warmPools": {"node-24": {"memory": "1Gi"}}}, "memory"),
    ({"warmPools": {"Node": {"enabled": False}}}, "Node"),
    ({"networkPolicy": {"sandboxEgress": "some"}}, "sandboxEgress"),
    ({"networkPolicy": {"sandboxExcept": ["10.0.0.1"]}}, "sandboxExcept"),
    ({"networkPolicy": {"metricsFrom": [{}]}}, "metricsFrom"),
    ({"persistence": {"accessModes": ["ReadOnlyMany"]}}, "accessModes"),
    ({"resources": {"limits": {"memory": "much"}}}, "memory"),
    ({"metrics": {"serviceMonitor": {"interval": "often"}}}, "interval"),
    ({"caddy": {"tls": {"dns01": {"names": ["shop"]}}}}, "names"),
    ({"caddy": {"tls": {"dns01": {"provider": {"api_token": "x"}}}}}, "provider"),
    ({"caddy": {"storage": {"module": {"root": "/data"}}}}, "module"),
]

# Values that are each allowed and together cannot work.
IMPOSSIBLE = [
    ({"namespaces": {"apps": helm.SYSTEM}}, "another namespace"),
    ({"replicaCount": 2}, "ReadWriteMany"),
    ({"replicaCount": 2, "persistence": {"enabled": False}}, "s3"),
    ({"config": {"storage": {"tarball": {"backend": "s3"}}}}, "bucket"),
    ({"auth": {"enabled": False}}, "devInsecure"),
    ({"auth": {"keys": []}}, "auth.keys"),
    ({"caddy": {"tls": {"existingSecret": "a", "dns01": {"enabled": True}}}}, "not both"),
    ({"caddy": {"tls": {"dns01": {"enabled": True}}}}, "provider"),
    ({"metrics": {"serviceMonitor": {"enabled": True}}}, "metricsFrom"),
    ({"controller": {"serviceAccount": {"create": False}}}, "name"),
    ({"controller": {"renewDeadline": 15}}, "leaseDuration"),
]


# Values that have no effect beside those of everything.yaml and nothing.yaml.
ALONE = [
    {"image": {"tag": "5"}},
    {"auth": {"existingSecret": "there"}},
    {"persistence": {"enabled": False}},
    {"persistence": {"existingClaim": "there"}},
    {"caddy": {"tls": {"existingSecret": "there"}}},
    {"caddy": {"tls": {"existingSecret": "there", "redirect": False}}},
    {"caddy": {"tls": {"config": {"certificates": {"automate": ["*.vibed.example.com"]}}}}},
    {"warmPoolsEnabled": False},
    *({"warmPools": {name: {"enabled": False}}}
      for name in ("static-nginx", "node-24", "python-313", "go-123", "base-al2023")),
    {"networkPolicy": {"sandboxEgress": "none"}},
    {"priority": {"create": False, "sandbox": {"name": "low"}}},
]
WHOLE = ("resources", "provider", "issuer", "module")  # mappings that are one value


def leaves(tree, path=()):
    """Paths of single values, lists, empty mappings and those that are one value."""
    if isinstance(tree, dict) and tree and path[-1:] not in [(name,) for name in WHOLE]:
        for key, value in tree.items():
            yield from leaves(value, (*path, key))
    else:
        yield path


def at(tree, path):
    for key in path:
        if not isinstance(tree, dict) or key not in tree:
            return None
        tree = tree[key]
    return tree


def with_value(tree, path, value):
    if not path:
        return value
    return {**tree, path[0]: with_value(tree.get(path[0], {}), path[1:], value)}


def load(path):
    with open(path) as file:
        return yaml.safe_load(file)


def merged(over, under):
    """As Helm lays values over values."""
    result = dict(under)
    for key, value in over.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(value, result[key]) if both else value
    return result


class Chart(unittest.TestCase):
    maxDiff = None

    def test_lint_finds_nothing(self):
        for name, values in OVERLAYS.items():
            done = helm.helm("lint", CHART, "--strict", "--namespace", helm.SYSTEM, "--kube-version", helm.KUBERNETES,
                             values=values)
            found = re.findall(r"^\[(?:WARNING|ERROR)\].*$", done.stdout, re.M)
            self.assertEqual(found, [], name)

    def test_what_is_rendered_is_what_was_looked_at(self):
        """VIBED_UPDATE=1 writes the files anew: look at the difference."""
        for name in ("default", "kind", "production"):
            text = text_of(*OVERLAYS[name])
            path = os.path.join(HERE, "golden", f"{name}.yaml")
            if os.environ.get("VIBED_UPDATE"):
                with open(path, "w") as file:
                    file.write(text)
            with open(path) as file:
                expected = file.read()
            if text != expected:
                lines = difflib.unified_diff(expected.splitlines(), text.splitlines(), path, "rendered", lineterm="")
                self.fail("\n".join(list(lines)[:200]))

    @unittest.skipUnless(KUBECONFORM, "there is no kubeconform; `scripts/parts chart` builds it")
    def test_every_object_is_one(self):
        where = os.path.join(HERE, "schemas", "{{ .ResourceKind }}{{ .KindSuffix }}.json")

        def conform(text):
            return subprocess.run([KUBECONFORM, "-strict", "-summary", "-output", "json", "-schema-location", where, "-"],
                                  input=text, capture_output=True, text=True)

        for name, values in OVERLAYS.items():
            text = render(*values).stdout
            done = conform(text)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
            self.assertEqual(json.loads(done.stdout)["summary"]["valid"], len(re.findall(r"^kind:", text, re.M)), name)
        self.assertNotEqual(conform(text.replace("replicas:", "replicaz:")).returncode, 0)

    def test_bad_values_are_refused(self):
        for values, word in REFUSED:
            done = render(values, check=False)
            self.assertNotEqual(done.returncode, 0, values)
            self.assertRegex(done.stderr, f"(?s)schema.*{word}", values)

    def test_values_that_cannot_work_together_are_refused(self):
        for values, word in IMPOSSIBLE:
            done = render(values, check=False)
            self.assertNotEqual(done.returncode, 0, values)
            self.assertIn(word, done.stderr, values)

    @unittest.skipUnless(yaml, "needs PyYAML")
    def test_every_value_has_an_effect(self):
        """In everything.yaml, nothing.yaml or ALONE each is another one, and without it something else is rendered."""
        defaults = load(os.path.join(CHART, "values.yaml"))
        flipped = [load(os.path.join(HERE, f"{name}.yaml")) for name in ("everything", "nothing")] + ALONE
        renders = [text_of(values) for values in flipped]

        def has_effect(path):
            return any(self.differs(values, text, path, at(defaults, path)) for values, text in zip(flipped, renders)
                       if at(values, path) is not None and at(merged(values, defaults), path) != at(defaults, path))

        paths = list(leaves(defaults))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            dead = [".".join(path) for path, alive in zip(paths, pool.map(has_effect, paths)) if not alive]
        self.assertEqual(dead, [])

    def differs(self, values, rendered, path, default):
        done = render(with_value(values, path, default), check=False)
        return done.returncode != 0 or helm.masked(done.stdout) != rendered

    @unittest.skipUnless(yaml, "needs PyYAML")
    def test_every_value_is_described_by_the_schema(self):
        with open(os.path.join(CHART, "values.schema.json")) as file:
            schema = json.load(file)
        for path in leaves(load(os.path.join(CHART, "values.yaml"))):
            node = schema
            for key in path:
                node = schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
                known = node.get("properties", {})
                self.assertTrue(key in known or isinstance(node.get("additionalProperties"), dict), ".".join(path))
                node = known.get(key) or node["additionalProperties"]


@unittest.skipUnless(yaml, "needs PyYAML")
class Objects(unittest.TestCase):
    def test_control_plane_and_sandboxes_are_restricted(self):
        for name, values in OVERLAYS.items():
            for each in objects_of(*values):
                spec = each.get("spec", {})
                pod = spec.get("template", spec.get("podTemplate", {})).get("spec")
                if pod is None:
                    continue
                what = f"{name}: {each['kind']} {each['metadata']['name']}"
                self.assertTrue(pod["securityContext"]["runAsNonRoot"], what)
                self.assertGreater(pod["securityContext"]["runAsUser"], 0, what)
                self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"}, what)
                self.assertIn("automountServiceAccountToken", pod, what)
                self.assertFalse({"hostNetwork", "hostPID", "hostIPC"} & set(pod), what)
                for volume in pod["volumes"]:
                    self.assertNotIn("hostPath", volume, what)
                for container in pod["containers"]:
                    security = container["securityContext"]
                    self.assertIs(security["allowPrivilegeEscalation"], False, what)
                    self.assertIs(security["readOnlyRootFilesystem"], True, what)
                    self.assertEqual(security["capabilities"]["drop"], ["ALL"], what)
                    self.assertLessEqual(set(security["capabilities"].get("add", [])), {"NET_BIND_SERVICE"}, what)
                    self.assertIn("resources", container, what)
                if each["kind"] == "SandboxTemplate":
                    self.assertIs(pod["automountServiceAccountToken"], False, what)
                    self.assertEqual(pod["dnsPolicy"], "None", what)

    def test_what_the_apps_need_is_kept(self):
        kept = {f"{each['kind']} {each['metadata']['name']}" for each in objects_of()
                if each["metadata"].get("annotations", {}).get("helm.sh/resource-policy") == "keep"}
        self.assertEqual(kept, {"Namespace vibed-apps", "Secret vibed-agent", "PersistentVolumeClaim vibed-data",
                                "NetworkPolicy vibed-sandboxes", "PriorityClass vibed-system-vibed-sandbox"})
        self.assertNotIn("CustomResourceDefinition", {each["kind"] for each in objects_of()})

    def test_no_role_has_more_than_names(self):
        for values in OVERLAYS.values():
            for each in objects_of(*values):
                for rule in each.get("rules", []) if each["kind"] in ("Role", "ClusterRole") else []:
                    for names in rule.values():
                        self.assertFalse([name for name in names if "*" in name], rule)
                    self.assertNotIn("secrets", rule["resources"])
                if each["kind"] == "ClusterRole":
                    self.assertEqual(each["metadata"]["annotations"]["helm.sh/hook"], "pre-install,pre-upgrade")

    def test_two_installations_do_not_see_each_other(self):
        """What belongs to no namespace has another name in another release's."""
        def outside(space):
            text = helm.helm("template", "vibed", CHART, "--namespace", space, "--kube-version", helm.KUBERNETES).stdout
            return {(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(text)
                    if each and "namespace" not in each["metadata"] and each["kind"] != "Namespace"}

        self.assertEqual({kind for kind, _ in outside("one")}, {"ClusterRole", "ClusterRoleBinding", "PriorityClass"})
        self.assertEqual(outside("one") & outside("two"), set())

    def test_the_definition_is_the_file(self):
        hook = next(each for each in objects_of() if each["metadata"]["name"] == "vibed-install-crds"
                    and each["kind"] == "ConfigMap")
        with open(os.path.join(CHART, "crd", "vibedapps.vibed.dev.yaml")) as file:
            self.assertEqual(hook["data"], {"vibedapps.vibed.dev.yaml": file.read()})

    @unittest.skipUnless(BUILT, "the programs are not built")
    def test_programs_know_their_flags(self):
        programs = {"vibed": ("vibed", "serve"), "controller": ("vibed-controller", "run"),
                    "router": ("vibed-router", "run"), "install-crds": ("vibed-controller", "install-crds")}
        seen = set()
        for values in (*OVERLAYS.values(), [{"router": {"layout": "per-app"}}]):
            for each in objects_of(*values):
                for container in each.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                    if container["name"] not in programs:
                        continue
                    program, command = programs[container["name"]]
                    path = os.path.join(BINARIES, "apps", program, program)
                    usage = subprocess.run([path, command, "--help"], capture_output=True, text=True, check=True).stdout
                    for flag in re.findall(r"--[a-z-]+", " ".join(container["args"])):
                        self.assertIn(f"{flag}", re.findall(r"--[a-z-]+", usage), f"{program} {command}")
                    seen.add(container["name"])
        self.assertEqual(seen, set(programs))
        router = os.path.join(BINARIES, "apps", "vibed-router", "vibed-router")
        printed = subprocess.run([router, "bootstrap", "--caddy-run", "/run/vibed"], capture_output=True, text=True,
                                 check=True)
        caddy = next(each for each in objects_of()
                     if each["kind"] == "ConfigMap" and each["metadata"]["name"] == "vibed-caddy")
        self.assertEqual(json.loads(caddy["data"]["bootstrap.json"]), json.loads(printed.stdout))


if __name__ == "__main__":
    helm.need_helm()
    unittest.main(verbosity=2)
