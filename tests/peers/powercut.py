"""A disk whose power may go at any moment, driven by the file calls that strace saw a process make.

POSIX promises nothing of what was not synced, so after a cut each of these is decided by itself, at random:

| what the process did, and the disk was not made to confirm | after the cut |
|---|---|
| wrote to a file | nothing of it, half of it, its length in zeros, or all of it |
| made a file or a folder, removed a file | the folder has the entry as before, or as since |
| renamed from one folder to another | not at all; the new name beside the old one; or whole |

fsync of a file keeps its bytes and not its name; fsync of a folder keeps the names in it and not its own; either keeps what
was there when it was called. Any other call counts from when it returned. What changes a file in a way that is not known
here is an error, so that none is overlooked.
"""

import os
import pathlib
import re

CALLS = (
    "open,openat,openat2,creat,write,writev,pwrite64,pwritev,pwritev2,ftruncate,truncate,fallocate,copy_file_range,sendfile,fsync,"
    "fdatasync,sync_file_range,rename,renameat,renameat2,mkdir,mkdirat,rmdir,unlink,unlinkat,link,linkat,symlink,symlinkat,"
    "mknod,mknodat,sync,syncfs"
)


class File:
    """`data` is what processes see, `safe` what the disk has confirmed."""

    def __init__(self, data=b"", safe=b""):
        self.data, self.safe = data, safe

    def after_cut(self, random):
        """What is left of the bytes; `random` chooses."""
        if self.data == self.safe:
            return self.data
        return random.choice((self.safe, self.data, self.data[: len(self.data) // 2], bytes(len(self.data))))


class Change:
    """An entry of a folder that the disk has not confirmed; `first` is the change that has to be there if this one is."""

    def __init__(self, name, node, first=None):
        self.name, self.node, self.first, self.confirmed = name, node, first, False


class Folder:
    """`entries` is what processes see, `safe` what the disk has confirmed, `pending` what lies between, in order."""

    def __init__(self):
        self.entries, self.safe, self.pending = {}, {}, []

    def change(self, name, node, first=None):
        change = Change(name, node, first)
        self.pending.append(change)
        if node is None:
            self.entries.pop(name)
        else:
            self.entries[name] = node
        return change

    def confirm(self, known):
        """The disk has confirmed the changes `known` when it was asked."""
        for change in known:
            if not change.confirmed:
                change.confirmed = True
                self.safe.pop(change.name, None)
                if change.node is not None:
                    self.safe[change.name] = change.node
        self.pending = [change for change in self.pending if not change.confirmed]


class Disk:
    """The folder `root` and all below it; what is there at the beginning is confirmed."""

    def __init__(self, root):
        self.top = Folder()
        self.calls = 0
        self.syncs = 0
        self.asked = {}
        self._load(self.top, pathlib.Path(root))

    def _load(self, folder, path):
        for entry in sorted(path.iterdir()):
            if entry.is_dir():
                node = Folder()
                self._load(node, entry)
            else:
                data = entry.read_bytes()
                node = File(data, data)
            folder.entries[entry.name] = folder.safe[entry.name] = node

    def find(self, path):
        """The node at a path within the lake, `()` being the lake's own folder."""
        node = self.top
        for name in path:
            node = node.entries[name]
        return node

    def whole(self):
        """What processes see: path to node, folders too."""
        return dict(walk(self.top, lambda folder: folder.entries))

    def cut(self, random):
        """The power goes: path to what is left there, bytes of a file and None of a folder, and the node it was."""
        odds = random.choice((0.0, 0.2, 0.5, 0.8, 1.0))
        pending = [change for folder in all_folders(self.top) for change in folder.pending]
        kept = {change for change in pending if random.random() < odds}
        kept -= {c for c in kept if c.first and not c.first.confirmed and c.first not in kept}

        def entries(folder):
            left = dict(folder.safe)
            for change in folder.pending:
                if change in kept:
                    left.pop(change.name, None)
                    if change.node is not None:
                        left[change.name] = change.node
            return left

        return {
            path: (node.after_cut(random) if isinstance(node, File) else None, node) for path, node in walk(self.top, entries)
        }

    def apply(self, call):
        """A call that has returned, or a sync that begins."""
        kind, path, rest = call
        if kind == "begin":
            node = self.find(path)
            self.asked[rest] = (node, list(node.pending) if isinstance(node, Folder) else node.data)
            return
        self.calls += 1
        if kind == "open":
            if path[-1] not in self.find(path[:-1]).entries:
                self.find(path[:-1]).change(path[-1], File())
        elif kind == "folder":
            self.find(path[:-1]).change(path[-1], Folder())
        elif kind == "write":
            self.find(path).data += rest
        elif kind == "sync":
            self.syncs += 1
            node, known = self.asked.pop(rest)
            if isinstance(node, Folder):
                node.confirm(known)
            else:
                node.safe = known
        elif kind == "remove":
            self.find(path[:-1]).change(path[-1], None)
        else:
            arrival = self.find(rest[:-1]).change(rest[-1], self.find(path))
            self.find(path[:-1]).change(path[-1], None, arrival)


def walk(folder, entries, path=()):
    for name, node in entries(folder).items():
        yield (*path, name), node
        if isinstance(node, Folder):
            yield from walk(node, entries, (*path, name))


def all_folders(folder):
    """Also those that only one side of a cut knows."""
    seen, left = [], [folder]
    while left:
        one = left.pop()
        if one not in seen:
            seen.append(one)
            nodes = [*one.safe.values(), *one.entries.values(), *(change.node for change in one.pending)]
            left += [node for node in nodes if isinstance(node, Folder)]
    return seen


def put_down(state, root):
    """Makes the files and folders of a cut."""
    root = pathlib.Path(root)
    root.mkdir(parents=True, exist_ok=True)
    for path, data in sorted(state.items()):
        if data is None:
            root.joinpath(*path).mkdir(exist_ok=True)
        else:
            root.joinpath(*path).write_bytes(data)


# ------------------------------------------------------------------------------------------------- what strace wrote

UNFINISHED = re.compile(r"^(\d+) +(.*) <unfinished \.\.\.>$")
RESUMED = re.compile(r"^(\d+) +<\.\.\. \w+ resumed>(.*)$")
LINE = re.compile(r"^\d+ +(\w+)\((.*)\)\s+= (-?\d+)")
BEGUN = re.compile(r"^\d+ +(\w+)\((.*)")
TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?')
PATH = re.compile(r"<((?:\\x[0-9a-f]{2})+)>")


def raw(text):
    return bytes.fromhex(text.replace("\\x", ""))


def lines_of(log):
    """(thread, what it calls, whether that has returned), in order; a call that another thread interrupts comes twice."""
    begun = {}
    for line in log.read_text().splitlines():
        if cut := UNFINISHED.match(line):
            begun[cut[1]] = cut[0].removesuffix(" <unfinished ...>")
            yield cut[1], begun[cut[1]], False
        elif rest := RESUMED.match(line):
            yield rest[1], begun.pop(rest[1]) + rest[2], True
        elif line[:1].isdigit():
            thread = line.split(maxsplit=1)[0]
            yield thread, line, False
            yield thread, line, True


def calls(log, root):
    """What a process did to the files below `root`: (kind, path, data or the other path or the thread), for [`Disk.apply`]."""
    root = os.path.realpath(root)

    def inside(path):
        path = os.fsdecode(path)
        if not path.startswith("/"):
            return None
        path = os.path.normpath(path)
        return tuple(pathlib.PurePath(path).relative_to(root).parts) if (path + "/").startswith(root + "/") else None

    for thread, line, has_returned in lines_of(log):
        call = (LINE if has_returned else BEGUN).match(line)
        if not call or has_returned and int(call[3]) < 0:
            continue
        name, arguments = call[1], call[2]
        texts = TEXT.findall(arguments)
        descriptors = [inside(raw(path)) for path in PATH.findall(arguments)]
        names = [] if "write" in name else [raw(text) for text, _ in texts]
        if any(name and not name.startswith(b"/") for name in names) and descriptors != [None] * len(descriptors):
            raise ValueError(f"a name beside a folder within the lake is not known here: {line[:300]}")
        paths = [path for path in [*map(inside, names), *descriptors] if path is not None]
        if not paths:
            continue
        if name in ("fsync", "fdatasync"):
            yield ("sync" if has_returned else "begin"), paths[0], thread
        elif not has_returned:
            continue
        elif name in ("open", "openat") and "O_TRUNC" not in arguments:
            if "O_CREAT" in arguments:
                yield "open", paths[0], None
        elif name == "mkdir":
            yield "folder", paths[0], None
        elif name == "write":
            ((text, more),) = texts
            if more or int(call[3]) != len(raw(text)):
                raise ValueError(f"a write that strace did not write down whole: {line[:300]}")
            yield "write", paths[0], raw(text)
        elif name == "unlink":
            yield "remove", paths[0], None
        elif name == "rename" and len(paths) == 2:
            yield "rename", *paths
        else:
            raise ValueError(f"{name} changes a file in a way that is not known here: {line[:300]}")
