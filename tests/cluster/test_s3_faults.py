"""What goes wrong with a bucket, in the whole flow: what who deploys is told, what is left of it, what runs on, what heals."""

import contextlib
import json
import os
import re
import secrets
import subprocess
import sys
import time
import unittest

from bucket import NAME, VERSITYGW, Bucket
from front import InstallTest, need_programs
from store_proxy import CredentialService, StoreProxy
from world import await_app, get, is_in, kubectl, need, objects, read_app, tar_gz, wait_for

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"


def page(text):
    return {"index.html": text}


class BucketTest(InstallTest):
    """An installation whose bucket is behind a proxy, and whose credentials are temporary."""

    sizes = {"static-nginx": 3}
    delivery = "push"
    place = {}  # further keys of storage.tarball.s3

    @classmethod
    def open(cls, name, **options):
        # A disk of its own, which can be full.
        disk = os.path.join(cls.folder, "disk")
        os.mkdir(disk)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", disk], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", "--lazy", disk], check=True)
        cls.disk = disk
        cls.bucket = Bucket(disk, users=True).open()
        cls.addClassCleanup(cls.bucket.end)
        cls.proxy = StoreProxy(cls.bucket.url)
        cls.addClassCleanup(cls.proxy.end)
        cls.service = CredentialService()
        cls.addClassCleanup(cls.service.end)
        cls.renew("first")
        storage = cls.bucket.storage(cls.proxy.url, **cls.place)
        storage["tarball"]["delivery"] = cls.delivery
        cls.clock = os.path.join(cls.folder, "clock")
        cls.set_clock("+0")
        environment = {**cls.service.variables(), "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": cls.clock,
                       "FAKETIME_NO_CACHE": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        return super().open(name, storage=storage, environment=environment, **options)

    @classmethod
    def set_clock(cls, offset):
        """The clock of vibed's programs, and of nobody else's."""
        with open(f"{cls.clock}.new", "w") as file:
            file.write(f"{offset}\n")
        os.rename(f"{cls.clock}.new", cls.clock)

    @classmethod
    def renew(cls, name):
        """Other credentials, as the next that vibed is given."""
        secret = secrets.token_hex(16)
        cls.bucket.user("create-user", name, "--secret", secret, "--role", "user")
        cls.bucket.let_in(name)
        cls.service.keys = (name, secret)

    def version(self, app, text):
        self.install.deploy(app, page(text))
        self.assertEqual(self.install.ask(app), (200, text))


class Troubles(BucketTest):
    def trouble(self, status, code, word, cause, cure, reads=False):
        """`cause` makes every write to the bucket fail, and but for `reads` every read. `cure` ends that."""
        name = code.replace("_", "-")
        for app in (f"a-{name}", f"b-{name}"):
            self.version(app, "one")
            self.version(app, "two")
        self.install.vibed("suspend", f"b-{name}")
        cause()
        try:
            self.while_it_lasts(name, status, code, word, reads)
        finally:
            cure()
        began = time.monotonic()
        for app in (f"a-{name}", f"b-{name}"):
            await_app(app, seconds=90)
            wait_for(f"{app} answers", lambda app=app: self.install.ask(app) == (200, "two"), 30)
        print(f"{code}: healed after {time.monotonic() - began:.1f} s", file=sys.stderr)
        self.install.vibed("rollback", f"a-{name}")
        self.assertEqual(self.install.ask(f"a-{name}"), (200, "one"))
        self.version(f"new-{name}", "new")
        for app in (f"a-{name}", f"b-{name}", f"new-{name}"):
            self.install.vibed("rm", app)
            wait_for("the sources are gone", lambda app=app: not self.bucket.stored_sources(app))

    def while_it_lasts(self, name, status, code, word, reads):
        seen = self.install.upload(f"new-{name}", tar_gz(page("new")))
        print(f"{code}: {seen}", file=sys.stderr)
        self.assertEqual((seen[0], seen[1]["code"]), (status, code))
        self.assertRegex(seen[1]["message"], word)
        exit_status, text = self.install.deploy(f"a-{name}", page("three"), check=False)
        self.assertEqual(exit_status, 1, text)
        self.assertRegex(text, word)
        self.nothing_is_left_of(f"new-{name}")
        self.assertEqual(self.install.ask(f"a-{name}"), (200, "two"))
        record = read_app(f"a-{name}")
        self.assertEqual(record["status"]["observedGeneration"], record["metadata"]["generation"])
        self.assertEqual(len(self.bucket.stored_sources(f"a-{name}")), 2)
        # What needs a source again: has it, or waits and says so.
        self.assertEqual(self.install.call("POST", f"/v1/apps/b-{name}/resume")[0], 202)  # the command line would wait
        if reads:
            return await_app(f"b-{name}")
        self.lose_sandbox(f"a-{name}")
        for app in (f"a-{name}", f"b-{name}"):
            wait_for(f"{app} says why it waits", lambda app=app: word_in(word, read_app(app)), 60)
            self.assertEqual(read_app(app)["status"]["phase"], "Starting")

    def nothing_is_left_of(self, app):
        self.assertIsNone(read_app(app))
        self.assertEqual(self.bucket.stored_sources(app), [])
        self.assertEqual(objects("sandboxclaim", f"vibed.dev/app={app}"), [])
        self.assertEqual(objects("service", f"vibed.dev/app={app}"), [])
        self.assertEqual(self.install.ask(app)[0], 404)

    def lose_sandbox(self, app):
        for claim in objects("sandboxclaim", f"vibed.dev/app={app}"):
            kubectl("-n", self.install.space, "delete", "sandboxclaim", claim["metadata"]["name"], "--wait=false")

    def test_1_credentials_that_have_expired(self):
        self.trouble(503, "storage_credentials", "renew them.*ExpiredToken", lambda: self.proxy.expired.add("first"),
                     lambda: self.renew("second"))

    def test_2_credentials_that_were_revoked(self):
        now = self.service.keys[0]
        self.trouble(503, "storage_credentials", "renew them.*InvalidAccessKeyId",
                     lambda: self.bucket.user("delete-user", now), lambda: self.renew("third"))

    def test_3_a_bucket_that_denies(self):
        now = self.service.keys[0]
        self.trouble(503, "storage_denied", f"bucket {NAME} refuses s3:.*AccessDenied", self.bucket.let_in,
                     lambda: self.bucket.let_in(now))

    def test_4_a_bucket_that_is_full(self):
        filler = os.path.join(self.disk, "filler")

        def fill():
            with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
                while file.write(b"x" * 4096):
                    pass

        self.trouble(507, "storage_full", "make room", fill, lambda: os.remove(filler), reads=True)

    def test_5_a_clock_that_is_wrong_and_a_store_that_does_not_tell_the_time(self):
        def change(offset, dates):
            self.proxy.dates = dates
            self.set_clock(offset)

        for offset in ("+1h", "-1h"):
            with self.subTest(offset):
                self.trouble(503, "storage_clock_skew", "clock is wrong; set it", lambda: change(offset, False),
                             lambda: change("+0", True))

    def test_6_a_clock_that_is_wrong_does_no_harm_where_the_others_tell_the_time(self):
        self.version("wrong", "one")
        for offset in ("+1h", "-1h"):
            self.set_clock(offset)
            try:
                self.version("wrong", "two")
                self.install.vibed("rollback", "wrong")
                self.assertEqual(self.install.ask("wrong"), (200, "one"))
                self.install.vibed("suspend", "wrong")
                self.install.vibed("resume", "wrong")
                self.assertEqual(self.install.ask("wrong"), (200, "one"))
                self.spares_stay()
            finally:
                self.set_clock("+0")
        self.assertIn("clock differs from the source store's", self.install.api.log(), "it was off")
        self.assertIn("clock differs from the API server's", self.install.controllers[0].log())
        self.version("wrong", "three")

    def spares_stay(self):
        """agent-sandbox ends a spare by its own clock: one that vibed's clock says is new may be over, or the other way round."""
        self.install.await_spares()
        before = self.spare_names()
        time.sleep(5)
        self.assertEqual(self.spare_names(), before)

    def spare_names(self):
        return {each["metadata"]["name"] for each in objects("sandboxclaim", "vibed.dev/spare", self.install.space)}


def word_in(word, record):
    return re.search(word, json.dumps((record or {}).get("status", {}))) is not None


class TroublesOfWhoPulls(Troubles):
    """The same where sandboxes fetch their sources themselves."""

    delivery = "pull"


class ShortUrls(BucketTest):
    """Sandboxes pull from URLs that are good for a minute, the shortest that may be set."""

    delivery = "pull"
    place = {"presignTTL": "1m"}

    def test_urls_are_dead_and_apps_come_back(self):
        for app in ("sleeper", "steady"):
            self.version(app, "one")
            self.version(app, "two")
        pulled = [path for method, path, status in self.proxy.seen
                  if method == "GET" and "X-Amz-Signature" in path and status == 200]
        self.assertGreaterEqual(len(pulled), 4)
        self.assertEqual(get(self.proxy.url + pulled[-1])[0], 200, "still good")
        self.install.vibed("suspend", "sleeper")
        time.sleep(62)
        for path in pulled:
            status, text = get(self.proxy.url + path)
            self.assertEqual(status, 403, text)
        self.install.vibed("resume", "sleeper")
        self.assertEqual(self.install.ask("sleeper"), (200, "two"))
        self.install.vibed("rollback", "steady")
        self.assertEqual(self.install.ask("steady"), (200, "one"))
        claim = objects("sandboxclaim", "vibed.dev/app=steady")[0]["metadata"]
        kubectl("-n", self.install.space, "delete", "sandboxclaim", claim["name"], "--wait=false")
        wait_for("another sandbox", lambda: claim["uid"] not in {
            each["metadata"]["uid"] for each in objects("sandboxclaim", "vibed.dev/app=steady")}
            and is_in("steady", "Ready"), 60)
        wait_for("it answers", lambda: self.install.ask("steady") == (200, "one"))


if __name__ == "__main__":
    need_programs()
    need(VERSITYGW, "s3")
    if not os.access(FAKETIME, os.R_OK):
        sys.exit(f"there is no {FAKETIME}: apt-get install libfaketime")
    unittest.main(verbosity=2)
