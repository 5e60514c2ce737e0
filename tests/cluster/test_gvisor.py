"""The whole flow in sandboxes of gVisor: every test of test_flow.py, with templates of RuntimeClass gvisor."""

import sys
import unittest

import test_flow
from front import need_programs
from world import kubectl, objects


class FlowInGvisor(test_flow.Flow):
    runtime = "gvisor"

    def test_0_sandboxes_are_of_gvisor(self):
        self.install.deploy("kernel", {"requirements.txt": "", "main.py": test_flow.PYTHON_APP.replace(
            'b"python"', 'open("/proc/version", "rb").read()')})
        status, text = self.install.ask("kernel")
        print(f"an app's kernel: {text.strip()}", file=sys.stderr)
        self.assertEqual(status, 200, text)
        with open("/proc/version") as ours:
            self.assertNotEqual(text, ours.read())
        self.assertIn("Linux version", text)
        self.assertEqual({each["spec"].get("runtimeClassName") for each in objects("pod")}, {"gvisor"})


if __name__ == "__main__":
    need_programs()
    if not kubectl("get", "runtimeclass", "gvisor", "--ignore-not-found"):
        print("skipped: this cluster has no gVisor; CLUSTER_GVISOR=1 tests/cluster/build adds it", file=sys.stderr)
        sys.exit()
    unittest.main(verbosity=2)
