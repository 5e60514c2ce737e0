"""Sources that sandboxes fetch themselves: from a bucket by a signed URL, from the API, and from where they cannot."""

import sys
import unittest

from bucket import VERSITYGW, Bucket
from front import InstallTest, need_programs
from test_flow import PYTHON_APP
from world import ADDRESS, need


class Pull(InstallTest):
    """From the API, which serves them."""

    sizes = {"static-nginx": 2, "python-313": 2}
    bucket_at = None

    @classmethod
    def open(cls, name, **options):
        storage = {"tarball": {}}
        if cls.bucket_at:
            cls.bucket = Bucket(cls.folder, cls.bucket_at).open()
            cls.addClassCleanup(cls.bucket.end)
            storage = cls.bucket.storage()
        storage["tarball"]["delivery"] = "pull"
        return super().open(name, storage=storage, **options)

    def test_a_deploy_and_a_redeploy(self):
        self.install.deploy("site", {"index.html": "one"})
        self.assertEqual(self.install.ask("site"), (200, "one"))
        self.install.deploy("site", {"index.html": "two"})
        self.assertEqual(self.install.ask("site"), (200, "two"))
        self.install.vibed("rollback", "site")
        self.assertEqual(self.install.ask("site"), (200, "one"))
        self.install.deploy("api", {"requirements.txt": "", "main.py": PYTHON_APP})
        self.assertEqual(self.install.ask("api"), (200, "python"))
        self.install.vibed("suspend", "site")
        self.install.vibed("resume", "site")
        self.assertEqual(self.install.ask("site"), (200, "one"))


class PullFromABucket(Pull):
    bucket_at = ADDRESS


class PullFromWhereSandboxesCannotGo(Pull):
    """The API and the controller reach the bucket, the pods do not: it is at the machine's own loopback."""

    bucket_at = "127.0.0.1"

    def test_a_deploy_and_a_redeploy(self):
        status, text = self.install.deploy("site", {"index.html": "one"}, check=False)
        print(f"a bucket out of reach: {text.strip()}", file=sys.stderr)
        self.assertEqual(status, 1, text)
        self.assertIn("source dial to 127.0.0.1 is not allowed", text)
        self.assertNotIn("X-Amz-Signature", text)


if __name__ == "__main__":
    need_programs()
    need(VERSITYGW, "s3")
    unittest.main(verbosity=2)
