"""A test case with one vibed for all its tests."""

import os
import sys
import unittest

from .http import request
from .server import BINARY, Vibed, wait_for


class E2E(unittest.TestCase):
    """Set `config` to the text of a vibed.yaml, `disabled` to templates that are not needed."""

    config = ""
    disabled = ("go-123",)
    vibed: Vibed

    @classmethod
    def setUpClass(cls):
        pool = f"pool: {{disabled: [{', '.join(cls.disabled)}]}}\n" if cls.disabled else ""
        cls.vibed = Vibed(cls.config + pool)
        cls.addClassCleanup(cls.vibed.discard)
        cls.vibed.start()

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(self.vibed.log(), file=sys.stderr)

    def get(self, url, path="/", **more):
        return request("GET", url.rstrip("/") + path, **more)

    def post(self, url, path="/", body=b"", **more):
        return request("POST", url.rstrip("/") + path, body, **more)

    def wait_for_phase(self, name, phase, seconds=20):
        wait_for(lambda: self.vibed.app(name).get("phase") == phase,
                 lambda: f"{name} {phase}: {self.vibed.app(name)}", seconds)
        return self.vibed.app(name)


def main():
    if not os.access(BINARY, os.X_OK):
        sys.exit(f"VIBED_BIN: there is no {BINARY}")
    unittest.main(verbosity=2)
