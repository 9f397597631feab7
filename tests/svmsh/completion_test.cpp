// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "completion.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace {

using svmsh::common_start;
using svmsh::complete_command;
using words = std::vector<std::string>;

bool offers(std::string const& line, std::string const& word) {
  words const all = complete_command(line);
  return std::find(all.begin(), all.end(), word) != all.end();
}

}  // namespace

TEST_SUITE("svmsh/completion") {
  TEST_CASE("at the beginning of a line every command is offered, and what the prompt knows beside them") {
    for (std::string const word : {"mmap", "cpu", "gpu", "gc", "tick", "show", "expect", "machine", "help", "quit"}) {
      CAPTURE(word);
      CHECK(offers("", word));
    }
    CHECK(complete_command("mm") == words{"mmap"});
    CHECK(complete_command("mr") == words{"mremap"});
    CHECK(complete_command("m") == words{"mmap", "munmap", "mprotect", "mremap", "madvise", "machine"});
    CHECK(complete_command("xyz").empty());
  }

  TEST_CASE("behind who acts comes what it can do") {
    CHECK(complete_command("cpu ") == words{"read", "write", "fill", "check"});
    CHECK(complete_command("gpu1 a") == words{"atomic_add", "advise"});
    CHECK(complete_command("gpu pre") == words{"prefetch"});
    CHECK(complete_command("cpu pre").empty());
    CHECK(complete_command("@C cpu re") == words{"read"});
    CHECK(complete_command("gpux ").empty());
  }

  TEST_CASE("the words of a command are offered, and what has a value ends with its sign") {
    CHECK(complete_command("mmap A 4K sh") == words{"shared"});
    CHECK(complete_command("mmap A 4K rw at") == words{"at="});
    CHECK(complete_command("gpu prefetch A 4K v") == words{"vram"});
    CHECK(complete_command("show ") == words{"ranges", "notifiers", "vmas", "stats", "pages"});
    CHECK(complete_command("show stats ") == words{"all"});
    CHECK(complete_command("show ranges ").empty());
    CHECK(complete_command("expect ") == words{"gpu", "ranges", "range", "no", "notifiers", "pages", "stat"});
    CHECK(complete_command("expect gpu1 ") == words{"ranges"});
    CHECK(complete_command("mmap A 4K rw shared a") == words{"at="});
    CHECK(complete_command("fail d") == words{"dma_map"});
    CHECK(complete_command("gpu evict A").empty());
  }

  TEST_CASE("behind machine come its keys, and behind a key its values") {
    CHECK(complete_command("machine vr") == words{"vram="});
    CHECK(complete_command("machine vram=1M migrate=o") == words{"migrate=on", "migrate=off", "migrate=only"});
    CHECK(complete_command("machine page=") == words{"page=4K", "page=16K", "page=64K"});
    CHECK(complete_command("machine vram=").empty());
  }

  TEST_CASE("words have in common what all of them begin with") {
    CHECK(common_start({}) == "");
    CHECK(common_start({"one"}) == "one");
    CHECK(common_start({"migrate=on", "migrate=off"}) == "migrate=o");
    CHECK(common_start({"a", "b"}) == "");
    CHECK(common_start({"gpu", "gpu0"}) == "gpu");
  }
}
