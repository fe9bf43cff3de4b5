"""The charts of this repository, ready to be rendered by helm."""

import os
import shutil

from report import ROOT, run

# Where the tools are; an empty one is not there.
TOOLS = {name: os.environ.get(name, "") for name in ("HELM", "HELM_DOCS", "PROMTOOL", "KUBECTL", "QUOTAD")}
OLDEST = "1.29"
PLAN = "quotad:\n  plan: |\n    organizations: {default: {grants: [{kind: contract, credits: 1000}]}}\n"


class Charts:
    """A copy of the charts with their dependencies, so that nothing is left in the tree."""

    def __init__(self, folder):
        self.folder = folder / "helm"
        shutil.copytree(ROOT / "helm", self.folder, ignore=shutil.ignore_patterns("charts", "Chart.lock"))
        shutil.copytree(ROOT / "tests" / "helm" / "deployment", self.folder / "deployment")
        self.plan = folder / "plan-values.yaml"
        self.plan.write_text(PLAN)

    def applications(self):
        return ["quotad", "example-app", "deployment"]

    def scenarios(self):
        for chart in self.applications():
            for values in sorted((self.folder / chart / "ci").glob("values-*.yaml")):
                yield chart, values

    def render(self, chart, *arguments, version=OLDEST):
        return run(TOOLS["HELM"], "template", "shop", self.folder / chart, "--namespace", "here", "--kube-version", version, *arguments)
