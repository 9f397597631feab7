// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <concepts>

#include <svm/concepts/allocator.hpp>
#include <svm/concepts/time_source.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/concepts/observer.hpp>
#include <svm/concepts/on_missing.hpp>
#include <svm/concepts/pagemap.hpp>
#include <svm/concepts/write_protection.hpp>

namespace svm::inline v0 {

namespace detail {

/// A bundle that names a pagemap is of a GPU that has memory.
template <class P>
concept claims_device_memory = requires {
  typename P::pagemap;
};

// clang-format off
/// Explains what a bundle lacks of its optional parts: half of one is a mistake, since none of it would be used.
template <class P, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_parts() {
  if constexpr (!explain_settling<typename P::mm, How>())
    return false;
  else if constexpr (!explain_watching_constants<typename P::mm, How>())
    return false;
  else if constexpr (!explain_moving_constants<typename P::mm, How>())
    return false;
  else if constexpr (!explain_write_protection<typename P::mm, How>())
    return false;
  else if constexpr (!explain_clearing<typename P::mm, How>())
    return false;
  else if constexpr (!explain_two_pass<typename P::device, How>())
    return false;
  else if constexpr (!explain_queues<typename P::device, How>())
    return false;
  else if constexpr (!explain_iova<typename P::device, typename P::mm::page, How>())
    return false;
  else if constexpr (!explain_noncoherent<typename P::device, How>())
    return false;
  else if constexpr (!claims_device_memory<P>)
    return true;
  else if constexpr (!explain_coherent<typename P::pagemap, How>())
    return false;
  else
    return explain_pieces<typename P::pagemap, typename P::mm::page, How>();
}

/// Explains what the mm and the pagemap of a bundle lack for memory to move; true for one without a pagemap.
template <class P, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_memory() {
  if constexpr (!claims_device_memory<P>)
    return true;
  else if constexpr (!explain_page_migration<typename P::mm, How>())
    return false;
  else
    return explain_pagemap<typename P::pagemap, typename P::mm::page, typename P::device, How>();
}

}  // namespace detail

/// Explains what a bundle lacks to be a model of `svm_policies`, and of `migrating_policies` when it names a pagemap: the first error of the compiler begins with one sentence
/// that names the first thing that is missing, in the order of the concepts. Write it beside a new bundle:
///
///     static_assert(svm::explain<my_policies>());
///
/// Half an optional part is an error too.
template <class P, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain() {
  if constexpr (!requires { typename P::mm; })
    static_assert(How == on_missing::answer, "svm: policies need a type `mm`");
  else if constexpr (!explain_address_space<typename P::mm, How>())
    return false;
  else if constexpr (!explain_interval_notifier<typename P::mm, How>())
    return false;
  else if constexpr (!requires { typename P::device; })
    static_assert(How == on_missing::answer, "svm: policies need a type `device`");
  else if constexpr (!explain_device<typename P::device, typename P::mm::page, How>())
    return false;
  else if constexpr (!detail::explain_memory<P, How>())
    return false;
  else if constexpr (!requires { typename P::lock; })
    static_assert(How == on_missing::answer, "svm: policies need a type `lock`");
  else if constexpr (!explain_lock<typename P::lock, How>())
    return false;
  else if constexpr (!requires { typename P::clock; })
    static_assert(How == on_missing::answer, "svm: policies need a type `clock`");
  else if constexpr (!explain_time_source<typename P::clock, How>())
    return false;
  else if constexpr (!requires { typename P::allocator; })
    static_assert(How == on_missing::answer, "svm: policies need a type `allocator`");
  else if constexpr (!explain_allocator<typename P::allocator, How>())
    return false;
  else if constexpr (!requires { typename P::observer; })
    static_assert(How == on_missing::answer, "svm: policies need a type `observer`, as `default_policies` has");
  else if constexpr (!explain_observer<typename P::observer, How>())
    return false;
  else if constexpr (!requires { typename P::range_data; })
    static_assert(How == on_missing::answer, "svm: policies need a type `range_data`, as `default_policies` has");
  else if constexpr (!std::default_initializable<typename P::range_data>)
    static_assert(How == on_missing::answer, "svm: policies need a `range_data` that is made without arguments");
  else if constexpr (!requires { typename P::notifier_data; })
    static_assert(How == on_missing::answer, "svm: policies need a type `notifier_data`, as `default_policies` has");
  else if constexpr (!std::default_initializable<typename P::notifier_data>)
    static_assert(How == on_missing::answer, "svm: policies need a `notifier_data` that is made without arguments");
  else
    return detail::explain_parts<P, How>();
  return false;
}

/// The same for `migrating_policies`.
template <class P, on_missing How = on_missing::error>
[[nodiscard]] constexpr bool explain_migrating() {
  if constexpr (!detail::claims_device_memory<P>)
    static_assert(How == on_missing::answer, "svm: policies need a type `pagemap`, for memory to move");
  else
    return explain<P, How>();
  return false;
}
// clang-format on

/// An optional part of an mm, device or pagemap, and whether a bundle has it.
struct optional_part {
  char const* name;
  bool recognised;
};

/// The optional parts that the library recognises in a bundle.
template <class P>
[[nodiscard]] constexpr std::array<optional_part, 9> optional_parts() {
  using page = typename P::mm::page;
  bool coherent = false, piecewise = false;
  if constexpr (detail::claims_device_memory<P>) {
    coherent = coherent_pagemap<typename P::pagemap>;
    piecewise = piecewise_pagemap<typename P::pagemap, page>;
  }
  return {{
      {"settling_mm", settling_mm<typename P::mm>},
      {"write_protecting_mm", write_protecting_mm<typename P::mm>},
      {"clearing_mm", clearing_mm<typename P::mm>},
      {"two_pass_device", two_pass_device<typename P::device>},
      {"queue_device", queue_device<typename P::device>},
      {"iova_device", iova_device<typename P::device, page>},
      {"noncoherent_device", noncoherent_device<typename P::device>},
      {"coherent_pagemap", coherent},
      {"piecewise_pagemap", piecewise},
  }};
}

}  // namespace svm::inline v0
