"""Enforces NetworkPolicies, which the cluster of the tests only accepts: a ruleset of nftables in the network namespace of each
pod that a policy selects, made of what the API server has now and made again when that changes.

What a network plug-in would do is done here as far as tests need it: selectors of labels, blocks of addresses, numbers of
ports. The node reaches its pods, as kubelet must. A Service is judged by its endpoints, or without any by the pods that
it would select. Rules are of the inet hooks, which see no packet of gVisor (tried): that one has a network stack of its own. Pods
of one name in two namespaces at once are refused.
"""

import contextlib
import ipaddress
import json
import os
import subprocess
import sys
import threading

from faults import Api, container_of, host_pid
from world import ADDRESS, ROOT

sys.path.append(os.path.join(ROOT, "tests", "chart"))
from helm import Pod, matches, may, one_way  # noqa: E402,F401  (the reading of policies that the chart's tests have too)

NODE = (ADDRESS, "10.78.0.1")  # the node's own address, and its end of every pod's link
TABLE = "networkpolicy"


# ---- from objects to rules: no cluster here -------------------------------------------------------------------------


def pods_of(listed):
    """Those with a network of their own that is up, by name."""
    pods = {}
    for each in listed:
        about, spec, status = each["metadata"], each["spec"], each.get("status", {})
        if spec.get("hostNetwork") or not status.get("podIP") or status.get("phase") in ("Succeeded", "Failed"):
            continue
        pods[about["namespace"], about["name"]] = Pod(about["namespace"], status["podIP"], **about.get("labels", {}))
    return pods


def port_rules(ports):
    """What a rule's ports are in nftables. Without any all protocols are meant."""
    if not ports:
        return [""]
    for each in ports:
        assert set(each) <= {"port", "protocol"} and isinstance(each.get("port", 0), int), f"not understood here: {each}"
    return [f"{each.get('protocol', 'TCP').lower()} dport {each['port']}" if "port" in each
            else f"meta l4proto {each.get('protocol', 'TCP').lower()}" for each in ports]


def peer_rule(peer, side, space, pods):
    """Which packets are of that peer; None: of nobody just now."""
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        family = "ip" if ipaddress.ip_network(block["cidr"]).version == 4 else "ip6"
        but = ", ".join(block.get("except", []))
        return f"{family} {side} {block['cidr']}" + (f" {family} {side} != {{ {but} }}" if but else "")
    named = [pod.address for pod in pods.values()
             if ("namespaceSelector" in peer or pod.space == space)
             and matches(peer.get("namespaceSelector", {}), {"kubernetes.io/metadata.name": pod.space})
             and matches(peer.get("podSelector", {}), pod.labels)]
    return f"ip {side} {{ {', '.join(sorted(named))} }}" if named else None


def service_rules(policies, pod, pods, services, slices):
    """Services that the pod may go through. It sees their addresses, and a policy names what is behind them."""
    by_address = {each.address: each for each in pods.values()}
    for service in services:
        about, spec = service["metadata"], service["spec"]
        if spec.get("clusterIP", "None") == "None":
            continue
        mine = [each for each in slices if each["metadata"]["namespace"] == about["namespace"]
                and each["metadata"].get("labels", {}).get("kubernetes.io/service-name") == about["name"]]
        for port in spec["ports"]:
            protocol = port.get("protocol", "TCP")
            behind = [(by_address.get(address, address), number["port"]) for each in mine
                      for number in each.get("ports") or [] if (number.get("name") or "") == port.get("name", "")
                      for endpoint in each.get("endpoints") or [] for address in endpoint["addresses"]]
            if not behind and isinstance(port.get("targetPort"), int):
                behind = [(Pod(about["namespace"], spec["clusterIP"], **(spec.get("selector") or {})), port["targetPort"])]
            if behind and all(one_way(policies, "Egress", pod, other, number, protocol) for other, number in behind):
                yield f"ip daddr {spec['clusterIP']} {protocol.lower()} dport {port['port']} accept"


def chain(policies, direction, pod, pods):
    key, peers, side = ("ingress", "from", "saddr") if direction == "Ingress" else ("egress", "to", "daddr")
    for policy in policies:
        for rule in policy["spec"].get(key) or []:
            named = [peer_rule(peer, side, pod.space, pods) for peer in rule.get(peers) or []]
            for who in ([each for each in named if each] if rule.get(peers) else [""]):
                for port in port_rules(rule.get("ports")):
                    yield f"{who} {port} accept".strip()


def ruleset(pod, policies, pods, services, slices):
    """The pod's whole table; "" when no policy selects it."""
    lines = []
    for direction, hook, at in (("Ingress", "input", "iif"), ("Egress", "output", "oif")):
        mine = [each for each in policies if each["metadata"]["namespace"] == pod.space
                and direction in each["spec"]["policyTypes"] and matches(each["spec"]["podSelector"], pod.labels)]
        if not mine:
            continue
        # What opens no connection passes: those that were there before this table are kept, and nothing else gains by it.
        rules = [f"{at} lo accept", "ct state established,related accept", "tcp flags & (syn | ack) != syn accept"]
        if direction == "Ingress":
            rules.append(f"ip saddr {{ {', '.join(NODE)} }} accept")
        else:
            rules += service_rules(policies, pod, pods, services, slices)
        rules += chain(mine, direction, pod, pods)
        lines += [f"  chain {hook} {{", f"    type filter hook {hook} priority 0; policy drop;",
                  *(f"    {each}" for each in rules), "  }"]
    return "\n".join([f"table inet {TABLE} {{", *lines, "}"]) if lines else ""


# ---- into pods ------------------------------------------------------------------------------------------------------


def network_of(pod):
    """The file of the pod's network namespace, by name of the pod."""
    return f"/proc/{host_pid(container_of(pod, 'sandbox'))}/ns/net"


def inside(network, *argv, text=None, **options):
    """Runs a program of this machine in that network."""
    return subprocess.run(["nsenter", f"--net={network}", *argv], input=text, capture_output=True, text=True, **options)


class Enforcer:
    """Keeps every pod's table up to date, until the end of the block."""

    PATHS = ("apis/networking.k8s.io/v1/networkpolicies", "api/v1/pods", "api/v1/services",
             "apis/discovery.k8s.io/v1/endpointslices")

    def __init__(self):
        self.api = Api()
        self.loaded = {}  # uid of the pod -> (its network, the table it has); guarded by turn, as all below
        self.troubles = []
        self.lifted = False
        self.stopped = False
        self.clean_turns = 0
        self.turn = threading.Condition()
        self.thread = threading.Thread(target=self.run, daemon=True)

    def __enter__(self):
        self.thread.start()
        self.settle()
        return self

    def __exit__(self, *_):
        with self.turn:
            self.stopped = True
            self.turn.notify_all()
        self.thread.join()
        self.unload()

    @contextlib.contextmanager
    def lift(self):
        """No policy is in force until the end of the block."""
        with self.turn:
            self.lifted = True
            self.unload()
        try:
            yield
        finally:
            with self.turn:
                self.lifted = False
            self.settle()

    def settle(self, seconds=30):
        """Returns when everything that the API server has now is in force."""
        with self.turn:
            wanted = self.clean_turns + 1
            if not self.turn.wait_for(lambda: self.clean_turns >= wanted, seconds):
                raise AssertionError(f"policies are not in force: {self.troubles[-3:]}")

    def run(self):
        with self.turn:
            while not self.stopped:
                if not self.lifted and self.apply():
                    self.clean_turns += 1
                    self.turn.notify_all()
                self.turn.wait(0.15)

    def apply(self):
        """Whether nothing was left undone."""
        lists = [self.api.get(f"/{path}") for path in self.PATHS]
        if not all(lists):
            return False
        policies, listed, services, slices = (each["items"] for each in lists)
        pods = pods_of(listed)
        clean, there = True, set()
        for each in listed:
            about = each["metadata"]
            pod = pods.get((about["namespace"], about["name"]))
            if pod is None:
                continue
            there.add(about["uid"])
            try:
                self.load(about["uid"], about["name"], ruleset(pod, policies, pods, services, slices))
            except (AssertionError, OSError, StopIteration, subprocess.SubprocessError) as error:
                self.troubles.append(f"{about['name']}: {error!r}")  # the next turn does it
                clean = clean and "deletionTimestamp" in about
        for uid in set(self.loaded) - there:
            del self.loaded[uid]
        return clean

    def load(self, uid, name, table):
        network, before = self.loaded.get(uid, (None, ""))
        if table == before:
            return
        network = network or network_of(name)
        # Both in one transaction: there is no moment without.
        done = inside(network, "nft", "-f", "-", text=f"table inet {TABLE} {{}}\ndelete table inet {TABLE}\n{table}\n")
        if done.returncode != 0:
            raise AssertionError(f"nft: {done.stderr}\n{table}")
        self.loaded[uid] = network, table

    def unload(self):
        for network, table in self.loaded.values():
            if table:
                inside(network, "nft", "delete", "table", "inet", TABLE)
        self.loaded.clear()


def main():
    """Prints what each pod's table would be."""
    api = Api()
    policies, listed, services, slices = (api.get(f"/{path}")["items"] for path in Enforcer.PATHS)
    pods = pods_of(listed)
    for (space, name), pod in sorted(pods.items()):
        print(json.dumps([space, name, pod.address]), ruleset(pod, policies, pods, services, slices), sep="\n")


if __name__ == "__main__":
    main()
