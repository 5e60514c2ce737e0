"""What the tests of the chart use: helm, kubeconform, what is rendered, and who may talk to whom by its policies."""

import glob
import ipaddress
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
CHART = os.path.join(ROOT, "chart")
CACHE = os.environ.get("VIBED_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or
                                                      os.path.expanduser("~/.cache"), "vibed")
SYSTEM, APPS = "vibed-system", "vibed-apps"
KUBERNETES = "1.36.0"  # what is rendered for, whatever helm was built with
SKIPPED = 77


def program(name):
    """The newest of that name that scripts/parts has built, or none."""
    named = os.environ.get(f"VIBED_{name.upper()}")
    found = [named] if named else sorted(glob.glob(os.path.join(CACHE, "bin", f"{name}-[0-9]*")))
    return found[-1] if found else None


HELM, KUBECONFORM = program("helm"), program("kubeconform")


def need_helm():
    if not HELM:
        print("skipped: there is no helm; `scripts/parts chart` builds it", file=sys.stderr)
        sys.exit(SKIPPED)


def helm(*arguments, values=(), check=True):
    """Runs helm; values are files of the chart or of this folder, or mappings."""
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, each in enumerate(values):
            if isinstance(each, dict):
                path = os.path.join(folder, f"{number}.json")
                with open(path, "w") as file:
                    json.dump(each, file)
            else:
                path = next(p for p in (os.path.join(CHART, each), os.path.join(HERE, each)) if os.path.exists(p))
            files += ["-f", path]
        environment = {**os.environ, "HELM_CACHE_HOME": folder, "HELM_CONFIG_HOME": folder, "HELM_DATA_HOME": folder}
        done = subprocess.run([HELM, *arguments, *files], capture_output=True, text=True, env=environment)
    if check and done.returncode != 0:
        raise AssertionError(f"helm {' '.join(arguments)} {values}: {done.stderr}")
    return done


def render(*values, check=True):
    return helm("template", "vibed", CHART, "--namespace", SYSTEM, "--kube-version", KUBERNETES, values=values, check=check)


def masked(text):
    """Without what differs each time, and without the definition, which has a file of its own."""
    text = re.sub(r'(?m)^(  [A-Za-z0-9._-]+: )"[A-Za-z0-9+/=]{64}"$', r'\1"(random)"', text)
    return re.sub(r"(?ms)^  vibedapps\.vibed\.dev\.yaml: \|\n.*?(?=^---$)", "  vibedapps.vibed.dev.yaml: (the file)\n", text)


def text_of(*values):
    return masked(render(*values).stdout)


def objects_of(*values):
    """The same as objects. Needs PyYAML."""
    import yaml
    return [each for each in yaml.safe_load_all(render(*values).stdout) if each]


# ---- who may talk to whom, as Kubernetes reads NetworkPolicies -------------------------------------------------------


class Pod:
    def __init__(self, space, address, **labels):
        self.space, self.address = space, address
        self.labels = labels


def component(name, address, space=SYSTEM, instance="vibed"):
    return Pod(space, address, **{"app.kubernetes.io/name": "vibed", "app.kubernetes.io/instance": instance,
                                  "app.kubernetes.io/component": name})


def matches(selector, labels):
    assert set(selector) <= {"matchLabels"}, f"not understood here: {selector}"
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())


def is_peer(peer, other, space):
    """Whether `other`, a Pod or an address, is what a rule of a policy in `space` names."""
    if "ipBlock" in peer:
        address = ipaddress.ip_address(other.address if isinstance(other, Pod) else other)

        def within(cidr):
            network = ipaddress.ip_network(cidr)
            return network.version == address.version and address in network

        return within(peer["ipBlock"]["cidr"]) and not any(within(each) for each in peer["ipBlock"].get("except", []))
    if not isinstance(other, Pod):
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.space}):
            return False
    elif other.space != space:
        return False
    return matches(peer.get("podSelector", {}), other.labels)


def one_way(policies, direction, pod, other, port, protocol):
    """Whether the policies that select `pod` let it talk in that direction. Without any they do."""
    key, side = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    selecting = [each for each in policies
                 if each["metadata"]["namespace"] == pod.space and direction in each["spec"]["policyTypes"]
                 and matches(each["spec"]["podSelector"], pod.labels)]
    if not selecting:
        return True
    for policy in selecting:
        for rule in policy["spec"].get(key) or []:
            ports = rule.get("ports")
            if ports and not any(each["port"] == port and each.get("protocol", "TCP") == protocol for each in ports):
                continue
            if not rule.get(side) or any(is_peer(peer, other, pod.space) for peer in rule[side]):
                return True
    return False


def may(policies, source, target, port, protocol="TCP"):
    """Whether `source` reaches that port of `target`; each is a Pod or the address of somebody outside."""
    return ((not isinstance(source, Pod) or one_way(policies, "Egress", source, target, port, protocol)) and
            (not isinstance(target, Pod) or one_way(policies, "Ingress", target, source, port, protocol)))
