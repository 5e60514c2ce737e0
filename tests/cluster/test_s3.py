"""The whole flow with sources in a bucket: every test of test_flow.py, on a real S3 server in the cluster's network."""

import os
import sys
import unittest

import test_flow
from bucket import VERSITYGW, Bucket
from front import need_programs
from world import need, wait_for


class FlowThroughABucket(test_flow.Flow):
    @classmethod
    def open(cls, name, **options):
        cls.bucket = Bucket(cls.folder).open()
        cls.addClassCleanup(cls.bucket.end)
        return super().open(name, storage=cls.bucket.storage(), **options)

    def stored_sources(self, app):
        return self.bucket.stored_sources(app)

    def test_8_what_is_in_the_bucket_is_what_records_name(self):
        self.install.deploy("kept", {"index.html": "one"})
        self.install.deploy("kept", {"index.html": "two"})
        self.assertEqual(len(self.stored_sources("kept")), 2)
        self.assertFalse(os.listdir(os.path.join(self.install.folder, "data", "sources"))
                         if os.path.isdir(os.path.join(self.install.folder, "data", "sources")) else [])
        self.install.vibed("rollback", "kept")
        self.assertEqual(self.install.ask("kept"), (200, "one"))
        self.install.vibed("rm", "kept")
        wait_for("the sources are gone", lambda: not self.stored_sources("kept"))

    def test_9_a_bucket_that_is_away_fails_a_deploy_with_a_reason_and_nothing_else(self):
        self.install.deploy("steady", {"index.html": "steady"})
        self.bucket.end()
        try:
            status, text = self.install.deploy("steady", {"index.html": "newer"}, check=False)
            self.assertEqual(status, 1, text)
            print(f"no S3 server: {text.strip()}", file=sys.stderr)
            self.assertRegex(text, "(?i)source|store|bucket|s3")
            self.assertEqual(self.install.ask("steady"), (200, "steady"))
        finally:
            self.bucket.start()
        wait_for("the S3 server", self.bucket.is_up)
        self.install.deploy("steady", {"index.html": "newer"})
        self.assertEqual(self.install.ask("steady"), (200, "newer"))


if __name__ == "__main__":
    need_programs()
    need(VERSITYGW, "s3")
    unittest.main(verbosity=2)
