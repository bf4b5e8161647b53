// SPDX-License-Identifier: BSD-3-Clause
#include "io/sim_device.hpp"

#include <algorithm>
#include <cerrno>

#include "io/alignment.hpp"

namespace diskhb::io {
namespace {

class sim_channel final : public channel {
  public:
    sim_channel(std::shared_ptr<sim_port> port, unsigned depth)
        : port_(std::move(port)), depth_(depth) {}

    // What is in flight goes on without an answer; writes land all the same.
    ~sim_channel() override { mailbox_->open = false; }

    void submit(const request& wanted) noexcept override {
        ++in_flight_;
        port_->submit(wanted, mailbox_, in_flight_ <= depth_);
    }

    std::size_t reap(std::span<completion> out) noexcept override {
        port_->volume().settle();
        auto& done = mailbox_->done;
        std::size_t taken = 0;
        // In any order, as the interface allows.
        while (taken < out.size() && !done.empty()) {
            std::swap(done[port_->random().below(done.size())], done.back());
            out[taken++] = done.back();
            done.pop_back();
        }
        in_flight_ -= taken;
        return taken;
    }

    void wait(std::chrono::nanoseconds timeout) noexcept override {
        sim_clock& clock = port_->volume().clock();
        const std::uint64_t deadline_ns =
            clock.now_ns() + static_cast<std::uint64_t>(std::max<std::int64_t>(timeout.count(), 0));
        port_->volume().settle();
        while (mailbox_->done.empty() && !woken_ && clock.now_ns() < deadline_ns) {
            clock.advance_to(std::min(deadline_ns, port_->volume().next_event_ns()));
            port_->volume().settle();
        }
        woken_ = false;
    }

    void wake() noexcept override { woken_ = true; }

  private:
    std::shared_ptr<sim_port> port_;
    std::shared_ptr<sim_mailbox> mailbox_ = std::make_shared<sim_mailbox>();
    std::size_t depth_;
    std::size_t in_flight_ = 0;
    bool woken_ = false;
};

class sim_device final : public block_device {
  public:
    explicit sim_device(std::shared_ptr<sim_port> port) : port_(std::move(port)) {}
    std::uint64_t size_bytes() const noexcept override { return port_->volume().bytes().size(); }
    std::uint32_t block_bytes() const noexcept override { return port_->volume().block_bytes(); }
    std::unique_ptr<channel> make_channel(unsigned depth) override {
        return std::make_unique<sim_channel>(port_, depth);
    }

  private:
    std::shared_ptr<sim_port> port_;
};

}  // namespace

void sim_port::set_hanging(bool hangs) {
    // What became due before now still meets the old state.
    volume_->settle();
    state_->hangs = hangs;
    if (!hangs) {
        release_hanging();
    }
}

void sim_port::release_hanging(std::uint64_t within_ns) {
    volume_->settle();
    volume_->release_hanging(*state_, within_ns);
}

void sim_port::tear_in_flight() {
    volume_->settle();
    volume_->tear(*state_);
}

bool sim_port::strikes(sim_fault which) noexcept {
    const bool struck = random_.chance(rate_of(which));
    counts_[static_cast<std::size_t>(which)] += struck ? 1 : 0;
    return struck;
}

void sim_port::decide_read(sim_operation& operation) {
    operation.error = strikes(sim_fault::read_error) ? EIO : 0;
    operation.reads_stale = strikes(sim_fault::stale);
    operation.flips_bit = strikes(sim_fault::bit_flip);
    operation.end_ns =
        operation.start_ns + random_.between(latency_.read_ns_min, latency_.read_ns_max);
}

void sim_port::decide_write(sim_operation& operation) {
    using effect = sim_operation::effect;
    const auto bytes = operation.wanted.buffer;
    operation.data.assign(bytes.begin(), bytes.end());
    operation.end_ns =
        operation.start_ns + random_.between(latency_.write_ns_min, latency_.write_ns_max);
    if (strikes(sim_fault::write_error)) {
        operation.error = EIO;
        operation.what_lands = static_cast<effect>(random_.below(3));
    } else if (strikes(sim_fault::lost)) {
        operation.what_lands = effect::nothing;
    } else if (strikes(sim_fault::torn)) {
        operation.what_lands = effect::torn;
    } else if (strikes(sim_fault::misdirected)) {
        const std::uint64_t block = volume_->block_bytes();
        const std::uint64_t places = (volume_->bytes().size() - bytes.size()) / block + 1;
        operation.offset = random_.below(places) * block;
    }
}

void sim_port::submit(const request& wanted, const std::shared_ptr<sim_mailbox>& answer_to,
                      bool is_within_depth) {
    volume_->settle();
    const std::uint64_t size_bytes = volume_->bytes().size();
    const bool is_aligned = io::is_aligned(wanted, volume_->block_bytes());
    const bool is_inside =
        wanted.offset <= size_bytes && wanted.buffer.size() <= size_bytes - wanted.offset;
    if (!is_aligned || !is_inside || !is_within_depth) {
        ++state_->misuses;
        answer_to->done.push_back({wanted.tag, is_inside ? EINVAL : EIO});
        return;
    }
    sim_operation operation;
    operation.wanted = wanted;
    operation.answer_to = answer_to;
    operation.port = state_;
    operation.start_ns = volume_->clock().now_ns();
    operation.offset = wanted.offset;
    operation.chance = random_.next();
    if (wanted.what == operation::read) {
        decide_read(operation);
    } else {
        decide_write(operation);
    }
    if (strikes(sim_fault::slow)) {
        operation.end_ns += random_.below(latency_.slow_ns);
    }
    operation.hangs = strikes(sim_fault::hang);
    volume_->start(std::move(operation));
}

result<std::unique_ptr<block_device>> sim_source::open() {
    if (port_->open_error() != 0) {
        return boost::system::error_code(port_->open_error(), boost::system::system_category());
    }
    return std::unique_ptr<block_device>(std::make_unique<sim_device>(port_));
}

}  // namespace diskhb::io
