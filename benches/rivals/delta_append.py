# Appends rows to a Delta table, 50,000 to a commit: JSON lines read by Arrow's own parser, written by delta-rs.
import io, resource, sys, time

import pyarrow.json
from deltalake import DeltaTable, write_deltalake

path, table, per_commit = sys.argv[1], sys.argv[2], int(sys.argv[3])
lines = open(path, "rb").read().splitlines(keepends=True)
chunks = [b"".join(lines[at : at + per_commit]) for at in range(0, len(lines), per_commit)]
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
cpu, began = used(), time.perf_counter()
for chunk in chunks:
    write_deltalake(table, pyarrow.json.read_json(io.BytesIO(chunk)), mode="append", partition_by=["event_date"])
wall, cpu = time.perf_counter() - began, used() - cpu
held = DeltaTable(table).to_pyarrow_dataset().count_rows()
print(held, wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
