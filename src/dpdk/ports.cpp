#include "sluice/dpdk/ports.hpp"

#include <rte_dev.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "interface.hpp"
#include "port_setup.hpp"
#include "rss.hpp"

namespace sluice::dpdk {

Status Ports::attach(Port port, const std::string& arguments) {
    if (!port.interface.empty()) port.watch = InterfaceWatch(index_of(port.interface));
    if (rte_eth_dev_get_port_by_name(port.name.c_str(), &port.id) != 0) {
        const int fault = rte_eal_hotplug_add("vdev", port.name.c_str(), arguments.c_str());
        if (fault == 0) port.created = true;
        if (fault != 0 || rte_eth_dev_get_port_by_name(port.name.c_str(), &port.id) != 0) {
            return Error{"'" + port.given + "' is no device that DPDK could open: check the driver's name (" +
                         port.name + ") and its arguments (" + (arguments.empty() ? "none" : arguments) +
                         ")"};
        }
    }
    if (Status learnt = learn(port); !learnt) return learnt;
    ports_.push_back(std::move(port));
    return success();
}

void Ports::choose_spreading(unsigned workers) {
    if (workers == 1) return;
    spreading_.key = symmetric_key();
    spreading_.table_size = ports_.front().rss_table_size;
    for (std::size_t i = 0; i < spreading_.table.size(); ++i) {
        spreading_.table[i] = static_cast<std::uint8_t>(i % workers);
    }
    for (const Port& port : ports_) {
        const bool fits =
            port.rss_fields != 0 && port.most_rx_queues >= workers &&
            port.rss_table_size == spreading_.table_size && std::has_single_bit(port.rss_table_size) &&
            port.rss_table_size <= spreading_.table.size() && port.rss_key_size <= spreading_.key.size();
        if (!fits) {
            spreading_.why_not =
                port.given + " cannot spread symmetrically over " + std::to_string(workers) + " queues";
            return;
        }
    }
    spreading_.by_rss = true;
}

void Ports::confirm_spreading() {
    for (const Port& port : ports_) {
        if (!spreading_.by_rss) return;
        write_rss_key(port, spreading_);
        const bool written = write_rss_table(port, spreading_);
        const Status verified = written
                                    ? verify_rss(port, spreading_)
                                    : Status(Error{port.given + " did not take the RSS indirection table"});
        if (!verified) {
            spreading_.by_rss = false;
            spreading_.why_not = verified.error();
        }
    }
}

Status Ports::start(const Options& options, rte_mempool* pool) {
    choose_spreading(options.workers);
    for (Port& port : ports_) {
        if (Status done = configure(port, options, spreading_.by_rss ? &spreading_ : nullptr); !done)
            return done;
        if (Status done = set_up_queues(port, options, pool); !done) return done;
    }
    for (Port& port : ports_) {
        if (Status done = bring_up(port, options); !done) return done;
    }
    confirm_spreading();
    return success();
}

pipeline::Steering Ports::steering(unsigned worker, unsigned workers) const {
    pipeline::Steering steering;
    steering.workers = workers;
    steering.self = worker;
    steering.by_rss = spreading_.by_rss;
    steering.rss_word = rss_word;
    steering.rss_table = spreading_.table;
    steering.rss_table_size = spreading_.table_size;
    return steering;
}

std::optional<std::string> Ports::look_at_interface(std::size_t index) {
    Port& port = ports_[index];
    if (port.interface.empty()) return std::nullopt;
    const unsigned now = index_of(port.interface);
    if (!port.watch.look(now)) return std::nullopt;
    return port.interface + (now == 0 ? " was removed" : " was replaced") + ": restart sluiced";
}

bool Ports::link(std::size_t index) const {
    const Port& port = ports_[index];
    if (!port.interface.empty()) return !port.watch.gone() && has_link(port.interface);
    rte_eth_link link{};
    return rte_eth_link_get_nowait(port.id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

bool Ports::command_link(std::size_t index, bool up) {
    const Port& port = ports_[index];
    if (port.watch.gone()) return false;
    if (!port.interface.empty()) return set_up(port.interface, up);
    if (!port.takes_link_down) return false;
    return (up ? rte_eth_dev_set_link_up(port.id) : rte_eth_dev_set_link_down(port.id)) == 0;
}

std::vector<std::pair<std::string, std::uint64_t>> Ports::device_counters() const {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    for (std::size_t i = 0; i < ports_.size(); ++i) {
        rte_eth_stats stats{};
        if (rte_eth_stats_get(ports_[i].id, &stats) != 0) continue;
        const std::string prefix = "port" + std::to_string(i) + "_device_";
        out.emplace_back(prefix + "rx_missed", stats.imissed);
        out.emplace_back(prefix + "rx_errors", stats.ierrors);
        out.emplace_back(prefix + "rx_no_buffer", stats.rx_nombuf);
        out.emplace_back(prefix + "tx_errors", stats.oerrors);
    }
    return out;
}

void Ports::stop() {
    for (Port& port : ports_) {
        if (!port.started) continue;
        port.started = false;
        if (port.promiscuous) rte_eth_promiscuous_disable(port.id);
        rte_eth_dev_stop(port.id);
    }
}

Ports::~Ports() {
    stop();
    for (const Port& port : ports_) {
        if (port.created) {
            rte_eal_hotplug_remove("vdev", port.name.c_str());  // closes the port
        } else {
            rte_eth_dev_close(port.id);
        }
    }
}

}  // namespace sluice::dpdk
