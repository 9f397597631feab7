// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

// Each concept of the library that has an explanation, as a constant that has no value where the two differ: what is
// asserted of one is held of both.

#include <svm/concepts/policies.hpp>

namespace agreed {

/// Not constexpr: who calls it is no constant, and the compiler says its name.
void the_concept_and_its_explanation_differ();

consteval bool both(bool concept_says, bool explanation_says) {
  if (concept_says != explanation_says) the_concept_and_its_explanation_differ();
  return concept_says;
}

/// An optional part is explained to who claims it: none of its names is there, or it is recognised, or it is a mistake.
consteval bool part(bool concept_says, bool is_claimed, bool explanation_says) {
  return both(concept_says, is_claimed && explanation_says);
}

inline constexpr auto answer = svm::on_missing::answer;

template <class A>
inline constexpr bool allocator = both(svm::allocator<A>, svm::explain_allocator<A, answer>());
template <class C>
inline constexpr bool time_source = both(svm::time_source<C>, svm::explain_time_source<C, answer>());
template <class O>
inline constexpr bool observer = both(svm::observer<O>, svm::explain_observer<O, answer>());
template <class L>
inline constexpr bool lock = both(svm::lock<L>, svm::explain_lock<L, answer>());
template <class M>
inline constexpr bool mm = both(svm::mm<M>, svm::explain_mm<M, answer>());
template <class M>
inline constexpr bool address_space = both(svm::address_space<M>, svm::explain_address_space<M, answer>());
template <class M>
inline constexpr bool interval_notifier = both(svm::interval_notifier<M>, svm::explain_interval_notifier<M, answer>());
template <class M>
inline constexpr bool page_migration = both(svm::page_migration<M>, svm::explain_page_migration<M, answer>());
template <class D, class Page>
inline constexpr bool device = both(svm::device<D, Page>, svm::explain_device<D, Page, answer>());
template <class P, class Page, class Device>
inline constexpr bool pagemap = both(svm::pagemap<P, Page, Device>, svm::explain_pagemap<P, Page, Device, answer>());
template <class P>
inline constexpr bool policies = both(svm::detail::complete_policies<P>, svm::explain<P, answer>());
template <class P>
inline constexpr bool migrating_policies = both(svm::migrating_policies<P>, svm::explain_migrating<P, answer>());

template <class M>
inline constexpr bool settling_mm = part(svm::settling_mm<M>, svm::claims_settling<M>,
                                         svm::explain_settling<M, answer>());
template <class M>
inline constexpr bool write_protecting_mm = part(svm::write_protecting_mm<M>, svm::detail::claims_write_protection<M>,
                                                 svm::explain_write_protection<M, answer>());
template <class M>
inline constexpr bool clearing_mm = part(svm::clearing_mm<M>, svm::detail::claims_clearing<M>,
                                         svm::explain_clearing<M, answer>());
template <class D>
inline constexpr bool two_pass_device = part(svm::two_pass_device<D>, svm::detail::claims_two_pass<D>,
                                             svm::explain_two_pass<D, answer>());
template <class D>
inline constexpr bool queue_device = part(svm::queue_device<D>, svm::detail::claims_queues<D>,
                                          svm::explain_queues<D, answer>());
template <class D, class Page>
inline constexpr bool iova_device = part(svm::iova_device<D, Page>, svm::detail::claims_iova<D, Page>,
                                         svm::explain_iova<D, Page, answer>());
template <class D>
inline constexpr bool noncoherent_device = part(svm::noncoherent_device<D>, svm::detail::claims_noncoherent<D>,
                                                svm::explain_noncoherent<D, answer>());
template <class P, class Page>
inline constexpr bool piecewise_pagemap = part(svm::piecewise_pagemap<P, Page>, svm::detail::claims_pieces<P, Page>,
                                               svm::explain_pieces<P, Page, answer>());

}  // namespace agreed
