"""What passed, what failed, what was not run and why."""

import os
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Report:
    def __init__(self):
        self.passed, self.failed, self.skipped = 0, 0, 0

    def section(self, title):
        print(f"\n--- {title}", flush=True)

    def check(self, name, problems):
        """A check with the list of what it found wrong."""
        problems = list(problems)
        if problems:
            self.failed += 1
            print(f"FAILED  {name}")
            for problem in problems[:20]:
                print(f"        {problem}")
        else:
            self.passed += 1
            print(f"ok      {name}")

    def objects(self, name, problems, *words):
        """A checker was fed something that is wrong on purpose: it must object, in these words."""
        text = "\n".join(problems)
        missing = [word for word in words if word not in text]
        if problems and not missing:
            self.check(f"{name}: the checker objects", [])
        else:
            self.check(f"{name}: the checker objects", [f"expected {missing or 'an objection'}, came {text!r}"])

    def skip(self, name, why):
        self.skipped += 1
        print(f"NOT RUN {name}: {why}")

    def close(self):
        print(f"\n{self.passed} passed, {self.failed} failed, {self.skipped} skipped")
        if os.environ.get("QUOTAD_CI_RESULTS"):
            with open(os.environ["QUOTAD_CI_RESULTS"], "a", encoding="utf-8") as results:
                results.write(f"{self.passed} {self.failed} {self.skipped}\n")
        return 1 if self.failed else 0


def run(*command, **options):
    """The exit code, and everything that was printed."""
    done = subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, **options
    )
    return done.returncode, done.stdout


class StrictLoader(yaml.SafeLoader):
    """YAML that names no key twice, as the API server wants it."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key, _ in node.value:
            name = self.construct_object(key, deep=True)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"the key {name!r} stands twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


def documents(text):
    return [document for document in yaml.load_all(text, StrictLoader) if document]
