"""The processes of one vibed, told from everybody else's by its data folder."""

import json
import os
import signal


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def _stat(pid):
    """(parent, start time) or None."""
    text = _read(f"/proc/{pid}/stat")
    if not text:
        return None
    fields = text[text.rindex(b")") + 2:].split()
    if fields[0] == b"Z":
        return None
    return int(fields[1]), int(fields[19])


def _pids():
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


class Processes:
    def __init__(self, data, root):
        self.data = data  # the data folder
        self.root = root  # the pid of `vibed up`

    def records(self):
        """What run/sandboxes/*/state.json say."""
        folder = os.path.join(self.data, "run", "sandboxes")
        found = []
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            text = _read(os.path.join(folder, name, "state.json"))
            if text:
                found.append(json.loads(text))
        return found

    def record_of(self, app):
        """Of the sandbox with the newest generation of `app`."""
        ours = [record for record in self.records() if record.get("app") == app]
        if not ours:
            raise AssertionError(f"no sandbox of {app}: {self.records()}")
        return max(ours, key=lambda record: record["generation"])

    def all(self):
        """{pid: start time} of vibed and of everything that it has started and that lives."""
        needle = self.data.encode()
        children, roots, starts = {}, {self.root}, {}
        for record in self.records():
            roots.update(record[key] for key in ("pid", "outerPid") if record[key])
        for pid in _pids():
            stat = _stat(pid)
            if stat is None:
                continue
            children.setdefault(stat[0], []).append(pid)
            starts[pid] = stat[1]
            if needle in _read(f"/proc/{pid}/cmdline") or needle in _read(f"/proc/{pid}/environ"):
                roots.add(pid)
        roots.discard(os.getpid())
        found, queue = {}, list(roots)
        while queue:
            pid = queue.pop()
            if pid in found or pid not in starts:
                continue
            found[pid] = starts[pid]
            queue += children.get(pid, [])
        return found

    def caddy(self):
        for pid in self.all():
            if b"caddy" in os.path.basename(_read(f"/proc/{pid}/cmdline").split(b"\0")[0]):
                return pid
        raise AssertionError("no caddy")

    @staticmethod
    def alive(processes):
        """Those of {pid: start time} that still live."""
        living = {}
        for pid, start in processes.items():
            stat = _stat(pid)
            if stat is not None and stat[1] == start:
                name = _read(f"/proc/{pid}/cmdline").replace(b"\0", b" ").decode(errors="replace")
                living[pid] = name.strip() or _read(f"/proc/{pid}/comm").decode().strip()
        return living

    @staticmethod
    def end(processes):
        """Kills those of {pid: start time} that still live."""
        for pid in Processes.alive(processes):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
