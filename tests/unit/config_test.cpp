// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/ring/config.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "config_error.hpp"

namespace diskhb::daemon {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::HasSubstr;

constexpr const char* two_links = R"(
totem {
    cluster_name: tide
    interface {
        linknumber: 1
        knet_ping_interval: 1000
        knet_ping_timeout: 4000
    }
}
nodelist {
    node {
        name: n1
        nodeid: 1
        ring0_addr: 192.0.2.1
        ring1_addr: 10.9.1.1
        ring2_addr: fd00::1
    }
    node {
        name: n2
        nodeid: 2
        ring0_addr: 192.0.2.2
        ring1_addr: 10.9.1.2
        ring2_addr: fd00::2
    }
}
)";

constexpr const char* smallest = "[[ring]]\nlink = 1\nvolume = \"/dev/x\"\n";

host_questions host_with(const std::string& conf, const std::string& name = "n1") {
    return {[conf](const std::string& path) { return corosync::parse_corosync_conf(conf, path); },
            [name] {
                return corosync::host_identity{name, {}};
            },
            [](const std::string& text, corosync::ip_preference) {
                return corosync::parse_ip_address(text);
            }};
}

daemon_config parse(const std::string& text, const std::string& conf = two_links) {
    return parse_config(text, "d.toml", host_with(conf));
}

std::string error_of(const std::string& text, const std::string& conf = two_links,
                     const std::string& name = "n1") {
    return test::config_error_of([&] { parse_config(text, "d.toml", host_with(conf, name)); });
}

// The smallest ring with one more line: line 4 of the file.
std::string error_of_line(const std::string& line) { return error_of(smallest + line + "\n"); }

std::string replaced(std::string text, const std::string& what, const std::string& with) {
    const auto at = text.find(what);
    EXPECT_NE(at, std::string::npos);
    return text.replace(at, what.size(), with);
}

TEST(config, fills_in_everything_from_corosync_conf) {
    const auto config = parse(smallest);
    EXPECT_EQ(config.corosync_conf_path, "/etc/corosync/corosync.conf");
    EXPECT_EQ(config.control_socket, "/run/diskhb/diskhbd.sock");
    EXPECT_FALSE(config.realtime);
    EXPECT_EQ(config.cluster_name, "tide");
    EXPECT_EQ(config.node_id, 1U);
    ASSERT_EQ(config.rings.size(), 1U);
    const auto& ring = config.rings[0];
    EXPECT_EQ(ring.interface, "dhb0");
    EXPECT_EQ(ring.knet.port, 5406);
    EXPECT_FALSE(ring.knet.encrypted);
    EXPECT_EQ(corosync::to_string(ring.address), "10.9.1.1");
    ASSERT_EQ(ring.peers.size(), 1U);
    EXPECT_EQ(ring.peers[0].node_id, 2U);
    EXPECT_EQ(ring.peers[0].name, "n2");
    EXPECT_EQ(ring.mtu_bytes, mtu_bytes_default);
    EXPECT_EQ(ring.engine.node_id, 1U);
    EXPECT_EQ(ring.engine.peers, std::vector<std::uint32_t>{2});
    EXPECT_EQ(ring.engine.cluster_name, "tide");
    EXPECT_EQ(ring.engine.backend, io_backend::automatic);
}

TEST(config, derives_the_ttl_from_knets_ping_timeout_within_limits) {
    EXPECT_EQ(parse(smallest).rings[0].engine.ttl, milliseconds(500));
    const auto with = [](const char* timeout) {
        const auto conf = replaced(two_links, "ping_timeout: 4000", timeout);
        return parse(smallest, conf).rings[0].engine.ttl;
    };
    EXPECT_EQ(with("ping_timeout: 1600"), milliseconds(200));
    EXPECT_EQ(with("ping_timeout: 240"), milliseconds(50));
    EXPECT_EQ(with("ping_timeout: 60000"), milliseconds(500));
    EXPECT_EQ(parse(std::string(smallest) + "ttl_ms = 7.5\n").rings[0].engine.ttl,
              microseconds(7500));
}

TEST(config, takes_every_tuning_key) {
    const auto config = parse(R"(
[corosync]
conf = "/c"
[control]
socket = "/s"
[process]
realtime = true
[[ring]]
interface = "dhb7"
link = 2
volume = "/dev/x"
io = "posix"
mtu = 9000
queue_length = 1000
ttl_ms = 100
beat_interval_ms = 20
peer_timeout_ms = 60
poll_idle_ms = 0.5
poll_hot_us = 0
hot_time_ms = 5
flush_when_idle = false
fill_bytes = 65536
flush_deadline_us = 300
queue_bytes = 1048576
)");
    EXPECT_EQ(config.corosync_conf_path, "/c");
    EXPECT_EQ(config.control_socket, "/s");
    EXPECT_TRUE(config.realtime);
    const auto& ring = config.rings.at(0);
    EXPECT_EQ(ring.interface, "dhb7");
    EXPECT_EQ(ring.link, 2U);
    EXPECT_EQ(corosync::to_string(ring.address), "fd00::1");
    EXPECT_EQ(ring.mtu_bytes, 9000U);
    EXPECT_EQ(ring.queue_packets, 1000U);
    const auto& engine = ring.engine;
    EXPECT_EQ(engine.backend, io_backend::posix);
    EXPECT_EQ(engine.ttl, milliseconds(100));
    EXPECT_EQ(engine.beat_interval, milliseconds(20));
    EXPECT_EQ(engine.peer_timeout, milliseconds(60));
    EXPECT_EQ(engine.poll_idle, microseconds(500));
    EXPECT_EQ(engine.poll_hot, microseconds(0));
    EXPECT_EQ(engine.hot_time, milliseconds(5));
    EXPECT_FALSE(engine.flush_when_idle);
    EXPECT_EQ(engine.fill_bytes, 65536U);
    EXPECT_EQ(engine.flush_deadline, microseconds(300));
    EXPECT_EQ(engine.queue_bytes, 1048576U);
}

TEST(config, beats_twice_within_a_short_ttl) {
    const auto beat = [](const std::string& line) {
        return parse(std::string(smallest) + line).rings[0].engine.beat_interval;
    };
    EXPECT_EQ(beat(""), milliseconds(100));
    EXPECT_EQ(beat("ttl_ms = 60\n"), milliseconds(30));
    EXPECT_EQ(beat("ttl_ms = 2\n"), milliseconds(5));
}

TEST(config, keeps_the_peer_timeout_above_a_slow_beat) {
    EXPECT_EQ(
        parse(std::string(smallest) + "beat_interval_ms = 500\n").rings[0].engine.peer_timeout,
        milliseconds(5000));
}

TEST(config, names_line_and_column_of_broken_toml) {
    EXPECT_THAT(error_of("[[ring]]\nlink = \n"), HasSubstr("d.toml:2:8: "));
    EXPECT_THAT(error_of("[[ring]\n"), HasSubstr("d.toml:1:"));
    EXPECT_THAT(error_of("[[ring]]\nlink = 1\nlink = 2\n"), HasSubstr("d.toml:3:"));
}

TEST(config, names_place_key_value_and_range_of_a_bad_value) {
    EXPECT_EQ(error_of_line("mtu = 70000"),
              "d.toml:4:7: mtu = 70000: is out of its range 1280 .. 65535");
    EXPECT_EQ(error_of_line("mtu = \"big\""), "d.toml:4:7: mtu = 'big': must be a whole number");
    EXPECT_THAT(error_of_line("ttl_ms = 0"), HasSubstr("range 1 .. 10000"));
    EXPECT_THAT(error_of_line("ttl_ms = nan"), HasSubstr("range 1 .. 10000"));
    EXPECT_THAT(error_of_line("queue_length = 10"), HasSubstr("range 100 .. 100000"));
    EXPECT_THAT(error_of_line("queue_length = 1000.5"), HasSubstr("must be a whole number"));
    EXPECT_THAT(error_of_line("beat_interval_ms = 4"), HasSubstr("range 5 .. 10000"));
    EXPECT_THAT(error_of_line("peer_timeout_ms = 299"), HasSubstr("range 300 .. 60000"));
    EXPECT_THAT(error_of_line("poll_idle_ms = 0.05"), HasSubstr("range 0.1 .. 125"));
    EXPECT_THAT(error_of_line("poll_hot_us = 20000"), HasSubstr("not be slower than idle"));
    EXPECT_THAT(error_of_line("hot_time_ms = -1"), HasSubstr("range 0 .. 1000"));
    EXPECT_THAT(error_of_line("flush_when_idle = 1"), HasSubstr("must be true or false"));
    EXPECT_THAT(error_of_line("flush_deadline_us = 1e7"), HasSubstr("range 1 .. 500000"));
    EXPECT_THAT(error_of_line("fill_bytes = 1"), HasSubstr("range 4096 .. "));
    EXPECT_THAT(error_of_line("queue_bytes = 1"), HasSubstr("range 1048576 .. "));
    EXPECT_THAT(error_of_line("io = \"aio\""), HasSubstr("\"auto\", \"uring\" or \"posix\""));
    EXPECT_THAT(error_of_line("interface = \"much-too-long-a-name\""), HasSubstr("1 .. 15"));
    EXPECT_THAT(error_of_line("interface = \"a/b\""), HasSubstr("no blank"));
    EXPECT_THAT(error_of_line("interface = \"a%d\""), HasSubstr("no blank"));
    EXPECT_THAT(error_of_line("interface = \"\""), HasSubstr("not empty"));
    EXPECT_THAT(error_of("[control]\nsocket = \"x.sock\"\n"), HasSubstr("absolute path"));
    EXPECT_THAT(error_of("[process]\nrealtime = \"yes\"\n"), HasSubstr("true or false"));
}

TEST(config, refuses_keys_and_tables_that_it_does_not_know) {
    EXPECT_THAT(error_of_line("mtu_bytes = 9000"),
                HasSubstr("d.toml:4:1: 'mtu_bytes' is not a key of [[ring]]; it knows: "));
    EXPECT_THAT(error_of(std::string("[rings]\n") + smallest), HasSubstr("d.toml:1:"));
    EXPECT_THAT(error_of(std::string("corosync = 1\n") + smallest), HasSubstr("must be a table"));
    EXPECT_THAT(error_of("[corosync]\nfile = \"x\"\n"), HasSubstr("d.toml:2:1: 'file'"));
    EXPECT_THAT(error_of("[control]\n"), HasSubstr("at least one table [[ring]]"));
    EXPECT_THAT(error_of("ring = 5\n"), HasSubstr("at least one table [[ring]]"));
}

TEST(config, needs_link_and_an_absolute_volume) {
    EXPECT_EQ(error_of("[[ring]]\nvolume = \"/dev/x\"\n"),
              "d.toml:1:1: [[ring]]: 'link' is missing: the number of the Corosync link that this "
              "ring is");
    EXPECT_THAT(error_of("[[ring]]\nlink = 1\n"), HasSubstr("'volume' is missing"));
    EXPECT_THAT(error_of("[[ring]]\nlink = 1\nvolume = \"sdb\"\n"), HasSubstr("absolute path"));
    EXPECT_THAT(error_of("[[ring]]\nlink = 8\nvolume = \"/x\"\n"), HasSubstr("range 0 .. 7"));
}

TEST(config, refuses_two_rings_on_one_link_volume_or_interface) {
    const std::string first = "[[ring]]\nlink = 1\nvolume = \"/a\"\n";
    const auto second = [&](const std::string& rest) {
        return error_of(first + "[[ring]]\n" + rest);
    };
    EXPECT_THAT(second("link = 2\nvolume = \"/b\"\n"), HasSubstr("two rings have interface dhb0"));
    EXPECT_THAT(second("interface = \"dhb1\"\nlink = 1\nvolume = \"/b\"\n"),
                HasSubstr("d.toml:6:8: link = 1: two rings are the same link"));
    EXPECT_THAT(second("interface = \"dhb1\"\nlink = 2\nvolume = \"/a\"\n"),
                HasSubstr("the same volume"));
    EXPECT_EQ(second("interface = \"dhb1\"\nlink = 2\nvolume = \"/b\"\n"), "no error");
}

TEST(config, refuses_a_host_that_corosync_conf_does_not_list) {
    EXPECT_THAT(error_of(smallest, two_links, "n9"),
                HasSubstr("no node of the nodelist is this host: neither the name 'n9'"));
}

TEST(config, refuses_links_without_an_address_on_every_node) {
    EXPECT_THAT(error_of(smallest, replaced(two_links, "ring1_addr: 10.9.1.2", "")),
                HasSubstr("d.toml:2:8: link = 1: node 2 of /etc/corosync/corosync.conf:18 has no "
                          "ring1_addr"));
    EXPECT_THAT(error_of("[[ring]]\nlink = 3\nvolume = \"/x\"\n"), HasSubstr("has no link 3"));
}

TEST(config, refuses_addresses_that_a_ring_cannot_have) {
    const auto with = [](const char* address) {
        return error_of(smallest, replaced(two_links, "10.9.1.2", address));
    };
    EXPECT_THAT(with("fd00::9"), HasSubstr("mix IPv4 and IPv6 on link 1"));
    EXPECT_THAT(with("10.9.1.1"), HasSubstr("is given twice on link 1"));
    EXPECT_THAT(with("127.0.0.1"), HasSubstr("loopback"));
    EXPECT_THAT(with("224.0.0.9"), HasSubstr("multicast"));
    EXPECT_THAT(with("0.0.0.0"), HasSubstr("zero address"));
    EXPECT_THAT(with("n2-ring"), HasSubstr("no address and no name that this host knows"));
}

TEST(config, refuses_a_corosync_conf_that_a_ring_cannot_serve) {
    EXPECT_THAT(error_of(smallest, replaced(two_links, "cluster_name: tide", "")),
                HasSubstr("totem.cluster_name is missing"));
    EXPECT_THAT(error_of(smallest, replaced(two_links, "cluster_name: tide",
                                            "cluster_name: tide\ntransport: udpu")),
                HasSubstr("totem.transport is udpu"));
    EXPECT_THAT(error_of(smallest, replaced(two_links, "cluster_name: tide",
                                            "cluster_name: tide\nknet_mtu: 20000")),
                HasSubstr("smaller than totem.knet_mtu 20000"));
    EXPECT_THAT(error_of(smallest, replaced(two_links, "linknumber: 1",
                                            "linknumber: 1\nknet_transport: sctp")),
                HasSubstr("knet_transport sctp"));
    EXPECT_THAT(error_of(smallest, "totem {\ncluster_name: tide\n}\n"),
                HasSubstr("nodelist is missing"));
    EXPECT_THAT(error_of(smallest, "totem {\nbroken\n"),
                HasSubstr("/etc/corosync/corosync.conf:2: "));
}

TEST(config, survives_any_truncation_of_a_good_file) {
    const std::string text = "[corosync]\nconf = \"/c\"\n[[ring]]\nlink = 1\nvolume = \"/dev/x\"\n";
    std::size_t accepted = 0;
    for (std::size_t size = 0; size <= text.size(); ++size) {
        accepted += error_of(text.substr(0, size)) == "no error" ? 1 : 0;
    }
    EXPECT_GT(accepted, 0U);
    EXPECT_LT(accepted, text.size());
}

TEST(config, describes_what_would_be_done) {
    const auto text = describe(parse(smallest));
    EXPECT_THAT(text, HasSubstr("node 1 (n1) of cluster tide"));
    EXPECT_THAT(text, HasSubstr("10.9.1.1/32"));
    EXPECT_THAT(text, HasSubstr("node 2 (n2) at 10.9.1.2"));
}

TEST(config, reports_a_file_that_is_not_there) {
    EXPECT_THAT(test::config_error_of(
                    [] { read_config("/nonexistent/diskhb.toml", host_with(two_links)); }),
                HasSubstr("No such file"));
}

}  // namespace
}  // namespace diskhb::daemon
