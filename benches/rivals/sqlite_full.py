# Inserts length-prefixed records into SQLite, one synced transaction for each batch. Reading them is not timed.
import resource, sqlite3, sys, time

path, database, batch = sys.argv[1], sys.argv[2], int(sys.argv[3])
data = open(path, "rb").read()
rows, at = [], 0
while at < len(data):
    length = int.from_bytes(data[at : at + 4], "little")
    rows.append((len(rows), data[at + 4 : at + 4 + length]))
    at += 4 + length
db = sqlite3.connect(database, isolation_level=None)
assert db.execute("PRAGMA journal_mode=WAL").fetchone()[0] == "wal"
db.execute("PRAGMA synchronous=FULL")
db.execute("CREATE TABLE records (id INTEGER PRIMARY KEY, payload BLOB NOT NULL)")
used = lambda: sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
cpu, began = used(), time.perf_counter()
for first in range(0, len(rows), batch):
    db.execute("BEGIN")
    db.executemany("INSERT INTO records VALUES (?, ?)", rows[first : first + batch])
    db.execute("COMMIT")
wall, cpu = time.perf_counter() - began, used() - cpu
held = db.execute("SELECT count(*) FROM records").fetchone()[0]
print(held, wall, cpu, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
