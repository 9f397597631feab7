// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <svm/config.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/concepts/walked_runs.hpp>
#include <svm/gpusvm/gpusvm.hpp>

namespace svm::inline v0 {

/// New ranges of one notifier that are made together: its lock is taken once to insert, map and bind all of them.
///
/// It is used by one thread, and from one `add` to the end of `bind` it makes what `find_or_bind` makes at its first try.
/// What it does not serve is left as it was, or is there unmapped: `find_or_bind` does the rest.
template <explained_policies P>
class new_ranges {
 public:
  static constexpr std::size_t most = 8;

  /// \param around   the notifier
  /// \param options  as of `bind_new`; `want` is that of each range
  /// \pre no lock of the library held
  new_ranges(gpusvm<P>& svm, notifier<P>& around, lookup_options const& options, bind_options const& binds)
      : svm_(svm),
        user_(svm.env_.mm),
        home_(around),
        options_(options),
        binds_(binds),
        sequence_(user_.alive() ? svm.env_.mm.read_begin(around.registration_) : 0) {}
  new_ranges(new_ranges const&) = delete;
  new_ranges& operator=(new_ranges const&) = delete;
  /// \pre no lock of the library held
  ~new_ranges() {
    for (std::size_t i = 0; i < count_; ++i) at(i).~made();
  }

  [[nodiscard]] bool is_full() const { return count_ == most; }
  /// True when a range that was added covers an address.
  [[nodiscard]] bool covers(cpu_va a) { return find(a) != nullptr; }

  /// Makes a range around an address that none covers, and finds what binding it takes.
  ///
  /// \pre    not full; `bind` was not called; no lock of the library held
  /// \errors as `bind_new`: nothing is added
  /// \allocs as `find_or_bind`
  [[nodiscard]] errc add(cpu_va fault, access_kind want) {
    SVM_ASSERT(!is_full());
    if (!svm_.shape_.window().contains(fault)) return errc::outside_window;
    if (!user_.alive()) return errc::mm_gone;
    lookup_options options = options_;
    options.want = want;
    typename gpusvm<P>::plan found;
    if (errc const e = svm_.make_plan(home_, false, fault, options, found); e != errc::ok) return e;
    result<range<P>*> const fresh = svm_.make_range(home_, found.chunk, false);
    if (!fresh) return fresh.error();
    made& m = *::new (&room_[count_ * sizeof(made)]) made(svm_, **fresh, want);
    ++count_;
    m.wanted = binds_.pages;
    m.wanted.read_only = m.wanted.read_only || !found.vma.writable;
    m.outcome = svm_.prepare_first(home_, found.chunk, sequence_, m.wanted, m.found, m.space);
    return errc::ok;
  }

  /// Inserts, maps and binds all that is ready, in one hold of the notifier's lock.
  ///
  /// \param may_bind  as of `find_or_bind`, asked once
  /// \pre    no lock of the library held; takes notifier (exclusive)
  /// \allocs nodes of the index; where there are none, only what needs no node is inserted
  template <class MayBind>
  void bind(MayBind const& may_bind) {
    nodes reserved;
    bool const has_nodes = index::replenish(svm_.range_nodes_, reserved, count_) == errc::ok;
    settle_events(svm_.env_.mm);
    {
      exclusive_guard const guard{home_.lock_};
      bool const may = !home_.retired_ && may_bind();
      for (std::size_t i = 0; i < count_; ++i)
        if (made& m = at(i); m.outcome == errc::ok)
          m.outcome = may ? bind_locked(m, has_nodes ? &reserved : nullptr) : errc::retry;
    }
    for (std::size_t i = 0; i < count_; ++i)
      if (made& m = at(i); m.is_known) svm_.env_.observer.record({event_kind::range_created, m.fresh->interval()});
    svm_.range_nodes_.limbo().flush();
  }
  /// True after `bind` when the range around an address is bound, for an access that is not above the one that it was
  /// added for.
  [[nodiscard]] bool is_bound(cpu_va a, access_kind want) {
    made const* const m = find(a);
    return m != nullptr && m->outcome == errc::ok && want <= m->want;
  }

 private:
  using index = typename notifier<P>::range_index;
  using nodes = typename index::reserved_nodes;

  struct made {
    made(gpusvm<P>& home, range<P>& r, access_kind kind)
        : svm(home),
          fresh(range_ref<P>::adopt(r)),
          found(home.env_.memory, r.interval()),
          space(home.env_),
          want(kind) {}
    made(made const&) = delete;
    made& operator=(made const&) = delete;
    ~made() {
      if (!is_known) svm.spare_.uncharge();
    }

    gpusvm<P>& svm;
    range_ref<P> fresh;
    detail::walked_runs<typename P::mm, typename P::allocator> found;
    typename device_mapping<P>::resources space;
    page_options wanted;
    access_kind want;
    errc outcome = errc::retry;
    bool is_known = false;  ///< it is in the index
  };

  [[nodiscard]] errc bind_locked(made& m, nodes* reserved) SVM_REQUIRES(home_.lock_) {
    if (errc const e = svm_.insert_locked(home_, reserved, *m.fresh, sequence_); e != errc::ok) return errc::retry;
    m.fresh->get();  // for the index
    m.is_known = true;
    errc const e = m.fresh->pages_.map(m.found.all(), m.wanted, m.space, m.found.walk().is_uniform());
    if (e == errc::ok) m.fresh->pages_.commit_locked(home_.lock_, m.fresh->interval(), binds_.permitted);
    return e;
  }
  [[nodiscard]] made& at(std::size_t i) { return *std::launder(reinterpret_cast<made*>(&room_[i * sizeof(made)])); }
  [[nodiscard]] made* find(cpu_va a) {
    for (std::size_t i = 0; i < count_; ++i)
      if (at(i).fresh->interval().contains(a)) return &at(i);
    return nullptr;
  }

  gpusvm<P>& svm_;
  mm_user<typename P::mm> const user_;
  notifier<P>& home_;
  lookup_options const options_;
  bind_options const binds_;
  std::uint64_t const sequence_;
  std::size_t count_ = 0;
  alignas(made) std::byte room_[most * sizeof(made)];
};

}  // namespace svm::inline v0
