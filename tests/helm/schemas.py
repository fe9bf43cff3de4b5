#!/usr/bin/env python3
"""The values' schemas: closed and described everywhere; `settings` says what quotad itself says of quotad.yaml.

Usage: schemas.py [--write]   (--write puts quotad's present settings into the schema of quotad-lib)
"""

import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = ROOT / "helm" / "quotad-lib" / "values.schema.json"
SETTINGS = ROOT / "schemas" / "settings.schema.json"

# Keys of quotad.yaml that other values decide, and which are flags of the container.
DECIDED = {"listen", "socket", "probes", "management", "plan", "data_dir", "drain_timeout"}

# Mappings whose keys are anybody's: what Helm hands around, what another schema closes, and the plan, which has a schema of its own.
OPEN = {"global", "quotad", "plan"}


def settings_definitions():
    """The definitions that `settings` needs, from the schema that the binary writes."""
    whole = json.loads(SETTINGS.read_text())
    unknown = DECIDED - set(whole["properties"])
    assert not unknown, f"quotad.yaml has no keys {sorted(unknown)} any more"
    properties = {key: value for key, value in whole["properties"].items() if key not in DECIDED}
    definitions = {
        "Settings": {
            "type": "object",
            "description": "How quotad itself runs (quotad.yaml).",
            "additionalProperties": False,
            "properties": properties,
        }
    }
    ahead = [definitions["Settings"]]
    while ahead:
        for name in references(ahead.pop()):
            if name not in definitions:
                definitions[name] = whole["$defs"][name]
                ahead.append(definitions[name])
    return definitions


def references(node):
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].removeprefix("#/$defs/")
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def write():
    library = json.loads(LIBRARY.read_text())
    fresh = settings_definitions()
    own = set(references({key: value for key, value in library.items() if key != "$defs"}))
    own |= set(references([library["$defs"][name] for name in own if name in library["$defs"] and name != "Settings"]))
    library["$defs"] = {name: library["$defs"][name] for name in library["$defs"] if name in own and name not in fresh} | fresh
    LIBRARY.write_text(json.dumps(library, indent=2, ensure_ascii=False) + "\n")


def problems_of_settings(library=None):
    library = library or json.loads(LIBRARY.read_text())
    return [
        f"values.schema.json of quotad-lib: {name} is not what schemas/settings.schema.json says; run tests/helm/schemas.py --write"
        for name, value in settings_definitions().items()
        if library["$defs"].get(name) != value
    ]


def problems_of_form(schema, file):
    """Everything that is an object is closed, and every key is described."""
    found = []

    def visit(node, path):
        if isinstance(node, list):
            for index, value in enumerate(node):
                visit(value, f"{path}/{index}")
        if not isinstance(node, dict):
            return
        if "properties" in node and node.get("additionalProperties") is not False:
            found.append(f"{file}{path}: lets in unknown keys; write additionalProperties: false")
        if node.get("type") == "object" and "additionalProperties" not in node and path.rsplit("/", 1)[-1] not in OPEN:
            found.append(f"{file}{path}: says nothing of its keys")
        for key, value in node.get("properties", {}).items():
            if not value.get("description"):
                found.append(f"{file}{path}/{key}: has no description")
        for key, value in node.items():
            # The keys of `properties` are names, and one of them may be called like a word of the schema.
            for name, child in value.items() if key in ("properties", "$defs") else [(key, value)]:
                visit(child, f"{path}/{name}" if key in ("properties", "$defs") else path)

    visit(schema, "")
    return found


def main():
    if sys.argv[1:] == ["--write"]:
        write()
        return
    problems = problems_of_settings()
    for path in sorted((ROOT / "helm").glob("*/values.schema.json")):
        problems += problems_of_form(json.loads(path.read_text()), path.parent.name)
    print("\n".join(problems) or "closed, described, and what quotad says")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
