// The hash table of check/tally.hpp against a sorted map over the same keys. Prints TAP.
#include <cstdlib>
#include <map>

#include "check/tally.hpp"
#include "tap.hpp"

using namespace sc;

namespace {

template <size_t words>
struct Book {
    Tally<words> tally{};
    std::map<TallyKey<words>, Credits> truth;
    size_t resized = 0;

    void make_room()
    {
        if (const size_t bytes = tally.wanted()) {
            std::free(tally.resize(std::calloc(1, bytes), bytes));
            resized++;
        }
    }

    void add(const TallyKey<words> &key, Credits credits)
    {
        truth[key] += credits;
        if (tally.add(key, credits)) {
            tally.settle();
            make_room();
        }
    }

    bool agrees() const
    {
        for (const auto &[key, credits] : truth)
            if (tally.find(key).used != credits.used || tally.find(key).scheduled != credits.scheduled)
                return false;
        return true;
    }
};

uint64_t mixed(uint64_t value)
{
    return (value ^ (value >> 29)) * 0xbf58476d1ce4e5b9u;
}

// As many keys as that, each word made by its own rule, in no order and each of them several times.
template <size_t words>
void test_keys(uint64_t keys, uint64_t (*word)(uint64_t key, size_t place), const char *promise)
{
    Book<words> book;
    book.make_room();
    for (uint64_t i = 0; i < keys * 5; i++) {
        const uint64_t number = (i * 7919) % keys;
        TallyKey<words> key{};
        for (size_t place = 0; place < words; place++)
            key[place] = word(number, place);
        const auto cost = static_cast<int64_t>(1 + mixed(i) % 4);
        book.add(key, {cost, mixed(i) % 3 == 0 ? cost : 0});
    }
    book.tally.settle();
    ok(book.truth.size() == keys && book.agrees(), promise);
    ok(book.resized > 1, "... and it has grown meanwhile");
    TallyKey<words> absent{};
    for (size_t place = 0; place < words; place++)
        absent[place] = word(keys + 1, place);
    ok(book.tally.find(absent).used == 0, "... and what was never added is not there");
}

void test_taking()
{
    std::array<Tally<1>::Entry, 1024> memory{};
    Tally<1> tally;
    tally.resize(memory.data(), sizeof(memory));
    for (uint64_t key = 0; key < 50; key++)
        tally.add({key % 10}, {1, 2});
    tally.settle();
    ok(tally.take({3}).used == 5 && tally.find({3}).used == -5, "what is taken is marked");
    ok(tally.take({3}).used == -5, "... and is not taken again");
    ok(tally.find({4}).used == 5 && tally.take({10}).used == 0, "... and nothing else is");
}

}  // namespace

int main()
{
    test_keys<1>(100000, [](uint64_t key, size_t) { return key; }, "numbers from 0 on");
    test_keys<1>(100000, [](uint64_t key, size_t) { return ~key; }, "negative numbers");
    test_keys<1>(100000, [](uint64_t key, size_t) { return key << 40; }, "numbers that differ in high bits alone");
    test_keys<2>(50000, [](uint64_t key, size_t place) { return mixed(key + place); }, "two words at random");
    test_keys<2>(40000, [](uint64_t key, size_t place) { return place == 0 ? key / 200 : key % 200; },
                 "pairs that share a word, and their mirror images");
    test_keys<4>(20000, [](uint64_t key, size_t place) { return place == 3 ? key : 7; },
                 "four words, of which the last differs");
    Tally<1> empty{};
    ok(empty.find({0}).used == 0 && empty.take({0}).used == 0, "nothing is in an empty one");
    test_taking();
    return finish();
}
