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
template class svm::locked_range<policies>;
template class svm::device_mapping<policies>;
template class svm::migrator<policies>;
template class svm::devmem<policies>;
template class svm::device_allocation<policies>;
template class svm::zdd<policies>;
template class svm::detail::transfer<policies>;
template class svm::detail::migration_to_system<policies>;
template class svm::driver_base<policies>;
template class svm::svm_driver<policies>;
template class svm::garbage_collector<policies>;
template class svm::mapped_buffer<policies>;
template class svm::attribute_map<policies>;
template class svm::detail::attribute_span<policies>;
template class svm::device_account<policies>;
template class svm::migrator_cache<policies>;
template class svm::migrator_shrinker<policies>;
template class svm::detail::retry_budget<policies::clock>;
template class svm::mm_user<policies::mm>;
template struct svm::environment<policies>;
template class svm::counted_ref<svm::range<policies>>;
template class svm::counted_ref<svm::notifier<policies>>;
template class svm::counted_ref<svm::devmem<policies>>;
template class svm::reference_count<archetypes::lock::atomic<std::uint32_t>>;
template class svm::detail::scratch_array<int, archetypes::allocator>;

static_assert(!svm::queue_policies<policies>);

// Once more with all that devices and pagemaps may have beside, where the library has other ways for it.
using full_policies = archetypes::full_policies;

template class svm::gpusvm<full_policies>;
template class svm::notifier<full_policies>;
template class svm::range<full_policies>;
template class svm::locked_range<full_policies>;
template class svm::device_mapping<full_policies>;
template class svm::migrator<full_policies>;
template class svm::devmem<full_policies>;
template class svm::device_allocation<full_policies>;
template class svm::zdd<full_policies>;
template class svm::detail::transfer<full_policies>;
template class svm::detail::migration_to_system<full_policies>;
template class svm::driver_base<full_policies>;
template class svm::svm_driver<full_policies>;
template class svm::queue_driver<full_policies>;
template class svm::detail::kept_spans<full_policies>;
template class svm::garbage_collector<full_policies>;
template class svm::mapped_buffer<full_policies>;
template class svm::attribute_map<full_policies>;
template class svm::detail::attribute_span<full_policies>;
template class svm::device_account<full_policies>;
template class svm::migrator_cache<full_policies>;
template class svm::migrator_shrinker<full_policies>;

// The function templates among the members are instantiated by a call.
void call_templates(svm::gpusvm<policies>& svm, svm::notifier<policies>& notifier, svm::va_range span,
                    svm::invalidation const& event, svm::garbage_collector<policies>& collector)
    SVM_REQUIRES(notifier.lock()) {
  svm.for_each_notifier(span, [](svm::notifier<policies>&) {});
  svm.for_each_range(span, [](svm::range<policies> const&) {});
  notifier.for_each_range_locked(span, [](svm::range<policies>&) {});
  static_cast<void>(svm::invalidate_ranges(notifier, event, collector, svm::invalidation_passes::two));
  svm::finish_invalidating(notifier, event, collector);
}
