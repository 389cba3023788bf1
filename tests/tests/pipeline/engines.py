"""Counts elevations with two engines that had no part in writing the tables, and prints them as JSON.

deltalake with pyarrow reads the tables by their Delta log; DuckDB reads the Parquet files that the log names.
"""

import json
import sys
from urllib.parse import unquote, urlparse

import duckdb
import pyarrow.compute as pc
from deltalake import DeltaTable

DIMENSIONS = {
    "outcome": ["outcome"],
    "management": ["management"],
    "publisher": ["publisher"],
    "user": ["user_name"],
    "application": [
        "file_name",
        "product_name",
        "internal_name",
        "file_version",
        "publisher",
        "elevation_type",
        "sha256",
    ],
}


def arrow_counts(root, name, times):
    table = DeltaTable(f"{root}/{name}").to_pyarrow_table()
    table = table.append_column("n", pc.coalesce(pc.cast(table[times], "int64"), 1))
    counts = {}
    for dimension, columns in DIMENSIONS.items():
        rows = table.group_by(columns).aggregate([("n", "sum")]).to_pylist()
        counts[dimension] = [[row[column] for column in columns] + [row["n_sum"]] for row in rows]
    return counts


def local(uri):
    return unquote(urlparse(uri).path) if uri.startswith("file:") else uri


def duckdb_counts(root, name, times):
    files = [local(uri) for uri in DeltaTable(f"{root}/{name}").file_uris()]
    database = duckdb.connect()
    counts = {}
    for dimension, columns in DIMENSIONS.items():
        names = ", ".join(columns)
        query = (
            f"SELECT {names}, CAST(sum(coalesce({times}, 1)) AS BIGINT)"
            " FROM read_parquet(?, union_by_name = true, hive_partitioning = false)"
            f" GROUP BY {names}"
        )
        counts[dimension] = [list(row) for row in database.execute(query, [files]).fetchall()]
    return counts


def main():
    root = sys.argv[1]
    tables = {"elevations": "repeat_count", "usage": "elevations"}
    counts = {
        engine: {table: count(root, table, times) for table, times in tables.items()}
        for engine, count in {"pyarrow": arrow_counts, "duckdb": duckdb_counts}.items()
    }
    devices = DeltaTable(f"{root}/devices").to_pyarrow_table()
    counts["devices"] = {
        "rows": devices.num_rows,
        "records": pc.sum(devices["records"]).as_py(),
        "missing": pc.sum(devices["missing"]).as_py(),
    }
    counts["dead_letters"] = DeltaTable(f"{root}/dead_letters").to_pyarrow_table().num_rows
    json.dump(counts, sys.stdout)


main()
