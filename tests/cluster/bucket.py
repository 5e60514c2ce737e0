"""A real S3 server in the cluster's network, with one bucket: versitygw."""

import hashlib
import json
import os
import subprocess

from front import CACHE
from world import ADDRESS, Part, free_port, get, wait_for

VERSITYGW = os.environ.get("VIBED_VERSITYGW") or os.path.join(CACHE, "bin", "versitygw-1.8.0")
ACCESS, SECRET = "testak", "testsecret123"
NAME = "sources"


class Bucket(Part):
    """With `users` there may be others than its administrator."""

    def __init__(self, folder, address=ADDRESS, users=False):
        self.url = f"http://{address}:{free_port()}"
        self.data = os.path.join(folder, "objects")
        facts = os.path.join(folder, "facts")  # beside the objects: not every folder has extended attributes
        accounts = os.path.join(folder, "accounts")
        for each in (self.data, facts, accounts):
            os.mkdir(each)
        flags = ["--iam-dir", accounts, "--iam-cache-disable"] if users else []
        super().__init__("s3", folder, VERSITYGW, "--access", ACCESS, "--secret", SECRET, "--port",
                         self.url.removeprefix("http://"), "--health", "/healthz", "--quiet", *flags, "posix",
                         "--sidecar", facts, self.data)

    def open(self):
        self.start()
        wait_for("the S3 server", self.is_up)
        self.write("")
        return self

    def is_up(self):
        return get(f"{self.url}/healthz")[0] == 200

    def write(self, query, body="", method="PUT"):
        """As its administrator, to the bucket."""
        subprocess.run(["curl", "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                        f"{ACCESS}:{SECRET}", "-H", f"x-amz-content-sha256: {hashlib.sha256(body.encode()).hexdigest()}",
                        "-X", method, "--data-binary", body, f"{self.url}/{NAME}{query}"], check=True,
                       stdout=subprocess.DEVNULL)

    def user(self, what, name, *more):
        """`what` is create-user or delete-user."""
        subprocess.run([VERSITYGW, "admin", "--access", ACCESS, "--secret", SECRET, "--endpoint-url", self.url, what,
                        "--access", name, *more], check=True, stdout=subprocess.DEVNULL)

    def let_in(self, *names):
        """Those users, and nobody else but the administrator, may do everything in the bucket."""
        if not names:
            return self.write("?policy=", method="DELETE")
        places = [f"arn:aws:s3:::{NAME}", f"arn:aws:s3:::{NAME}/*"]
        return self.write("?policy=", json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": names}, "Action": "s3:*", "Resource": places}]}))

    def storage(self, endpoint=None, **more):
        """The part of vibed's configuration that names it; without keys those of the surroundings count."""
        place = {"bucket": NAME, "region": "us-east-1", "endpoint": endpoint or self.url, **more}
        if not endpoint:
            place = {**place, "accessKey": ACCESS, "secretKey": SECRET}
        return {"tarball": {"backend": "s3", "s3": place}}

    def stored_sources(self, app):
        folder = os.path.join(self.data, NAME)
        return [name for name in os.listdir(folder) if name.startswith(f"{app}.")]
