#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Installs the library into a temporary prefix and builds a small program against it in each way we offer.

Usage: run.py [--require-all] ROOT -- COMPILER...

The build files of the consumers stand in include/packaging/README.md and are taken from there. A way whose tool (git,
pkg-config, CMake, Conan, vcpkg) is not installed is left out; with --require-all this goes for Conan and vcpkg only.
"""

import fnmatch
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import types
from pathlib import Path


class Failure(Exception):
    pass


def run(*command, **environment) -> str:
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600, env={**os.environ, **environment})
    if done.returncode != 0:
        raise Failure(f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise Failure(what)


def needs(*tools: str):
    def marked(check):
        check.tools = tools
        return check

    return marked


def expect_files(found: set[str], wanted: set[str], what: str) -> None:
    expect(found == wanted, f"{what}: {sorted(found - wanted)[:9]} too many, {sorted(wanted - found)[:9]} missing")


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class Consumers:
    """Each public method is a check; they run in the order in which they stand here."""

    def __init__(self, root: Path, work: Path, compiler: list[str]):
        self.root, self.work, self.compiler = root, work, compiler
        self.prefix = work / "prefix"
        self.features = ["-Dexamples=disabled", "-Dtests=disabled", "-Dbenchmarks=disabled"]
        self.cxx = {"CXX": " ".join(compiler), "PKG_CONFIG_PATH": ""}
        self.installed = {**self.cxx, "PKG_CONFIG_PATH": str(self.prefix / "share/pkgconfig")}
        self.version = run(sys.executable, root / "include/version.py", root / "include/svm/version.hpp").strip()
        self.headers = {path.relative_to(root / "include").as_posix() for path in (root / "include").rglob("*.hpp")}
        self.texts = {path.relative_to(root).as_posix() for folder in ("include", "tests") for path in (root / folder).rglob("*.md")}
        self.tests = root / "tests/install"
        self.packaging = root / "include/packaging"
        text = (self.packaging / "README.md").read_text(encoding="utf-8")
        self.blocks = {language: re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL) for language in ("sh", "cmake", "meson", "ini")}
        (self.sh,), (self.find_package, self.subdirectory, self.fetched), (self.meson,), (self.wrap,) = self.blocks.values()

    def _consumer(self, name: str, **files: str) -> Path:
        """A folder with main.cpp and these files; `_` in a name stands for a dot."""
        target = self.work / name
        target.mkdir()
        shutil.copy(self.tests / "main.cpp", target)
        for file, text in files.items():
            (target / file.replace("_", ".")).write_text(text, encoding="utf-8")
        return target

    def _runs(self, program: Path) -> None:
        expect(run(program).strip() == self.version, f"{program} does not print {self.version}")

    def _compile(self, *words) -> None:
        run(*self.compiler, "-std=c++20", "-O0", "-pthread", *words)

    def _build_with_cmake(self, source: Path, *options: str) -> Path:
        run("cmake", "-S", source, "-B", source / "build", *options, **self.cxx)
        run("cmake", "--build", source / "build")
        self._runs(source / "build/app")
        return source / "build"

    def _build_with_meson(self, source: Path, wrap_mode: str, environment: dict[str, str]) -> Path:
        run("meson", "setup", source / "build", source, f"--wrap-mode={wrap_mode}", **environment)
        run("meson", "compile", "-C", source / "build")
        self._runs(source / "build/app")
        return source / "build"

    def _repository(self) -> str:
        """The address of a repository whose branch main has what a consumer and a release need of the tree."""
        origin = self.work / "origin.git"
        if not origin.exists():
            run("git", "init", "-q", "--bare", "-b", "main", origin)
            kept = ("include", "meson.build", "meson_options.txt", "LICENSE", "README.md")
            git = ["git", f"--git-dir={origin}", f"--work-tree={self.root}", "-c", "user.name=a", "-c", "user.email=a@b"]
            run(*git, "-c", "core.bare=false", "add", *(self.root / name for name in kept))
            run(*git, "-c", "core.bare=false", "commit", "-q", "-m", "A copy")
        return origin.as_uri()

    def the_install_holds_every_header_and_nothing_else_in_include(self) -> None:
        build = self.work / "build"
        run("meson", "setup", build, self.root, "--prefix", self.prefix, *self.features, **self.cxx)
        run("meson", "install", "-C", build)
        expect_files(files_below(self.prefix / "include"), self.headers, "installed headers")

    def nothing_installed_depends_on_the_architecture(self) -> None:
        names = files_below(self.prefix)
        expect(all(re.match("include/|share/", name) for name in names), f"installed: {sorted(names)}")
        found = [name for name in names if re.search(r"\blib/|x86_64|CMAKE_SIZEOF_VOID_P", (self.prefix / name).read_text())]
        found = [name for name in found if name.startswith(("share/pkgconfig", "share/cmake"))]
        expect(not found, f"these name an architecture or its folders: {found}")

    def every_link_of_the_installed_texts_leads_to_something_installed(self) -> None:
        docs = self.prefix / "share/doc/svm"
        texts = [name for name in files_below(docs) if name.endswith(".md")]
        written = {name for name in self.texts if name.endswith("README.md") and name.startswith("include/")}
        expect(len(written) > 10 and written <= set(texts), f"not installed: {sorted(written - set(texts))}")
        lost = []
        for name in texts:
            text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", (docs / name).read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
            links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:|#", link)]
            lost += [f"{name} to {link}" for link in links if not (docs / name).parent.joinpath(link).exists()]
        expect(not lost, f"svm_texts of include/meson.build lacks what is linked from {lost}")

    def a_port_of_ones_own_is_checked_by_the_installed_suites(self) -> None:
        program = self.work / "integrated_gpu"
        self._compile(f"-I{self.prefix / 'include'}", self.tests / "integrated_gpu.cpp", "-o", program)
        expect(run(program) == "every promise is kept\n", "the suites find a fault in a port that has none")
        broken = subprocess.run([program, "broken"], capture_output=True, text=True)
        lines = broken.stdout.splitlines()
        expect(broken.returncode == 1, f"a port with a defect ends with {broken.returncode}:\n{broken.stdout}")
        expect(len(lines) == 1 and lines[0].startswith("interval_notifier 3: a target is told"), f"another verdict:\n{broken.stdout}")

    def the_headers_alone_need_no_build_system(self) -> None:
        target = self._consumer("copied")
        shutil.copytree(self.root / "include/svm", target / "svm")
        self._compile(f"-I{target}", target / "main.cpp", "-o", target / "app")
        self._runs(target / "app")

    # Against the installed tree.

    @needs("pkg-config")
    def pkg_config_finds_the_install(self) -> None:
        target = self._consumer("pkg-config")
        expect(run("pkg-config", "--modversion", "svm", **self.installed).strip() == self.version, "pkg-config names another version")
        tools = self.work / "bin"
        tools.mkdir()
        compiler = [shutil.which(word) or word for word in self.compiler]  # not by a name, which may be c++
        (tools / "c++").write_text(f'#!/bin/sh\nexec {" ".join(compiler)} "$@"\n', encoding="utf-8")
        (tools / "c++").chmod(0o755)
        path = f"{tools}:{os.environ['PATH']}"
        run("sh", "-ec", f"cd '{target}' && {self.sh}", **{**self.installed, "PATH": path})
        self._runs(target / "app")

    @needs("pkg-config")
    def the_url_of_the_install_leads_to_its_readme(self) -> None:
        text = (self.prefix / "share/pkgconfig/svm.pc").read_text(encoding="utf-8")
        docs = run("pkg-config", "--variable=docdir", "svm", **self.installed).strip()
        expect("\nURL: file://${docdir}/README.md\n" in text, f"another URL:\n{text}")
        expect((Path(docs) / "README.md").is_file() and (Path(docs) / "LICENSE").is_file(), f"{docs} lacks the README or the licence")

    @needs("cmake")
    def cmake_finds_the_install_and_sets_the_language(self) -> None:
        target = self._consumer("cmake", CMakeLists_txt=self.find_package)
        self._build_with_cmake(target, f"-DCMAKE_PREFIX_PATH={self.prefix}")

    @needs("cmake")
    def cmake_finds_an_install_that_was_moved(self) -> None:
        moved = self.work / "moved"
        shutil.copytree(self.prefix, moved)
        target = self._consumer("cmake-moved", CMakeLists_txt=self.find_package)
        build = self._build_with_cmake(target, f"-DCMAKE_PREFIX_PATH={moved}")
        flags = (build / "CMakeFiles/app.dir/flags.make").read_text(encoding="utf-8")
        expect(f"{moved}/include" in flags and f"{self.prefix}/include" not in flags, f"other headers than those beside the package:\n{flags}")

    @needs("cmake")
    def cmake_accepts_the_same_minor_version_and_refuses_others(self) -> None:
        major, minor, patch = map(int, self.version.split("."))
        here, after = f"{major}.{minor}", f"{major}.{minor + 1}"
        wanted = {"": True, here: True, self.version: True, f"{self.version} EXACT": True}
        wanted |= {f"{here}...{after}": True, f"0.1...<{after}": True}
        wanted |= {after: False, f"{major}.{minor - 1}": False, f"{major + 1}.{minor}": False, f"{here}.{patch + 1}": False}
        wanted |= {f"0.1...<{self.version}": False, f"{after}...{after}.9": False, f"{here}.{patch + 1} EXACT": False}
        tries = "".join(
            f'find_package(svm {words} CONFIG QUIET)\nmessage("{n}:${{svm_FOUND}}:")\nunset(svm_FOUND)\nunset(svm_DIR CACHE)\n'
            for n, words in enumerate(wanted)
        )
        text = f"cmake_minimum_required(VERSION 3.20)\nproject(app LANGUAGES CXX)\n{tries}"
        target = self._consumer("cmake-versions", CMakeLists_txt=text)
        done = subprocess.run(
            ["cmake", "-S", target, "-B", target / "build", f"-DCMAKE_PREFIX_PATH={self.prefix}"],
            capture_output=True,
            text=True,
            env={**os.environ, **self.cxx},
        )
        answers = dict(re.findall(r"(\d+):(\w*):", done.stderr))
        wrong = [words for n, (words, good) in enumerate(wanted.items()) if answers.get(str(n)) != str(int(good))]
        expect(done.returncode == 0 and not wrong, f"wrong about {wrong}:\n{done.stderr}")

    @needs("pkg-config")
    def meson_finds_the_install(self) -> None:
        build = self._build_with_meson(self._consumer("meson", meson_build=self.meson), "nofallback", self.installed)
        found = json.loads(run("meson", "introspect", "--dependencies", build))
        expect([d["version"] for d in found if d["name"] == "svm"] == [self.version], f"found {found}")

    @needs("cmake")
    def cmake_installs_the_same_files_but_for_the_texts(self) -> None:
        build, prefix = self.work / "cmake-install", self.work / "cmake-prefix"
        run("cmake", "-S", self.root / "include", "-B", build, f"-DCMAKE_INSTALL_PREFIX={prefix}", **self.cxx)
        run("cmake", "--install", build)
        texts = {"share/doc/svm/LICENSE", "share/doc/svm/README.md"}
        by_meson = {name for name in files_below(self.prefix) if not name.startswith("share/doc/")} | texts
        expect_files(files_below(prefix), by_meson, "installed by CMake")
        for name in ("pkgconfig/svm.pc", "cmake/svm/svm-config.cmake", "cmake/svm/svm-config-version.cmake"):
            one, other = ((where / "share" / name).read_text(encoding="utf-8").replace(str(where), "") for where in (prefix, self.prefix))
            expect(one == other, f"{name} is\n{one}\nby CMake and by Meson\n{other}")
        self._build_with_cmake(self._consumer("cmake-by-cmake", CMakeLists_txt=self.find_package), f"-DCMAKE_PREFIX_PATH={prefix}")

    # Against the source.

    @needs("cmake")
    def cmake_takes_the_source_as_a_subdirectory_and_installs_nothing_of_it(self) -> None:
        target = self._consumer("subdirectory", CMakeLists_txt=self.subdirectory + "install(TARGETS app)\n")
        (target / "third_party").mkdir()
        (target / "third_party/svm").symlink_to(self.root, target_is_directory=True)
        build = self._build_with_cmake(target)
        run("cmake", "--install", build, "--prefix", target / "prefix")
        expect_files(files_below(target / "prefix"), {"bin/app"}, "installed by the project")

    @needs("cmake")
    def a_library_on_top_of_the_subdirectory_is_exported_and_found(self) -> None:
        export = """set(SVM_INSTALL ON)\nadd_library(top INTERFACE)\ntarget_link_libraries(top INTERFACE svm::svm)
install(TARGETS top EXPORT top-targets)\ninstall(EXPORT top-targets DESTINATION share/cmake/top)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/top-config.cmake [[include(CMakeFindDependencyMacro)
find_dependency(svm)\ninclude(${CMAKE_CURRENT_LIST_DIR}/top-targets.cmake)]])
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/top-config.cmake DESTINATION share/cmake/top)\n"""
        library = self.subdirectory.partition("add_executable")[0].replace("add_subdirectory", "set(SVM_INSTALL ON)\nadd_subdirectory")
        target = self._consumer("top", CMakeLists_txt=library + export)
        (target / "third_party").mkdir()
        (target / "third_party/svm").symlink_to(self.root, target_is_directory=True)
        run("cmake", "-S", target, "-B", target / "build", f"-DCMAKE_INSTALL_PREFIX={target / 'prefix'}", **self.cxx)
        run("cmake", "--install", target / "build")
        text = self.find_package.replace("svm::svm", "top").replace("find_package(svm", "find_package(top")
        user = self._consumer("top-user", CMakeLists_txt=text)
        self._build_with_cmake(user, f"-DCMAKE_PREFIX_PATH={target / 'prefix'}")

    @needs("cmake", "git")
    def cmake_fetches_the_source_from_a_clone(self) -> None:
        self._build_with_cmake(self._consumer("fetched", CMakeLists_txt=self.fetched.replace("ADDRESS", self._repository())))

    def a_meson_subproject_serves_the_dependency_and_leaks_nothing(self) -> None:
        target = self._consumer("subproject", meson_build=self.meson)
        (target / "subprojects").mkdir()
        (target / "subprojects/svm").symlink_to(self.root, target_is_directory=True)
        build = self._build_with_meson(target, "nodownload", self.cxx)
        compiled = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        expect([Path(c["file"]).name for c in compiled] == ["main.cpp"], "the subproject builds programs of its own")
        expect("-Wconversion" not in compiled[0]["command"], "warnings of the subproject leak into its user")
        installed = json.loads(run("meson", "introspect", "--installed", build))
        expect(installed == {}, f"the subproject installs {sorted(installed)}")

    @needs("git")
    def meson_fetches_the_source_by_the_wrap(self) -> None:
        target = self._consumer("wrap", meson_build=self.meson)
        (target / "subprojects").mkdir()
        (target / "subprojects/svm.wrap").write_text(self.wrap.replace("ADDRESS", self._repository()), encoding="utf-8")
        self._build_with_meson(target, "forcefallback", self.cxx)

    # The release.

    @needs("git", "xz")
    def two_releases_of_a_commit_are_the_same_bytes(self) -> None:
        made = []
        for name, mask, zone in (("one", "022", "UTC"), ("two", "077", "Asia/Tokyo")):
            clone = self.work / f"release-{name}"
            run("sh", "-ec", f"umask {mask}; git clone -q '{self._repository()}' '{clone}'", TZ=zone)
            run("meson", "setup", clone / "build", clone, *self.features, **self.cxx)
            run("sh", "-ec", f"umask {mask}; meson dist -C '{clone}/build' --no-tests --formats xztar", TZ=zone)
            (archive,) = (clone / "build/meson-dist").glob("*.tar.xz")
            made.append((archive.name, archive.read_bytes()))
        expect(made[0][0] == f"svm-{self.version}.tar.xz", f"the release is called {made[0][0]}")
        expect(made[0] == made[1], f"{len(made[0][1])} and {len(made[1][1])} bytes that differ")

    # Single headers.

    def _single(self, source: str, header: str) -> str:
        """The source with the single header in the place of the library's."""
        text = (self.root / source).read_text(encoding="utf-8")
        return f'#include "{header}"\n' + re.sub(r"^#include <svm/.*\n", "", text, flags=re.MULTILINE)

    def each_single_header_makes_a_program_of_two_files_without_a_warning(self) -> None:
        folder = self.work / "single"
        run(sys.executable, "-B", self.root / "tests/tools/single_header.py", folder)
        programs = {"svm.hpp": "tests/install/main.cpp", "gpuvm.hpp": "examples/gpuvm_alone.cpp"}
        programs["svm_mock.hpp"] = "examples/hello_fault.cpp"
        expect_files(files_below(folder), set(programs), "single headers")
        flags = "-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Wno-unknown-warning-option".split()
        for header, program in programs.items():
            main = folder / f"{header}-main.cpp"
            main.write_text(self._single(program, header), encoding="utf-8")
            other = folder / f"{header}-other.cpp"
            others = sorted(programs, reverse=True)
            includes = "".join(f'#include "{name}"\n' for name in [header, *others])
            other.write_text(f"{includes}char const* version() {{ return svm::version_string; }}\n", encoding="utf-8")
            self._compile(*flags, main, other, "-o", folder / header.removesuffix(".hpp"))
            run(folder / header.removesuffix(".hpp"))

    # Package managers.

    @needs("cmake")
    def the_vcpkg_port_says_the_version_and_packages_what_cmake_finds(self) -> None:
        port = self.packaging / "vcpkg/svm"
        manifest = json.loads((port / "vcpkg.json").read_text(encoding="utf-8"))
        expect(manifest["name"] == "svm" and manifest["version-semver"] == self.version, f"vcpkg.json is of {manifest['version-semver']}")
        helpers = {"vcpkg-cmake": {"vcpkg_cmake_configure", "vcpkg_cmake_install"}, "vcpkg-cmake-config": {"vcpkg_cmake_config_fixup"}}
        called = set(re.findall(r"\bvcpkg_cmake\w+", (port / "portfile.cmake").read_text(encoding="utf-8")))
        declared = set().union(*(helpers[d["name"]] for d in manifest["dependencies"] if d["host"]))
        expect(called == declared, f"called and declared helpers differ: {sorted(called ^ declared)}")
        package = self.work / "vcpkg"
        run("cmake", f"-DPORT={port}", f"-DPACKAGE={package}", "-P", self.tests / "vcpkg_helpers.cmake", **self.cxx)
        names = {name for name in files_below(package) if not name.startswith("include/")}
        cmake = {"share/svm/svm-config.cmake", "share/svm/svm-config-version.cmake", "share/svm/svm-targets.cmake"}
        expect_files(names, cmake | {"share/svm/copyright", "share/pkgconfig/svm.pc"}, "the package")
        expect((package / "share/svm/copyright").read_text() == (self.root / "LICENSE").read_text(), "the package lacks the licence")

    def the_conan_recipe_says_the_version_and_packages_headers_and_licence(self) -> None:
        package = self._package_by_recipe()
        expect_files(files_below(package), {f"include/{name}" for name in self.headers} | {"licenses/LICENSE"}, "the package")
        self._compile(f"-I{package / 'include'}", self.tests / "main.cpp", "-o", self.work / "conan-app")
        self._runs(self.work / "conan-app")

    def _package_by_recipe(self) -> Path:
        """Does what `conan create` does, with the recipe and stand-ins for what it imports."""

        def copy(recipe, pattern, src, dst):
            for path in Path(src).rglob("*"):
                if not path.is_file() or not fnmatch.fnmatch(path.relative_to(src).as_posix(), pattern):
                    continue
                target = Path(dst) / path.relative_to(src)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, target)

        def module(name, **members):
            sys.modules[name] = types.ModuleType(name)
            vars(sys.modules[name]).update(members)

        asked = []
        module("conan", ConanFile=object)
        module("conan.tools")
        module("conan.tools.build", check_min_cppstd=lambda recipe, standard: asked.append(standard))
        module("conan.tools.files", copy=copy, load=lambda recipe, path: Path(path).read_text(encoding="utf-8"))
        spec = importlib.util.spec_from_file_location("conanfile", self.packaging / "conan/conanfile.py")
        conanfile = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(conanfile)
        for name in [name for name in sys.modules if name.partition(".")[0] == "conan"]:
            del sys.modules[name]

        recipe = conanfile.SvmRecipe()
        recipe.recipe_folder = str(self.packaging / "conan")
        recipe.source_folder = recipe.export_sources_folder = str(self.work / "conan-source")
        recipe.package_folder = str(self.work / "conan-package")
        recipe.cpp_info = types.SimpleNamespace()
        recipe.settings = types.SimpleNamespace(os="Linux")
        for step in (recipe.set_version, recipe.export_sources, recipe.validate, recipe.package, recipe.package_info):
            step()
        expect(recipe.version == self.version and asked == [20], f"the recipe is of {recipe.version} and asks for C++ {asked}")
        return Path(recipe.package_folder)

    @needs("conan", "cmake")
    def conan_creates_the_package_and_serves_cmake(self) -> None:
        home = {"CONAN_HOME": str(self.work / "conan-home"), **self.cxx}
        run("conan", "profile", "detect", **home)
        standard = ["-s", "compiler.cppstd=20"]
        run("conan", "create", self.packaging / "conan", *standard, **home)
        target = self._consumer("conan", CMakeLists_txt=self.find_package)
        run("conan", "install", f"--requires=svm/{self.version}", "-g", "CMakeDeps", "-of", target / "deps", *standard, **home)
        self._build_with_cmake(target, f"-DCMAKE_PREFIX_PATH={target / 'deps'}", "-DCMAKE_BUILD_TYPE=Release")

    @needs("vcpkg", "cmake")
    def vcpkg_installs_the_port_and_serves_cmake(self) -> None:
        target = self._consumer("vcpkg-user", CMakeLists_txt=self.find_package)
        options = [f"--overlay-ports={self.packaging / 'vcpkg'}", f"--x-install-root={target / 'tree'}"]
        run("vcpkg", "install", "svm", "--classic", *options, **self.cxx)
        (tree,) = {path.parents[2] for path in (target / "tree").rglob("share/svm/svm-config.cmake")}
        self._build_with_cmake(target, f"-DCMAKE_PREFIX_PATH={tree}")


def main() -> int:
    split = sys.argv.index("--")
    *options, root = sys.argv[1:split]
    sys.dont_write_bytecode = True
    passed = failed = 0
    with tempfile.TemporaryDirectory() as work:
        consumers = Consumers(Path(root).resolve(), Path(work), sys.argv[split + 1 :])
        for name in [name for name in vars(Consumers) if not name.startswith("_")]:
            check = getattr(consumers, name)
            missing = [tool for tool in getattr(check, "tools", ()) if not shutil.which(tool)]
            if missing and ("--require-all" not in options or set(missing) & {"conan", "vcpkg"}):
                print(f"{name.replace('_', ' ')}: left out, {' and '.join(missing)} is not installed")
                continue
            try:
                check()
                passed += 1
            except (Failure, OSError, subprocess.TimeoutExpired) as failure:
                failed += 1
                print(f"{name.replace('_', ' ')}: {failure}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
