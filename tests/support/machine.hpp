// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/mock/full.hpp>
#include <svm/svm.hpp>

namespace support {

/// The simulated machine with one thread and every driver; instantiate.cpp has its one instance.
using lock_policy = svm::mock::usual_lock;
using machine = svm::mock::full_machine<lock_policy>;
using policies = machine::policies_type;

/// The same, but the CPU reaches device memory in place; operation_runner.cpp has its one instance.
using coherent_machine = svm::mock::full_machine<lock_policy, 4096, true>;

}  // namespace support

namespace svm::inline v0 {

extern template class mock::machine<support::lock_policy, 4096, false, mock::drivers::all>;
extern template class mock::machine<support::lock_policy, 4096, true, mock::drivers::all>;
extern template class mock::address_space<support::lock_policy>;
extern template class mock::gpu<support::lock_policy>;
extern template class mock::vram<support::lock_policy>;
extern template class mock::iommu<support::lock_policy>;
extern template class mock::notifiers<support::lock_policy>;
extern template class port::notifier_list<support::lock_policy>;
extern template class mock::physical_memory<support::lock_policy>;
extern template class gpusvm<support::policies>;
extern template class notifier<support::policies>;
extern template class range<support::policies>;
extern template class locked_range<support::policies>;
extern template class device_mapping<support::policies>;
extern template class migrator<support::policies>;
extern template class devmem<support::policies>;
extern template class zdd<support::policies>;
extern template class detail::transfer<support::policies>;
extern template class driver_base<support::policies>;
extern template class svm_driver<support::policies>;
extern template class queue_driver<support::policies>;
extern template class detail::kept_spans<support::policies>;
extern template class partial_mapping<support::policies>;
extern template class page_mapper<support::policies>;
extern template class block_service<support::policies>;
extern template class garbage_collector<support::policies>;
extern template class mapped_buffer<support::policies>;
extern template class attribute_map<support::policies>;
extern template class detail::attribute_span<support::policies>;
extern template class device_account<support::policies>;
extern template class migrator_cache<support::policies>;
extern template class migrator_shrinker<support::policies>;
extern template class detail::migration_to_system<support::policies>;

}  // namespace svm::inline v0
