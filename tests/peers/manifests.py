"""deploy/kubernetes as kustomize would read it: what is in it, and what in it does not fit together."""

import pathlib
import tomllib

import lake
import yaml

FOLDER = lake.REPOSITORY / "deploy" / "kubernetes"
KUSTOMIZATION = "kustomization.yaml"
LABEL = "app.kubernetes.io/name"
KEYS = {"apiVersion", "kind", "namespace", "resources", "images", "configMapGenerator"}


def documents(file):
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


def alternatives(file):
    """The resources that stand in the kustomization as comments."""
    lines = (line.strip() for line in file.read_text().splitlines())
    return [line.removeprefix("# - ").split()[0] for line in lines if line.startswith("# - ")]


def pod_of(document):
    """The template of the pods that a document makes."""
    spec = document.get("spec", {})
    if document["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec.get("template")


class Manifests:
    """The folder; `flaws` says what is wrong with it."""

    def __init__(self, folder=FOLDER):
        self.folder = pathlib.Path(folder)
        (self.kustomization,) = documents(self.folder / KUSTOMIZATION)
        self.named = [*self.kustomization["resources"], *alternatives(self.folder / KUSTOMIZATION)]
        self.files = sorted(file.name for file in self.folder.glob("*.yaml") if file.name != KUSTOMIZATION)
        self.all = {name: documents(self.folder / name) for name in self.files}

    def of_kind(self, *kinds):
        return [document for all_of in self.all.values() for document in all_of if document["kind"] in kinds]

    def pods(self):
        """Name of the file, document and template of everything that makes pods."""
        for name, all_of in self.all.items():
            for document in all_of:
                if template := pod_of(document):
                    yield name, document, template

    def flaws(self):
        return [
            *self.flaws_of_names(), *self.flaws_of_images(), *self.flaws_of_job_files(), *self.flaws_of_references(),
            *self.flaws_of_labels(), *self.flaws_of_network(), *self.flaws_of_pods(),
        ]

    def flaws_of_names(self):
        for name in self.named:
            if not (self.folder / name).is_file():
                yield f"{name} is named and not there"
        for name in self.files:
            if self.named.count(name) != 1:
                yield f"{name} is named {self.named.count(name)} times"
        for key in self.kustomization.keys() - KEYS:
            yield f"what {key} does in a kustomization is not read here"
        namespaces = [document["metadata"]["name"] for document in self.of_kind("Namespace")]
        if namespaces != [self.kustomization.get("namespace")]:
            yield f"namespaces {namespaces} are not the one of the kustomization"

    def flaws_of_images(self):
        used = {container["image"].rsplit(":", 1)[0] for _, _, template in self.pods() for container in template["spec"]["containers"]}
        named = {image["name"] for image in self.kustomization["images"]}
        if used != named:
            yield f"images {sorted(used)} are used and {sorted(named)} set"

    def flaws_of_job_files(self):
        for generator in self.kustomization["configMapGenerator"]:
            if not generator.get("options", {}).get("disableNameSuffixHash"):
                yield f"the ConfigMap {generator['name']} has another name after each change"
            for name in generator["files"]:
                file = self.folder / name
                if not file.is_file():
                    yield f"{name} is named and not there"
                elif tomllib.loads(file.read_text()) != lake.job(file.stem):
                    yield f"{name} is another job than jobs/{file.name}"

    def flaws_of_references(self):
        made = {generator["name"] for generator in self.kustomization["configMapGenerator"]}
        accounts = {document["metadata"]["name"] for document in self.of_kind("ServiceAccount")}
        for name, _, template in self.pods():
            spec = template["spec"]
            for volume in spec["volumes"]:
                if "configMap" in volume and volume["configMap"]["name"] not in made:
                    yield f"{name}: no ConfigMap {volume['configMap']['name']} is made"
                if "secret" in volume and f"secret generic {volume['secret']['secretName']} " not in self.prose():
                    yield f"{name}: nothing says how the Secret {volume['secret']['secretName']} is made"
            if spec["serviceAccountName"] not in accounts:
                yield f"{name}: there is no ServiceAccount {spec['serviceAccountName']}"

    def prose(self):
        return "\n".join((self.folder / name).read_text() for name in self.files)

    def flaws_of_labels(self):
        for name, all_of in self.all.items():
            for document in all_of:
                if document["metadata"].get("labels", {}).get(LABEL) != "costlake":
                    yield f"{name}: {document['kind']} has no label {LABEL}"
                if document["kind"] == "Service":
                    yield from self.flaws_of_service(name, document["spec"])
        for name, document, template in self.pods():
            selector = document["spec"].get("selector", {}).get("matchLabels", {})
            if not selector.items() <= template["metadata"]["labels"].items():
                yield f"{name}: its selector does not fit its pods"
            if template["metadata"]["labels"].get(LABEL) != "costlake":
                yield f"{name}: its pods have no label {LABEL}"

    def selected(self, labels):
        return [template for _, _, template in self.pods() if labels.items() <= template["metadata"]["labels"].items()]

    def ports_of(self, labels):
        """The ports of the pods with these labels, by name."""
        containers = [container for template in self.selected(labels) for container in template["spec"]["containers"]]
        return {port["name"]: port["containerPort"] for container in containers for port in container.get("ports", [])}

    def flaws_of_service(self, name, spec):
        ports = self.ports_of(spec["selector"])
        for port in spec["ports"]:
            if port["targetPort"] not in ports:
                yield f"{name}: no pod that it selects has the port {port['targetPort']}"

    def flaws_of_network(self):
        egress, ingress, everybody = set(), set(), False
        for document in self.of_kind("NetworkPolicy"):
            spec, name = document["spec"], document["metadata"]["name"]
            labels = spec["podSelector"].get("matchLabels", {})
            if not self.selected(labels):
                yield f"the NetworkPolicy {name} is of no pod"
            if len(self.selected(labels)) == len(list(self.pods())) and set(spec["policyTypes"]) == {"Ingress", "Egress"}:
                everybody = True
            for rule in spec.get("egress", []):
                to = {peer.get("ipBlock", {}).get("cidr", "anybody") for peer in rule.get("to", [])} or {"anybody"}
                ports = rule.get("ports", [{"port": 0, "protocol": "any"}])
                egress |= {(port["port"], port["protocol"], one) for port in ports for one in to}
            for rule in spec.get("ingress", []):
                if not rule.get("from"):
                    yield f"the NetworkPolicy {name} lets everybody in"
                wanted = {port["port"] for port in rule.get("ports", [])}
                if wanted != set(self.ports_of(labels).values()):
                    yield f"the NetworkPolicy {name} opens {sorted(wanted)}, and the pods listen on {sorted(self.ports_of(labels).values())}"
                ingress |= wanted
        if not everybody:
            yield "no NetworkPolicy is of all pods and both directions"
        if egress != {(53, "UDP", "anybody"), (53, "TCP", "anybody"), (443, "TCP", "anybody")} | {(80, "TCP", one) for one in CREDENTIALS}:
            yield f"pods may reach {sorted(egress)}"

    def flaws_of_pods(self):
        for name, _, template in self.pods():
            spec = template["spec"]
            (container,) = spec["containers"]
            pod, own, resources = spec["securityContext"], container["securityContext"], container["resources"]
            held = {
                "runs as 65532": (pod["runAsNonRoot"], pod["runAsUser"], pod["runAsGroup"], pod["fsGroup"]) == (True, 65532, 65532, 65532),
                "has the default seccomp profile": pod["seccompProfile"]["type"] == "RuntimeDefault",
                "cannot gain privileges": own["allowPrivilegeEscalation"] is False,
                "has a read-only root": own["readOnlyRootFilesystem"] is True,
                "has no capabilities": own["capabilities"] == {"drop": ["ALL"]},
                "has no token of the cluster": spec["automountServiceAccountToken"] is False,
                "has requests and a limit of memory": {"cpu", "memory"} <= resources["requests"].keys() and "memory" in resources["limits"],
                "has time to stop": spec["terminationGracePeriodSeconds"] >= 15,
                "mounts everything read-only": all(mount.get("readOnly") for mount in container["volumeMounts"]),
                "mounts what it has": {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in spec["volumes"]},
                "shows its secrets to its group alone": all(volume["secret"]["defaultMode"] == 0o440 for volume in spec["volumes"] if "secret" in volume),
            }
            yield from (f"{name}: not so: it {what}" for what, so in held.items() if not so)


# Who gives credentials on EKS: the agent of Pod Identity, and the instance.
CREDENTIALS = ("169.254.170.23/32", "169.254.169.254/32")
# An edit of a file each, and a word of the flaw that it makes.
EDITS = [
    (KUSTOMIZATION, "  - service.yaml\n", "", "service.yaml is named 0 times"),
    (KUSTOMIZATION, "- deployment.yaml", "- deploy.yaml", "deploy.yaml is named and not there"),
    (KUSTOMIZATION, "namespace: costlake", "namespace: other", "not the one of the kustomization"),
    (KUSTOMIZATION, "name: costlake\n    newName", "name: other\n    newName", "images ['costlake'] are used"),
    (KUSTOMIZATION, "disableNameSuffixHash: true", "disableNameSuffixHash: false", "another name after each change"),
    (KUSTOMIZATION, "name: costlake-jobs", "name: costlake-files", "no ConfigMap costlake-jobs is made"),
    (KUSTOMIZATION, "jobs/aws_cost_by_service.toml", "jobs/nothing.toml", "jobs/nothing.toml is named and not there"),
    ("jobs/aws_cost_by_service.toml", "max_requests_per_run = 200", "max_requests_per_run = 2", "another job than jobs/"),
    ("deployment.yaml", "serviceAccountName: costlake", "serviceAccountName: default", "no ServiceAccount default"),
    ("deployment.yaml", "secretName: costlake-page", "secretName: costlake-token", "how the Secret costlake-token is made"),
    ("deployment.yaml", "containerPort: 8080", "containerPort: 8081", "opens [8080], and the pods listen on [8081]"),
    ("deployment.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "has a read-only root"),
    ("deployment.yaml", "drop: [ALL]", "drop: [NET_RAW]", "has no capabilities"),
    ("deployment.yaml", "runAsUser: 65532", "runAsUser: 0", "runs as 65532"),
    ("nightly-cronjob.yaml", "defaultMode: 0440", "defaultMode: 0444", "secrets to its group alone"),
    ("nightly-cronjob.yaml", "app.kubernetes.io/name: costlake\n            app", "app.kubernetes.io/name: other\n            app", "its pods have no label"),
    ("service.yaml", "targetPort: http", "targetPort: https", "has the port https"),
    ("service.yaml", "  selector:\n    app.kubernetes.io/name: costlake", "  selector:\n    app.kubernetes.io/name: other", "has the port http"),
    ("networkpolicy.yaml", "port: 443", "port: 80", "pods may reach"),
    ("networkpolicy.yaml", "169.254.170.23/32", "0.0.0.0/0", "pods may reach"),
    ("networkpolicy.yaml", "component: serve", "component: page", "costlake-page is of no pod"),
    ("networkpolicy.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Egress]", "no NetworkPolicy is of all pods"),
]


def edited(file, old, new):
    """The manifests with an edit of one file."""
    folder = lake.copied(FOLDER, "manifests")
    text = (folder / file).read_text()
    if old not in text:
        raise ValueError(f"{file} does not hold {old!r}")
    (folder / file).write_text(text.replace(old, new, 1))
    return Manifests(folder)
