"""The tables of ``archive.sqlite``.

    series      targets, seed, version of the generators; the sum of all counts
    nights      one run each, with its own counts; engines and errors belong to one
    done        ranges of case numbers, both ends included; sorted, never overlapping or touching
    new_counts  counts of batches that are not added to ``series`` and ``nights`` yet: at most ``FOLD_EVERY`` rows
    findings    one row per bundle, with what a list or a report needs of it
    sightings   one engine's disagreement on one case, in whole numbers; about 40 bytes each
    tallies     how often an older release counted a bucket without saying on which cases
    causes      what findings and sightings share; ``roots`` follows ``merged_into`` to its end
    apart       pairs of causes that a person, or a proof, has told apart: nobody merges them by himself
    set_aside   disagreements that wait for their bucket's work to end
    retests     what an engine did with a cause's smallest case at the beginning of a night
    epochs      which part of its turns each target takes in a stretch of case numbers (``fuzz.records.epoch``)
    narrowed    what cases of a series were made without since engines lack it, a line each
    words       in which epoch a target first executed or was something: what allotment rewards beside causes

Words that come again and again (engines, releases, CPU flags, buckets, targets) stand once in tables of their own. A
seed is text: it may have more than 64 bits. Lists are JSON.
"""

from __future__ import annotations

from typing import Final

APPLICATION_ID: Final = 0x77636676
"""``wcfv``, in the file's header: another program's SQLite file is told from ours."""

VERSION: Final = 1
"""Raised whenever a table changes; kept in the header as ``user_version``."""

FOLD_EVERY: Final = 64
"""Batches whose counts wait in ``new_counts``. A sum is 20 KB of JSON: too much to write for every second's work."""

SCHEMA: Final = """
CREATE TABLE series (
    id INTEGER PRIMARY KEY,
    targets TEXT NOT NULL,
    seed TEXT NOT NULL,
    version TEXT NOT NULL,
    counts TEXT NOT NULL DEFAULT '{}',
    UNIQUE (targets, seed, version)
);
CREATE TABLE machines (
    id INTEGER PRIMARY KEY,
    flags TEXT NOT NULL UNIQUE
);
CREATE TABLE nights (
    id INTEGER PRIMARY KEY,
    series INTEGER NOT NULL REFERENCES series,
    started REAL NOT NULL,
    ended REAL NOT NULL DEFAULT 0,
    harness TEXT NOT NULL,
    platform TEXT NOT NULL,
    machine INTEGER NOT NULL REFERENCES machines,
    exit_code INTEGER,
    interrupted INTEGER NOT NULL DEFAULT 0,
    counts TEXT NOT NULL DEFAULT '{}'
);
CREATE TABLE new_counts (
    id INTEGER PRIMARY KEY,
    night INTEGER NOT NULL REFERENCES nights,
    counts TEXT NOT NULL
);
CREATE TABLE done (
    series INTEGER NOT NULL REFERENCES series,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL CHECK (last >= first),
    PRIMARY KEY (series, first)
) WITHOUT ROWID;
CREATE TABLE night_engines (
    night INTEGER NOT NULL REFERENCES nights,
    engine TEXT NOT NULL,
    release TEXT NOT NULL DEFAULT '',
    trouble TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (night, engine)
) WITHOUT ROWID;
CREATE TABLE errors (
    id INTEGER PRIMARY KEY,
    night INTEGER NOT NULL REFERENCES nights,
    time REAL NOT NULL,
    line TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE TABLE setups (
    id INTEGER PRIMARY KEY,
    engine TEXT NOT NULL,
    release TEXT NOT NULL,
    machine INTEGER NOT NULL REFERENCES machines,
    UNIQUE (engine, release, machine)
);
CREATE TABLE origins (
    id INTEGER PRIMARY KEY,
    target TEXT NOT NULL,
    seed TEXT NOT NULL,
    version TEXT NOT NULL,
    UNIQUE (target, seed, version)
);
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    cases INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE causes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    phase TEXT NOT NULL,
    family TEXT NOT NULL,
    essentials TEXT NOT NULL DEFAULT '[]',
    faces TEXT NOT NULL DEFAULT '[]',
    shown_by TEXT NOT NULL DEFAULT '[]',
    hidden_by TEXT NOT NULL DEFAULT '[]',
    wrong_in TEXT NOT NULL DEFAULT '[]',
    right_in TEXT NOT NULL DEFAULT '[]',
    known TEXT NOT NULL DEFAULT '',
    link TEXT NOT NULL DEFAULT '',
    merged_into INTEGER REFERENCES causes CHECK (merged_into != id),
    night INTEGER NOT NULL
);
CREATE VIEW roots AS
    WITH RECURSIVE climb (cause, at, above) AS (
        SELECT id, id, merged_into FROM causes
        UNION ALL
        SELECT climb.cause, causes.id, causes.merged_into FROM climb JOIN causes ON causes.id = climb.above
    )
    SELECT cause, at AS root FROM climb WHERE above IS NULL;
CREATE TABLE apart (
    one INTEGER NOT NULL REFERENCES causes,
    other INTEGER NOT NULL REFERENCES causes CHECK (one < other),
    PRIMARY KEY (one, other)
) WITHOUT ROWID;
CREATE TABLE findings (
    id INTEGER PRIMARY KEY,
    bundle TEXT NOT NULL UNIQUE,
    signature TEXT NOT NULL,
    bucket INTEGER NOT NULL REFERENCES buckets,
    origin INTEGER NOT NULL REFERENCES origins,
    "index" INTEGER NOT NULL,
    cause INTEGER REFERENCES causes,
    night INTEGER NOT NULL,
    time REAL NOT NULL,
    known TEXT NOT NULL,
    repeats INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    minimized INTEGER NOT NULL,
    size INTEGER NOT NULL,
    original_size INTEGER NOT NULL,
    stamp TEXT NOT NULL,
    trouble TEXT NOT NULL DEFAULT ''
);
CREATE INDEX findings_by_cause ON findings (cause);
CREATE INDEX findings_by_night ON findings (night);
CREATE TABLE sightings (
    origin INTEGER NOT NULL REFERENCES origins,
    "index" INTEGER NOT NULL,
    bucket INTEGER NOT NULL REFERENCES buckets,
    setup INTEGER NOT NULL REFERENCES setups,
    cause INTEGER REFERENCES causes,
    time REAL NOT NULL,
    night INTEGER NOT NULL,
    PRIMARY KEY (origin, "index", bucket, setup)
) WITHOUT ROWID;
CREATE INDEX sightings_by_cause ON sightings (cause, time, setup);
CREATE INDEX sightings_by_bucket ON sightings (bucket, time, setup);
CREATE TABLE tallies (
    series INTEGER NOT NULL REFERENCES series,
    bucket INTEGER NOT NULL REFERENCES buckets,
    cause INTEGER REFERENCES causes,
    cases INTEGER NOT NULL,
    PRIMARY KEY (series, bucket)
) WITHOUT ROWID;
CREATE TABLE set_aside (
    series INTEGER NOT NULL REFERENCES series,
    number INTEGER NOT NULL,
    bucket INTEGER NOT NULL REFERENCES buckets,
    time REAL NOT NULL,
    night INTEGER NOT NULL,
    PRIMARY KEY (series, number, bucket)
) WITHOUT ROWID;
CREATE TABLE minimizations (
    id INTEGER PRIMARY KEY,
    finding INTEGER NOT NULL REFERENCES findings,
    night INTEGER NOT NULL,
    time REAL NOT NULL,
    before INTEGER NOT NULL,
    after INTEGER NOT NULL,
    seconds REAL NOT NULL,
    runs INTEGER NOT NULL,
    ending TEXT NOT NULL
);
CREATE INDEX minimizations_by_finding ON minimizations (finding);
CREATE TABLE takeovers (
    digest TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    entries INTEGER NOT NULL,
    time REAL NOT NULL
);
"""

ADDED: Final = (
    """CREATE TABLE IF NOT EXISTS retests (
    night INTEGER NOT NULL,
    cause INTEGER NOT NULL,
    bundle TEXT NOT NULL,
    engine TEXT NOT NULL,
    release TEXT NOT NULL,
    state TEXT NOT NULL,
    shows INTEGER NOT NULL,
    why TEXT NOT NULL,
    PRIMARY KEY (night, cause, engine)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS epochs (
    series INTEGER NOT NULL REFERENCES series,
    number INTEGER NOT NULL,
    first INTEGER NOT NULL,
    next INTEGER NOT NULL CHECK (next > first),
    parts TEXT NOT NULL,
    PRIMARY KEY (series, number)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS words (
    series INTEGER NOT NULL REFERENCES series,
    target TEXT NOT NULL,
    word TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (series, target, word)
) WITHOUT ROWID""",
    """CREATE TABLE IF NOT EXISTS narrowed (
    series INTEGER NOT NULL REFERENCES series,
    line TEXT NOT NULL,
    PRIMARY KEY (series, line)
) WITHOUT ROWID""",
)
"""Tables that archives of older releases do not have: whoever opens one to write makes them."""

TABLES: Final = frozenset(
    line.split()[2] for line in SCHEMA.splitlines() if line.startswith("CREATE TABLE")
)  # fmt: skip

CHECKED: Final = TABLES - {"sightings"}
"""Tables that are read through when the file is opened. Sightings may be millions: they are met when asked for."""
