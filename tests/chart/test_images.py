"""The Dockerfiles, as far as they can be judged where no image can be built: nothing here reaches a registry of images."""

import glob
import json
import os
import re
import shlex
import subprocess
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
AGENT = '["/usr/libexec/vibed/vibed-agent"]'


def instructions(path):
    """(INSTRUCTION, rest) of each line, continued ones joined, comments left out."""
    with open(path) as file:
        text = "".join(line for line in file if not line.startswith("#"))
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        if line.strip():
            word, _, rest = line.strip().partition(" ")
            yield word, rest.strip()


def stages(path):
    """The instructions of each stage, which begins with its FROM."""
    found = []
    for word, rest in instructions(path):
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append((word, rest))
    return found


def variables(stage):
    """What the ENV lines of a stage say, read as a shell would read it."""
    return dict(pair.split("=", 1) for word, rest in stage if word == "ENV" for pair in shlex.split(rest))


def value_in(text, key):
    """The value of a top-level key of a small YAML file."""
    found = re.search(rf"(?m)^{key}: *(.*)$", text)
    return found and found[1]


TEMPLATES = sorted(glob.glob(os.path.join(ROOT, "templates", "*", "Dockerfile")))
CADDY = os.path.join(ROOT, "packaging", "caddy.Dockerfile")
PROGRAMS = os.path.join(ROOT, "packaging", "Dockerfile")


class Images(unittest.TestCase):
    def test_every_pool_of_the_chart_has_an_image(self):
        with open(os.path.join(ROOT, "chart", "values.yaml")) as file:
            pools = re.findall(r"repository: vibed-template-([a-z0-9-]+)", file.read())
        self.assertEqual(sorted(pools), [os.path.basename(os.path.dirname(path)) for path in TEMPLATES])

    def test_templates_run_the_agent_as_nobody_in_particular(self):
        for path in TEMPLATES:
            last = stages(path)[-1]
            words = dict(last)
            self.assertEqual(words["ENTRYPOINT"], AGENT, path)
            self.assertEqual(words["USER"], "65532:65532", path)
            self.assertEqual(words["WORKDIR"], "/workspace", path)
            self.assertEqual(words["EXPOSE"], "9000 9080", path)
            self.assertIn(("COPY", "--from=agent /vibed-agent /usr/libexec/vibed/vibed-agent"), last, path)
            self.assertNotIn("CMD", words, path)

    def test_templates_are_what_one_machine_has(self):
        """Language and parked command, which the controller and the start plans go by."""
        for path in TEMPLATES:
            with open(os.path.join(os.path.dirname(path), "local.yaml")) as file:
                local = file.read()
            env = variables(stages(path)[-1])
            self.assertEqual(env["VIBED_TEMPLATE_LANGUAGE"], value_in(local, "language"), path)
            self.assertTrue(env["VIBED_RUNTIME_PROBE"], path)
            parked = value_in(local, "parked")
            told = env.get("VIBED_AGENT_PARKED")
            self.assertEqual(json.loads(told) if told else None,
                             [each.strip() for each in parked.strip("[]").split(",")] if parked else None, path)

    def test_bases_are_named_with_a_version(self):
        for path in (*TEMPLATES, PROGRAMS, CADDY):
            known = set()
            for stage in stages(path):
                base, _, name = stage[0][1].partition(" AS ")
                if base not in known and base not in ("scratch", "${AGENT}", "${DEBIAN}"):
                    self.assertRegex(base, r"^[a-z]+:[0-9][a-z0-9.-]*$", path)
                known.add(name)
            for word, rest in instructions(path):
                if word == "ARG" and rest != "MODULES":
                    self.assertRegex(rest, r"^[A-Z]+=[a-z-]+:[0-9][a-z0-9.-]*$", path)

    def test_caddy_is_of_the_version_that_the_chart_runs(self):
        with open(os.path.join(ROOT, "chart", "values.yaml")) as file:
            tag = re.search(r"repository: caddy\n    tag: (\S+)", file.read())[1]
        build, last = stages(CADDY)
        self.assertEqual(last[0][1], f"caddy:{tag}")
        self.assertEqual(build[0][1], f"caddy:{tag.partition('-')[0]}-builder AS build")
        words = dict(last)
        self.assertEqual(words["USER"], "65532:65532")
        self.assertNotIn("ENTRYPOINT", words, "the chart says what is run")

    def test_caddy_is_built_with_every_module_that_is_named(self):
        """The RUN line by a shell, with an xcaddy that says what it is asked for."""
        line = next(rest for word, rest in stages(CADDY)[0] if word == "RUN")
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (("xcaddy", 'echo "$@"'), ("caddy", "echo $KNOWN")):
                with open(os.path.join(folder, name), "w") as file:
                    file.write(f"#!/bin/sh\n{text}\n")
                os.chmod(file.name, 0o755)

            def run(known):
                return subprocess.run(["sh", "-c", line], capture_output=True, text=True, env={
                    "PATH": f"{folder}:{os.environ['PATH']}", "MODULES": "one.test/a two.test/b@v1", "KNOWN": known})

            self.assertEqual(run("dns.providers.a").stdout.splitlines()[0],
                             "build --with one.test/a --with two.test/b@v1 --output /usr/bin/caddy")
            self.assertEqual(run("dns.providers.a").returncode, 0)
            self.assertNotEqual(run("caddy.storage.b").returncode, 0, "without a module for DNS it is of no use")

    def test_programs_are_copied_from_where_they_are_installed(self):
        targets = {}
        for stage in stages(PROGRAMS):
            targets[stage[0][1].partition(" AS ")[2]] = dict(stage)
        for name in ("vibed", "vibed-controller", "vibed-router"):
            self.assertEqual(targets[name]["ENTRYPOINT"], json.dumps([f"/usr/bin/{name}"]))
            self.assertEqual(targets[name]["COPY"], f"--from=build /out/usr/bin/{name} /usr/bin/{name}")
        self.assertIn("/vibed-agent", targets["vibed-agent"]["COPY"])
        self.assertEqual(targets["base"]["USER"], "65532:65532")

    def test_what_they_are_built_with_is_what_setup_installs(self):
        with open(os.path.join(ROOT, "scripts", "setup")) as file:
            setup = set(re.search(r"build=\((.*?)\)", file.read(), re.S)[1].split())
        build = next(rest for word, rest in instructions(PROGRAMS) if word == "RUN" and "build-essential" in rest)
        wanted = re.search(r"--no-install-recommends (.*?) &&", build)[1].split()
        self.assertLessEqual(set(wanted), setup)
        # Of tests, benchmarks, bindings and git nothing is built in an image.
        self.assertEqual(setup - set(wanted),
                         {"ccache", "git", "libgtest-dev", "libbenchmark-dev", "pybind11-dev", "python3-dev"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
