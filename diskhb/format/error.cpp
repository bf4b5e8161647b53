// SPDX-License-Identifier: BSD-3-Clause
#include "diskhb/error.hpp"

namespace diskhb {

namespace {

struct description {
    const char* name;
    const char* sentence;
};

// A switch without a default, so that the compiler asks for a new value's line.
description describe(errc code) noexcept {
    switch (code) {
        case errc::empty_block:
            return {"empty_block", "The block was never written."};
        case errc::bad_magic:
            return {"bad_magic", "This is not a diskhb block, or not of the expected kind."};
        case errc::other_version:
            return {"other_version", "The format version is not known to this program."};
        case errc::truncated:
            return {"truncated", "There are fewer bytes than the block says it has."};
        case errc::torn:
            return {"torn", "The checksum does not match: half-written or damaged."};
        case errc::foreign:
            return {"foreign", "The block belongs to another cluster or format run."};
        case errc::misplaced:
            return {"misplaced", "The block was written for another slot or offset."};
        case errc::malformed:
            return {"malformed", "The block is intact, but a field is out of its range."};
        case errc::stale:
            return {"stale", "The block is of an earlier life, or older than one seen before."};
        case errc::lapped:
            return {"lapped", "A later lap of the ring has overwritten it."};
        case errc::full:
            return {"full", "The queue has no room; the frame was dropped."};
        case errc::too_long:
            return {"too_long", "The data is longer than the limit or the buffer."};
        case errc::window_shut:
            return {"window_shut", "The peer has not read enough yet; try again later."};
        case errc::no_such_node:
            return {"no_such_node", "The volume has no slot for that node, or it is this node."};
        case errc::not_reachable:
            return {"not_reachable", "The peer is not alive on this ring."};
        case errc::timed_out:
            return {"timed_out", "Nothing came in the time given."};
        case errc::closed:
            return {"closed", "The node has left the ring."};
        case errc::not_joined:
            return {"not_joined", "The volume is not there, or the node has not joined yet."};
        case errc::slot_in_use:
            return {"slot_in_use", "Another daemon is alive in this node's slot."};
        case errc::slot_stolen:
            return {"slot_stolen", "Another daemon began to write into this node's slot."};
        case errc::volume_changed:
            return {"volume_changed", "The volume that came back is not the one that went."};
        case errc::wrong_cluster:
            return {"wrong_cluster", "The volume belongs to a cluster of another name."};
        case errc::io_failed:
            return {"io_failed", "The device reported an error."};
        case errc::same_volume:
            return {"same_volume",
                    "This is our own send volume or a copy of it; a receive volume is a copy of "
                    "the peers' one."};
        case errc::other_measures:
            return {"other_measures",
                    "The slots, rings or blocks are not of the same number and size as those of "
                    "the send volume."};
    }
    return {"unknown", "Unknown error."};
}

class category final : public boost::system::error_category {
  public:
    const char* name() const noexcept override { return "diskhb"; }
    std::string message(int value) const override {
        return describe(static_cast<errc>(value)).sentence;
    }
    const char* message(int value, char*, std::size_t) const noexcept override {
        return describe(static_cast<errc>(value)).sentence;
    }
};

}  // namespace

const boost::system::error_category& error_category() noexcept {
    static const category instance;
    return instance;
}

const char* error_name(errc code) noexcept { return describe(code).name; }

}  // namespace diskhb
