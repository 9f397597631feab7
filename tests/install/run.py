#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Installs the library into a temporary prefix and builds a small program against it in each way we offer.

Usage: run.py [--require-all] ROOT -- COMPILER...

A way whose tool (pkg-config, CMake) is not installed is left out, unless --require-all is given.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path


class Failure(Exception):
    pass


def run(*command, **environment) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, **environment})
    if done.returncode != 0:
        raise Failure(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise Failure(what)


class Consumers:
    """Each public method is a check; they run in the order in which they stand here."""

    def __init__(self, root: Path, work: Path, compiler: list[str]):
        self.root, self.work, self.compiler = root, work, compiler
        self.prefix = work / "prefix"
        self.cxx = {"CXX": " ".join(compiler)}
        self.version = run(sys.executable, root / "include/version.py", root / "include/svm/version.hpp").strip()

    def _consumer(self, name: str, folder: str | None = None) -> Path:
        target = self.work / name
        if folder:
            shutil.copytree(self.root / "tests/install" / folder, target)
        else:
            target.mkdir()
        shutil.copy(self.root / "tests/install/main.cpp", target)
        return target

    def _runs(self, program: Path) -> None:
        expect(run(program).strip() == self.version, f"{program} does not print {self.version}")

    def the_install_holds_every_header_and_nothing_else_in_include(self) -> None:
        build = self.work / "build"
        features = ["-Dexamples=disabled", "-Dtests=disabled", "-Dbenchmarks=disabled"]
        run("meson", "setup", build, self.root, "--prefix", self.prefix, *features, **self.cxx)
        run("meson", "install", "-C", build)
        headers = {path.relative_to(self.root / "include") for path in (self.root / "include").rglob("*.hpp")}
        installed = {path.relative_to(self.prefix / "include") for path in self.prefix.rglob("include/**/*") if path.is_file()}
        expect(installed == headers, f"installed and expected headers differ: {sorted(map(str, installed ^ headers))}")

    def a_port_of_ones_own_is_checked_by_the_installed_suites(self) -> None:
        program = self.work / "integrated_gpu"
        source = self.root / "tests/install/integrated_gpu.cpp"
        run(*self.compiler, "-std=c++20", "-pthread", f"-I{self.prefix / 'include'}", source, "-o", program)
        expect(run(program) == "every promise is kept\n", "the suites find a fault in a port that has none")
        broken = subprocess.run([program, "broken"], capture_output=True, text=True)
        lines = broken.stdout.splitlines()
        expect(broken.returncode == 1, f"a port with a defect ends with {broken.returncode}:\n{broken.stdout}")
        expect(len(lines) == 1 and lines[0].startswith("interval_notifier 3: a target is told"), f"another verdict:\n{broken.stdout}")

    def the_headers_alone_need_no_build_system(self) -> None:
        target = self._consumer("copied")
        shutil.copytree(self.root / "include/svm", target / "svm")
        run(*self.compiler, "-std=c++20", f"-I{target}", target / "main.cpp", "-o", target / "consumer")
        self._runs(target / "consumer")

    def a_meson_subproject_serves_the_dependency_and_leaks_nothing(self) -> None:
        target = self._consumer("meson", "meson")
        (target / "subprojects").mkdir()
        (target / "subprojects/svm").symlink_to(self.root, target_is_directory=True)
        build = target / "build"
        run("meson", "setup", build, target, "--wrap-mode=nodownload", **self.cxx, PKG_CONFIG_PATH="")
        run("meson", "compile", "-C", build)
        self._runs(build / "consumer")
        compiled = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        expect([Path(c["file"]).name for c in compiled] == ["main.cpp"], "the subproject builds programs of its own")
        expect("-Wconversion" not in compiled[0]["command"], "warnings of the subproject leak into its user")
        installed = json.loads(run("meson", "introspect", "--installed", build))
        expect(installed == {}, f"the subproject installs {sorted(installed)}")

    def pkg_config_finds_the_install(self) -> None:
        target = self._consumer("pkg-config")
        path = {"PKG_CONFIG_PATH": str(self.prefix / "share/pkgconfig")}
        expect(run("pkg-config", "--modversion", "svm", **path).strip() == self.version, "pkg-config names another version")
        flags = run("pkg-config", "--cflags", "--libs", "svm", **path).split()
        run(*self.compiler, "-std=c++20", target / "main.cpp", "-o", target / "consumer", *flags)
        self._runs(target / "consumer")

    def cmake_finds_the_install_and_sets_the_language(self) -> None:
        target = self._consumer("cmake", "cmake")
        build = target / "build"
        self._configure_with_cmake(target, build, self.version.rpartition(".")[0])
        run("cmake", "--build", build)
        self._runs(build / "consumer")

    def cmake_refuses_the_next_minor_version(self) -> None:
        target = self._consumer("cmake-next", "cmake")
        major, minor, _ = self.version.split(".")
        try:
            self._configure_with_cmake(target, target / "build", f"{major}.{int(minor) + 1}")
        except Failure as refusal:
            expect(re.search(r"compatible\s+with\s+requested", str(refusal)) is not None, f"another failure:\n{refusal}")
        else:
            raise Failure("the version file accepts a later minor version")

    def _configure_with_cmake(self, source: Path, build: Path, version: str) -> None:
        wanted = [f"-DCMAKE_PREFIX_PATH={self.prefix}", f"-DWANTED_VERSION={version}"]
        run("cmake", "-S", source, "-B", build, *wanted, **self.cxx)


def main() -> int:
    split = sys.argv.index("--")
    *options, root = sys.argv[1:split]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as work:
        consumers = Consumers(Path(root).resolve(), Path(work), sys.argv[split + 1 :])
        for name in [name for name in vars(Consumers) if not name.startswith("_")]:
            tool = {"pkg_config": "pkg-config", "cmake": "cmake"}.get(re.match(r"pkg_config|cmake|", name)[0])
            if tool and not shutil.which(tool) and "--require-all" not in options:
                print(f"{name.replace('_', ' ')}: left out, {tool} is not installed")
                continue
            try:
                getattr(consumers, name)()
                passed += 1
            except Failure as failure:
                failed += 1
                print(f"{name.replace('_', ' ')}: {failure}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
