// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>

namespace support::programs {

enum class protection : std::uint8_t { none, read, read_write };
enum class mapping_kind : std::uint8_t { anon, file, shared, hugetlb, io };
/// True for memory that a fork leaves to both, and that more than one mapping may show.
[[nodiscard]] constexpr bool is_shared(mapping_kind kind) {
  return kind == mapping_kind::shared || kind == mapping_kind::io;
}

/// What a process sees at a page.
struct page {
  protection allowed;
  mapping_kind kind;
  unsigned object;      ///< the mapping call that it comes from
  std::uint64_t index;  ///< its place in the object, in pages
  bool lost = false;    ///< a reset took its content
  bool dont_fork = false;
  bool wipe_on_fork = false;
};

/// What the processes of a computer see, whatever the kernel and the library do: pages and words. It knows system calls
/// by their manual, and neither page tables nor GPUs.
class model {
 public:
  static constexpr std::uint64_t page_bytes = 4096;
  static constexpr std::uint64_t end_page = (std::uint64_t{1} << 47) / page_bytes;
  static constexpr std::uint64_t huge_pages = (std::uint64_t{2} << 20) / page_bytes;  ///< pages in a huge page
  /// How a system call ends; the empty name is success.
  using outcome = std::string;

  model() { processes_.emplace_back(std::in_place); }

  [[nodiscard]] std::size_t processes() const { return processes_.size(); }
  [[nodiscard]] bool runs(std::size_t p) const { return p < processes_.size() && processes_[p].has_value(); }
  [[nodiscard]] page const* find(std::size_t p, std::uint64_t n) const {
    auto const at = processes_[p]->pages.find(n);
    return at == processes_[p]->pages.end() ? nullptr : &at->second;
  }
  /// Of all processes.
  [[nodiscard]] std::uint64_t mapped_pages() const {
    std::uint64_t n = 0;
    for (auto const& p : processes_) n += p ? p->pages.size() : 0;
    return n;
  }
  [[nodiscard]] bool any(std::size_t p, std::uint64_t first, std::uint64_t count) const {
    auto const at = processes_[p]->pages.lower_bound(first);
    return at != processes_[p]->pages.end() && at->first - first < count;
  }

  [[nodiscard]] outcome map(std::size_t p, std::uint64_t first, std::uint64_t count, protection allowed,
                            mapping_kind kind) {
    if (count == 0 || (kind == mapping_kind::hugetlb && (first % huge_pages != 0 || count % huge_pages != 0)))
      return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    if (any(p, first, count)) return "EEXIST";
    ++objects_;
    for (std::uint64_t i = 0; i < count; ++i) put(p, first + i, {allowed, kind, objects_, i});
    return {};
  }
  /// Shows what is behind page `of` once more, from page `index` of it on.
  [[nodiscard]] outcome map_same(std::size_t p, std::uint64_t first, std::uint64_t count, protection allowed,
                                 std::uint64_t of, std::uint64_t index) {
    if (count == 0) return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    page const* const source = find(p, of);
    if (source == nullptr) return "EFAULT";
    if (!is_file_like(*source) && source->kind != mapping_kind::io) return "EINVAL";
    if (any(p, first, count)) return "EEXIST";
    page const same = *source;
    for (std::uint64_t i = 0; i < count; ++i) put(p, first + i, {allowed, same.kind, same.object, index + i});
    return {};
  }
  /// Ends the file behind page `n` at a byte: what lies beyond is a bus error in every mapping of every process.
  [[nodiscard]] outcome truncate(std::size_t p, std::uint64_t n, std::uint64_t end) {
    page const* const at = find(p, n);
    if (at == nullptr) return "EFAULT";
    if (end % page_bytes != 0 || !is_file_like(*at)) return "EINVAL";
    unsigned const object = at->object;
    ends_[object] = end / page_bytes;
    for (std::size_t q = 0; q < processes_.size(); ++q)
      if (processes_[q])
        for (auto& [number, what] : processes_[q]->pages)
          if (what.object == object && is_beyond_end(what)) empty(q, number, what);
    shared_.erase(shared_.lower_bound({object, end}), shared_.lower_bound({object + 1, 0}));
    return {};
  }
  /// Frees a part of the file behind a span; private copies stay.
  [[nodiscard]] outcome punch_hole(std::size_t p, std::uint64_t first, std::uint64_t count) {
    if (count == 0) return "EINVAL";
    if (!is_one_mapping(p, first, count)) return "EFAULT";
    page const at = *find(p, first);
    if (!is_file_like(at)) return "EINVAL";
    shared_.erase(shared_.lower_bound({at.object, at.index * page_bytes}),
                  shared_.lower_bound({at.object, (at.index + count) * page_bytes}));
    return {};
  }
  /// True for a page of a mapping where its file has none.
  [[nodiscard]] bool is_beyond_end(page const& at) const {
    auto const end = ends_.find(at.object);
    return is_file_like(at) && end != ends_.end() && at.index >= end->second;
  }
  /// True for a page that the CPU reaches, as far as it is allowed to, and whose content is there.
  [[nodiscard]] bool is_there(page const& at) const { return !at.lost && !is_beyond_end(at); }
  /// The first page from `n` on that shows a file or shared memory, or `n`.
  [[nodiscard]] std::uint64_t next_of_file(std::size_t p, std::uint64_t n) const {
    for (auto at = processes_[p]->pages.lower_bound(n); at != processes_[p]->pages.end(); ++at)
      if (is_file_like(at->second)) return at->first;
    return n;
  }
  /// Whether any page of the 2 MiB around page `n`, which no range exceeds, is as `test` says.
  template <class Test>
  [[nodiscard]] bool any_near(std::size_t p, std::uint64_t n, Test&& test) const {
    std::uint64_t const start = n / huge_pages * huge_pages;
    auto const& pages = processes_[p]->pages;
    for (auto at = pages.lower_bound(start); at != pages.end() && at->first - start < huge_pages; ++at)
      if (test(at->second)) return true;
    return false;
  }
  [[nodiscard]] outcome unmap(std::size_t p, std::uint64_t first, std::uint64_t count) {
    if (count == 0 || !is_user(first, count) || cuts_huge_page(p, first, count)) return "EINVAL";
    drop(p, first, count);
    return {};
  }
  /// Stops at the first hole.
  [[nodiscard]] outcome protect(std::size_t p, std::uint64_t first, std::uint64_t count, protection allowed) {
    if (count == 0) return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    if (cuts_huge_page(p, first, count)) return "EINVAL";
    for (std::uint64_t n = first; n < first + count; ++n) {
      auto const at = processes_[p]->pages.find(n);
      if (at == processes_[p]->pages.end()) return "ENOMEM";
      at->second.allowed = allowed;
    }
    return {};
  }
  /// Passes over holes. Private memory reads as zero afterwards, what is shared keeps its content.
  [[nodiscard]] outcome dontneed(std::size_t p, std::uint64_t first, std::uint64_t count) {
    if (is_user(first, count) && cuts_huge_page(p, first, count)) return "EINVAL";
    return advise(p, first, count, [&](std::uint64_t n, page& at) { empty(p, n, at); });
  }
  /// As `dontneed`, for anonymous memory alone.
  [[nodiscard]] outcome free(std::size_t p, std::uint64_t first, std::uint64_t count) {
    if (is_user(first, count) && cuts_huge_page(p, first, count)) return "EINVAL";
    bool all_anonymous = true;
    outcome const end = advise(p, first, count, [&](std::uint64_t n, page& at) {
      if (at.kind == mapping_kind::anon)
        empty(p, n, at);
      else
        all_anonymous = false;
    });
    return all_anonymous ? end : "EINVAL";
  }
  /// Says what a fork makes of each page; a huge page is one.
  template <class Change>
  [[nodiscard]] outcome advise_fork(std::size_t p, std::uint64_t first, std::uint64_t count, Change&& change) {
    if (is_user(first, count) && cuts_huge_page(p, first, count)) return "EINVAL";
    return advise(p, first, count, std::forward<Change>(change));
  }
  /// Drops what the kernel may take from a process that it ends: reserved huge pages stay.
  void reap(std::size_t p, std::uint64_t first, std::uint64_t count) {
    static_cast<void>(advise(p, first, count, [&](std::uint64_t n, page& at) {
      if (at.kind != mapping_kind::hugetlb) empty(p, n, at);
    }));
  }
  /// Makes every page present, as far as it may be accessed.
  [[nodiscard]] outcome lock(std::size_t p, std::uint64_t first, std::uint64_t count) {
    bool all_there = true;
    outcome const end = advise(p, first, count, [&](std::uint64_t, page const& at) {
      all_there = all_there && (is_there(at) || at.allowed == protection::none);
    });
    return end.empty() && !all_there ? "EAGAIN" : end;
  }
  /// Calls `change(page number, page&)` for each page, passing over holes.
  template <class Change>
  [[nodiscard]] outcome advise(std::size_t p, std::uint64_t first, std::uint64_t count, Change&& change) {
    if (count == 0) return "EINVAL";
    if (!is_user(first, count)) return "ENOMEM";
    std::uint64_t found = 0;
    auto& pages = processes_[p]->pages;
    for (auto at = pages.lower_bound(first); at != pages.end() && at->first - first < count; ++at, ++found)
      change(at->first, at->second);
    return found == count ? "" : "ENOMEM";
  }

  /// \param to  the page to move to, or nothing: grow or shrink in place
  [[nodiscard]] outcome remap(std::size_t p, std::uint64_t first, std::uint64_t old_count, std::uint64_t new_count,
                              bool dontunmap, std::optional<std::uint64_t> to) {
    if (old_count == 0 || new_count == 0 || (dontunmap && old_count != new_count)) return "EINVAL";
    if (!is_user(first, old_count) || !is_user(to.value_or(first), new_count)) return "ENOMEM";
    if (!is_one_mapping(p, first, old_count)) return "EFAULT";
    if (find(p, first)->kind == mapping_kind::hugetlb)
      for (std::uint64_t const n : {first, old_count, new_count, to.value_or(first)})
        if (n % huge_pages != 0) return "EINVAL";
    if (!to) {
      if (new_count < old_count) drop(p, first + new_count, old_count - new_count);
      if (new_count <= old_count) return {};
      if (any(p, first + old_count, new_count - old_count)) return "ENOMEM";
      grow(p, first + old_count, new_count - old_count, *find(p, first + old_count - 1));
      return {};
    }
    if (any(p, *to, new_count)) return "EEXIST";
    page const last = *find(p, first + old_count - 1);
    for (std::uint64_t i = 0; i < old_count && i < new_count; ++i) {
      page const moved = *find(p, first + i);
      put(p, *to + i, moved);
      processes_[p]->pages.at(first + i).lost = false;
      move_words(p, first + i, *to + i);
    }
    if (!dontunmap) drop(p, first, old_count);
    if (new_count > old_count) grow(p, *to + old_count, new_count - old_count, last);
    return {};
  }

  /// The child has the next number.
  void fork(std::size_t parent) {
    processes_.emplace_back(*processes_[parent]);
    std::size_t const child = processes_.size() - 1;
    auto& pages = processes_[child]->pages;
    for (auto at = pages.begin(); at != pages.end();) {
      auto& [n, what] = *at;
      bool const wiped = what.wipe_on_fork && !is_shared(what.kind);
      if (what.dont_fork || wiped) drop_words(child, n);
      if (wiped) what.lost = false;
      if (!what.dont_fork && what.kind == mapping_kind::shared) ++shown_[{what.object, what.index}];
      at = what.dont_fork ? pages.erase(at) : std::next(at);
    }
  }
  void exit(std::size_t p) {
    drop(p, 0, end_page);
    processes_[p].reset();
  }
  void lose(std::size_t p, std::uint64_t n) { processes_[p]->pages.at(n).lost = true; }
  [[nodiscard]] bool any_lost() const {
    for (auto const& p : processes_)
      if (p)
        for (auto const& [n, what] : p->pages)
          if (what.lost) return true;
    return false;
  }

  /// \pre the page is mapped
  [[nodiscard]] std::uint64_t word(std::size_t p, std::uint64_t address) const {
    page const& at = *find(p, address / page_bytes);
    if (is_shared(at.kind)) return value_or_zero(shared_, shared_place(at, address));
    return value_or_zero(processes_[p]->words, address);
  }
  /// \pre the page is mapped
  void set_word(std::size_t p, std::uint64_t address, std::uint64_t value) {
    page const& at = *find(p, address / page_bytes);
    if (is_shared(at.kind))
      shared_[shared_place(at, address)] = value;
    else
      processes_[p]->words[address] = value;
    processes_[p]->unsure.erase(address);
  }
  /// Nobody wants what private pages of a span hold: each word is there until it is found to be zero, or written.
  void discard(std::size_t p, std::uint64_t first, std::uint64_t count) {
    auto const& words = processes_[p]->words;
    for (auto at = words.lower_bound(first * page_bytes); at != words.end() && at->first / page_bytes - first < count;
         ++at)
      processes_[p]->unsure.insert(at->first);
  }
  /// Whether a word may be what was found; of a word that is gone that is remembered.
  ///
  /// \pre the page is mapped
  [[nodiscard]] bool may_be(std::size_t p, std::uint64_t address, std::uint64_t found) {
    if (found == word(p, address)) return true;
    if (found != 0 || !processes_[p]->unsure.contains(address)) return false;
    set_word(p, address, 0);
    return true;
  }
  /// Calls `visit(address)` for each word that was ever written and that a mapping still shows.
  template <class Visit>
  void for_each_word(std::size_t p, Visit&& visit) const {
    for (auto const& [address, value] : processes_[p]->words) visit(address);
    for (auto const& [n, what] : processes_[p]->pages) {
      if (!is_shared(what.kind)) continue;
      place const end{what.object, (what.index + 1) * page_bytes};
      for (auto at = shared_.lower_bound({what.object, what.index * page_bytes});
           at != shared_.end() && at->first < end; ++at)
        visit(n * page_bytes + at->first.second % page_bytes);
    }
  }

 private:
  struct process {
    std::map<std::uint64_t, page> pages;
    std::map<std::uint64_t, std::uint64_t> words;  ///< of private pages, by address
    std::set<std::uint64_t> unsure;                ///< of those, what was discarded
  };
  using place = std::pair<unsigned, std::uint64_t>;

  [[nodiscard]] static bool is_user(std::uint64_t first, std::uint64_t count) {
    return first <= end_page && count <= end_page - first;
  }
  template <class Map, class Key>
  [[nodiscard]] static std::uint64_t value_or_zero(Map const& words, Key const& key) {
    auto const at = words.find(key);
    return at == words.end() ? 0 : at->second;
  }
  [[nodiscard]] static place shared_place(page const& at, std::uint64_t address) {
    return {at.object, at.index * page_bytes + address % page_bytes};
  }

  [[nodiscard]] static bool is_file_like(page const& at) {
    return at.kind == mapping_kind::file || at.kind == mapping_kind::shared;
  }
  /// True when an end of a span falls inside a reserved huge page.
  [[nodiscard]] bool cuts_huge_page(std::size_t p, std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t const n : {first, first + count}) {
      page const* const at = find(p, n);
      if (at != nullptr && at->kind == mapping_kind::hugetlb && n % huge_pages != 0) return true;
    }
    return false;
  }
  [[nodiscard]] bool is_one_mapping(std::size_t p, std::uint64_t first, std::uint64_t count) const {
    for (std::uint64_t i = 0; i < count; ++i)
      if (find(p, first + i) == nullptr || (i != 0 && !joined(p, first + i))) return false;
    return true;
  }
  /// Whether a page is of the same VMA as the one below it, which is mapped.
  [[nodiscard]] bool joined(std::size_t p, std::uint64_t n) const {
    page const& here = *find(p, n);
    page const& below = *find(p, n - 1);
    if (here.allowed != below.allowed || here.kind != below.kind) return false;
    return here.kind == mapping_kind::anon || (here.object == below.object && here.index == below.index + 1);
  }
  void put(std::size_t p, std::uint64_t n, page const& what) {
    processes_[p]->pages.insert_or_assign(n, what);
    if (what.kind == mapping_kind::shared) ++shown_[{what.object, what.index}];
  }
  void grow(std::size_t p, std::uint64_t first, std::uint64_t count, page const& after) {
    for (std::uint64_t i = 0; i < count; ++i)
      put(p, first + i,
          {after.allowed, after.kind, after.object, after.index + 1 + i, false, after.dont_fork, after.wipe_on_fork});
  }
  void empty(std::size_t p, std::uint64_t n, page& at) {
    at.lost = false;
    if (!is_shared(at.kind)) drop_words(p, n);
  }
  void drop_words(std::size_t p, std::uint64_t n) {
    auto& words = processes_[p]->words;
    words.erase(words.lower_bound(n * page_bytes), words.lower_bound((n + 1) * page_bytes));
    auto& unsure = processes_[p]->unsure;
    unsure.erase(unsure.lower_bound(n * page_bytes), unsure.lower_bound((n + 1) * page_bytes));
  }
  /// A page of shared memory that nobody maps any more loses its content; a register keeps it.
  void drop(std::size_t p, std::uint64_t first, std::uint64_t count) {
    auto& pages = processes_[p]->pages;
    for (auto at = pages.lower_bound(first); at != pages.end() && at->first - first < count; at = pages.erase(at)) {
      if (at->second.kind == mapping_kind::io) continue;
      if (at->second.kind != mapping_kind::shared) {
        drop_words(p, at->first);
        continue;
      }
      place const what{at->second.object, at->second.index};
      if (--shown_[what] != 0) continue;
      shown_.erase(what);
      shared_.erase(shared_.lower_bound({what.first, what.second * page_bytes}),
                    shared_.lower_bound({what.first, (what.second + 1) * page_bytes}));
    }
  }
  void move_words(std::size_t p, std::uint64_t from, std::uint64_t to) {
    auto& [pages, words, unsure] = *processes_[p];
    for (auto at = words.lower_bound(from * page_bytes); at != words.end() && at->first < (from + 1) * page_bytes;) {
      std::uint64_t const there = to * page_bytes + at->first % page_bytes;
      words[there] = at->second;
      if (unsure.erase(at->first) != 0) unsure.insert(there);
      at = words.erase(at);
    }
  }

  std::deque<std::optional<process>> processes_;
  std::map<place, std::uint64_t> shared_;   ///< words by object and byte
  std::map<unsigned, std::uint64_t> ends_;  ///< in pages, of objects that were truncated
  std::map<place, unsigned> shown_;         ///< how many pages of processes show a page of shared memory
  unsigned objects_ = 0;
};

}  // namespace support::programs
