# An app that tries to get out. GET /<probe>?<argument> tries one thing and answers with a JSON object:
# "escaped" lists what worked and should not have, "seen" is for the test to judge.
import ctypes, errno, http.server, json, mmap, os, resource, signal, socket, stat, struct, subprocess, sys, time
import urllib.parse

libc = ctypes.CDLL(None, use_errno=True)
STARTED_WITH = {fd: os.readlink("/proc/self/fd/" + fd) for fd in os.listdir("/proc/self/fd")
                if os.path.exists("/proc/self/fd/" + fd)}


def call(name, number, *arguments):
    """What a raw system call says: None, or the name of its error."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    return None if result != -1 else errno.errorcode.get(ctypes.get_errno(), "?")


def worked(attempts):
    """The names of those (name, function) that did not raise."""
    result = []
    for name, attempt in attempts:
        try:
            attempt()
            result.append(name)
        except (OSError, MemoryError):
            pass
    return result


def processes(_):
    seen = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            seen[pid] = open("/proc/%s/cmdline" % pid).read().replace("\0", " ").strip()
        except OSError as error:
            seen[pid] = "?" + str(error.errno)
    return {"escaped": [], "seen": seen}


def read_paths(argument):
    def look(path):
        if os.path.isdir(path):
            return lambda: os.listdir(path)
        return lambda: open(path, "rb").read(1) if not stat.S_ISSOCK(os.stat(path).st_mode) else None
    return {"escaped": worked([(path, look(path)) for path in argument.split(",")])}


def connect_paths(argument):
    def dial(path):
        def attempt():
            with socket.socket(socket.AF_UNIX) as s:
                s.settimeout(2)
                s.connect(path)
        return attempt
    return {"escaped": worked([(path, dial(path)) for path in argument.split(",")])}


def write_paths(_):
    folders = ["/", "/etc", "/usr", "/usr/bin", "/var", "/vibed", "/vibed/bin", "/dev", "/proc", "/proc/sys/kernel"]
    files = ["/proc/sys/kernel/hostname", "/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/vibed/agent",
             "/etc/passwd", "/proc/1/oom_score_adj", "/proc/1/mem", "/proc/sys/user/max_user_namespaces"]
    attempts = [(f, lambda f=f: open(f + "/probe", "w").close()) for f in folders]
    attempts += [(f, lambda f=f: open(f, "r+b", buffering=0).write(b"1")) for f in files]
    return {"escaped": worked(attempts)}


def descriptors(_):
    return {"escaped": [], "seen": STARTED_WITH}


def network(argument):
    port = int(argument)

    def tcp(address):
        def attempt():
            with socket.create_connection(address, timeout=2):
                pass
        return attempt

    def udp():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.sendto(b"x", ("192.0.2.1", 53))

    attempts = [("host loopback", tcp(("127.0.0.1", port))), ("metadata", tcp(("169.254.169.254", 80))),
                ("metadata6", tcp(("fd00:ec2::254", 80))), ("internet", tcp(("192.0.2.1", 80))), ("udp", udp),
                ("names", lambda: socket.getaddrinfo("example.com", 80)),
                ("raw", lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)),
                ("packet", lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW)),
                ("vsock", lambda: socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)),
                ("netlink diagnostics", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4)),
                ("netlink audit", lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 9))]
    localhost = {info[4][0] for info in socket.getaddrinfo("localhost", 80)}
    return {"escaped": worked(attempts), "seen": {"interfaces": [n for _, n in socket.if_nameindex()],
                                                  "localhost": sorted(localhost)}}


def fork_bomb(_):
    children, refused = [], None
    while len(children) < 4000:
        try:
            pid = os.fork()
        except OSError as error:
            refused = error.errno
            break
        if pid == 0:
            signal.pause()
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.kill(pid, signal.SIGKILL)
    for pid in children:
        os.waitpid(pid, 0)
    return {"escaped": [] if refused == errno.EAGAIN else ["forked"], "seen": {"forks": len(children)}}


def fill_disk(argument):
    limit, block, seen = int(argument), b"x" * (1 << 20), {}
    for folder in ["/workspace", "/tmp", "/dev/shm"]:
        written, path = 0, folder + "/fill"
        try:
            with open(path, "wb", buffering=0) as file:
                while written < limit:
                    written += file.write(block)
        except OSError as error:
            seen[folder] = [written, errno.errorcode[error.errno]]
        if os.path.exists(path):
            os.unlink(path)
    full = all(seen.get(f, [0, ""])[1] == "ENOSPC" for f in ["/workspace", "/tmp", "/dev/shm"])
    return {"escaped": [] if full else ["disk"], "seen": seen}


def exhaust_memory(argument):
    wanted = int(argument)
    pid = os.fork()
    if pid == 0:
        held = []
        try:
            while len(held) << 24 < wanted:
                held.append(bytearray(os.urandom(1) * (1 << 24)))
        except MemoryError:
            os._exit(12)
        os._exit(0)
    _, status = os.waitpid(pid, 0)
    return {"escaped": [] if status != 0 else ["memory"], "seen": {"status": status}}


def trace(_):
    escaped = []
    for name, request in [("attach", 16), ("seize", 0x4206)]:
        if call(name, 101, request, 1, 0, 0) is None:
            escaped.append(name)
    buffer = ctypes.create_string_buffer(8)
    vector = struct.pack("QQ", ctypes.addressof(buffer), 8)
    if call("process_vm_readv", 310, 1, ctypes.c_char_p(vector), 1, ctypes.c_char_p(vector), 1, 0) is None:
        escaped.append("process_vm_readv")
    escaped += worked([("/proc/1/" + name, lambda name=name: open("/proc/1/" + name, "rb").read(1))
                       for name in ["mem", "environ", "maps", "auxv", "stack", "syscall"]])
    escaped += worked([("/proc/1/fd", lambda: os.listdir("/proc/1/fd")), ("/proc/1/root", lambda: os.listdir("/proc/1/root")),
                       ("/proc/1/cwd", lambda: os.listdir("/proc/1/cwd"))])
    pidfd = libc.syscall(434, 1, 0)
    if pidfd >= 0:
        for fd in range(20):
            if call("pidfd_getfd", 438, pidfd, fd, 0) is None:
                escaped.append("pidfd_getfd %d" % fd)
        os.close(pidfd)
    return {"escaped": escaped}


def privileges(_):
    escaped = []
    calls = [("mount", 165, b"tmpfs", b"/tmp", b"tmpfs", 0, 0), ("umount2", 166, b"/workspace", 2),
             ("pivot_root", 155, b"/", b"/tmp"), ("chroot", 161, b"/tmp"), ("fsopen", 430, b"tmpfs", 0),
             ("open_tree", 428, -100, b"/", 1), ("move_mount", 429, -100, b"/tmp", -100, b"/workspace", 0),
             ("add_key", 248, b"user", b"probe", b"x", 1, -3), ("request_key", 249, b"user", b"probe", 0, -3),
             ("keyctl", 250, 0, -3, 0), ("bpf", 321, 5, 0, 0), ("perf_event_open", 298, 0, 0, -1, -1, 0),
             ("userfaultfd", 323, 0), ("io_uring_setup", 425, 1, ctypes.create_string_buffer(120)),
             ("kexec_load", 246, 0, 0, 0, 0), ("init_module", 175, b"x", 1, b""), ("reboot", 169, 1, 2, 3, 0),
             ("swapon", 167, b"/tmp/x", 0), ("sethostname", 170, b"x", 1), ("settimeofday", 164, 0, b"\0" * 8),
             ("acct", 163, b"/tmp/x"), ("setuid", 105, 0), ("setgid", 106, 0), ("setgroups", 116, 0, 0),
             ("mknod", 133, b"/tmp/null", 0o20666, 0x103), ("open_by_handle_at", 304, -100, b"\0" * 16, 0),
             ("iopl", 172, 3), ("syslog", 103, 3, ctypes.create_string_buffer(16), 16), ("quotactl", 179, 0, 0, 0, 0)]
    for name, number, *arguments in calls:
        arguments = [ctypes.c_char_p(a) if isinstance(a, bytes) else a for a in arguments]
        if call(name, number, *arguments) is None:
            escaped.append(name)
    for name, flag in [("user", 0x10000000), ("mount", 0x20000), ("net", 0x40000000), ("pid", 0x20000000),
                       ("ipc", 0x8000000), ("uts", 0x4000000), ("cgroup", 0x2000000), ("time", 0x80)]:
        if call("unshare", 272, flag) is None:
            escaped.append("unshare " + name)
        try:
            fd = os.open("/proc/1/ns/" + ("mnt" if name == "mount" else name), os.O_RDONLY)
            if call("setns", 308, fd, 0) is None:
                escaped.append("setns " + name)
            os.close(fd)
        except OSError:
            pass
    status = dict(line.split(":\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\t" in line)
    for name in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"]:
        if int(status[name], 16) != 0:
            escaped.append(name)
    if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2":
        escaped.append("no seccomp")
    return {"escaped": escaped, "seen": {"uid": os.getuid(), "devices": sorted(os.listdir("/dev"))}}


def drive_agent(_):
    escaped = []
    names = set()
    for line in open("/proc/net/unix").read().splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7:
            names.add(fields[7])
    for name in names:
        address = "\0" + name[1:] if name.startswith("@") else name
        try:
            with socket.socket(socket.AF_UNIX) as s:
                s.connect(address)
                escaped.append(name)
        except OSError:
            pass
    for folder, folders, files in os.walk("/"):
        folders[:] = [f for f in folders if os.path.join(folder, f) not in ("/proc", "/usr")]
        for name in files:
            path = os.path.join(folder, name)
            try:
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    escaped.append(path)
            except OSError:
                pass
    try:
        socket.create_connection(("127.0.0.1", 9000), 1).close()
        escaped.append("port 9000")
    except OSError:
        pass
    if any(name.startswith("VIBED_") for name in os.environ):
        escaped.append("environment")
    return {"escaped": escaped}


def signal_agent(_):
    for number in [signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT,
                   signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGSEGV, signal.SIGXFSZ, signal.SIGTSTP]:
        try:
            os.kill(1, number)
        except OSError:
            pass
    try:
        os.kill(-1, signal.SIGWINCH)
        resource.prlimit(1, resource.RLIMIT_NOFILE, (0, 0))
        return {"escaped": ["prlimit"]}
    except OSError:
        return {"escaped": []}


def ordinary(_):
    """What a harmless app needs: these must work, and are listed when they do not."""
    import grp, multiprocessing, pwd, tempfile
    broken = []
    checks = [("passwd", lambda: pwd.getpwuid(os.getuid())), ("group", lambda: grp.getgrgid(os.getgid())),
              ("semaphore", lambda: multiprocessing.Lock()), ("tmp", lambda: tempfile.TemporaryFile().write(b"x")),
              ("workspace", lambda: open("/workspace/x", "w").close()), ("home", lambda: os.listdir(os.path.expanduser("~"))),
              ("awk", lambda: subprocess.run(["awk", "BEGIN{}"], check=True)),
              ("sh", lambda: subprocess.run("true", shell=True, check=True)),
              ("env python", lambda: subprocess.run(["env", "python3", "-c", ""], check=True)),
              ("pty", lambda: os.openpty()), ("random", lambda: open("/dev/urandom", "rb").read(1)),
              ("certificates", lambda: __import__("ssl").create_default_context()),
              ("thread", lambda: __import__("threading").Thread(target=int).start())]
    for name, check in checks:
        try:
            check()
        except Exception as error:
            broken.append("%s: %r" % (name, error))
    return {"escaped": broken}


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name, _, argument = self.path[1:].partition("?")
        try:
            answer = globals()[name](urllib.parse.unquote(argument))
        except Exception as error:
            answer = {"escaped": [], "error": repr(error)}
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


def environment(_):
    return {"escaped": [], "seen": dict(os.environ)}


def alive(_):
    return {"escaped": []}


http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
