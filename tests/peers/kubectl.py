"""In the place of `kubectl`, where there is no cluster: it takes the commands that the pages print, reads their files, and
refuses what a cluster would refuse. What it holds is in the file $STAND_IN_CLUSTER, a JSON list of [kind, namespace, name].

Where there is a real kubectl, `apply -k` and `create secret` ask it too, by what it does without a cluster.
"""

import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

import manifests

STATE = pathlib.Path(os.environ["STAND_IN_CLUSTER"])
CLUSTERWIDE = ("Namespace",)


def refuse(why):
    sys.exit(f"error: {why}")


def held():
    return [tuple(one) for one in json.loads(STATE.read_text())] if STATE.exists() else []


def hold(kind, namespace, name):
    if kind not in CLUSTERWIDE and ("Namespace", "", namespace) not in held():
        refuse(f'namespaces "{namespace}" not found')
    STATE.write_text(json.dumps([*held(), (kind, "" if kind in CLUSTERWIDE else namespace, name)]))
    print(f"{kind.lower()}/{name} created")


def real(*arguments):
    """What the real kubectl makes of it, if there is one."""
    program = os.environ.get("REAL_KUBECTL") or shutil.which("kubectl", path="/usr/local/bin:/usr/bin:/bin")
    if not program:
        return
    done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)
    if done.returncode:
        refuse(f"kubectl {' '.join(arguments)}: {done.stderr}")


def apply_file(name, namespace):
    file = pathlib.Path(name)
    if not file.is_file():
        refuse(f'the path "{name}" does not exist')
    subprocess.run(["kubernetes-validate", "--strict", file], check=True, stdout=subprocess.DEVNULL)
    for document in manifests.documents(file):
        hold(document["kind"], namespace, document["metadata"]["name"])


def apply_folder(name):
    folder = manifests.Manifests(name)
    if flaws := folder.flaws():
        refuse("; ".join(flaws))
    real("kustomize", name)
    namespace = folder.kustomization["namespace"]
    for file in folder.kustomization["resources"]:
        apply_file(folder.folder / file, namespace)
    for generator in folder.kustomization["configMapGenerator"]:
        hold("ConfigMap", namespace, generator["name"])


def create_secret(given, namespace, rest):
    for file in given.from_file:
        if not pathlib.Path(file.split("=")[-1]).is_file():
            refuse(f"error reading {file}: no such file or directory")
    real("create", "secret", "generic", *rest, "--dry-run=client", "--output=yaml")
    hold("Secret", namespace, given.name)


def known(namespace, *wanted):
    """Each name, such as deployment/costlake, is that of something which is held."""
    for one in wanted:
        kind, _, name = one.partition("/")
        if not any((kind, namespace, name) == (k.lower(), n, m) for k, n, m in held()):
            refuse(f'{one} not found in namespace "{namespace}"')


def main():
    parser = argparse.ArgumentParser(prog="kubectl", allow_abbrev=False)
    parser.add_argument("--namespace", "-n", default="default")
    verbs = parser.add_subparsers(dest="verb", required=True)
    apply = verbs.add_parser("apply").add_mutually_exclusive_group(required=True)
    apply.add_argument("-f", dest="file")
    apply.add_argument("-k", dest="folder")
    kinds = verbs.add_parser("create").add_subparsers(dest="kind", required=True)
    secret = kinds.add_parser("secret").add_subparsers(dest="type", required=True).add_parser("generic")
    secret.add_argument("name")
    secret.add_argument("--from-literal", action="append", default=[])
    secret.add_argument("--from-file", action="append", default=[])
    job = kinds.add_parser("job")
    job.add_argument("name")
    job.add_argument("--from", dest="source", required=True)
    rollout = verbs.add_parser("rollout").add_subparsers(dest="what", required=True).add_parser("status")
    rollout.add_argument("of")
    logs = verbs.add_parser("logs")
    logs.add_argument("of")
    logs.add_argument("--tail")
    get = verbs.add_parser("get")
    get.add_argument("what", choices=["pods", "jobs", "cronjobs"])
    given = parser.parse_args()
    if given.verb == "apply":
        apply_file(given.file, given.namespace) if given.file else apply_folder(given.folder)
    elif given.verb == "create" and given.kind == "secret":
        create_secret(given, given.namespace, sys.argv[sys.argv.index("generic") + 1:])
    elif given.verb == "create":
        known(given.namespace, given.source)
        hold("Job", given.namespace, given.name)
    elif given.verb in ("rollout", "logs"):
        known(given.namespace, given.of)


if __name__ == "__main__":
    main()
