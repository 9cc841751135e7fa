#include "sluice/dpdk/runtime.hpp"

#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_version.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "buffer_pool.hpp"
#include "describe.hpp"
#include "eal.hpp"
#include "interface.hpp"
#include "preflight.hpp"
#include "sluice/dpdk/acl.hpp"
#include "sluice/dpdk/arena.hpp"
#include "sluice/dpdk/link_watch.hpp"

namespace sluice::dpdk {
namespace {

constexpr auto drain_patience = std::chrono::seconds(2);
/// Links that were just brought up need a moment; "ready" should mean that packets pass. Linux looks at most
/// once a second at links that change: one that went down just before and comes back shows it up to a second
/// late.
constexpr auto link_patience = std::chrono::seconds(2);
/// Polls in a row without a packet after which a draining worker counts as quiet.
constexpr unsigned quiet_polls = 16;

int turn_on_lcore(void* turn) {
    (*static_cast<std::function<void()>*>(turn))();
    return 0;
}

/// Adds what DPDK said to a failure whose cause we do not know ourselves: its complaints, not its usage
/// (indented) or what it says of every start.
Error with_words_of_dpdk(const std::string& sentence, const Hush& hush) {
    constexpr std::size_t most_lines = 4;
    const std::string heard = hush.heard();
    std::string complaints;
    std::size_t lines = 0;
    for (std::size_t at = 0; at < heard.size() && lines < most_lines;) {
        const std::size_t end = std::min(heard.find('\n', at), heard.size());
        const std::string line = heard.substr(at, end - at);
        at = end + 1;
        const bool complaint = line.find(": ") != std::string::npos && line.front() != ' ';
        const bool routine = line.rfind("EAL: Detected", 0) == 0 || line.rfind("EAL: Selected", 0) == 0 ||
                             line.rfind("EAL: Physical addresses", 0) == 0 || line.rfind("Usage: ", 0) == 0;
        if (!complaint || routine || complaints.find(line) != std::string::npos) continue;
        complaints += "\n  " + line;
        ++lines;
    }
    return Error{sentence + (complaints.empty() ? "" : "; DPDK said:" + complaints)};
}

}  // namespace

/// In the order in which things are built; taken apart the other way round.
struct Runtime::Parts {
    Options options;
    std::vector<Lock> locks;
    std::vector<std::string> warnings;
    std::unique_ptr<Eal> eal;
    BufferPool pool;
    std::vector<Arena> arenas;
    Ports ports;
    std::unique_ptr<Fabric> fabric;
    std::vector<std::unique_ptr<WorkerControl>> controls;
    std::vector<std::function<void()>> turns;
    std::vector<LinkWatch> watches;  ///< by pair
    std::unique_ptr<Clock> clock;
    bool stopped = true;

    Status make_pool(const MemoryPlan& memory, const std::vector<Device>& devices, int node);
    Status attach_ports(const std::vector<Device>& devices);
    Status build_fabric(int node);
    void gather_warnings();
    void warn_of_unequal_mtus();
    void wait_for_links() const;
    void note_links();
    [[nodiscard]] bool all_quiet() const;
};

Status Runtime::Parts::make_pool(const MemoryPlan& memory, const std::vector<Device>& devices, int node) {
    // One pool for all ports: af_xdp then sends what it received without copying, and a worker's cache serves
    // every port.
    const auto some = [&](auto&& which) { return std::any_of(devices.begin(), devices.end(), which); };
    const bool cards = some([](const Device& device) { return device.kind == Device::Kind::pci; });
    const bool xdp = some([](const Device& device) { return device.xdp; });
    auto made = make_buffer_pool(memory.buffers, memory.buffer_room, node, cards);
    if (!made) return Error{made.error()};
    pool = std::move(*made);
    MbufIo::set_pool(pool.get());
    if (xdp && !lies_in_one_piece(*pool)) {
        return Error{std::string("the packet buffers do not lie in one piece, as af_xdp needs them: ") +
                     (cards ? "beside PCI ports it needs an IOMMU (EAL argument --iova-mode=va)"
                            : "give DPDK more memory (daemon.memory_mb)")};
    }
    for (unsigned worker = 0; worker < options.workers; ++worker) {
        auto arena = Arena::take(memory.arena_bytes, options.huge_pages, node);
        if (!arena) return Error{arena.error()};
        arenas.push_back(std::move(*arena));
    }
    return MbufIo::register_field();
}

Status Runtime::Parts::attach_ports(const std::vector<Device>& devices) {
    for (std::size_t i = 0; i < devices.size(); ++i) {
        const Device& device = devices[i];
        Port port;
        port.name = device.name;
        port.given = device.given;
        port.pair = options.pairs[i / 2].name;
        port.interface = device.interface;
        const std::string arguments =
            device.short_form ? interface_arguments(device, channels_of(device.interface),
                                                    std::max(options.mtu, mtu_of(device.interface)))
                              : device.arguments;
        if (Status attached = ports.attach(std::move(port), arguments); !attached) return attached;
    }
    return success();
}

Status Runtime::Parts::build_fabric(int node) {
    FabricPlan plan;
    plan.workers = options.workers;
    plan.by_rss = ports.spreading().by_rss;
    plan.burst = options.burst;
    plan.control_packets_per_second = options.control_packets_per_second;
    plan.cycles_per_second = rte_get_tsc_hz();
    plan.pool = pool.get();
    plan.socket = node;
    for (std::size_t i = 0; i < ports.all().size(); ++i) {
        const Port& port = ports.all()[i];
        plan.ports.push_back(
            {port.id, port.rx_queues, port.tx_queues, port.many_segments, port.longest_frame});
        MbufIo::set_port_pair(port.id, static_cast<std::uint8_t>(i / 2));
    }
    auto built = Fabric::build(plan);
    if (!built) return Error{built.error()};
    fabric = std::move(*built);
    for (unsigned worker = 0; worker < options.workers; ++worker) {
        controls.push_back(std::make_unique<WorkerControl>());
    }
    turns.resize(options.workers);
    watches.resize(options.pairs.size());
    return success();
}

void Runtime::Parts::gather_warnings() {
    for (const Port& port : ports.all()) {
        if (!port.warning.empty()) warnings.push_back(port.warning);
    }
    warn_of_unequal_mtus();
}

void Runtime::Parts::warn_of_unequal_mtus() {
    for (std::size_t i = 0; i + 1 < ports.all().size(); i += 2) {
        const Port& a = ports.all()[i];
        const Port& b = ports.all()[i + 1];
        if (a.mtu != b.mtu) {
            warnings.push_back("pair " + a.pair + ": " + a.given + " has MTU " + std::to_string(a.mtu) +
                               " and " + b.given + " " + std::to_string(b.mtu) +
                               ": larger packets get lost between them; set ports.mtu");
        }
    }
}

void Runtime::Parts::wait_for_links() const {
    const auto deadline = std::chrono::steady_clock::now() + link_patience;
    for (std::size_t i = 0; i < ports.all().size(); ++i) {
        while (!ports.link(i) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
}

/// Says what the links are like at start; from then on look_after_links() says what changes.
void Runtime::Parts::note_links() {
    for (std::size_t i = 0; i < ports.all().size(); ++i) {
        const Port& port = ports.all()[i];
        const bool up = ports.link(i);
        fabric->port(i).link_up.store(up, std::memory_order_relaxed);
        if (!up) warnings.push_back(port.given + ": no link");
    }
}

Result<std::unique_ptr<Runtime>> Runtime::start(const Options& options, const TrackerNeeds& needs) {
    auto checked = preflight(options, needs, Machine());
    if (!checked) return Error{checked.error()};

    const Hush hush(asks_for_log(options.eal_arguments));
    auto parts = std::make_unique<Parts>();
    parts->options = options;
    parts->options.huge_pages = checked->eal.huge_pages;
    parts->locks = std::move(checked->locks);
    parts->warnings = std::move(checked->warnings);
    auto eal = Eal::start(checked->eal);
    if (!eal) return with_words_of_dpdk(eal.error(), hush);
    parts->eal = std::move(*eal);
    const int node = checked->eal.node;

    for (const auto& step : std::initializer_list<std::function<Status()>>{
             [&] { return parts->make_pool(checked->memory, checked->devices, node); },
             [&] { return parts->attach_ports(checked->devices); },
             [&] { return parts->ports.start(parts->options, parts->pool.get()); },
             [&] { return parts->build_fabric(node); },
         }) {
        if (const Status done = step(); !done) return with_words_of_dpdk(done.error(), hush);
    }
    parts->gather_warnings();
    parts->clock = std::make_unique<Clock>(Clock::start());
    parts->stopped = false;
    if (!asks_for_log(options.eal_arguments)) parts->eal->quiet();
    parts->wait_for_links();
    parts->note_links();
    std::unique_ptr<Runtime> runtime(new Runtime(std::move(parts)));
    for (std::string& line : runtime->look_after_links())
        runtime->parts_->warnings.push_back(std::move(line));
    return runtime;
}

Runtime::Runtime(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Runtime::~Runtime() {
    stop();
    const Hush hush(asks_for_log(parts_->options.eal_arguments));
    parts_.reset();
}

std::string Runtime::dpdk_version() {
    return rte_version();
}

unsigned Runtime::workers() const {
    return parts_->options.workers;
}
std::span<std::byte> Runtime::arena(unsigned worker) const {
    return parts_->arenas[worker].bytes();
}
pipeline::Steering Runtime::steering(unsigned worker) const {
    return parts_->ports.steering(worker, workers());
}
const Clock& Runtime::clock() const {
    return *parts_->clock;
}
const std::vector<std::string>& Runtime::warnings() const {
    return parts_->warnings;
}
Fabric& Runtime::fabric() const {
    return *parts_->fabric;
}
WorkerControl& Runtime::control(unsigned worker) const {
    return *parts_->controls[worker];
}
Idler Runtime::idler() const {
    return {parts_->options.idle_backoff, parts_->options.idle_sleep_microseconds};
}
unsigned Runtime::free_buffers() const {
    return rte_mempool_avail_count(parts_->pool.get());
}

std::vector<std::string> Runtime::description() const {
    std::vector<std::string> out;
    for (std::size_t i = 0; i < parts_->ports.all().size(); ++i) {
        out.push_back(describe_port(parts_->ports, i, fabric()));
        // As an earlier daemon leaves it (ports.on_stop).
        const Port& port = parts_->ports.all()[i];
        if (port.brought_up) out.push_back(port.given + ": was down, brought up");
    }
    out.push_back(describe_spreading(parts_->ports.spreading(), workers()));
    return out;
}

Result<std::unique_ptr<const policy::Matcher>> Runtime::compile(const policy::RuleSet& rules) const {
    return AclMatcher::build(rules, parts_->pool->socket_id);
}

std::vector<std::uint16_t> Runtime::port_numbers() const {
    std::vector<std::uint16_t> out;
    for (const Port& port : parts_->ports.all()) out.push_back(port.id);
    return out;
}

std::vector<std::string> Runtime::port_names() const {
    std::vector<std::string> out;
    out.reserve(parts_->ports.all().size());
    for (const Port& port : parts_->ports.all())
        out.push_back(port.interface.empty() ? port.name : port.interface);
    return out;
}

Status Runtime::launch_on_lcore(unsigned worker, std::function<void()> turn) {
    parts_->turns[worker] = std::move(turn);
    if (rte_eal_remote_launch(turn_on_lcore, &parts_->turns[worker], worker + 1) != 0) {
        return Error{"worker " + std::to_string(worker) + " cannot run on lcore " +
                     std::to_string(worker + 1) +
                     ": the EAL arguments must leave lcores 0 to the number of workers to sluiced"};
    }
    return success();
}

std::vector<std::string> Runtime::look_after_links() {
    std::vector<std::string> happened;
    const auto since = std::chrono::steady_clock::now().time_since_epoch();
    const auto now =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(since).count());
    for (std::size_t pair = 0; pair < parts_->watches.size(); ++pair) {
        std::array<bool, 2> up{};
        for (const unsigned end : {0U, 1U}) {
            const std::size_t port = 2 * pair + end;
            if (auto gone = parts_->ports.look_at_interface(port)) happened.push_back(std::move(*gone));
            up[end] = parts_->ports.link(port);
            const bool before = fabric().port(port).link_up.exchange(up[end], std::memory_order_relaxed);
            if (before != up[end] && !parts_->watches[pair].taken_down(end)) {
                happened.push_back(parts_->ports.all()[port].given + (up[end] ? ": link up" : ": link lost"));
            }
        }
        if (parts_->options.link_loss == LinkLoss::ignore) continue;
        const auto order = parts_->watches[pair].look(up, now);
        if (!order) continue;
        const std::size_t port = 2 * pair + order->port;
        const bool obeyed = parts_->ports.command_link(port, order->up);
        if (!obeyed) parts_->watches[pair].refused(order->port);
        if (obeyed) {
            happened.push_back(parts_->ports.all()[port].given +
                               (order->up ? ": link brought back, the other side's is up again"
                                          : ": link taken down, the other side's is lost"));
        }
    }
    return happened;
}

bool Runtime::Parts::all_quiet() const {
    return std::all_of(controls.begin(), controls.end(),
                       [](const auto& c) { return c->quiet.load(std::memory_order_acquire) >= quiet_polls; });
}

bool Runtime::stop() {
    if (parts_->stopped) return true;
    parts_->stopped = true;
    bool any_running = false;
    for (unsigned worker = 0; worker < workers(); ++worker) {
        any_running = any_running || static_cast<bool>(parts_->turns[worker]);
        if (!parts_->turns[worker]) control(worker).quiet = quiet_polls;
        control(worker).stage.store(Stage::drain, std::memory_order_relaxed);
    }
    // Quiet twice in a row: what a worker sent on just before it fell quiet has reached the next one by then.
    const auto deadline = std::chrono::steady_clock::now() + drain_patience;
    unsigned seen_quiet = 0;
    while (any_running && seen_quiet < 2 && std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
        seen_quiet = parts_->all_quiet() ? seen_quiet + 1 : 0;
    }
    for (unsigned worker = 0; worker < workers(); ++worker) {
        control(worker).stage.store(Stage::stop, std::memory_order_relaxed);
    }
    rte_eal_mp_wait_lcore();
    if (parts_->options.on_stop == OnStop::link_down) {
        for (std::size_t port = 0; port < parts_->ports.all().size(); ++port)
            parts_->ports.command_link(port, false);
    }
    {
        const Hush hush(asks_for_log(parts_->options.eal_arguments));
        parts_->ports.stop();
    }
    return !any_running || seen_quiet >= 2;
}

const WorkerCounters& Runtime::counters(unsigned worker) const {
    return fabric().counters(worker);
}

std::vector<std::pair<std::string, std::uint64_t>> Runtime::counters() const {
    std::vector<std::pair<std::string, std::uint64_t>> out;
    for (std::size_t port = 0; port < parts_->ports.all().size(); ++port) {
        const std::string prefix = "port" + std::to_string(port) + "_";
        const auto sum = [&](const char* name, Counter PortCounters::*counter) {
            std::uint64_t total = 0;
            for (unsigned worker = 0; worker < workers(); ++worker) {
                total += (fabric().counters(worker).ports[port].*counter).read();
            }
            out.emplace_back(prefix + name, total);
        };
        sum("rx_packets", &PortCounters::rx_packets);
        sum("rx_bytes", &PortCounters::rx_bytes);
        sum("tx_packets", &PortCounters::tx_packets);
        sum("tx_bytes", &PortCounters::tx_bytes);
        sum("control_packets", &PortCounters::control_packets);
        sum("control_dropped", &PortCounters::control_dropped);
        out.emplace_back(prefix + "link_up", fabric().port(port).link_up.load(std::memory_order_relaxed));
    }
    for (unsigned worker = 0; worker < workers(); ++worker) {
        const WorkerCounters& counted = fabric().counters(worker);
        const std::string prefix = "worker" + std::to_string(worker) + "_";
        out.emplace_back(prefix + "polls", counted.polls.read());
        out.emplace_back(prefix + "idle_sleeps", counted.idle_sleeps.read());
        out.emplace_back(prefix + "handed_over", counted.handed_over.read());
        out.emplace_back(prefix + "taken_over", counted.taken_over.read());
    }
    out.emplace_back("cycles_per_second", rte_get_tsc_hz());
    const auto devices = parts_->ports.device_counters();
    out.insert(out.end(), devices.begin(), devices.end());
    return out;
}

std::vector<std::uint64_t> Runtime::polls() const {
    std::vector<std::uint64_t> out;
    out.reserve(workers());
    for (unsigned worker = 0; worker < workers(); ++worker)
        out.push_back(fabric().counters(worker).polls.read());
    return out;
}

}  // namespace sluice::dpdk
