#include "sluice/pipeline/syn_guard.hpp"

#include <array>
#include <new>

#include "sluice/base/siphash.hpp"

namespace sluice::pipeline {
namespace {

// A key of its own for each use: nothing learnt of one keyed function then says anything of another.
std::uint64_t derived(const flow::Secret& secret, std::uint8_t use, std::uint8_t word) {
    return siphash(std::array<std::uint8_t, 2>{use, word}, {secret.words[2], secret.words[3]});
}

constexpr std::size_t words_for(std::uint32_t bits) {
    return (std::size_t{bits} + 63) / 64;
}

// A tenth of a second may be saved up.
TokenBucket bucket_of(std::uint32_t rate) {
    return {rate, ticks_per_second, std::max(1U, rate / 10)};
}

auto limit_of(const std::vector<guard::SourceLimit>& limits, guard::Source source) {
    const auto place = std::lower_bound(
        limits.begin(), limits.end(), source.word,
        [](const guard::SourceLimit& limit, std::uint64_t word) { return limit.source.word < word; });
    return place != limits.end() && place->source == source ? place : limits.end();
}

}  // namespace

std::size_t SynGuard::bytes_needed(const Limits& limits) {
    if (limits.guarded_services == 0) return 0;
    std::size_t bytes = flow::arena_bytes<SynGuard>(1) +
                        flow::arena_bytes<guard::ServiceCounters>(limits.guarded_services) +
                        flow::arena_bytes<Service>(limits.guarded_services) +
                        flow::arena_bytes<OwnHandshake>(limits.proxied_handshakes);
    for (const std::uint32_t flows : {limits.ipv4_flows, limits.ipv6_flows})
        bytes += flow::arena_bytes<GuardRecord>(flows) + flow::arena_bytes<std::uint64_t>(words_for(flows));
    return bytes;
}

SynGuard* SynGuard::create(const Limits& limits, const flow::Secret& secret, std::span<std::byte> arena) {
    if (limits.guarded_services == 0) return nullptr;
    flow::Arena memory(arena);
    auto* const place = memory.take<SynGuard>(1);
    auto* const counters = memory.take<guard::ServiceCounters>(limits.guarded_services);
    std::uninitialized_default_construct_n(counters, limits.guarded_services);
    const flow::Secret sources{
        {derived(secret, 's', 0), derived(secret, 's', 1), derived(secret, 's', 2), derived(secret, 's', 3)}};
    auto* const guard = ::new (place) SynGuard({counters, limits.guarded_services}, sources,
                                               {derived(secret, 'c', 0), derived(secret, 'c', 1)},
                                               {derived(secret, 'i', 0), derived(secret, 'i', 1)});
    guard->services_ = memory.take<Service>(limits.guarded_services);
    std::uninitialized_default_construct_n(guard->services_, limits.guarded_services);
    guard->handshakes_ = memory.take<OwnHandshake>(limits.proxied_handshakes);
    guard->places_ = limits.proxied_handshakes;
    const std::array<std::uint32_t, 2> flows{limits.ipv4_flows, limits.ipv6_flows};
    for (std::size_t family = 0; family < flows.size(); ++family) {
        guard->proxied_[family].records = memory.take<GuardRecord>(flows[family]);
        guard->proxied_[family].bits = memory.take<std::uint64_t>(words_for(flows[family]));
    }
    return guard;
}

void SynGuard::adopt(const Protection* protection) {
    if (protection == nullptr) {
        protection_ = nullptr;
        return;
    }
    std::array<TokenBucket, most_source_limits> buckets;
    const auto& limits = protection->source_limits;
    for (std::size_t i = 0; i < std::min(limits.size(), buckets.size()); ++i) {
        buckets[i] = bucket_of(limits[i].rate);
        if (protection_ == nullptr) continue;
        // A source that was limited before has not saved up anything by being named again.
        const auto& former = protection_->source_limits;
        const auto known = limit_of(former, limits[i].source);
        const auto place = static_cast<std::size_t>(known - former.begin());
        if (known != former.end() && known->rate == limits[i].rate && place < buckets.size())
            buckets[i] = source_buckets_[place];
    }
    source_buckets_ = buckets;
    protection_ = protection;
    sources_matter_ = !protection->sources.empty() || !limits.empty();
    cookies_ = guard::SynCookies(protection->cookie_secrets);
}

SynGuard::Fate SynGuard::on_syn(const Arrival& syn) {
    const guard::Source source = guard::Source::of(syn.client);
    const guard::ServiceNumber service = syn.service;
    accounts_.count_syn(source, syn.source_hash, service);
    const ServiceRules rules = protection_->rules_of(service);
    const guard::Defence defence = protection_->board->read(service);
    const guard::ServiceNumber rule = protection_->sources.find(syn.client, 0);
    if (rule == SourceRule::allowed) return Fate::pass;
    const Fate fate = rule == SourceRule::denied ? Fate::denied : limit(source, service, rules, defence);
    if (fate != Fate::pass) {
        accounts_.count_limited(service);
        return fate;
    }
    if (defence.level < guard::Level::defend && !syn.must_prove) return Fate::pass;
    if (defence.level >= guard::Level::defend && accounts_.services()[service].half_open.read() != 0)
        sweep_until_ = time_ + ticks_per_second;
    if (rules.proof != Proof::proxy && !syn.must_prove) return on_unproven(syn, rules.proof);
    Service& one = services_[service];
    if (syn.asks_for_options && time_ >= one.look_again) return Fate::look;
    if (syn.asks_for_ecn && !one.profile.ecn && time_ >= one.look_for_ecn) {
        one.look_for_ecn = time_ + first_look;
        return Fate::look_for_ecn;
    }
    return Fate::answer;
}

void SynGuard::look_at(Service& one, guard::ServiceNumber service) {
    const ServiceRules rules = protection_->rules_of(service);
    const guard::Defence defence = protection_->board->read(service);
    one.looked_at = burst_;
    one.answers_all = defence.level >= guard::Level::defend && defence.syn_limit == 0 &&
                      rules.proof == Proof::proxy && rules.syn_rate == 0 && rules.source_rate == 0 &&
                      one.profile.mss != 0;
    if (one.answers_all && accounts_.services()[service].half_open.read() != 0)
        sweep_until_ = time_ + ticks_per_second;
}

void SynGuard::prepare(Service& one) const {
    const guard::ServerProfile& server = one.profile;
    const bool stamps = server.timestamps;
    one.prepared = burst_;
    one.answers.promised = {.has_timestamps = stamps,
                            .sack_permitted = stamps && server.sack,
                            .has_window_scale = stamps && server.scales};
    const packet::SynAck answer{.mss = server.mss,
                                .has_timestamps = stamps,
                                .sack_permitted = one.answers.promised.sack_permitted,
                                .has_window_scale = one.answers.promised.has_window_scale,
                                .window_scale = one.promised_scale};
    for (const packet::SynForm form : {packet::SynForm::bare, packet::SynForm::linux_like})
        one.answers.forms[static_cast<std::size_t>(form)] = packet::SynAckForm(form, answer);
}

bool SynGuard::is_singled_out(const guard::Address& client) const {
    return protection_->sources.find(client, 0) != SourceRule::no_rule ||
           limit_of(protection_->source_limits, guard::Source::of(client)) !=
               protection_->source_limits.end();
}

SynGuard::Fate SynGuard::limit(guard::Source source, guard::ServiceNumber service, const ServiceRules& rules,
                               const guard::Defence& defence) {
    if (defence.level >= guard::Level::defend && !within_source_limit(source)) return Fate::over_source_limit;
    // The sketch knows the last one to two seconds: one and a half of them, as far as one can tell.
    if (rules.source_rate != 0 &&
        accounts_.sources().estimate(source).syns > rules.source_rate + rules.source_rate / 2)
        return Fate::over_source_limit;
    std::uint32_t rate = rules.syn_rate;
    if (defence.syn_limit != 0) {
        const std::uint32_t share = std::max(1U, defence.syn_limit / std::max(1U, protection_->workers));
        rate = rate == 0 ? share : std::min(rate, share);
    }
    return rate == 0 || within_service_limit(service, rate) ? Fate::pass : Fate::over_service_limit;
}

SynGuard::Fate SynGuard::on_unproven(const Arrival& syn, Proof proof) {
    const auto now = coarse_time();
    if (recent_.since(syn.source_hash, now)) return Fate::pass;
    if (proof == Proof::reset) return Fate::challenge;
    const auto first = recent_.since(syn.flow_hash, now);
    if (first && now - *first >= soonest_second_syn >> guard::RecentHashes::unit_shift) {
        trust_source(guard::Source::of(syn.client));
        return Fate::pass;
    }
    if (!first) recent_.remember(syn.flow_hash, now, coarse_time(latest_second_syn));
    return Fate::wait_for_second;
}

bool SynGuard::within_source_limit(guard::Source source) {
    const auto& limits = protection_->source_limits;
    const auto limit = limit_of(limits, source);
    if (limit == limits.end()) return true;
    const auto place = static_cast<std::size_t>(limit - limits.begin());
    return place >= source_buckets_.size() || source_buckets_[place].take(1, time_) != 0;
}

bool SynGuard::within_service_limit(guard::ServiceNumber service, std::uint32_t limit) {
    Service& one = services_[service];
    if (one.limit != limit) {
        one.limit = limit;
        one.bucket = bucket_of(limit);
    }
    return one.bucket.take(1, time_) != 0;
}

OwnHandshake& SynGuard::occupy(const OwnHandshake& handshake, GuardRecord& record) {
    const std::uint16_t place = first_free_ != no_place ? first_free_ : used_++;
    if (place == first_free_) first_free_ = handshakes_[place].next_free;
    record.handshake = static_cast<std::uint16_t>(place + 1);
    under_way_.add();
    return handshakes_[place] = handshake;
}

void SynGuard::end_handshake(GuardRecord& record) {
    if (record.handshake == 0) return;
    OwnHandshake& handshake = handshake_of(record);
    handshake.flow = flow::no_ref;
    handshake.next_free = std::exchange(first_free_, static_cast<std::uint16_t>(record.handshake - 1));
    record.handshake = 0;
    under_way_.set(under_way_.read() - 1);
}

}  // namespace sluice::pipeline
