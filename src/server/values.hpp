// Types of columns and their values: how they are compared, converted and written as text.
#pragma once

#include "server/names.hpp"

namespace sc {

// How values of one key column are compared, hashed and sorted.
struct KeyType {
    Oid type;          // the base type
    int16 length;
    bool by_value;
    Oid collation;
    FmgrInfo equal;
    FmgrInfo hash;
    FmgrInfo compare;
};
static_assert(Pod<KeyType>);

// A list of words in the type of the column that they are compared with.
struct Words {
    std::span<const Datum> values;
    int16 length;
    bool by_value;
    Oid collation;
    FmgrInfo equal;
};
static_assert(Pod<Words>);

// A column of a relation, and the type below any domain that it may have.
Form_pg_attribute column_of(Relation relation, AttrNumber column);
Oid base_type(Relation relation, AttrNumber column);

// True if a column of two versions of a row holds the same bytes.
bool same_value(TupleTableSlot *before, TupleTableSlot *after, AttrNumber column);

// 42883 where the type has no default btree and hash operator classes.
KeyType make_key_type(Relation relation, AttrNumber column);
bool equal_keys(const KeyType &key, Datum left, Datum right);
uint32 hash_of(const KeyType &key, Datum value);
int compare_keys(const KeyType &key, Datum left, Datum right);   // below, at or above 0, in the order of an index

// The names as values of that column; 55000 where one of them is no label of its enum any more.
Words make_words(Relation relation, AttrNumber column, Names names);
bool contains(const Words &words, Datum value);

// True for int2, int4 and int8.
bool is_integer(Oid type);

// True for base types whose values convert_key() takes from one to the other: the same, integers, text and varchar.
bool are_convertible(Oid left, Oid right);

// A value in the other type; std::nullopt where it does not fit, so that no row can have it.
std::optional<Datum> convert_key(Datum value, Oid from, Oid to);

// Integer counters of any width, and of domains over them. 22003 where a value does not fit into its column, and 23514
// where its domain refuses it.
int64_t counter_value(Datum value, Oid type);
Datum counter_datum(int64_t value, Oid type, Relation relation, AttrNumber column);

// A value as text, for messages.
const char *value_text(Datum value, Oid type);

}  // namespace sc
