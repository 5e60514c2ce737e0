#!/usr/bin/env python3
"""Makes the schemas beside this file, by which kubeconform checks what the chart renders: strict, offline, small.

    make_schemas.py SWAGGER.json CRD.yaml...

SWAGGER.json is api/openapi-spec/swagger.json of the module k8s.io/kubernetes, which tests/cluster/build has in its cache; the
CRDs are those of agent-sandbox, in $CLUSTER_HOME/manifests. To be run again, and its result committed, when the chart renders
another kind or the cluster of the tests gets another version. Needs PyYAML.
"""

import json
import os
import sys

import yaml

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas")
# What the chart renders, in lower case, with the first word of its group and its version.
KINDS = ["clusterrole-rbac-v1", "clusterrolebinding-rbac-v1", "configmap-v1", "deployment-apps-v1", "ingress-networking-v1",
         "job-batch-v1", "namespace-v1", "networkpolicy-networking-v1", "persistentvolumeclaim-v1",
         "poddisruptionbudget-policy-v1", "priorityclass-scheduling-v1", "role-rbac-v1", "rolebinding-rbac-v1",
         "runtimeclass-node-v1", "secret-v1", "service-v1", "serviceaccount-v1"]
# Types that the specification describes as text only.
LOOSE = {"io.k8s.apimachinery.pkg.util.intstr.IntOrString": ["string", "integer"],
         "io.k8s.apimachinery.pkg.api.resource.Quantity": ["string", "number"]}


def strict(node):
    """Without descriptions and extensions; objects with known fields have no others."""
    if isinstance(node, list):
        return [strict(each) for each in node]
    if not isinstance(node, dict):
        return node
    if node.get("x-kubernetes-int-or-string"):
        return {"type": ["string", "integer"]}
    kept = {key: strict(value) for key, value in node.items()
            if not key.startswith("x-kubernetes") and not (key in ("description", "default") and not isinstance(value, dict))}
    if isinstance(kept.get("properties"), dict) and kept.get("type") == "object":
        kept.setdefault("additionalProperties", False)
    return kept


def references(node, found, definitions):
    for value in node if isinstance(node, list) else node.values() if isinstance(node, dict) else ():
        references(value, found, definitions)
    name = node.get("$ref", "").rpartition("/")[2] if isinstance(node, dict) else ""
    if name and name not in found:
        found.add(name)
        references(definitions[name], found, definitions)


def write(name, schema):
    with open(os.path.join(HERE, f"{name}.json"), "w") as file:
        json.dump(schema, file, sort_keys=True, separators=(",", ":"))
        file.write("\n")


def built_in(swagger):
    definitions = {name: {"type": LOOSE[name]} if name in LOOSE else strict(each)
                   for name, each in swagger["definitions"].items()}
    for name, each in swagger["definitions"].items():
        for kind in each.get("x-kubernetes-group-version-kind", []):
            group = "-" + kind["group"].split(".")[0] if kind["group"] else ""
            file = f"{kind['kind'].lower()}{group}-{kind['version']}"
            if file not in KINDS:
                continue
            found = set()
            references(definitions[name], found, definitions)
            schema = json.loads(json.dumps(definitions[name]))
            schema["definitions"] = {other: definitions[other] for other in found}
            schema["properties"]["kind"] = {"enum": [kind["kind"]]}
            schema["properties"]["apiVersion"] = {"enum": [f"{kind['group']}/{kind['version']}".lstrip("/")]}
            schema["required"] = ["apiVersion", "kind", "metadata"]
            write(file, schema)
            yield file


def custom(definition):
    names = definition["spec"]["names"]
    group = definition["spec"]["group"]
    for version in definition["spec"]["versions"]:
        schema = strict(version["schema"]["openAPIV3Schema"])
        schema["properties"]["metadata"] = {"type": "object"}
        schema["properties"]["kind"] = {"enum": [names["kind"]]}
        schema["properties"]["apiVersion"] = {"enum": [f"{group}/{version['name']}"]}
        schema["required"] = ["apiVersion", "kind", "metadata", "spec"]
        write(f"{names['kind'].lower()}-{group.split('.')[0]}-{version['name']}", schema)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    with open(sys.argv[1]) as file:
        made = set(built_in(json.load(file)))
    if missing := set(KINDS) - made:
        sys.exit(f"not in the specification: {sorted(missing)}")
    for path in sys.argv[2:]:
        with open(path) as file:
            custom(yaml.safe_load(file))
