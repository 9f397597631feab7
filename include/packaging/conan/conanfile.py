# SPDX-FileCopyrightText: 2026 The svm authors
# SPDX-License-Identifier: MIT
"""Packages the tree that this recipe lies in: `conan create include/packaging/conan`, with Conan 2."""

import re
from pathlib import Path

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load


class SvmRecipe(ConanFile):
    name = "svm"
    license = "MIT"
    description = "GPU shared virtual memory algorithms of Linux DRM, header-only C++20"
    topics = ("gpu", "virtual-memory", "drm", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    no_copy_source = True

    def set_version(self):
        text = load(self, str(Path(self.recipe_folder).parents[1] / "svm/version.hpp"))
        self.version = re.search(r'\bversion_string\[\] = "([^"]+)";', text)[1]

    def export_sources(self):
        root = Path(self.recipe_folder).parents[2]
        copy(self, "LICENSE", root, self.export_sources_folder)
        copy(self, "svm/*.hpp", root / "include", Path(self.export_sources_folder) / "include")

    def validate(self):
        check_min_cppstd(self, 20)

    def package_id(self):
        self.info.clear()

    def package(self):
        copy(self, "LICENSE", self.source_folder, Path(self.package_folder) / "licenses")
        copy(self, "*.hpp", Path(self.source_folder) / "include", Path(self.package_folder) / "include")

    def package_info(self):
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        if self.settings.os in ("Linux", "FreeBSD"):
            self.cpp_info.system_libs = ["pthread"]
