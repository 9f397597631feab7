// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The one place where the library is instantiated with the simulated machine, every member function included: tests,
// svmsh and examples link it instead of compiling it again, and the thread-safety analysis sees it whole.

#include "support/machine.hpp"

namespace svm::inline v0 {

template class mock::machine<support::lock_policy, 4096, false, mock::drivers::all>;
template class mock::address_space<support::lock_policy>;
template class mock::gpu<support::lock_policy>;
template class mock::vram<support::lock_policy>;
template class mock::iommu<support::lock_policy>;
template class mock::notifiers<support::lock_policy>;
template class port::notifier_list<support::lock_policy>;
template class mock::physical_memory<support::lock_policy>;
template class gpusvm<support::policies>;
template class notifier<support::policies>;
template class range<support::policies>;
template class locked_range<support::policies>;
template class device_mapping<support::policies>;
template class migrator<support::policies>;
template class devmem<support::policies>;
template class zdd<support::policies>;
template class detail::transfer<support::policies>;
template class driver_base<support::policies>;
template class svm_driver<support::policies>;
template class queue_driver<support::policies>;
template class detail::kept_spans<support::policies>;
template class partial_mapping<support::policies>;
template class page_mapper<support::policies>;
template class block_service<support::policies>;
template class garbage_collector<support::policies>;
template class mapped_buffer<support::policies>;
template class attribute_map<support::policies>;
template class detail::attribute_span<support::policies>;
template class device_account<support::policies>;
template class migrator_cache<support::policies>;
template class migrator_shrinker<support::policies>;
template class detail::migration_to_system<support::policies>;

}  // namespace svm::inline v0
