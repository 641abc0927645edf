"""Docker for the checks: an engine where there is one, images made on this machine under the names that the Dockerfile and
the compose files use, and nothing left behind.

Nothing is downloaded from a registry of images, and no build has a network. An image of one of these names that is there
already is used as it is and stays.
"""

import contextlib
import fcntl
import importlib.metadata
import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile

import lake

LABEL = "costlake-peers"
BASE, S3_SERVER = "debian:bookworm-slim", "motoserver/moto:5.2.5"


def docker(*arguments, expect=0, timeout=120, **options):
    """Runs docker and returns what it printed; another exit code than expected is an error (None: any)."""
    return command(["docker", *arguments], expect, timeout, **options)


def command(words, expect=0, timeout=120, **options):
    words = [str(word) for word in words]
    done = subprocess.run(words, capture_output=True, text=not isinstance(options.get("input"), bytes), timeout=timeout, check=False, **options)
    text = lambda out: out if isinstance(out, str) else out.decode(errors="replace")  # noqa: E731
    if expect is not None and done.returncode != expect:
        raise RuntimeError(f"{' '.join(words)[:300]}: exit {done.returncode}, expected {expect}: {text(done.stdout)[-1500:]}{text(done.stderr)[-2500:]}")
    return lake.Done(words, done.returncode, text(done.stdout), text(done.stderr))


def engine_missing():
    """Why no container can be started; None where there is an engine."""
    if not shutil.which("docker"):
        return "there is no docker"
    if docker("info", expect=None).code != 0:
        return "no Docker engine answers"
    return None


def compose_command():
    """The command of Docker Compose: the plugin, else version 1; None where there is neither."""
    if docker("compose", "version", expect=None).code == 0:
        return ["docker", "compose"]
    return ["docker-compose"] if shutil.which("docker-compose") else None


# -------------------------------------------------------------------------------------------------------------- images


def libraries(files):
    """The shared libraries of programs and libraries, as the loader names them."""
    found = set()
    for begin in range(0, len(files), 50):
        listed = subprocess.run(["ldd", *map(str, files[begin:begin + 50])], capture_output=True, text=True, check=False)
        found |= set(re.findall(r"(/\S+) \(0x", listed.stdout))
    return sorted(library for library in found if os.path.exists(library))


def authorities():
    """The certificate authorities of this machine."""
    path = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: install the package ca-certificates")
    return path


class Archive:
    """A tar archive of files of this machine, to be imported as an image."""

    def __init__(self, path):
        self.path, self.tar = path, tarfile.open(path, "w")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tar.close()

    def add(self, source, name=None):
        """A file, as itself also where it is a link, owned by root."""
        def owned(entry):
            entry.uid = entry.gid = 0
            return entry

        self.tar.add(os.path.realpath(source), str(name or source).lstrip("/"), recursive=False, filter=owned)

    def add_libraries(self, files):
        for library in libraries(files):
            self.add(library)

    def text(self, name, text, mode=0o644):
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.size, entry.mode = len(text.encode()), mode
        self.tar.addfile(entry, io.BytesIO(text.encode()))

    def folder(self, name, mode=0o755):
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.mode = tarfile.DIRTYPE, mode
        self.tar.addfile(entry)

    def link(self, name, to):
        entry = tarfile.TarInfo(name.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, str(to)
        self.tar.addfile(entry)


def is_there(image):
    return docker("image", "inspect", image, expect=None).code == 0


def remove_image(image):
    docker("rmi", image, expect=None)


@contextlib.contextmanager
def imported(archive, image, *changes):
    """An image of the archive that a function makes, removed at the end; one that is there already is used, and stays."""
    if is_there(image):
        yield image
        return
    words = [word for change in changes for word in ("--change", change)]
    docker("import", *words, archive(), image, timeout=300)
    try:
        yield image
    finally:
        remove_image(image)


@contextlib.contextmanager
def image_of_the_program(name):
    """An image of nothing but the program, its libraries and the certificate authorities."""
    path = lake.temporary("image") / "image.tar"
    with Archive(path) as archive:
        archive.add(lake.binary(), "usr/local/bin/costlake")
        archive.add_libraries([lake.binary()])
        archive.add(authorities())
    with imported(lambda: path, name, 'ENTRYPOINT ["/usr/local/bin/costlake"]'):
        path.unlink()
        yield name


def cache():
    """Where made archives are kept between runs."""
    folder = pathlib.Path(os.environ.get("COSTLAKE_PEERS_CACHE") or pathlib.Path(sys.prefix).parent) / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def as_root(*words):
    return [*words] if os.getuid() == 0 else ["sudo", "-n", *words]


def debian():
    """The Debian of the base image: this machine's own, whose C library the program was built for."""
    release = dict(line.split("=", 1) for line in pathlib.Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return release.get("VERSION_CODENAME", "").strip('"') if release.get("ID") == "debian" else "bookworm"


def base_archive():
    """A minimal Debian, made by debootstrap from the packages that apt-get of this machine knows."""
    codename = debian()
    path = cache() / f"{codename}-{os.uname().machine}.tar"
    if path.is_file():
        return path
    listed = command(["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)", "Created-By: Packages"], expect=None).out
    sources = [line.split()[0] for line in listed.splitlines() if line.split()[1:] == [codename]]
    with tempfile.TemporaryDirectory(dir=cache()) as folder:
        root = pathlib.Path(folder) / "root"
        made = as_root("debootstrap", "--variant=minbase", codename, root, *sources[:1])
        command(made, timeout=600)
        whole = pathlib.Path(folder) / "whole.tar"
        packed = ["tar", "-C", root, "--one-file-system", "--exclude=./var/cache/apt/archives/*.deb", "--exclude=./dev/*", "-cf", whole, "."]
        command(as_root(*packed), timeout=300)
        command(as_root("chown", str(os.getuid()), whole))
        whole.rename(path)
        command(as_root("rm", "-rf", root))
    return path


def base_missing():
    """Why the base image cannot be made; None where it can be, or is there."""
    if is_there(BASE) or (cache() / f"{debian()}-{os.uname().machine}.tar").is_file():
        return None
    if not shutil.which("debootstrap"):
        return "there is no debootstrap"
    if command(as_root("true"), expect=None).code != 0:
        return "debootstrap needs root"
    return None


def distributions(names):
    """Installed Python packages and all they need here."""
    from packaging.requirements import Requirement

    found, wanted = {}, [Requirement(name) for name in names]
    while wanted:
        requirement = wanted.pop()
        key = (re.sub(r"[-_.]+", "-", requirement.name).lower(), frozenset(requirement.extras))
        if key in found:
            continue
        found[key] = importlib.metadata.distribution(requirement.name)
        for line in found[key].requires or []:
            needed = Requirement(line)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in (*requirement.extras, "")):
                wanted.append(needed)
    return {name: distribution for (name, _), distribution in found.items()}.values()


def s3_server_archive():
    """The interpreter that runs this check with moto and all it needs, laid out as moto's own image."""
    path = lake.temporary("moto") / "moto.tar"
    python = os.path.realpath(sys.executable)
    binaries = [python]
    with Archive(path) as archive:
        archive.add(python)
        stdlib = pathlib.Path(sysconfig.get_path("stdlib"))
        left_out = {"site-packages", "dist-packages", "test", "tests", "idlelib", "ensurepip", "tkinter", "lib2to3"}
        for folder, below, files in os.walk(stdlib):
            below[:] = [name for name in below if name not in left_out and not name.startswith("config-")]
            for file in files:
                archive.add(pathlib.Path(folder) / file)
                if file.endswith(".so"):
                    binaries.append(pathlib.Path(folder) / file)
        for distribution in distributions(["moto[s3,server]", "boto3"]):
            for file in distribution.files or []:
                source = distribution.locate_file(file)
                if ".." not in file.parts and source.is_file():
                    archive.add(source, f"opt/packages/{file}")
                    if ".so" in source.suffixes:
                        binaries.append(source)
        archive.add_libraries(binaries)
        archive.link("usr/local/bin/python", python)
        archive.text("usr/local/bin/moto_server", "#!/usr/local/bin/python\nfrom moto.server import main\nmain()\n", 0o755)
        archive.folder("tmp", 0o1777)
    return path


@contextlib.contextmanager
def alone():
    """One check at a time makes, uses and removes images of these names."""
    with open(cache() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def base_images():
    """The base image of the Dockerfile and the S3 server of the compose file."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(alone())
        remove_left_behind()
        ours = f"LABEL {LABEL}={os.getpid()}"
        stack.enter_context(imported(base_archive, BASE, ours, 'CMD ["bash"]'))
        entry = 'ENTRYPOINT ["/usr/local/bin/moto_server", "-H", "0.0.0.0"]'
        stack.enter_context(imported(s3_server_archive, S3_SERVER, ours, "ENV PYTHONPATH=/opt/packages PATH=/usr/local/bin", entry))
        yield


@contextlib.contextmanager
def built(context, name, *arguments):
    """An image built from a folder, without a network; what the build printed. Its layers are removed at the end."""
    done = None
    try:
        done = docker("build", "--force-rm", "--network", "none", "--label", f"{LABEL}={os.getpid()}", "--tag", name, *arguments, context, expect=None, timeout=300,
                      env=os.environ | {"BUILDKIT_PROGRESS": "plain"})
        yield done
    finally:
        remove_image(name)
        base = docker("image", "inspect", "--format", "{{.Id}}", BASE, expect=None).out.strip().removeprefix("sha256:")
        layers = re.findall(r"^ ---> ([0-9a-f]{12})$", done.out if done else "", re.MULTILINE)
        for layer in reversed([layer for layer in layers if not base.startswith(layer)]):
            docker("rmi", layer, expect=None)


# What the engine puts into a container.
OF_THE_ENGINE = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}


def files_of(image):
    """Every path of an image with its entry in the archive that the engine exports."""
    container = docker("create", image).out.strip()
    try:
        with tempfile.TemporaryFile(dir=lake.work()) as exported:
            subprocess.run(["docker", "export", container], stdout=exported, check=True, timeout=120)
            exported.seek(0)
            with tarfile.open(fileobj=exported) as archive:
                return {entry.name.strip("/"): entry for entry in archive if entry.name not in OF_THE_ENGINE}
    finally:
        docker("rm", "--force", "--volumes", container, expect=None)


# ---------------------------------------------------------------------------------------------------------- containers


def inspected(container):
    (found,) = json.loads(docker("inspect", container).out)
    return found


def lax(container):
    """What a container may do that costlake's are not to: empty if it is closed."""
    host, config = container["HostConfig"], container["Config"]
    found = []
    if not host["ReadonlyRootfs"]:
        found.append("its root file system can be written")
    if [capability.removeprefix("CAP_") for capability in host["CapDrop"] or []] != ["ALL"] or host["CapAdd"] or host["Privileged"]:
        found.append("it has capabilities")
    if not any(option.startswith("no-new-privileges") and not option.endswith("false") for option in host["SecurityOpt"] or []):
        found.append("it can gain privileges")
    if config["User"].split(":")[0] in ("", "0", "root"):
        found.append("it runs as root")
    return found


def remove_labelled(label):
    """Containers with a label, whatever they do."""
    ours = docker("ps", "--all", "--quiet", "--filter", f"label={label}", expect=None).out.split()
    if ours:
        docker("rm", "--force", "--volumes", *ours, expect=None)


def remove_left_behind():
    """What earlier checks have left that were killed: projects with the id of a process that is gone in their names, and
    images with our label, which nobody uses who is not alone."""
    projects = set(docker("ps", "--all", "--format", '{{.Label "com.docker.compose.project"}}', expect=None).out.split())
    for kind in ("network", "volume"):
        projects |= set(docker(kind, "ls", "--format", '{{.Label "com.docker.compose.project"}}', expect=None).out.split())
    for project in projects:
        found = re.fullmatch(rf"{LABEL}-(\d+)-\w+", project)
        if found and not pathlib.Path(f"/proc/{found[1]}").exists():
            remove_project(project)
    for image in docker("images", "--all", "--quiet", "--no-trunc", "--filter", f"label={LABEL}", expect=None).out.split():
        docker("rmi", "--force", image, expect=None)


def remove_project(project):
    label = f"com.docker.compose.project={project}"
    remove_labelled(label)
    for kind in ("network", "volume"):
        for one in docker(kind, "ls", "--quiet", "--filter", f"label={label}", expect=None).out.split():
            docker(kind, "rm", one, expect=None)


class Compose:
    """A project of Docker Compose, gone after `with`."""

    def __init__(self, name, folder, files, **environment):
        self.words, self.folder, self.files = compose_command(), pathlib.Path(folder), files
        self.project = f"{LABEL}-{os.getpid()}-{name}"
        kept = {k: v for k, v in os.environ.items() if k in ("PATH", "HOME", "LANG", "TMPDIR", "XDG_RUNTIME_DIR") or k.startswith("DOCKER_")}
        self.environment = kept | environment

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(Exception):
            self.run("down", "--volumes", "--remove-orphans", "--timeout", "1", expect=None)
        remove_project(self.project)

    def line(self, *arguments):
        files = [word for file in self.files for word in ("--file", str(file))]
        return [*self.words, *files, "--project-name", self.project, *map(str, arguments)]

    def run(self, *arguments, expect=0, timeout=300):
        return command(self.line(*arguments), expect, timeout, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL)

    def start(self, *arguments):
        process = subprocess.Popen(
            self.line(*arguments), cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
        )
        lake.mark(process).touch()
        return process

    def container(self, service):
        """The id of a service's container, be it running or not."""
        filters = [f"label=com.docker.compose.project={self.project}", f"label=com.docker.compose.service={service}", "label=com.docker.compose.oneoff=False"]
        found = docker("ps", "--all", "--quiet", "--no-trunc", *(word for one in filters for word in ("--filter", one))).out.split()
        if len(found) != 1:
            raise RuntimeError(f"{service} has {len(found)} containers")
        return found[0]

    def network(self):
        (found,) = docker("network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}").out.split()
        return found

    def health(self, service):
        return inspected(self.container(service))["State"].get("Health", {}).get("Status")


if __name__ == "__main__":  # makes the base image, which the check then finds
    if not (engine_missing() or base_missing() or is_there(BASE)):
        base_archive()
