// SPDX-License-Identifier: BSD-3-Clause
// Writes down when this node's Corosync is quorate, and in which membership, and whether its quorum
// device votes: one line of JSON a change, with the time of the machine's CLOCK_MONOTONIC, which
// all nodes of a lab share. Runs until it is ended; a Corosync that goes and comes is an event.
// See quorum_initialize(3), votequorum_initialize(3).
//
// Two threads, each with its own connection: Corosync tells of its quorum by itself, but must be
// asked about the device, and a call into a Corosync that stands still waits.
#include <corosync/quorum.h>
#include <corosync/votequorum.h>
#include <poll.h>
#include <sys/resource.h>

#include <chrono>
#include <ctime>
#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <vector>

namespace lab {
namespace {

using json = nlohmann::json;
using namespace std::chrono_literals;

constexpr auto retry_interval = 20ms;   // of a Corosync that does not answer
constexpr int device_interval_ms = 20;  // between two looks at the device

std::int64_t now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void print(const char* event, std::int64_t at_ns, json line) {
    static std::mutex mutex;
    line["event"] = event;
    line["t_ns"] = at_ns;
    const std::lock_guard lock(mutex);
    std::cout << line.dump() << std::endl;
}

void on_quorum(quorum_handle_t, std::uint32_t quorate, quorum_ring_id ring, std::uint32_t count,
               const std::uint32_t* members) {
    const std::int64_t at_ns = now_ns();
    print("quorum", at_ns,
          {{"quorate", quorate != 0},
           {"ring", std::to_string(ring.nodeid) + "." + std::to_string(ring.seq)},
           {"members", std::vector(members, members + count)}});
}

// Until Corosync goes.
void follow_quorum() {
    quorum_model_v1_data_t model{};
    model.model = QUORUM_MODEL_V1;
    model.quorum_notify_fn = on_quorum;
    quorum_handle_t handle = 0;
    std::uint32_t type = 0;
    int fd = -1;
    if (quorum_model_initialize(&handle, QUORUM_MODEL_V1,
                                reinterpret_cast<quorum_model_data_t*>(&model), &type,
                                nullptr) != CS_OK) {
        return;
    }
    if (quorum_fd_get(handle, &fd) == CS_OK &&
        quorum_trackstart(handle, CS_TRACK_CURRENT | CS_TRACK_CHANGES) == CS_OK) {
        print("connected", now_ns(), json::object());
        pollfd wait{fd, POLLIN, 0};
        while (poll(&wait, 1, -1) >= 0 && (wait.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 &&
               quorum_dispatch(handle, CS_DISPATCH_ALL) == CS_OK) {
        }
        print("gone", now_ns(), json::object());
    }
    quorum_finalize(handle);
}

// Corosync has a new membership. Until it tells of its quorum in it (on_quorum) it is in its sync
// phase: what it told before still stands, but it delivers no messages, and waits for the device.
void on_members(votequorum_handle_t, std::uint64_t, votequorum_ring_id_t ring, std::uint32_t count,
                std::uint32_t* members) {
    const std::int64_t at_ns = now_ns();
    print("members", at_ns,
          {{"ring", std::to_string(ring.nodeid) + "." + std::to_string(ring.seq)},
           {"members", std::vector(members, members + count)}});
}

// False: Corosync has gone.
bool look_at_device(votequorum_handle_t handle, std::uint32_t& known) {
    votequorum_info info{};
    // Node 0 is the one that is asked.
    if (votequorum_getinfo(handle, 0, &info) != CS_OK) {
        return false;
    }
    const std::int64_t at_ns = now_ns();
    if (info.flags != known) {
        known = info.flags;
        print("device", at_ns,
              {{"registered", (known & VOTEQUORUM_INFO_QDEVICE_REGISTERED) != 0},
               {"alive", (known & VOTEQUORUM_INFO_QDEVICE_ALIVE) != 0},
               {"votes", (known & VOTEQUORUM_INFO_QDEVICE_CAST_VOTE) != 0}});
    }
    return true;
}

void follow_device() {
    votequorum_handle_t handle = 0;
    votequorum_callbacks_t callbacks{};
    callbacks.votequorum_nodelist_notify_fn = on_members;
    int fd = -1;
    if (votequorum_initialize(&handle, &callbacks) != CS_OK) {
        return;
    }
    std::uint32_t known = ~0U;
    if (votequorum_fd_get(handle, &fd) == CS_OK &&
        votequorum_trackstart(handle, 0, CS_TRACK_CHANGES) == CS_OK) {
        pollfd wait{fd, POLLIN, 0};
        while (poll(&wait, 1, device_interval_ms) >= 0 &&
               (wait.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0 &&
               votequorum_dispatch(handle, CS_DISPATCH_ALL) == CS_OK &&
               look_at_device(handle, known)) {
        }
    }
    votequorum_finalize(handle);
}

template <class Follow>
[[noreturn]] void again_and_again(Follow follow) {
    while (true) {
        follow();
        std::this_thread::sleep_for(retry_interval);
    }
}

}  // namespace
}  // namespace lab

int main() {
    // What is measured is when things happen, on a machine that may be busy.
    (void)setpriority(PRIO_PROCESS, 0, -20);
    const std::jthread device([] { lab::again_and_again(lab::follow_device); });
    lab::again_and_again(lab::follow_quorum);
}
