#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Every way in which a failure can enter the library, and how often the tests of failures took it.

Usage: failure_triples.py ROOT WORK

A triple is (call site, kind of failure, public entry). The call site is the line of the library, outside base/, that
asks for something which may be refused; the public entry is the function through which the library was called. Which
triples exist is read from the call graph of the programs below, as clang compiles them; it knows no conditions, so some
can never happen. Which were exercised the programs themselves write down, while the mock machine lets operations fail:
the calls on the stack at each failure. Both are built here with clang, in WORK, without optimization.

tests/tools/unexercised.txt has a reason for each triple that exists and cannot be exercised. Ends with
`N passed, N failed`, of the triples: one fails that is not exercised and has no reason, or has one and is exercised, or
is exercised and should not exist.
"""

import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

from checking import report, without_comments

COMPILER, SYMBOLIZER = "clang++-14", "llvm-symbolizer-14"
FLAGS = ["-std=c++20", "-O0", "-g", "-DSVM_ASSERTIONS=1", "-pthread"]
SOURCES = [
    "tests/support/instantiate.cpp",
    "tests/failure/triples_test.cpp",
    "tests/failure/stage.cpp",
    "tests/failure/failure_loop.cpp",
    "tests/failure/gpuvm_triples_test.cpp",
    "tests/failure/trace.cpp",
    "tests/support/doctest_main.cpp",
]
LAYERS = ("pagemap", "gpusvm", "driver", "gpuvm")

# What the mock machine and the drivers of the tests refuse on demand.
OPERATIONS = {
    "counting_allocator::allocate": "alloc",
    "page_migration::allocate_page": "ram",
    "address_space::fault_in": "ram",
    "address_space::register_notifier": "notifier",
    "page_migration::collect": "lock",
    "page_migration::collect_pages": "lock",
    "gpu::dma_map": "dma_map",
    "gpu::link_iova": "dma_map",
    "gpu::reserve_iova": "iova",
    "gpu::sync_iova": "iova",
    "gpu::prepare": "page_table",
    "vram::allocate": "populate",
    "vram::pages": "page_list",
    "vram::copy_to_device": "copy",
    "vram::copy_to_system": "copy",
    "vram::wait_cleared": "clear",
    "vram::map": "device_map",
    "checked::try_lock": "lock",
    "reservation::lock": "lock",
    "reservation::reserve_fences": "alloc",
    "refusing_driver::map": "alloc",
    "refusing_driver::remap": "alloc",
    "refusing_driver::unmap": "alloc",
    "refusing_driver::prefetch": "alloc",
    "refusing_driver::perform": "alloc",
    "refusing_driver::operator()": "alloc",
}

# Parts of the library that it does not hand out, or that only work for the classes that it does.
INTERNAL = {
    "transfer", "migration_to_system", "migration_to_device", "devmem", "device_allocation", "device_mapping", "room", "range", "locked_range",
    "candidate", "attribute_span", "zdd", "notifier", "lists_held",
}  # fmt: skip
UPCALLS = {"zdd::page_faulted", "notifier::invalidate", "attribute_span::invalidate", "mapped_buffer::invalidate"}


NODE = re.compile(
    r"^(!\d+) = (?:distinct )?!"
    r"(DI(?:Location|LexicalBlock|LexicalBlockFile|Subprogram|File|CompositeType|Namespace))\((.*)\)$",
    re.MULTILINE,
)


class Program:
    """The functions of some modules of LLVM's IR, what each calls, and where."""

    def __init__(self, root: Path):
        self.include = (root / "include/svm").as_posix() + "/"
        self.labels = {}  # linkage name: class::function
        self.files = {}  # linkage name: where it is defined
        self.public = set()
        self.templates = set()
        self.calls = defaultdict(set)  # linkage name: {(callee, file, line)}

    def layer(self, file: str) -> str:
        """A layer of the library, `base`, `mock`, or nothing for what is not of the project's headers."""
        if not file.startswith(self.include):
            return ""
        first = file[len(self.include) :].split("/")[0]
        return first if first in LAYERS else "mock" if first in ("mock", "explore", "std", "port") else "base"

    def read(self, text: str) -> None:
        nodes = {m[1]: (m[2], m[3]) for m in NODE.finditer(text)}

        def field(node: str, name: str) -> str:
            found = re.search(rf'\b{name}: ("[^"]*"|[^,)]+)', nodes[node][1]) if node in nodes else None
            return found[1].strip('"') if found else ""

        def path(node: str) -> str:
            file = field(node, "file")
            name = field(file, "filename")
            return os.path.normpath(name if name.startswith("/") else os.path.join(field(file, "directory"), name))

        def place(location: str) -> tuple[str, str]:
            return path(field(location, "scope")), f'{field(location, "line") or 0}:{field(location, "column") or 0}'

        def simple(name: str) -> str:
            while (shorter := re.sub(r"<[^<>]*>", "", name)) != name:
                name = shorter
            return name if name.startswith("operator") else name.split("<")[0]

        def note(symbol: str, node: str) -> None:
            declared = field(node, "declaration") or node
            scope = field(declared, "scope")
            kind = nodes.get(scope, ("", ""))[0]
            owner = simple(field(scope, "name")) if kind == "DICompositeType" else ""
            if owner == "" and kind == "DICompositeType":
                owner = "lambda"
            self.labels[symbol] = f"{owner}::{simple(field(node, 'name'))}" if owner else simple(field(node, "name"))
            self.files[symbol] = path(node)
            if "templateParams: " in nodes[node][1]:
                self.templates.add(symbol)
            # The access is noted where it is not what the keyword of the class says.
            flags, is_struct = nodes[declared][1], "DW_TAG_structure_type" in nodes.get(scope, ("", ""))[1]
            hidden = "DIFlagPrivate" in flags or "DIFlagProtected" in flags
            if owner != "lambda" and ("DIFlagPublic" in flags or (is_struct and not hidden)):
                self.public.add(symbol)

        here, pending = "", ""
        for line in text.splitlines():
            if line.startswith("define "):
                name = re.search(r'@("[^"]+"|[\w.$]+)\(', line)
                debug = re.search(r"!dbg (!\d+)", line)
                here = name[1].strip('"') if name else ""
                if debug:
                    note(here, debug[1])
            elif line.startswith("}"):
                here = ""
            elif here and (called := re.search(r'\b(?:call|invoke)\b.*?@("[^"]+"|[\w.$]+)\(', line)) or pending:
                name = pending or called[1].strip('"')
                debug = re.search(r"!dbg (!\d+)", line)
                pending = "" if debug or "invoke" not in line else name
                if debug and not name.startswith("llvm."):
                    self.calls[here].add((name, *place(debug[1])))

    def existing(self) -> set[tuple[str, str, str]]:
        """(call site, kind, entry) of every path from an entry to an operation that stays in the library."""
        refusals = defaultdict(set)  # function of base/ or none of ours: the kinds that it meets
        changed = True
        while changed:
            changed = False
            for caller, callees in self.calls.items():
                if self.layer(self.files.get(caller, "")) in LAYERS or not self.is_ours(caller):
                    continue
                for callee, _, _ in callees:
                    new = self.kinds(callee, refusals) - refusals[caller]
                    refusals[caller] |= new
                    changed = changed or bool(new)
        # What takes a function is an entry with one that the tests give it, and not with a lambda of the library.
        from_outside = {
            callee
            for caller, callees in self.calls.items()
            if self.is_test(caller) or self.layer(self.files.get(caller, "")) == "mock"
            for callee, _, _ in callees
        }
        found = set()
        for entry in self.public:
            if self.layer(self.files.get(entry, "")) not in LAYERS or not self.is_entry(entry):
                continue
            if entry in self.templates and entry not in from_outside:
                continue
            seen, todo = {entry}, [entry]
            while todo:
                now = todo.pop()
                inside = self.layer(self.files.get(now, "")) in LAYERS
                for callee, file, line in self.calls.get(now, ()):
                    if inside and self.layer(file) in LAYERS:
                        for kind in self.kinds(callee, refusals):
                            found.add((f"{file[len(self.include):]}:{line}", kind, self.labels[entry]))
                    if callee not in seen and self.is_ours(callee):
                        seen.add(callee)
                        todo.append(callee)
        return found

    def label(self, symbol: str) -> str:
        """Of a complete destructor that is the one of a base class by another name, too."""
        return self.labels.get(symbol) or self.labels.get(symbol.replace("D1Ev", "D2Ev"), symbol)

    def is_ours(self, symbol: str) -> bool:
        """True for the library, and for what it uses of the standard library."""
        return not self.is_test(symbol) and self.layer(self.files.get(symbol, "")) != "mock"

    def is_test(self, symbol: str) -> bool:
        return "/tests/" in self.files.get(symbol, "")

    def is_entry(self, symbol: str) -> bool:
        label = self.labels[symbol]
        owner = label.split("::")[0] if "::" in label else ""
        return owner != "" and (owner not in INTERNAL or label in UPCALLS)

    def kinds(self, callee: str, refusals) -> set[str]:
        label = self.labels.get(callee, "")
        if label in OPERATIONS:
            return {OPERATIONS[label]}
        return refusals[callee] if callee in refusals else set()


def order(triple: tuple[str, str, str]) -> tuple:
    """By entry, then as the sites stand in the headers."""
    header, line, column = triple[0].split(":")
    return triple[2], header, int(line), int(column), triple[1]


def source_of(root: Path, site: str) -> str:
    header, line, _ = site.split(":")
    return (root / "include/svm" / header).read_text().splitlines()[int(line) - 1].strip()


def compile_all(root: Path, work: Path) -> tuple[list[Path], Path]:
    """The modules as text, and the program."""
    work.mkdir(parents=True, exist_ok=True)
    flags = [*FLAGS, f"-I{root}/include", f"-I{root}/tests"]
    modules, objects = [], []
    for source in SOURCES:
        module, made = work / (Path(source).stem + ".ll"), work / (Path(source).stem + ".o")
        subprocess.run([COMPILER, *flags, "-S", "-emit-llvm", root / source, "-o", module], check=True)
        subprocess.run([COMPILER, "-c", module, "-o", made], check=True)
        modules.append(module)
        objects.append(made)
    program = work / "failure_test"
    subprocess.run([COMPILER, "-pthread", "-rdynamic", *objects, "-o", program], check=True)
    return modules, program


def run(program: Path, work: Path) -> list[tuple[int, int, list[str]]]:
    """(kind, how often, addresses on the stack)."""
    trace = work / "failures"
    subprocess.run([program], check=True, env=os.environ | {"SVM_FAILURE_TRACE": str(trace)})
    result = []
    for line in trace.read_text().splitlines():
        kind, count, *addresses = line.split()
        result.append((int(kind), int(count), addresses))
    return result


def symbolized(program: Path, addresses: list[str]) -> dict[str, tuple[str, str, str]]:
    """Address: the linkage name, the file, and `line:column` of the call that returns there."""
    out = subprocess.run(
        [SYMBOLIZER, "--no-demangle", "--functions=linkage", "--no-inlines", f"--obj={program}"],
        input="".join(f"0x{int(a, 16) - 1:x}\n" for a in addresses), capture_output=True, text=True, check=True,
    ).stdout.split("\n\n")  # fmt: skip
    result = {}
    for address, record in zip(addresses, out):
        name, place = record.strip().splitlines()[:2]
        file, line, column = place.rsplit(":", 2)
        result[address] = (name, os.path.normpath(file), f"{line}:{column}")
    return result


def exercised(program: Program, failures, calls) -> Counter:
    """How often each triple was met."""
    result = Counter()
    for kind, count, addresses in failures:
        site, entry = None, ""
        for address in addresses:
            name, file, place = calls[address]
            layer = program.layer(file)
            if layer in LAYERS:
                site = site or f"{file[len(program.include):]}:{place}"
                entry = program.label(name)
            elif site and (layer == "mock" or "/tests/" in file):
                break
        if site:
            result[site, KINDS[kind], entry] += count
    return result


def kinds_of(root: Path) -> list[str]:
    text = without_comments((root / "include/svm/mock/machine/failure.hpp").read_text())
    return re.findall(r"\w+", re.search(r"enum class failure : std::uint8_t \{(.*?)\}", text, re.DOTALL)[1])


def reasons_of(path: Path) -> dict[tuple[str, str, str], str]:
    """(text of the line, kind, entry): why it cannot be exercised. The entry may be `*`."""
    result, key = {}, []
    for line in path.read_text().splitlines():
        if line.startswith("    "):
            for k in key:
                result[k] = line.strip()
            key = []
        elif line and line[0] != "#":
            text, rest = line.rsplit(" | ", 1)
            kind, *entries = rest.split()
            key += [(text, kind, e) for e in entries]
    return result


KINDS: list[str] = []


def main() -> int:
    root, work = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    KINDS[:] = kinds_of(root)
    modules, binary = compile_all(root, work)
    program = Program(root)
    for module in modules:
        program.read(module.read_text())
    existing = program.existing()
    failures = run(binary, work)
    calls = symbolized(binary, sorted({a for f in failures for a in f[2]}))
    met = exercised(program, failures, calls)
    reasons = reasons_of(root / "tests/tools/unexercised.txt")

    passed = failed = 0
    used = set()
    for triple in sorted(existing | set(met), key=order):
        site, kind, entry = triple
        key = next((k for k in ((source_of(root, site), kind, e) for e in (entry, "*")) if k in reasons), None)
        used.add(key)
        if triple not in existing:
            verdict = "DOES NOT EXIST"
        elif key:
            verdict = "EXERCISED, BUT HAS A REASON" if met[triple] else reasons[key]
        else:
            verdict = "" if met[triple] else "NO REASON"
        bad = verdict.isupper()
        failed += bad
        passed += not bad
        print(f"{met[triple]:7} {kind:10} {entry:36} {site:36} {verdict}".rstrip())
    for text, kind, entry in reasons.keys() - used:
        print(f"a reason for what does not exist: {text} | {kind} {entry}")
        failed += 1
    print(f"{len({(s, k) for s, k, _ in existing})} call sites and kinds, {len(existing)} triples exist, "
          f"{sum(met[t] > 0 for t in existing)} were exercised, by {sum(met.values())} failures")  # fmt: skip
    return report(passed, failed)


if __name__ == "__main__":
    sys.exit(main())
