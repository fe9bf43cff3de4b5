"""Alerts, runbooks and dashboard: every metric exists, every alert has a page and a test that can fail."""

import json
import pathlib
import re
import shutil

import yaml

from report import ROOT, run

ALERTS = ROOT / "helm" / "quotad-lib" / "files" / "alerts.yaml"
DASHBOARD = ROOT / "helm" / "quotad-lib" / "files" / "dashboard.json"
TESTS = ROOT / "tests" / "helm" / "alerts.test.yaml"
RUNBOOKS = ROOT / "docs" / "runbooks"
METRICS = ROOT / "docs" / "metrics.md"

# Labels that Prometheus, or the PodMonitor, adds to every series.
SCRAPED = {"job", "namespace", "pod", "quotad", "le", "alertname", "alertstate"}


def documented():
    """The metrics and their labels, from docs/metrics.md."""
    known = {}
    for line in METRICS.read_text().splitlines():
        row = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if re.fullmatch(r"`quotad_\w+`", row[0]) and len(row) >= 3:
            name, kind, labels = row[0].strip("`"), row[1], set(re.findall(r"`(\w+)`", row[2]))
            known[name] = labels
            if kind == "histogram":
                known |= {f"{name}_{suffix}": labels for suffix in ("bucket", "sum", "count")}
    return known


def alerts(text=None):
    groups = yaml.safe_load(text or ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions_of_dashboard(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel["title"], target["expr"]
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["definition"]


def unknown_metrics(where, expression, known):
    """Metrics of quotad, and labels in braces, that docs/metrics.md does not know."""
    for name, selector in re.findall(r"\b(quotad_\w+)(\{[^}]*\})?", expression):
        if name not in known:
            yield f"{where}: there is no metric {name}"
            continue
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            if label not in known[name] | SCRAPED:
                yield f"{where}: {name} has no label {label}"


def unknown_anywhere():
    known = documented()
    for rule in alerts():
        yield from unknown_metrics(rule["alert"], rule["expr"], known)
        for label in re.findall(r"\$labels\.(\w+)", json.dumps(rule["annotations"])):
            if label not in SCRAPED and not any(label in known[name] for name in re.findall(r"\bquotad_\w+", rule["expr"]) if name in known):
                yield f"{rule['alert']}: its text names the label {label}, which it has not"
    for where, expression in expressions_of_dashboard(json.loads(DASHBOARD.read_text())):
        yield from unknown_metrics(f"dashboard, {where}", expression, known)
    for page in sorted(RUNBOOKS.glob("*.md")):
        for block in re.findall(r"```promql\n(.*?)```", page.read_text(), re.S):
            yield from unknown_metrics(page.name, block, known)
        for name in re.findall(r"`(quotad_\w+)[`{]", page.read_text()):
            yield from unknown_metrics(page.name, name, known)


def not_on_the_dashboard():
    """Metrics that nobody would see."""
    shown = " ".join(expression for _, expression in expressions_of_dashboard(json.loads(DASHBOARD.read_text())))
    for name in documented():
        if not re.search(rf"\b{name}(_bucket)?\b", shown) and not re.search(r"_(sum|count|bucket)$", name):
            yield f"dashboard: does not show {name}"


def pages():
    """A page for each alert, an alert for each page, the three questions on each; links and commands exist."""
    names = {rule["alert"] for rule in alerts()}
    found = {page.stem for page in RUNBOOKS.glob("*.md")}
    yield from (f"{name}: there is no docs/runbooks/{name}.md" for name in sorted(names - found))
    yield from (f"docs/runbooks/{name}.md: there is no such alert" for name in sorted(found - names))
    for rule in alerts():
        name, page = rule["alert"], RUNBOOKS / f"{rule['alert']}.md"
        if rule["annotations"]["runbook_url"] != f"docs/runbooks/{name}.md":
            yield f"{name}: its runbook_url is {rule['annotations']['runbook_url']}"
        if not page.exists():
            continue
        text = page.read_text()
        headings = re.findall(r"^#+ (.*)$", re.sub(r"```.*?```", "", text, flags=re.S), re.M)
        if headings != [name, "What it means", "How to see it", "What to do"]:
            yield f"{page.name}: has the headings {headings}"
        if f"Severity: {rule['labels']['severity']}." not in text:
            yield f"{page.name}: its severity is not {rule['labels']['severity']}"
        yield from problems_of_text(page, text)


def problems_of_text(page, text):
    for target in re.findall(r"\]\(([^)#]+)", text):
        if "://" not in target and not (page.parent / target).exists():
            yield f"{page.name}: links to {target}, which is not there"
    commands = {path.stem for path in (ROOT / "src" / "cli").glob("*.rs")}
    for command in re.findall(r"(?:`|-- )quotad ([a-z]+)", text):
        if command not in commands:
            yield f"{page.name}: there is no command quotad {command}"


def promtool_test(promtool, folder, rules):
    folder = pathlib.Path(folder)
    folder.mkdir(exist_ok=True)
    (folder / "alerts.yaml").write_text(rules)
    shutil.copy(TESTS, folder / TESTS.name)
    return run(promtool, "test", "rules", TESTS.name, cwd=folder)


def tests_that_cannot_fail(promtool, folder):
    """Alerts without a test that fails when nothing ever fires, or without a moment at which nothing may fire."""
    whole = yaml.safe_load(ALERTS.read_text())
    for group in whole["groups"]:
        for rule in group["rules"]:
            rule["expr"] = "vector(0) > 1"
    _, output = promtool_test(promtool, folder, yaml.safe_dump(whole))
    tests = yaml.safe_load(TESTS.read_text())["tests"]
    for rule in alerts():
        name = rule["alert"]
        own = [test for test in tests if test["name"].startswith(f"{name}: ")]
        if f'exp: {{alertname="{name}"}}' not in output:
            yield f"{name}: no test fails although it never fires"
        if not all(any(moment["exp_samples"] == [] for moment in test["promql_expr_test"]) for test in own):
            yield f"{name}: a test does not say when it must not fire yet"


def dashboard_parses(promtool, folder):
    """Each expression of the dashboard, with its variables filled in, is PromQL."""
    rules = []
    for _, expression in expressions_of_dashboard(json.loads(DASHBOARD.read_text())):
        if expression.startswith("label_values("):
            expression = expression.removeprefix("label_values(").rpartition(",")[0]
        for variable, value in (("$__rate_interval", "5m"), ("$namespace", "x"), ("$quotad", "x"), ("$pod", "x"), ("$organization", "x")):
            expression = expression.replace(variable, value)
        rules.append({"record": f"panel:{len(rules)}", "expr": expression})
    path = pathlib.Path(folder) / "dashboard.rules.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    code, output = run(promtool, "check", "rules", path)
    return [] if code == 0 else [output]
