// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <support/world.hpp>

using namespace support;

TEST_SUITE("driver/svm_driver") {
  TEST_CASE("a first touch by the GPU migrates the chunk, and the CPU's touch brings it back (MIG-01, CFB-01)") {
    world w;
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 100);
    CHECK(w.gpu_tags_until(base, 2 * MiB, 100) == 2 * MiB);
    CHECK(w.device_pages(base, 2 * MiB) == 512);
    CHECK(w.complaint() == "");
    CHECK(w.cpu_tags_until(base, 2 * MiB, 100) == 2 * MiB);
    CHECK(w.device_pages(base, 2 * MiB) == 0);
    CHECK(w.device_memory.used().value == 0);
    CHECK(w.complaint() == "");
  }
}
