// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
//
// The program behind sqlite.lackey.xz: SQLite, linked statically, works on a database in memory.
// Fill a table, sort it into an index, aggregate, walk the index in order, delete, vacuum.
// Usage: sqlite ROWS BODY_BYTES

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 1;

static uint64_t next_random(void) { // splitmix64
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int print_row(void* unused, int n, char** values, char** columns) {
    (void)unused;
    (void)columns;
    for (int i = 0; i < n; ++i) printf("%s%c", values[i] ? values[i] : "", i + 1 < n ? '|' : '\n');
    return 0;
}

static void check(sqlite3* db, int ok) {
    if (ok) return;
    fprintf(stderr, "sqlite: %s\n", sqlite3_errmsg(db));
    exit(1);
}

static void run(sqlite3* db, const char* sql) { check(db, sqlite3_exec(db, sql, print_row, NULL, NULL) == SQLITE_OK); }

int main(int argc, char** argv) {
    const int rows = argc > 1 ? atoi(argv[1]) : 0;
    const int body_bytes = argc > 2 ? atoi(argv[2]) : 0;
    if (rows < 1 || body_bytes < 2) {
        fprintf(stderr, "usage: sqlite ROWS BODY_BYTES\n");
        return 2;
    }
    char* body = malloc((size_t)body_bytes);
    if (!body) return 1;
    memset(body, '.', (size_t)body_bytes);

    sqlite3* db = NULL;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK) return 1;

    // 1. Fill.
    run(db, "CREATE TABLE item(id INTEGER PRIMARY KEY, owner INTEGER, name TEXT, body TEXT); BEGIN");
    sqlite3_stmt* insert = NULL;
    check(db, sqlite3_prepare_v2(db, "INSERT INTO item VALUES(?,?,?,?)", -1, &insert, NULL) == SQLITE_OK);
    for (int i = 0; i < rows; ++i) {
        const uint64_t r = next_random();
        char name[32];
        snprintf(name, sizeof name, "n%06u", (unsigned)(r % 1000000));
        const int length = body_bytes - (int)((r >> 40) % (uint64_t)(body_bytes / 2));
        sqlite3_bind_int(insert, 1, i);
        sqlite3_bind_int(insert, 2, (int)((r >> 32) % 16));
        sqlite3_bind_text(insert, 3, name, -1, SQLITE_TRANSIENT);
        sqlite3_bind_text(insert, 4, body, length, SQLITE_STATIC);
        check(db, sqlite3_step(insert) == SQLITE_DONE);
        sqlite3_reset(insert);
    }
    sqlite3_finalize(insert);
    run(db, "COMMIT");

    // 2. Sort into an index that holds the long bodies too.
    run(db, "CREATE INDEX item_name ON item(name, body)");
    // 3. Read the table in the order of its keys.
    run(db, "SELECT owner, count(*), min(name), sum(length(body)) FROM item GROUP BY owner");
    // 4. Walk the index in order, and go from it to rows scattered in the table.
    run(db, "SELECT sum(owner) FROM (SELECT owner FROM item INDEXED BY item_name WHERE name > 'n' ORDER BY name)");
    // 5. Delete a part of the rows, and rebuild the database without the holes.
    run(db, "DELETE FROM item WHERE owner < 4");
    run(db, "VACUUM");

    sqlite3_close(db);
    free(body);
    return 0;
}
