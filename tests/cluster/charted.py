"""vibed as its chart installs it: images of this machine's files, helm, what accounts may do and have done."""

import base64
import glob
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import tempfile

from bucket import ACCESS, SECRET
from front import CACHE, CADDY, NGINX, NODE, ROUTER, VIBED, deploy_by
from world import (AGENT, CONTROLLER, ClusterTest, DOMAIN, HERE, ROOT, SPACE, apply, copy_into, kubectl, label_of, libraries_of,
                   release_apps, spares, wait_for)

CHART = os.path.join(ROOT, "chart")
CRD = "vibedapps.vibed.dev"
SYSTEM = "vibed-system"
API = f"http://vibed.{SYSTEM}.svc.cluster.local:8080"
FRONT = f"vibed-caddy.{SYSTEM}.svc.cluster.local"
HELM = (sorted(glob.glob(os.path.join(CACHE, "bin", "helm-[0-9]*"))) or [os.path.join(CACHE, "bin", "helm")])[-1]

# What is of the tests alone: names of images, sizes, the domain, short times. All else is as the chart has it.
VALUES = {
    "image": {"registry": "localhost", "repository": "vibed-test", "tag": "1", "pullPolicy": "Never"},
    "controller": {"image": {"repository": "vibed-controller-test"}, "domain": DOMAIN, "urlScheme": "http",
                   "leaseDuration": 5, "renewDeadline": 3, "retryPeriod": 1},
    "router": {"image": {"repository": "vibed-router-test"}},
    "caddy": {"image": {"repository": "localhost/caddy-test", "tag": "1", "pullPolicy": "Never"}},
    "persistence": {"size": "1Gi"},
    "runtime": {"defaultClass": ""},
    "warmPools": {"static-nginx": {"image": {"repository": "vibed-static-nginx-test"}, "replicas": 3},
                  "node-24": {"image": {"repository": "vibed-node-24-test"}, "replicas": 3},
                  "python-313": {"enabled": False}, "go-123": {"enabled": False}, "base-al2023": {"enabled": False}}}


def helm(*arguments, values=None, check=True, timeout=400):
    with tempfile.TemporaryDirectory() as folder:
        files = []
        if values is not None:
            files = ["-f", os.path.join(folder, "values.json")]
            with open(files[1], "w") as file:
                json.dump(values, file)
        environment = {**os.environ, "HELM_CACHE_HOME": folder, "HELM_CONFIG_HOME": folder, "HELM_DATA_HOME": folder}
        done = subprocess.run([HELM, "--namespace", SYSTEM, *arguments, *files], capture_output=True, text=True,
                              env=environment, timeout=timeout)
    if check and done.returncode != 0:
        raise AssertionError(f"helm {' '.join(arguments)}: {done.stdout}{done.stderr}\n{troubles()}")
    return done


def roll_out(what, **changed):
    """`what` is install or upgrade; of the values those are others."""
    helm(what, "vibed", CHART, "--wait", "--timeout", "300s", values={**VALUES, **changed})


def troubles():
    """What a failed install or upgrade is to be judged by."""
    said = [kubectl("-n", SYSTEM, "get", "pods,jobs", "-o", "wide", check=False),
            kubectl("-n", SYSTEM, "get", "events", "--sort-by=.lastTimestamp", check=False)[-3000:]]
    for component in ("api", "controller", "caddy", "install-crds"):
        said.append(kubectl("-n", SYSTEM, "logs", "-l", f"app.kubernetes.io/component={component}", "--all-containers",
                            "--prefix", "--tail=20", check=False))
    return "\n".join(said)


# ---- images: the layout of the Dockerfiles, from what this machine has -----------------------------------------------


def image(name, entrypoint, programs, files=(), variables=()):
    """localhost/NAME of those programs with their libraries; each is (where it is here, where it is there)."""
    root = tempfile.mkdtemp(prefix="vibed-image-")
    try:
        for folder in ("bin", "tmp", "workspace", "etc/ssl/certs", "proc", "sys", "dev", "data", "run/vibed", "var/log/nginx",
                       "var/lib/nginx"):
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        for here, there in programs:
            copy_into(root, here, there)
            subprocess.run(["strip", root + there], check=False, stderr=subprocess.DEVNULL)
            for library in libraries_of(here):
                copy_into(root, library)
        for here, there in files:
            copy_into(root, here, there)
        with open(os.path.join(root, "etc/passwd"), "w") as passwd:
            passwd.write("root:x:0:0::/root:/bin/sh\napp:x:65532:65532::/workspace:/bin/sh\n")
        flags = [flag for each in variables for flag in ("--env", each)]
        subprocess.run([os.path.join(HERE, "image"), "--entrypoint", *flags, f"localhost/{name}:1", root, entrypoint],
                       check=True, stdout=subprocess.DEVNULL)
    finally:
        shutil.rmtree(root)


def make_images():
    for name, program in (("vibed", VIBED), ("vibed-controller", CONTROLLER), ("vibed-router", ROUTER)):
        image(f"{name}-test", f"/usr/bin/{name}", [(program, f"/usr/bin/{name}")])
    image("caddy-test", "/usr/bin/caddy", [(CADDY, "/usr/bin/caddy")])
    agent = "/usr/libexec/vibed/vibed-agent"
    image("vibed-static-nginx-test", agent, [(AGENT, agent), ("/bin/sh", "/bin/sh"), (NGINX, NGINX)],
          [(f"{ROOT}/templates/static-nginx/nginx.conf", "/etc/vibed/nginx.conf")],
          ["VIBED_TEMPLATE_LANGUAGE=static", "VIBED_RUNTIME_PROBE=nginx -v",
           'VIBED_AGENT_PARKED=["nginx","-e","stderr","-c","/etc/vibed/nginx.conf"]'])
    image("vibed-node-24-test", agent, [(AGENT, agent), ("/bin/sh", "/bin/sh"), (NODE, NODE)], (),
          ["NODE_ENV=production", "VIBED_TEMPLATE_LANGUAGE=node", "VIBED_RUNTIME_PROBE=node --version"])


# ---- the installation -----------------------------------------------------------------------------------------------


def secret(name, key):
    text = kubectl("-n", SYSTEM, "get", "secret", name, "-o", f"jsonpath={{.data.{key}}}")
    return base64.b64decode(text).decode()


def vibed(*arguments, check=True):
    done = subprocess.run([VIBED, *arguments, "--api", API], capture_output=True, text=True,
                          env={**os.environ, "VIBED_TOKEN": secret("vibed-keys", "api-key")})
    if check and done.returncode != 0:
        raise AssertionError(f"vibed {' '.join(arguments)}: {done.stdout}{done.stderr}\n{troubles()}")
    return done.stdout


def deploy(app, files, *flags, **options):
    return deploy_by(vibed, app, files, *flags, **options)


def make_disk(name="vibed-data", mode="ReadWriteOnce"):
    """A volume for the claim of that name, which this cluster has no provisioner for; the folder goes with the cluster."""
    disk = tempfile.mkdtemp(prefix="vibed-disk-", dir=os.path.join(os.environ["CLUSTER_HOME"], "state"))
    os.chown(disk, 65532, 65532)
    apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name},
           "spec": {"capacity": {"storage": "1Gi"}, "accessModes": [mode],
                    "hostPath": {"path": disk}, "persistentVolumeReclaimPolicy": "Retain",
                    "claimRef": {"namespace": SYSTEM, "name": name}}})


def sources_in(bucket, **options):
    """The values for sources in that bucket, whose keys become a Secret. Options are of storage.tarball."""
    kubectl("-n", SYSTEM, "create", "secret", "generic", "bucket", f"--from-literal=access-key-id={ACCESS}",
            f"--from-literal=secret-access-key={SECRET}")
    storage = bucket.storage(bucket.url)
    storage["tarball"].update(options)
    return {"s3": {"existingSecret": "bucket"}, "persistence": {"enabled": False}, "config": {"storage": storage}}


def remove_all():
    """The release, and what it leaves."""
    helm("uninstall", "vibed", "--wait", check=False)
    for space in (SPACE, "default"):
        release_apps(space)
    kubectl("delete", "namespace", SPACE, SYSTEM, "--timeout=90s", "--ignore-not-found", check=False)
    kubectl("delete", "pv/vibed-data", f"crd/{CRD}", "--ignore-not-found", "--timeout=30s", check=False)


def await_spares():
    wait_for("spares of both templates", lambda: spares() == {"static-nginx", "node-24"}, 120)


def ask(app, timeout=10, authority=None, path="/"):
    """Status and body through Caddy's Service, as a visitor asks; (0, why) when nobody answered. With the file of an
    authority by https."""
    host = f"{label_of(app)}.{DOMAIN}"
    connection = http.client.HTTPConnection(FRONT, 443 if authority else 80, timeout=timeout)
    try:
        if authority:
            connection.connect()
            context = ssl.create_default_context(cafile=authority)
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        connection.request("GET", path, headers={"Host": host, "Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return 0, repr(error)
    finally:
        connection.close()


class ChartTest(ClusterTest):
    """Each test goes on from where the one before ended."""

    def after_failure(self, result):
        print(troubles(), file=sys.stderr)
        result.stop()


# ---- what accounts may do, and have done ----------------------------------------------------------------------------


def may(account, space):
    """What the API server says that the account may do in that namespace: {(group, resource, verb)}."""
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": space}}
    text = kubectl("create", "--validate=false", "-f", "-", "-o", "json", f"--as=system:serviceaccount:{SYSTEM}:{account}",
                   "--as-group=system:serviceaccounts", f"--as-group=system:serviceaccounts:{SYSTEM}",
                   "--as-group=system:authenticated", text=json.dumps(review))
    return {(group, resource, verb) for rule in json.loads(text)["status"]["resourceRules"]
            for group in rule.get("apiGroups", []) for resource in rule.get("resources", []) for verb in rule["verbs"]}


def has_done(account, space):
    """The same of what it has asked for, from the API server's audit log, and what of it was refused."""
    done, refused = set(), set()
    with open(os.path.join(os.environ["CLUSTER_HOME"], "run", "log", "audit.log")) as log:
        for line in log:
            event = json.loads(line)
            about = event.get("objectRef") or {}
            if event["user"]["username"] != f"system:serviceaccount:{SYSTEM}:{account}":
                continue
            if about.get("namespace", "") != space or "resource" not in about:
                continue
            name = "/".join(filter(None, (about["resource"], about.get("subresource"))))
            one = (about.get("apiGroup", ""), name, event["verb"])
            (refused if (event.get("responseStatus") or {}).get("code") == 403 else done).add(one)
    return done, refused
