#!/usr/bin/env python3
"""The charts: linted, rendered for each scenario, validated against Kubernetes' schemas, and refused where values are wrong.

tests/helm.sh runs it, and says by variables where the tools are (charts.TOOLS).
"""

import functools
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

import monitoring
import pods
import refusals
import schemas
from charts import OLDEST, TOOLS, Charts
from report import ROOT, Report, documents, run

OWN_SCHEMA = json.loads((ROOT / "tests" / "helm" / "monitoring.schema.json").read_text())

# The package reads its files, of several MB, for each document.
kubernetes_validate.utils.schema_contents = functools.cache(kubernetes_validate.utils.schema_contents)


def versions():
    known = {kubernetes_validate.utils.major_minor(version) for version in kubernetes_validate.utils.all_versions()}
    number = lambda version: tuple(map(int, version.split(".")))
    return [version for version in sorted(known, key=number) if number(version) >= number(OLDEST)]


def invalid(document):
    """What the schemas of any supported version, or ours for the Prometheus operator, say of a document."""
    name = f"{document['kind']} {document['metadata']['name']}"
    if document["apiVersion"].startswith("monitoring.coreos.com/"):
        for error in jsonschema.Draft202012Validator(OWN_SCHEMA).iter_errors(document):
            error = jsonschema.exceptions.best_match([error])
            yield f"{name}: {'.'.join(map(str, error.path))}: {error.message[:200]}"
        return
    for version in versions():
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{name}, Kubernetes {version}: {'.'.join(map(str, error.path))}: {error.message[:200]}"
        except kubernetes_validate.SchemaNotFoundError as error:
            yield f"{name}: {error.message}"


def check_forms(report):
    report.section("schemas of the values, versions")
    for path in sorted((ROOT / "helm").glob("*/values.schema.json")):
        report.check(f"{path.parent.name}: closed and described", schemas.problems_of_form(json.loads(path.read_text()), path.parent.name))
    report.check("settings are what quotad.yaml takes", schemas.problems_of_settings())
    broken = {"type": "object", "description": "x", "properties": {"a": {"type": "string"}}}
    report.objects("open schema", schemas.problems_of_form(broken, "x"), "lets in unknown keys", "has no description")
    library = json.loads(schemas.LIBRARY.read_text())
    del library["$defs"]["Settings"]["properties"]["durability"]
    report.objects("settings that differ", schemas.problems_of_settings(library), "Settings is not what")
    binary = re.search(r'^version = "(.*)"', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    for chart in ("quotad-lib", "quotad", "example-app"):
        about = yaml.safe_load((ROOT / "helm" / chart / "Chart.yaml").read_text())
        wanted = {"appVersion": binary if chart != "example-app" else about["appVersion"], "kubeVersion": ">=1.29.0-0"}
        report.check(f"{chart}: made for quotad {binary} and Kubernetes 1.29", [f"{key} is {about[key]}" for key in wanted if about[key] != wanted[key]])


def check_scenarios(report, charts):
    report.section(f"scenarios: linted, rendered, validated against Kubernetes {', '.join(versions())}")
    for chart in charts.applications():
        code, output = run(TOOLS["HELM"], "dependency", "update", charts.folder / chart)
        report.check(f"{chart}: its dependency is found", [output] if code else [])
    rendered = {}
    for chart, values in charts.scenarios():
        name = f"{chart}/{values.stem}"
        code, output = run(TOOLS["HELM"], "lint", "--strict", "--kube-version", OLDEST, charts.folder / chart, "-f", values)
        report.check(f"{name}: lint", [output] if code else [])
        code, text = charts.render(chart, "-f", values)
        _, newest = charts.render(chart, "-f", values, version=versions()[-1])
        problems = [text] if code else []
        if not code:
            problems = ["rendered otherwise for the newest Kubernetes"] if text != newest else []
            problems += ["helm warns"] if re.search(r"^\S+[.]go:\d+: warning", text, re.M) else []
            rendered[name] = documents(text)
            problems += [problem for document in rendered[name] for problem in invalid(document)]
        report.check(f"{name}: valid", problems)
    for name, found in rendered.items():
        problems = [*pods.security(found), *pods.wiring(found), *pods.accepted(found, not name.startswith("quotad/")), *pods.configuration(found)]
        report.check(f"{name}: secure, wired, accepted by the binary", problems)
    wanted = {"ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PrometheusRule", "Service", "ServiceAccount", "StatefulSet"}
    kinds = {document["kind"] for name, found in rendered.items() if name.startswith("quotad/") for document in found}
    report.check("the scenarios render every kind of object", [f"no {kind}" for kind in sorted(wanted - kinds)])
    return rendered


def check_checkers(report, rendered):
    report.section("each checker objects to what is wrong on purpose")
    good = rendered["example-app/values-defaults"]
    again = lambda: json.loads(json.dumps(good))
    workload = lambda found: next(document for document in found if document["kind"] == "StatefulSet")
    container = pods.quotad_container

    found = again()
    workload(found)["spec"]["template"]["spec"]["containers"][0]["imagePulPolicy"] = "Always"
    report.objects("a misspelled key", list(invalid(workload(found))), "Kubernetes 1.29", f"Kubernetes {versions()[-1]}")
    found = again()
    own = container(found)["securityContext"]
    own.update(runAsUser=0, readOnlyRootFilesystem=False)
    own["capabilities"]["add"] = ["NET_ADMIN"]
    container(found)["resources"] = {}
    report.objects("an insecure pod", list(pods.security(found)), "no user, or root", "readOnlyRootFilesystem", "capabilities", "resources")
    found = again()
    container(found)["volumeMounts"][1]["subPath"] = "plan.yaml"
    container(found)["volumeMounts"][0]["name"] = "elsewhere"
    report.objects("loose ends", list(pods.wiring(found)), "subPath", "no volume elsewhere", "quotad-data is not mounted")
    found = again()
    container(found)["args"] += ["--plam=x", "--data-dir=/etc/quotad/config"]
    container(found)["livenessProbe"]["grpc"]["service"] = "quotad.life"
    workload(found)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 5
    del container(found)["restartPolicy"]
    words = ("does not take --plam=x", "no volume that can be written", "quotad.life", "the drain alone", "restartPolicy")
    report.objects("what the binary does not take", list(pods.accepted(found, True)), *words)
    found = again()
    data = next(document for document in found if document["kind"] == "ConfigMap")["data"]
    data["quotad.yaml"] = "durabillity: power\nbounds: {cells: 5000000}\nnotifications: {sinks: [{webhook: {url: x, secret: whsec_abc}}]}\n"
    data["plan.yaml"] = "organisations: {}\n"
    report.objects("wrong files", list(pods.configuration(found)), "durabillity", "organisations", "holds a secret", "need")
    rule = next(document for document in rendered["quotad/values-monitoring"] if document["kind"] == "PrometheusRule")
    rule = json.loads(json.dumps(rule))
    rule["spec"]["groups"][0]["rules"][0]["exprs"] = "1"
    report.objects("a rule with an unknown key", list(invalid(rule)), "PrometheusRule")


def check_particulars(report, charts, rendered):
    report.section("what is seen in what was rendered")
    # Amounts survive YAML's numbers.
    data = next(document["data"] for document in rendered["quotad/values-plan-mapping"] if document["kind"] == "ConfigMap")
    rounded = [number for number in ("25000000", "2000000", "9000000000000000") if f" {number}\n" not in data["plan.yaml"]]
    report.check("amounts are not rounded", [f"no {number}" for number in rounded])

    def annotations(*arguments):
        _, text = charts.render("quotad", "-f", charts.plan, *arguments)
        return next(pods.pods(documents(text)))[1]["metadata"]["annotations"]["checksum/config"]

    before = annotations()
    report.check("a changed plan replaces no pod", ["the checksum changed"] if annotations("--set-string", "quotad.plan=organizations: {}") != before else [])
    report.check("changed settings replace the pod", ["the checksum stayed"] if annotations("--set", "quotad.settings.threads=3") == before else [])
    rule = next(document for document in rendered["quotad/values-monitoring"] if document["kind"] == "PrometheusRule")
    given = [rule for group in rule["spec"]["groups"] for rule in group["rules"]]
    problems = [
        f"{rule['alert']}: {rule['annotations']['runbook_url']}, {rule['labels']}"
        for rule in given
        if rule["annotations"]["runbook_url"] != f"https://example.org/quotad/runbooks/{rule['alert']}.md"
        or rule["labels"].get("team") != "platform"
    ]
    problems += ["the alert that was left out is there"] if "QuotadOrganizationExhausted" in [rule["alert"] for rule in given] else []
    problems += [f"{len(given)} alerts"] if len(given) != len(monitoring.alerts()) - 1 else []
    report.check("alerts carry the runbooks' place and the labels", problems)
    maps = [document["data"] for document in rendered["quotad/values-monitoring"] if document["kind"] == "ConfigMap"]
    dashboard = next(data["quotad.json"] for data in maps if "quotad.json" in data)
    report.check("the dashboard arrives as it is", [] if json.loads(dashboard) == json.loads(monitoring.DASHBOARD.read_text()) else ["it differs"])
    # helm prints NOTES only where there is a cluster; as a template they can be had without.
    templates = charts.folder / "quotad" / "templates"
    notes = '{{- define "test.notes" -}}' + (templates / "NOTES.txt").read_text() + "{{- end -}}\n"
    (templates / "notes.yaml").write_text(notes + 'kind: Notes\ntext: {{ include "test.notes" . | toJson }}\n')
    code, text = charts.render("quotad", "-f", charts.plan)
    notes = "" if code else next(document["text"] for document in documents(text) if document["kind"] == "Notes")
    (templates / "notes.yaml").unlink()
    words = ("shop-quotad.here.svc:7450", "port-forward shop-quotad-0 7451", "There are no tokens", "quotad-data-shop-quotad-0")
    problems = [text] if code else [f"{word} is not in {notes}" for word in words if word not in notes]
    report.check("NOTES say how to call it", problems)


def check_image(report):
    report.section("the image that the charts run")
    path = ROOT / "Dockerfile"
    if not path.exists():
        report.skip("entry point and user of the image", "there is no Dockerfile")
        return
    text = path.read_text()
    # The charts give arguments and no command; tests/kubelet puts the binary at this place.
    wanted = ('ENTRYPOINT ["/usr/local/bin/quotad"]', f"USER {pods.IDENTITY}:{pods.IDENTITY}")
    report.check("entry point and user of the image", [f"no {line}" for line in wanted if line not in text.splitlines()])


def check_refusals(report, charts):
    report.section("wrong values are refused with a sentence")
    for chart, given, words in refusals.REFUSALS:
        parts = [part for part in given.split(",") if part != "~"]
        arguments = ["-f", charts.plan] if given.startswith("~") else []
        code, output = charts.render(chart, *arguments, "--set", ",".join(parts))
        refused = code != 0 and words in output
        report.check(f"{chart}: {','.join(parts)[:90]}", [] if refused else [f"expected {words!r}, came exit code {code}: {output[-400:]}"])
    meant = "quotad.acceptResetOnReplace=true,quotad.persistence.kind=emptyDir,replicas=2,autoscaling.enabled=true,strategy.type=RollingUpdate"
    code, output = charts.render("quotad", "-f", charts.plan, "--set", meant)
    report.check("all of it is allowed where it is meant", [output[-400:]] if code else [])
    code, output = charts.render("quotad", "-f", charts.plan, version="1.28")
    report.check("Kubernetes 1.28 is refused", [] if code and "kubeVersion: >=1.29.0-0" in output else [output[-400:]])


def check_readme(report, folder):
    report.section("the READMEs of the charts")
    if not TOOLS["HELM_DOCS"]:
        report.skip("READMEs are what helm-docs makes of the values", "helm-docs could not be built")
        return
    copy = folder / "docs"
    shutil.copytree(ROOT / "helm", copy)
    run(TOOLS["HELM_DOCS"], "--chart-search-root", copy, "--log-level", "error")
    for path in sorted((ROOT / "helm").glob("*/README.md")):
        fresh = (copy / path.parent.name / "README.md").read_text()
        report.check(f"{path.parent.name}: up to date", [] if fresh == path.read_text() else ["run helm-docs --chart-search-root helm"])


def check_monitoring(report, rendered, folder):
    report.section("alerts, runbooks, dashboard")
    report.check("every alert has a page that answers the three questions", monitoring.pages())
    page = monitoring.RUNBOOKS / "x.md"
    report.objects("a page with dead ends", list(monitoring.problems_of_text(page, "[x](Nowhere.md) `quotad dance`")), "Nowhere.md", "quotad dance")
    if monitoring.METRICS.exists():
        report.check("every metric and label in alerts, dashboard and runbooks is documented", monitoring.unknown_anywhere())
        report.check("every documented metric is on the dashboard", monitoring.not_on_the_dashboard())
        wrong = monitoring.unknown_metrics("x", 'quotad_limit_credits{user="a"} + quotad_nothing', monitoring.documented())
        report.objects("an unknown metric", list(wrong), "no metric quotad_nothing", "no label user")
    else:
        report.skip("every metric exists", "there is no docs/metrics.md")
    if not TOOLS["PROMTOOL"]:
        report.skip("alerts are valid, and fire when they should", "promtool is not here and could not be had")
        return
    for name in ("quotad/values-monitoring", "example-app/values-monitoring"):
        rule = next(document for document in rendered[name] if document["kind"] == "PrometheusRule")
        path = folder / "rendered.rules.yaml"
        path.write_text(yaml.safe_dump(rule["spec"]))
        code, output = run(TOOLS["PROMTOOL"], "check", "rules", path)
        report.check(f"{name}: the rendered rules are Prometheus'", [output] if code else [])
    code, output = monitoring.promtool_test(TOOLS["PROMTOOL"], folder / "alerts", monitoring.ALERTS.read_text())
    report.check(f"{len(monitoring.alerts())} alerts fire when they should and not before", [output] if code else [])
    report.check("each of these tests can fail", monitoring.tests_that_cannot_fail(TOOLS["PROMTOOL"], folder / "broken"))
    report.check("the dashboard's expressions are PromQL", monitoring.dashboard_parses(TOOLS["PROMTOOL"], folder))


def check_manifest(report, rendered):
    report.section("the plain manifest for kustomize")
    if not TOOLS["KUBECTL"]:
        report.skip("examples/kubernetes", "kubectl is not here")
        return
    code, text = run(TOOLS["KUBECTL"], "kustomize", ROOT / "examples" / "kubernetes")
    report.check("examples/kubernetes: kustomize builds it", [text] if code else [])
    if code:
        return
    found = documents(text)
    problems = [problem for document in found for problem in invalid(document)]
    problems += [*pods.security(found), *pods.wiring(found), *pods.accepted(found, True), *pods.configuration(found)]
    report.check("examples/kubernetes: valid, secure, wired, accepted by the binary", problems)
    chart, plain = pods.quotad_container(rendered["example-app/values-defaults"]), pods.quotad_container(found)
    differ = [key for key in sorted(chart.keys() | plain.keys()) if chart.get(key) != plain.get(key)]
    problems = [f"{key}: {plain.get(key)}, and the chart says {chart.get(key)}" for key in differ]
    report.check("examples/kubernetes: the container is the chart's", problems)


def check_files_with_binary(report, rendered, folder):
    report.section("the rendered files, read by the binary itself")
    if not TOOLS["QUOTAD"]:
        report.skip("quotad check", "no binary is given (QUOTAD)")
        return
    mounted = "/etc/quotad/secrets"
    for name, found in rendered.items():
        for document in found:
            if document["kind"] != "ConfigMap" or "plan.yaml" not in document["data"]:
                continue
            place = folder / "files" / name
            place.mkdir(parents=True, exist_ok=True)
            for key, text in document["data"].items():
                # Secrets are elsewhere on this machine.
                (place / key).write_text(text.replace(mounted, str(place)))
            secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
            for key in ("webhook.key", "mail.password"):
                (place / key).write_text(secret)
            environment = os.environ | {"SECOND_HOOK": secret}
            code, output = run(TOOLS["QUOTAD"], "check", "--config", place / "quotad.yaml", place / "plan.yaml", env=environment)
            report.check(f"{name}: quotad check", [output] if code else [])


def main():
    report = Report()
    check_forms(report)
    check_image(report)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        charts, rendered = Charts(folder), {}
        if TOOLS["HELM"]:
            rendered = check_scenarios(report, charts)
            check_checkers(report, rendered)
            check_particulars(report, charts, rendered)
            check_refusals(report, charts)
            check_readme(report, folder)
            check_monitoring(report, rendered, folder)
            check_manifest(report, rendered)
            check_files_with_binary(report, rendered, folder)
        else:
            report.skip("everything that is rendered", "helm could not be built")
    sys.exit(report.close())


if __name__ == "__main__":
    main()
