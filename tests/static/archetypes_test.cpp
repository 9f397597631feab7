// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Every class template of the library, with all its members, for policies that have nothing beyond their concepts.
//
// For compiling, not for linking: the archetypes are not defined. Builds with -fno-exceptions -fno-rtti too.

#include <static/archetypes.hpp>

#include <svm/svm.hpp>

using policies = archetypes::policies;

template class svm::gpusvm<policies>;
template struct svm::lookup<policies>;
template class svm::notifier<policies>;
template class svm::invalidation_client<policies>;
template class svm::range<policies>;
template class svm::range_hold<policies>;
template class svm::pages<policies>;
template class svm::migrator<policies>;
template class svm::devmem<policies>;
template class svm::device_allocation<policies>;
template class svm::zdd<policies>;
template class svm::transfer<policies>;
template struct svm::to_system<policies>;
template class svm::svm_driver<policies>;
template class svm::garbage_collector<policies>;
template class svm::retry_budget<policies::clock>;
template class svm::mm_user<policies::mm>;
template struct svm::environment<policies>;
template class svm::counted_ref<svm::range<policies>>;
template class svm::counted_ref<svm::notifier<policies>>;
template class svm::counted_ref<svm::devmem<policies>>;
template class svm::reference_count<archetypes::lock::atomic<std::uint32_t>>;
template class svm::scratch_array<int, archetypes::allocator>;

// The function templates among the members are instantiated by a call.
void call_templates(svm::gpusvm<policies>& svm, svm::notifier<policies>& notifier, svm::va_range span,
                    svm::invalidation const& event, svm::garbage_collector<policies>& collector) {
  svm.for_each_notifier(span, [](svm::notifier<policies>&) {});
  svm.for_each_range(span, [](svm::range<policies> const&) {});
  notifier.for_each_range_locked(span, [](svm::range<policies>&) {});
  svm::invalidate_ranges(notifier, event, collector);
}
