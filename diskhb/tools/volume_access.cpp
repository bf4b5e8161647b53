// SPDX-License-Identifier: BSD-3-Clause
#include "tools/volume_access.hpp"

namespace diskhb::tools {
std::unique_ptr<io::block_device> open_device(const std::string& path,
                                              io::path_source::access mode) {
    auto opened = io::path_source(path, mode).open();
    if (!opened) {
        throw volume_error(path, opened.error());
    }
    return std::move(*opened);
}

io::opened_volume open_for_reading(const std::string& path, const std::string& cluster_name) {
    auto source = io::path_source(path, io::path_source::access::read_only);
    auto opened = io::open_volume(source, cluster_name, io_patience);
    if (!opened) {
        throw volume_error(path, opened.error());
    }
    return std::move(*opened);
}

volume_reader::volume_reader(std::string path, io::block_device& device, std::size_t bytes_max)
    : path_(std::move(path)),
      channel_(device.make_channel(1)),
      buffer_(std::make_unique<io::aligned_buffer>(bytes_max)) {}

volume_reader::~volume_reader() = default;

std::span<const std::byte> volume_reader::read(std::uint64_t offset, std::size_t bytes) {
    const auto into = buffer_->span().first(bytes);
    const auto error = io::transfer(*channel_, {io::operation::read, offset, into, 0}, io_patience);
    if (error == errc::timed_out) {
        // Left to the kernel, which may still fill the buffer.
        [[maybe_unused]] auto* const channel = channel_.release();
        [[maybe_unused]] auto* const buffer = buffer_.release();
    }
    if (error) {
        throw volume_error(path_, error);
    }
    return into;
}

}  // namespace diskhb::tools
