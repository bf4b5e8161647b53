// SPDX-License-Identifier: BSD-3-Clause
// What the daemons tell the journal under an id of its own (systemd.journal-fields(7),
// MESSAGE_ID=), so that a program can wait for it whatever the words are. An id never changes its
// meaning. The table for people is diskhb/doc/messages.md; the agents' ids are in resource-agents.
#pragma once

namespace diskhb::daemon::message_id {

inline constexpr const char* none = "";

// A ring.
inline constexpr const char* ring_waiting = "d4ba2c1a146646b9ad7fc9efe699ce4e";
inline constexpr const char* ring_running = "dac68d789f814a55a1c1533860c308f2";
inline constexpr const char* volume_lost = "3072f92fa420413693f31637184f5635";
inline constexpr const char* volume_refused = "477f0ad4fc98410e927973ac029f9ec6";
inline constexpr const char* volume_silent = "4b86cb061ec34c518b39d32f5e2b7453";
inline constexpr const char* volume_answers = "408f6987823e42cd998280ae51daf14e";
inline constexpr const char* frames_lost = "2ec579a438e44fc68b7591d426670378";
inline constexpr const char* interface_down = "7a42a074e06a430aabc71509af27079b";
inline constexpr const char* interface_up = "6c1bcb7bb4e945f091c8298110f098ae";
inline constexpr const char* receive_volume = "f4edc78ffcd24825977e44832cf333e7";

// Another node, heard over the volume.
inline constexpr const char* peer_alive = "e3a93dd1d4144530a40d0e0f23020e2b";
inline constexpr const char* peer_silent = "d7dff789d629457a95045fe677b87be5";
inline constexpr const char* peer_stopped = "47453e9e6cd34c3193e5fc372ab2a347";
inline constexpr const char* peer_late = "b763a76a43cd484f8d3fc110299d1eda";
inline constexpr const char* peer_in_time = "2b0c1caf896e4de9bd7313e2acf192f1";
inline constexpr const char* peer_reads = "b2fb8a0fb9d24f7ab997c842637778e4";
inline constexpr const char* peer_does_not_read = "9c7806554d80458e8d4df17057309cf9";

// Routes.
inline constexpr const char* route_by_ring = "2e7fa4721e9e42acbfc71e58560890c3";
inline constexpr const char* route_by_gateway = "6a6f3654d0cb482986660cb6be7fed32";
inline constexpr const char* route_lost = "414822de923f4b2db15e176e31bdf2b6";
inline constexpr const char* route_carrying = "cd762dfbea314bd1bef6e09ca444a48e";
inline constexpr const char* route_not_carrying = "1a5fcc3acb74433d8faca25d131ec8cd";

}  // namespace diskhb::daemon::message_id
