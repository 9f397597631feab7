// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "options.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using svmsh::assign;
using svmsh::check;
using svmsh::machine_options;
using sizes = std::vector<std::uint64_t>;

bool mentions(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("svmsh/options") {
  TEST_CASE("the defaults are those of the manual page, and they pass the check") {
    machine_options const o;
    CHECK(o.ram == 0x40000000);
    CHECK(o.vram == 0x10000000);
    CHECK(o.gpus == 1);
    CHECK(o.chunks.empty());  // the usual ones, which depend on the page size
    CHECK(o.notifier == 0x20000000);
    CHECK(o.check_pages == 0x10000);
    CHECK(o.migrate == svmsh::machine_options::migrate_mode::on);
    CHECK(o.timeslice_ms == 0);
    CHECK_FALSE(o.readonly);
    CHECK_FALSE(o.split);
    CHECK(o.gc_auto);
    CHECK(o.placement.evict == svm::placement::eviction_mode::oldest);
    CHECK_FALSE(o.is_page_wise());
    CHECK(o.faults);
    CHECK_FALSE(o.thp);
    CHECK(o.page == 4096);
    CHECK(o.vm_start == 0);
    CHECK(o.vm_size == 0x800000000000);
    CHECK(o.seed == 1);
    CHECK_FALSE(check(o));
  }

  TEST_CASE("every key sets its option") {
    machine_options o;
    for (std::string_view const word :
         {"ram=64M", "vram=0", "gpus=2", "chunks=64K,4K", "notifier=1M", "check_pages=0", "migrate=only",
          "timeslice=4G", "readonly=on", "split=on", "gc=manual", "evict=touched", "thp=on", "faults=off", "page=64K",
          "vm_start=0x10000000", "vm_size=1T", "seed=18446744073709551615"}) {
      CAPTURE(word);
      CHECK_FALSE(assign(o, word));
    }
    CHECK(o.ram == 0x4000000);
    CHECK(o.vram == 0);
    CHECK(o.gpus == 2);
    CHECK(o.chunks == sizes{0x10000, 0x1000});
    CHECK(o.notifier == 0x100000);
    CHECK(o.check_pages == 0);
    CHECK(o.migrate == svmsh::machine_options::migrate_mode::only);
    CHECK(o.timeslice_ms == 0x100000000);
    CHECK(o.readonly);
    CHECK(o.split);
    CHECK_FALSE(o.gc_auto);
    CHECK(o.placement.evict == svm::placement::eviction_mode::touched);
    CHECK_FALSE(o.faults);
    CHECK(o.thp);
    CHECK(o.page == 65536);
    CHECK(o.vm_start == 0x10000000);
    CHECK(o.vm_size == 0x10000000000);
    CHECK(o.seed == UINT64_MAX);
  }

  TEST_CASE("of two settings the last wins") {
    machine_options o;
    CHECK_FALSE(assign(o, "gpus=2"));
    CHECK_FALSE(assign(o, "gpus=1"));
    CHECK_FALSE(assign(o, "migrate=off"));
    CHECK_FALSE(assign(o, "migrate=on"));
    CHECK(o.gpus == 1);
    CHECK(o.migrate == svmsh::machine_options::migrate_mode::on);
    CHECK_FALSE(check(o));
  }

  TEST_CASE("a setting that is wrong is quoted and changes nothing") {
    for (std::string_view const bad : {"ram",
                                       "ram=",
                                       "=1G",
                                       "",
                                       "RAM=1G",
                                       "ram=1g",
                                       "ram=-1",
                                       "ram=08",
                                       "ram=0x",
                                       "ram=1G ",
                                       "ram=20000000T",
                                       "rams=1G",
                                       "ram==1G",
                                       "gpus=0",
                                       "gpus=65",
                                       "gpus=x",
                                       "chunks=",
                                       "chunks=,",
                                       "chunks=4K,",
                                       "chunks=,4K",
                                       "chunks=2M,,4K",
                                       "chunks=2M;4K",
                                       "migrate=yes",
                                       "migrate=",
                                       "migrate=ON",
                                       "timeslice=-1",
                                       "timeslice=4294967297",
                                       "readonly=1",
                                       "readonly=true",
                                       "split=auto",
                                       "gc=on",
                                       "gc=",
                                       "evict=newest",
                                       "evict=",
                                       "thp=always",
                                       "faults=0",
                                       "faults=auto",
                                       "page=8K",
                                       "page=0",
                                       "page=1",
                                       "vm_start=A",
                                       "vm_size=128t",
                                       "seed=random",
                                       "notifier=1/2",
                                       "check_pages=off"}) {
      CAPTURE(bad);
      machine_options o;
      auto const wrong = assign(o, bad);
      REQUIRE(wrong);
      CHECK_FALSE(wrong->text.empty());
      CHECK(o.ram == machine_options{}.ram);
      CHECK(o.chunks.empty());
      CHECK(o.gpus == 1);
      CHECK(o.page == 4096);
    }
  }

  TEST_CASE("a list of too many chunk sizes is refused") {
    std::string word = "chunks=4K";
    for (int i = 0; i < 64; ++i) word += ",4K";
    machine_options o;
    CHECK(assign(o, word));
    CHECK(o.chunks.empty());
  }

  TEST_CASE("every GPU count, page size and switch passes the check") {
    for (std::string_view const word : {"gpus=1", "gpus=2", "gpus=64", "page=4K", "page=4096", "page=16K", "page=64K",
                                        "thp=on", "thp=off", "split=on", "split=off", "faults=on", "faults=off"}) {
      CAPTURE(word);
      machine_options o;
      REQUIRE_FALSE(assign(o, word));
      CHECK_FALSE(check(o));
    }
  }

  TEST_CASE("memory comes in whole pages, up to a terabyte, and there is some system memory") {
    for (std::string_view const word : {"ram=0", "ram=4095", "ram=6K", "ram=1025G", "vram=1", "vram=2K", "vram=2T"}) {
      CAPTURE(word);
      machine_options o;
      REQUIRE_FALSE(assign(o, word));
      CHECK(check(o));
    }
    for (std::string_view const page : {"page=16K", "page=64K"}) {
      machine_options o;
      REQUIRE_FALSE(assign(o, page));
      REQUIRE_FALSE(assign(o, "ram=8K"));
      auto const wrong = check(o);
      REQUIRE(wrong);
      CHECK(mentions(wrong->text, "ram=8192"));
      REQUIRE_FALSE(assign(o, "ram=64K"));
      CHECK_FALSE(check(o));
    }
    machine_options many;
    REQUIRE_FALSE(assign(many, "gpus=64"));
    REQUIRE_FALSE(assign(many, "vram=64G"));
    CHECK_FALSE(check(many));
    REQUIRE_FALSE(assign(many, "vram=65G"));
    CHECK(check(many));
    for (std::string_view const word : {"ram=4K", "ram=1T", "vram=0", "vram=4K", "vram=1T", "vram=12K"}) {
      CAPTURE(word);
      machine_options o;
      REQUIRE_FALSE(assign(o, word));
      CHECK_FALSE(check(o));
    }
  }

  TEST_CASE("an argument is an option when a name stands before its first =") {
    for (std::string_view const word : {"ram=1G", "foo=", "a=b=c", "_=1"}) {
      CAPTURE(word);
      CHECK(svmsh::is_option(word));
    }
    for (std::string_view const word : {"-", "", "ram", "./a=b", "=x", "a b=c", "dir/x.svm"}) {
      CAPTURE(word);
      CHECK_FALSE(svmsh::is_option(word));
    }
  }
}
