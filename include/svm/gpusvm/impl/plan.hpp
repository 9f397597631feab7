// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/concepts/page_walk.hpp>
#include <svm/gpusvm/gpusvm.hpp>

// gpusvm::make_plan: which chunk a new range takes.

namespace svm::inline v0 {

/// What one round of `find_or_insert` settled on, under the map lock.
template <explained_policies P>
struct gpusvm<P>::plan {
  vma_info vma{{cpu_va{}, byte_count{1}}, false, false, false};
  va_range chunk{cpu_va{}, byte_count{1}};
};

/// Whether a VMA allows what the caller is about to do.
template <explained_policies P>
[[gnu::always_inline]] inline errc gpusvm<P>::permits(vma_info const& vma, lookup_options const& options) {
  if (options.want != access_kind::read && !vma.writable) return errc::read_only;
  if (!vma.readable) return errc::no_access;
  return options.devmem_only && !vma.migratable ? errc::not_migratable : errc::ok;
}

/// The VMA at `fault`, if it allows what the caller is about to do.
///
/// \pre the map lock is held shared
template <explained_policies P>
result<vma_info> gpusvm<P>::permitted_vma(cpu_va fault, lookup_options const& options) {
  result<vma_info> const vma = env_.mm.find_vma(fault);
  if (!vma) return vma.error();
  if (errc const e = permits(*vma, options); e != errc::ok) return e;
  return vma;
}

/// Looks at the VMA and at what is there, and chooses the chunk.
template <explained_policies P>
[[gnu::always_inline]] inline errc gpusvm<P>::make_plan(notifier<P>& home, bool is_fresh, cpu_va fault,
                                                        lookup_options const& options, plan& made) {
  shared_guard const map_guard{env_.mm.map_lock()};
  result<vma_info> const vma = env_.mm.find_vma(fault);
  if (!vma) return vma.error();
  if (errc const e = permits(*vma, options); e != errc::ok) return e;
  // A chunk that holds the address lies inside the notifier, which is aligned and no smaller than any.
  auto const is_free = [&](va_range chosen) __attribute__((always_inline)) {
    if (!shape_.window().contains(chosen)) return false;
    if (options.within != nullptr && !options.within->contains(chosen)) return false;
    if (!is_fresh) {
      shared_guard const guard{home.lock_};
      if (home.ranges_.first_overlap(chosen) != nullptr) return false;
    }
    return chosen.size() > options.check_pages_threshold || all_present_locked(chosen);
  };
  made.vma = *vma;
  made.chunk = detail::choose_chunk(shape_.chunks(), fault, vma->extent, is_free);
  return errc::ok;
}

/// True when every page of `span` is present on the CPU.
///
/// \pre the map lock is held shared
/// \allocs none, so that no shortage of memory can shrink a range
template <explained_policies P>
bool gpusvm<P>::all_present_locked(va_range span) {
  bool all = true;
  for_each_run(env_.mm, span, [&](page_run<page> const& r) { return all = r.place != page_place::absent; });
  return all;
}

}  // namespace svm::inline v0
