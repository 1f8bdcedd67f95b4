#!/usr/bin/env python3
"""The chart, and the plain manifests that it renders, held to Kubernetes' schemas and to what docs/kubernetes.md says of them.

Runs where helm, kubernetes-validate and prometheus-operator's models are (see .ci/kubernetes). BLESS=1 writes plain/ anew.
"""

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

HERE = pathlib.Path(__file__).resolve().parent
FOLDER = HERE.parent
ROOT = FOLDER.parent.parent
CHART = FOLDER / "mdss-relay"
VERSION = re.search(r'\[workspace\.package\]\nversion = "(.+)"', (ROOT / "Cargo.toml").read_text())[1]
# The oldest release that the chart takes, and the newest that the schemas know.
RELEASES = ("1.30", kubernetes_validate.latest_version())
# Kinds of the Prometheus operator.
MONITORING = "monitoring.coreos.com/v1"
# docs/operation.md, "Stopping": twice RELAY_DEADLINE + 10 s, and 6 s more.
AFTER_STOP = lambda deadline: 2 * (deadline + 10) + 6  # noqa: E731
# crates/http/src/connection.rs, HEAD_TIMEOUT: how long /readyz takes to say that a disk or a database hangs.
READY_TIMEOUT = 10

mistakes = []


def end_if_wrong():
    if mistakes:
        sys.exit("\n".join(f"kubernetes: {sentence}" for sentence in mistakes))


def must(condition, sentence):
    if not condition:
        mistakes.append(sentence)


def helm(*arguments, given=None):
    """Status, what it printed, what it complained of. It reads no file of its own, and no cluster."""
    nowhere = {"HOME": "/nonexistent", "HELM_CONFIG_HOME": "/nonexistent", "KUBECONFIG": "/nonexistent", "PATH": os.environ["PATH"]}
    ran = subprocess.run([os.environ.get("HELM", "helm"), *arguments], input=given, capture_output=True, text=True, env=nowhere)
    return ran.returncode, ran.stdout, ran.stderr


def render(values, chart=CHART):
    """The text for a file of values, or for a mapping."""
    arguments = ["template", "mdss-relay", str(chart), "--namespace", "mdss-relay", "--kube-version", RELEASES[0] + ".0", "--values"]
    if isinstance(values, pathlib.Path):
        return helm(*arguments, str(values))
    return helm(*arguments, "-", given=json.dumps(values))


# --- the plain manifests are what the chart renders --------------------------------------------------------------------------


def plain(name):
    status, text, said = render(FOLDER / "values" / f"{name}.yaml")
    if status:
        sys.exit(f"{name}: helm refused it: {said}")
    first = f"# Rendered by helm out of mdss-relay and values/{name}.yaml: make kubernetes-render. Not written by hand.\n"
    text = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("# Source: "))
    # Helm 4 puts an empty line between two objects, and Helm 3 does not.
    return first + re.sub(r"\n+---", "\n---", text).rstrip("\n") + "\n"


rendered = {}
for values in sorted((FOLDER / "values").glob("*.yaml")):
    name = values.stem
    text, file = plain(name), FOLDER / "plain" / f"{name}.yaml"
    if os.environ.get("BLESS"):
        file.write_text(text)
    must(file.is_file() and file.read_text() == text, f"plain/{name}.yaml is not what the chart renders: make kubernetes-render")
    rendered[name] = [thing for thing in yaml.safe_load_all(text) if thing]
for file in (FOLDER / "plain").iterdir():
    must(file.stem in rendered, f"plain/{file.name} has no values/{file.name}")

status, text, said = helm("lint", "--strict", str(CHART))
must(status == 0, f"helm lint: {text}{said}")
chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
must(chart["version"] == chart["appVersion"] == VERSION, f"Chart.yaml is not at {VERSION}")
# A chart that is handed over as one file is whole: what is a link here is a file there.
with tempfile.TemporaryDirectory() as folder:
    status, text, said = helm("package", str(CHART), "--destination", folder)
    must(status == 0, f"helm package: {text}{said}")
    package = next(pathlib.Path(folder).iterdir(), None)
    out = render(FOLDER / "values/everything.yaml", package)[1] if package else ""
    must([thing for thing in yaml.safe_load_all(out) if thing] == rendered["everything"], "the packaged chart renders something else")


# --- Kubernetes' own schemas, and the Prometheus operator's ------------------------------------------------------------------


def known_members(thing):
    """The operator's kinds, through models made of its CRDs: a member that is lost on the way is one that they do not have."""
    from cloudcoil.models.prometheus_operator import v1

    model = getattr(v1, thing["kind"]).model_validate(thing)
    return json.loads(model.model_dump_json(by_alias=True, exclude_unset=True))


for name, things in rendered.items():
    for thing in things:
        where = f"{name}: {thing['kind']}"
        if thing["apiVersion"] == MONITORING:
            must(known_members(thing) == thing, f"{where}: has a member that the Prometheus operator does not know")
            continue
        for release in RELEASES:
            try:
                kubernetes_validate.validate(thing, release, strict=True)
            except kubernetes_validate.ValidationError as error:
                must(False, f"{where}, Kubernetes {release}: {'.'.join(map(str, error.path))}: {error.message}")


# What follows reads members that are there if the schemas are content.
end_if_wrong()

# --- what every pod is ------------------------------------------------------------------------------------------------------------


def pods(things):
    return [(thing, thing["spec"]["template"]) for thing in things if "template" in thing.get("spec", {})]


def secure(where, pod):
    spec = pod["spec"]
    must(spec.get("automountServiceAccountToken") is False, f"{where}: gets a token of the cluster")
    must(spec.get("enableServiceLinks") is False, f"{where}: gets variables of Services, and RELAY_… ones are mistakes")
    for member in ("hostNetwork", "hostPID", "hostIPC", "shareProcessNamespace", "hostUsers"):
        must(not spec.get(member), f"{where}: {member}")
    whole = spec.get("securityContext", {})
    must(whole.get("runAsNonRoot") is True, f"{where}: may run as root")
    must(whole.get("runAsUser", 1) != 0 and whole.get("fsGroup", 1) != 0, f"{where}: runs as root")
    must(whole.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{where}: seccomp is {whole.get('seccompProfile')}")
    for volume in spec["volumes"]:
        must(set(volume) - {"name"} <= {"configMap", "secret", "projected"}, f"{where}: volume {volume['name']} is a {set(volume)}")
        mode = (volume.get("secret") or volume.get("projected") or {}).get("defaultMode", 0)
        must(mode in (0, 0o440), f"{where}: a secret has mode {mode:o}")
        must("configMap" in volume or mode, f"{where}: a secret has the usual mode, which everybody may read")
    must(len(spec["containers"]) == 1 and "initContainers" not in spec, f"{where}: has more than one container")
    container = spec["containers"][0]
    own = container.get("securityContext", {})
    must(own.get("readOnlyRootFilesystem") is True, f"{where}: writes into its image")
    must(own.get("allowPrivilegeEscalation") is False and not own.get("privileged"), f"{where}: may gain rights")
    must(own.get("capabilities") == {"drop": ["ALL"]}, f"{where}: has capabilities {own.get('capabilities')}")
    resources = container.get("resources", {})
    must({"cpu", "memory"} <= set(resources.get("requests", {})) and "memory" in resources.get("limits", {}), f"{where}: resources {resources}")
    for variable in container["env"]:
        secret = re.search(r"KEY|TOKEN|SECRET|PASSWORD|URL", variable["name"]) and not variable["name"].endswith("_FILE")
        must(not secret and "valueFrom" not in variable, f"{where}: {variable['name']} is a secret in a variable")


def mounted(where, things, owner, pod):
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    claims = {claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", [])}
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    must(set(mounts) == {volume["name"] for volume in spec["volumes"]} | claims, f"{where}: mounts {set(mounts)}")
    must(all(mount.get("readOnly") or name in claims for name, mount in mounts.items()), f"{where}: something else than a spool can be written")
    # Every file that a variable names is below a mount, and there if its volume lists files.
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    maps = {thing["metadata"]["name"]: thing["data"] for thing in things if thing["kind"] == "ConfigMap"}
    for variable in container["env"]:
        if not variable["value"].startswith("/"):
            continue
        path = pathlib.PurePosixPath(variable["value"])
        mount = next((m for m in mounts.values() if path == pathlib.PurePosixPath(m["mountPath"]) or str(path.parent) == m["mountPath"]), None)
        must(mount, f"{where}: {variable['name']}: nothing is mounted at {path}")
        volume = volumes.get((mount or {}).get("name"), {})
        if "configMap" in volume:
            must(path.name in maps.get(volume["configMap"]["name"], {}), f"{where}: {variable['name']}: no ConfigMap has {path.name}")
        if "projected" in volume:
            files = {item["path"] for source in volume["projected"]["sources"] for item in source["secret"]["items"]}
            must(path.name in files, f"{where}: {variable['name']}: {path.name} is none of {files}")


def seconds(text):
    return int(re.fullmatch(r"(\d+)s", text)[1])


def relay(where, pod):
    spec, container = pod["spec"], pod["spec"]["containers"][0]
    env = {variable["name"]: variable["value"] for variable in container["env"]}
    must(len(env) == len(container["env"]), f"{where}: a variable stands twice")
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    must(env["RELAY_LISTEN"] == f"0.0.0.0:{ports['events']}" and env["RELAY_ADMIN_LISTEN"] == f"0.0.0.0:{ports['admin']}", f"{where}: listens elsewhere than on {ports}")
    ready, alive = container["readinessProbe"], container["livenessProbe"]
    must(ready["httpGet"] == {"path": "/readyz", "port": "admin"}, f"{where}: asks {ready['httpGet']} whether it is ready")
    must(alive["httpGet"] == {"path": "/healthz", "port": "admin"}, f"{where}: asks {alive['httpGet']} whether it lives")
    must(ready["timeoutSeconds"] > READY_TIMEOUT, f"{where}: the probe gives up before /readyz has said why")
    must(alive["failureThreshold"] * alive["periodSeconds"] >= 60, f"{where}: is killed after less than a minute")
    pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    grace, needed = spec["terminationGracePeriodSeconds"], AFTER_STOP(seconds(env["RELAY_DEADLINE"])) + pause
    must(needed < grace <= needed + 10, f"{where}: has {grace} s to stop, and needs {needed}")
    image = container["image"].split("@")[0]
    must(image.endswith(f"mdss-relay-http:{VERSION}"), f"{where}: image {image} is not ours at {VERSION}")
    known = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/settings.md").read_text(), re.MULTILINE))
    must(set(env) <= known, f"{where}: {set(env) - known} are no settings of docs/settings.md")


# --- the objects know each other ----------------------------------------------------------------------------------------------------


def selects(selector, labels):
    return all(labels.get(name) == value for name, value in selector.items())


def together(name, things):
    of = lambda kind: [thing for thing in things if thing["kind"] == kind]  # noqa: E731
    must(len({(thing["kind"], thing["metadata"]["name"]) for thing in things}) == len(things), f"{name}: two objects have one name")
    workloads = of("Deployment") + of("StatefulSet")
    must(len(workloads) == 1, f"{name}: {len(workloads)} workloads")
    workload = workloads[0]
    labels = workload["spec"]["template"]["metadata"]["labels"]
    jobs = [job["spec"]["template"]["metadata"]["labels"] for job in of("Job")]
    must(selects(workload["spec"]["selector"]["matchLabels"], labels), f"{name}: the workload does not select its own pods")
    # A selector never changes: what changes with a version or a value must not be in it.
    must("app.kubernetes.io/version" not in workload["spec"]["selector"]["matchLabels"], f"{name}: the selector changes with the version")
    for service in of("Service"):
        selector = service["spec"]["selector"]
        must(selects(selector, labels) and not any(selects(selector, job) for job in jobs), f"{name}: {service['metadata']['name']} selects other pods")
    for budget in of("PodDisruptionBudget"):
        must(selects(budget["spec"]["selector"]["matchLabels"], labels), f"{name}: the budget is for other pods")
        must(budget["spec"].get("maxUnavailable") == 1, f"{name}: the budget is {budget['spec']}")
    for policy in of("NetworkPolicy"):
        selector = policy["spec"]["podSelector"]["matchLabels"]
        must(selects(selector, labels) and all(selects(selector, job) for job in jobs), f"{name}: the network policy is for other pods")
        must(policy["spec"]["policyTypes"] == ["Ingress", "Egress"], f"{name}: the network policy leaves a direction open")
        admin = [rule for rule in policy["spec"]["ingress"] if any(port["port"] == "admin" for port in rule["ports"])]
        must(all(rule.get("from") for rule in admin), f"{name}: everybody may ask for metrics")
        must(not any("ports" not in rule for rule in policy["spec"]["ingress"] + policy["spec"]["egress"]), f"{name}: a rule opens every port")
    for kind in ("Service", "NetworkPolicy", "PodDisruptionBudget"):
        must(of(kind), f"{name}: no {kind}")
    ports = {service["metadata"]["name"]: {port["name"] for port in service["spec"]["ports"]} for service in of("Service")}
    must(ports["mdss-relay"] == {"events"}, f"{name}: senders reach {ports['mdss-relay']}")
    for ingress in of("Ingress"):
        hosts = {host for tls in ingress["spec"]["tls"] for host in tls["hosts"]}
        for rule in ingress["spec"]["rules"]:
            must(rule["host"] in hosts, f"{name}: {rule['host']} is served without TLS")
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                must(backend["port"]["name"] in ports.get(backend["name"], set()), f"{name}: the ingress leads to {backend}")
    for monitor in of("ServiceMonitor"):
        seen = [service for service in of("Service") if selects(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"])]
        must(len(seen) == 1, f"{name}: Prometheus sees {len(seen)} services, so every pod {len(seen)} times")
        must(all(end["port"] in ports[seen[0]["metadata"]["name"]] for end in monitor["spec"]["endpoints"]), f"{name}: Prometheus asks another port")
        given = {rule["targetLabel"]: rule for end in monitor["spec"]["endpoints"] for rule in end["relabelings"]}
        must(given["job"]["replacement"] == "mdss-relay", f"{name}: the job has another name than the alerts ask for")
    for scaler in of("HorizontalPodAutoscaler"):
        target = scaler["spec"]["scaleTargetRef"]
        must((target["kind"], target["name"]) == (workload["kind"], workload["metadata"]["name"]), f"{name}: the scaler is for {target}")
        must("replicas" not in workload["spec"], f"{name}: an update would undo what the scaler has done")
    if workload["kind"] == "Deployment":
        rolling = workload["spec"]["strategy"]["rollingUpdate"]
        must(rolling == {"maxSurge": 1, "maxUnavailable": 0}, f"{name}: an update has a gap: {rolling}")
    else:
        must(workload["spec"]["serviceName"] in ports, f"{name}: there is no service {workload['spec']['serviceName']}")
        must(workload["spec"]["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}, f"{name}: a volume with events may be deleted")
        claim = workload["spec"]["volumeClaimTemplates"][0]["spec"]
        must(claim["accessModes"] == ["ReadWriteOnce"], f"{name}: the spool is on a share")


for name, things in rendered.items():
    together(name, things)
    for owner, pod in pods(things):
        where = f"{name}: {owner['kind']}"
        secure(where, pod)
        mounted(where, things, owner, pod)
        if owner["kind"] != "Job":
            relay(where, pod)

# The same with what a user may change: no value may take a property away.
for values in (
    {"uid": None},
    {"uid": 1000650000, "antiAffinity": "none", "networkPolicy": {"enabled": False}},
    {"deadlineSeconds": 600},
    {"spool": {"engine": "sqlite"}, "replicas": 3},
    {"fullnameOverride": "x" * 50, "nameOverride": "y" * 50, "spool": {"postgresql": {"migrate": {"by": "job"}}}},
):
    status, text, said = render(values)
    must(status == 0, f"{values}: helm refused it: {said}")
    for owner, pod in pods([thing for thing in yaml.safe_load_all(text) if thing]):
        where = f"{values}: {owner['kind']}"
        secure(where, pod)
        if owner["kind"] != "Job":
            relay(where, pod)
        must(len(owner["metadata"]["name"]) <= 63, f"{where}: a name of {len(owner['metadata']['name'])} letters")
        must("runAsUser" in pod["spec"]["securityContext"] or values.get("uid", 1) is None, f"{where}: no user")

# --- the rules are the project's -----------------------------------------------------------------------------------------------------

rules = next(thing for thing in rendered["everything"] if thing["kind"] == "PrometheusRule")["spec"]
ours = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())
theirs = {rule["alert"]: rule for group in rules["groups"] for rule in group["rules"]}
for rule in (rule for group in ours["groups"] for rule in group["rules"]):
    other = copy.deepcopy(theirs.get(rule["alert"], {}))
    command = other.get("annotations", {}).pop("command", "")
    one = copy.deepcopy(rule)
    one["annotations"].pop("command")
    must(one == other, f"the alert {rule['alert']} is another one in the chart")
    must(command.startswith("kubectl --namespace mdss-relay "), f"{rule['alert']}: the command is {command}")
for name, rule in theirs.items():
    for word in ("sudo", "systemctl", "journalctl", "/var/lib", "<no value>"):
        must(word not in rule["annotations"]["command"], f"{name}: the command is for another machine: {rule['annotations']['command']}")
    must("$labels" in rule["annotations"]["command"] or name == "MdssRelayNoPod", f"{name}: the command names no pod")
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), re.MULTILINE) if (ROOT / page).is_file() else []
    must(anchor in [heading.lower().replace(" ", "-") for heading in headings], f"{name}: there is no {page}#{anchor}")
# Prometheus' own tool: that these are rules, and when the chart's own one fires.
NO_POD = {
    "evaluation_interval": "1m",
    "tests": [{
        "interval": "1m",
        # Two pods, of which one goes after five minutes and the other after ten.
        "input_series": [{"series": f'up{{job="mdss-relay",namespace="mdss-relay",instance="{pod}"}}', "values": f"1x{minutes} _x20"} for pod, minutes in (("a", 5), ("b", 10))],
        "alert_rule_test": [
            {"eval_time": "9m", "alertname": "MdssRelayNoPod"},
            {"eval_time": "20m", "alertname": "MdssRelayNoPod", "exp_alerts": [
                {"exp_labels": {"severity": "critical", "namespace": "mdss-relay"}, "exp_annotations": theirs["MdssRelayNoPod"]["annotations"]}]},
        ],
    }],
}
if os.environ.get("PROMTOOL"):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "rules.yml").write_text(yaml.safe_dump(rules))
        (folder / "test.yml").write_text(yaml.safe_dump({"rule_files": ["rules.yml"], **NO_POD}))
        for command in (["check", "rules", "rules.yml"], ["test", "rules", "test.yml"]):
            ran = subprocess.run([os.environ["PROMTOOL"], *command], capture_output=True, text=True, cwd=folder)
            must(ran.returncode == 0, f"promtool: {ran.stdout}{ran.stderr}")

# --- the commands that are shown are commands ------------------------------------------------------------------------------------------


def commands(text):
    """Those of kubectl and helm in a text, as words, each up to where the shell takes over."""
    text = re.sub(r"\\\n\s*", "", text)
    for line in re.findall(r"(?:^|[\s'\";|])((?:kubectl|helm) (?:[^\n|;<>&]|&(?!&))*)", text):
        words = re.sub(r"\{\{.*?\}\}", "x", line).split(" -- ")[0].split("  #")[0].split()
        yield [word.strip("'\"`.,)") for word in words]


helps = {}


def said(*words):
    """What the program says of itself."""
    if words not in helps:
        helps[words] = subprocess.run(words, capture_output=True, text=True, env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"}).stdout
    return helps[words]


def known(words, word):
    """Whether it is a command below these, by their help."""
    return re.search(rf"^  {re.escape(word)}\s", said(*words, "--help"), re.MULTILINE)


shown = "\n".join(re.findall(r"```sh\n(.*?)```", (ROOT / "docs/kubernetes.md").read_text(), re.DOTALL))
shown += "\n".join(rule["annotations"]["command"] for rule in theirs.values())
seen = 0
for words in commands(shown):
    program, bare = words[0], [word for word in words[1:] if not word.startswith("-")]
    if shutil.which(program) is None:
        print(f"kubernetes: the commands of {program} are not checked, it is missing", file=sys.stderr)
        continue
    seen += 1
    # A namespace may stand before the command: the first word that the program knows is it.
    while bare and not known([program], bare[0]):
        bare.pop(0)
    must(bare, f"{program} has no command for {' '.join(words)}")
    command = [program]
    while bare and known(command, bare[0]):
        command.append(bare.pop(0))
    everywhere = said("kubectl", "options") if program == "kubectl" else ""
    for option in (word.split("=")[0] for word in words if word.startswith("--")):
        must(re.search(rf"{option}(?![\w-])", said(*command, "--help") + everywhere), f"{' '.join(command)} has no {option}")
must(seen > 15 or shutil.which("kubectl") is None, f"only {seen} commands were found")

# --- wrong values are refused ---------------------------------------------------------------------------------------------------------

# Values, and a word of the refusal.
REFUSED = (
    ({"replica": 3}, "replica"),
    ({"replicas": 0}, "replicas"),
    ({"replicas": "2"}, "replicas"),
    ({"spool": {"engine": "mysql"}}, "engine"),
    ({"spool": {"engine": "postgresql", "url": "postgres://a:b@c/d"}}, "url"),
    ({"spool": {"postgresql": {"url": {"secretName": "", "key": "a b"}}}}, "key"),
    ({"spool": {"postgresql": {"durability": "on"}}}, "durability"),
    ({"spool": {"postgresql": {"migrate": {"by": "hook"}}}}, "migrate"),
    ({"spool": {"limit": "4GB"}}, "limit"),
    ({"spool": {"sqlite": {"volume": {"size": "6"}}}}, "size"),
    ({"deadlineSeconds": "25s"}, "deadlineSeconds"),
    ({"image": {"repository": "mdss-relay-http", "tag": "latest"}}, "tag"),
    ({"image": {"repository": "mdss-relay-http", "digest": "0.1.0"}}, "digest"),
    ({"secret": {"apiKey": "x"}}, "apiKey"),
    ({"config": "[mdss]\nendpoint = \"https://mdss.example\"\n"}, "config"),
    ({"config": "[mdss]\napi_key = \"x\"\n[[source]]\n"}, "config"),
    ({"config": "[[source]]\nauth = { bearer = { token = \"x\" } }\n"}, "config"),
    ({"config": "[http]\ndata_dir = \"/x\"\n[[source]]\n"}, "config"),
    ({"env": [{"name": "RELAY_SPOOL_URL", "value": "postgres://a:b@c/d"}]}, "env"),
    ({"env": [{"name": "RELAY_DEADLINE", "value": "90s"}]}, "env"),
    ({"uid": 0}, "uid"),
    ({"resources": {"limits": None}}, "resources"),
    ({"antiAffinity": True}, "antiAffinity"),
    ({"networkPolicy": {"mdss": {"ports": []}}}, "ports"),
    ({"networkPolicy": {"mdss": {"ports": ["https"]}}}, "ports"),
    ({"service": {"port": 0}}, "port"),
    ({"ingress": {"enabled": True, "host": "https://relay.example"}}, "host"),
    ({"spool": {"engine": "sqlite"}, "autoscaling": {"enabled": True}}, "engine"),
    ({"monitoring": {"serviceMonitor": {"enabled": True}}}, "watchers"),
    ({"securityContext": {"privileged": True}}, "securityContext"),
)
for values, word in REFUSED:
    status, text, said = render(values)
    must(status != 0 and word in said, f"{values} is not refused for {word}: {said or 'it is taken'}")

end_if_wrong()
count = sum(map(len, rendered.values()))
print(f"kubernetes: {count} objects, as Kubernetes {' and '.join(RELEASES)} want them; {len(REFUSED)} wrong values refused; {len(theirs)} alerts")
