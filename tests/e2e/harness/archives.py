"""Source archives, honest and hostile."""

import gzip
import io
import os
import tarfile


def tar_gz(files, extra=()):
    """A tar.gz of {path: text or bytes}; `extra` are (TarInfo, bytes or None) put behind them."""
    packed = io.BytesIO()
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as zipped:
        with tarfile.open(fileobj=zipped, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            for path, content in files.items():
                data = content.encode() if isinstance(content, str) else content
                info = tarfile.TarInfo(path)
                info.size = len(data)
                info.mode = 0o644
                tar.addfile(info, io.BytesIO(data))
            for info, data in extra:
                tar.addfile(info, None if data is None else io.BytesIO(data))
    return packed.getvalue()


def from_folder(folder, more=None):
    """The files below `folder` as tar.gz, with those of `more` over them."""
    files = {}
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__"]
        for name in names:
            path = os.path.join(root, name)
            with open(path, "rb") as file:
                files[os.path.relpath(path, folder)] = file.read()
    files.update(more or {})
    return tar_gz(files)


def _member(path, kind, target="", **more):
    info = tarfile.TarInfo(path)
    info.type = kind
    info.linkname = target
    for name, value in more.items():
        setattr(info, name, value)
    return info


_PAGE = {"index.html": "<h1>hello</h1>"}


def _inflated(size):
    """A gzip stream of `size` zero bytes behind one page: small to send, large to unpack."""
    info = tarfile.TarInfo("zeros.bin")
    info.size = size
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0) as zipped:
        zipped.write(info.tobuf())
        block = b"\0" * (1 << 20)
        for _ in range(size // len(block)):
            zipped.write(block)
        zipped.write(b"\0" * 1024)
    return out.getvalue()


def _entries(count):
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=1, mtime=0) as zipped:
        for number in range(count):
            zipped.write(tarfile.TarInfo(f"f{number}").tobuf())
        zipped.write(b"\0" * 1024)
    return out.getvalue()


def _gzip_bomb():
    """1 GiB of nothing that is not even a tar: must be given up early."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9, mtime=0) as zipped:
        zipped.write(tarfile.TarInfo("a").tobuf())
        block = b"\0" * (1 << 20)
        for _ in range(1024):
            zipped.write(block)
    return out.getvalue()


def hostile():
    """{name: (archive, status, code)}: what must be refused, and how."""
    honest = tar_gz({"index.html": "<h1>hello</h1>" + "x" * 4000})
    unsafe, bad, large = (400, "unsafe_archive"), (400, "bad_archive"), (413, "archive_too_large")
    return {
        "not gzip": (b"this is no archive at all", *bad),
        "gzip of something else": (gzip.compress(b"hello, no tar here" * 100), *bad),
        "truncated": (honest[: len(honest) // 2], *bad),
        "rubbish behind": (honest + b"rubbish" * 100, *bad),
        "gzip bomb": (_gzip_bomb(), *large),
        "tar bomb": (_inflated(513 << 20), *large),
        "100,001 entries": (_entries(100_001), *large),
        "traversal": (tar_gz({**_PAGE, "../../etc/evil": "x"}), *unsafe),
        "traversal inside": (tar_gz({**_PAGE, "a/../../evil": "x"}), *unsafe),
        "absolute path": (tar_gz({**_PAGE, "/etc/evil": "x"}), *unsafe),
        "symlink out": (
            tar_gz(_PAGE, [(_member("x", tarfile.SYMTYPE, "../../etc/passwd"), None)]), *unsafe),
        "absolute symlink": (
            tar_gz(_PAGE, [(_member("x", tarfile.SYMTYPE, "/etc/passwd"), None)]), *unsafe),
        "hard link out": (
            tar_gz(_PAGE, [(_member("x", tarfile.LNKTYPE, "../../etc/passwd"), None)]), *unsafe),
        "path through a link": (
            tar_gz(_PAGE, [(_member("d", tarfile.SYMTYPE, "sub"), None),
                           (_member("d/f", tarfile.REGTYPE, size=1), b"x")]), *unsafe),
        "character device": (
            tar_gz(_PAGE, [(_member("null", tarfile.CHRTYPE, devmajor=1, devminor=3), None)]),
            *unsafe),
        "block device": (
            tar_gz(_PAGE, [(_member("disk", tarfile.BLKTYPE, devmajor=8, devminor=0), None)]),
            *unsafe),
        "fifo": (tar_gz(_PAGE, [(_member("pipe", tarfile.FIFOTYPE), None)]), *unsafe),
        "path too long": (tar_gz({**_PAGE, "d/" * 600 + "f": "x"}), *large),
    }
