"""A real S3 server in the cluster's network, with one bucket: versitygw."""

import hashlib
import os
import subprocess

from front import CACHE
from world import ADDRESS, Part, free_port, get, wait_for

VERSITYGW = os.environ.get("VIBED_VERSITYGW") or os.path.join(CACHE, "bin", "versitygw-1.8.0")
ACCESS, SECRET = "testak", "testsecret123"
NAME = "sources"


class Bucket(Part):
    def __init__(self, folder, address=ADDRESS):
        self.url = f"http://{address}:{free_port()}"
        self.data = os.path.join(folder, "objects")
        facts = os.path.join(folder, "facts")  # beside the objects: not every folder has extended attributes
        for each in (self.data, facts):
            os.mkdir(each)
        super().__init__("s3", folder, VERSITYGW, "--access", ACCESS, "--secret", SECRET, "--port",
                         self.url.removeprefix("http://"), "--health", "/healthz", "--quiet", "posix", "--sidecar",
                         facts, self.data)

    def open(self):
        self.start()
        wait_for("the S3 server", self.is_up)
        subprocess.run(["curl", "-sS", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", f"{ACCESS}:{SECRET}",
                        "-H", f"x-amz-content-sha256: {hashlib.sha256().hexdigest()}", "-X", "PUT",
                        f"{self.url}/{NAME}"], check=True)
        return self

    def is_up(self):
        return get(f"{self.url}/healthz")[0] == 200

    def storage(self):
        """The part of vibed's configuration that names it."""
        return {"tarball": {"backend": "s3", "s3": {"bucket": NAME, "region": "us-east-1", "endpoint": self.url,
                                                    "accessKey": ACCESS, "secretKey": SECRET}}}

    def stored_sources(self, app):
        folder = os.path.join(self.data, NAME)
        return [name for name in os.listdir(folder) if name.startswith(f"{app}.")]
