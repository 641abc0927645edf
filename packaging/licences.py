"""Writes the licences of the crates that the program is built of for this machine, from their sources, each text once.

    packaging/licences.py FILE
"""

import json
import pathlib
import re
import subprocess
import sys

NAMES = re.compile(r"(LICEN[CS]E|COPYING|COPYRIGHT|NOTICE|UNLICENSE)", re.IGNORECASE)


def crates():
    """The packages that the program is built of, without what only tests and build scripts need."""
    host = subprocess.run(["rustc", "-vV"], check=True, capture_output=True, text=True).stdout
    (host,) = re.findall(r"^host: (\S+)$", host, re.MULTILINE)
    command = ["cargo", "metadata", "--locked", "--format-version=1", f"--filter-platform={host}"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    (own,) = [package["id"] for package in found["packages"] if package["name"] == "costlake" and package["source"] is None]
    reached, ahead = set(), [own]
    while ahead:
        here = ahead.pop()
        if here not in reached:
            reached.add(here)
            ahead += [d["pkg"] for d in nodes[here]["deps"] if any(kind["kind"] is None for kind in d["dep_kinds"])]
    return sorted((packages[one] for one in reached - {own}), key=lambda package: (package["name"], package["version"]))


def texts(package):
    folder = pathlib.Path(package["manifest_path"]).parent
    files = [file for file in sorted(folder.iterdir()) if file.is_file() and NAMES.match(file.name)]
    return [file.read_text(errors="replace").replace("\r\n", "\n").strip() for file in files]


def main():
    lines = ["costlake is built of these crates, each under its own licence. Their texts follow, each once.", ""]
    users = {}  # words of a text: the text, and the crates that carry it
    for package in crates():
        name = f"{package['name']} {package['version']}"
        lines.append(f"{name}: {package['license'] or 'see its text'}")
        for text in texts(package):
            users.setdefault(" ".join(text.split()), (text, []))[1].append(name)
    for text, names in users.values():
        lines += ["", "=" * 100, f"of {', '.join(dict.fromkeys(names))}", "", text]
    pathlib.Path(sys.argv[1]).write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
