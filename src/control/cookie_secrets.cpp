#include "sluice/control/cookie_secrets.hpp"

namespace sluice::control {

Result<CookieSecrets> CookieSecrets::draw(DrawSecret draw) {
    guard::SynCookies::Secrets secrets;
    for (aes::Words* const key : {&secrets.turns[0], &secrets.turns[1], &secrets.timestamps})
        if (!draw(std::as_writable_bytes(std::span(*key))))
            return Error{
                "the kernel gives no random bytes for the secrets of SYN cookies: check seccomp filters"};
    return CookieSecrets(secrets, std::move(draw));
}

CookieSecrets::Change CookieSecrets::rotate(Tick now) {
    const Tick turn = now / guard::secret_turn;
    if (!turn_) turn_ = turn;  // both were drawn just now
    if (turn == *turn_ || now % guard::secret_turn < guard::secret_turn / 2) return Change::none;
    aes::Words fresh{};
    if (!draw_(std::as_writable_bytes(std::span(fresh)))) return Change::failed;
    if (!cookies_.replace_secret(fresh, now)) return Change::none;
    turn_ = turn;
    return Change::done;
}

}  // namespace sluice::control
