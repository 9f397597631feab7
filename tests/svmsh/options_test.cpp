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
using svmsh::options;
using sizes = std::vector<std::uint64_t>;

bool mentions(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("svmsh/options") {
  TEST_CASE("the defaults are those of the manual page, and they pass the check") {
    options const o;
    CHECK(o.machine.ram == 0x40000000);
    CHECK(o.machine.vram == 0x10000000);
    CHECK(o.machine.chunks == sizes{0x200000, 0x10000, 0x1000});
    CHECK(o.machine.notifier == 0x20000000);
    CHECK(o.machine.check_pages == 0x10000);
    CHECK(o.machine.migrate == svmsh::machine_options::migrate_mode::on);
    CHECK(o.machine.timeslice_ms == 0);
    CHECK_FALSE(o.machine.readonly);
    CHECK(o.machine.gc_auto);
    CHECK(o.machine.vm_start == 0);
    CHECK(o.machine.vm_size == 0x800000000000);
    CHECK(o.machine.seed == 1);
    CHECK_FALSE(check(o));
  }

  TEST_CASE("every key sets its option") {
    options o;
    for (std::string_view const word :
         {"ram=64M", "vram=0", "gpus=2", "chunks=64K,4K", "notifier=1M", "check_pages=0", "migrate=only",
          "timeslice=4G", "readonly=on", "split=on", "gc=manual", "thp=on", "page=64K", "vm_start=0x10000000",
          "vm_size=1T", "seed=18446744073709551615"}) {
      CAPTURE(word);
      CHECK_FALSE(assign(o, word));
    }
    CHECK(o.machine.ram == 0x4000000);
    CHECK(o.machine.vram == 0);
    CHECK(o.gpus == 2);
    CHECK(o.machine.chunks == sizes{0x10000, 0x1000});
    CHECK(o.machine.notifier == 0x100000);
    CHECK(o.machine.check_pages == 0);
    CHECK(o.machine.migrate == svmsh::machine_options::migrate_mode::only);
    CHECK(o.machine.timeslice_ms == 0x100000000);
    CHECK(o.machine.readonly);
    CHECK(o.split);
    CHECK_FALSE(o.machine.gc_auto);
    CHECK(o.thp);
    CHECK(o.page == 65536);
    CHECK(o.machine.vm_start == 0x10000000);
    CHECK(o.machine.vm_size == 0x10000000000);
    CHECK(o.machine.seed == UINT64_MAX);
  }

  TEST_CASE("of two settings the last wins") {
    options o;
    CHECK_FALSE(assign(o, "gpus=2"));
    CHECK_FALSE(assign(o, "gpus=1"));
    CHECK_FALSE(assign(o, "migrate=off"));
    CHECK_FALSE(assign(o, "migrate=on"));
    CHECK(o.gpus == 1);
    CHECK(o.machine.migrate == svmsh::machine_options::migrate_mode::on);
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
                                       "thp=always",
                                       "page=8K",
                                       "page=0",
                                       "page=1",
                                       "vm_start=A",
                                       "vm_size=128t",
                                       "seed=random",
                                       "notifier=1/2",
                                       "check_pages=off"}) {
      CAPTURE(bad);
      options o;
      auto const wrong = assign(o, bad);
      REQUIRE(wrong);
      CHECK_FALSE(wrong->text.empty());
      CHECK(o.machine.ram == options{}.machine.ram);
      CHECK(o.machine.chunks == options{}.machine.chunks);
      CHECK(o.gpus == 1);
      CHECK(o.page == 4096);
    }
  }

  TEST_CASE("a list of too many chunk sizes is refused") {
    std::string word = "chunks=4K";
    for (int i = 0; i < 64; ++i) word += ",4K";
    options o;
    CHECK(assign(o, word));
    CHECK(o.machine.chunks.size() == 3);
  }

  TEST_CASE("what this version cannot do is refused with a message that says so") {
    for (std::string_view const word : {"gpus=2", "gpus=64", "page=16K", "page=64K", "thp=on", "split=on"}) {
      CAPTURE(word);
      options o;
      REQUIRE_FALSE(assign(o, word));
      auto const wrong = check(o);
      REQUIRE(wrong);
      CHECK(mentions(wrong->text, "not supported yet"));
    }
    for (std::string_view const word : {"gpus=1", "page=4K", "page=4096", "thp=off", "split=off"}) {
      CAPTURE(word);
      options o;
      REQUIRE_FALSE(assign(o, word));
      CHECK_FALSE(check(o));
    }
  }

  TEST_CASE("memory comes in whole pages, up to a terabyte, and there is some system memory") {
    for (std::string_view const word : {"ram=0", "ram=4095", "ram=6K", "ram=1025G", "vram=1", "vram=2K", "vram=2T"}) {
      CAPTURE(word);
      options o;
      REQUIRE_FALSE(assign(o, word));
      CHECK(check(o));
    }
    for (std::string_view const word : {"ram=4K", "ram=1T", "vram=0", "vram=4K", "vram=1T", "vram=12K"}) {
      CAPTURE(word);
      options o;
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
