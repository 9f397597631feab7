// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

/// The usual machine, every member function of it, compiled where this header is included: in one file of a program.

#include <svm/mock/usual.hpp>
#include <svm/svm.hpp>

namespace svm::inline v0 {

template class mock::machine<mock::usual_lock>;
template class mock::address_space<mock::usual_lock>;
template class mock::gpu<mock::usual_lock>;
template class mock::vram<mock::usual_lock>;
template class mock::iommu<mock::usual_lock>;
template class mock::notifiers<mock::usual_lock>;
template class port::notifier_list<mock::usual_lock>;
template class mock::physical_memory<mock::usual_lock>;
template class gpusvm<mock::usual_policies>;
template class notifier<mock::usual_policies>;
template class range<mock::usual_policies>;
template class locked_range<mock::usual_policies>;
template class device_mapping<mock::usual_policies>;
template class migrator<mock::usual_policies>;
template class devmem<mock::usual_policies>;
template class zdd<mock::usual_policies>;
template class detail::transfer<mock::usual_policies>;
template class driver_base<mock::usual_policies>;
template class svm_driver<mock::usual_policies>;
template class garbage_collector<mock::usual_policies>;
template class mapped_buffer<mock::usual_policies>;
template class attribute_map<mock::usual_policies>;
template class detail::attribute_span<mock::usual_policies>;
template class device_account<mock::usual_policies>;
template class migrator_cache<mock::usual_policies>;
template class migrator_shrinker<mock::usual_policies>;
template class detail::migration_to_system<mock::usual_policies>;

}  // namespace svm::inline v0
