// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/config.hpp"

#include <fmt/format.h>
#include <net/if.h>

#include <algorithm>

#include "plugin/daemon/toml_section.hpp"

namespace diskhb::daemon {

namespace {

using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds peer_timeout_max = std::chrono::seconds(60);
constexpr nanoseconds beat_min = std::chrono::milliseconds(5);

nanoseconds from_ms(double value_ms) {
    return nanoseconds(static_cast<std::int64_t>(value_ms * 1e6));
}
double to_ms(nanoseconds value) { return static_cast<double>(value.count()) / 1e6; }

// Sets `target` if the key is given; limits in milliseconds.
void take_ms(toml_section& section, std::string_view key, double minimum_ms, double maximum_ms,
             nanoseconds& target) {
    if (const auto value = section.number(key, minimum_ms, maximum_ms); value) {
        target = from_ms(*value);
    }
}

void take_bytes(toml_section& section, std::string_view key, std::int64_t minimum,
                std::int64_t maximum, std::size_t& target) {
    target = static_cast<std::size_t>(
        section.integer(key, static_cast<std::int64_t>(target), minimum, maximum));
}

std::string read_interface(toml_section& section) {
    const auto name = section.text("interface").value_or(interface_default);
    const bool printable = std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return c > ' ' && c < 0x7f && c != '/' && c != ':' && c != '%';
    });
    if (name.size() >= IFNAMSIZ || !printable || name == "." || name == "..") {
        section.fail("interface",
                     fmt::format("is no name for a network interface: 1 .. {} characters, no "
                                 "blank, '/', ':' or '%'",
                                 IFNAMSIZ - 1));
    }
    return name;
}

// "dhb0r" beside "dhb0"; of a name that has no room for it the last letter gives way.
std::string route_interface_of(const std::string& ring) {
    return ring.substr(0, IFNAMSIZ - 2) + "r";
}

io_backend read_io(toml_section& section) {
    const auto word = section.text("io").value_or("auto");
    if (word == "auto") {
        return io_backend::automatic;
    }
    if (word == "uring") {
        return io_backend::uring;
    }
    if (word == "posix") {
        return io_backend::posix;
    }
    section.fail("io", "must be \"auto\", \"uring\" or \"posix\"");
}

nanoseconds default_ttl(const corosync::knet_link& link) {
    const milliseconds fraction(link.ping_timeout_ms / ttl_fraction_of_ping_timeout);
    return std::clamp(fraction, ttl_default_min, ttl_default_max);
}

void read_tuning(toml_section& section, node_options& engine) {
    engine.backend = read_io(section);
    take_ms(section, "ttl_ms", 1, 10000, engine.ttl);
    // A reader's doubt about the age of the first frames is a beat long: it must not outlast them.
    engine.beat_interval = std::clamp<nanoseconds>(engine.ttl / 2, beat_min, engine.beat_interval);
    take_ms(section, "beat_interval_ms", to_ms(beat_min), 10000, engine.beat_interval);
    const bool beat_given = section.has("beat_interval_ms");
    const auto three_beats = 3 * engine.beat_interval;
    if (beat_given && !section.has("peer_timeout_ms")) {
        engine.peer_timeout = std::clamp<nanoseconds>(10 * engine.beat_interval,
                                                      engine.peer_timeout, peer_timeout_max);
    }
    take_ms(section, "peer_timeout_ms", to_ms(three_beats), to_ms(peer_timeout_max),
            engine.peer_timeout);
    // Polled so rarely that a beat could be missed, a live peer would look silent.
    const auto slowest_poll =
        std::min<nanoseconds>(std::chrono::seconds(1), engine.peer_timeout / 8);
    take_ms(section, "poll_idle_ms", 0.1, to_ms(slowest_poll), engine.poll_idle);
    engine.poll_idle = std::min(engine.poll_idle, slowest_poll);
    if (const auto value = section.number("poll_hot_us", 0, 1e6); value) {
        engine.poll_hot = from_ms(*value / 1000);
    }
    if (engine.poll_hot > engine.poll_idle) {
        section.fail(section.has("poll_hot_us") ? "poll_hot_us" : "poll_idle_ms",
                     fmt::format("polling hot ({} ms) must not be slower than idle ({} ms)",
                                 to_ms(engine.poll_hot), to_ms(engine.poll_idle)));
    }
    take_ms(section, "hot_time_ms", 0, 1000, engine.hot_time);
    take_ms(section, "read_deadline_ms", 1, 60000, engine.read_deadline);
    engine.flush_when_idle = section.boolean("flush_when_idle", engine.flush_when_idle);
    if (const auto value = section.number("flush_deadline_us", 1, to_ms(engine.ttl) * 1000);
        value) {
        engine.flush_deadline = from_ms(*value / 1000);
    }
    engine.flush_deadline = std::min(engine.flush_deadline, engine.ttl);
    take_bytes(section, "fill_bytes", 4096, static_cast<std::int64_t>(engine.batch_bytes),
               engine.fill_bytes);
    take_bytes(section, "queue_bytes", 1 << 20, 1 << 30, engine.queue_bytes);
}

const char* backend_name(io_backend backend) {
    switch (backend) {
        case io_backend::uring:
            return "io_uring";
        case io_backend::posix:
            return "pread and pwrite";
        case io_backend::automatic:
            break;
    }
    return "whatever suits it";
}

// The address of one node on the ring's link.
ip_address ring_address(const toml_section& section, const corosync::corosync_conf& conf,
                        const corosync::conf_node& node, unsigned link,
                        const host_questions& host) {
    const auto& text = node.ring_address[link];
    const auto here = fmt::format("node {} of {}:{}", node.node_id, conf.path, node.line);
    if (text.empty()) {
        section.fail("link", fmt::format("{} has no ring{}_addr", here, link));
    }
    const auto address = host.resolve(text, conf.totem.ip_version);
    if (!address) {
        section.fail("link", fmt::format("ring{}_addr {} of {} is no address and no name that "
                                         "this host knows",
                                         link, text, here));
    }
    if (address->is_multicast() || address->is_loopback() || address->is_unspecified() ||
        address->is_link_local()) {
        section.fail("link", fmt::format("ring{}_addr {} of {} is a multicast, loopback, "
                                         "link-local or zero address; give each node one of its "
                                         "own, from a network used for nothing else",
                                         link, text, here));
    }
    return *address;
}

void read_addresses(const toml_section& section, const corosync::corosync_conf& conf,
                    const corosync::conf_node& local, const host_questions& host,
                    ring_config& ring) {
    ring.address = ring_address(section, conf, local, ring.link, host);
    for (const auto& node : conf.nodes) {
        if (node.node_id == local.node_id) {
            continue;
        }
        const auto address = ring_address(section, conf, node, ring.link, host);
        if (address.family != ring.address.family) {
            section.fail("link", fmt::format("nodes {} and {} of {} mix IPv4 and IPv6 on link {}",
                                             local.node_id, node.node_id, conf.path, ring.link));
        }
        const bool twice = address == ring.address ||
                           std::any_of(ring.peers.begin(), ring.peers.end(),
                                       [&](const auto& peer) { return peer.address == address; });
        if (twice) {
            section.fail("link", fmt::format("address {} of node {} of {}:{} is given twice on "
                                             "link {}",
                                             corosync::to_string(address), node.node_id, conf.path,
                                             node.line, ring.link));
        }
        ring.peers.push_back({node.node_id, node.name, address});
        ring.engine.peers.push_back(node.node_id);
    }
    if (ring.peers.empty()) {
        section.fail("link", fmt::format("{} lists no node besides {}", conf.path, local.node_id));
    }
}

void check_against_corosync(const toml_section& section, const corosync::corosync_conf& conf,
                            const ring_config& ring) {
    const auto& link = conf.links[ring.link];
    if (!link.configured) {
        section.fail("link", fmt::format("{} has no link {}: give each node a ring{}_addr",
                                         conf.path, ring.link, ring.link));
    }
    if (link.transport != "udp") {
        section.fail("link", fmt::format("link {} of {} has knet_transport {}; a ring carries udp "
                                         "only",
                                         ring.link, conf.path, link.transport));
    }
    // knet would send what the TUN refuses: lost without a word.
    if (conf.totem.knet_mtu_bytes > ring.mtu_bytes) {
        section.fail(section.has("mtu") ? "mtu" : "",
                     fmt::format("the ring's mtu {} is smaller than totem.knet_mtu {} of {}",
                                 ring.mtu_bytes, conf.totem.knet_mtu_bytes, conf.path));
    }
}

ring_config read_ring(toml_section& section, const corosync::corosync_conf& conf,
                      const corosync::conf_node& local, const host_questions& host) {
    ring_config ring;
    ring.interface = read_interface(section);
    ring.route_interface = route_interface_of(ring.interface);
    const auto link = section.integer("link", 0, std::int64_t{corosync::link_count_max} - 1);
    if (!link) {
        section.fail("", "'link' is missing: the number of the Corosync link that this ring is");
    }
    ring.link = static_cast<unsigned>(*link);
    std::vector<std::uint32_t> peers;
    for (const auto& node : conf.nodes) {
        if (node.node_id != local.node_id) {
            peers.push_back(node.node_id);
        }
    }
    ring.roles = read_volume_roles(section, local.node_id, peers);
    ring.volume = ring.roles.send_volume;
    ring.engine.receive_from = ring.roles.receive_from;
    ring.mtu_bytes = static_cast<std::uint32_t>(
        section.integer("mtu", mtu_bytes_default, mtu_bytes_min, mtu_bytes_max));
    ring.queue_packets = static_cast<std::uint32_t>(
        section.integer("queue_length", queue_packets_default, 100, 100000));
    check_against_corosync(section, conf, ring);
    ring.knet = {conf.links[ring.link].port, conf.totem.encrypted()};
    ring.engine.node_id = local.node_id;
    ring.engine.cluster_name = conf.totem.cluster_name;
    ring.engine.ttl = default_ttl(conf.links[ring.link]);
    ring.engine.receive_bytes = 0;         // packets go straight to the TUN
    ring.engine.message_window_bytes = 0;  // and IP needs no message service
    read_tuning(section, ring.engine);
    section.refuse_unknown_keys();
    read_addresses(section, conf, local, host, ring);
    return ring;
}

void refuse_twins(const toml_section& section, const std::vector<ring_config>& rings,
                  const ring_config& added) {
    for (const auto& ring : rings) {
        if (ring.interface == added.interface) {
            section.fail(section.has("interface") ? "interface" : "",
                         fmt::format("two rings have interface {}", added.interface));
        }
        if (ring.link == added.link) {
            section.fail("link", "two rings are the same link");
        }
        const auto theirs = volume_paths(ring.roles);
        for (const auto& path : volume_paths(added.roles)) {
            if (std::find(theirs.begin(), theirs.end(), path) != theirs.end()) {
                section.fail(added.roles.is_shared ? "volume" : "send_volume",
                             fmt::format("two rings use the same volume {}; a ring each, so that "
                                         "one failure does not take both",
                                         path));
            }
        }
    }
}

// Where other nodes can be asked over the network; a name that cannot be resolved is left out.
std::vector<network_address> read_network(const corosync::corosync_conf& conf,
                                          const host_questions& host) {
    std::vector<network_address> all;
    for (const auto& node : conf.nodes) {
        const auto& text = node.ring_address[0];
        const auto address =
            text.empty() ? std::nullopt : host.resolve(text, conf.totem.ip_version);
        if (address) {
            all.push_back({node.node_id, *address});
        }
    }
    return all;
}

void read_routes(const toml::table& root, const std::string& path,
                 const corosync::corosync_conf& conf, const host_questions& host,
                 daemon_config& config) {
    std::vector<std::string> names;
    for (const auto& ring : config.rings) {
        names.push_back(ring.interface);
    }
    config.routes = read_routes(root, path, conf, host, names);
    config.cluster_addresses = cluster_addresses(conf, host);
    for (auto& ring : config.rings) {
        const bool has_route =
            std::any_of(config.routes.begin(), config.routes.end(), [&](const auto& route) {
                return route.ring == ring.interface &&
                       (route.user(config.node_id) != nullptr || route.is_carrier(config.node_id));
            });
        if (has_route) {
            ring.engine.routed_queue_bytes = routed_queue_bytes_default;
        }
    }
}

// A ring is one of several links, which only knet has.
void refuse_other_transports(const corosync::corosync_conf& conf) {
    if (conf.totem.transport != "knet") {
        throw setup_error(exit_config, fmt::format("{}: totem.transport is {}; only knet has more "
                                                   "than one link",
                                                   conf.path, conf.totem.transport));
    }
}

daemon_config build(const toml::table& root, const std::string& path, const host_questions& host) {
    const toml_section top(root, "diskhb.toml", path);
    toml_section control_part(sub_table(root, path, "control"), "[control]", path);
    toml_section process_part(sub_table(root, path, "process"), "[process]", path);
    daemon_config config;
    config.control_socket = read_socket(control_part, socket_path_default);
    config.copy_socket = control_part.text("copy_socket").value_or(copy_socket_path_default);
    config.request_port = static_cast<std::uint16_t>(
        control_part.integer("request_port", request_port_default, 0, 65535));
    config.realtime = process_part.boolean("realtime", false);
    control_part.refuse_unknown_keys();
    process_part.refuse_unknown_keys();

    const auto conf = read_cluster(root, path, host);
    refuse_other_transports(conf);
    config.corosync_conf_path = conf.path;
    const auto* rings = root.get_as<toml::array>("ring");
    if (rings == nullptr || rings->empty() || !rings->is_homogeneous<toml::table>()) {
        top.fail("ring", "there must be at least one table [[ring]] with link and volume");
    }
    const auto& local = local_node(conf, host);
    config.cluster_name = conf.totem.cluster_name;
    config.node_id = local.node_id;
    config.node_name = local.name;
    for (const auto& element : *rings) {
        toml_section section(*element.as_table(), "[[ring]]", path);
        auto ring = read_ring(section, conf, local, host);
        refuse_twins(section, config.rings, ring);
        config.rings.push_back(std::move(ring));
    }
    read_routes(root, path, conf, host, config);
    if (has_copies(config)) {
        config.network = read_network(conf, host);
    } else {
        config.request_port = 0;
    }
    return config;
}

}  // namespace

bool has_copies(const daemon_config& config) noexcept {
    return std::any_of(config.rings.begin(), config.rings.end(),
                       [](const ring_config& ring) { return !ring.roles.receive_from.empty(); });
}

daemon_config parse_config(std::string_view text, const std::string& path,
                           const host_questions& host) {
    return build(parse_toml(text, path), path, host);
}

daemon_config read_config(const std::string& path, const host_questions& host) {
    return parse_config(read_text(path), path, host);
}

std::string describe(const daemon_config& config) {
    auto text = fmt::format("node {} ({}) of cluster {}, from {}; control socket {}{}\n",
                            config.node_id, config.node_name.empty() ? "-" : config.node_name,
                            config.cluster_name, config.corosync_conf_path, config.control_socket,
                            config.realtime ? "; in real time" : "");
    for (const auto& ring : config.rings) {
        const auto& engine = ring.engine;
        text +=
            fmt::format("ring {}: link {}, UDP port {}{}, volume {} by {}\n", ring.interface,
                        ring.link, ring.knet.port, ring.knet.encrypted ? " (knet encrypts)" : "",
                        ring.volume, backend_name(engine.backend));
        text += describe(ring.roles);
        text += fmt::format("  TUN with address {}/{}, mtu {} B, queue {} packets (pfifo)\n",
                            corosync::to_string(ring.address), ring.address.host_prefix_bits(),
                            ring.mtu_bytes, ring.queue_packets);
        text += fmt::format(
            "  packets live {} ms; beat every {} ms, a node is silent after {} ms\n"
            "  volume read every {} ms, every {} us while hot and for {} ms after\n",
            to_ms(engine.ttl), to_ms(engine.beat_interval), to_ms(engine.peer_timeout),
            to_ms(engine.poll_idle), to_ms(engine.poll_hot) * 1000, to_ms(engine.hot_time));
        text +=
            fmt::format("  written {} {} B or {} us; queues of {} B\n",
                        engine.flush_when_idle ? "at once, or while writing at" : "at",
                        engine.fill_bytes, to_ms(engine.flush_deadline) * 1000, engine.queue_bytes);
        if (engine.read_deadline.count() != 0) {
            text += fmt::format("  a node that reads later than {} ms after our write is late\n",
                                to_ms(engine.read_deadline));
        }
        for (const auto& peer : ring.peers) {
            text += fmt::format("  node {} ({}) at {}, with an unreachable route behind it\n",
                                peer.node_id, peer.name.empty() ? "-" : peer.name,
                                corosync::to_string(peer.address));
        }
    }
    for (const auto& route : config.routes) {
        text += describe(route, config.node_id);
    }
    return text;
}

}  // namespace diskhb::daemon
