// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "words.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace {

using svmsh::name_table;
using svmsh::parse_address;
using svmsh::parse_number;
using svmsh::split_words;

using words = std::vector<std::string_view>;

std::string error_of(svmsh::parsed<std::uint64_t> const& p) {
  return p ? "no error" : p.error();
}

bool mentions(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_SUITE("svmsh/words") {
  TEST_CASE("words are separated by runs of spaces and tabs, and a comment ends the line anywhere") {
    CHECK(split_words("") == words{});
    CHECK(split_words(" \t ") == words{});
    CHECK(split_words("# cpu read A") == words{});
    CHECK(split_words("cpu read A") == words{"cpu", "read", "A"});
    CHECK(split_words("\t cpu \t\tread A ") == words{"cpu", "read", "A"});
    CHECK(split_words("gc# now") == words{"gc"});
    CHECK(split_words("gc #") == words{"gc"});
  }

  TEST_CASE("other control characters and NULs stay in their word") {
    CHECK(split_words("gc\r") == words{"gc\r"});
    CHECK(split_words("a\vb\fc") == words{"a\vb\fc"});
    CHECK(split_words(std::string_view("a\0b c", 5)) == words{std::string_view("a\0b", 3), "c"});
  }

  TEST_CASE("a name starts with a letter or underscore and goes on with letters, digits and underscores") {
    for (std::string_view const good : {"A", "_", "a1", "BAD74", "under_score", "all", "gpu"}) {
      CAPTURE(good);
      CHECK(svmsh::is_name(good));
    }
    for (std::string_view const bad : {"", "1a", "a-b", "a+", "a.b", "\xc3\xa4", "a b", "a="}) {
      CAPTURE(bad);
      CHECK_FALSE(svmsh::is_name(bad));
    }
  }

  TEST_CASE("numbers are decimal or hex, and a suffix multiplies by a power of 1024") {
    struct row {
      std::string_view word;
      std::uint64_t value;
    };
    for (row const& r :
         {row{"0", 0}, row{"0K", 0}, row{"7", 7}, row{"10", 10}, row{"4096", 4096}, row{"4K", 4096}, row{"2M", 2097152},
          row{"1G", 1073741824}, row{"128T", 140737488355328}, row{"0x0", 0}, row{"0x00ff", 255}, row{"0xfF", 255},
          row{"0x10K", 16384}, row{"0x1T", 1099511627776}, row{"18446744073709551615", UINT64_MAX},
          row{"0xffffffffffffffff", UINT64_MAX}, row{"0x00000000000000000001", 1},
          row{"18014398509481983K", 18446744073709550592u}, row{"16777215T", 18446742974197923840u}}) {
      CAPTURE(r.word);
      auto const number = parse_number(r.word);
      REQUIRE(number);
      CHECK(*number == r.value);
    }
  }

  TEST_CASE("a number above 2^64-1 is refused, before and after its suffix") {
    for (std::string_view const bad :
         {"18446744073709551616", "0x10000000000000000", "18014398509481984K", "17592186044416M", "17179869184G",
          "16777216T", "0xffffffffffffffffK", "99999999999999999999999999999999999999999"}) {
      CAPTURE(bad);
      CHECK(mentions(error_of(parse_number(bad)), "above 2^64-1"));
    }
  }

  TEST_CASE("what has another form is no number") {
    for (std::string_view const bad :
         {"",    "K",    "0x",  "0xK",   "0X10",  "x10", "08",   "00",  "010",
          "-1",  "+1",   "4k",  "4m",    "4KK",   "4KB", "4 K",  "1.5", "1e3",
          "0xg", "0x-1", "4K4", "1_000", "1,000", "A",   "\x01", "4\r", "99999999999999999999x"}) {
      CAPTURE(bad);
      CHECK(mentions(error_of(parse_number(bad)), "is not a number"));
    }
    CHECK(mentions(error_of(parse_number(std::string_view("4\0", 2))), "is not a number"));
  }

  TEST_CASE("an address is a number or a bound name, plus or minus one number") {
    name_table const names{{"A", 0x100000000}, {"_x9", 16}};
    struct row {
      std::string_view word;
      std::uint64_t value;
    };
    for (row const& r :
         {row{"0", 0}, row{"0x1000", 4096}, row{"4K", 4096}, row{"A", 0x100000000}, row{"A+4K", 0x100001000},
          row{"A-0x1000", 0xfffff000}, row{"0x1000+8", 4104}, row{"4K-4K", 0}, row{"_x9-16", 0}, row{"_x9+0", 16},
          row{"0xffffffffffffffff+0", UINT64_MAX}, row{"1+18446744073709551614", UINT64_MAX}}) {
      CAPTURE(r.word);
      auto const address = parse_address(r.word, names);
      REQUIRE(address);
      CHECK(*address == r.value);
    }
  }

  TEST_CASE("an address that does not fit into 64 bits is refused") {
    name_table const names{{"A", 0x100000000}};
    CHECK(mentions(error_of(parse_address("A+0xffffffff00000000", names)), "above 2^64-1"));
    CHECK(mentions(error_of(parse_address("1+18446744073709551615", names)), "above 2^64-1"));
    CHECK(mentions(error_of(parse_address("A+99999999999999999999", names)), "above 2^64-1"));
    CHECK(mentions(error_of(parse_address("A-0x100000001", names)), "below 0"));
    CHECK(mentions(error_of(parse_address("0-1", names)), "below 0"));
  }

  TEST_CASE("an address of another form is refused, and a name that is not bound is named") {
    name_table const names{{"A", 0x100000000}};
    CHECK(mentions(error_of(parse_address("B+4K", names)), "'B' is not bound"));
    CHECK(mentions(error_of(parse_address("a", names)), "'a' is not bound"));
    for (std::string_view const bad : {"",    "+",    "-",    "+4K", "-4K", "A+", "A-", "A++1", "A+-1", "A+1-1",
                                       "A+A", "4K+A", "A+08", "A*2", "A.",  "&A", "08", "0x",   "A+4k", "(A)"}) {
      CAPTURE(bad);
      CHECK_FALSE(parse_address(bad, names));
    }
  }

  TEST_CASE("a quoted word is short and printable whatever it held") {
    CHECK(svmsh::quoted("A+4K") == "'A+4K'");
    CHECK(svmsh::quoted("") == "''");
    CHECK(svmsh::quoted("a\nb\x7f\xff") == "'a\\x0ab\\x7f\\xff'");
    CHECK(svmsh::quoted(std::string_view("\0", 1)) == "'\\x00'");
    CHECK(svmsh::quoted(std::string(1000, 'x')) == "'" + std::string(40, 'x') + "...'");
  }

  TEST_CASE("hex has no leading zeros, and the end of the last byte is 2^64") {
    CHECK(svmsh::hex(0) == "0x0");
    CHECK(svmsh::hex(0xABCDEF) == "0xabcdef");
    CHECK(svmsh::hex(UINT64_MAX) == "0xffffffffffffffff");
    CHECK(svmsh::hex_end(0xfff) == "0x1000");
    CHECK(svmsh::hex_end(UINT64_MAX - 1) == "0xffffffffffffffff");
    CHECK(svmsh::hex_end(UINT64_MAX) == "0x10000000000000000");
  }
}
