"""Apps that listen elsewhere, late, never, or not for long."""

import os
import time

from harness import APPS, E2E, from_folder, main, request, wait_for


def app(name):
    return from_folder(os.path.join(APPS, name))


def env(**values):
    return [{"name": name, "value": str(value)} for name, value in values.items()]


class Listening(E2E):
    config = "deployment: {readyTimeout: 5s}\n"
    disabled = ("go-123", "python-313", "base-al2023")

    def listens(self, name, expected, **values):
        url = self.vibed.deploy(name, app("listener"), env=env(**values))
        self.assertEqual(self.get(url).text, f"listening on {expected}")
        self.assertEqual(self.post(url, "/", b"x" * 10_000).status, 200)

    def test_on_port_3000(self):
        self.listens("on-3000", ":: 3000", AT_PORT=3000)

    def test_on_127_0_0_1(self):
        self.listens("on-v4", "127.0.0.1 8080", AT_HOST="127.0.0.1")

    def test_on_127_0_0_1_port_3000(self):
        self.listens("on-v4-3000", "127.0.0.1 3000", AT_HOST="127.0.0.1", AT_PORT=3000)

    def test_on_localhost(self):
        url = self.vibed.deploy("on-localhost", app("listener"), env=env(AT_HOST="localhost"))
        self.assertRegex(self.get(url).text, r"^listening on (127\.0\.0\.1|::1) 8080$")

    def test_on_ipv6_only(self):
        self.listens("on-v6", "::1 8080", AT_HOST="::1")

    def test_on_ipv6_port_5000(self):
        self.listens("on-v6-5000", "::1 5000", AT_HOST="::1", AT_PORT=5000)

    def test_after_three_seconds(self):
        start = time.monotonic()
        self.listens("late", ":: 8080", AFTER_MS=3000)
        self.assertGreater(time.monotonic() - start, 3)

    def test_never(self):
        start = time.monotonic()
        answer = self.vibed.post_deploy("never", app("never"))
        self.assertLess(time.monotonic() - start, 12)
        self.assertEqual((answer.status, answer.json["phase"], answer.json["reason"]),
                         (202, "Failed", "NotListening"), answer)
        self.assertIn("$PORT", answer.json["message"])
        self.assertEqual(answer.json["status_url"], "/v1/apps/never")
        wait_for(lambda: "never" not in self.vibed.claimed(), "its sandbox is released")

    def test_not_at_all_because_it_crashes_at_once(self):
        start = time.monotonic()
        answer = self.vibed.post_deploy("crash", app("crash"))
        self.assertLess(time.monotonic() - start, 4)
        self.assertEqual((answer.status, answer.json["phase"], answer.json["reason"]),
                         (202, "Failed", "AppExited"), answer)
        self.assertIn("cannot open the cupboard", answer.json["message"])
        wait_for(lambda: "crash" not in self.vibed.claimed(), "its sandbox is released")

    def test_a_failed_app_has_a_page_that_says_so(self):
        self.vibed.post_deploy("crash-page", app("crash"))
        port = self.vibed.apps.rsplit(":", 1)[1]
        label = self.label_of("crash-page")
        answer = request("GET", self.vibed.apps, host=f"{label}.localhost:{port}",
                         headers={"Accept": "application/json"})
        self.assertEqual(answer.status, 502, answer)

    def label_of(self, name):
        import base64
        import hashlib
        digest = hashlib.sha256(f"vibed-apps/{name}".encode()).digest()[:8]
        return base64.b32hexencode(digest).decode().lower()[:12]

    def test_again_after_a_crash(self):
        url = self.vibed.deploy("crash-later", app("crash-later"))
        first = self.get(url).text
        self.get(url, "/crash")
        answer = wait_for(lambda: (a := self.get(url)).status == 200 and a, "it serves again")
        self.assertNotEqual(answer.text, "")
        self.assertEqual(self.wait_for_phase("crash-later", "Ready")["reason"], "Running")
        self.assertTrue(first)

    def test_not_any_more_after_five_crashes(self):
        url = self.vibed.deploy("crash-loop", app("crash-later"))

        def crashed():
            answer = self.get(url, "/crash")
            return answer.status == 502 and self.vibed.app("crash-loop")["phase"] == "Failed"

        wait_for(crashed, lambda: f"it is given up: {self.vibed.app('crash-loop')}", 60)
        state = self.vibed.app("crash-loop")
        self.assertEqual(state["reason"], "CrashLoop")
        self.assertIn("asked to crash", state["message"])
        wait_for(lambda: "crash-loop" not in self.vibed.claimed(), "its sandbox is released")


if __name__ == "__main__":
    main()
