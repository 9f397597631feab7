// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "faults64.hpp"

#include <doctest/doctest.h>

#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace {

using svmsh::faults64_reader;
using status = faults64_reader::status;
using list = std::vector<std::uint64_t>;

std::string bytes_of(list const& addresses) {
  std::string bytes;
  for (std::uint64_t const a : addresses)
    for (unsigned i = 0; i < 8; ++i) bytes += static_cast<char>(a >> 8 * i & 0xff);
  return bytes;
}

/// What a list holds, and how it ended.
struct reading {
  list addresses;
  status end = status::end;
  std::uint64_t offset = 0;
  std::string error;
};

reading read(std::string const& content, std::size_t block = faults64_reader::usual_block) {
  std::string path = (std::filesystem::temp_directory_path() / "svm_faults_XXXXXX").string();
  close(mkstemp(path.data()));
  std::ofstream(path, std::ios::binary) << content;
  reading all;
  {
    faults64_reader input(path.c_str(), {}, block);
    std::uint64_t address = 0;
    while ((all.end = input.next(address)) == status::fault) all.addresses.push_back(address);
    all.offset = input.offset();
    all.error = input.error();
    CHECK(input.entries() == all.addresses.size());
  }
  std::filesystem::remove(path);
  return all;
}

}  // namespace

TEST_SUITE("svmsh/faults64") {
  TEST_CASE("addresses come out in their order, from 0 to the last page below 2^47, wherever blocks end") {
    list const all{0x123456789000, 0, 0x7ffffffff000, 0x1000, 0x1000, 0x200000};
    for (std::size_t const block : {std::size_t{8}, std::size_t{9}, std::size_t{15}, std::size_t{16}, std::size_t{17},
                                    faults64_reader::usual_block}) {
      CAPTURE(block);
      reading const r = read(bytes_of(all), block);
      CHECK(r.addresses == all);
      CHECK(r.end == status::end);
      CHECK(r.offset == 48);
    }
    CHECK(read("").end == status::end);
  }

  TEST_CASE("an entry that is no address of a page is an error, with its offset") {
    struct {
      std::uint64_t address;
      char const* says;
    } const cases[] = {{0x800000000000, "2^47"}, {0x800000000123, "2^47"},   {UINT64_MAX, "2^47"},
                       {1, "begins no page"},    {0x1800, "begins no page"}, {0x7fffffffffff, "begins no page"}};
    for (auto const& c : cases) {
      CAPTURE(c.address);
      reading const r = read(bytes_of({0x1000, 0x2000, c.address, 0x3000}));
      CHECK(r.addresses == list{0x1000, 0x2000});
      CHECK(r.end == status::malformed);
      CHECK(r.offset == 16);
      CHECK_MESSAGE(r.error.find("at offset 16: ") == 0, r.error);
      CHECK_MESSAGE(r.error.find(c.says) != std::string::npos, r.error);
    }
  }

  TEST_CASE("a length that is no multiple of 8 is an error at the entry that is cut off") {
    std::string const whole = bytes_of({0x1000, 0x2000});
    for (std::size_t cut = 1; cut < 8; ++cut) {
      CAPTURE(cut);
      for (std::size_t const block : {std::size_t{8}, std::size_t{64}}) {
        reading const r = read(whole.substr(0, whole.size() - cut), block);
        CHECK(r.addresses == list{0x1000});
        CHECK(r.end == status::malformed);
        CHECK(r.offset == 8);
        CHECK_MESSAGE(r.error.find("at offset 8: ") == 0, r.error);
        CHECK_MESSAGE(r.error.find("found " + std::to_string(8 - cut)) != std::string::npos, r.error);
      }
    }
  }

  TEST_CASE("a file that cannot be read is an error") {
    std::uint64_t address = 0;
    faults64_reader gone("/nowhere/at/all");
    CHECK(gone.error().find("cannot open") == 0);
    CHECK(gone.next(address) == status::failed);
    faults64_reader folder(std::filesystem::temp_directory_path().c_str());
    CHECK(folder.next(address) == status::failed);
    CHECK(folder.error().find("cannot read") == 0);
  }
}
