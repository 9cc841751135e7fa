// The switch behind an altered copy of the engine (alter_source.py, cells.hpp): each function does what the
// operator or call it stands for does, unless the mutant of the environment variable SLUICE_MUTANT is one of
// its own. The order of the variants is that of VARIANTS in alter_source.py. Part of mutation builds only
// (scripts/mutate).
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <type_traits>

#include "sluice/base/lanes.hpp"
#include "sluice/base/sequence.hpp"

namespace sluice::mutant {

inline long active = [] {
    const char* number = std::getenv("SLUICE_MUTANT");
    return number != nullptr ? std::strtol(number, nullptr, 10) : -1L;
}();

/// How far the tests got with a mutant. A survivor that never made a difference is another matter than one
/// whose difference nobody noticed.
enum class Reach : char { never = '0', reached = '1', different = '2', meaningless = '3' };

/// Appends how far it got to the file SLUICE_MUTANT_REACH, when the program ends.
struct Trace {
    Reach reach = Reach::never;
    Trace() = default;
    Trace(const Trace&) = delete;
    Trace& operator=(const Trace&) = delete;
    ~Trace() {
        const char* path = std::getenv("SLUICE_MUTANT_REACH");
        std::FILE* file = path != nullptr ? std::fopen(path, "a") : nullptr;
        if (file == nullptr) return;
        std::fputc(static_cast<char>(reach), file);
        std::fclose(file);
    }
    void note(Reach now) { reach = std::max(reach, now); }
};
inline Trace trace;

/// Which variant of the place that begins at `first` is asked for; -1: none. What the compiler computes for
/// itself is never altered.
constexpr int variant(long first, long count) {
    if (std::is_constant_evaluated()) return -1;
    const long chosen = active - first;
    return chosen >= 0 && chosen < count ? static_cast<int>(chosen) : -1;
}

/// `altered`, having noted whether that makes a difference.
template <class T>
T instead(const T& right, const std::type_identity_t<T>& altered) {
    const bool same = std::memcmp(&right, &altered, sizeof(T)) == 0;
    trace.note(same ? Reach::reached : Reach::different);
    return altered;
}

/// `value` moved by `distance`. A type that knows no distance (a structure, an enumeration) has no such
/// mutant.
template <class T>
T moved(T value, int distance) {
    if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>)
        return static_cast<T>(value + static_cast<T>(distance));
    if constexpr (std::is_same_v<T, Lanes>) return value + static_cast<std::uint32_t>(distance);
    trace.note(Reach::meaningless);
    return value;
}

constexpr bool before(long first, std::uint32_t a, std::uint32_t b) {
    const auto right = sluice::before(a, b);
    switch (variant(first, 4)) {
        case 0:
            return instead(right, !sluice::after(a, b));
        case 1:
            return instead(right, sluice::before(a, b - 1));
        case 2:
            return instead(right, sluice::before(b, a));
        case 3:
            return instead(right, !sluice::before(a, b));
        default:
            return right;
    }
}
constexpr bool after(long first, std::uint32_t a, std::uint32_t b) {
    const auto right = sluice::after(a, b);
    switch (variant(first, 4)) {
        case 0:
            return instead(right, !sluice::before(a, b));
        case 1:
            return instead(right, sluice::after(a, b + 1));
        case 2:
            return instead(right, sluice::after(b, a));
        case 3:
            return instead(right, !sluice::after(a, b));
        default:
            return right;
    }
}
constexpr std::uint32_t later(long first, std::uint32_t a, std::uint32_t b) {
    const auto right = sluice::later(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead(right, a);
        case 1:
            return instead(right, b);
        case 2:
            return instead(right, sluice::after(a, b) ? b : a);
        default:
            return right;
    }
}
template <class T>
constexpr T larger(long first, std::type_identity_t<T> a, T b) {
    const auto right = std::max<T>(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead(right, a);
        case 1:
            return instead(right, b);
        case 2:
            return instead(right, std::min<T>(a, b));
        default:
            return right;
    }
}
template <class T>
constexpr T smaller(long first, std::type_identity_t<T> a, T b) {
    const auto right = std::min<T>(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead(right, a);
        case 1:
            return instead(right, b);
        case 2:
            return instead(right, std::max<T>(a, b));
        default:
            return right;
    }
}
constexpr std::int32_t sequence_distance(long first, std::uint32_t a, std::uint32_t b) {
    const auto right = sluice::sequence_distance(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead(right, sluice::sequence_distance(b, a));
        case 1:
            return instead(right, sluice::sequence_distance(a + 1, b));
        case 2:
            return instead(right, sluice::sequence_distance(a - 1, b));
        default:
            return right;
    }
}

template <class A, class B>
constexpr bool equal(long first, A a, B b) {
    const auto right = a == b;
    switch (variant(first, 3)) {
        case 0:
            return instead(right, !(a == b));
        case 1:
            return instead(right, a == moved(b, 1));
        case 2:
            return instead(right, a == moved(b, -1));
        default:
            return right;
    }
}
template <class A, class B>
constexpr bool unequal(long first, A a, B b) {
    const auto right = !(a == b);
    switch (variant(first, 3)) {
        case 0:
            return instead(right, a == b);
        case 1:
            return instead(right, !(a == moved(b, 1)));
        case 2:
            return instead(right, !(a == moved(b, -1)));
        default:
            return right;
    }
}
template <class A, class B>
constexpr bool less(long first, A a, B b) {
    const auto right = a < b;
    switch (variant(first, 4)) {
        case 0:
            return instead(right, a <= b);
        case 1:
            return instead(right, b < a);
        case 2:
            return instead(right, !(a < b));
        case 3:
            return instead(right, a < moved(b, -1));
        default:
            return right;
    }
}
template <class A, class B>
constexpr bool at_most(long first, A a, B b) {
    const auto right = a <= b;
    switch (variant(first, 4)) {
        case 0:
            return instead(right, a < b);
        case 1:
            return instead(right, b <= a);
        case 2:
            return instead(right, !(a <= b));
        case 3:
            return instead(right, a <= moved(b, 1));
        default:
            return right;
    }
}
template <class A, class B>
constexpr bool more(long first, A a, B b) {
    const auto right = a > b;
    switch (variant(first, 4)) {
        case 0:
            return instead(right, a >= b);
        case 1:
            return instead(right, b > a);
        case 2:
            return instead(right, !(a > b));
        case 3:
            return instead(right, a > moved(b, 1));
        default:
            return right;
    }
}
template <class A, class B>
constexpr bool at_least(long first, A a, B b) {
    const auto right = a >= b;
    switch (variant(first, 4)) {
        case 0:
            return instead(right, a > b);
        case 1:
            return instead(right, b >= a);
        case 2:
            return instead(right, !(a >= b));
        case 3:
            return instead(right, a >= moved(b, -1));
        default:
            return right;
    }
}

// base/lanes.hpp: of a word or of lanes.
template <class W>
W lanes_positive(long first, const W& word) {
    const W right = sluice::is_positive(word);
    switch (variant(first, 3)) {
        case 0:
            return instead<W>(right, ~sluice::is_negative(word));
        case 1:
            return instead<W>(right, ~right);
        case 2:
            return instead<W>(right, sluice::is_positive(word - 1U));
        default:
            return right;
    }
}
template <class W>
W lanes_negative(long first, const W& word) {
    const W right = sluice::is_negative(word);
    switch (variant(first, 3)) {
        case 0:
            return instead<W>(right, ~sluice::is_positive(word));
        case 1:
            return instead<W>(right, ~right);
        case 2:
            return instead<W>(right, sluice::is_negative(word + 1U));
        default:
            return right;
    }
}
template <class W>
W lanes_equal(long first, const W& a, const W& b) {
    const W right = sluice::is_equal(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead<W>(right, ~right);
        case 1:
            return instead<W>(right, sluice::is_equal(a, b + 1U));
        case 2:
            return instead<W>(right, sluice::is_equal(a, b - 1U));
        default:
            return right;
    }
}
template <class W>
W lanes_select(long first, const W& mask, const W& a, const W& b) {
    const W right = sluice::select(mask, a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead<W>(right, a);
        case 1:
            return instead<W>(right, b);
        case 2:
            return instead<W>(right, sluice::select(mask, b, a));
        default:
            return right;
    }
}
template <class W>
W lanes_larger(long first, const W& a, const W& b) {
    const W right = sluice::larger(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead<W>(right, a);
        case 1:
            return instead<W>(right, b);
        case 2:
            return instead<W>(right, sluice::smaller(a, b));
        default:
            return right;
    }
}
template <class W>
W lanes_smaller(long first, const W& a, const W& b) {
    const W right = sluice::smaller(a, b);
    switch (variant(first, 3)) {
        case 0:
            return instead<W>(right, a);
        case 1:
            return instead<W>(right, b);
        case 2:
            return instead<W>(right, sluice::larger(a, b));
        default:
            return right;
    }
}

constexpr bool condition(long first, bool holds) {
    const auto right = holds;
    switch (variant(first, 2)) {
        case 0:
            return instead(right, true);
        case 1:
            return instead(right, false);
        default:
            return right;
    }
}

/// The right side of an assignment to `present`; `elsewhere` is the same read off the other endpoint.
template <class L, class R>
constexpr R field(long first, L present, R value, std::type_identity_t<R> elsewhere) {
    const auto right = value;
    switch (variant(first, 4)) {
        case 0:
            return instead(right, static_cast<R>(present));
        case 1:
            return instead(right, moved(value, 1));
        case 2:
            return instead(right, moved(value, -1));
        case 3:
            return instead(right, elsewhere);
        default:
            return right;
    }
}
template <class L, class R>
constexpr R field(long first, L present, R value) {
    return field(first, present, value, value);
}

/// One member of a braced initialiser.
template <class R>
constexpr R initialiser(long first, R value, std::type_identity_t<R> elsewhere) {
    const auto right = value;
    switch (variant(first, 4)) {
        case 0:
            return instead(right, R{});
        case 1:
            return instead(right, moved(value, 1));
        case 2:
            return instead(right, moved(value, -1));
        case 3:
            return instead(right, elsewhere);
        default:
            return right;
    }
}
template <class R>
constexpr R initialiser(long first, R value) {
    return initialiser(first, value, value);
}

/// A number that something will be compared with.
template <class T>
constexpr T bound(long first, T value) {
    const auto right = value;
    switch (variant(first, 2)) {
        case 0:
            return instead(right, moved(value, 1));
        case 1:
            return instead(right, moved(value, -1));
        default:
            return right;
    }
}

/// The right side of |=, of &= and of += and -=.
template <class T>
constexpr T set_bits(long first, T value) {
    return variant(first, 1) == 0 ? instead(value, T{}) : value;
}
template <class T>
constexpr T keep_bits(long first, T value) {
    return variant(first, 1) == 0 ? instead(value, static_cast<T>(~T{})) : value;
}
template <class T>
constexpr T added(long first, T value) {
    const auto right = value;
    switch (variant(first, 3)) {
        case 0:
            return instead(right, T{});
        case 1:
            return instead(right, moved(value, 1));
        case 2:
            return instead(right, moved(value, -1));
        default:
            return right;
    }
}

/// Whether a statement is carried out.
constexpr bool done(long first) {
    return variant(first, 1) == 0 ? instead(true, false) : true;
}

/// A constant with one bit for each pair and side.
constexpr std::uint64_t mask(long first, std::uint64_t value) {
    const int bit = variant(first, 38);
    return bit < 0 ? value : instead(value, value ^ (std::uint64_t{1} << bit));
}

}  // namespace sluice::mutant
