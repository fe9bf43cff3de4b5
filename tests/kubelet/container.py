#!/usr/bin/env python3
"""Becomes the container that a file describes: its root read-only, its mounts, its user, no capability; then executes it.

It is the same process from the beginning to the end, so signals reach the program as the kubelet's do.
"""

import json
import os
import sys

import namespaces as ns


def isolate(spec):
    ns.unshare(ns.CLONE_NEWNS)
    ns.mount("none", "/", None, ns.MS_REC | ns.MS_PRIVATE)
    root = spec["root"]
    ns.mount(root, root, None, ns.MS_BIND)
    for mount in spec["mounts"]:
        ns.bind(mount["source"], root + mount["target"], mount["read_only"])
    try:
        ns.mount("proc", root + "/proc", "proc", ns.MS_NOSUID | ns.MS_NODEV | ns.MS_NOEXEC)
    except OSError:
        ns.mount("/proc", root + "/proc", None, ns.MS_BIND | ns.MS_REC)
    for device in ("null", "urandom"):
        ns.mount(f"/dev/{device}", f"{root}/dev/{device}", None, ns.MS_BIND)
    if spec["read_only_root"]:
        ns.mount(None, root, None, ns.MS_BIND | ns.MS_REMOUNT | ns.MS_RDONLY)
    ns.pivot(root)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    if spec["isolated"]:
        isolate(spec)
    if os.geteuid() == 0:
        os.umask(0o022)
        ns.drop_privileges(spec["user"], spec["group"], spec["groups"])
    os.execve(spec["command"][0], spec["command"], spec["environment"])


if __name__ == "__main__":
    main()
