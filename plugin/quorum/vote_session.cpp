// SPDX-License-Identifier: BSD-3-Clause
#include "plugin/quorum/vote_session.hpp"

#include <fmt/format.h>

#include <utility>

namespace diskhb::quorum {

using corosync::error_code;
using corosync::to_error;

namespace {

constexpr const char* device_prefix = "quorum.device.";
constexpr const char* lost_text = "Corosync has ended or has closed the connection";

bool is(const error_code& error, cs_error_t value) { return error == to_error(value); }

session_failure cannot_connect(const char* service, const error_code& error) {
    const bool is_forbidden = is(error, CS_ERR_ACCESS) || is(error, CS_ERR_SECURITY);
    return {fmt::format("cannot connect to Corosync's {}: {}", service, error.message()),
            !is_forbidden};
}

// A number of milliseconds, with Corosync's default.
result<milliseconds> duration_in(corosync::cmap& map, const char* key, milliseconds otherwise) {
    const result<std::uint64_t> value = map.number(fmt::format("{}{}", device_prefix, key));
    if (value) {
        return milliseconds(*value);
    }
    return is(value.error(), CS_ERR_NOT_EXIST) ? result<milliseconds>(otherwise) : value.error();
}

result<device_settings> read_settings(corosync::cmap& map, std::uint32_t votes) {
    device_settings settings;
    settings.votes = votes;
    result<std::string> model = map.text(fmt::format("{}model", device_prefix));
    if (model) {
        settings.model = std::move(*model);
    } else if (!is(model.error(), CS_ERR_NOT_EXIST)) {
        return model.error();
    }
    const result<milliseconds> timeout = duration_in(map, "timeout", settings.timeout);
    const result<milliseconds> sync_timeout =
        duration_in(map, "sync_timeout", settings.sync_timeout);
    if (!timeout || !sync_timeout) {
        return timeout ? sync_timeout.error() : timeout.error();
    }
    settings.timeout = *timeout;
    settings.sync_timeout = *sync_timeout;
    return settings;
}

}  // namespace

std::string difference(const device_settings& in_force, const device_settings& expected) {
    const auto text = [](const char* key, const auto& found, const auto& wanted) {
        return fmt::format("{}{} is {} in force, but {} is expected", device_prefix, key, found,
                           wanted);
    };
    if (in_force.model.empty()) {
        return "no quorum device is in force";
    }
    if (in_force.model != expected.model) {
        return text("model", in_force.model, expected.model);
    }
    if (in_force.timeout != expected.timeout) {
        return text("timeout", in_force.timeout.count(), expected.timeout.count());
    }
    if (in_force.sync_timeout != expected.sync_timeout) {
        return text("sync_timeout", in_force.sync_timeout.count(), expected.sync_timeout.count());
    }
    return in_force.votes != expected.votes ? text("votes", in_force.votes, expected.votes)
                                            : std::string();
}

vote_session::vote_session(boost::asio::io_context& context, const vote_thread_options& options,
                           call_meter& meter, handlers call)
    : options_(options),
      meter_(meter),
      cmap_(context, {[on_settings = call.on_settings](const std::string&) { on_settings(); },
                      [on_lost = call.on_lost](const error_code&) { on_lost(lost_text); }}),
      votequorum_(context,
                  {[on_nodelist = call.on_nodelist](const corosync::ring_id& ring,
                                                    std::span<const std::uint32_t> node_ids) {
                       on_nodelist({ring.node_id, ring.sequence}, node_ids);
                   },
                   [on_quorum = call.on_quorum](bool) { on_quorum(); },
                   [on_lost = call.on_lost](const error_code&) { on_lost(lost_text); }}) {}

std::optional<session_failure> vote_session::open() {
    std::optional<session_failure> failure = connect();
    if (!failure) {
        failure = check_settings();
    }
    if (!failure) {
        failure = register_device();
    }
    if (failure) {
        close();
    }
    return failure;
}

std::optional<session_failure> vote_session::connect() {
    if (const error_code error = meter_.measure([&] { return cmap_.connect(); })) {
        return cannot_connect("cmap", error);
    }
    if (const error_code error = meter_.measure([&] { return cmap_.track(device_prefix); })) {
        return cannot_connect("cmap", error);
    }
    if (const error_code error = meter_.measure([&] { return votequorum_.connect(); })) {
        return cannot_connect("votequorum", error);
    }
    return std::nullopt;
}

std::optional<session_failure> vote_session::check_settings() {
    const auto info = meter_.measure([&] { return votequorum_.info(); });
    if (!info) {
        return cannot_connect("votequorum", info.error());
    }
    const auto settings = meter_.measure([&] { return read_settings(cmap_, info->qdevice_votes); });
    if (!settings) {
        return cannot_connect("cmap", settings.error());
    }
    const std::string found = difference(*settings, options_.expected);
    if (found.empty()) {
        return std::nullopt;
    }
    const char* const advice =
        is_registered_ ? "changed while the device was in use: start again with the new values"
                       : "corosync.conf was changed, but not loaded: run corosync-cfgtool -R";
    return session_failure{fmt::format("{}: {}", found, advice), false};
}

std::optional<session_failure> vote_session::register_device() {
    const std::string& name = options_.device_name;
    const error_code error = meter_.measure([&] { return votequorum_.register_device(name); });
    if (is(error, CS_ERR_EXIST)) {
        return session_failure{
            fmt::format("Corosync has a quorum device of another name than '{}': all nodes must "
                        "use the same device; stop the other one (corosync-quorumtool names it)",
                        name),
            false};
    }
    if (is(error, CS_ERR_ACCESS)) {
        return session_failure{
            "Corosync lets no quorum device register: it does not accept the quorum section of "
            "corosync.conf, its log says why",
            false};
    }
    if (error) {
        return session_failure{
            fmt::format("cannot register the quorum device '{}': {}", name, error.message()),
            is(error, CS_ERR_TRY_AGAIN)};
    }
    is_registered_ = true;
    if (const error_code not_tracked = meter_.measure([&] { return votequorum_.track(); })) {
        return cannot_connect("votequorum", not_tracked);
    }
    return std::nullopt;
}

error_code vote_session::poll(const ring_id& ring, bool cast_vote) {
    return meter_.measure([&] {
        return votequorum_.poll_device(options_.device_name, cast_vote,
                                       {ring.node_id, ring.sequence});
    });
}

result<quorum_news> vote_session::news() {
    const auto info = meter_.measure([&] { return votequorum_.info(); });
    if (!info) {
        return info.error();
    }
    quorum_news news;
    news.is_quorate = (info->flags & VOTEQUORUM_INFO_QUORATE) != 0;
    news.expected_votes = info->highest_expected;
    news.total_votes = info->total_votes;
    news.quorum = info->quorum;
    news.is_device_alive = (info->flags & VOTEQUORUM_INFO_QDEVICE_ALIVE) != 0;
    news.has_device_vote = (info->flags & VOTEQUORUM_INFO_QDEVICE_CAST_VOTE) != 0;
    return news;
}

void vote_session::unregister() {
    if (std::exchange(is_registered_, false)) {
        // One that fails leaves a device that loses its vote after quorum.device.timeout.
        meter_.measure([&] { return votequorum_.unregister_device(options_.device_name); });
    }
}

void vote_session::close() {
    is_registered_ = false;
    votequorum_.close();
    cmap_.close();
}

}  // namespace diskhb::quorum
