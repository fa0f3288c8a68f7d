// PURE: how many sessions are counted for each key, in one flat hash table that doubles when it is three quarters full.
// Keys are up to four words, compared as they are; its memory comes from whoever owns it. Rows are taken in bunches,
// whose places in memory are fetched ahead: what a large table costs is waiting for memory.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "rules/credit_rule.hpp"

namespace sc {

template <size_t words>
using TallyKey = std::array<uint64_t, words>;

template <size_t words>
class Tally {
public:
    struct Entry {
        TallyKey<words> key;
        Credits credits;           // used is 0 where there is no key
    };

    // How many bytes a table has that is to take another bunch: what resize() must be given before more is added.
    // 0: it is large enough.
    size_t wanted() const
    {
        if ((count_ + bunch) * 4 <= size_ * 3)
            return 0;
        return sizeof(Entry) * (size_ == 0 ? first_size : size_ * 2);
    }

    // Moves to that zeroed memory; returns the memory that it leaves.
    void *resize(void *memory, size_t bytes)
    {
        Entry *left = entries_;
        const size_t left_size = size_;
        entries_ = static_cast<Entry *>(memory);
        size_ = bytes / sizeof(Entry);
        for (size_t i = 0; i < left_size; i++)
            if (left[i].credits.used != 0)
                entries_[place_of(left[i].key, hash(left[i].key))] = left[i];
        return left;
    }

    // Takes one more session that holds a credit; true where the bunch is full and must be settled before the next.
    bool add(const TallyKey<words> &key, Credits credits)
    {
        Pending &one = pending_[pending_count_++];
        one = {key, hash(key), credits};
        __builtin_prefetch(&entries_[one.hash & (size_ - 1)], 1);
        return pending_count_ == bunch;
    }

    void settle()
    {
        for (size_t i = 0; i < pending_count_; i++) {
            const Pending &one = pending_[i];
            Entry &entry = entries_[place_of(one.key, one.hash)];
            count_ += entry.credits.used == 0;
            entry.key = one.key;
            entry.credits += one.credits;
        }
        pending_count_ = 0;
    }

    // After everything is settled.
    Credits find(const TallyKey<words> &key) const
    {
        return size_ == 0 ? Credits{} : entries_[place_of(key, hash(key))].credits;
    }

    // The same, once: what was taken is found as less than nothing from then on.
    Credits take(const TallyKey<words> &key)
    {
        if (size_ == 0)
            return {};
        Credits &credits = entries_[place_of(key, hash(key))].credits;
        const Credits found = credits;
        if (found.used > 0)
            credits.used = -found.used;
        return found;
    }

private:
    static constexpr size_t bunch = 64;
    static constexpr size_t first_size = 1024;

    struct Pending {
        TallyKey<words> key;
        uint64_t hash;
        Credits credits;
    };

    // The finalizer of splitmix64 (Steele, Lea, Flood 2014) for each word.
    static uint64_t hash(const TallyKey<words> &key)
    {
        uint64_t mixed = 0;
        for (uint64_t word : key) {
            mixed = (mixed + 0x9e3779b97f4a7c15u) ^ word;
            mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9u;
            mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebu;
            mixed ^= mixed >> 31;
        }
        return mixed;
    }

    // Where the key is, or where it would be.
    size_t place_of(const TallyKey<words> &key, uint64_t hash) const
    {
        size_t place = hash & (size_ - 1);
        while (entries_[place].credits.used != 0 && entries_[place].key != key)
            place = (place + 1) & (size_ - 1);
        return place;
    }

    Entry *entries_ = nullptr;
    size_t size_ = 0;              // a power of two
    size_t count_ = 0;
    size_t pending_count_ = 0;
    std::array<Pending, bunch> pending_;
};

}  // namespace sc
