#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Checks that the headers keep to their layers.

    version, config < base < index < concepts < gpusvm, pagemap, gpuvm < driver < svm.hpp
                      base < placement                                 < driver

A layer includes only layers to its left; gpusvm, pagemap and gpuvm know nothing of each other, and placement knows base
alone. std, port, conformance, mock and explore stand beside, and so does
the face index.hpp: no layer includes them. conformance knows base, index and
concepts alone, and so does port, which mock builds on. What is in impl/ is included only from the folder beside.
Usage: check_layers.py ROOT | --self-test
"""

import re
import sys
from pathlib import Path

from checking import line_of, report, self_test, without_comments, without_comments_and_strings

_BASE = {"version", "config", "base"}
_INDEX = _BASE | {"index"}
_CONCEPTS = _INDEX | {"concepts"}
_CORE = _CONCEPTS | {"gpuvm", "pagemap", "gpusvm", "placement", "driver"}
MAY_INCLUDE = {
    "version": set(),
    "config": {"version"},
    "base": _BASE,
    "index": _INDEX,
    "concepts": _CONCEPTS,
    "gpuvm": _CONCEPTS | {"gpuvm"},
    "pagemap": _CONCEPTS | {"pagemap"},
    "gpusvm": _CONCEPTS | {"gpusvm"},
    "placement": _BASE | {"placement"},
    "driver": _CORE,
    "svm": _CORE,
    "std": _CORE | {"svm", "std"},
    "index.hpp": _CONCEPTS | {"index", "std"},
    "port": _CONCEPTS | {"port"},
    "conformance": _CONCEPTS | {"conformance"},
    "mock": _CORE | {"svm", "std", "port", "mock"},
    "explore": _CORE | {"svm", "std", "port", "mock", "explore"},
}
CORE = _CORE | {"svm"}

# Headers that cost every user compile time, or bring in the heap, exceptions or an operating system.
COSTLY = set(
    """
    algorithm any atomic barrier chrono condition_variable deque exception filesystem format forward_list fstream
    functional future iomanip ios iosfwd iostream istream latch list locale map memory memory_resource mutex ostream
    queue random ranges regex semaphore set shared_mutex sstream stack stdexcept stop_token streambuf string
    string_view system_error thread unordered_map unordered_set vector
    """.split()
)

FORBIDDEN = {
    "throw": r"\bthrow\b",
    "try": r"\btry\s*\{",
    "goto": r"\bgoto\b",
    "std::mutex": r"\bstd\s*::\s*mutex\b",
    "dynamic_cast": r"\bdynamic_cast\b",
    "typeid": r"\btypeid\b",
    "void*": r"\bvoid(\s+const)?\s*\*",
}
# What libc++ 14 has not got; `.ci/long portability` builds with it.
TOO_NEW = re.compile(r"\bstd\s*::\s*(ranges\s*::|jthread\b|atomic_ref\b|make_unique_for_overwrite\b)")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<([^>\n]*)>|"([^"\n]*)"|\S+)', re.MULTILINE)


def layer_of(path: str) -> str:
    """The layer of `svm/base/units.hpp` is base, that of `svm/svm.hpp` is svm. A face that may include more than the
    folder of its name is a layer of its own."""
    parts = path.split("/")
    return parts[1] if len(parts) > 2 or parts[1] in MAY_INCLUDE else parts[1].removesuffix(".hpp")


def is_body(path: str) -> bool:
    return "/impl/" in path


def room_of(path: str) -> str:
    """The folder of a header; that of a body is the one of its class."""
    return str(Path(path).parent).removesuffix("/impl")


def check_header(path: str, text: str) -> list[str]:
    layer = layer_of(path)
    if layer not in MAY_INCLUDE:
        return [f"{path}: no layer is called {layer}; give it its place in {Path(__file__).name}"]
    found = []
    code = without_comments(text)
    for include in INCLUDE.finditer(code):
        where = f"{path}:{line_of(code, include.start())}"
        target = include[2]
        if target is None:
            found.append(f"{where}: #include {include[1]} is not in angle brackets")
        elif target.startswith("svm/"):
            if is_body(target) and room_of(path) != room_of(target):
                found.append(f"{where}: only the headers of {room_of(target)}/ may include <{target}>")
            if layer_of(target) not in MAY_INCLUDE[layer]:
                found.append(f"{where}: layer {layer} may not include <{target}>")
        elif layer in CORE and target in COSTLY:
            found.append(f"{where}: a core header may not include <{target}>")
    if layer in CORE:
        bare = without_comments_and_strings(text)
        for name, pattern in FORBIDDEN.items():
            for hit in re.finditer(pattern, bare):
                found.append(f"{path}:{line_of(bare, hit.start())}: a core header may not say {name}")
    for hit in TOO_NEW.finditer(code):
        found.append(f"{path}:{line_of(code, hit.start())}: libc++ 14 lacks std::{hit[1]}")
    for hit in UNFINISHED.finditer(text):
        found.append(f"{path}:{line_of(text, hit.start())}: {hit[0]} is left open")
    return found


def headers(root: Path) -> list[Path]:
    return sorted((root / "include/svm").rglob("*.hpp"))


def check(root: Path) -> list[str]:
    return [
        finding
        for header in headers(root)
        for finding in check_header(header.relative_to(root / "include").as_posix(), header.read_text(encoding="utf-8"))
    ]


def _plant(layer_path: str, text: str) -> dict[str, str]:
    return {f"include/svm/{layer_path}": text}


PLANTS = [
    ("what libc++ 14 lacks", _plant("mock/a.hpp", "auto a = std::ranges::find(b, c);\n"), ["lacks std::ranges::"]),
    ("what it lacks, in a comment", _plant("mock/a.hpp", "// std::jthread\n"), []),
    ("left layers are allowed", _plant("driver/a.hpp", "#include <svm/pagemap/b.hpp>\n#include <svm/base/c.hpp>\n"), []),
    ("base includes concepts", _plant("base/a.hpp", "\n#include <svm/concepts/lock.hpp>\n"), ["base/a.hpp:2: layer base"]),
    ("base includes index", _plant("base/a.hpp", "#include <svm/index/b.hpp>\n"), ["layer base"]),
    ("index includes concepts", _plant("index/a.hpp", "#include <svm/concepts/lock.hpp>\n"), ["layer index"]),
    ("gpuvm includes index", _plant("gpuvm/a.hpp", "#include <svm/index/b.hpp>\n"), []),
    ("config includes base", _plant("config.hpp", "#include <svm/base/units.hpp>\n"), ["layer config"]),
    ("gpuvm includes pagemap", _plant("gpuvm/a.hpp", "#include <svm/pagemap/b.hpp>\n"), ["layer gpuvm"]),
    ("gpusvm includes pagemap", _plant("gpusvm/a.hpp", "#include <svm/pagemap/b.hpp>\n"), ["layer gpusvm"]),
    ("pagemap includes gpusvm", _plant("pagemap/a.hpp", "#include <svm/gpusvm/b.hpp>\n"), ["layer pagemap"]),
    ("gpuvm includes gpusvm", _plant("gpuvm/a.hpp", "#include <svm/gpusvm/b.hpp>\n"), ["layer gpuvm"]),
    ("pagemap includes gpuvm", _plant("pagemap/a.hpp", "#include <svm/gpuvm/b.hpp>\n"), ["layer pagemap"]),
    ("gpusvm includes driver", _plant("gpusvm/a.hpp", "#include <svm/driver/b.hpp>\n"), ["layer gpusvm"]),
    ("placement includes concepts", _plant("placement/a.hpp", "#include <svm/concepts/lock.hpp>\n"), ["layer placement"]),
    ("placement includes gpusvm", _plant("placement/a.hpp", "#include <svm/gpusvm/b.hpp>\n"), ["layer placement"]),
    ("gpusvm includes placement", _plant("gpusvm/a.hpp", "#include <svm/placement/b.hpp>\n"), ["layer gpusvm"]),
    ("driver includes placement", _plant("driver/a.hpp", "#include <svm/placement/b.hpp>\n"), []),
    ("a layer includes svm.hpp", _plant("driver/a.hpp", "#include <svm/svm.hpp>\n"), ["layer driver"]),
    ("a layer includes std", _plant("driver/a.hpp", "#include <svm/std/heap.hpp>\n"), ["layer driver"]),
    ("svm.hpp includes mock", _plant("svm.hpp", "#include <svm/mock/cpu/mm.hpp>\n"), ["layer svm"]),
    ("svm.hpp includes port", _plant("svm.hpp", "#include <svm/port/notifier_list.hpp>\n"), ["layer svm"]),
    ("port includes mock", _plant("port/a.hpp", "#include <svm/mock/machine/report.hpp>\n"), ["layer port"]),
    ("mock includes port", _plant("mock/a.hpp", "#include <svm/port/notifier_list.hpp>\n"), []),
    ("a face of the index includes std", _plant("index.hpp", "#include <svm/std/heap.hpp>\n"), []),
    ("the index includes std", _plant("base/a.hpp", "#include <svm/std/heap.hpp>\n"), ["layer base"]),
    ("a face includes a driver", _plant("index.hpp", "#include <svm/driver/b.hpp>\n"), ["layer index.hpp"]),
    ("std includes mock", _plant("std.hpp", "#include <svm/mock/cpu/mm.hpp>\n"), ["layer std"]),
    ("explore includes mock", _plant("explore/a.hpp", "#include <svm/mock/cpu/mm.hpp>\n"), []),
    ("a body in its room", _plant("gpusvm/a.hpp", "#include <svm/gpusvm/impl/b.hpp>\n"), []),
    ("a body elsewhere", _plant("driver/a.hpp", "#include <svm/gpusvm/impl/b.hpp>\n"), ["only the headers of svm/gpusvm/"]),
    ("a new directory", _plant("linux/a.hpp", ""), ["no layer is called linux"]),
    ("quotes", _plant("mock/a.hpp", '#include "b.hpp"\n'), ["not in angle brackets"]),
    ("an include in a comment", _plant("base/a.hpp", "// #include <mutex>\n/*\n#include <map>\n*/\n"), []),
    ("a costly header", _plant("base/a.hpp", "# include <memory>\n#include <span>\n"), ["<memory>"]),
    ("a costly header beside the core", _plant("std/a.hpp", "#include <mutex>\n"), []),
    ("throw", _plant("pagemap/a.hpp", "void f() { throw 1; }\n"), ["may not say throw"]),
    ("goto", _plant("gpusvm/a.hpp", "void f() { goto out; }\n"), ["may not say goto"]),
    ("dynamic_cast", _plant("base/a.hpp", "auto* p = dynamic_cast<a*>(q);\n"), ["may not say dynamic_cast"]),
    ("std::mutex", _plant("driver/a.hpp", "std::mutex m;\n"), ["may not say std::mutex"]),
    ("void*", _plant("concepts/a.hpp", "void *p;\nvoid const* q;\n"), ["a.hpp:1", "a.hpp:2"]),
    ("a pointer to a function", _plant("config.hpp", "inline void (*handler)() = nullptr;\n"), []),
    ("words in comments and strings", _plant("base/a.hpp", "// throws? no: goto, void*\nauto s = \"throw goto void*\";\n"), []),
    ("a digit separator is no quote", _plant("base/a.hpp", "int a = 1'000; // it's\nvoid f() { throw 1'0; }\n"), ["a.hpp:2"]),
    ("TODO, also in a comment and beside the core", _plant("mock/a.hpp", "// TODO later\n"), ["TODO is left open"]),
]


def main() -> int:
    if sys.argv[1:] == ["--self-test"]:
        return self_test(check, PLANTS)
    root = Path(sys.argv[1])
    findings = check(root)
    print(*findings, sep="\n", end="\n" if findings else "")
    guilty = {finding.split(":")[0] for finding in findings}
    return report(len(headers(root)) - len(guilty), len(guilty))


if __name__ == "__main__":
    sys.exit(main())
