// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>

#include <svm/concepts/allocator.hpp>
#include <svm/concepts/time_source.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/explain.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/concepts/observer.hpp>
#include <svm/concepts/pagemap.hpp>

namespace svm::inline v0 {

/// State that a driver adds to every object of a kind; the default adds none.
struct no_data {};

/// The bundle of types with which the library is instantiated.
///
/// A model is a struct that names the seven policies and the two kinds of driver data; `default_policies` supplies
/// what can be defaulted:
///
///     struct my_policies : svm::default_policies {
///       using mm = my_mm;  using device = my_gpu;  using pagemap = my_vram;
///       using lock = svm::std_lock;  using clock = svm::steady_clock;  using allocator = svm::heap;
///     };
template <class P>
concept policies = requires {
  requires mm<typename P::mm>;
  requires device<typename P::device, typename P::mm::page>;
  requires pagemap<typename P::pagemap, typename P::mm::page, typename P::device>;
  requires lock<typename P::lock>;
  requires time_source<typename P::clock>;
  requires allocator<typename P::allocator>;
  requires observer<typename P::observer>;
  requires std::default_initializable<typename P::range_data>;
  requires std::default_initializable<typename P::notifier_data>;
};

/// What classes ask for that a user names: `policies` without half an optional part. A bundle that is none is an error,
/// which begins with the sentence of `explain`, instead of an answer; a model costs no more than the concept.
template <class P>
concept explained_policies = (policies<P> || explain<P>()) && explain_parts<P>();

struct default_policies {
  using observer = null_observer;
  using range_data = no_data;
  using notifier_data = no_data;
};

/// The policy objects of one GPU on one address space; they outlive every reference that the library hands out.
///
/// Each gpusvm has its own. A migrator serves all address spaces of its GPU: of its `mm` it asks only what concerns
/// pages of the machine, so that any will do, one that has exited too; its `device` is the one that copies.
template <explained_policies P>
struct environment {
  typename P::mm& mm;
  typename P::device& device;
  typename P::pagemap& pagemap;
  typename P::allocator& memory;
  typename P::clock& clock;
  typename P::observer& observer;
};

}  // namespace svm::inline v0
