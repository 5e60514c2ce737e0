"""The Python package vibed, from the side of a Python program."""

import os
import tempfile
import threading
import unittest
from pathlib import Path

import vibed

EXAMPLES = Path(os.environ["VIBED_EXAMPLES"])
CONFIG = """
server: {httpAddr: '127.0.0.1:0'}
apps: {listen: '127.0.0.1:0'}
pool: {disabled: [node-24, python-313, go-123, base-al2023]}
"""


class Classify(unittest.TestCase):
    def test_a_folder_of_pages_is_static(self):
        found = vibed.classify(EXAMPLES / "static")
        self.assertEqual((found["lane"], found["template"]), ("fast", "static-nginx"))

    def test_a_path_may_be_text(self):
        self.assertEqual(vibed.classify(str(EXAMPLES / "static"))["rule"], 1)

    def test_what_the_caller_says_wins(self):
        found = vibed.classify(EXAMPLES / "static", lane="general", template="node-24")
        self.assertEqual((found["lane"], found["template"]), ("general", "node-24"))

    def test_no_such_path_is_not_found(self):
        with self.assertRaises(vibed.NotFoundError) as raised:
            vibed.classify("/no/such/folder")
        self.assertEqual(raised.exception.code, "not_found")
        self.assertIsInstance(raised.exception, vibed.Error)

    def test_no_archive_is_an_invalid_argument_with_its_reason(self):
        with self.assertRaises(vibed.InvalidArgumentError) as raised:
            vibed.classify_bytes(b"no gzip")
        self.assertEqual(raised.exception.reason, "bad_archive")

    def test_an_unknown_lane_is_an_invalid_argument(self):
        with self.assertRaises(vibed.InvalidArgumentError):
            vibed.classify(EXAMPLES / "static", lane="slow")

    def test_many_threads_may_ask_at_once(self):
        found, failed = [], []

        def ask():
            try:
                found.append(vibed.classify(EXAMPLES / "static")["template"])
            except Exception as error:  # a failing thread does not fail a test by itself
                failed.append(error)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])
        self.assertEqual(found, ["static-nginx"] * 8)


@unittest.skipUnless("VIBED_AGENT" in os.environ, "built without the engine")
class Engine(unittest.TestCase):
    def open(self, data, **more):
        return vibed.Engine.open(
            data,
            config=CONFIG,
            agent=os.environ["VIBED_AGENT"],
            templates=os.environ["VIBED_TEMPLATES"],
            **more,
        )

    def test_deploys_lists_and_removes(self):
        seen = []
        with tempfile.TemporaryDirectory(prefix="vibed-py-", dir="/tmp") as data:
            with self.open(data, progress=seen.append) as engine:
                app = engine.deploy(EXAMPLES / "static", "site")
                self.assertEqual(app["phase"], "Ready", app)
                self.assertEqual([one["app_id"] for one in engine.list()], ["site"])
                self.assertEqual(engine.get("site")["url"], app["url"])
                with self.assertRaises(vibed.InvalidArgumentError):
                    engine.deploy(EXAMPLES / "static", "-")
                engine.remove("site")
                with self.assertRaises(vibed.NotFoundError):
                    engine.get("site")
            with self.assertRaises(vibed.Error):
                engine.list()
        self.assertTrue(seen)

    def test_a_wrong_configuration_names_its_key(self):
        with self.assertRaises(vibed.InvalidArgumentError) as raised:
            vibed.Engine.open("/tmp/vibed-never", config="serwer: {}")
        self.assertIn("serwer", str(raised.exception))


if __name__ == "__main__":
    unittest.main()
