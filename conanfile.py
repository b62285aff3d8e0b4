# The Conan 2 recipe: the headers, found by their own CMake package, the same files for every configuration.
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load


class Cmoe(ConanFile):
    name = "cmoe"
    description = "Language models that keep learning: tensors, mixtures of experts, PMoE, DAPT, SETA, ModuleFormer"
    license = "MIT"
    topics = ("header-only", "mixture-of-experts", "continual-learning", "language-models")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"with_io": [True, False]}  # what cmoe::io needs
    default_options = {"with_io": False}
    exports_sources = "CMakeLists.txt", "LICENSE", "cmake/*", "cpu/*", "cuda/*", "include/*", "packaging/debian/*"
    no_copy_source = True

    def set_version(self):
        text = load(self, os.path.join(self.recipe_folder, "CMakeLists.txt"))
        self.version = re.search(r"project\(cmoe VERSION ([0-9.]+)", text).group(1)

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        self.requires("eigen/[>=3.4 <6]", transitive_headers=True)
        self.requires("xtl/[>=0.7.2 <1]", transitive_headers=True)
        if self.options.with_io:
            self.requires("nlohmann_json/[>=3.11 <4]", transitive_headers=True)
            self.requires("zlib/[>=1.2.11 <2]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)

    def generate(self):
        CMakeDeps(self).generate()
        toolchain = CMakeToolchain(self)
        for part in ("PROGRAM", "TESTS", "BENCH"):
            toolchain.cache_variables["CMOE_BUILD_" + part] = False
        toolchain.cache_variables["CMOE_IO"] = False
        toolchain.cache_variables["CMOE_CUDA"] = "OFF"
        toolchain.cache_variables["CMOE_INSTALL"] = True
        toolchain.generate()

    def build(self):
        CMake(self).configure()

    def package(self):
        CMake(self).install(component="library")
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        # The installed CMake package is what consumers find; it knows the component io and says what is missing.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.set_property("pkg_config_name", "cmoe")
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "cmoe")]
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
