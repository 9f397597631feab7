// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "lackey.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

using svmsh::access_kind;
using svmsh::lackey_reader;
using status = lackey_reader::status;

/// A file that is gone with the test.
class scratch_file {
 public:
  explicit scratch_file(std::string_view content) {
    path_ = (std::filesystem::temp_directory_path() / "svm_lackey_XXXXXX").string();
    close(mkstemp(path_.data()));
    std::ofstream(path_, std::ios::binary) << content;
  }
  ~scratch_file() { std::filesystem::remove(path_); }
  scratch_file(scratch_file const&) = delete;
  scratch_file& operator=(scratch_file const&) = delete;
  char const* path() const { return path_.c_str(); }

 private:
  std::string path_;
};

/// What a trace holds: `L 1000,8` for each access, and how it ended.
struct reading {
  std::vector<std::string> accesses;
  status end = status::end;
  std::uint64_t line = 0;
  std::string error;
};

std::string text_of(svmsh::trace_access const& a) {
  char text[64];
  std::snprintf(text, sizeof text, "%c %llx,%u", "LSM"[static_cast<int>(a.kind)],
                static_cast<unsigned long long>(a.address), a.size);
  return text + (a.warp ? " # " + std::to_string(*a.warp) : "");
}

reading read_file(char const* path, std::size_t block = lackey_reader::usual_block) {
  lackey_reader input(path, {}, block);
  reading all;
  svmsh::trace_access a;
  std::vector<std::uint64_t> lines;
  while ((all.end = input.next(a)) == status::access) {
    all.accesses.push_back(text_of(a));
    lines.push_back(input.line_number());
  }
  all.line = input.line_number();
  all.error = input.error();

  // Ahead, as far as that goes, it reads the same.
  lackey_reader again(path, {}, block);
  std::array<svmsh::numbered_access, 3> ahead;
  reading same;
  std::vector<std::uint64_t> same_lines;
  do {
    std::size_t count = again.take_ready(ahead);
    if (count == 0) {
      same.end = again.next(ahead[0].access);
      if (same.end != status::access) break;
      ahead[0].line = again.line_number();
      count = 1;
    }
    for (std::size_t i = 0; i < count; ++i) {
      same.accesses.push_back(text_of(ahead[i].access));
      same_lines.push_back(ahead[i].line);
    }
  } while (same.end != status::malformed);
  CHECK(same.accesses == all.accesses);
  CHECK(same_lines == lines);
  CHECK(same.end == all.end);
  CHECK(again.line_number() == all.line);
  CHECK(again.error() == all.error);
  return all;
}

reading read(std::string_view content, std::size_t block = lackey_reader::usual_block) {
  scratch_file const file(content);
  return read_file(file.path(), block);
}

using list = std::vector<std::string>;

}  // namespace

TEST_SUITE("svmsh/lackey") {
  TEST_CASE("loads, stores and modifies come out, instructions do not") {
    reading const r = read("I  04000c20,3\n L 1ffefff7b8,8\n S 04030d58,4\nI  04000c23,5\n M 0421d3b8,1\n");
    CHECK(r.accesses == list{"L 1ffefff7b8,8", "S 4030d58,4", "M 421d3b8,1"});
    CHECK(r.end == status::end);
    CHECK(r.line == 5);
  }

  TEST_CASE("what does not begin like an access is skipped") {
    reading const r = read(
        "==12== Lackey, an example Valgrind tool\n\n==12==\nL 1000,8\nI 1000,8\n  L 1000,8\n\t L 1000,8\nS\n 1000,8\n"
        " l 1000,8\n X 1000,8\n LL 1000,8\n Loading 17 rows\nI think so\nM  1000,8\n L1000,8\nIn\n \n  \n"
        " S 2000,4\n");
    CHECK(r.accesses == list{"S 2000,4"});
    CHECK(r.end == status::end);
    CHECK(r.line == 20);
  }

  TEST_CASE("a CR inside a line ends nothing, so a line with one behind the letter of a tag is none of the trace") {
    CHECK(read(" L\r S 1000,8\n S 2000,4\n").accesses == list{"S 2000,4"});
    CHECK(read("I \rx\n S 2000,4\n").accesses == list{"S 2000,4"});
    CHECK(read(" L\r\n").end == status::malformed);
    CHECK(read(" L\r").end == status::malformed);
  }

  TEST_CASE("sizes from 1 to 4096 and addresses of up to 16 digits are well formed") {
    reading const r =
        read(" L 0,1\n L ffffffffffffffff,4096\n S 00000000000000ff,4095\n M ABCDEFabcdef,10\n L 0000000000000000,9\n");
    CHECK(r.accesses == list{"L 0,1", "L ffffffffffffffff,4096", "S ff,4095", "M abcdefabcdef,10", "L 0,9"});
    CHECK(r.end == status::end);
  }

  TEST_CASE("a CR before the LF is ignored, and the last line may lack its newline") {
    CHECK(read(" L 1000,8\r\nI  2000,4\r\n S 3000,2\r\n").accesses == list{"L 1000,8", "S 3000,2"});
    CHECK(read(" L 1000,8\n S 3000,2").accesses == list{"L 1000,8", "S 3000,2"});
    CHECK(read(" S 3000,2\r").accesses == list{"S 3000,2"});
    CHECK(read("").accesses.empty());
    CHECK(read("\n").accesses.empty());
    CHECK(read("\r").accesses.empty());
    CHECK(read("no newline").end == status::end);
  }

  TEST_CASE("a line that begins like an access and is malformed is an error that names what is wrong") {
    struct {
      std::string_view line, says;
    } const cases[] = {
        {" L ", "the address is missing"},
        {" L", "the address is missing"},
        {" S", "the address is missing"},
        {" M", "the address is missing"},
        {"I ", "the address is missing"},
        {"I  ", "the address is missing"},
        {" L ,8", "not a hex number"},
        {" L  1000,8", "not a hex number"},
        {" L -1000,8", "not a hex number"},
        {" L xyz,8", "not a hex number"},
        {" L 0x1000,8", "no comma"},
        {" L 1000", "the size is missing"},
        {" S 1000,", "the size is missing"},
        {" S 1000 8", "no comma"},
        {" M 1000;8", "no comma"},
        {" L 10g0,8", "no comma"},
        {" L 10000000000000000,8", "more than 16 digits"},
        {" L 00000000000000001,8", "more than 16 digits"},
        {" L 1000,0", "out of range"},
        {" L 1000,4097", "out of range"},
        {" L 1000,4294967297", "out of range"},
        {" L 1000,18446744073709551624", "out of range"},
        {" L 1000,-8", "not a decimal number"},
        {" L 1000,+8", "not a decimal number"},
        {" L 1000,x", "not a decimal number"},
        {" L 1000, 8", "not a decimal number"},
        {" L 1000,8 ", "something follows"},
        {" L 1000,8,8", "something follows"},
        {" L 1000,8h", "something follows"},
        {" L 1000,0x8", "begins with a zero"},
        {" L 1000,8\r ", "something follows"},
        {" L 1000,8\r\r", "something follows"},
        {std::string_view{" L 1000,8\0", 10}, "something follows"},
        {std::string_view{" L \0001000,8", 11}, "not a hex number"},
        {" L \xff\xfe,8", "not a hex number"},
        {"I  1000", "the size is missing"},
        {"I  zz,1", "not a hex number"},
        {"I  1000,5000", "out of range"},
        {"I  1000,8 # 1", "the warp"},
        {"I  04000c20,0", "out of range"},
        {"I  04000g20,3", "no comma follows"},
        {"I  04000c20;3", "no comma follows"},
        {"I  04000c20,3 # 1", "the warp"},
        {" L 1000,8 # ", "the warp"},
        {" L 1000,8 # x", "the warp"},
        {" L 1000,8 # -1", "the warp"},
        {" L 1000,8 # 0x1", "the warp"},
        {" L 1000,8 # 01", "the warp"},
        {" L 1000,8 # 4294967296", "the warp"},
        {" L 1000,8 # 99999999999999999999", "the warp"},
        {" L 1000,8 # 1 ", "the warp"},
        {" L 1000,8 #1", "something follows"},
        {" L 1000,8# 1", "something follows"},
        {" L 1000,8  # 1", "something follows"},
        {" L 1000,8\t# 1", "something follows"},
        {" L 1000,8 #", "something follows"},
    };
    for (auto const& c : cases) {
      for (std::string const end : {"\n", "", "\r\n", "\n L 5000,8\n"}) {
        CAPTURE(std::string(c.line));
        reading const r = read("==1==\n S 10,1\n" + std::string(c.line) + end);
        CHECK(r.accesses == list{"S 10,1"});
        CHECK(r.end == status::malformed);
        CHECK(r.line == 3);
        CHECK_MESSAGE(r.error.find(c.says) != std::string::npos, r.error);
        CHECK_MESSAGE(r.error.find("expected '") != std::string::npos, r.error);
        CHECK(r.error.find('\n') == std::string::npos);
      }
    }
  }

  TEST_CASE("a data access may name its warp, a decimal below 2^32 behind blank, # and blank") {
    reading const r = read(" L 1000,8 # 0\n S 2000,4 # 4294967295\r\n M 3000,1\n L 4000,8 # 17");
    CHECK(r.accesses == list{"L 1000,8 # 0", "S 2000,4 # 4294967295", "M 3000,1", "L 4000,8 # 17"});
    CHECK(r.end == status::end);
  }

  TEST_CASE("the beginnings of kernels are told where they are asked for, and are lines like others elsewhere") {
    std::string_view const text = " L 1000,8\n== kernel axpy\n L 2000,8\n==kernel\n=== kernel\n== kernel";
    CHECK(read(text).accesses == list{"L 1000,8", "L 2000,8"});
    scratch_file const file(text);
    lackey_reader input(file.path());
    input.tell_kernels();
    svmsh::trace_access a;
    std::vector<status> seen;
    do {
      seen.push_back(input.next(a));
    } while (seen.back() != status::end);
    CHECK(seen == std::vector<status>{status::access, status::kernel, status::access, status::kernel, status::end});
    CHECK(input.line_number() == 6);
  }

  TEST_CASE("a trace tells the blocks that it touches before its first line alone") {
    auto const told = [](std::string_view content, std::size_t block = lackey_reader::usual_block) {
      scratch_file const file(content);
      lackey_reader input(file.path(), {}, block);
      auto const blocks = input.read_footprint();
      svmsh::trace_access a;
      CHECK(input.next(a) == status::access);
      CHECK(a.address == 0x1000);
      return blocks;
    };
    CHECK(told("== footprint 17\n L 1000,8\n") == 17u);
    CHECK(told("==1== x\n\n== footprint 17\r\nhello\n L 1000,8\n== footprint 3\n") == 17u);
    CHECK(told(std::string(5000, 'x') + "\n== footprint 4\n L 1000,8\n", 128) == 4u);
    CHECK_FALSE(told(" L 1000,8\n== footprint 17\n"));
    CHECK_FALSE(told("I  2000,3\n== footprint 17\n L 1000,8\n"));
    CHECK_FALSE(told("== footprint x\n== footprint -1\n==footprint 3\n== footprint\n L 1000,8\n"));
  }

  TEST_CASE("an address of any length is read, and each character in it is a digit or refused") {
    std::string const digits = "0123456789abcdefABCDEF";
    std::string const address = "9fA0cB71E2d38465";
    for (std::size_t length = 1; length <= address.size(); ++length) {
      std::string const text = address.substr(address.size() - length);
      char expected[64];
      std::snprintf(expected, sizeof expected, "S %llx,4", std::stoull(text, nullptr, 16));
      CHECK(read(" S " + text + ",4\n").accesses == list{expected});
      CHECK(read(" S " + text + ",4\n" + std::string(100, '\n')).accesses == list{expected});
    }
    for (std::size_t const at : {0U, 3U, 7U, 8U, 11U, 15U})
      for (int c = 0; c < 256; ++c) {
        CAPTURE(at);
        CAPTURE(c);
        std::string text = address;
        text[at] = static_cast<char>(c);
        reading const r = read(" S " + text + ",4\n" + std::string(100, '\n'));
        bool const is_digit = digits.find(static_cast<char>(c)) != std::string::npos;
        REQUIRE(r.end == (is_digit ? status::end : status::malformed));
        if (!is_digit) continue;
        char expected[64];
        std::snprintf(expected, sizeof expected, "S %llx,4", std::stoull(text, nullptr, 16));
        CHECK(r.accesses == list{expected});
      }
  }

  TEST_CASE("where blocks end makes no difference") {
    std::string text;
    list expected;
    for (unsigned i = 0; i < 200; ++i) {
      text +=
          std::string(i % 71, 'x') + "\nI  " + std::to_string(1000 + i) + ",3\n L " + std::to_string(2000 + i) + ",8\n";
      expected.push_back("L " + std::to_string(2000 + i) + ",8");
    }
    text += std::string(1000, ' ') + "\n";
    for (std::size_t block = lackey_reader::smallest_block; block < lackey_reader::smallest_block + 80; ++block) {
      CAPTURE(block);
      reading const r = read(text, block);
      CHECK(r.accesses == expected);
      CHECK(r.line == 601);
      CHECK(r.end == status::end);
      reading const bad = read(text + " L 1000,", block);
      CHECK(bad.end == status::malformed);
      CHECK(bad.line == 602);
      CHECK(bad.accesses == expected);
    }
  }

  TEST_CASE("lines longer than a block are skipped, or refused if they begin like an access") {
    std::string const much(100000, '7');
    reading const r = read(much + "\n L 1000,8\n" + much, 256);
    CHECK(r.accesses == list{"L 1000,8"});
    CHECK(r.end == status::end);
    CHECK(r.line == 3);
    CHECK(read(" L " + much + ",8\n", 256).end == status::malformed);
    CHECK(read(" L 1000," + much + "\n", 256).end == status::malformed);
    CHECK(read(" L 1000,8" + std::string(100000, ' '), 256).end == status::malformed);
  }

  TEST_CASE("a file that cannot be read is an error") {
    scratch_file const gone("");
    std::filesystem::remove(gone.path());
    reading const missing = read_file(gone.path());
    CHECK(missing.end == status::failed);
    CHECK(missing.error.find("cannot open") == 0);
    reading const folder = read_file(std::filesystem::temp_directory_path().c_str());
    CHECK(folder.end == status::failed);
    CHECK(folder.error.find("cannot read") == 0);
  }
}
