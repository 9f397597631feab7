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

/// The bundle of types that ranges and notifiers need, which is all for a GPU without memory of its own.
///
/// A model is a struct that names the six policies and the two kinds of driver data; `default_policies` supplies what
/// can be defaulted:
///
///     struct my_policies : svm::default_policies {
///       using mm = my_mm;  using device = my_gpu;
///       using lock = svm::std_lock;  using clock = svm::steady_clock;  using allocator = svm::heap;
///     };
template <class P>
concept svm_policies = requires {
  requires address_space<typename P::mm>;
  requires interval_notifier<typename P::mm>;
  requires device<typename P::device, typename P::mm::page>;
  requires lock<typename P::lock>;
  requires time_source<typename P::clock>;
  requires allocator<typename P::allocator>;
  requires observer<typename P::observer>;
  requires std::default_initializable<typename P::range_data>;
  requires std::default_initializable<typename P::notifier_data>;
};

/// The same for a GPU that has memory: its pagemap, and an mm whose pages move.
///
///     struct my_policies : ... {
///       using pagemap = my_vram;
///     };
template <class P>
concept migrating_policies = svm_policies<P> && requires {
  requires page_migration<typename P::mm>;
  requires pagemap<typename P::pagemap, typename P::mm::page, typename P::device>;
};

namespace detail {

/// A bundle that has what it claims to have.
template <class P>
concept complete_policies = svm_policies<P> &&(!claims_device_memory<P> || migrating_policies<P>);

}  // namespace detail

/// What classes ask for that a user names: a bundle without half an optional part, where a pagemap asks for
/// `migrating_policies`. A bundle that is none is an error, which begins with the sentence of `explain`, instead of an
/// answer; a model costs no more than the concept.
template <class P>
concept explained_policies = (detail::complete_policies<P> || explain<P>()) && detail::explain_parts<P>();

/// As `explained_policies`, with a pagemap.
template <class P>
concept explained_migrating_policies =
    ((migrating_policies<P> && detail::complete_policies<P>) || explain_migrating<P>()) && detail::explain_parts<P>();

/// What a bundle of policies may leave to the library: derive from it.
struct default_policies {
  using observer = null_observer;
  using range_data = no_data;
  using notifier_data = no_data;
};

/// The policy objects of one GPU on one address space; they outlive every reference that the library hands out.
template <explained_policies P>
struct svm_environment {
  typename P::mm& mm;
  typename P::device& device;
  typename P::allocator& memory;
  typename P::clock& clock;
  typename P::observer& observer;
  page_owner own = nobody;  ///< whose device memory is the device's own; its group says which pages it reaches
};

/// The same with the GPU's memory.
///
/// Each gpusvm has its own. A migrator serves all address spaces of its GPU: of its `mm` it asks only what concerns
/// pages of the machine, so that any will do, one that has exited too; its `device` is the one that copies.
template <explained_migrating_policies P>
struct environment : svm_environment<P> {
  environment(typename P::mm& space, typename P::device& gpu, typename P::pagemap& vram, typename P::allocator& heap,
              typename P::clock& time, typename P::observer& listener)
      : svm_environment<P>{space, gpu, heap, time, listener, vram.owner()}, pagemap(vram) {}

  typename P::pagemap& pagemap;
};

}  // namespace svm::inline v0
