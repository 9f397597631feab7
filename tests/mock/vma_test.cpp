// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <string>

#include <pagemap/scene.hpp>

using namespace support;
using svm::mock::vma;
using svm::mock::vma_table;

namespace {

vma piece(std::uint64_t first, std::uint64_t pages, protection p = protection::read_write,
          mapping_kind k = mapping_kind::anon) {
  return {span({first * page_bytes}, pages * page_bytes), p, k, {}};
}
std::string shape(vma_table const& table) {
  std::string all;
  for (auto const& [start, v] : table.all()) {
    CHECK(start == v.extent.start().value);
    all += "[" + std::to_string(start / page_bytes) + "," + std::to_string(v.extent.last().value / page_bytes + 1) +
           ")" + std::string{name(v.allowed)};
  }
  return all;
}
va_range pages(std::uint64_t first, std::uint64_t count) {
  return span({first * page_bytes}, count * page_bytes);
}

}  // namespace

TEST_SUITE("mock/vma") {
  TEST_CASE("a VMA joins the neighbours that are like it, on both sides at once") {
    vma_table t;
    t.insert(piece(0, 2));
    t.insert(piece(4, 2));
    CHECK(shape(t) == "[0,2)rw[4,6)rw");
    t.insert(piece(2, 2));
    CHECK(shape(t) == "[0,6)rw");
    t.insert(piece(6, 1, protection::read));
    t.insert(piece(8, 1));
    t.insert(piece(7, 1, protection::read));
    CHECK(shape(t) == "[0,6)rw[6,8)r[8,9)rw");
  }

  TEST_CASE("a VMA is found by any address in it and by the first meeting with a span") {
    vma_table t;
    t.insert(piece(2, 2));
    t.insert(piece(6, 1));
    CHECK(t.find({2 * page_bytes - 1}) == nullptr);
    CHECK(t.find({2 * page_bytes}) != nullptr);
    CHECK(t.find({4 * page_bytes - 1}) == t.find({2 * page_bytes}));
    CHECK(t.find({4 * page_bytes}) == nullptr);
    CHECK(t.first_overlap(pages(0, 2)) == nullptr);
    CHECK(t.first_overlap(pages(0, 9))->extent == pages(2, 2));
    CHECK(t.first_overlap(pages(3, 1))->extent == pages(2, 2));
    CHECK(t.first_overlap(pages(4, 3))->extent == pages(6, 1));
    CHECK(t.first_overlap(pages(4, 2)) == nullptr);
  }

  TEST_CASE("what is cut out is handed over piece by piece, and the ends stay") {
    vma_table t;
    t.insert(piece(0, 4));
    t.insert(piece(5, 1, protection::read));
    t.insert(piece(6, 4));
    std::string cut;
    t.remove(pages(2, 6), [&](vma const& v) {
      cut += std::to_string(v.extent.start().value / page_bytes) + "+" +
             std::to_string(v.extent.size().value / page_bytes) + " ";
    });
    CHECK(cut == "2+2 5+1 6+2 ");
    CHECK(shape(t) == "[0,2)rw[8,10)rw");
    t.remove(pages(3, 2), [](vma const&) { FAIL("nothing is there"); });
    t.remove(pages(8, 1), [](vma const&) {});
    CHECK(shape(t) == "[0,2)rw[9,10)rw");
  }

  TEST_CASE("a protection splits, and joins again what became alike") {
    vma_table t;
    t.insert(piece(0, 6));
    t.protect(pages(2, 2), protection::none);
    CHECK(shape(t) == "[0,2)rw[2,4)none[4,6)rw");
    t.protect(pages(1, 2), protection::read);
    CHECK(shape(t) == "[0,1)rw[1,3)r[3,4)none[4,6)rw");
    t.protect(pages(0, 6), protection::read_write);
    CHECK(shape(t) == "[0,6)rw");
  }

  TEST_CASE("pieces of one object join, two objects do not, and only anonymous memory migrates") {
    vma_table t;
    auto const one = svm::mock::backing::make();
    for (std::uint64_t const at : {0u, 1u})
      t.insert({pages(at, 1), protection::read, mapping_kind::file, one, at * page_bytes});
    CHECK(shape(t) == "[0,2)r");
    CHECK(t.find({page_bytes})->offset_of({page_bytes + 8}) == page_bytes + 8);
    t.insert({pages(2, 1), protection::read, mapping_kind::file, svm::mock::backing::make()});
    CHECK(shape(t) == "[0,2)r[2,3)r");
    t.remove(pages(0, 1), [](vma const& v) { CHECK(v.offset == 0); });
    CHECK(t.find({page_bytes})->offset == page_bytes);
    t.insert({pages(0, 1), protection::read, mapping_kind::file, one, 7 * page_bytes});  // another part of it
    CHECK(shape(t) == "[0,1)r[1,2)r[2,3)r");
    CHECK_FALSE(t.find({0})->is_migratable());
    CHECK(piece(0, 1).is_migratable());
    CHECK_FALSE(piece(0, 1, protection::none).readable());
    CHECK_FALSE(piece(0, 1, protection::read).writable());
  }

  TEST_CASE("the views of an object are its VMAs, ascending, whatever was cut, joined and protected") {
    vma_table t;
    auto const one = svm::mock::backing::make();
    auto const other = svm::mock::backing::make();
    auto const views = [&t](svm::mock::backing const& object) {
      std::string all;
      t.for_each_view(object, [&](vma const& v) {
        all += "[" + std::to_string(v.extent.start().value / page_bytes) + "," +
               std::to_string(v.extent.last().value / page_bytes + 1) + ")";
      });
      return all;
    };
    CHECK(views(*one) == "");
    t.insert({pages(20, 6), protection::read, mapping_kind::file, one, 0});
    t.insert({pages(10, 2), protection::read, mapping_kind::file, other, 0});
    t.insert({pages(0, 2), protection::read, mapping_kind::file, one, 40 * page_bytes});
    t.insert(piece(30, 2));
    CHECK(views(*one) == "[0,2)[20,26)");
    CHECK(views(*other) == "[10,12)");
    t.protect(pages(22, 1), protection::none);
    CHECK(views(*one) == "[0,2)[20,22)[22,23)[23,26)");
    t.protect(pages(22, 1), protection::read);
    CHECK(views(*one) == "[0,2)[20,26)");
    t.remove(pages(0, 24), [](vma const&) {});
    CHECK(views(*one) == "[24,26)");
    CHECK(views(*other) == "");
    t.remove(pages(0, 40), [](vma const&) {});
    CHECK(views(*one) == "");
  }

  TEST_CASE("room is what no VMA takes, and comes back with what is removed") {
    vma_table t;
    constexpr std::uint64_t low = std::uint64_t{4} << 30;
    constexpr std::uint64_t huge = 2 << 20;
    CHECK(t.find_room({page_bytes}) == svm::cpu_va{low});
    t.insert(piece(low / page_bytes, 2));
    t.insert(piece(low / page_bytes + 2, 2));  // joins it
    t.protect(pages(low / page_bytes + 1, 1), protection::none);
    CHECK(t.find_room({page_bytes}) == svm::cpu_va{low + 2 * huge});
    t.remove(pages(low / page_bytes, 3), [](vma const&) {});
    CHECK(t.find_room({page_bytes}) == svm::cpu_va{low + 2 * huge});
    t.remove(pages(low / page_bytes, 4), [](vma const&) {});
    CHECK(t.find_room({page_bytes}) == svm::cpu_va{low});
  }
}
