// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/corosync/dispatcher.hpp"

#include <utility>

namespace diskhb::corosync {

error_code dispatcher::watch(int descriptor, dispatch_function dispatch, loss_handler on_lost) {
    release();
    error_code error;
    descriptor_.assign(descriptor, error);
    if (error) {
        return error;
    }
    dispatch_ = std::move(dispatch);
    on_lost_ = std::move(on_lost);
    life_ = std::make_shared<int>(descriptor);
    wait();
    return {};
}

void dispatcher::release() {
    life_.reset();
    if (descriptor_.is_open()) {
        descriptor_.release();
    }
}

void dispatcher::wait() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [this, life = std::weak_ptr<int>(life_)](const error_code& error) {
                               if (!life.expired() && !error) {
                                   handle_ready();
                               }
                           });
}

void dispatcher::handle_ready() {
    // What is called may release us, or end our owner and us.
    const std::weak_ptr<int> life = life_;
    const dispatch_function dispatch = dispatch_;
    const error_code error = dispatch();
    if (life.expired()) {
        return;
    }
    if (!error || error == to_error(CS_ERR_TRY_AGAIN)) {
        wait();
        return;
    }
    const loss_handler on_lost = std::move(on_lost_);
    release();
    on_lost(error);
}

}  // namespace diskhb::corosync
